"""entrepot trace beside tuna, importtime-waterfall and pyinstrument: what each shows of an import, and at what cost.

CPU time of the whole way from the program to the finished page or text, in one run, as the median of ratios to a plain run
of the program. tuna draws what `python -X importtime` has written; importtime-waterfall runs the program five times and
keeps the fastest: its cost is that of all five. In each row the column "entrepot" has what the way named there took, and
"peer" what the plain run took. "yes" means that what is shown says it.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

from environments import LIBRARIES, SRC, get_python, measure_cpu_s
from trace_cost import PROGRAMS, make_row

PEERS = ["tuna", "importtime-waterfall", "pyinstrument"]
# What each shows: times of modules, whether a module is asked for again from the cache, the line that asks, where it was
# found and how it was compiled, what it defines, what its top level did, who wrote which output.
QUESTIONS = (
    "own and total time",
    "line that imports",
    "answered from the cache",
    "found where, compiled",
    "names",
    "effects",
    "output by line",
)
SHOWS = {
    "entrepot trace": ("yes", "no", "counted", "compiled", "no", "yes", "--output"),
    "entrepot trace --format html": ("yes", "yes", "no", "yes", "yes", "yes", "yes"),
    "tuna": ("yes", "no", "no", "no", "no", "no", "no"),
    "importtime-waterfall": ("yes", "no", "no", "no", "no", "no", "no"),
    "pyinstrument": ("sampled", "no", "no", "no", "no", "no", "no"),
}


def run(quick: bool) -> list[dict[str, object]]:
    """Return a row for each program and each way."""
    rows: list[dict[str, object]] = []
    python = get_python([*LIBRARIES, *PEERS])
    with tempfile.TemporaryDirectory() as folder:
        env = {
            "PYTHONPATH": f"{folder}{os.pathsep}{SRC}",
            "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
        }
        for program, code in PROGRAMS.items():
            (Path(folder) / "program.py").write_text(code + "\n", encoding="utf-8")
            ways = make_ways(python, folder)
            plain = [python, "-c", "import program"]
            for command in (plain, *ways.values()):
                measure_cpu_s(command, env=env)
            times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(1 if quick else 3):
                base = measure_cpu_s(plain, env=env)
                for way, command in ways.items():
                    times[way].append((measure_cpu_s(command, env=env), base))
            rows += [
                make_row(f"{way}, importing {program}", pairs, None)
                | dict(zip(QUESTIONS, SHOWS[way], strict=True))
                for way, pairs in times.items()
            ]
    return rows


def make_ways(python: str, folder: str) -> dict[str, list[str]]:
    """Return the command of each way, from the program to what it shows."""
    trace = [python, "-m", "entrepot", "trace"]
    here = {name: shlex.quote(value) for name, value in {"python": python, "folder": folder}.items()}
    tuna = "{python} -X importtime -c 'import program' 2> {folder}/log && {python} -m tuna -o {folder}/tuna {folder}/log"
    return {
        "entrepot trace": [*trace, "-c", "import program"],
        "entrepot trace --format html": [
            *trace,
            "--format",
            "html",
            "-o",
            f"{folder}/page.html",
            "-c",
            "import program",
        ],
        "tuna": ["sh", "-c", tuna.format(**here)],
        "importtime-waterfall": [python, "-m", "importtime_waterfall", "--har", "program"],
        "pyinstrument": [
            python,
            "-m",
            "pyinstrument",
            "-r",
            "html",
            "-o",
            f"{folder}/p.html",
            "-c",
            "import program",
        ],
    }


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
