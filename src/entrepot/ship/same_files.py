"""After an edit: are the files of a program still the same ones?

Following an entry point anew reads every module. It is not needed while each folder lists the same names and each
edited module imports what it did: then the files are those found before, with other contents.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from entrepot.program.conditions import Target
from entrepot.program.scan import scan_bytes
from entrepot.program.source import SourceError
from entrepot.ship.contents import Contents

_Signature = tuple[int, int, int, int]


class Files:
    """The files of a program, as they were when they were last looked at."""

    def __init__(self, contents: Contents) -> None:
        self.signatures: dict[str, _Signature | None] = {}
        self.listings: dict[str, frozenset[str]] = {}
        for item in contents.files.values():
            if item.data is None:
                self.signatures[item.file] = _look(item.file)
        # A module that appears in a folder on the way may shadow one, or be what was missing.
        for folder in {os.path.dirname(file) for file in self.signatures}:
            self.listings[folder] = _list(folder)

    def are_same(self, find_before: Callable[[str], bytes | None]) -> bool:
        """Whether the same files make up the program. find_before: a file -> its bytes when it was last sent."""
        if any(_list(folder) != names for folder, names in self.listings.items()):
            return False
        for file, signature in self.signatures.items():
            if signature is not None and _look(file) == signature:
                continue
            if file.endswith(".py"):
                before = find_before(file)
                if before is None or not _imports_the_same(before, file):
                    return False
        return True


def _look(file: str) -> _Signature | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns


def _list(folder: str) -> frozenset[str]:
    try:
        return frozenset(name for name in os.listdir(folder) if name != "__pycache__")
    except OSError:
        return frozenset()


def _imports_the_same(before: bytes, file: str) -> bool:
    """Whether a module imports what it did, whatever else is new in it."""
    try:
        with open(file, "rb") as stream:
            now = stream.read()
        old, new = (_read_shape(data, file) for data in (before, now))
    except (OSError, SourceError):
        return False
    return old == new


def _read_shape(data: bytes, file: str) -> object:
    scan = scan_bytes(data, file, Target(), is_strict=False)
    unfollowed = [message for _, _, message in scan.unfollowed]
    return [tuple(statement)[2:] for statement in scan.statements], unfollowed, b"__file__" in data
