"""Random programs, each refactored in a random way: the run is the same, or the refusal wrote nothing.

ENTREPOT_RANDOM_PROGRAMS=2000 pytest --run-slow tests/refactor/test_random_programs.py
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "refactor_random_programs", Path(__file__).with_name("random_programs.py")
)
assert _spec is not None
assert _spec.loader is not None
programs = importlib.util.module_from_spec(_spec)
sys.modules["refactor_random_programs"] = programs
_spec.loader.exec_module(programs)

COUNT = int(os.environ.get("ENTREPOT_RANDOM_PROGRAMS", "60"))
SHARES = 6


@pytest.mark.slow
@pytest.mark.timeout(60 + 3 * COUNT)
@pytest.mark.parametrize("share", range(SHARES))
def test_a_random_program_does_what_it_did(
    share: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Split, moved, renamed or expanded; undone, every byte is back. More than a third of them are not refused."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    results = []
    for seed in range(share, COUNT, SHARES):
        root = tmp_path / str(seed)
        root.mkdir()
        kind, result = programs.try_one(seed, root)
        assert not result.startswith("WRONG"), f"seed {seed}: {kind}: {result}"
        results.append(result)
    assert results.count("same") * 3 > len(results)
