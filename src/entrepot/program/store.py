"""Keep what was read of a program, so that the next question reads only what changed.

One folder, `$ENTREPOT_CACHE`, else `$XDG_CACHE_HOME/entrepot`, else `~/.cache/entrepot`, of mode
0700 and ours alone. Each tree has files named by a hash of where it lies and how it was read; they
hold marshalled values behind a header with a checksum, are written whole beside their place and
moved into it, and are ignored when anything about them is not as expected. When the folder has
grown beyond `LARGEST_BYTES`, the files used longest ago go first.

A store that cannot be written or read costs time, never an answer.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys

from entrepot.trace.atomic_write import write_bytes

LARGEST_BYTES = 512 * 1024 * 1024
_MAGIC = b"entrepot-program\n"


def find_folder() -> str | None:
    """Return the store's folder, made if needed; None where there is none to trust."""
    folder = os.environ.get("ENTREPOT_CACHE")
    if not folder:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        folder = os.path.join(base, "entrepot")
    folder = os.path.join(folder, "program")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.lstat(folder)
        if status.st_uid != os.getuid() or status.st_mode & 0o170000 != 0o040000:
            return None
        if status.st_mode & 0o077:
            os.chmod(folder, 0o700)
    except OSError:
        return None
    return folder


def hash_bytes(data: bytes | memoryview) -> bytes:
    """Return a hash of 16 bytes."""
    import hashlib  # which loads OpenSSL: not for whoever keeps nothing

    return hashlib.blake2b(data, digest_size=16).digest()


def make_key(*parts: object) -> str:
    """Return a file name for a value that `repr` tells apart."""
    return hash_bytes(repr((sys.version_info[:2], parts)).encode("utf-8", "replace")).hex()


def read(key: str, part: str) -> object | None:
    """Return what was kept under a key, or None. Never raises."""
    folder = find_folder()
    if folder is None:
        return None
    path = os.path.join(folder, f"{key}.{part}")
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            data = file.read()
        head = len(_MAGIC) + 16
        if not data.startswith(_MAGIC):
            return None
        body = memoryview(data)[head:]
        if hash_bytes(body) != data[len(_MAGIC) : head]:
            return None
        value: object = marshal.loads(body)
        return value
    except (OSError, ValueError, EOFError, TypeError):
        return None


def write(key: str, part: str, value: object) -> None:
    """Keep a value. Whole or not at all; never raises."""
    folder = find_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError, ValueError):
        body = marshal.dumps(value)  # type: ignore[arg-type]
        head = _MAGIC + hash_bytes(body)
        write_bytes(os.path.join(folder, f"{key}.{part}"), head + body, mode=0o600)
        _drop_oldest(folder)


def _drop_oldest(folder: str) -> None:
    """Remove the files written longest ago until the folder is small enough."""
    files = []
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            files.append((status.st_mtime_ns, status.st_size, entry.path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LARGEST_BYTES:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size
