"""What must not outlive the studio: noted with a guard (`guard.py`), which acts where the studio was killed.

The guard is started when there is first something to note.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

_GUARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guard.py")


class Care:
    """The guard, and the folder of what is needed only while the studio runs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""

    @property
    def folder(self) -> str:
        """Return a folder for temporary files, made when it is first asked for."""
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix="entrepot-studio-")
            self._tell("folder", self._folder)
        return self._folder

    def note_session(self, pid: int) -> None:
        """Have a program's session ended with the studio."""
        self._tell("session", str(pid))

    def note_process(self, pid: int) -> None:
        """Have a process of ours, and its session, ended with the studio."""
        self._tell("process", str(pid))

    def forget(self, pid: int) -> None:
        """It has ended: its number may become somebody else's."""
        if self._process is not None:
            self._tell("done", str(pid))

    def _tell(self, word: str, what: str) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _GUARD],
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        # Somebody may have killed the guard; the studio goes on without.
        with contextlib.suppress(OSError):
            self._process.stdin.write(os.fsencode(f"{word} {what}\n"))
            self._process.stdin.flush()

    def end(self) -> None:
        """Remove the folder, and let the guard go."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None
