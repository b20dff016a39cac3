"""Splitting, expanding and renaming, beside rope and removestar.

Each row is CPU time of whole processes (start-up included), entrepot and the peer in turn in one
run, in fresh copies of the same tree. `split` moves the same names of bottle.py (4,680 lines)
to a new module; rope moves them one after the other, as its API asks. `expand` writes out the
stars of one networkx package's files; removestar takes the same files. `rename` renames
django's `cached_property` in all of django; rope renames the same name in bottle only, because
it does not come back from django within ten minutes, so that row has no peer.
Peers and sources are installed in a throw-away environment.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ["MultiDict", "cookie_encode", "cookie_decode", "http_date", "parse_date"]
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
        python = _install(folder)
        site = next((folder / "venv" / "lib").glob("python*/site-packages"))
        pairs = 1 if quick else 3
        return [
            _split(folder, python, site, pairs),
            _expand(folder, python, site, pairs),
            _rename(folder, site, 1 if quick else 2),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    wanted = ["rope", "removestar", "bottle==0.13.2", "networkx==3.4.2", "django==5.1.4"]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True, capture_output=True)
    return python


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
    ours, theirs, good = [], [], True
    for _ in range(pairs):
        tree = _fresh(folder, site / "bottle.py")
        command = [sys.executable, "-m", "entrepot", "split", "bottle.py", "--root", ".", "--to"]
        ours.append(cpu_of([*command, "bottle_data=" + ",".join(NAMES), "--reexport"], tree)[0])
        tree = _fresh(folder, site / "bottle.py")
        took, ended = cpu_of([str(python), "-c", ROPE, str(tree), *NAMES], tree)
        theirs.append(took)
        good = good and ended
    note = "" if good else " (rope failed on the way)"
    return _row(f"split bottle.py: {len(NAMES)} names, rope{note}", ours, theirs, 0.2)


def _expand(folder: Path, python: Path, site: Path, pairs: int) -> dict[str, object]:
    ours, theirs = [], []
    for _ in range(pairs):
        tree = _fresh(folder, site / "networkx")
        ours.append(cpu_of([sys.executable, "-m", "entrepot", "expand", "networkx", "--root", "."], tree)[0])
        tree = _fresh(folder, site / "networkx")
        theirs.append(cpu_of([str(python), "-m", "removestar", "-i", "networkx"], tree)[0])
    return _row("expand the stars of networkx, removestar", ours, theirs, 1.0)


def _rename(folder: Path, site: Path, times: int) -> dict[str, object]:
    ours = []
    for _ in range(times):
        tree = _fresh(folder, site / "django")
        command = [sys.executable, "-m", "entrepot", "rename", "django.utils.functional:cached_property"]
        ours.append(cpu_of([*command, "kept_property", "--root", "."], tree)[0])
    row = _row("rename cached_property in django, cold", ours, [], None)
    row["bar"] = None
    return row


def _row(what: str, ours: list[float], theirs: list[float], bar: float | None) -> dict[str, object]:
    ratios = [one / two for one, two in zip(ours, theirs, strict=True)] if theirs else []
    return {
        "what": what,
        "entrepot": f"{statistics.median(ours):.2f} s CPU",
        "peer": f"{statistics.median(theirs):.2f} s CPU" if theirs else None,
        "ratio": round(statistics.median(ratios), 3) if ratios else None,
        "spread": f"{min(ratios):.3f}-{max(ratios):.3f}, {len(ratios)} pairs" if ratios else None,
        "bar": bar,
    }


if __name__ == "__main__":
    for result in run("--quick" in sys.argv):
        print(result)
