"""The records of edits, in the user's state folder: what is needed to finish or take back each.

A record is a folder whose name ends with its state: `writing` (not complete: worth nothing),
`swapping` (files are being put in place), `done`, `undoing`, `undone`. The state changes by one
rename, which needs no space on the disk. In it are the bytes of every file before and after,
one behind the other in one file, and `edit.json`, which says whose they are.

Kept outside the project: `$XDG_STATE_HOME/entrepot/edits/` (default `~/.local/state`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from typing import Any

from entrepot.errors import SetupError
from entrepot.refactor.changes import Edit, FileChange, Move

KEPT = 50  # finished edits kept for undo, per project
WRITING, SWAPPING, DONE, UNDOING, UNDONE = "writing", "swapping", "done", "undoing", "undone"


class CannotWrite(SetupError):  # noqa: N818  (it reads as a sentence where it is caught)
    """The machine did not let us write; every file is as it was. Fields: `path`, `why`."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}; nothing was changed"


class HalfWritten(SetupError):  # noqa: N818
    """The machine let us neither finish nor take back. Fields: `path`, `why`."""

    path: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.why}; some files are changed\n"
            "  to put them back, when the disk takes it again: entrepot undo --list"
        )


class DamagedRecord(SetupError):  # noqa: N818
    """What was written down of an edit cannot be read. Fields: `path`, `why`."""

    path: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.path}: the record of an edit is damaged ({self.why}); nothing was changed\n"
            "  look at the files (git diff), then remove that folder: the edit can no longer be undone"
        )


def find_state_folder(root: str) -> str:
    """Return (and make) the folder with the records of one project. Raises CannotWrite."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    folder = os.path.join(
        base, "entrepot", "edits", digest_of(os.path.realpath(root).encode("utf-8", "surrogateescape"))[:24]
    )
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path=folder, why=str(error.strerror)) from None
    return folder


def write_record(folder: str, edit: Edit, changes: Sequence[FileChange], made: Sequence[str]) -> str:
    """Write down everything that is needed to take an edit back; return the record.

    `made` are the folders that the edit will make. Raises CannotWrite.
    """
    record = os.path.join(folder, f"{time.time_ns():020d}-{os.getpid()}.{WRITING}")
    pieces: list[bytes] = []
    listing = []
    for change in changes:
        about: list[object] = [change.path]
        for data in (change.before, change.after):
            about += [None, None] if data is None else [len(data), digest_of(data)]
            pieces.append(data or b"")
        listing.append(about)
    title = {
        "root": edit.root,
        "title": edit.title,
        "files": listing,
        "moves": [[move.before, move.after] for move in edit.moves],
        "made": list(made),
    }
    try:
        os.mkdir(record, 0o700)
        write_file(os.path.join(record, "contents"), b"".join(pieces))
        write_file(os.path.join(record, "edit.json"), json.dumps(title).encode("utf-8", "surrogateescape"))
    except OSError as error:
        shutil.rmtree(record, ignore_errors=True)
        raise CannotWrite(path=record, why=str(error.strerror or error)) from None
    return record


def list_records(folder: str, *states: str) -> list[str]:
    """Return the records in one of the states, the oldest first."""
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if get_state(name) in states]


def get_state(record: str) -> str:
    return record.rpartition(".")[2]


def get_key(record: str) -> str:
    """Return what a record is called in every state."""
    return os.path.basename(record).rpartition(".")[0]


def set_state(record: str, state: str) -> str:
    """Give a record another state; return its new path."""
    renamed = record.rpartition(".")[0] + "." + state
    if renamed != record:
        os.rename(record, renamed)
    return renamed


def load_edit(record: str) -> Edit:
    """Return the edit of a record that is complete. Raises DamagedRecord."""
    about = _load_title(record)
    try:
        with open(os.path.join(record, "contents"), "rb") as stream:
            contents = stream.read()
    except OSError as error:
        raise DamagedRecord(path=record, why=str(error.strerror)) from None
    changes, at = [], 0
    for path, *sizes_and_digests in about["files"]:
        both: list[bytes | None] = []
        for size, digest in (sizes_and_digests[:2], sizes_and_digests[2:]):
            data = None if size is None else contents[at : at + size]
            if data is not None and digest_of(data) != digest:
                raise DamagedRecord(path=record, why=f"the contents of {path} are not what they were")
            both.append(data)
            at += size or 0
        changes.append(FileChange(path, both[0], both[1]))
    moves = tuple(Move(before, after) for before, after in about["moves"])
    return Edit(about["root"], about["title"], tuple(changes), moves)


def load_made(record: str) -> list[str]:
    """Return the folders that an edit made. Raises DamagedRecord."""
    return list(_load_title(record)["made"])


def find_last_written(folder: str) -> dict[str, str]:
    """Return the digest of what entrepot last left in each file (after an edit or an undo)."""
    found: dict[str, str] = {}
    for record in list_records(folder, DONE, UNDONE):
        try:
            files = _load_title(record)["files"]
        except DamagedRecord:
            continue  # it cannot be undone, and says so then
        for path, _, before, _, after in files:
            left = after if get_state(record) == DONE else before
            if left is not None:
                found[path] = left
    return found


def forget_old(folder: str) -> None:
    """Remove the oldest records beyond those that are kept."""
    for record in list_records(folder, DONE, UNDONE)[:-KEPT]:
        shutil.rmtree(record, ignore_errors=True)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_file(path: str, data: bytes, *, is_flushed: bool = True) -> None:
    """Write a new file, and flush it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        if is_flushed:
            os.fsync(handle)
    finally:
        os.close(handle)


def _load_title(record: str) -> dict[str, Any]:
    try:
        with open(os.path.join(record, "edit.json"), "rb") as stream:
            found = json.loads(stream.read().decode("utf-8", "surrogateescape"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedRecord(path=record, why=str(error)) from None
    if not _is_title(found):
        raise DamagedRecord(path=record, why="edit.json has another form")
    title: dict[str, Any] = found
    return title


def _is_title(found: object) -> bool:
    """Whether a value is what `write_record` writes."""
    if not isinstance(found, dict):
        return False
    files, moves, made = (found.get(key) for key in ("files", "moves", "made"))
    return (
        all(isinstance(found.get(key), str) for key in ("root", "title"))
        and all(isinstance(value, list) for value in (files, moves, made))
        and all(_is_file(item) for item in files or ())
        and all(_is_list_of_paths(item) and len(item) == 2 for item in moves or ())
        and _is_list_of_paths(made)
    )


def _is_file(item: object) -> bool:
    if not isinstance(item, list) or len(item) != 5 or not _is_list_of_paths(item[:1]):
        return False
    return all(
        (size is None and digest is None) or (type(size) is int and size >= 0 and isinstance(digest, str))
        for size, digest in (item[1:3], item[3:5])
    )


def _is_list_of_paths(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(path, str) and os.path.isabs(path) and "\0" not in path for path in value
    )
