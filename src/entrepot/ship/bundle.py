"""Write contents as one file that Python runs: a zip file whose bytes depend on the contents only.

    #!/usr/bin/env python3
    __main__.py                      checks all that follows, then starts the finder
    _entrepot/...                    the finder
    app/... site-packages/...        the contents, as they would lie in folders
    bytecode/cpython-311-a70d/...    bytecode, for the versions asked for
    manifest                         where each member is, its hash, what must be a real file
    (the zip file's comment)         where the manifest is, and the SHA-256 of every byte before the hash

Members stand in order of their names, with one date, one mode and no path of this machine.
"""

from __future__ import annotations

import errno
import hashlib
import io
import marshal
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from entrepot.errors import ProgramError, SetupError
from entrepot.ship.bytecode import Bytecode
from entrepot.ship.contents import Contents

VERSION = 1
REAL, EXECUTABLE = 1, 2
_RESIDENT = Path(__file__).with_name("resident")
_PARTS = ("finder", "unpack", "resources", "around")
_DATE = (1980, 1, 1, 0, 0, 0)
# Levels above take twice the time for 1 % of the size.
_LEVEL = 6
# Compressing these again makes them no smaller.
_PACKED = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".gz", ".bz2", ".xz", ".zip", ".whl", ".woff2", ".zst")


class DamagedError(ProgramError):
    """A file that is no bundle, or was altered. Fields: `path` (str), `reason` (str)."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}\n  to make it anew:  entrepot bundle SCRIPT -o {self.path}"


class NotWrittenError(SetupError):
    """The file could not be written. Fields: `path` (str), `reason` (str)."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}\n  to write it elsewhere:  -o FILE"


@dataclass(frozen=True)
class Verified:
    """A bundle that holds what it says: SHA-256 of the whole file, its files with their hashes, its bytecode."""

    path: str
    sha256: str
    size_bytes: int
    entry: tuple[str, str, str]
    files: dict[str, str]
    bytecode: tuple[str, ...]


def list_sources(contents: Contents) -> dict[str, bytes]:
    """Return what is to be compiled: the Python files of the contents and of the runtime."""
    sources = {path: item.read() for path, item in contents.files.items() if path.endswith(".py")}
    for name in _PARTS:
        sources[f"_entrepot/{name}.py"] = (_RESIDENT / f"{name}.py").read_bytes()
    return sources


def make_bundle(
    contents: Contents, bytecodes: Iterable[Bytecode] = (), *, shebang: str = "/usr/bin/env python3"
) -> bytes:
    """Return the bytes of a bundle."""
    stream = io.BytesIO()
    if shebang:
        stream.write(f"#!{shebang}\n".encode())
    with zipfile.ZipFile(stream, "w") as archive:
        writer = _Writer(archive, stream)
        writer.add("__main__.py", (_RESIDENT / "start.py").read_bytes(), is_stored=True)
        parts = {
            name: writer.add(f"_entrepot/{name}.py", (_RESIDENT / f"{name}.py").read_bytes())
            for name in _PARTS
        }
        files = {}
        for path, item in sorted(contents.files.items()):
            data = item.read()
            offset, packed, size = writer.add(path, data, is_stored=path.lower().endswith(_PACKED))
            marks = (REAL if path in contents.real else 0) | (EXECUTABLE if item.is_executable else 0)
            files[path] = (offset, packed, size, hashlib.sha256(data).digest(), marks)
        for name, place in parts.items():
            files[f"_entrepot/{name}.py"] = (*place, b"", 0)
        runtime: dict[str, tuple[bytes, int, int]] = {"": (b"", *parts["finder"][:2])}
        codes = {}
        for bytecode in sorted(bytecodes, key=lambda one: one.key):
            places = {}
            for path in sorted(bytecode.codes):
                places[path] = writer.add(f"bytecode/{bytecode.key}/{path}c", bytecode.codes[path])
            codes[bytecode.key] = places
            runtime[bytecode.tag] = (bytecode.magic, *places["_entrepot/finder.py"][:2])
        manifest = {
            "version": VERSION,
            "entry": (contents.entry.kind, contents.entry_path, contents.entry.name),
            "roots": contents.roots,
            "files": files,
            "folders": list_folders(files),
            "code": codes,
            "runtime": runtime,
            "tree": hash_tree(files),
        }
        offset, length, _ = writer.add("manifest", marshal.dumps(manifest, 2), is_stored=True)
        archive.comment = b"entrepot-bundle 1 %016x %016x %064x" % (offset, length, 0)
    data = stream.getvalue()[:-64]
    return data + hashlib.sha256(data).hexdigest().encode()


