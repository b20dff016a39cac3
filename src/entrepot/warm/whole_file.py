"""Write a file of the store whole or not at all, readable by its owner only."""

from __future__ import annotations

import os


def write_new(path: str, data: bytes) -> None:
    """Write a file: a new one beside it takes its place when all of it is written.

    Raises:
        OSError: it could not be written, or another write of this process was cut off; a file
            that was there is as it was.
    """
    temporary = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise
