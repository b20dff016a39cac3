"""Writing several files as one: all or none, also when killed in the middle.

How: under a lock for the project, the bytes before and after of every file and the list of
what is to be done go into a record in the user's state folder, and are flushed to the disk.
Each new content is written beside its target under a temporary name (so a full disk is
noticed before anything has changed). Only then are the names swapped, one `os.replace` a
file. An error takes back the files already swapped. A process that is killed between two swaps
leaves its record in the state "swapping"; the next command of ours in that project takes the
files back before it does anything else, and never touches a file that somebody has changed since.

The records of finished edits are the history that `entrepot undo` goes back through. They are
kept outside the project: `$XDG_STATE_HOME/entrepot/edits/` (default `~/.local/state`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator

from entrepot.errors import Refused, SetupError
from entrepot.refactor import git
from entrepot.refactor.changes import Edit, FileChange, Move

KEPT = 50  # finished edits kept for undo, per project


class CannotWrite(SetupError):  # noqa: N818  (it reads as a sentence where it is caught)
    """The machine did not let us write; every file is as it was. Fields: `path`, `why`."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}; nothing was changed"


def state_folder(root: str) -> str:
    """Return (and make) the folder with the records of one project."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    digest = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    folder = os.path.join(base, "entrepot", "edits", digest)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path=folder, why=str(error.strerror)) from None
    return folder


@contextlib.contextmanager
def locked(root: str, *, wait_s: float = 30.0) -> Iterator[str]:
    """Hold the project's lock; yields its state folder. Unfinished edits are taken back first."""
    folder = state_folder(root)
    handle = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Refused(
                        "another entrepot command has been changing this project for too long", root
                    ) from None
                time.sleep(0.05)
        recover(folder)
        yield folder
    finally:
        os.close(handle)


def apply_edit(edit: Edit, *, force: bool = False) -> None:
    """Write all files of an edit, or none.

    Raises Refused when a file is not what it was when the edit was planned, is read-only, is a
    link that leads out of the project, or has uncommitted changes (the last not with `force`);
    CannotWrite when the machine fails.
    """
    changes = [change for change in edit.changes if change.before != change.after]
    with locked(edit.root) as folder:
        for change in changes:
            check_writable(change, edit.root)
        if not force:
            check_committed(edit, changes, folder)
        record = _write_record(folder, edit, changes)
        _swap(record, changes)
        git.move_in_index(edit.root, edit.moves)
        _set_state(record, "done")
        _forget_old(folder)


def check_writable(change: FileChange, root: str) -> None:
    """Raise Refused when a file cannot or must not be written."""
    path = change.path
    if _read(path) != change.before:
        raise Refused("the file is not what it was when the edit was planned", path, None, "plan it again")
    real = os.path.realpath(path)
    if real != path and not real.startswith(os.path.realpath(root) + os.sep):
        raise Refused(f"a link that leads out of the project, to {real}", path)
    if os.path.islink(path):
        raise Refused(f"a link, to {os.readlink(path)}", path, None, "name the file it leads to")
    if change.before is not None:
        if not os.stat(path).st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(
            path, os.W_OK
        ):
            raise Refused("the file is read-only", path, None, "make it writable first: chmod u+w")
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if not os.stat(folder).st_mode & stat.S_IWUSR or not os.access(folder, os.W_OK):
        raise Refused("the folder is read-only", folder, None, "make it writable first: chmod u+w")


def check_committed(edit: Edit, changes: list[FileChange], folder: str) -> None:
    """Raise Refused for a file with uncommitted changes that did not come from here."""
    ours = _last_written(folder)
    for path in git.find_uncommitted(edit.root, [c.path for c in changes if c.before is not None]):
        before = _read(path)
        if before is not None and ours.get(path) == _digest(before):
            continue  # what entrepot wrote itself, undo can take back
        raise Refused("the file has uncommitted changes", path, None, "commit them first, or use --force")


def find_last(folder_root: str) -> Edit | None:
    """Return the last edit of a project that was applied and not undone, or None."""
    with locked(folder_root) as folder:
        records = _records(folder, "done")
        return _load(records[-1]) if records else None


def undo_last(root: str) -> Edit:
    """Take the last edit back, byte for byte. Raises Refused when there is none or a file has changed."""
    with locked(root) as folder:
        records = _records(folder, "done")
        if not records:
            raise Refused("there is no edit to undo here", root)
        record = records[-1]
        edit = _load(record)
        back = edit.reversed()
        for change in back.changes:
            if _read(change.path) != change.before:
                raise Refused(
                    "the file has been changed since the edit",
                    change.path,
                    None,
                    "put it back first: entrepot keeps its record",
                )
            check_writable(change, root)
        _set_state(record, "undoing")
        try:
            _swap(record, list(back.changes), state="undoing")
        except BaseException:
            _set_state(record, "done")
            raise
        git.move_in_index(root, back.moves)
        _set_state(record, "undone")
        for change in back.changes:
            if change.after is None:
                _remove_empty_folders(os.path.dirname(change.path), root)
    return edit


def recover(folder: str) -> None:
    """Take back what a killed process left half done (the project's lock must be held)."""
    for record in _records(folder, "swapping", "undoing", "writing"):
        state = _state(record)
        if state != "writing":
            edit = _load(record)
            changes = edit.reversed().changes if state == "undoing" else edit.changes
            _take_back(list(changes))
        for path in _leftovers(record):
            with contextlib.suppress(OSError):
                os.unlink(path)
        if state == "undoing":
            _set_state(record, "done")
        else:
            shutil.rmtree(record, ignore_errors=True)


# -- steps ---------------------------------------------------------------------------------


