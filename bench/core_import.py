"""Importing large programs by an installed `System`, against CPython alone.

Each measurement is a fresh process; the two take turns, and their order changes from pair to pair.
What counts is CPU time (user and system) of the whole process, so making the `System` and importing
entrepot's own modules are in it. Both find the bytecode of every module in place, entrepot's too.
The last row is an import statement for a module that is already there, in a function, a million times,
while only our finders and hooks are installed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from environments import get_python, make_variables, measure_cpu_s

SCIENCE = "import pandas, sklearn, sklearn.linear_model, matplotlib.pyplot"
WEB = "import django, django.db.models, django.http, sqlalchemy.orm, boto3, sympy"
FIXED = {"PYTHONHASHSEED": "0"}
INSTALL = "import entrepot; entrepot.System().installed().__enter__()"
# Bars are on medians.
BAR_IMPORT, BAR_WARM = 1.0, 1.05

WARM = """
import json, time
def statement():
    import json
def run(times):
    for _ in range(times):
        statement()
run(1000)
started = time.process_time()
run({times})
print(time.process_time() - started)
"""


def run(quick: bool) -> list[dict]:
    """Return a row for each of the two programs, and one for the statement that finds its module."""
    python = get_python()
    pairs = 5 if quick else 15
    return [
        measure_program(python, "pandas + scikit-learn + matplotlib.pyplot", SCIENCE, pairs),
        measure_program(python, "django + sqlalchemy.orm + boto3 + sympy", WEB, pairs),
        measure_warm(python, 100_000 if quick else 1_000_000, 5 if quick else 15),
    ]


def measure_program(python: str, what: str, code: str, pairs: int) -> dict:
    """Return the row of one program: the median of the ratios of pairs."""
    programs = {"peer": code, "entrepot": f"{INSTALL}\n{code}"}
    for program in programs.values():
        # Writes whatever bytecode is missing, and brings the files into memory.
        measure_cpu_s([python, "-c", program], env=FIXED)
    times: dict[str, list[float]] = {"peer": [], "entrepot": []}
    for pair in range(pairs):
        for kind in sorted(programs, reverse=bool(pair % 2)):
            times[kind].append(measure_cpu_s([python, "-c", programs[kind]], env=FIXED))
    return make_row(f"import {what}", times, 1000, "ms", BAR_IMPORT)


def measure_warm(python: str, times: int, pairs: int) -> dict:
    """Return the row of the statement whose module is in the cache."""
    code = WARM.format(times=times)
    programs = {"peer": code, "entrepot": f"{INSTALL}\n{code}"}
    seconds: dict[str, list[float]] = {"peer": [], "entrepot": []}
    for pair in range(pairs):
        for kind in sorted(programs, reverse=bool(pair % 2)):
            done = subprocess.run(
                [python, "-c", programs[kind]],
                check=True,
                env=make_variables(**FIXED),
                stdout=subprocess.PIPE,
                text=True,
            )
            seconds[kind].append(float(done.stdout) / times)
    return make_row("import json in a function, json imported", seconds, 1e9, "ns", BAR_WARM)


def make_row(what: str, times: dict[str, list[float]], unit: float, name: str, bar: float) -> dict:
    """Return a row from paired measurements in seconds."""
    ratios = [ours / peer for ours, peer in zip(times["entrepot"], times["peer"], strict=True)]
    quartiles = statistics.quantiles(ratios, n=4)
    return {
        "what": what,
        "entrepot": f"{statistics.median(times['entrepot']) * unit:.0f} {name}",
        "peer": f"{statistics.median(times['peer']) * unit:.0f} {name}",
        "ratio": round(statistics.median(ratios), 3),
        "spread": f"{quartiles[0]:.2f}-{quartiles[2]:.2f}, {len(ratios)} pairs",
        "bar": bar,
    }


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
