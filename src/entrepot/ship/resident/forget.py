"""Forget laid out files that nobody has used for long, or that are too many: done after others were laid out.

Each tree has a file `TREE.used`: its time is that of the last start, and a program that runs holds a shared lock on it.
What cannot be locked for us alone is in use and stays.
"""

import _frozen_importlib_external as _external
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_os: "Any" = _external._os  # type: ignore[attr-defined]
KEPT_S = 90 * 86400
KEPT_BYTES = 4 << 30
# What a process that was killed left half done.
_HALF_DONE_S = 86400
_HALF_DONE = (".new", ".old")


def forget(unpack: "ModuleType", store: str, keep: str) -> None:
    """Remove trees not used for long, and the longest unused while there is too much. keep: one that stays."""
    from time import time

    now, total, trees = time(), 0, []
    for name in _os.listdir(store):
        path = f"{store}/{name}"
        try:
            status = _os.lstat(path)
        except OSError:
            continue
        if name.endswith(_HALF_DONE) and now - status.st_mtime > _HALF_DONE_S:
            unpack.remove(path)
        if name.endswith(".used"):
            tree = name[: -len(".used")]
            size = _measure(unpack, store, tree)
            total += size
            trees.append((status.st_mtime, size, tree))
    for used, size, tree in sorted(trees):
        if tree != keep and (now - used > KEPT_S or total > KEPT_BYTES):
            total -= size if _remove_unused(unpack, store, tree) else 0


def _measure(unpack: "ModuleType", store: str, tree: str) -> int:
    """Return about how many bytes a tree takes, by what is written down of its files."""
    sizes: list[int] = [look[0] for look in unpack.read_stamp(f"{store}/{tree}").values()]
    for name in _list_codes(store, tree):
        try:
            sizes.append(_os.lstat(f"{store}/{name}").st_size)
        except OSError:
            continue
    return sum(sizes)


def _list_codes(store: str, tree: str) -> "list[str]":
    return [name for name in _os.listdir(store) if name.startswith(tree + "-")]


def _remove_unused(unpack: "ModuleType", store: str, tree: str) -> bool:
    """Remove a tree unless a program uses it; whether it is gone."""
    from fcntl import LOCK_EX, LOCK_NB, flock

    path = f"{store}/{tree}"
    try:
        descriptor = _os.open(path + ".used", _os.O_RDWR | _os.O_CLOEXEC | _os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        aside = f"{path}.{_os.getpid()}.old"
        for name in (tree + ".stamp", *_list_codes(store, tree)):
            _os.unlink(f"{store}/{name}")
        _os.rename(path, aside)
        unpack.remove(aside)
        _os.unlink(path + ".used")
    except OSError:
        return False
    finally:
        _os.close(descriptor)
    return True


def use(path: str) -> None:
    """Say that this process uses a tree, until its end, by a lock on a file that stays open. Raises OSError."""
    if sys.platform == "win32":
        return
    from fcntl import LOCK_SH, flock

    for _ in range(20):
        descriptor = _os.open(path, _os.O_RDWR | _os.O_CREAT | _os.O_CLOEXEC | _os.O_NOFOLLOW, 0o600)
        flock(descriptor, LOCK_SH)
        try:
            if _os.fstat(descriptor).st_ino == _os.stat(path).st_ino:
                _os.utime(path)
                return
        except OSError:
            pass  # it was removed between the two calls
        _os.close(descriptor)
    raise OSError(path)
