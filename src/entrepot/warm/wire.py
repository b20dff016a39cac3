"""What client, keeper and preparing interpreter write to each other, as bytes and as values.

    request   the client's wish for an image: groups of texts, each group led by its count, every
              text ended by a zero byte (`parse_request`)
    checks    what the client compares before it takes an image over: fields of a letter and a text,
              each ended by a zero byte (`make_checks`; read by client_checks.c)
    message   between keeper and preparing interpreter: eight bytes of length, then a marshalled
              value of plain types (`make_message`; both belong to one user and one pipe)

Never sees a file or a socket. What cannot be understood is a `Garbled`, whatever its bytes.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entrepot import __version__
from entrepot.errors import EntrepotError

MAX_MESSAGE = 64 << 20
MAX_REQUEST = 16 << 20


class Garbled(EntrepotError):  # noqa: N818 (what it is)
    """Bytes that are no message of ours."""

    what: str

    def __str__(self) -> str:
        return f"a {self.what} cannot be understood"


@dataclass(frozen=True, slots=True)
class Request:
    """An image that a run would have liked to find."""

    name: str  # file stem of the program's image
    key: str
    base_name: str  # of the modules that programs share; empty: they may not serve this run
    base_key: str
    python: str
    kind: str  # file, command, module
    entry: str
    cwd: str
    pid: int
    entry_at: int
    argv: tuple[str, ...]
    env: Mapping[str, str]
    rights: str = ""  # rights.py
    affinity: tuple[int, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Return python's own options, the program left out."""
        return self.argv[1 : self.entry_at - (self.kind != "file")]

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what follows the program."""
        return self.argv[self.entry_at + 1 :]


def parse_request(data: bytes) -> Request:
    """Return the request.

    Raises:
        Garbled: the bytes are not one.
    """
    if len(data) > MAX_REQUEST or not data.endswith(b"\0"):
        raise Garbled(what="request")
    texts = [os.fsdecode(part) for part in data[:-1].split(b"\0")]
    groups: list[list[str]] = []
    at = 0
    while at < len(texts):
        if not texts[at].isascii() or not texts[at].isdigit() or len(texts[at]) > 8:
            raise Garbled(what="request")
        count = int(texts[at])
        group = texts[at + 1 : at + 1 + count]
        if len(group) != count:
            raise Garbled(what="request")
        groups.append(group)
        at += 1 + count
    if len(groups) != 4 or len(groups[0]) != 11 or len(groups[1]) != 1:
        raise Garbled(what="request")
    name, key, base_name, base_key, python, kind, entry, cwd, pid, rights, affinity = groups[0]
    entry_at = groups[1][0]
    if not (
        is_stem(name) and (is_stem(base_name) or not base_name) and is_number(pid) and is_number(entry_at)
    ):
        raise Garbled(what="request")
    if kind not in ("file", "command", "module") or not 0 < int(entry_at) <= len(groups[2]):
        raise Garbled(what="request")
    env: dict[str, str] = {}
    for item in groups[3]:
        variable, equals, value = item.partition("=")
        if equals and variable:
            env.setdefault(variable, value)
    return Request(
        name,
        key,
        base_name,
        base_key,
        python,
        kind,
        entry,
        cwd,
        int(pid),
        int(entry_at),
        tuple(groups[2]),
        env,
        rights,
        tuple(int(number) for number in affinity.split(",") if is_number(number)),
    )


def is_stem(name: str) -> bool:
    """Say whether a text is the name of an image: sixteen hexadecimal digits."""
    return len(name) == 16 and set(name) <= set("0123456789abcdef")


def is_number(text: str) -> bool:
    """Say whether a text is a number of a sensible size."""
    return text.isascii() and text.isdigit() and len(text) < 10


@dataclass(frozen=True, slots=True)
class Checks:
    """What must be the same before an image is taken over."""

    key: str
    image: str  # names in the store
    files: str
    library: str  # path of the library that takes it over
    env: Mapping[str, str | None]
    prefixes: Sequence[str]
    families: Mapping[str, str]
    everything: Mapping[str, str] | None = None
    cwd: str | None = None
    arguments: Sequence[str] | None = None
    limits: Mapping[int, tuple[int, int]] | None = None
    affinity: Sequence[int] = ()
    host: str | None = None
    day: str | None = None
    rights: str = ""


def make_checks(checks: Checks) -> bytes:
    """Return the bytes that client_checks.c reads."""
    fields = list(_list_fields(checks))
    if any("\0" in text for _, text in fields):
        raise Garbled(what="set of checks")
    head = f"entrepot checks 1 {__version__}\0"
    return os.fsencode(head + "".join(f"{letter}{text}\0" for letter, text in fields))


def _list_fields(checks: Checks) -> Iterable[tuple[str, str]]:
    yield "k", checks.key
    yield "s", checks.library
    yield "i", checks.image
    yield "f", checks.files
    for name, value in checks.env.items():
        yield ("u", name) if value is None else ("e", f"{name}={value}")
    for prefix in checks.prefixes:
        yield "p", prefix
    for name, value in checks.families.items():
        yield "m", f"{name}={value}"
    if checks.everything is not None:
        yield "A", ""
        for name, value in checks.everything.items():
            yield "a", f"{name}={value}"
    if checks.cwd is not None:
        yield "c", checks.cwd
    if checks.arguments is not None:
        yield "V", ""
        for text in checks.arguments:
            yield "v", text
    for number, (soft, hard) in (checks.limits or {}).items():
        # RLIM_INFINITY is -1 in Python and the largest number in C.
        yield "l", f"{number}:{soft % 2**64}:{hard % 2**64}"
    if checks.affinity:
        yield "n", ",".join(map(str, sorted(checks.affinity)))
    if checks.host is not None:
        yield "h", checks.host
    if checks.day is not None:
        yield "d", checks.day
    if checks.rights:
        yield "w", checks.rights


def make_message(value: dict[str, Any]) -> bytes:
    """Return a value as bytes for the other side."""
    data = marshal.dumps(value, 2)
    return len(data).to_bytes(8, "little") + data


def parse_message(data: bytes) -> object:
    """Return the value of one whole message (without its length).

    Raises:
        Garbled: the bytes are not one.
    """
    try:
        check_plain(data)
        return marshal.loads(data)
    except (ValueError, EOFError, TypeError, MemoryError, OverflowError, IndexError):
        raise Garbled(what="message") from None


_FIXED = {b"N": 0, b"T": 0, b"F": 0, b"i": 4, b"g": 8}
_SIZED = (b"s", b"u", b"t")
_COUNTED = (b"(", b"[", b"<", b">")
_DICTIONARY, _END = b"{", b"0"


def check_plain(data: bytes) -> None:
    """Go through marshalled bytes (version 2): plain types only, none of them larger than the bytes that are there.

    marshal makes room for what a size says before it looks for it: five bytes could ask for gigabytes.

    Raises:
        ValueError: it is anything else.
        IndexError: it ends too early.
    """
    at, left = 0, [1]  # how many items are missing in each open container; -1: until its end is marked
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        kind = data[at : at + 1]
        at += 1
        if kind == _END and left[-1] == -1:
            left.pop()
            continue
        if left[-1] > 0:
            left[-1] -= 1
        if kind in _FIXED:
            at += _FIXED[kind]
        elif kind == b"l":
            at += 4 + 2 * abs(int.from_bytes(data[at : at + 4], "little", signed=True))
        elif kind in _SIZED or kind in _COUNTED:
            size = int.from_bytes(data[at : at + 4], "little")
            at += 4
            if size > len(data) - at or len(left) > _MAX_DEPTH:
                raise ValueError(kind)
            if kind in _COUNTED:
                left.append(size)
            else:
                at += size
        elif kind == _DICTIONARY and len(left) <= _MAX_DEPTH:
            left.append(-1)
        else:
            raise ValueError(kind)
        if at > len(data):
            raise IndexError(at)


_MAX_DEPTH = 50
