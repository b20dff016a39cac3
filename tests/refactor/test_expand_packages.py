"""Star imports of whole packages: every module's namespace stays what it is, and none of their code is run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.refactor.expand import plan_expand
from entrepot.refactor.project import Project

READ = """
import importlib, json, os, sys
sys.path.insert(0, sys.argv[1])
for name in [n for n in sys.modules if n.split(".")[0] == sys.argv[2]]:
    del sys.modules[name]
found = {}
for folder, _, files in os.walk(os.path.join(sys.argv[1], sys.argv[2])):
    for file in files:
        path = os.path.relpath(os.path.join(folder, file), sys.argv[1])
        if not file.endswith(".py") or file == "__main__.py" or "tests" in path.split(os.sep):
            continue
        name = path[:-3].replace(os.sep, ".").removesuffix(".__init__")
        try:
            module = importlib.import_module(name)
        except Exception as error:
            found[name] = type(error).__name__
        else:
            found[name] = sorted(n for n in vars(module) if n not in ("__builtins__", "__cached__"))
print(json.dumps(found, sort_keys=True))
"""


def read_namespaces(python: str, root: Path, package: str) -> dict[str, object]:
    done = subprocess.run(
        [python, "-B", "-W", "ignore", "-c", READ, str(root), package],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def check_package(root: Path, package: str, python: str) -> int:
    """Expand a package in place and compare; return how many files changed."""
    before = read_namespaces(python, root, package)
    marker = root / "was-run"
    files = sorted((root / package).rglob("*.py"))
    texts = {path: path.read_bytes() for path in files}
    for path, text in texts.items():
        # Whoever ran one of these would leave a file behind.
        path.write_bytes(text + f"\nopen({str(marker)!r}, 'w').close()\n".encode())
    edit = plan_expand(Project(str(root)), [str(root / package)])
    assert not marker.exists()
    for path, text in texts.items():
        path.write_bytes(text)
    plan_expand(Project(str(root)), [str(root / package)]).apply()
    assert read_namespaces(python, root, package) == before
    return len(edit.changes)


@pytest.mark.slow
def test_asyncio_expanded_has_the_same_names_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the standard library's asyncio: stars behind a platform test, `__all__` summed up."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "project"
    shutil.copytree(
        os.path.dirname(asyncio.__file__), root / "asyncio", ignore=shutil.ignore_patterns("__pycache__")
    )
    assert check_package(root, "asyncio", sys.executable) == 1
    assert b"import *" not in (root / "asyncio" / "__init__.py").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("package", ["toolz", "networkx", "sympy"])
@pytest.mark.skipif("ENTREPOT_REAL_LIBRARIES" not in os.environ, reason="needs ENTREPOT_REAL_LIBRARIES")
def test_a_package_expanded_has_the_same_names_everywhere(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, need: Callable[[object, str], None]
) -> None:
    """Large packages from the index."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    venv = Path(os.environ["ENTREPOT_REAL_LIBRARIES"]) / "packages"
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(python), "-m", "pip", "install", "-q", "toolz==1.0.0", "networkx==3.4.2", "sympy==1.13.3"]
    installed = subprocess.run(pip, capture_output=True, check=False)
    need(installed.returncode == 0, "a package index")
    site = next((venv / "lib").glob("python*/site-packages"))
    root = tmp_path / "project"
    shutil.copytree(site / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    assert check_package(root, package, str(python)) > 0
