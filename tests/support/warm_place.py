"""A folder with a program, a store of its own, and runs of it: for tests of what becomes of store and keeper.

    place.warm_up()
    assert as_python(place.run())

A run is `entrepot run` by the native client, with ENTREPOT_LOG=1: the line on stderr says whether it was warm. It takes
its image over before it is known whether that is right, as large programs do (ENTREPOT_AHEAD=1).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from entrepot.warm.images import get_keeper
from native import CLIENT, WAIT_S

PROGRAM = "import json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(len(sys.argv))\n"


class Place:
    """A folder with a program, and a store of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store"
        (path / "main.py").write_text(PROGRAM)

    def run(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        """Run the program; return status, output and errors."""
        return self.call(self.get_command(*arguments), **env)

    def get_command(self, *arguments: str) -> list[str]:
        """Return the command of a run."""
        return [str(CLIENT), "run", "--python", sys.executable, *(arguments or ("main.py", "a"))]

    def call(self, command: Sequence[str], **env: str) -> tuple[int, str, str]:
        """Run a command here; return status, output and errors."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.get_env(**env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WAIT_S,
        )
        return done.returncode, done.stdout, done.stderr

    def get_env(self, **env: str) -> dict[str, str]:
        """Return the environment of runs here."""
        kept = {key: value for key, value in os.environ.items() if key not in ("CI", "LD_PRELOAD")}
        return {**kept, "ENTREPOT_DIR": str(self.store), "ENTREPOT_LOG": "1", "ENTREPOT_AHEAD": "1", **env}

    def warm_up(self, *arguments: str, **env: str) -> None:
        """Have the program's image made."""
        end = time.monotonic() + WAIT_S
        while self.run("--prepare", *(arguments or ("main.py", "a")), **env)[0] == 1:
            assert time.monotonic() < end, "no image was made"
            time.sleep(0.05)

    def get_keeper(self) -> int:
        """Return the process id of the keeper."""
        keeper = get_keeper(str(self.store))
        assert keeper
        return keeper

    def find_processes(self) -> list[int]:
        """Return the processes that work for this store: those that have its path among their arguments or variables."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                variables = (folder / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.store) in command + variables and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        return found

    def stop(self) -> None:
        """End the keeper."""
        if not self.store.exists():
            return
        if self.store.is_dir() and not self.store.is_symlink():
            self.store.chmod(0o700)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                keeper = get_keeper(str(self.store))
                if keeper:
                    os.kill(keeper, signal.SIGKILL)
                elif not self.find_processes():
                    break  # nor is one on its way that the last run has asked for
                time.sleep(0.02)


def as_python(outcome: tuple[int, str, str]) -> bool:
    """Whether a run came to what plain Python makes of the program, but for the line on stderr."""
    return outcome[:2] == (2, '["a"]\n') and outcome[2].count("\n") == outcome[2].startswith("entrepot: ")


def wait_until(is_so: Callable[[], object], wait_s: float = WAIT_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + wait_s
    while not is_so():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.02)
