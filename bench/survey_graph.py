"""The module graph of real trees: entrepot beside grimp, `ruff analyze graph` and tach.

Downloads the trees and the peers into a temporary folder. Each peer alternates with entrepot in one
run, whole processes; rows give ratios of CPU time (user + system) and of wall time. Cold: nothing
kept. Warm: nothing changed. The bars are for homeassistant (10,913 files); on small trees the start of
Python and of entrepot counts more than the reading, and the rows only say what is. The last row of each
tree is entrepot's peak of memory (of its largest process), in place of a ratio the share of 110 MB.
Quick: django only.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

from environments import get_python

PEERS = ("grimp", "ruff", "tach", "networkx")

TREES = ["django", "sympy", "pandas", "twisted", "homeassistant"]
OURS = """
import sys
from entrepot.program.model import Program
program = Program.read(sys.argv[1], is_kept=len(sys.argv) > 2)
sum(len(targets) for targets in program.get_graph(with_ancestors=True))
"""
GRIMP = """
import sys, grimp
sys.path.insert(0, sys.argv[1])
grimp.build_graph(sys.argv[2], cache_dir=sys.argv[3] if len(sys.argv) > 3 else None)
"""


def measure(
    command: list[str], environment: dict[str, str], fine: tuple[int, ...] = (0,), folder: str | None = None
) -> tuple[float, float, float]:
    """Run a command; return CPU s, wall s, and the peak of memory of its largest process, in MB.

    Raises RuntimeError with its last words where it ends with a status that is not fine: the time
    of a failure is no time.
    """
    environment = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=words, cwd=folder
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in fine:
            words.seek(0)
            last = words.read().decode("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{command[0]} ... {command[-1]}: exit status {process.returncode}\n{last}")
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024


def fetch(folder: str, name: str) -> str:
    """Unpack the newest wheel of a package; return the folder that holds it."""
    wheels = os.path.join(folder, "wheels", name)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--python-version", "3.14.3", "-d", wheels, name], check=True)
    target = os.path.join(folder, name)
    with zipfile.ZipFile(os.path.join(wheels, os.listdir(wheels)[0])) as archive:
        archive.extractall(target)
    return target


Times = tuple[float, float, float]


def make_rows(what: str, rounds: list[tuple[Times, Times]], bar: float | None) -> list[dict[str, object]]:
    """Return the rows for CPU and wall of several rounds, each of ours and theirs."""
    rows: list[dict[str, object]] = []
    for index, unit in ((0, "CPU"), (1, "wall")):
        ratios = [mine[index] / theirs[index] for mine, theirs in rounds]
        rows.append(
            {
                "what": f"{what}: {unit}",
                "entrepot": f"{statistics.median(mine[index] for mine, _ in rounds):.2f} s",
                "peer": f"{statistics.median(theirs[index] for _, theirs in rounds):.2f} s",
                "ratio": round(statistics.median(ratios), 2),
                "spread": f"{min(ratios):.2f}-{max(ratios):.2f}",
                "bar": bar,
            }
        )
    return rows


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows: what, entrepot, peer, ratio, spread, bar."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        python = get_python(PEERS)
        programs = os.path.dirname(python)
        source = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
        cache = os.path.join(folder, "cache")
        environment = {**os.environ, "PYTHONPATH": source, "ENTREPOT_CACHE": cache}
        for name in TREES[:1] if quick else TREES:
            tree = fetch(folder, name)
            ours = [python, "-c", OURS, tree]
            grimp = [python, "-c", GRIMP, tree, name]
            # Without the project's own settings: those in a wheel may refer to files that are not in it.
            ruff = [
                os.path.join(programs, "ruff"),
                "analyze",
                "graph",
                "--isolated",
                os.path.join(tree, name),
            ]
            tach = [os.path.join(programs, "tach"), "map", "-o", os.path.join(folder, "tach.json")]
            with open(os.path.join(tree, "tach.toml"), "w", encoding="utf-8") as file:
                file.write('source_roots = ["."]\nmodules = []\n')
            grimp_cache = os.path.join(folder, "grimp")
            kept = [*ours, "kept"]
            is_large = name == "homeassistant"
            pairs = [
                ("cold, beside grimp", ours, grimp, 1.0),
                ("cold, beside ruff analyze graph", ours, ruff, 0.7),
                ("cold, beside tach map", ours, tach, None),
                ("nothing changed, beside grimp cached", kept, [*grimp, grimp_cache], 0.35),
            ]
            for what, mine, theirs, bar in pairs:
                # Files into memory, caches made.
                measure(mine, environment), measure(theirs, environment, folder=tree)
                rounds = [
                    (measure(mine, environment), measure(theirs, environment, folder=tree))
                    for _ in range(3 if quick else 5)
                ]
                rows += make_rows(f"graph of {name}, {what}", rounds, bar if is_large else None)
            peak = measure(ours, environment)[2]
            rows.append(
                {
                    "what": f"graph of {name}, cold: peak of memory",
                    "entrepot": f"{peak:.0f} MB",
                    "peer": "110 MB allowed",
                    "ratio": round(peak / 110, 2),
                    "spread": "",
                    "bar": 1.0,
                }
            )
    return rows


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
