"""Runs a program by plain Python, by `entrepot run`, and under an installed System, and says what came out.

Paths of the program's folder are left as they are: give both runs the same folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUN_INSTALLED = Path(__file__).with_name("run_installed.py")

PLAIN = (sys.executable,)
# Cold: a test leaves no keeper and no image behind. tests/commands/test_run_warm.py has a keeper of its own.
ENTREPOT = (sys.executable, "-m", "entrepot", "run", "--cold", "--python", sys.executable)
# Through -c, for which the interpreter takes the current folder as the script's: 3.13 compares it with
# the places of modules to say "consider renaming".
INSTALLED = (sys.executable, "-c", RUN_INSTALLED.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Outcome:
    """What a run left behind: its exit status (negative: the signal it died of) and its streams."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Both streams as text, the output first."""
        return (self.out + self.err).decode("utf-8", "backslashreplace")


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str | None] | None = None,
    stdin: bytes = b"",
    timeout_s: float = 150,
) -> Outcome:
    """Run a command and wait for it. `env` changes the environment; None removes a variable."""
    done = subprocess.run(
        command, cwd=cwd, env=make_environment(env), input=stdin, capture_output=True, timeout=timeout_s
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def restore_keys() -> None:
    """In a child: what a terminal's keys send does what it does, however the tests were started."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)


def make_environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return an environment in which Python's own settings are the defaults, then `changes` made to it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "ENTREPOT_", "COV_"))
    }
    kept["PYTHONUTF8"] = "1"  # whatever the machine's locale is
    for name, value in (changes or {}).items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    return kept
