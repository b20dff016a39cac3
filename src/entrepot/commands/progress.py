"""What a command is doing, on the terminal, when it takes over a second."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType, TracebackType

WAIT_S = 1.0
_EVERY_S = 0.2


class Progress:
    """Says on the terminal of standard error what is being done and for how long, once that is over a second.

    Nothing is written where standard error is no terminal, and nothing is left there in the end.

        with Progress("Reading src") as progress:
            progress.detail = "12 files"       # at any time

    A timer of the process (SIGALRM) wakes it, not a thread: the commands fork workers meanwhile. For the main thread.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.detail = ""
        self._start_s = 0.0
        self._is_shown = False
        self._before: object = None

    def __enter__(self) -> Progress:
        try:
            is_terminal = os.isatty(sys.stderr.fileno())
        except (AttributeError, OSError, ValueError):
            is_terminal = False  # closed, or not a file at all
        if is_terminal and hasattr(signal, "setitimer"):
            self._start_s = time.monotonic()
            self._before = signal.signal(signal.SIGALRM, self._show)
            signal.setitimer(signal.ITIMER_REAL, WAIT_S, _EVERY_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]
        self._before = None
        if self._is_shown:
            _write("\r\x1b[K")

    def _show(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._is_shown = True
        detail = f": {self.detail}" if self.detail else ""
        seconds = f" ({time.monotonic() - self._start_s:.0f} s)"
        _write("\r\x1b[K" + f"{self.what}{detail}"[: 78 - len(seconds)] + seconds)


def _write(text: str) -> None:
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        pass  # the terminal is gone; the work goes on
