"""Files and directories as inputs: what they were, and whether they still are that.

What is compared of a file depends on what was asked of it:
    content     read as source, bytecode or data: same inode, size, mtime and ctime; else the same hash
    whole       its stat was asked for: every field but the access time
    kind        only whether it is there, and of what kind
    permission  whether it may be used: kind, mode, owner
    search      a directory searched by the import system: unchanged, else the same entries for
                the names searched
    listing     a directory read: unchanged, else the same entries
    start       a directory on the path before the program begins: unchanged, else the same entries
                that site or an import could take up
    distributions   a directory read by importlib.metadata: unchanged, else the same distributions in it
    text        read, of the system's own (/proc, /sys): the same text, whatever its stat says
    bytecode    a `__pycache__` with bytecode that belongs to sources: unchanged, else the same files in it (Python
                puts bytecode there by renaming, which changes the directory)
ctime cannot be set, so an edit that keeps size and mtime is seen.

`pack_files` makes the block of bytes that `check.c` compares in one call; where that finds a
difference, `find_file_difference` looks closer.

Does not know: access times; file systems without ctime (FAT).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from entrepot.trace.log import Seen

# length of the entry, what to compare, follow links, length of the path, how to look closer, then the fields
_ENTRY = struct.Struct("<IBBHc7x7Q")
IDENTITY, KIND, MODE, SIZE, TIMES = 1, 2, 4, 8, 16
WHOLE = IDENTITY | KIND | MODE | SIZE | TIMES


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file or directory that initialisation depended on."""

    path: str  # relative: it was looked for in the current directory, and was not there
    how: str  # content, whole, kind, permission, search, listing, distributions, bytecode, start, text
    follow: bool
    seen: Seen
    digest: str = ""
    names: tuple[str, ...] = ()  # searched for in it, or found in its `__pycache__`


_MASKS = {
    "content": IDENTITY | KIND | SIZE | TIMES,
    "whole": WHOLE,
    "kind": KIND,
    "permission": KIND | MODE,
    "search": IDENTITY | KIND | TIMES,
    "listing": IDENTITY | KIND | TIMES,
    "distributions": IDENTITY | KIND | TIMES,
    "start": IDENTITY | KIND | TIMES,
    "bytecode": IDENTITY | KIND | TIMES,
    "text": KIND,
}


def get_mask(how: str) -> int:
    """Return which fields of a file count."""
    return _MASKS[how]


def find_file_difference(item: FileInput, cwd: str = "/") -> str:
    """Say how a file is not what it was, or ''. Where only its time stamps differ, look closer."""
    now = read_seen(os.path.join(cwd, item.path), item.follow)
    if is_same(item.seen, now, _MASKS[item.how]):
        is_other = item.how == "text" and bool(now.mode) and item.digest != hash_text(item.path)
        return "has another text" if is_other else ""
    if not item.seen.mode:
        return "is there now"
    if not now.mode:
        return "is gone"
    if item.digest and item.digest == make_digest(item.path, item.how, item.names):
        return ""
    return "has other entries" if stat.S_ISDIR(item.seen.mode) else "was changed"


def make_digest(path: str, how: str, names: tuple[str, ...] = ()) -> str:
    """Return what a file or directory holds, as far as it was asked for; '' where only its stat counts."""
    if how == "content":
        return hash_file(path)
    if how == "text":
        return hash_text(path)
    if how in CLOSER:
        texts = describe_folder(path, how, names)
        return "absent" if texts is None else _digest(texts)
    return ""


# How to look closer at a folder whose time stamps differ, as `check.c` is told.
CLOSER = {
    "search": b"q",
    "listing": b"l",
    "start": b"t",
    "distributions": b"d",
    "bytecode": b"b",
    "text": b"x",
}


def describe_folder(path: str, how: str, names: tuple[str, ...]) -> list[str] | None:
    """Return a text for everything in a folder that counts, in the order of their bytes; None if it is gone."""
    if how == "bytecode":
        return list_bytecode(path, names)
    if how == "search":
        searched = frozenset(names)
        return list_entries(path, lambda name: name.partition(".")[0] in searched)
    return list_entries(path, _FILTERS[how])


_START_ENDINGS = (".pth", ".start", ".py", ".pyc", ".so", ".zip", ".egg-link")


def _is_for_start(name: str) -> bool:
    return name.endswith(_START_ENDINGS) or ("." not in name and name != "__pycache__")


def _is_distribution(name: str) -> bool:
    return name.lower().endswith((".dist-info", "egg-info"))


_FILTERS: dict[str, Callable[[str], bool]] = {
    "listing": lambda _: True,
    "start": _is_for_start,
    "distributions": _is_distribution,
}


