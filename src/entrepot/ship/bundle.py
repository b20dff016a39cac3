"""Write contents as one file that Python runs: a zip file whose bytes depend on the contents only.

    #!/usr/bin/env python3
    __main__.py                  checks the whole file, then starts the finder
    contents                     blocks of packed files, of bytecode for each version, of the runtime; then the manifest:
                                 where each file is, which must be real ones and their hashes
    (the zip file's comment)     where both are, and the SHA-256 of every byte before the hash

Python reads a zip file's whole table of contents before it runs anything in it, so there are two members, and what they
hold has a table of its own. Files stand in order of their names, with one date, one mode and no path of this machine.
"""

from __future__ import annotations

import errno
import hashlib
import io
import marshal
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from entrepot.core import members
from entrepot.errors import ProgramError, SetupError
from entrepot.ship.bytecode import Bytecode
from entrepot.ship.contents import Contents
from entrepot.ship.stripped import strip_source
from entrepot.trace.atomic_write import write_bytes

VERSION = 2
REAL, EXECUTABLE = 1, 2
_RESIDENT = Path(__file__).with_name("resident")
_START = _RESIDENT / "start.py"
_PARTS = {name: _RESIDENT / f"{name}.py" for name in ("opened", "place", "resources", "around")}
_PARTS["members"] = Path(members.__file__)
# Of bundles with files that must be real.
_PARTS_FOR_REAL = {name: _RESIDENT / f"{name}.py" for name in ("unpack", "forget")}
_DATE = (1980, 1, 1, 0, 0, 0)
# Levels above take twice the time for 1 % of the size.
_LEVEL = 6
# Smaller blocks pack worse; larger ones take longer where one text of them is wanted.
_BLOCK = 128 * 1024
# A larger data file has a block of its own.
_SMALL = 16 * 1024
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
    sources.update({f"_entrepot/{name}.py": text for name, text in _read_parts(contents).items()})
    return sources


def _read_parts(contents: Contents) -> dict[str, bytes]:
    """Return the files of the runtime that a bundle needs, without what only people read."""
    parts = {**_PARTS, **_PARTS_FOR_REAL} if contents.real else _PARTS
    return {name: strip_source(path.read_text(encoding="utf-8")) for name, path in sorted(parts.items())}


def make_bundle(
    contents: Contents, bytecodes: Iterable[Bytecode] = (), *, shebang: str = "/usr/bin/env python3"
) -> bytes:
    """Return the bytes of a bundle."""
    blocks = Blocks()
    files: dict[str, tuple[int, int, int, bytes, int]] = {}
    data = {path: item.read() for path, item in contents.files.items()}
    for path in sorted(data, key=lambda path: (_sort_of(path, len(data[path])), path)):
        text = data[path]
        place = blocks.add(text, _sort_of(path, len(text)), is_packed=path.lower().endswith(_PACKED))
        is_real = path in contents.real
        marks = (REAL if is_real else 0) | (EXECUTABLE if contents.files[path].is_executable else 0)
        files[path] = (*place, hashlib.sha256(text).digest() if is_real else b"", marks)
    parts = _read_parts(contents)
    runtime = {"": (b"", blocks.add_alone(marshal.dumps(parts, 2)))}
    codes = {}
    for bytecode in sorted(bytecodes, key=lambda one: one.key):
        own = {name: bytecode.codes[f"_entrepot/{name}.py"] for name in parts}
        runtime[bytecode.tag] = (bytecode.magic, blocks.add_alone(marshal.dumps(own, 2)))
        table, real = {}, hashlib.sha256()
        for path in sorted(contents.files, key=lambda path: (path in contents.real, path)):
            if path in bytecode.codes:
                code = bytecode.codes[path]
                table[path] = blocks.add(code, f"{bytecode.key} {path in contents.real}")
                if path in contents.real:
                    real.update(code)
        laid_out = sorted({place[0] for path, place in table.items() if path in contents.real})
        number = blocks.add_alone(marshal.dumps(table, 2))
        codes[bytecode.key] = (number, laid_out, real.digest() if laid_out else b"")
    manifest = {
        "version": VERSION,
        "entry": (contents.entry.kind, contents.entry_path, contents.entry.name),
        "roots": contents.roots,
        "files": dict(sorted(files.items())),
        "folders": list_folders(files),
        "code": codes,
        "runtime": runtime,
        "tree": hash_tree(files),
        "blocks": blocks.finish(),
    }
    return _write_zip(blocks.data, zlib.compress(marshal.dumps(manifest, 2), _LEVEL), shebang)


