"""Paths and files with what a bare interpreter has: no `os`, no `pathlib`.

The few functions of `os.path` that an import system needs, with the same results for the
paths that it meets.
"""

import sys

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IS_WINDOWS = sys.platform == "win32"
# The system calls: `nt` on Windows, `posix` elsewhere.
posix: "Any" = __import__("nt" if IS_WINDOWS else "posix")

SEPARATOR = "\\" if IS_WINDOWS else "/"
SEPARATORS = "\\/" if IS_WINDOWS else "/"

stat = posix.stat
getcwd = posix.getcwd
_REGULAR = 0o100000
_DIRECTORY = 0o040000
_KIND = 0o170000


def join(*parts: str) -> str:
    """Join parts of a path; empty parts vanish, separators at a part's end are folded into one."""
    if IS_WINDOWS:
        return _join_windows(*parts)
    return "/".join([part.rstrip("/") for part in parts if part])


def _join_windows(*parts: str) -> str:
    """Join with drives: an absolute part starts anew, another drive replaces all before it."""
    drive, kept = "", []
    for root, tail in map(posix._path_splitroot, parts):
        if root.startswith(("\\", "/")) or root.endswith(("\\", "/")):
            drive = root.rstrip(SEPARATORS) or drive
            kept = ["\\" + tail]
        elif root.endswith(":") and drive.casefold() != root.casefold():
            drive, kept = root, [tail]
        else:
            drive = root or drive
            kept.append(tail)
    kept = [part.rstrip(SEPARATORS) for part in kept if part]
    return drive + "\\" if kept == [""] else drive + "\\".join(kept)


def split(path: str) -> tuple[str, str]:
    """Return a path's folder and last part; without a separator the folder is empty."""
    cut = max(map(path.rfind, SEPARATORS))
    return ("", path) if cut < 0 else (path[:cut], path[cut + 1 :])


def is_absolute(path: str) -> bool:
    """Whether a path does not depend on the working directory."""
    if IS_WINDOWS:
        root = posix._path_splitroot(path)[0].replace("/", "\\") if path else ""
        return len(root) > 1 and (root.startswith("\\\\") or root.endswith("\\"))
    return path.startswith("/")


def make_absolute(path: str) -> str:
    """Return a path from the root; it is not otherwise normalised.

    Raises:
        OSError: the path is relative and the working directory is gone.
    """
    if is_absolute(path):
        return path
    for separator in SEPARATORS:
        if sys.version_info >= (3, 12):
            path = path.removeprefix("." + separator)
    return join(getcwd(), path)


def _is_kind(path: str, kind: int) -> bool:
    try:
        return bool((stat(path).st_mode & _KIND) == kind)
    except OSError:
        return False


def stat_file(path: str) -> "Any":
    """Return the status of a regular file that a path leads to, None for anything else."""
    try:
        status = stat(path)
    except OSError:
        return None
    return status if (status.st_mode & _KIND) == _REGULAR else None


def is_file(path: str) -> bool:
    """Whether a path leads to a regular file."""
    return _is_kind(path, _REGULAR)


def is_directory(path: str) -> bool:
    """Whether a path leads to a directory; the empty path is the working directory."""
    return _is_kind(path or getcwd(), _DIRECTORY)


def make_parents(path: str) -> None:
    """Make the folders above a path that are missing.

    Raises:
        OSError: one of them could not be made.
    """
    parent = split(path)[0]
    missing: list[str] = []
    while parent and not is_directory(parent):
        parent, part = split(parent)
        missing.append(part)
    for part in reversed(missing):
        parent = join(parent, part) if parent else part if not is_absolute(path) else SEPARATOR + part
        try:
            posix.mkdir(parent)
        except FileExistsError:
            # Another process made it first, or it is a file: then the write below says so.
            continue


def write_atomically(path: str, data: "bytes | bytearray", mode: int = 0o666) -> None:
    """Write a file whole or not at all: a new file beside it takes its place.

    Raises:
        OSError: it could not be written; the file at `path` is as it was.
    """
    beside = f"{path}.{id(path)}"
    descriptor = posix.open(beside, posix.O_EXCL | posix.O_CREAT | posix.O_WRONLY, mode & 0o666)
    try:
        try:
            view: Any = memoryview(data)
            while view:
                # A full disk takes a part and says so only at the next write.
                view = view[posix.write(descriptor, view) :]
        finally:
            posix.close(descriptor)
        posix.replace(beside, path)
    except OSError:
        try:
            posix.unlink(beside)
        except OSError:
            pass
        raise


frames.disguise()
