"""What watching costs: a traced run beside a plain one.

CPU time (user and system) of fresh processes, alternating in one run, as the median of ratios to the plain run. The
programs are those of the import benchmark. "The program" is the traced process alone; the others are the whole command
as a user runs it, with making and writing what was asked for. OPENBLAS_NUM_THREADS=1: threads that wait spin.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable

from environments import SRC, get_python, measure_cpu_s

PROGRAMS = {
    "pandas, scikit-learn, matplotlib": "import pandas, sklearn.linear_model, matplotlib.pyplot",
    "django, sqlalchemy, boto3, sympy": "import django.db.models, sqlalchemy.orm, boto3, sympy",
}
BAR = 1.25


def measure_program_s(python: str, code: str) -> float:
    """Return the CPU seconds of the traced process alone: what the parent does is not counted."""
    with tempfile.TemporaryFile() as journal:
        env = {
            "ENTREPOT_TRACE": "\n".join([str(journal.fileno()), "", "own", str(SRC), "-"]),
            "PYTHONPATH": f"{SRC}/entrepot/trace/startup",
        }
        return measure_cpu_s([python, "-c", code], env=env, files=(journal.fileno(),))


def run(quick: bool) -> list[dict[str, object]]:
    """Return a row for each program and each way of watching it."""
    rows: list[dict[str, object]] = []
    python = get_python()
    with tempfile.TemporaryDirectory() as folder:
        for program, code in PROGRAMS.items():
            rows += [
                # What is written in full has no bar: its size is the record's.
                make_row(
                    f"{way}, importing {program}, against plain python",
                    pairs,
                    None if "--format" in way else BAR,
                )
                for way, pairs in measure_ways(python, code, f"{folder}/out", 3 if quick else 5).items()
            ]
    return rows


def measure_ways(python: str, code: str, out: str, number: int) -> dict[str, list[tuple[float, float]]]:
    """Return for each way of watching its CPU seconds beside those of a plain run just before."""
    trace = [python, "-m", "entrepot", "trace"]
    ways: dict[str, Callable[[], float]] = {
        "the program": lambda: measure_program_s(python, code),
        "entrepot trace": lambda: measure_cpu_s([*trace, "-c", code]),
        "entrepot trace --format json": lambda: measure_cpu_s(
            [*trace, "--format", "json", "-o", out, "-c", code]
        ),
        "entrepot trace --format html": lambda: measure_cpu_s(
            [*trace, "--format", "html", "-o", out, "-c", code]
        ),
    }
    plain = [python, "-c", code]
    measure_cpu_s(plain)  # the first run writes bytecode
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for measure in ways.values():
        measure()
    for _ in range(number):
        base = measure_cpu_s(plain)
        for way, measure in ways.items():
            times[way].append((measure(), base))
    return times


def make_row(what: str, pairs: list[tuple[float, float]], bar: float | None) -> dict[str, object]:
    """Return one row of the table: seconds of watched runs, each beside a plain one."""
    ratios = sorted(watched / base for watched, base in pairs)
    return {
        "what": what,
        "entrepot": f"{statistics.median(watched for watched, _ in pairs):.2f} s",
        "peer": f"{statistics.median(base for _, base in pairs):.2f} s",
        "ratio": statistics.median(ratios),
        "spread": f"{ratios[0]:.2f}-{ratios[-1]:.2f}, {len(pairs)} pairs",
        "bar": bar,
    }


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
