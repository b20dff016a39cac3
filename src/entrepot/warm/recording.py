"""Make the record of a preparation that ended well.

`make_record` turns what was observed into the inputs to be compared before each run. A file that
was changed within a tick of the clock before it was read, or while the preparation ran, makes no
record at all: its times prove nothing, and preparing once more will do.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import source_from_cache

from entrepot.trace.log import Seen
from entrepot.warm import eligible
from entrepot.warm.files import FileInput, get_mask, is_same, make_digest, read_seen
from entrepot.warm.fingerprint import Record, Surroundings, digest_env
from entrepot.warm.observation import START, Observation

# The standard library's own start reads nothing but the variables that always count.
_STANDARD = os.path.dirname(os.__file__) + "/"
UNKNOWN_LIMIT = (-2, -2)  # never that of a run
# Read by libc itself, where no call can be seen: the time zone, the users' names.
ALWAYS = ("/etc/localtime", "/etc/passwd")

# A short text in marshalled code: its type, perhaps marked as one to refer to, its length, itself.
_SHORT = re.compile(rb"[Zz\xda\xfa](?=(.)([A-Za-z_][A-Za-z0-9_]*))", re.DOTALL)
_QUOTED = re.compile(rb"""['"]([A-Za-z_][A-Za-z0-9_]*)['"]""")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{2,}")
# The shell's variable `_`, whose name means much else: other shells and tools set it otherwise.
_UNDERSCORE = re.compile(rb"""(?:environb?\b|getenvb?\b)[^\n]{0,40}['"]_['"]""")


def find_start_variables(seen: Observation, env: Mapping[str, str]) -> set[str]:
    """Return the variables that the code run by `site` may read, before the observer can watch `os.environ`.

    That code is what .pth files, sitecustomize and what they import say; any word in it that has the
    look of a variable counts, whether it is set or not, and where it speaks of the environment every quoted one.
    """
    words: set[str] = set()
    quoted: set[str] = set()
    for (path, _), asked in seen.files.items():
        read = asked.get("o")
        if "y" in asked:
            continue  # the program itself, which runs later: what it reads is seen
        if seen.readers.get(path) != START or read is None or not read.mode:
            continue
        if path.endswith((".pth", ".py", ".pyc")) and not path.startswith(_STANDARD):
            try:
                with open(path, "rb") as file:
                    text = file.read(1 << 20)
            except OSError:
                continue
            words.update(word.decode() for word in _WORD.findall(text))
            if b"environ" in text or b"getenv" in text:
                found = set(
                    find_short_texts(text)
                    if path.endswith(".pyc")
                    else map(bytes.decode, _QUOTED.findall(text))
                )
                if "_" in found and not reads_underscore(path):
                    found.remove("_")
                quoted |= found
    return quoted | {word for word in words if word in env or (word.isupper() and "_" in word)}


def reads_underscore(path: str) -> bool:
    """Whether a file of code may read the variable `_`; bytecode without its source may."""
    try:
        with open(source_from_cache(path) if path.endswith(".pyc") else path, "rb") as file:
            return bool(_UNDERSCORE.search(file.read(1 << 20)))
    except (OSError, ValueError):
        return True


def find_short_texts(bytecode: bytes) -> set[str]:
    """Return the texts in a bytecode file that could be names."""
    return {
        text[: size[0]].decode()
        for size, text in _SHORT.findall(bytecode)
        if size[0] and len(text) >= size[0]
    }


@dataclass(frozen=True, slots=True)
class Unsettled:
    """No record: a file changed while, or just before, it was read. Preparing once more will do."""

    path: str


