"""What a program's modules are at one moment: a path and a hash for each file. Blobs travel by their hashes.

The files are sources and data; for Pythons with the sender's bytecode format there are bytecode files too, which know
the hash of their source (PEP 552), so that one that is late is not believed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import zlib
from dataclasses import dataclass, field

from entrepot.ship.compiler import compile_one
from entrepot.ship.contents import Contents

# Hash-based, and to be compared with the source (PEP 552).
_CHECKED = (0b11).to_bytes(4, "little")
KEY = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER[:2].hex()}"


@dataclass(frozen=True)
class Manifest:
    """One state of a program's modules.

    files: path -> SHA-256. bytecode: path of the source -> SHA-256 of its bytecode file, for Pythons whose `KEY` is `key`.
    roots: the folders among the paths that are entries of `sys.path`.
    """

    files: dict[str, str]
    roots: tuple[str, ...]
    bytecode: dict[str, str] = field(default_factory=dict)
    key: str = ""

    @property
    def version(self) -> str:
        """A name for this state: the same files, the same name."""
        text = repr((sorted(self.files.items()), self.roots))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def list_for(self, key: str) -> dict[str, str]:
        """Return what a Python with this `KEY` takes: path -> SHA-256, bytecode files under their own paths."""
        if key != self.key:
            return dict(self.files)
        made = {name_bytecode(path): digest for path, digest in self.bytecode.items() if path in self.files}
        return {**self.files, **made}

    def to_plain(self) -> dict[str, object]:
        """Return it as a mapping that any protocol carries."""
        return {"files": self.files, "roots": list(self.roots), "bytecode": self.bytecode, "key": self.key}

    @staticmethod
    def from_plain(plain: dict[str, object]) -> Manifest:
        """Return what `to_plain` gave."""
        files, roots, bytecode, key = (plain[name] for name in ("files", "roots", "bytecode", "key"))
        assert isinstance(files, dict)
        assert isinstance(roots, list | tuple)
        assert isinstance(bytecode, dict)
        return Manifest(dict(files), tuple(roots), dict(bytecode), str(key))


def name_bytecode(path: str) -> str:
    """Return where the bytecode of a source lies (PEP 3147), for the Python that runs this."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"


def hash_blob(data: bytes) -> str:
    """Return what a blob is called: its SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Sender:
    """The sender's side: states of a program, and packed blobs by their hashes."""

    def __init__(self) -> None:
        self.packed: dict[str, bytes] = {}
        self._compiled: dict[tuple[str, str], bytes | None] = {}

    def take(self, contents: Contents) -> Manifest:
        """Return the present state of a program; its blobs are in `packed` afterwards. Raises OSError."""
        files, bytecode, wanted = {}, {}, {}
        for path, item in contents.files.items():
            data = item.read()
            files[path] = digest = hash_blob(data)
            wanted[digest] = data
            made = self._compile(path, digest, data) if path.endswith(".py") else None
            if made is not None:
                bytecode[path] = digest = hash_blob(made)
                wanted[digest] = made
        before = self.packed
        self.packed = {
            digest: before[digest] if digest in before else zlib.compress(data)
            for digest, data in wanted.items()
        }
        return Manifest(files, contents.roots, bytecode, KEY)

    def _compile(self, path: str, digest: str, data: bytes) -> bytes | None:
        """Return the bytecode file of a source; None where this Python cannot compile it."""
        if (path, digest) not in self._compiled:
            code = compile_one(path, data)
            head = importlib.util.MAGIC_NUMBER + _CHECKED + importlib.util.source_hash(data)
            self._compiled[path, digest] = None if code is None else head + code
        return self._compiled[path, digest]


def unpack_blob(digest: str, packed: bytes) -> bytes:
    """Return a blob from how it travels. Raises ValueError where it is not what its hash says."""
    data = zlib.decompress(packed)
    if hash_blob(data) != digest:
        raise ValueError(f"a blob that should have the SHA-256 {digest} has another")
    return data
