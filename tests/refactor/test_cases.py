"""Programs before and after: the operation done and the behaviour the same, or rightly refused."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("refactor_casebook", Path(__file__).with_name("casebook.py"))
assert _spec is not None and _spec.loader is not None
casebook = importlib.util.module_from_spec(_spec)
sys.modules["refactor_casebook"] = casebook
_spec.loader.exec_module(casebook)

CASES = [case for path in sorted(casebook.HERE.glob("*.md")) for case in casebook.read_cases(path.name)]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_program_stays_as_it_was(case: casebook.Case, tmp_path: Path) -> None:  # type: ignore[name-defined]
    """The command does what the case says, and the program prints what it printed."""
    if sys.version_info[:2] < case.python:
        pytest.skip(f"the case is in Python {case.python}")
    root = tmp_path / "project"
    root.mkdir()
    casebook.check_case(case, root)
