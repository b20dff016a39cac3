"""A folder with a program and a store of its own, run through the real client: `with Stored(tmp_path) as place`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from entrepot.warm.images import get_keeper
from native import CLIENT as NATIVE
from native import WAIT_S

BESIDE = Path(sys.executable).with_name("entrepot")  # finds the interpreter that has entrepot, for the keeper
CLIENT = BESIDE if BESIDE.exists() else NATIVE

# A module that says whether it was initialised by the program's `work`, or ahead of it.
TELLING = """\
import sys
frame, names = sys._getframe(), []
while frame:
    names.append(frame.f_code.co_name)
    frame = frame.f_back
is_by_program = 'work' in names or 'test_x' in names
"""


class Stored:
    """Runs programs in one folder, plain and through a store that is gone at the end."""

    def __init__(self, path: Path, python: str = sys.executable, **env: str) -> None:
        self.path = path
        self.store = path / "store"
        self.python = python
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in ("CI", "LD_PRELOAD") and not key.startswith(("ENTREPOT_", "PYTEST", "COV"))
        }
        self.env = {**kept, "ENTREPOT_DIR": str(self.store), "ENTREPOT_LOG": "1", **env}

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        keeper = get_keeper(str(self.store))
        if keeper:
            os.kill(keeper, signal.SIGKILL)
        # One that is being started has not said yet who it is.
        wanted = f"ENTREPOT_DIR={self.store}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue

    def write(self, **files: str) -> None:
        """Write modules: `write(main="import a", a="x = 1")`; `__` in a name is a folder."""
        for name, text in files.items():
            path = self.path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def plain(self, *arguments: str, stdin: Any = None, **env: str) -> tuple[int, str, str]:
        """Run it under python itself."""
        return self._run([self.python, *(arguments or ("main.py",))], env, stdin=stdin)

    def run(self, *arguments: str, stdin: Any = None, **env: str) -> tuple[str, tuple[int, str, str]]:
        """Run it through entrepot; return how it was (warm, base: ..., cold: ...) and the outcome."""
        status, out, err = self._run(
            [str(CLIENT), "run", "--python", self.python, *(arguments or ("main.py",))], env, stdin=stdin
        )
        how, _, err = err.partition("\n")
        return how.removeprefix("entrepot: "), (status, out, err)

    def run_raw(self, *arguments: str) -> tuple[int, str, str]:
        """Run it through entrepot with options of its own; return the outcome as it is."""
        status, out, err = self._run([str(CLIENT), "run", "--python", self.python, *arguments], {})
        return status, out, err

    def feed(self, text: str, form: str, *arguments: str) -> tuple[str, tuple[int, str, str]]:
        """Run a program that comes through stdin, from a pipe or a file."""
        status, out, err = self._feed([str(CLIENT), "run", "--python", self.python, *arguments], text, form)
        how, _, err = err.partition("\n")
        return how.removeprefix("entrepot: "), (status, out, err)

    def feed_plain(self, text: str, form: str, *arguments: str) -> tuple[int, str, str]:
        """The same under python itself."""
        return self._feed([self.python, *arguments], text, form)

    def _feed(self, command: list[str], text: str, form: str) -> tuple[int, str, str]:
        if form == "pipe":
            return self._run(command, {}, input=text.encode())
        (self.path / "stdin.txt").write_text(text)
        with open(self.path / "stdin.txt") as file:
            return self._run(command, {}, stdin=file)

    def prepare(self, *arguments: str, may_fail: bool = False, **env: str) -> None:
        """Have the program's image made; `may_fail`: or be told that there can be none."""
        end = time.monotonic() + WAIT_S
        while (said := self.run("--prepare", *(arguments or ("main.py",)), **env))[1][0] == 1:
            assert time.monotonic() < end, f"no image was made: {said}"
            time.sleep(0.05)
        assert said[1][0] == 0 or may_fail, said

    def settle(self, *arguments: str) -> None:
        """Have the program's image made, and run it until nothing is left to be learned from its runs."""
        end = time.monotonic() + WAIT_S
        images: set[str] | None = None
        while (now := {path.name for path in self.store.glob("*.image")}) != images:
            images = now
            self.prepare(*arguments)
            self.run(*arguments)
            self.wait_idle()
            assert time.monotonic() < end, "there is always more to learn"

    def wait_idle(self) -> None:
        """Wait until the keeper has nothing to do."""
        end, keeper = time.monotonic() + WAIT_S, get_keeper(str(self.store))
        children = Path(f"/proc/{keeper}/task/{keeper}/children")
        while any(self.store.glob("requests/*")) or any(self.store.glob("late/*")) or children.read_text():
            assert time.monotonic() < end, "the keeper works on and on"
            time.sleep(0.02)

    def share(self, code: str) -> None:
        """Have the modules that some other program imports initialised for all."""
        self.write(other=code)
        self.prepare("other.py")
        end = time.monotonic() + WAIT_S
        while not (how := self.run("--prepare", "-c", "pass")[1][1]).startswith(("base", "warm")):
            assert time.monotonic() < end, f"no modules are shared: {how}"
            time.sleep(0.05)
        (self.path / "other.py").unlink()

    def _run(self, command: list[str], env: dict[str, str], **more: Any) -> tuple[int, str, str]:
        done = subprocess.run(
            command,
            cwd=self.path,
            env={**self.env, **env},
            capture_output=True,
            timeout=WAIT_S,
            check=False,
            **more,
        )
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
