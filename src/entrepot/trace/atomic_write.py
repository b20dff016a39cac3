"""Write a file whole or not at all."""

from __future__ import annotations

import os
import stat


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text to a file in UTF-8: a new file beside it takes its place when all of it is written.

    A link stays, and the file that it leads to is replaced. What is no regular file (`/dev/null`, a terminal,
    a named pipe) is written to as it is: it must never be replaced by a file.

    Raises:
        OSError: it could not be written; a file that was there is as it was.
    """
    path = os.path.realpath(path)
    if _is_special(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    import tempfile

    folder = os.path.dirname(path)
    descriptor, beside = tempfile.mkstemp(dir=folder, prefix="." + os.path.basename(path), suffix=".part")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False
