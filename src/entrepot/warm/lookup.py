"""Find a program in the store: where the store is, and which of its files belong to whom.

The names of the files are hashes of the *key*: interpreter, how it was called, kind of program,
options, entry point and, where that is relative, the directory (see `make_key` in client_store.c). The
`.checks` file of an image has the key itself, as its field `k`.

Reads only.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_BASIS, _PRIME = 0xCBF29CE484222325, 0x100000001B3  # FNV-1a, 64 bits


@dataclass(frozen=True, slots=True)
class Entry:
    """A program, or the base that programs share, as the store knows it."""

    name: str  # of its files, without the ending
    python: str
    kind: str  # file, module, command, ..., base
    options: tuple[str, ...] = ()
    entry: str = ""
    cwd: str = ""

    @property
    def path(self) -> str:
        """The entry point, absolute where it is a file."""
        return os.path.realpath(os.path.join(self.cwd, self.entry)) if self.kind == "file" else self.entry


def find_store() -> str | None:
    """Return the folder of the store, or None where there is none that is ours alone."""
    given, runtime = os.environ.get("ENTREPOT_DIR"), os.environ.get("XDG_RUNTIME_DIR")
    user = os.geteuid()
    places = [given] if given else [f"/dev/shm/entrepot-{user}"]
    if not given:
        places += [f"{runtime}/entrepot"] * bool(runtime) + [f"/tmp/entrepot-{user}"]
    for place in places:
        try:
            st = os.lstat(place)
        except OSError:
            continue
        if stat.S_ISDIR(st.st_mode) and st.st_uid == user and not st.st_mode & 0o077:
            return place
    return None


def find_entries(store: str) -> Iterator[Entry]:
    """Yield what the store has images of."""
    try:
        names = sorted(os.listdir(store))
    except OSError:
        return
    for name in names:
        if name.endswith(".checks"):
            try:
                with open(os.path.join(store, name), "rb") as file:
                    data = file.read()
            except OSError:
                continue
            for field in data.split(b"\0"):
                if field[:1] == b"k":
                    entry = parse_key(name[: -len(".checks")], os.fsdecode(field[1:]))
                    if entry is not None:
                        yield entry
                    break


def parse_key(name: str, key: str) -> Entry | None:
    """Take a key apart; None when it is not one."""
    parts = key.split("\1")
    if parts and not parts[-1]:
        parts.pop()
    if len(parts) < 3:
        return None
    python, _, kind, *rest = parts
    if kind == "base":
        return Entry(name, python, kind, tuple(rest))
    has_folder = kind != "file" or not (rest and rest[-1].startswith("/") and len(rest) == 1)
    if has_folder and len(rest) >= 2:
        *options, entry, cwd = rest
    elif rest:
        *options, entry = rest
        cwd = "/"
    else:
        return None
    return Entry(name, python, kind, tuple(options), entry, cwd)


def make_name(parts: list[str]) -> str:
    """Return the name that a key's parts hash to."""
    value = _BASIS
    for byte in os.fsencode("".join(part + "\1" for part in parts)):
        value = ((value ^ byte) * _PRIME) & (2**64 - 1)
    return f"{value:016x}"


def guess_entries(kind: str, entry: str, cwd: str) -> Iterator[Entry]:
    """Yield the names that a program without an image would have: its last decision may be there."""
    python = sys.executable
    for called in dict.fromkeys((python, os.path.basename(python), "python", "python3")):
        for folder in ([], [cwd]) if os.path.isabs(entry) else ([cwd],):
            name = make_name([python, called, kind, entry, *folder])
            yield Entry(name, python, kind, (), entry, cwd)
