"""What is kept of a tree between runs, in three parts of the store.

    graph   files and resolved arrows: enough where nothing changed
    scans   the statements, packed as the processes gave them; unpacked only when somebody asks
    edits   what a few edits since then have changed of both; folded in when it has grown

`Kept` is the sum of graph and edits. The parts carry a stamp: those of another writing are not used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from entrepot.program import store
from entrepot.program.raw import Places, Raw, RawArrow
from entrepot.program.shares import Share, unpack_scans
from entrepot.program.source import SourceError, read_bytes
from entrepot.program.statements import Scan
from entrepot.program.tree import File

# More edited modules than this, and everything is written anew.
MOST_EDITS = 300
_YOUNG_NS = 2_000_000_000


class Kept:
    """What was read of a tree the last time. files: as `File`s or the tuples that they were.

    doubts: name -> hash of the files that were too young to tell an edit by their times.
    edited: the modules that were edited since the scans were written: name -> scan.
    """

    def __init__(self, key: str, graph: dict[str, Any]) -> None:
        """Take over what was read from the store. Raises KeyError where it is not all there."""
        self.key = key
        self.stamp: bytes = graph["stamp"]
        self.names: list[str] = graph["names"]
        self.files: dict[str, tuple[Any, ...]] = graph["files"]
        self.doubts: dict[str, bytes] = graph["doubts"]
        self.arrows: list[tuple[RawArrow, ...]] = graph["arrows"]
        self.problems: dict[str, Places] = graph["problems"]
        self.unfollowed: dict[str, Places] = graph["unfollowed"]
        self.consulted: set[str] = set(graph["consulted"])
        self.edited: dict[str, tuple[Any, ...]] = {}

    def fetch_scans(self) -> dict[str, Scan] | None:
        """Return the statements of all modules; None where they are not there any more."""
        part: Any = store.read(self.key, "scans")
        if not isinstance(part, tuple) or part[0] != self.stamp:
            return None
        scans: dict[str, Scan] = {}
        for packed in part[1]:
            scans.update(unpack_scans(packed))
        scans.update((name, Scan(*scan)) for name, scan in self.edited.items())
        return scans


def read_kept(key: str) -> Kept | None:
    """Return what was kept under a key; None where there is nothing of use."""
    graph: Any = store.read(key, "graph")
    try:
        kept = Kept(key, graph)
        edits: Any = store.read(key, "edits")
        if edits is not None and edits["stamp"] == kept.stamp:
            kept.files.update(edits["files"])
            kept.doubts = edits["doubts"]
            for number, arrows in edits["arrows"].items():
                kept.arrows[number] = arrows
            for whole, part in ((kept.problems, "problems"), (kept.unfollowed, "unfollowed")):
                for name in edits["scans"]:
                    whole.pop(name, None)
                whole.update(edits[part])
            kept.consulted.update(edits["consulted"])
            kept.edited = edits["scans"]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
    return kept


def write_kept(key: str, raw: Raw, packed: list[bytes]) -> None:
    """Write everything; the graph last, for it is the part that is asked first."""
    stamp = os.urandom(8)
    store.write(key, "scans", (stamp, packed))
    store.write(
        key,
        "graph",
        {
            "stamp": stamp,
            "names": raw.names,
            "files": {name: tuple(file) for name, file in raw.files.items()},
            "doubts": list_doubts(raw.files.values()),
            "arrows": raw.arrows,
            "problems": raw.file_problems,
            "unfollowed": raw.unfollowed,
            "consulted": list(raw.consulted),
        },
    )


def write_edits(kept: Kept, raw: Raw) -> None:
    """Write what the edited modules are now, beside the graph and scans of before."""
    edited = kept.edited
    store.write(
        kept.key,
        "edits",
        {
            "stamp": kept.stamp,
            "files": {name: tuple(raw.files[name]) for name in edited},
            "doubts": kept.doubts,
            "arrows": {raw.ids[name]: raw.arrows[raw.ids[name]] for name in edited},
            "problems": {name: raw.file_problems[name] for name in edited if name in raw.file_problems},
            "unfollowed": {name: raw.unfollowed[name] for name in edited if name in raw.unfollowed},
            "consulted": list(raw.consulted),
            "scans": edited,
        },
    )


def list_doubts(files: Iterable[File]) -> dict[str, bytes]:
    """Return the hashes of the files that could be edited once more within the grain of their times."""
    young = time.time_ns() - _YOUNG_NS
    return {
        file.name: hash_file(file.path) for file in files if file.mtime_ns > young and file.kind == "source"
    }


def hash_file(path: str) -> bytes:
    """Return a hash of a file's bytes, b"" where it cannot be read."""
    try:
        return store.hash_bytes(read_bytes(path))
    except SourceError:
        return b""


def take_over(raw: Raw, kept: Kept) -> None:
    """Let a program be what was kept of it."""
    raw.was_kept = True
    raw.arrows = kept.arrows
    raw.file_problems = kept.problems
    raw.unfollowed = kept.unfollowed
    raw.consulted = kept.consulted


def take_share(raw: Raw, share: Share) -> None:
    """Let a program have what one share found."""
    for number, arrows in share.arrows.items():
        raw.arrows[number] = arrows
    raw.file_problems.update(share.problems)
    raw.unfollowed.update(share.unfollowed)
    raw.consulted.update(share.consulted)
