"""The cases of tests/commands/test_run_cold.py, with another command in the place of the cold one.

globals().update(take_cases("warmed.py", left_out={...}))     in a test file: its tests, and `folder`
store = make_store_fixture()                                  a store for that file alone
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import pytest

import both_ways
import terminal

SUPPORT = Path(__file__).parent
CASES = SUPPORT.parent / "commands" / "test_run_cold.py"
# Never warm (wrong options, another interpreter), or about the command itself.
NEVER_WARM = frozenset(
    {
        "test_mistakes_and_questions_end_as_in_python",
        "test_another_interpreter_runs_the_program",
        "test_wrong_usage_is_status_2",
        "test_help_is_printed_and_nothing_is_run",
        "test_console_command_does_the_same",
        "test_environment_means_what_it_means_to_python",
    }
)


def take_cases(script: str, name: str, left_out: Set[str] = NEVER_WARM) -> dict[str, Any]:
    """Return the tests of the file, made to run `script ARGUMENTS` (beside this file) for cold runs."""
    text = CASES.read_text(encoding="utf-8")
    command = f"COLD = (sys.executable, {str(SUPPORT / script)!r})"
    text = re.sub(r"^COLD = .*$", command, text, flags=re.MULTILINE)
    names: dict[str, Any] = {"__name__": name, "__file__": str(CASES)}
    exec(compile(text, f"test_run_cold.py ({script})", "exec", dont_inherit=True), names)
    cases = {
        key: value
        for key, value in names.items()
        if (key.startswith("test_") and key not in left_out) or key == "folder"
    }
    return {**cases, "store": make_store_fixture(names)}


def make_store_fixture(names: dict[str, Any]) -> Any:
    """Return a fixture: a store for one file, in the environment of both runs; emptied with its keeper."""

    @pytest.fixture(autouse=True, scope="module", name="store")
    def make_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        path = tmp_path_factory.mktemp("store")
        path.chmod(0o700)
        plain = both_ways.make_environment

        def make_environment(changes: dict[str, str] | None = None) -> dict[str, str]:
            # The harder way in, which is taken for large programs only.
            return {**plain(changes), "ENTREPOT_DIR": str(path), "ENTREPOT_AHEAD": "1"}

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(both_ways, "make_environment", make_environment)
            patch.setattr(terminal, "make_environment", make_environment)
            patch.setitem(names, "make_environment", make_environment)
            yield path
            command = [sys.executable, "-m", "entrepot", "warm", "stop"]
            subprocess.run(command, env=make_environment(), check=True, capture_output=True)

    return make_store