def _write_zip(data: bytes, manifest: bytes, shebang: str) -> bytes:
    """Return the zip file: what Python starts, everything else as one member, and what to check it by."""
    stream = io.BytesIO()
    if shebang:
        stream.write(f"#!{shebang}\n".encode())
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in (
            ("__main__.py", strip_source(_START.read_text(encoding="utf-8"))),
            ("contents", data + manifest),
        ):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, member)
        base = stream.tell() - len(data) - len(manifest)
        archive.comment = b"entrepot-bundle 2 %016x %016x %016x %064x" % (base, len(data), len(manifest), 0)
    whole = stream.getvalue()[:-64]
    return whole + hashlib.sha256(whole).hexdigest().encode()


def _sort_of(path: str, size_bytes: int) -> str:
    """Return with which others a file is packed; its own path if with none."""
    if path.endswith(".py"):
        return " sources"
    return " data" if size_bytes < _SMALL and not path.lower().endswith(_PACKED) else path


class Blocks:
    """Texts packed together, for modules have much in common, in blocks so small that one is unpacked at once.

    data: the blocks behind each other. A place is (number of the block, where the text begins in it, its length).
    """

    def __init__(self) -> None:
        self.data = b""
        self.table: list[
            tuple[int, int, int]
        ] = []  # where a block begins, its length, and unpacked (0: it is as it is)
        self.open: list[bytes] = []
        self.sort = ""

    def add(self, text: bytes, sort: str, *, is_packed: bool = False) -> tuple[int, int, int]:
        """Add a text to the block of the last one, if that was of the same sort and the block is not full."""
        if self.open and (sort != self.sort or sum(map(len, self.open)) + len(text) > _BLOCK):
            self._close()
        self.sort = sort
        start = sum(map(len, self.open))
        self.open.append(text)
        number = len(self.table)
        if is_packed:
            self._close(is_packed=True)
        return number, start, len(text)

    def add_alone(self, text: bytes) -> int:
        """Add a block of one text; return its number."""
        self._close()
        number, _, _ = self.add(text, "")
        self._close()
        return number

    def _close(self, *, is_packed: bool = False) -> None:
        text = b"".join(self.open)
        if not self.open:
            return
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        packed = text if is_packed else packer.compress(text) + packer.flush()
        is_smaller = len(packed) < len(text)
        self.table.append((len(self.data), min(len(packed), len(text)), len(text) if is_smaller else 0))
        self.data += packed if is_smaller else text
        self.open = []

    def finish(self) -> list[tuple[int, int, int]]:
        """Return the table of all blocks."""
        self._close()
        return self.table


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


def check_output(path: str, contents: Contents) -> None:
    """Raise NotWrittenError where a bundle would take the place of a file that it is made from."""
    carried = {os.path.realpath(item.file) for item in contents.files.values() if item.file}
    if os.path.realpath(path) in carried | {os.path.realpath(contents.entry.path)}:
        raise NotWrittenError(path=path, reason="this file is of the program: it would be overwritten")


def write_bundle(path: str, data: bytes) -> None:
    """Write a bundle, executable, whole or not at all. Raises NotWrittenError."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(errno.EEXIST, "it is there, and no ordinary file")
        # Writable by its owner only: a bundle that others can write is not run.
        write_bytes(path, data, mode=0o755)
    except OSError as error:
        raise NotWrittenError(path=path, reason=error.strerror or str(error)) from None


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
    words = data[-133:].split(b" ")
    if words[0] != b"entrepot-bundle" or len(words) != 6:
        raise DamagedError(path=path, reason="this is not a bundle, or its end was altered")
    if hashlib.sha256(data[:-64]).hexdigest().encode() != words[5]:
        raise DamagedError(path=path, reason="this bundle was altered")
    try:
        base, length, more = (int(word, 16) for word in words[2:5])
        manifest = marshal.loads(zlib.decompress(data[base + length : base + length + more]))
        blocks = [
            zlib.decompress(block, -15) if size else block
            for start, packed, size in manifest["blocks"]
            for block in [data[base + start : base + start + packed]]
        ]
    except (ValueError, TypeError, EOFError, KeyError, zlib.error):
        raise DamagedError(path=path, reason="this bundle is of another version of entrepot") from None
    files = {}
    for name, (number, start, size, digest, _) in manifest["files"].items():
        files[name] = hashlib.sha256(blocks[number][start : start + size]).hexdigest()
        if digest and digest.hex() != files[name]:
            raise DamagedError(path=path, reason=f"{name} in it is not what it was")
    return Verified(path, found, len(data), tuple(manifest["entry"]), files, tuple(manifest["code"]))
