"""The importer that remembers: source, code, order and import-time entries of each module under the watched paths.

A finder stands before PathFinder and gives the modules under `paths` a loader that notes what an update will need.
Everything that can wait is left to the first update, so that importing stays as fast as plain. Old sources go to an
unlinked temporary file rather than memory.

Loaded into the user's program: standard library only, and little of it.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrepot.live.containers import Containers, Entry
    from entrepot.live.statements import Parsed

# A file changed less than this before it was read may change again without any sign in its stat.
YOUNG_NS = 50_000_000
Signature = tuple[int, int, int, int]


class Attic:
    """Old sources, kept in an unlinked temporary file."""

    def __init__(self) -> None:
        import tempfile

        self._file = tempfile.TemporaryFile(prefix="entrepot-live-")  # noqa: SIM115 (closed by close)
        self._end = 0

    def put(self, source: bytes) -> tuple[int, int]:
        """Store a source and return where it is."""
        place = (self._end, len(source))
        os.pwrite(self._file.fileno(), source, self._end)
        self._end += len(source)
        return place

    def get(self, place: tuple[int, int]) -> bytes:
        """Return a stored source."""
        return os.pread(self._file.fileno(), place[1], place[0])

    def close(self) -> None:
        """Drop everything."""
        self._file.close()


class Record:
    """What is known of one tracked module."""

    __slots__ = (
        "children",
        "code",
        "depth_seen",
        "entries",
        "finished",
        "is_trusted",
        "keeps",
        "module",
        "name",
        "namespace",
        "parsed",
        "path",
        "place",
        "signature",
    )

    def __init__(self, name: str, path: str, module: ModuleType) -> None:
        self.name = name
        self.path = path
        self.module = module
        self.namespace = module.__dict__
        self.place: tuple[int, int] = (0, 0)
        self.signature: Signature | None = None
        self.is_trusted = False
        self.code: CodeType | None = None
        self.parsed: Parsed | None = None
        self.finished = 0
        self.entries: list[Entry] = []
        self.keeps: set[str] = set()
        self.children: set[str] = set()  # modules that were first imported while this one ran
        self.depth_seen = 0


class Tracker:
    """All tracked modules of the process, and the finder that fills it."""

    def __init__(self, paths: Sequence[str], containers: Containers) -> None:
        self.paths = tuple(os.path.join(os.path.realpath(path), "") for path in paths)
        self.given = tuple(os.path.join(os.path.abspath(path), "") for path in paths)
        self.records: dict[str, Record] = {}
        self.misses: dict[str, set[str]] = {}  # module that was not found -> modules that asked for it
        self.attic = Attic()
        self.containers = containers
        self.stack: list[Record] = []
        self.count = 0
        self.folders: dict[str, int] = {}  # folders of tracked modules -> when their listing last changed
        self.listings: dict[str, frozenset[str]] = {}
        self.extensions: dict[str, Signature] = {}
        self.modules_seen = 0

    def concerns(self, path: str) -> bool:
        """Whether a file is one of the program's own."""
        for root in (*self.given, *self.paths):
            if path.startswith(root):
                rest = path[len(root) :]
                return "site-packages" + os.sep not in rest and "dist-packages" + os.sep not in rest
        return False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find as PathFinder does; modules under the watched paths get a loader that remembers."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None:
            self._note_miss(fullname)
        elif type(spec.loader) is SourceFileLoader and spec.origin and self.concerns(spec.origin):
            spec.loader = LiveLoader(fullname, spec.origin, self)
        return spec

    def _note_miss(self, fullname: str) -> None:
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__")
            if name in self.records and frame.f_code.co_filename == self.records[name].path:
                self.misses.setdefault(fullname, set()).add(name)
                return
            frame = frame.f_back  # type: ignore[assignment]

    def begin(self, name: str, path: str, module: ModuleType) -> Record:
        """A module starts: note its source as it is now."""
        record = self.records.get(name)
        if record is None or record.module is not module:
            record = Record(name, path, module)
        self.read_source(record)
        self.records[name] = record
        folder = os.path.dirname(path)
        if folder not in self.folders:
            changed = os.stat(folder or ".").st_mtime_ns
            self.folders[folder] = changed
            self.listings[folder] = frozenset(
                entry for entry in os.listdir(folder or ".") if entry != "__pycache__"
            )
            if time.time_ns() - changed < YOUNG_NS:
                self.folders[folder] = 0
        if self.stack:
            parent = self.stack[-1]
            parent.children.add(name)
            if len(parent.namespace) != parent.depth_seen:
                # Only what is new: a module that imports a thousand others comes here a thousand times.
                self.containers.register(parent, skip=parent.depth_seen)
                parent.depth_seen = len(parent.namespace)
            self.containers.note(parent)
        self.stack.append(record)
        return record

    def read_source(self, record: Record) -> bytes:
        """Read a module's file and note how it looked."""
        descriptor = os.open(record.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            stat = os.fstat(descriptor)
            source = os.read(descriptor, stat.st_size + 1)
            while len(source) > stat.st_size:
                more = os.read(descriptor, 1 << 20)
                if not more:
                    break
                source += more
        finally:
            os.close(descriptor)
        record.place = self.attic.put(source)
        record.signature = signature_of(stat)
        record.is_trusted = time.time_ns() - max(stat.st_ctime_ns, stat.st_mtime_ns) > YOUNG_NS
        return source

    def end(self, record: Record, *, ok: bool) -> None:
        """A module has run (or failed)."""
        self.stack.remove(record)
        if not ok:
            if self.records.get(record.name) is record:
                del self.records[record.name]
            return
        self.count += 1
        record.finished = self.count
        self.containers.register(record, has_run=True)
        self.containers.note(record)

    def source_of(self, record: Record) -> bytes:
        """Return the source that the module's present code came from."""
        return self.attic.get(record.place)


def signature_of(stat: os.stat_result) -> Signature:
    """What of a file's stat tells that it may have changed."""
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns)


class LiveLoader(SourceFileLoader):
    """Loads a module as SourceFileLoader does, and remembers."""

    def __init__(self, fullname: str, path: str, tracker: Tracker) -> None:
        super().__init__(fullname, path)
        self._tracker = tracker
        self._record: Record | None = None

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(self.name) ^ hash(self.path)

    def get_code(self, fullname: str) -> CodeType | None:
        """Keep the code that is about to run."""
        code = super().get_code(fullname)
        if self._record is not None:
            self._record.code = code
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Run the module between two notes."""
        tracker = self._tracker
        self._record = record = tracker.begin(module.__name__, self.path, module)
        ok = False
        try:
            SourceFileLoader.exec_module(self, module)
            ok = True
        finally:
            self._record = None
            tracker.end(record, ok=ok)


# The interpreter leaves frames of the import system out of tracebacks, and knows them by this file name.
LiveLoader.exec_module.__code__ = LiveLoader.exec_module.__code__.replace(
    co_filename="<frozen importlib._bootstrap_external>"
)
