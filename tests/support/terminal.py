"""A program in a pseudo-terminal: what it shows, and keys pressed in it.

    with Terminal(["python3", "game.py"], cwd=folder) as terminal:
        terminal.wait_for(b"press a key")
        terminal.press(b"q")
        assert terminal.process.wait(20) == 0

The terminal is the program's controlling one, and the program leads its session. Leaving
kills what is left of it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from both_ways import make_environment, restore_keys
from native import WAIT_S


def begin_session() -> None:
    """In the child: take the terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    restore_keys()


class Terminal:
    """A program in a terminal of `columns` and `lines`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str | None] | None = None,
        columns: int = 80,
        lines: int = 24,
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""  # everything shown so far
        self._new = 0  # where in `seen` the next `wait_for` begins
        changes = {"COLUMNS": None, "LINES": None, "TERM": "xterm", **(env or {})}
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=make_environment(changes),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=begin_session,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def press_until(self, keys: bytes, text: bytes) -> None:
        """Type again and again until a text is shown: for questions whose answer may not be so yet."""
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            self.press(keys)
            try:
                self.wait_for(text, 0.5)
                return
            except AssertionError:
                pass
        self.wait_for(text, 0)

    def tell_size_until(self, text: bytes) -> None:
        """Send SIGWINCH to who is in the foreground until a text is shown."""
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            try:
                self.wait_for(text, 0.5)
                return
            except AssertionError:
                os.killpg(os.tcgetpgrp(self.master), signal.SIGWINCH)
        self.wait_for(text, 0)

    def has_shown(self, text: bytes) -> bool:
        """Say whether a text has been shown by now, wherever."""
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)
        return text in self.seen

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window; who is in the foreground gets SIGWINCH."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        """Type; b"\\x03" is Ctrl-C, b"\\x1a" Ctrl-Z, b"\\x04" Ctrl-D, b"\\x1c" Ctrl-\\."""
        os.write(self.master, keys)

    def wait_for(self, text: bytes, timeout_s: float = WAIT_S) -> bytes:
        """Wait until a text is shown after what the last call waited for; returns what was shown up to it."""
        ends = time.monotonic() + timeout_s
        while (found := self.seen.find(text, self._new)) < 0:
            ready, _, _ = select.select([self.master], [], [], max(0, ends - time.monotonic()))
            assert ready, f"{text!r} was not shown: {self.seen[self._new :][-2000:]!r}"
            self.seen += os.read(self.master, 65536)
        shown, self._new = self.seen[self._new : found + len(text)], found + len(text)
        return shown
