"""Real libraries from the package index, split, and tested with their own test suites.

Needs the index, so it runs only when asked: `ENTREPOT_REAL_LIBRARIES=/some/folder pytest --run-slow`
keeps the downloads in that folder; without the variable it is skipped.
"""

from __future__ import annotations

import importlib.util
import os
import sys
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


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not FOLDER, reason="set ENTREPOT_REAL_LIBRARIES to a folder for the downloads")
@pytest.mark.parametrize("library", real.LIBRARIES, ids=lambda library: library.name)
def test_a_split_library_passes_its_own_tests(library: real.Library) -> None:  # type: ignore[name-defined]
    """Its test suite, unchanged, ends as it did before."""
    before, after, _ = real.check(library, Path(FOLDER or ""))
    assert before == after
    assert "passed" in after or "Ran" in after
