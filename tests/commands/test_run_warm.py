"""The contract of `entrepot run`, warm: the cases of test_run_cold.py, each from an image made for it.

The text of that file is run here with another command in the place of the cold one: a script
that makes the image first (without running the program) and then becomes the run. Cases that are never
warm (stdin, archives, wrong options) are left to the other file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import both_ways
import terminal

HERE = Path(__file__).parent
WARMED = HERE.parent / "support" / "warmed.py"
CLIENT = HERE.parent.parent / "src" / "entrepot" / "warm" / "_client"

_TEXT = (HERE / "test_run_cold.py").read_text(encoding="utf-8")
_TEXT = re.sub(r"^COLD = .*$", f"COLD = (sys.executable, {str(WARMED)!r})", _TEXT, flags=re.MULTILINE)
_NAMES: dict[str, object] = {"__name__": __name__, "__file__": str(HERE / "test_run_cold.py")}
exec(compile(_TEXT, "test_run_cold.py (warm)", "exec", dont_inherit=True), _NAMES)

_LEFT_OUT = {
    "test_mistakes_and_questions_end_as_in_python",
    "test_another_interpreter_runs_the_program",
    "test_wrong_usage_is_status_2",
    "test_help_is_printed_and_nothing_is_run",
    "test_console_command_does_the_same",
    "test_environment_means_what_it_means_to_python",
}
for _name, _value in _NAMES.items():
    if (_name.startswith("test_") and _name not in _LEFT_OUT) or _name == "folder":
        globals()[_name] = _value

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CLIENT.exists() and not os.environ.get("ENTREPOT_REQUIRE_ALL"), reason="native parts not built"
    ),
]


@pytest.fixture(autouse=True, scope="module")
def store(tmp_path_factory):
    """A store for this file alone, in the environment of both runs; emptied with its keeper at the end."""
    path = tmp_path_factory.mktemp("store")
    path.chmod(0o700)
    plain = both_ways.make_environment

    def make_environment(changes=None):
        return {**plain(changes), "ENTREPOT_DIR": str(path)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(both_ways, "make_environment", make_environment)
        patch.setattr(terminal, "make_environment", make_environment)
        patch.setitem(_NAMES, "make_environment", make_environment)
        yield path
        command = [sys.executable, "-m", "entrepot", "warm", "stop"]
        subprocess.run(command, env=make_environment(), check=True, capture_output=True)