def is_same(before: Seen, now: Seen, mask: int) -> bool:
    """Compare two looks at a file in the fields that the mask names. `check.c` does the same."""
    if stat.S_IFMT(before.mode) != stat.S_IFMT(now.mode):
        return False
    if not before.mode:
        return True
    if mask & IDENTITY and (before.dev, before.ino) != (now.dev, now.ino):
        return False
    if mask & MODE and (before.mode, before.uid_gid) != (now.mode, now.uid_gid):
        return False
    if mask & SIZE and before.size != now.size:
        return False
    return not (mask & TIMES and (before.mtime_ns, before.ctime_ns) != (now.mtime_ns, now.ctime_ns))


def read_seen(path: str, follow: bool = True) -> Seen:
    """Look at a file as the observer does."""
    try:
        st = os.stat(path, follow_symlinks=follow)
    except (OSError, ValueError):
        return Seen(0, 0, 0, 0, 0, 0, 0, 0)
    return Seen(
        st.st_dev,
        st.st_ino,
        st.st_mode,
        st.st_uid << 32 | st.st_gid,
        st.st_size,
        st.st_mtime_ns,
        st.st_ctime_ns,
        0,
    )


def hash_file(path: str) -> str:
    """Return the hash of a regular file's content, or '' (never equal) for anything else or too large."""
    try:
        with open(path, "rb") as file:
            st = os.fstat(file.fileno())
            if not stat.S_ISREG(st.st_mode) or st.st_size > 8 << 20:
                return ""
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except OSError:
        return ""


def hash_text(path: str) -> str:
    """Return the hash of a text that the system makes as it is read, as `check.c` has it; '-' if it cannot be read."""
    value = 0xCBF29CE484222325
    try:
        with open(path, "rb") as file:
            for byte in file.read(_MAX_TEXT):
                value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    except OSError:
        return "-"
    return f"{value:016x}"


_MAX_TEXT = 1 << 20


def is_external(path: str) -> bool:
    """Whether a file belongs to an installed distribution or to the standard library."""
    return "/site-packages/" in path or "/dist-packages/" in path or _STANDARD_FOLDER.search(path) is not None


_STANDARD_FOLDER = re.compile(r"/lib(?:64)?/python3\.\d+/")


def list_bytecode(path: str, names: tuple[str, ...]) -> list[str]:
    """Return what some bytecode files of a `__pycache__` are."""
    found = []
    for name in sorted(names, key=os.fsencode):
        seen = read_seen(f"{path}/{name}")
        found.append(f"{name}/{seen.ino} {seen.size} {seen.mtime_ns} {seen.ctime_ns}")
    return found


def list_entries(path: str, is_wanted: Callable[[str], bool]) -> list[str] | None:
    """Return the wanted entries of a directory: names, kinds, and what links lead to."""
    found = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if is_wanted(entry.name):
                    kind = "l" if entry.is_symlink() else "d" if entry.is_dir() else "f"
                    leads = ("d" if entry.is_dir() else "f") if kind == "l" else ""
                    found.append(f"{entry.name}/{kind}{leads}")
    except OSError:
        return None
    return sorted(found, key=os.fsencode)


def _digest(lines: list[str]) -> str:
    text = "\0".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def pack_files(items: Iterable[FileInput]) -> bytes:
    """Return the block of bytes that `check.c` compares, in the order of the items."""
    return b"".join(map(_pack, items))


def _pack(item: FileInput) -> bytes:
    closer, texts = _pack_closer(item)
    path = os.fsencode(item.path) + b"\0"
    size = _ENTRY.size + len(path) + len(texts)
    size += -size % 8
    s = item.seen
    head = _ENTRY.pack(
        size, _MASKS[item.how], item.follow, len(path) - 1, closer, s.dev, s.ino, s.mode, s.uid_gid, s.size,
        s.mtime_ns & (2**64 - 1), s.ctime_ns & (2**64 - 1),
    )  # fmt: skip
    return (head + path + texts).ljust(size, b"\0")


def _pack_closer(item: FileInput) -> tuple[bytes, bytes]:
    """Return how to look closer at a folder, the names that count, and what was found: two groups of texts."""
    how = CLOSER.get(item.how, b"\0")
    if item.how == "text":
        return how, b"\0" + item.digest.encode() + b"\0\0"
    found = describe_folder(item.path, item.how, item.names) if item.how in CLOSER else None
    if found is None or _digest(found) != item.digest:
        return b"\0", b""  # it is changing right now: its time stamps decide
    names = sorted(map(os.fsencode, item.names)) if item.how == "search" else []
    groups = (names, map(os.fsencode, found))
    return how, b"".join(b"".join(text + b"\0" for text in group) + b"\0" for group in groups)
