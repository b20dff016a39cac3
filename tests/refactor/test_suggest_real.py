"""Proposals for modules of the standard library: all that is proposed can be done, and the module stays what it is."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from entrepot.refactor.project import Project
from entrepot.refactor.split import plan_split
from entrepot.refactor.suggest import suggest_split

# Each stands for a kind: a star of another module, tables made by loops, functions for one platform,
# classes in a long line, much that is done while it is initialised.
MODULES = (
    "calendar", "codecs", "dis", "heapq", "ipaddress", "pkgutil", "posixpath", "shlex", "socket", "statistics",
    "textwrap",
)  # fmt: skip
READ = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
print(json.dumps({name: sorted(vars(importlib.import_module(name))) for name in sys.argv[2:]}))
"""


def read_names(root: Path) -> dict[str, list[str]]:
    """Return the names of the modules, imported in another process."""
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-B",
            "-W",
            "ignore",
            "-c",
            READ,
            str(root),
            *(f"my_{name}" for name in MODULES),
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_proposal_for_a_real_module_can_be_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every group goes, the modules are imported as before, and each defined name is found in its old place."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text("")
    defined: dict[str, set[str]] = {}
    for name in MODULES:
        file = root / f"my_{name}.py"
        shutil.copy(Path(os.__file__).with_name(f"{name}.py"), file)
        body = ast.parse(file.read_bytes()).body
        defined[file.stem] = {n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    before = read_names(root)
    count = 0
    for name in MODULES:
        path = str(root / f"my_{name}.py")
        proposal = suggest_split(Project(str(root)), path)
        request: Mapping[str, list[str]] = {group.module: group.names for group in proposal.groups}
        moved = [moving for names in request.values() for moving in names]
        assert len(set(moved)) == len(moved)
        assert not set(moved) & set(proposal.stays)
        assert not any(imported == proposal.module for importer, imported, _ in proposal.arrows)
        if request:
            plan_split(Project(str(root)), path, request, reexport=proposal.reexport).apply()
            count += 1
    after = read_names(root)
    for stem, names in defined.items():
        assert names & set(before[stem]) <= set(after[stem]), stem
    assert count > len(MODULES) - 3
