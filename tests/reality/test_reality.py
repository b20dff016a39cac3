"""Packages of PyPI on core: imported by an installed System, and two versions in one process.

By default a few small ones, fetched once for all workers. `ENTREPOT_REALITY=all` uses every library of
`versions.py`; `packages.py --python VENV/bin/python` compares whatever is installed in a venv.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SMALL = ["click", "attrs", "packaging"]


def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, stdin=subprocess.DEVNULL)


def has_registry(folder: Path) -> bool:
    """Whether pip can get the smallest of the packages."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "zipp"]
    return subprocess.run(command, capture_output=True, timeout=100).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_small_packages_import_the_same_under_an_installed_system(
    need: Callable[[object, str], None], tmp_path: Path
):
    """Names, attributes and specs of all modules are CPython's, for packages fetched from the registry."""
    need(has_registry(tmp_path), "a package registry (for pip)")

    done = run_script("packages.py", "--fetch", "pure")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("8 the same, 0 fail")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_versions_of_a_library_are_used_in_one_process(
    need: Callable[[object, str], None], tmp_path: Path
):
    """Each version serves its own system, and the host's import state is what it was."""
    need(has_registry(tmp_path), "a package registry (for pip)")
    names = [] if os.environ.get("ENTREPOT_REALITY") == "all" else SMALL

    done = run_script("versions.py", *names)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("both  ") >= len(SMALL)


def test_the_comparison_sees_a_difference(tmp_path: Path):
    """A module that looks at who imports it is reported: the comparison is not blind."""
    (tmp_path / "two_faced.py").write_text(
        "import sys\nif 'entrepot' in sys.modules:\n    extra = 1\n", encoding="utf-8"
    )
    code = f"import sys; sys.path[:0] = [{str(HERE)!r}]; import packages; " + (
        f"import os; os.environ['PYTHONPATH'] = {str(tmp_path)!r}; "
        "print(packages.compare(sys.executable, 'two_faced')[2])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert "two_faced: names: less [], more ['extra']" in done.stdout, done.stderr
