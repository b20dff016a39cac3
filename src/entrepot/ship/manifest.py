"""What a program's modules are at one moment: a path and a hash for each file. Files travel by their hashes.

Beside a source travels bytecode, for Pythons with the sender's format; it is called by the hash of its source, which
stands for both.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import marshal
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from entrepot.ship.contents import Contents

# What unpacking raises where something has another form.
_DAMAGED = (zlib.error, ValueError, TypeError, OverflowError, RecursionError)
# The format of this Python's bytecode.
KEY = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER[:2].hex()}"


@dataclass(frozen=True)
class Manifest:
    """One state of a program's modules.

    files: path -> SHA-256. roots: the folders among the paths that are entries of `sys.path`.
    """

    files: dict[str, str]
    roots: tuple[str, ...]

    @property
    def version(self) -> str:
        """A name for this state: the same files, the same name."""
        text = repr((sorted(self.files.items()), self.roots))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def pack_change(self, before: Manifest | None) -> bytes:
        """Return what leads from one state to this one; from nothing if None."""
        old = before.files if before else {}
        change = {
            "before": before.version if before else "",
            "files": {path: digest for path, digest in self.files.items() if old.get(path) != digest},
            "removed": [path for path in old if path not in self.files],
            "roots": self.roots,
        }
        return zlib.compress(json.dumps(change).encode())


def unpack_change(packed: bytes, before: Manifest | None) -> Manifest | None:
    """Return the state that a change leads to; None where it begins with another one than that given.

    Raises:
        ValueError: it is no such change.
    """
    try:
        change = json.loads(zlib.decompress(packed))
        if change["before"] not in ("", before.version if before else ""):
            return None
        files = dict(before.files) if before and change["before"] else {}
        files.update(change["files"])
        for path in change["removed"]:
            files.pop(path, None)
        return Manifest(files, tuple(change["roots"]))
    except (*_DAMAGED, KeyError, AttributeError) as error:
        raise ValueError(f"what was sent is damaged: {error}") from None


def hash_blob(data: bytes) -> str:
    """Return what a blob is called: its SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def name_code(digest: str) -> str:
    """Return what the bytecode of a source is called among blobs, for the Python that runs this."""
    return f"{digest}.{KEY}"


class Sender:
    """The sender's side: files by their hashes, and bytecode by `name_code`."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def take(self, contents: Contents) -> Manifest:
        """Return the present state of a program; its blobs are in `blobs` afterwards. Raises OSError."""
        files, blobs = {}, {}
        for path, item in contents.files.items():
            data = item.read()
            files[path] = digest = hash_blob(data)
            blobs[digest] = data
            if path.endswith(".py"):
                code = name_code(digest)
                known = blobs.get(code) or self.blobs.get(code)
                made = known or _compile(path, data)
                if made:
                    blobs[code] = made
        self.blobs = blobs
        return Manifest(files, contents.roots)


def _compile(path: str, data: bytes) -> bytes:
    """Return the marshalled code of a source; empty where this Python cannot compile it."""
    try:
        return marshal.dumps(compile(data, path, "exec", 0, True, 0))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return b""


def list_blobs(manifest: Manifest, held: Mapping[str, bytes], key: str) -> dict[str, bytes]:
    """Return the blobs of a state, with the bytecode for Pythons of this `KEY`."""
    digests = dict.fromkeys(manifest.files.values())
    # Sources beside sources, code beside code: they pack better so.
    names = [*digests, *(f"{digest}.{key}" for digest in digests)]
    return {name: held[name] for name in names if name in held}


def pack_blobs(blobs: Mapping[str, bytes]) -> bytes:
    """Return blobs as they travel: together, for what files have in common is most of them."""
    head = json.dumps([[name, len(data)] for name, data in blobs.items()]).encode()
    return zlib.compress(b"".join([len(head).to_bytes(4, "little"), head, *blobs.values()]))


def unpack_blobs(packed: bytes) -> dict[str, bytes]:
    """Return what `pack_blobs` packed. Raises ValueError where a file is not what its hash says."""
    found = {}
    try:
        data = zlib.decompress(packed)
        at = 4 + int.from_bytes(data[:4], "little")
        sizes = [(str(name), int(size)) for name, size in json.loads(data[4:at])]
    except _DAMAGED as error:
        raise ValueError(f"what was sent is damaged: {error}") from None
    for name, size in sizes:
        found[name] = data[at : at + size]
        at += size
        if "." not in name and hash_blob(found[name]) != name:
            raise ValueError(f"what was sent as the file {name} is another")
    return found
