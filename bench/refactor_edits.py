"""Splitting, expanding and renaming, beside rope and removestar.

Each row is of whole processes (start-up included), entrepot and the peer in turn in one run, in
fresh copies of the same tree. `split` moves the same functions of bottle.py (4,680 lines) to a new
module; rope moves them one after the other, as its API asks. `expand` writes out the stars of
networkx; removestar takes the same files. Both are CPU time; it is said whether the result still
imports. `rename` renames a name that 286 of the 2,788 files of django's source distribution (its
tests included) use, in seconds that pass, files written; the first run in a fresh copy has read none of its files
yet. rope has no row there: it does not come back from django within ten minutes.
Peers and sources are installed in a throw-away environment.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from environments import get_python, site_of

NAMES = ["html_escape", "yieldroutes", "path_shift", "http_date", "parse_date"]
DJANGO = "django==5.1.4"
COLD_S, WARM_S = 10.0, 3.0
ROPE = """
import sys
from rope.base.project import Project
from rope.refactor.move import create_move
project = Project(sys.argv[1], ropefolder=None)
open(sys.argv[1] + "/bottle_data.py", "w").close()
for name in sys.argv[2:]:
    source = project.get_resource("bottle.py")
    text = source.read()
    offset = max(text.find("\\ndef " + name + "("), text.find("\\nclass " + name + "("))
    offset = text.index(name, offset)
    project.do(create_move(project, source, offset).get_changes(project.get_resource("bottle_data.py")))
"""


def cpu_of(command: list[str], where: Path) -> tuple[float, bool]:
    """Return the CPU seconds of a process and whether it ended well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    state = {**os.environ, "XDG_STATE_HOME": str(where.parent / "state")}
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, timeout=600, check=False, env=state)
        good = done.returncode == 0
    except subprocess.TimeoutExpired:
        good = False
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, good


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows; `quick` takes one pair each."""
    folder = Path(tempfile.mkdtemp(prefix="entrepot-bench-"))
    try:
        python = Path(get_python(("rope", "removestar", "bottle==0.13.2", "networkx==3.4.2")))
        site = site_of(python)
        pairs = 1 if quick else 3
        return [
            _split(folder, python, site, pairs),
            _expand(folder, python, site, pairs),
            *_rename(folder, python, 1 if quick else 3),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fresh(folder: Path, source: Path) -> Path:
    """Return a folder with a fresh copy of a module or package in it."""
    target = folder / "tree"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    if source.is_dir():
        shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
    return target


def _split(folder: Path, python: Path, site: Path, pairs: int) -> dict[str, object]:
    ours, theirs, said = [], [], []
    for _ in range(pairs):
        tree = _fresh(folder, site / "bottle.py")
        command = [sys.executable, "-m", "entrepot", "split", "bottle.py", "--root", ".", "--to"]
        took, ended = cpu_of([*command, "bottle_data=" + ",".join(NAMES), "--reexport"], tree)
        if not (ended and _imports(python, tree)):
            raise RuntimeError("entrepot's split of bottle.py does not import")
        ours.append(took)
        tree = _fresh(folder, site / "bottle.py")
        took, ended = cpu_of([str(python), "-c", ROPE, str(tree), *NAMES], tree)
        theirs.append(took)
        said = [] if ended and _imports(python, tree) else [" (whose result does not import)"]
    return _row(f"split bottle.py: {len(NAMES)} functions, rope{''.join(said)}", ours, theirs, 0.2)


def _imports(python: Path, tree: Path) -> bool:
    done = subprocess.run([str(python), "-c", "import bottle"], cwd=tree, capture_output=True, check=False)
    return done.returncode == 0


def _expand(folder: Path, python: Path, site: Path, pairs: int) -> dict[str, object]:
    ours, theirs = [], []
    for _ in range(pairs):
        tree = _fresh(folder, site / "networkx")
        ours.append(cpu_of([sys.executable, "-m", "entrepot", "expand", "networkx", "--root", "."], tree)[0])
        tree = _fresh(folder, site / "networkx")
        theirs.append(cpu_of([str(python), "-m", "removestar", "-i", "networkx"], tree)[0])
    return _row("expand the stars of networkx, removestar", ours, theirs, 1.0)


def _rename(folder: Path, python: Path, times: int) -> list[dict[str, object]]:
    """Return the rows for django: the first rename in a fresh copy, and those after it."""
    download = [
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        "django",
        DJANGO,
        "-d",
        str(folder),
    ]
    subprocess.run([str(python), *download], check=True, capture_output=True)
    with tarfile.open(next(folder.glob("[Dd]jango-*.tar.gz"))) as archive:
        archive.extractall(folder / "django", filter="data")
    tree = next((folder / "django").iterdir())
    command = [sys.executable, "-m", "entrepot", "rename", "--root", "."]
    names = ["Model", "Moodel"]
    walls, cpus = [], []
    for _ in range(1 + times):
        old, new = names
        start = time.perf_counter()
        took, ended = cpu_of([*command, f"django.db.models.base:{old}", new], tree)
        walls.append(time.perf_counter() - start)
        cpus.append(took)
        if not ended:
            raise RuntimeError("django was not renamed")
        names.reverse()
    what = "rename a class used in 286 files of django"
    return [
        _seconds(f"{what}: the first time", walls[:1], cpus[:1], COLD_S),
        _seconds(f"{what}: again", walls[1:], cpus[1:], WARM_S),
    ]


def _row(what: str, ours: list[float], theirs: list[float], bar: float) -> dict[str, object]:
    ratios = [one / two for one, two in zip(ours, theirs, strict=True)]
    return {
        "what": what,
        "entrepot": f"{statistics.median(ours):.2f} s CPU",
        "peer": f"{statistics.median(theirs):.2f} s CPU",
        "ratio": round(statistics.median(ratios), 3),
        "spread": f"{min(ratios):.3f}-{max(ratios):.3f}, {len(ratios)} pairs",
        "bar": bar,
    }


def _seconds(what: str, walls: list[float], cpus: list[float], bar_s: float) -> dict[str, object]:
    """Return a row whose bar is seconds: the ratio is of these, and 1 is the bar."""
    ratios = [wall / bar_s for wall in walls]
    return {
        "what": what,
        "entrepot": f"{statistics.median(walls):.2f} s ({statistics.median(cpus):.2f} s CPU)",
        "peer": f"bar {bar_s:.0f} s",
        "ratio": round(statistics.median(ratios), 3),
        "spread": f"{min(ratios):.3f}-{max(ratios):.3f}, {len(ratios)} runs",
        "bar": 1.0,
    }


if __name__ == "__main__":
    for result in run("--quick" in sys.argv):
        print(result)
