"""Do the times of a trace agree with `python -X importtime`? Five large packages, each in a process of its own.

Both are run in turns; a module's time is the least of its own times over the runs, because whatever else the machine
does only adds to it. Garbage collection is off in both: a collection falls into whichever module happens to be running.
"ratio" is the sum of own times of the trace over that of importtime; "slowest" how many of importtime's ten slowest modules
are among the trace's ten; "order" whether those that differ by more than a tenth stand in the same order; "modules"
how many modules only one of the two has. Those that `importlib.import_module` was asked for are left out there: importtime
does not see them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import combinations

from environments import get_python, make_variables

PACKAGES = ("pandas", "matplotlib.pyplot", "django.db.models", "sqlalchemy.orm", "sympy")
CODE = "import gc; gc.disable(); import {}"
BEFORE = {"sitecustomize", "usercustomize"}  # `site` tries these before the program begins

Times = dict[str, float]


def read_importtime(python: str, code: str) -> Times:
    """Return the own time in seconds of each module that `-X importtime` lists."""
    done = run_python([python, "-X", "importtime", "-c", code])
    times: Times = {}
    for line in done.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").partition("|")
        if line.startswith("import time:") and own.strip().isdigit():
            name = name.rpartition("|")[2].strip()
            times[name] = times.get(name, 0.0) + int(own) / 1e6
    return times


def read_trace(python: str, code: str, out: str) -> tuple[Times, set[str], set[str]]:
    """Return the own time of each module of a trace, those there before it, and those that a function asked for."""
    run_python([python, "-m", "entrepot", "trace", "--format", "json", "-o", out, "-c", code])
    with open(out, encoding="utf-8") as file:
        record = json.load(file)
    times: Times = {}
    for module in record["modules"]:
        times[module["name"]] = times.get(module["name"], 0.0) + module["own_wall_s"]
    calls = {s["number"] for s in record["statements"] if s["form"] in ("import_module", "reload")}
    by_name = {m["name"] for m in record["modules"] if m["statement"] in calls}
    return times, set(record["preloaded"]), by_name


def run_python(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run an interpreter with nothing about it that differs from run to run."""
    env = make_variables(PYTHONHASHSEED="0")
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env)


def compare(python: str, package: str, out: str, number: int) -> dict[str, object]:
    """Return what the two say of one package."""
    code = CODE.format(package)
    run_python([python, "-c", code])  # writes bytecode
    theirs: list[Times] = []
    ours: list[Times] = []
    for _ in range(number):
        theirs.append(read_importtime(python, code))
        times, preloaded, by_name = read_trace(python, code, out)
        ours.append(times)
    least_theirs, least_ours = take_least(theirs), take_least(ours)
    only_theirs = set(least_theirs) - preloaded - BEFORE - set(least_ours)
    only_ours = set(least_ours) - set(least_theirs) - by_name
    listed = {name: time for name, time in least_theirs.items() if name not in preloaded | BEFORE}
    slowest = sorted(listed, key=lambda name: -listed[name])[:10]
    swapped = [
        (a, b)
        for a, b in combinations(slowest, 2)
        if listed[a] > 1.1 * listed[b] and least_ours.get(a, 0) < least_ours.get(b, 0)
    ]
    ratios = [
        sum(our.values()) / sum(their.get(name, 0) for name in listed)
        for our, their in zip(ours, theirs, strict=True)
    ]
    return {
        "modules": len(only_theirs | only_ours),
        "order": "the same" if not swapped else f"{len(swapped)} pairs swapped",
        "slowest": len(set(slowest) & set(sorted(least_ours, key=lambda name: -least_ours[name])[:10])),
        "ours_s": sum(least_ours.values()),
        "theirs_s": sum(listed.values()),
        "ratios": sorted(ratios),
        "only": sorted(only_theirs | only_ours),
    }


def take_least(runs: list[Times]) -> Times:
    """Return each module's least time."""
    return {name: min(times.get(name, time) for times in runs) for name, time in runs[0].items()}


def run(quick: bool) -> list[dict[str, object]]:
    """Return a row for each package."""
    rows = []
    python = get_python()
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            found = compare(python, package, f"{folder}/record.json", 3 if quick else 7)
            ratios = found["ratios"]
            assert isinstance(ratios, list)
            rows.append(
                {
                    "what": f"own times of `import {package}`, trace against importtime",
                    "entrepot": f"{found['ours_s'] * 1e3:.1f} ms",  # type: ignore[operator]
                    "peer": f"{found['theirs_s'] * 1e3:.1f} ms",  # type: ignore[operator]
                    "ratio": found["ours_s"] / found["theirs_s"],  # type: ignore[operator]
                    "spread": f"{ratios[0]:.2f}-{ratios[-1]:.2f}, {len(ratios)} pairs",
                    "bar": 1.05,
                    "slowest": f"{found['slowest']} of 10",
                    "order": found["order"],
                    "modules": found["modules"],
                }
            )
    return rows


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
