"""The module graph of real trees: entrepot beside grimp, `ruff analyze graph` and tach.

Downloads the trees and the peers into a temporary folder. Each peer alternates with entrepot in one
run, whole processes; rows give ratios of CPU time (user + system) and of wall time. Cold: nothing
kept. Warm: nothing changed. Edit: one file changed. Quick: django only.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

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
    command: list[str], environment: dict[str, str], fine: tuple[int, ...] = (0,)
) -> tuple[float, float, float]:
    """Run a command; return CPU s, wall s, and the largest peak of memory of any child so far, in MB.

    Raises RuntimeError with its last words where it ends with a status that is not fine: the time
    of a failure is no time.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as words:
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=words, check=False)
        wall = time.perf_counter() - begin
        if done.returncode not in fine:
            words.seek(0)
            last = words.read().decode("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{command[0]} ... {command[-1]}: exit status {done.returncode}\n{last}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, after.ru_maxrss / 1024


def fetch(folder: str, name: str) -> str:
    """Unpack the newest wheel of a package; return the folder that holds it."""
    wheels = os.path.join(folder, "wheels", name)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--python-version", "3.14.3", "-d", wheels, name], check=True)
    target = os.path.join(folder, name)
    with zipfile.ZipFile(os.path.join(wheels, os.listdir(wheels)[0])) as archive:
        archive.extractall(target)
    return target


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows: what, entrepot, peer, ratio, spread, bar."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        venv = os.path.join(folder, "venv")
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        python = os.path.join(venv, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "grimp", "ruff"], check=True)
        source = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
        cache = os.path.join(folder, "cache")
        environment = {**os.environ, "PYTHONPATH": source, "ENTREPOT_CACHE": cache}
        for name in TREES[:1] if quick else TREES:
            tree = fetch(folder, name)
            ours = [python, "-c", OURS, tree]
            grimp = [python, "-c", GRIMP, tree, name]
            ruff = [os.path.join(venv, "bin", "ruff"), "analyze", "graph", os.path.join(tree, name)]
            grimp_cache = os.path.join(folder, "grimp")
            kept = [*ours, "kept"]
            pairs = [
                ("cold, beside grimp", ours, grimp, 1.0),
                ("cold, beside ruff analyze graph", ours, ruff, 0.7),
                ("nothing changed, beside grimp cached", kept, [*grimp, grimp_cache], 0.35),
            ]
            for what, mine, theirs, bar in pairs:
                measure(mine, environment), measure(theirs, environment)  # files into memory, caches made
                rounds = [
                    (measure(mine, environment), measure(theirs, environment))
                    for _ in range(3 if quick else 5)
                ]
                for index, unit in ((0, "CPU"), (1, "wall")):
                    ratios = [mine[index] / theirs[index] for mine, theirs in rounds]
                    rows.append(
                        {
                            "what": f"graph of {name}, {what}: {unit}",
                            "entrepot": f"{statistics.median(mine[index] for mine, _ in rounds):.2f} s",
                            "peer": f"{statistics.median(theirs[index] for _, theirs in rounds):.2f} s",
                            "ratio": round(statistics.median(ratios), 2),
                            "spread": f"{min(ratios):.2f}-{max(ratios):.2f}",
                            "bar": bar,
                        }
                    )
    return rows


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
