"""The inputs of initialised modules, and whether they still are what they were.

    record = make_record(observation, surroundings, ...)    after a preparation
    changed = record.find_change(surroundings)              before each run: None, or what changed

A `Record` is a value: made once, written whole or not at all (`write_record`), read by
processes of the same version only. Its files are one block of bytes (see `check.c`) so that
thousands of them are compared in one call.

What is compared of a file depends on what was asked:
    content     read as source, bytecode or data: same inode, size, mtime and ctime; else the same hash
    whole       its stat was asked for: every field but the access time
    kind        only whether it is there, and of what kind
    permission  whether it may be used: kind, mode, owner
    search      a directory searched by the import system: unchanged, else the same entries for
                the names searched
    listing     a directory read: unchanged, else the same names
    bytecode    the `__pycache__` of installed modules: unchanged, else the same files in it (Python
                puts bytecode there by renaming, which changes the directory)
ctime cannot be set, so an edit that keeps size and mtime is seen. A file that was changed within
a tick of the clock before it was read makes no record at all: the preparation is done again.

Does not know: access times; file systems without ctime (FAT).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

from entrepot.trace.log import Seen
from entrepot.warm import eligible
from entrepot.warm.observation import START, Observation

VERSION = 3
_MAGIC = b"entrepot record %d\n" % VERSION
# length of the entry, what to compare, follow links, length of the path, then the fields
_ENTRY = struct.Struct("<IBBH7Q")
# The standard library's own start reads nothing but the variables that always count.
_STANDARD = tuple({os.path.dirname(os.__file__) + "/"})
IDENTITY, KIND, MODE, SIZE, TIMES = 1, 2, 4, 8, 16
WHOLE = IDENTITY | KIND | MODE | SIZE | TIMES


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run brings with it, beside the files of the machine."""

    env: Mapping[str, str]
    cwd: str
    argv: tuple[str, ...] = ()
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    affinity: tuple[int, ...] = ()
    host: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One input that is not what it was."""

    kind: str  # file, directory, environment, cwd, argv, limits, affinity, host, day
    name: str
    before: str
    after: str
    reader: str = ""  # the first module that read it

    def __str__(self) -> str:
        by = f", read by {self.reader}" if self.reader and self.reader != START else ""
        if self.kind in ("file", "directory"):
            return f"{self.name} {self.after}{by}"
        if self.kind == "environment":
            return f"environment variable {self.name} was {self.before}, is {self.after}{by}"
        return f"{self.name} was {self.before}, is {self.after}{by}"


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file or directory that initialisation depended on."""

    path: str
    how: str  # content, whole, kind, permission, search, listing, bytecode, start
    follow: bool
    seen: Seen
    digest: str = ""
    tails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that the modules of one warm interpreter depended on."""

    files: tuple[FileInput, ...]
    env: Mapping[str, str | None]
    env_names: str  # the whole environment's digest where a module iterated over it, else ''
    cwd: str | None
    argv: tuple[str, ...] | None
    limits: Mapping[int, tuple[int, int]]
    affinity: tuple[int, ...]
    host: str | None
    day: str | None
    env_set: tuple[tuple[str, str | None], ...]
    modules: tuple[str, ...]  # shared, in the order in which they finished
    reasons: Mapping[str, str]  # left to the run -> why
    readers: Mapping[str, str]
    families: Mapping[str, str]  # variables that always count

    def find_change(self, run: Surroundings) -> Change | None:
        """Return the first input that is not what it was, or None: the modules may be used."""
        return self.find_surrounding_change(run) or self.find_file_change()

    def find_surrounding_change(self, run: Surroundings) -> Change | None:
        """Compare what the run brings with it."""
        for name, value in self.env.items():
            now = run.env.get(name)
            if now != value:
                return Change("environment", name, _show(value), _show(now), self.readers.get("$" + name, ""))
        if self.env_names and _digest_env(run.env) != self.env_names:
            return Change(
                "environment",
                "(all of them)",
                "another",
                "read by a module that looks at all",
                self.readers.get("$*", ""),
            )
        families = {name: value for name, value in run.env.items() if eligible.counts_always(name)}
        if families != self.families:
            for name in sorted(families.keys() | self.families.keys()):
                before, now = self.families.get(name), families.get(name)
                if before != now:
                    return Change("environment", name, _show(before), _show(now))
        facts: tuple[tuple[str, object, object], ...] = (
            ("cwd", self.cwd, run.cwd),
            ("argv", self.argv, run.argv),
            ("host", self.host, run.host),
            ("day", self.day, run.day),
        )
        for kind, was, is_now in facts:
            if was is not None and was != is_now:
                return Change(kind, kind, str(was), str(is_now), self.readers.get(kind, ""))
        for number, limit in self.limits.items():
            if tuple(run.limits.get(number, limit)) != tuple(limit):
                return Change(
                    "limits",
                    f"limit {number}",
                    str(limit),
                    str(run.limits[number]),
                    self.readers.get("limits", ""),
                )
        if run.affinity and self.affinity and tuple(run.affinity) != self.affinity:
            return Change("affinity", "the set of processors", str(self.affinity), str(run.affinity))
        return None

    def find_file_change(self) -> Change | None:
        """Compare every file, without the fast path."""
        for item in self.files:
            change = find_file_difference(item, self.readers.get(item.path, ""))
            if change:
                return change
        return None

    def pack_files(self) -> bytes:
        """Return the block of bytes that `check.c` compares."""
        return b"".join(_pack(item) for item in self.files)


_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{2,}")


def find_start_variables(seen: Observation, env: Mapping[str, str]) -> set[str]:
    """Return the variables that the code run by `site` may read, before the observer can watch `os.environ`.

    That code is what .pth files, sitecustomize and what they import say; any word in it that has the
    look of a variable counts, whether it is set or not.
    """
    words: set[str] = set()
    for (path, _), asked in seen.files.items():
        read = asked.get("o") or asked.get("y")
        if seen.readers.get(path) != START or read is None or not read.mode:
            continue
        if path.endswith((".pth", ".py", ".pyc")) and not path.startswith(_STANDARD):
            try:
                with open(path, "rb") as file:
                    words.update(word.decode() for word in _WORD.findall(file.read(1 << 20)))
            except OSError:
                continue
    return {word for word in words if word in env or (word.isupper() and "_" in word)}


@dataclass(frozen=True, slots=True)
class Unsettled:
    """No record: a file changed while, or just before, it was read. Preparing once more will do."""

    path: str


def make_record(seen: Observation, run: Surroundings, extra_files: Iterable[str] = ()) -> Record | Unsettled:
    """Make the record of a preparation that ended well.

    `extra_files` are libraries found mapped into the process.
    """
    if seen.young:
        return Unsettled(seen.young)
    files: list[FileInput] = []
    _add_package_searches(seen)
    bytecode: dict[str, set[str]] = {}
    for (path, follow), asked in sorted(seen.files.items()):
        folder, name = os.path.split(path)
        if (
            name.endswith(".pyc")
            and folder.endswith("/__pycache__")
            and asked.keys() == {"o"}
            and is_external(path)
        ):
            bytecode.setdefault(folder, set()).add(name)
            continue
        files += _make_inputs(path, follow, asked, tuple(sorted(seen.tails.get(path, ()))))
    for folder, found in sorted(bytecode.items()):
        if any(
            seen.files[(f"{folder}/{name}", True)]["o"].ctime_ns != read_seen(f"{folder}/{name}").ctime_ns
            for name in found
        ):
            return Unsettled(folder)
        names = tuple(sorted(found))
        files.append(
            FileInput(folder, "bytecode", True, read_seen(folder), list_bytecode(folder, names), names)
        )
    seen.env.update(find_start_variables(seen, run.env))
    known = {item.path for item in files}
    for path in extra_files:
        if path not in known:
            files.append(FileInput(path, "whole", True, read_seen(path)))
    for item in files:
        # Strictly: what the digests above were made from must be what the modules read.
        if not is_same(item.seen, read_seen(item.path, item.follow), _MASKS[item.how]):
            return Unsettled(item.path)
    return Record(
        files=tuple(files),
        env={name: run.env.get(name) for name in sorted(seen.env)},
        env_names=_digest_env(run.env) if seen.env_all else "",
        cwd=run.cwd if seen.cwd else None,
        argv=run.argv if seen.argv else None,
        limits={number: run.limits[number] for number in seen.limits if number in run.limits},
        affinity=run.affinity,
        host=run.host if seen.host else None,
        day=run.day if seen.day else None,
        env_set=_net_changes(seen.env_set),
        modules=tuple(dict.fromkeys(seen.order)),
        reasons=dict(seen.reasons),
        readers={key: who for key, who in seen.readers.items() if who != START},
        families={name: value for name, value in run.env.items() if eligible.counts_always(name)},
    )


def _add_package_searches(seen: Observation) -> None:
    """A directory that was found for a name is a package by what it holds: __init__ in all its forms."""
    for path, tails in list(seen.tails.items()):
        for tail in tails:
            inner = os.path.join(path, tail)
            if not os.path.isdir(inner):
                continue
            seen.tails.setdefault(inner, set()).add("__init__")
            seen.files.setdefault((inner, True), {}).setdefault("f", read_seen(inner))


def _make_inputs(path: str, follow: bool, asked: dict[str, Seen], tails: tuple[str, ...]) -> list[FileInput]:
    """Choose how the file is compared: the strictest of what was asked."""
    first = next(iter(asked.values()))
    is_dir = stat.S_ISDIR(first.mode)
    made: list[FileInput] = []
    if not follow:
        if "p" in asked:
            return _make_path_inputs(path)
        if "k" in asked or stat.S_ISLNK(first.mode):
            return [FileInput(path, "whole", False, first)]
        return [FileInput(path, "kind", False, first)]
    if "s" in asked:
        made.append(FileInput(path, "whole", True, asked["s"]))
        if not is_dir:
            return made
    if is_dir or "f" in asked or "l" in asked or "h" in asked:
        if "l" in asked:
            made.append(FileInput(path, "listing", True, asked["l"], digest=list_names(path)))
        if "h" in asked:
            made.append(
                FileInput(path, "start", True, asked["h"], digest=list_names(path, suffix=(".pth", ".start")))
            )
        if "f" in asked:
            made.append(
                FileInput(path, "search", True, asked["f"], digest=list_entries(path, tails), tails=tails)
            )
        if not made:
            made.append(FileInput(path, "permission" if "a" in asked else "kind", True, first))
        elif "a" in asked:
            made.append(FileInput(path, "permission", True, asked["a"]))
        return made
    if "o" in asked or "y" in asked:
        return [FileInput(path, "content", True, asked.get("o") or asked["y"], digest=hash_file(path))]
    return [FileInput(path, "permission" if "a" in asked else "kind", True, first)]


def _make_path_inputs(path: str) -> list[FileInput]:
    """`realpath` asked of every part of a path whether it is a link, and where to."""
    made, part = [], ""
    for name in path.strip("/").split("/"):
        part += "/" + name
        now = read_seen(part, follow=False)
        made.append(FileInput(part, "whole" if stat.S_ISLNK(now.mode) else "kind", False, now))
    return made


_MASKS = {
    "content": IDENTITY | KIND | SIZE | TIMES,
    "whole": WHOLE,
    "kind": KIND,
    "permission": KIND | MODE,
    "search": IDENTITY | KIND | TIMES,
    "listing": IDENTITY | KIND | TIMES,
    "start": IDENTITY | KIND | TIMES,
    "bytecode": IDENTITY | KIND | TIMES,
}


def find_file_difference(item: FileInput, reader: str = "") -> Change | None:
    """Compare one file with what it was; where only its time stamps differ, look closer."""
    now = read_seen(item.path, item.follow)
    if is_same(item.seen, now, _MASKS[item.how]):
        return None
    kind = "directory" if stat.S_ISDIR(item.seen.mode) else "file"
    if not item.seen.mode:
        return Change(kind, item.path, "absent", "is there now", reader)
    if not now.mode:
        return Change(kind, item.path, "present", "is gone", reader)
    if item.how == "content" and item.digest and hash_file(item.path) == item.digest:
        return None
    if item.how == "search" and list_entries(item.path, item.tails) == item.digest:
        return None
    if item.how == "bytecode" and list_bytecode(item.path, item.tails) == item.digest:
        return None
    if item.how == "listing" and list_names(item.path) == item.digest:
        return None
    if item.how == "start" and list_names(item.path, suffix=(".pth", ".start")) == item.digest:
        return None
    what = "has other entries" if kind == "directory" else "was changed"
    return Change(kind, item.path, "another", what, reader)


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


def is_external(path: str) -> bool:
    """Whether a file belongs to an installed distribution or to the standard library."""
    return "/site-packages/" in path or "/dist-packages/" in path or _STANDARD_FOLDER.search(path) is not None


_STANDARD_FOLDER = re.compile(r"/lib(?:64)?/python3\.\d+/")


def list_bytecode(path: str, names: tuple[str, ...]) -> str:
    """Return a digest of what some bytecode files of a `__pycache__` are."""
    found = []
    for name in names:
        seen = read_seen(f"{path}/{name}")
        found.append(f"{name} {seen.ino} {seen.size} {seen.mtime_ns} {seen.ctime_ns}")
    return hashlib.blake2b("\0".join(found).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def list_names(path: str, suffix: tuple[str, ...] = ("",)) -> str:
    """Return a digest of the names in a directory that end so."""
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(suffix))
    except OSError:
        return "absent"
    return hashlib.blake2b("\0".join(names).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def list_entries(path: str, tails: tuple[str, ...]) -> str:
    """Return a digest of the entries that a search for these names could find in a directory."""
    wanted = frozenset(tails)
    try:
        with os.scandir(path) as entries:
            found = sorted(
                f"{entry.name}/{entry.is_dir()}"
                for entry in entries
                if entry.name.partition(".")[0] in wanted
            )
    except OSError:
        return "absent"
    return hashlib.blake2b("\0".join(found).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _pack(item: FileInput) -> bytes:
    path = os.fsencode(item.path) + b"\0"
    size = _ENTRY.size + len(path)
    size += -size % 8
    s = item.seen
    head = _ENTRY.pack(
        size, _MASKS[item.how], item.follow, len(path) - 1, s.dev, s.ino, s.mode, s.uid_gid, s.size,
        s.mtime_ns & (2**64 - 1), s.ctime_ns & (2**64 - 1),
    )  # fmt: skip
    return (head + path).ljust(size, b"\0")


def _digest_env(env: Mapping[str, str]) -> str:
    text = "\0".join(f"{name}={env[name]}" for name in sorted(env))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _net_changes(changes: list[tuple[str, str | None]]) -> tuple[tuple[str, str | None], ...]:
    return tuple(dict(changes).items())


def _show(value: str | None) -> str:
    return "not set" if value is None else repr(value)


# ---- on the disk


def write_record(path: str, record: Record) -> None:
    """Write a record, whole or not at all."""
    body = asdict(record)
    text = _MAGIC + json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
    temporary = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise


def read_record(path: str) -> Record | None:
    """Read a record, or None when there is none, or it is of another version or damaged."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return None
    if not text.startswith(_MAGIC) or not text.endswith(b"\n"):
        return None
    try:
        body = json.loads(text[len(_MAGIC) :])
        files = tuple(
            FileInput(**{**item, "seen": Seen(**item["seen"]), "tails": tuple(item["tails"])})
            for item in body["files"]
        )
        record = Record(**{**body, "files": files})
        return replace(
            record,
            argv=None if record.argv is None else tuple(record.argv),
            limits={int(number): tuple(limit) for number, limit in record.limits.items()},  # type: ignore[misc]
            affinity=tuple(record.affinity),
            env_set=tuple((name, value) for name, value in record.env_set),
            modules=tuple(record.modules),
        )
    except (ValueError, TypeError, KeyError):
        return None
