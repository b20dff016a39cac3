"""A program in a terminal of its own, watched from an event loop.

The program leads a session with a pseudo-terminal. What it writes goes to one listener (a page), and the
last `KEPT_BYTES` are kept for a page that comes back. When the listener has not said that it has shown
what it got, reading pauses: the kernel's buffer fills and the program waits in `write`, so neither
memory nor the page grows with what a program prints. Without a listener only the end is kept.

A run ends with its program; `close` ends whatever is left of its session. `on_output` gets all that is written,
whether somebody listens or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from entrepot.studio.guard import find_members
from entrepot.studio.transcript import KEPT_BYTES

AHEAD_BYTES = 256_000  # sent to a page that has not shown them yet
_CHUNK = 65_536
_LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.py")

Listener = Callable[[bytes], None]


class Run:
    """One program. status: None while it runs, then as a shell gives it (128 + signal)."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
        on_end: Callable[[Run], None] | None = None,
        on_output: Listener | None = None,
    ) -> None:
        self.command = tuple(command)
        self.status: int | None = None
        self.elapsed_s = 0.0
        self.written_bytes = 0
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._listener: Listener | None = None
        self._ahead = 0
        self._is_reading = False
        self._on_end = on_end
        self._on_output = on_output
        self._input: deque[bytes] = deque()
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._master, slave = pty.openpty()
        try:
            _set_size(slave, size)
            os.set_blocking(self._master, False)
            self._began = time.perf_counter()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _LAUNCH, *command],
                cwd=cwd,
                env=dict(env),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._notice_end)
        self._resume()

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self.status is None

    def listen(self, listener: Listener | None) -> bytes:
        """Send what comes to a listener (None: to nobody); return what was kept of what came before."""
        self._listener = listener
        kept = b"".join(self._kept)
        self._ahead = len(kept) if listener is not None else 0
        self._balance()
        return kept

    def acknowledge(self, count: int) -> None:
        """Note that the listener has shown so many bytes."""
        self._ahead = max(0, self._ahead - max(0, count))
        self._balance()

    def write(self, data: bytes) -> None:
        """Type into the terminal. What the program does not read is kept up to a limit, then dropped."""
        if self._master < 0 or sum(map(len, self._input)) + len(data) > KEPT_BYTES:
            return
        self._input.append(data)
        self._flush_input()

    def _flush_input(self) -> None:
        while self._input and self._master >= 0:
            data = self._input.popleft()
            try:
                taken = os.write(self._master, data)
            except BlockingIOError:
                taken = 0
            except OSError:
                self._input.clear()
                break
            if taken < len(data):
                self._input.appendleft(data[taken:])
                self._loop.add_writer(self._master, self._flush_input)
                return
        if self._master >= 0:
            self._loop.remove_writer(self._master)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal."""
        if self._master >= 0 and 0 < columns < 1000 and 0 < lines < 1000:
            _set_size(self._master, (columns, lines))

    async def stop(self, *, patience_s: float = 1.5) -> None:
        """End the program: ask as Ctrl-C does, then firmly, then for good."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if not self.is_running:
                return
            self.send_signal(number)
            if not self._is_reading:
                # What it prints on its way out must not hold it up.
                self._ahead = 0
                self._balance()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), patience_s)

    def send_signal(self, number: int) -> None:
        """Send a signal to every process of the program's session."""
        for pid in find_members(self.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    async def close(self) -> None:
        """End what is left of the program and give its terminal back."""
        self._listener = None
        self.send_signal(signal.SIGHUP)
        self.send_signal(signal.SIGCONT)
        if self.is_running:
            self._ahead = 0
            self._balance()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 0.5)
        self.send_signal(signal.SIGKILL)
        if self.is_running:
            await self._ended.wait()
        self._close_terminal()

    async def wait(self) -> int:
        """Wait for the program's end; return its status."""
        await self._ended.wait()
        assert self.status is not None
        return self.status

    def _balance(self) -> None:
        if self._ahead > AHEAD_BYTES:
            self._pause()
        else:
            self._resume()

    def _pause(self) -> None:
        if self._is_reading:
            self._loop.remove_reader(self._master)
            self._is_reading = False

    def _resume(self) -> None:
        if not self._is_reading and self._master >= 0:
            self._loop.add_reader(self._master, self._read)
            self._is_reading = True

    def _read(self) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: nobody has the other end open
        if not data:
            self._close_terminal()
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        self.written_bytes += len(data)
        self._kept.append(data)
        self._kept_bytes += len(data)
        while self._kept_bytes - len(self._kept[0]) >= KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft())
        if self._on_output is not None:
            self._on_output(data)
        if self._listener is not None:
            self._ahead += len(data)
            self._listener(data)
            self._balance()

    def _close_terminal(self) -> None:
        if self._master >= 0:
            self._pause()
            self._loop.remove_writer(self._master)
            os.close(self._master)
            self._master = -1

    def _notice_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        self.elapsed_s = time.perf_counter() - self._began
        # What it wrote last is in the terminal's buffer still; a child that lives on may write more.
        for _ in range(16):
            if self._master < 0 or self._ahead > AHEAD_BYTES:
                break
            try:
                data = os.read(self._master, _CHUNK)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        self.status = 128 - code if code < 0 else code
        self._ended.set()
        if self._on_end is not None:
            self._on_end(self)


def _set_size(handle: int, size: tuple[int, int]) -> None:
    fcntl.ioctl(handle, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
