"""Write a file whole or not at all."""

from __future__ import annotations

import os
import stat


def write_text(path: str | os.PathLike[str], text: str, *, mode: int | None = None) -> None:
    """Write text to a file in UTF-8, as `write_bytes` does. Raises OSError."""
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: str | os.PathLike[str], data: bytes, *, mode: int | None = None) -> None:
    """Write bytes to a file: a new file beside it takes its place when all of it is written.

    A link stays, and the file that it leads to is replaced. What is no regular file (`/dev/null`, a terminal,
    a named pipe) is written to as it is: it must never be replaced by a file.

    mode: the permissions, of which the umask takes some away; None for those of the file that was there,
    or of any new file.

    Raises:
        OSError: it could not be written; a file that was there is as it was.
    """
    path = os.path.realpath(path)
    try:
        _write(path, data, mode)
    except OSError as error:
        # Of the file that was asked for, not of the one beside it; and what fails in writing names none.
        raise OSError(error.errno, error.strerror, path) from None


def _write(path: str, data: bytes, mode: int | None) -> None:
    before = _find_mode(path)
    if before is not None and not stat.S_ISREG(before):
        with open(path, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(path)
    # Not by tempfile, which loads a dozen modules. The name is as good as any: it must be new, or this fails.
    beside = os.path.join(folder, f".{name[:200]}.{os.urandom(6).hex()}.part")
    # The system takes the umask away: asking for it would change it for a moment, for other threads too.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o666 if mode is None else mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        if mode is None and before is not None:
            os.chmod(beside, stat.S_IMODE(before))
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def _find_mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except OSError:
        return None
