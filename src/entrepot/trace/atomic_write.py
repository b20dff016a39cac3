"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text to a file in UTF-8: a new file beside it takes its place when all of it is written.

    Raises:
        OSError: it could not be written; a file that was there is as it was.
    """
    folder = os.path.dirname(os.path.abspath(path))
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
