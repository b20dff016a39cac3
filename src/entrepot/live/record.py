"""What is known of one module that is followed, and where its source is kept."""

from __future__ import annotations

import os
import struct
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrepot.live.containers import Entry
    from entrepot.live.statements import Parsed

# A file changed less than this before it was read may change again without any sign in its stat.
YOUNG_NS = 50_000_000
_SIGNATURE = struct.Struct("<4Q")
_WHOLE = (1 << 64) - 1
_CHUNK = 1 << 15  # bytes kept in memory until they are written together
_NOBODY: frozenset[str] = frozenset()


def signature_of(stat: os.stat_result) -> bytes:
    """What of a file's stat tells that it may have changed: mtime, size, inode and ctime."""
    return _SIGNATURE.pack(
        stat.st_mtime_ns & _WHOLE, stat.st_size, stat.st_ino & _WHOLE, stat.st_ctime_ns & _WHOLE
    )


def seconds_and_size(signature: bytes) -> tuple[int, int]:
    """What a bytecode file says of its source: mtime in whole seconds, and size, of 32 bits each."""
    changed_ns, size, _, _ = _SIGNATURE.unpack(signature)
    return changed_ns // 1_000_000_000 & 0xFFFFFFFF, size & 0xFFFFFFFF


def is_old_enough(changed_ns: int, looked_ns: int) -> bool:
    """Whether a file changed so long before somebody looked at it that another change would show in its stat."""
    return looked_ns - changed_ns > YOUNG_NS


class Attic:
    """Sources (or codes) of what runs, and older ones, in an unlinked temporary file."""

    def __init__(self) -> None:
        self._file = -1  # opened when it is needed
        self._end = 0
        self._new = bytearray()  # not written yet

    def put(self, source: bytes) -> int:
        """Store a source and return where it begins."""
        start = self._end + len(self._new)
        self._new += source
        if len(self._new) > _CHUNK:
            self._write()
        return start

    def _write(self) -> None:
        if self._file < 0:
            self._file = _open_nameless()
        if self._new:
            os.pwrite(self._file, self._new, self._end)
            self._end += len(self._new)
            self._new = bytearray()

    def get(self, start: int, size: int) -> bytes:
        """Return a stored source."""
        self._write()
        return os.pread(self._file, size, start)

    def read_all(self) -> bytes:
        """Return everything, as one text."""
        self._write()
        return os.pread(self._file, self._end, 0)

    def close(self) -> None:
        """Drop everything."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close


def _open_nameless() -> int:
    """Open a temporary file that is in no folder."""
    try:
        folder = os.environ.get("TMPDIR") or "/tmp"
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError):  # not on this file system, or not this system
        import tempfile

        descriptor, path = tempfile.mkstemp(prefix="entrepot-live-")
        os.unlink(path)
        return descriptor


class Record:
    """One module. There may be thousands: what most of them lack is not made before it is wanted."""

    __slots__ = (
        "children",
        "code_size",
        "code_start",
        "depth_seen",
        "effects",
        "finished",
        "is_trusted",
        "journal",
        "keeps",
        "module",
        "name",
        "namespace",
        "parsed",
        "path",
        "signature",
        "size",
        "start",
    )

    def __init__(self, name: str, path: str, module: ModuleType) -> None:
        self.name = name
        self.path = path
        self.module = module
        self.namespace = module.__dict__
        self.start = 0  # of its source in the attic
        self.size = 0
        self.code_start = 0  # of its compiled code in the attic, where no bytecode file has it
        self.code_size = 0
        self.signature = b""  # how its file looked when it was read
        self.is_trusted = False  # a later change shows in the signature
        self.parsed: Parsed | None = None
        self.finished = 0  # as which of all modules its import ended
        self.effects = 0  # what its top level may do to objects of others (`codes.effects_of`)
        self.journal: list[Entry] | None = None
        self.keeps = _NOBODY  # names that the running program said to keep
        self.children: frozenset[str] | set[str] = _NOBODY  # modules first imported while this one ran
        self.depth_seen = 0  # names of its namespace that have been looked at for containers

    @property
    def entries(self) -> list[Entry]:
        """What its top level put into containers."""
        if self.journal is None:
            self.journal = []
        return self.journal

    @entries.setter
    def entries(self, entries: list[Entry]) -> None:
        self.journal = entries

    def add_child(self, name: str) -> None:
        """A module is imported while this one runs."""
        if isinstance(self.children, set):
            self.children.add(name)
        else:
            self.children = {name}