def make_record(
    seen: Observation,
    run: Surroundings,
    extra_files: Iterable[str] = (),
    *,
    keeps_argv: bool = False,
    searches: Mapping[str, tuple[str, ...]] | None = None,
) -> Record | Unsettled:
    """Make the record of a preparation that ended well.

    `extra_files` are libraries found mapped into the process; `keeps_argv` says that a module has
    taken `sys.argv` itself (`from sys import argv`), which then belongs to these arguments; `searches`
    are folders that the program will search for these names.
    """
    if seen.young:
        return Unsettled(seen.young)
    files: list[FileInput] = []
    _add_package_searches(seen)
    bytecode: dict[str, set[str]] = {}
    for (path, follow), asked in sorted(seen.files.items()):
        folder, name = os.path.split(path)
        if name.endswith(".pyc") and folder.endswith("/__pycache__") and asked.keys() == {"o"}:
            if is_derived(path):
                bytecode.setdefault(folder, set()).add(name)
                continue
            if not asked["o"].mode and (source_from_cache(path), True) in seen.files:
                continue  # what is written later is made from the source, which counts
        files += _make_inputs(path, follow, asked, tuple(sorted(seen.tails.get(path, ()))))
    for folder, found in sorted(bytecode.items()):
        if any(
            seen.files[(f"{folder}/{name}", True)]["o"].ctime_ns != read_seen(f"{folder}/{name}").ctime_ns
            for name in found
        ):
            return Unsettled(folder)
        names = tuple(sorted(found))
        files.append(
            FileInput(
                folder, "bytecode", True, read_seen(folder), make_digest(folder, "bytecode", names), names
            )
        )
    seen.env.update(find_start_variables(seen, run.env))
    known = {item.path for item in files}
    for path in (*ALWAYS, *find_zone(run.env), *extra_files):
        if path not in known:
            files.append(FileInput(path, "whole", True, read_seen(path)))
    for path in sorted(seen.texts):
        files.append(FileInput(path, "text", True, read_seen(path), make_digest(path, "text")))
    for path, tails in (searches or {}).items():
        files.append(
            FileInput(path, "search", True, read_seen(path), make_digest(path, "search", tails), tails)
        )
    for item in files:
        # Strictly: what the digests above were made from must be what the modules read.
        now = read_seen(os.path.join(run.cwd, item.path), item.follow)
        if not is_same(item.seen, now, get_mask(item.how)):
            return Unsettled(item.path)
    return Record(
        files=tuple(files),
        env={name: run.env.get(name) for name in sorted(seen.env)},
        env_names=digest_env(run.env) if seen.env_all else "",
        cwd=run.cwd if seen.cwd or has_relative_path(run.env) else None,
        argv=run.argv if seen.argv or keeps_argv else None,
        limits={number: run.limits.get(number, UNKNOWN_LIMIT) for number in seen.limits},
        affinity=run.affinity,
        host=run.host if seen.host else None,
        day=run.day if seen.day else None,
        rights=run.rights,
        env_set=_net_changes(seen.env_set),
        modules=tuple(dict.fromkeys(seen.order)),
        reasons=dict(seen.reasons),
        readers={key: who for key, who in seen.readers.items() if who != START},
        families={name: value for name, value in run.env.items() if eligible.counts_always(name)},
    )


def find_zone(env: Mapping[str, str]) -> list[str]:
    """Return the file that TZ names, which libc reads for itself."""
    zone = env.get("TZ", "").removeprefix(":")
    path = os.path.join(env.get("TZDIR") or "/usr/share/zoneinfo", zone)
    return [path] if zone and os.path.isfile(path) else []


def is_derived(path: str) -> bool:
    """Whether a bytecode file is used only while it belongs to its source, by size and time (PEP 552)."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError:
        return False
    return head[4:8] == bytes(4)


def has_relative_path(env: Mapping[str, str]) -> bool:
    """Whether the search path depends on the current directory: Python makes such entries absolute."""
    path = env.get("PYTHONPATH", "")
    return bool(path) and not all(part.startswith("/") for part in path.split(":"))


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
    if is_dir or asked.keys() & {"f", "l", "h", "d"}:
        if "l" in asked:
            made.append(FileInput(path, "listing", True, asked["l"], digest=make_digest(path, "listing")))
        if "h" in asked:
            made.append(FileInput(path, "start", True, asked["h"], digest=make_digest(path, "start")))
        if "d" in asked:
            digest = make_digest(path, "distributions")
            made.append(FileInput(path, "distributions", True, asked["d"], digest=digest))
        if "f" in asked:
            made.append(
                FileInput(
                    path, "search", True, asked["f"], digest=make_digest(path, "search", tails), names=tails
                )
            )
        if not made:
            made.append(FileInput(path, "permission" if "a" in asked else "kind", True, first))
        elif "a" in asked:
            made.append(FileInput(path, "permission", True, asked["a"]))
        return made
    if "o" in asked or "y" in asked:
        return [
            FileInput(
                path, "content", True, asked.get("o") or asked["y"], digest=make_digest(path, "content")
            )
        ]
    return [FileInput(path, "permission" if "a" in asked else "kind", True, first)]


def _make_path_inputs(path: str) -> list[FileInput]:
    """`realpath` asked of every part of a path whether it is a link, and where to."""
    made, part = [], ""
    for name in path.strip("/").split("/"):
        part += "/" + name
        now = read_seen(part, follow=False)
        made.append(FileInput(part, "whole" if stat.S_ISLNK(now.mode) else "kind", False, now))
    return made


def _net_changes(changes: list[tuple[str, str | None, bool]]) -> tuple[tuple[str, str | None, bool], ...]:
    """Return what `os.environ` has in the end, and then what only C code finds otherwise."""
    seen = {name: value for name, value, is_seen in changes if is_seen}
    last = {name: (value, is_seen) for name, value, is_seen in changes}
    hidden = [(name, value, False) for name, (value, is_seen) in last.items() if not is_seen]
    return (*((name, value, True) for name, value in seen.items()), *hidden)