class _Writer:
    """Adds members to a zip file and says where their bytes are."""

    def __init__(self, archive: zipfile.ZipFile, stream: io.BytesIO) -> None:
        self.archive = archive
        self.stream = stream

    def add(self, name: str, data: bytes, *, is_stored: bool = False) -> tuple[int, int, int]:
        """Write a member; return where its bytes begin, how many they are, and how many unpacked (0: not packed)."""
        is_stored = is_stored or not data
        info = zipfile.ZipInfo(name, _DATE)
        info.create_system = 3
        info.external_attr = 0o100644 << 16
        info.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
        self.archive.writestr(info, data, compresslevel=_LEVEL)
        return self.stream.tell() - info.compress_size, info.compress_size, 0 if is_stored else info.file_size


def list_folders(files: Mapping[str, tuple[int, int, int, bytes, int]]) -> dict[str, int]:
    """Return the folders of the files; marked real where there are real files in one without `__init__`."""
    found: dict[str, int] = {}
    for path, entry in files.items():
        folder = path.rpartition("/")[0]
        while folder:
            found[folder] = found.get(folder, 0) | (entry[4] & REAL)
            folder = folder.rpartition("/")[0]
    for root in [folder for folder in found if "/" not in folder]:
        found[root] = 0  # entries of sys.path are in the bundle
    return dict(sorted(found.items()))


def hash_tree(files: Mapping[str, tuple[int, int, int, bytes, int]]) -> str:
    """Return the name of the folder of the real files: the hash of their paths, modes and contents."""
    real = [(path, entry[3].hex(), entry[4]) for path, entry in sorted(files.items()) if entry[4] & REAL]
    return hashlib.sha256(repr(real).encode()).hexdigest()[:32] if real else ""


def write_bundle(path: str, data: bytes) -> None:
    """Write a bundle, executable, whole or not at all. Raises NotWrittenError."""
    try:
        _write_whole(path, data)
    except OSError as error:
        raise NotWrittenError(path=path, reason=error.strerror or str(error)) from None


def _write_whole(path: str, data: bytes) -> None:
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        # A device or a folder must never be replaced by a file.
        raise OSError(errno.EEXIST, "it is there, and no ordinary file")
    folder = os.path.dirname(path)
    descriptor, beside = tempfile.mkstemp(dir=folder, prefix="." + os.path.basename(path), suffix=".part")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        # Writable by its owner only: a bundle that others can write is not run.
        os.chmod(beside, 0o755 & ~mask)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def verify_bundle(path: str, sha256: str | None = None) -> Verified:
    """Return what a bundle holds, all hashes compared. sha256: what the whole file must have. Raises DamagedError."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise DamagedError(path=path, reason=error.strerror or "cannot be read") from None
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise DamagedError(path=path, reason=f"its SHA-256 is {found}, not {sha256}")
    words = data[-116:].split(b" ")
    if words[0] != b"entrepot-bundle" or len(words) != 5:
        raise DamagedError(path=path, reason="this is not a bundle, or its end was altered")
    if hashlib.sha256(data[:-64]).hexdigest().encode() != words[4]:
        raise DamagedError(path=path, reason="this bundle was altered")
    offset, length = int(words[2], 16), int(words[3], 16)
    manifest = marshal.loads(data[offset : offset + length])
    files = {}
    for name, (start, packed, size, digest, _) in manifest["files"].items():
        member = data[start : start + packed]
        text = zlib.decompress(member, -15) if size else member
        if digest and hashlib.sha256(text).digest() != digest:
            raise DamagedError(path=path, reason=f"{name} in it is not what it was")
        if digest:
            files[name] = digest.hex()
    return Verified(path, found, len(data), tuple(manifest["entry"]), files, tuple(manifest["code"]))
