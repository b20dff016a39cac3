"""The inputs of initialised modules, and whether they still are what they were.

    record = make_record(observation, surroundings)     after a preparation (recording.py)
    changed = record.find_change(surroundings)          before each run: None, or what changed

A `Record` is a value: made once, written whole or not at all (record_file.py), read by
processes of the same version only. What counts of a file stands in files.py.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from entrepot.warm import eligible
from entrepot.warm.files import FileInput, find_file_difference, pack_files
from entrepot.warm.observation import START

VERSION = 8


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
    rights: str = ""  # user, groups, capabilities, kind of machine (rights.py)


@dataclass(frozen=True, slots=True)
class Change:
    """One input that is not what it was."""

    kind: str  # file, directory, environment, cwd, argv, limits, affinity, host, day, rights
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
    rights: str
    env_set: tuple[tuple[str, str | None, bool], ...]  # the last: whether os.environ has it
    modules: tuple[str, ...]  # shared, in the order in which they finished
    reasons: Mapping[str, str]  # left to the run -> why
    readers: Mapping[str, str]
    families: Mapping[str, str]  # variables that always count
    image: str = ""  # the file name of the image that has them, once there is one

    def find_change(self, run: Surroundings) -> Change | None:
        """Return the first input that is not what it was, or None: the modules may be used."""
        return self.find_surrounding_change(run) or self.find_file_change(run.cwd)

    def find_surrounding_change(self, run: Surroundings) -> Change | None:
        """Compare what the run brings with it."""
        for name, value in self.env.items():
            now = run.env.get(name)
            if now != value:
                return Change("environment", name, _show(value), _show(now), self.readers.get("$" + name, ""))
        if self.env_names and digest_env(run.env) != self.env_names:
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
            ("rights", self.rights or None, run.rights),
        )
        for kind, was, is_now in facts:
            if was is not None and was != is_now:
                return Change(kind, kind, str(was), str(is_now), self.readers.get(kind, ""))
        for number, limit in self.limits.items():
            is_limit = tuple(run.limits.get(number, ()))
            if is_limit != tuple(limit):
                reader = self.readers.get("limits", "")
                return Change("limits", f"limit {number}", str(limit), str(is_limit), reader)
        if run.affinity and self.affinity and tuple(run.affinity) != self.affinity:
            return Change("affinity", "the set of processors", str(self.affinity), str(run.affinity))
        return None

    def find_file_change(self, cwd: str) -> Change | None:
        """Compare every file, without the fast path."""
        for item in self.files:
            difference = find_file_difference(item, cwd)
            if difference:
                kind = "directory" if stat.S_ISDIR(item.seen.mode) else "file"
                return Change(kind, item.path, "another", difference, self.readers.get(item.path, ""))
        return None

    def pack_files(self) -> bytes:
        """Return the block of bytes that `check.c` compares."""
        return pack_files(self.files)


def digest_env(env: Mapping[str, str]) -> str:
    """Return one text for a whole environment."""
    text = "\0".join(f"{name}={env[name]}" for name in sorted(env))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _show(value: str | None) -> str:
    return "not set" if value is None else repr(value)
