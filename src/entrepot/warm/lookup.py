"""Find a program in the store: where the store is, and which of its files belong to whom.

The names of the files are hashes of the *key*: interpreter, how it was called, kind of program, options, entry
point and the directory, which is empty where it makes no difference (see `make_key` in client_store.c). The `.checks`
file of an image has the key itself, as its field `k`; the `.last` file of a program has it behind a zero byte.

Reads only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

WATCHED = "entrepot.commands.watched"  # what runs for `entrepot watch`
_BASIS, _PRIME = 0xCBF29CE484222325, 0x100000001B3  # FNV-1a, 64 bits


@dataclass(frozen=True, slots=True)
class Entry:
    """A program, or the base that programs share, as the store knows it."""

    name: str  # of its files, without the ending
    python: str
    called: str  # argv[0] of the interpreter
    kind: str  # file, module, command, stdin, watch, base, part1 ...
    options: tuple[str, ...] = ()
    entry: str = ""
    cwd: str = ""  # empty: any

    @property
    def path(self) -> str:
        """The entry point, absolute where it is a file."""
        return os.path.realpath(os.path.join(self.cwd, self.entry)) if self.kind == "file" else self.entry

    @property
    def base_options(self) -> tuple[str, ...]:
        """The options of the base that serves it: without the one that says what kind of program it is."""
        return self.options[:-1] if self.options[-1:] in (("-m",), ("-c",)) else self.options


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


def find_programs(store: str) -> list[Entry]:
    """Return the programs that were run, the last one first, and then those that were only made ready."""
    runs = []
    for name, path in _find_files(store, ".last"):
        entry = parse_key(name, os.fsdecode(_read(path).partition(b"\0")[2]))
        if entry is not None:
            runs.append((_find_time(path), entry))
    runs.sort(key=lambda run: run[0], reverse=True)
    programs = {entry.name: entry for _, entry in runs}
    for entry in find_entries(store):
        if entry.kind != "base" and not entry.kind.startswith("part"):
            programs.setdefault(entry.name, entry)
    return list(programs.values())


def find_base(store: str, program: Entry) -> str:
    """Return the name of the files of the modules that a program may share with others, or nothing."""
    wanted = (program.python, program.called, program.base_options)
    for entry in find_entries(store):
        if entry.kind == "base" and (entry.python, entry.called, entry.options) == wanted:
            return entry.name
    return ""


def find_entries(store: str) -> Iterator[Entry]:
    """Yield what the store has images of."""
    for name, path in _find_files(store, ".checks"):
        for field in _read(path).split(b"\0"):
            if field[:1] == b"k":
                entry = parse_key(name, os.fsdecode(field[1:]))
                if entry is not None:
                    yield entry
                break


def _find_files(store: str, ending: str) -> list[tuple[str, str]]:
    """Return name and path of each file with an ending."""
    try:
        names = sorted(os.listdir(store))
    except OSError:
        return []
    return [(name[: -len(ending)], os.path.join(store, name)) for name in names if name.endswith(ending)]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _find_time(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def parse_key(name: str, key: str) -> Entry | None:
    """Take a key apart; None when it is not one."""
    parts = key.split("\1")
    if parts and not parts[-1]:
        parts.pop()
    if len(parts) < 3:
        return None
    python, called, kind, *rest = parts
    if kind == "base":
        return Entry(name, python, called, kind, tuple(rest))
    if len(rest) < 2:
        return None
    *options, entry, cwd = rest
    if options[-1:] == [WATCHED]:
        return Entry(name, python, called, "watch", (), entry, cwd)
    return Entry(name, python, called, kind, tuple(options), entry, cwd)


def make_name(parts: list[str]) -> str:
    """Return the name that a key's parts hash to."""
    value = _BASIS
    for byte in os.fsencode("".join(part + "\1" for part in parts)):
        value = ((value ^ byte) * _PRIME) & (2**64 - 1)
    return f"{value:016x}"