def _write_record(folder: str, edit: Edit, changes: list[FileChange]) -> str:
    """Write down everything that is needed to take the edit back."""
    record = os.path.join(folder, f"{time.time_ns():020d}-{os.getpid()}")
    try:
        os.mkdir(record, 0o700)
        _write(os.path.join(record, "state"), b"writing")
        listing = []
        for number, change in enumerate(changes):
            for which, data in (("before", change.before), ("after", change.after)):
                if data is not None:
                    _write(os.path.join(record, f"{number}.{which}"), data)
            listing.append([change.path, change.before is not None, change.after is not None])
        about = {
            "root": edit.root,
            "title": edit.title,
            "files": listing,
            "moves": [[move.before, move.after] for move in edit.moves],
        }
        _write(os.path.join(record, "edit.json"), json.dumps(about).encode("utf-8", "surrogateescape"))
    except OSError as error:
        shutil.rmtree(record, ignore_errors=True)
        raise CannotWrite(path=record, why=str(error.strerror or error)) from None
    return record


def _swap(record: str, changes: list[FileChange], *, state: str = "swapping") -> None:
    """Write every new content beside its target, then put all in place."""
    ready: list[tuple[str | None, FileChange]] = []
    made: list[str] = []
    done: list[FileChange] = []
    try:
        try:
            for change in changes:
                if change.after is None:
                    ready.append((None, change))
                    continue
                folder = os.path.dirname(change.path)
                made += _make_folders(folder)
                number = len(ready)
                temporary = os.path.join(
                    folder, f".{os.path.basename(change.path)}.{os.path.basename(record)}-{number}"
                )
                ready.append((temporary, change))
                _write(temporary, change.after)
                if change.before is not None:
                    shutil.copymode(change.path, temporary)
            _set_state(record, state)
            for waiting, change in ready:
                if waiting is None:
                    os.unlink(change.path)
                else:
                    os.replace(waiting, change.path)
                done.append(change)
        except OSError as error:
            raise CannotWrite(path=str(error.filename or record), why=str(error.strerror or error)) from error
    except BaseException:
        _take_back(done)
        for name, _ in ready:
            if name is not None:
                with contextlib.suppress(OSError):
                    os.unlink(name)
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if state == "swapping":
            shutil.rmtree(record, ignore_errors=True)
        raise
    for change in changes:
        if change.after is None:
            _remove_empty_folders(os.path.dirname(change.path), _load(record).root)


def _take_back(changes: list[FileChange]) -> None:
    """Put the files back that hold what we wrote; leave those that somebody changed since."""
    for change in changes:
        now = _read(change.path)
        if now == change.before or now != change.after:
            continue
        if change.before is None:
            os.unlink(change.path)
        else:
            os.makedirs(os.path.dirname(change.path), exist_ok=True)
            temporary = f"{change.path}.entrepot-back"
            _write(temporary, change.before)
            if os.path.exists(change.path):
                shutil.copymode(change.path, temporary)
            os.replace(temporary, change.path)


def _make_folders(folder: str) -> list[str]:
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for path in reversed(missing):
        os.mkdir(path)
    return list(reversed(missing))


def _remove_empty_folders(folder: str, root: str) -> None:
    """Remove folders that an edit left with nothing but bytecode, up to the project's."""
    while folder != root and folder.startswith(root + os.sep):
        try:
            rest = os.listdir(folder)
            if rest == ["__pycache__"]:
                shutil.rmtree(os.path.join(folder, "__pycache__"), ignore_errors=True)
            elif rest:
                return
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)


# -- records -------------------------------------------------------------------------------


def _records(folder: str, *states: str) -> list[str]:
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and _state(path) in states:
            found.append(path)
    return found


def _state(record: str) -> str:
    data = _read(os.path.join(record, "state"))
    return "writing" if data is None else data.decode("ascii", "replace")


def _set_state(record: str, state: str) -> None:
    temporary = os.path.join(record, "state.new")
    _write(temporary, state.encode())
    os.replace(temporary, os.path.join(record, "state"))


def _load(record: str) -> Edit:
    with open(os.path.join(record, "edit.json"), "rb") as stream:
        about = json.loads(stream.read().decode("utf-8", "surrogateescape"))
    changes = []
    for number, (path, had, has) in enumerate(about["files"]):
        before = _read(os.path.join(record, f"{number}.before")) if had else None
        after = _read(os.path.join(record, f"{number}.after")) if has else None
        changes.append(FileChange(path, before, after))
    moves = tuple(Move(before, after) for before, after in about["moves"])
    return Edit(about["root"], about["title"], tuple(changes), moves)


def _leftovers(record: str) -> list[str]:
    if not os.path.exists(os.path.join(record, "edit.json")):
        return []
    found = []
    for change in _load(record).changes:
        folder, name = os.path.split(change.path)
        prefix = f".{name}.{os.path.basename(record)}-"
        if os.path.isdir(folder):
            found += [os.path.join(folder, n) for n in os.listdir(folder) if n.startswith(prefix)]
            found += [os.path.join(folder, n) for n in os.listdir(folder) if n == f"{name}.entrepot-back"]
    return found


def _last_written(folder: str) -> dict[str, str]:
    """Return the digest of what entrepot last left in each file (after an edit or an undo)."""
    found: dict[str, str] = {}
    for record in _records(folder, "done", "undone"):
        edit = _load(record)
        for change in edit.reversed().changes if _state(record) == "undone" else edit.changes:
            if change.after is not None:
                found[change.path] = _digest(change.after)
    return found


def _forget_old(folder: str) -> None:
    for record in _records(folder, "done", "undone")[:-KEPT]:
        shutil.rmtree(record, ignore_errors=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except (NotADirectoryError, IsADirectoryError):
        return None


def _write(path: str, data: bytes) -> None:
    """Write a new file and flush it to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
