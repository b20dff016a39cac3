"""Each line of a program's output, with who wrote it in front.

The program marks its output in the streams themselves (see `tracing/resident.py`), so the order of
what it, its C code and its children write is kept:

    \\0TOKEN module:line\\0 text \\0TOKEN\\0        written by Python code
    \\0TOKEN>module:line\\0                        a child was started there: unmarked text is its
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

_MARK = b"\0"


class Labeller:
    """Puts labels in front of the lines of one stream. Bytes in, bytes out; knows no file."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._data = b""
        self._label = ""
        self._child = ""
        self._is_line_start = True

    def feed(self, data: bytes) -> bytes:
        """Take what was read and return what is to be written now."""
        self._data += data
        out: list[bytes] = []
        start = _MARK + self._token
        while self._data:
            at = self._data.find(_MARK)
            if at < 0:
                out.append(self._put(self._data))
                self._data = b""
                break
            if at:
                out.append(self._put(self._data[:at]))
                self._data = self._data[at:]
            if not self._data.startswith(start):
                if start.startswith(self._data):
                    break  # perhaps the beginning of a mark: wait for the rest
                # A zero byte of the program's own.
                out.append(self._put(_MARK))
                self._data = self._data[1:]
                continue
            end = self._data.find(_MARK, len(start))
            if end < 0:
                break
            self._take_mark(self._data[len(start) : end].decode("utf-8", "replace"))
            self._data = self._data[end + 1 :]
        return b"".join(out)

    def close(self) -> bytes:
        """Return what is left when the stream has ended."""
        rest, self._data = self._data, b""
        return self._put(rest) if rest else b""

    def _take_mark(self, text: str) -> None:
        if text.startswith(">"):
            self._child = text[1:]
        else:
            self._label = text

    def _put(self, data: bytes) -> bytes:
        label = self._label or (f"{self._child} (child)" if self._child else "?")
        out = bytearray()
        for line in data.splitlines(keepends=True):
            if self._is_line_start:
                out += f"[{label}] ".encode()
            out += line
            self._is_line_start = line.endswith((b"\n", b"\r"))
        return bytes(out)


def relay_labelled(
    arguments: Sequence[str], env: Mapping[str, str], cwd: str | os.PathLike[str] | None, log: int, token: str
) -> int:
    """Run a command, labelling what it writes to our two streams, and return its status."""
    os.set_inheritable(log, True)
    process = subprocess.Popen(
        arguments,
        env=env,
        cwd=cwd,
        close_fds=False,  # what we were given is the program's
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with selectors.DefaultSelector() as selector:
            for pipe, stream in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
                selector.register(pipe, selectors.EVENT_READ, (Labeller(token), stream.fileno()))
            while selector.get_map():
                # A child that outlives the program keeps the pipes: its output is still the program's.
                for key, _ in selector.select(timeout=0.2 if process.poll() is not None else None):
                    labeller, target = key.data
                    data = os.read(key.fd, 1 << 16)
                    _write_all(target, labeller.feed(data) if data else labeller.close())
                    if not data:
                        selector.unregister(key.fileobj)
        return int(process.wait())
    finally:
        signal.signal(signal.SIGINT, before)
        for pipe in (process.stdout, process.stderr):
            pipe.close()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
