"""Writing several files as one: all or none, also when killed in the middle.

How: under a lock for the project, the bytes before and after of every file go into a record
(`records.py`), and are flushed to the disk. Each new content is written beside its target under
a temporary name (so a full disk is noticed before anything has changed). Only then are the names
swapped, one `os.replace` a file. An error takes back the files already swapped. A process that is
killed between two swaps leaves its record in the state "swapping"; the next command of ours in
that project takes the files back before it does anything else, and never touches a file that
somebody has changed since.

The records of finished edits are the history that `entrepot undo` goes back through.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence

from entrepot.errors import Refused
from entrepot.refactor import git
from entrepot.refactor.changes import Edit, FileChange, Move
from entrepot.refactor.records import (
    DONE,
    SWAPPING,
    UNDOING,
    UNDONE,
    WRITING,
    CannotWrite,
    HalfWritten,
    digest_of,
    find_last_written,
    find_state_folder,
    forget_old,
    get_key,
    get_state,
    list_records,
    load_edit,
    load_made,
    set_state,
    write_file,
    write_record,
)

FLUSHERS = 8  # files flushed at a time: a disk takes many in the time of one
_held = threading.local()  # project -> its state folder, while this thread has the lock


@contextlib.contextmanager
def locked(root: str, *, wait_s: float = 30.0) -> Iterator[str]:
    """Hold the project's lock; yields its state folder. Unfinished edits are taken back first.

    A thread that has the lock gets it again. Raises Refused when another keeps it too long.
    """
    root = os.path.realpath(root)
    held: dict[str, str] = _held.__dict__
    if root in held:
        yield held[root]
        return
    folder = find_state_folder(root)
    try:
        handle = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotWrite(path=folder, why=str(error.strerror)) from None
    try:
        _wait_for(handle, root, wait_s)
        recover(folder)
        held[root] = folder
        yield folder
    finally:
        held.pop(root, None)
        os.close(handle)


def _wait_for(handle: int, root: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Refused(
                    "another entrepot command has been changing this project for too long", root
                ) from None
            time.sleep(0.05)


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
        made = _find_missing_folders(changes)
        record = write_record(folder, edit, changes, made)
        try:
            record = set_state(record, SWAPPING)
            _swap(record, changes, edit.moves, DONE)
        except HalfWritten:
            raise  # the next command takes the files back, and needs the record
        except BaseException:
            shutil.rmtree(record, ignore_errors=True)
            raise
        _remove_emptied(changes, edit.root)
        git.move_in_index(edit.root, edit.moves)
        forget_old(folder)


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
            raise Refused(
                "the file is read-only", path, None, f"make it writable first: chmod u+w {shlex.quote(path)}"
            )
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if not os.stat(folder).st_mode & stat.S_IWUSR or not os.access(folder, os.W_OK):
        raise Refused(
            "the folder is read-only",
            folder,
            None,
            f"make it writable first: chmod u+w {shlex.quote(folder)}",
        )


def check_committed(edit: Edit, changes: Sequence[FileChange], folder: str) -> None:
    """Raise Refused for a file with uncommitted changes that did not come from here."""
    uncommitted = git.find_uncommitted(edit.root, [c.path for c in changes if c.before is not None])
    ours = find_last_written(folder) if uncommitted else {}
    for path in uncommitted:
        before = _read(path)
        if before is not None and ours.get(path) == digest_of(before):
            continue  # what entrepot wrote itself, undo can take back
        raise Refused("the file has uncommitted changes", path, None, "commit them first, or use --force")


def find_last(root: str) -> Edit | None:
    """Return the last edit of a project that was applied and not undone, or None."""
    with locked(root) as folder:
        records = list_records(folder, DONE)
        return load_edit(records[-1]) if records else None


def undo_last(root: str) -> Edit:
    """Take the last edit back, byte for byte. Raises Refused when there is none or a file has changed."""
    with locked(root) as folder:
        records = list_records(folder, DONE)
        if not records:
            raise Refused("there is no edit to undo here", root)
        record = records[-1]
        edit = load_edit(record)
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
        made = load_made(record)
        try:
            record = set_state(record, UNDOING)
            _swap(record, list(back.changes), back.moves, UNDONE)
        except HalfWritten:
            raise
        except BaseException:
            with contextlib.suppress(OSError):  # then the next command does it
                set_state(record, DONE)
            raise
        _remove_folders(made)
        _remove_emptied(back.changes, root)
        git.move_in_index(root, back.moves)
    return edit


def recover(folder: str) -> None:
    """Take back what a killed process left half done (the project's lock must be held)."""
    for record in list_records(folder, WRITING):
        shutil.rmtree(record, ignore_errors=True)  # nothing had been changed yet
    for record in list_records(folder, SWAPPING, UNDOING):
        edit = load_edit(record)
        is_undoing = get_state(record) == UNDOING
        if is_undoing:
            edit = edit.reversed()
        _take_back(edit.changes, edit.moves, record)
        for change in edit.changes:
            with contextlib.suppress(OSError):
                os.unlink(_temporary(change.path, record))
        if is_undoing:
            set_state(record, DONE)
        else:
            _remove_folders(load_made(record))
            shutil.rmtree(record, ignore_errors=True)


# -- steps ---------------------------------------------------------------------------------


def _swap(record: str, changes: Sequence[FileChange], moves: Sequence[Move], then: str) -> None:
    """Write every new content beside its target, put all in place, and give the record its last state.

    On an error everything is put back first. Raises CannotWrite for an error of the machine,
    HalfWritten when it did not let us put the files back either.
    """
    sources = {move.after: move.before for move in moves}
    waiting = [_temporary(change.path, record) for change in changes if change.after is not None]
    made = _find_missing_folders(changes)
    try:
        try:
            for folder in made:
                os.mkdir(folder)
            for change in changes:
                if change.after is not None:
                    path = _temporary(change.path, record)
                    write_file(path, change.after, is_flushed=False)
                    _copy_owner_and_mode(sources.get(change.path, change.path), path)
            _flush(waiting)
            for change in changes:
                if change.after is None:
                    os.unlink(change.path)
                else:
                    os.replace(_temporary(change.path, record), change.path)
            set_state(record, then)
        except OSError as error:
            raise CannotWrite(path=str(error.filename or record), why=str(error.strerror or error)) from error
    except BaseException:
        for path in waiting:
            with contextlib.suppress(OSError):
                os.unlink(path)
        try:
            _take_back(changes, moves, record)
        except OSError as error:
            raise HalfWritten(path=str(error.filename or record), why=str(error.strerror)) from error
        _remove_folders(made)
        raise


def _take_back(changes: Sequence[FileChange], moves: Sequence[Move], record: str) -> None:
    """Put the files back that hold what we wrote; leave those that somebody changed since."""
    targets = {move.before: move.after for move in moves}
    # Those that come back first: the mode of a moved file is read from where it went.
    for change in sorted(changes, key=lambda change: change.before is None):
        now = _read(change.path)
        if now == change.before or now != change.after:
            continue
        if change.before is None:
            os.unlink(change.path)
        else:
            os.makedirs(os.path.dirname(change.path), exist_ok=True)
            temporary = _temporary(change.path, record)
            write_file(temporary, change.before)
            _copy_owner_and_mode(targets.get(change.path, change.path), temporary)
            os.replace(temporary, change.path)


def _temporary(path: str, record: str) -> str:
    """Return the name under which a file's new content waits: beside it, and known to the record."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:100]}.{get_key(record)}")


def _copy_owner_and_mode(source: str, target: str) -> None:
    """Give a new file what the old one had; a file that is not there has nothing."""
    try:
        status = os.stat(source)
    except OSError:
        return
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(OSError):
            os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))


def _flush(paths: Sequence[str]) -> None:
    """Flush files to the disk, several at a time. Raises the OSError of one that cannot be."""
    failed: list[OSError] = []

    def flush_some(some: Sequence[str]) -> None:
        try:
            for path in some:
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            failed.append(error)

    count = min(FLUSHERS, len(paths))
    threads = [threading.Thread(target=flush_some, args=(paths[start::count],)) for start in range(1, count)]
    for thread in threads:
        thread.start()
    flush_some(paths[:: max(count, 1)])
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


# -- folders -------------------------------------------------------------------------------


def _find_missing_folders(changes: Sequence[FileChange]) -> list[str]:
    """Return the folders that have to be made, the outermost first."""
    missing: list[str] = []
    for change in changes:
        folder = os.path.dirname(change.path)
        while change.after is not None and folder not in missing and not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
    return sorted(missing)


def _remove_folders(folders: Sequence[str]) -> None:
    """Remove folders that were made for an edit and are empty again, but for bytecode."""
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):
            if os.listdir(folder) == ["__pycache__"]:
                shutil.rmtree(os.path.join(folder, "__pycache__"))
            os.rmdir(folder)


def _remove_emptied(changes: Sequence[FileChange], root: str) -> None:
    """Remove the folders of removed files where nothing but bytecode is left, up to the project's."""
    for change in changes:
        folder = os.path.dirname(change.path)
        while change.after is None and folder.startswith(root + os.sep):
            _remove_folders([folder])
            if os.path.isdir(folder):
                break
            folder = os.path.dirname(folder)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
