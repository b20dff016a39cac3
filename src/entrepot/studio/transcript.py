"""The last that a program has written, on disk as it comes, so that it outlives the studio.

Two files take turns: when the newer one is full it becomes the older one, and what was that is gone. So the
end is kept, whole or at least `KEPT_BYTES` of it, without ever being copied.
"""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO

KEPT_BYTES = 1_000_000


class Transcript:
    """What one program has written. A disk that is full loses some of it, and nothing else."""

    def __init__(self, path: str) -> None:
        self._newer, self._older = path + ".new", path + ".old"
        self._file: BinaryIO | None = None
        self._size_bytes = 0

    def add(self, data: bytes) -> None:
        """Note what was written."""
        with contextlib.suppress(OSError):
            if self._size_bytes >= KEPT_BYTES:
                self.close()
                os.replace(self._newer, self._older)
            if self._file is None:
                self._file = open(self._newer, "wb", buffering=0)  # noqa: SIM115 (open until `close`)
                self._size_bytes = 0
            self._file.write(data)
            self._size_bytes += len(data)

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self) -> bytes:
        """Return the end of what was written."""
        found = b""
        for path in (self._older, self._newer):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                found += file.read(2 * KEPT_BYTES)
        return found[-KEPT_BYTES:]

    def delete(self) -> None:
        """Remove it."""
        self.close()
        for path in (self._older, self._newer):
            with contextlib.suppress(OSError):
                os.unlink(path)
