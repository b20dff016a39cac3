"""Read the log that `observe.c` wrote: bytes to values, nothing else.

The layout stands at the top of `observe.c`. Does not know what the events mean for anybody.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

LOG_BYTES = 256 << 20  # the same in observe.h
_HEAD = struct.Struct("<IB")
_SEEN = struct.Struct("<5Q3q")
_FILE_KINDS = frozenset("oseakzplyf")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a file was at the moment it was asked for; `mode` 0 when it was not there."""

    dev: int
    ino: int
    mode: int
    uid_gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    now_ns: int

    @property
    def is_young(self) -> bool:
        """Whether a change just after this moment could have left the same time stamp.

        File systems keep times in ticks of the kernel's clock (4 to 10 ms).
        """
        return bool(self.mode) and abs(self.now_ns - self.ctime_ns) < 30_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log: a letter, its text, and what goes with it."""

    kind: str
    text: str
    detail: str = ""
    seen: Seen | None = None


def read_log(data: bytes) -> Iterator[Event]:
    """Yield the events in order.

    Raises:
        ValueError: the log was full, so that something may be missing from it; or it is damaged.
    """
    try:
        yield from _read_events(data)
    except struct.error as error:
        raise ValueError(f"the log of the observed process is damaged: {error}") from None


def _read_events(data: bytes) -> Iterator[Event]:
    if len(data) < 8:
        return
    end = 8 + int.from_bytes(data[:8], "little")
    if end + 64 > LOG_BYTES:
        raise ValueError("the log of the observed process was full")
    at = 8
    while at + 5 <= end:
        length, letter = _HEAD.unpack_from(data, at)
        payload = data[at + 5 : at + 5 + length]
        at += 5 + length
        kind = chr(letter)
        if kind in _FILE_KINDS:
            # The structure is binary and may hold zeros, so it is cut off from the end.
            path = payload[: -_SEEN.size - 1]
            yield Event(kind, _text(path), seen=Seen(*_SEEN.unpack(payload[-_SEEN.size :])))
            continue
        text, _, detail = payload.partition(b"\0")
        yield Event(kind, _text(text), _text(detail))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
