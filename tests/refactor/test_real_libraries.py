"""Real libraries from the package index, split, and tested with their own test suites.

A handful run with the slow tests. All of them, with downloads that are kept:
`ENTREPOT_REAL_LIBRARIES=/some/folder pytest --run-slow tests/refactor/test_real_libraries.py`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "real_libraries", Path(__file__).with_name("real_libraries.py")
)
assert _spec is not None
assert _spec.loader is not None
real = importlib.util.module_from_spec(_spec)
sys.modules["real_libraries"] = real
_spec.loader.exec_module(real)

FOLDER = os.environ.get("ENTREPOT_REAL_LIBRARIES")
ALWAYS = {"schema", "texttable", "semver", "xmltodict", "jsonpointer"}  # small, with quick tests
CHOSEN = [library for library in real.LIBRARIES if FOLDER or library.name in ALWAYS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not FOLDER:
        return tmp_path_factory.mktemp("libraries")
    return Path(FOLDER) / os.environ.get("PYTEST_XDIST_WORKER", "")  # each worker has its own


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("library", CHOSEN, ids=lambda library: library.name)
def test_a_split_library_passes_its_own_tests(
    library: real.Library,  # type: ignore[name-defined]
    folder: Path,
    need: Callable[[object, str], None],
) -> None:
    """Its test suite, unchanged, ends as it did before."""
    try:
        real.fetch(library, folder)
        real.make_environment(folder, library.needs)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        need(False, "a package index")
    before, after, _ = real.check(library, folder)
    assert before == after
    assert "passed" in after or "Ran" in after
