"""The importer that remembers: source, order and import-time entries of each module under the watched paths.

A finder stands before PathFinder and gives the modules under `paths` a loader that notes what an update will need: which
source a module came from, byte for byte, and what its top level put where. Everything else is found out at the first
update, so that importing stays as fast as plain and takes hardly more memory: sources go to an unlinked temporary
file, compiled code is not kept.

Loaded into the user's program: standard library only, and little of it.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from importlib._bootstrap import _call_with_frames_removed  # type: ignore[attr-defined]
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from entrepot.live.bytecode import read_bytecode
from entrepot.live.codes import effects_of
from entrepot.live.record import Attic, Record, is_old_enough, signature_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from entrepot.live.containers import Containers

_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Tracker:
    """All tracked modules of the process, and the finder that fills it."""

    def __init__(self, paths: Sequence[str], containers: Containers) -> None:
        self.given: tuple[str, ...] = ()  # the watched folders
        self.roots: tuple[str, ...] = ()  # the same, and as they are called without links
        self.watch(paths)
        self.records: dict[str, Record] = {}
        self.misses: dict[str, set[str]] = {}  # module that was not found -> modules that asked for it
        self.attic = Attic()
        self.codes = Attic()  # apart from the sources, which are searched
        self.containers = containers
        self.stack: list[Record] = []
        self.count = 0
        self.folders: dict[str, int] = {}  # folders of tracked modules -> when their listing last changed
        self.listings: dict[str, frozenset[str]] = {}
        self.extensions: dict[str, bytes] = {}
        self.modules_seen = 0
        self.stars: set[str] = set()  # modules that ran a star import
        self.is_whole = True  # every registration at import is in the journal

    def watch(self, paths: Sequence[str]) -> bool:
        """Watch these folders too; whether any of them is new."""
        given = tuple(os.path.join(os.path.abspath(path), "") for path in paths)
        real = tuple(os.path.join(os.path.realpath(path), "") for path in paths)
        before = self.roots
        self.given = tuple(dict.fromkeys((*self.given, *given)))
        self.roots = tuple(dict.fromkeys((*self.roots, *given, *real)))
        return self.roots != before

    def concerns(self, path: str) -> bool:
        """Whether a file is one of the program's own."""
        if not path.startswith(self.roots):
            return False
        if "-packages" + os.sep not in path:
            return True
        rest = next(path[len(root) :] for root in self.roots if path.startswith(root))
        return "site-packages" + os.sep not in rest and "dist-packages" + os.sep not in rest

    def leaves_alone(self, path: str) -> bool:
        """Whether PathFinder's answer for a module with this file stays as it is (asked for modules that wait in a warm run)."""
        return not self.concerns(path)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find as PathFinder does; modules under the watched paths get a loader that remembers."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None:
            self._note_miss(fullname)
        elif type(spec.loader) is SourceFileLoader and spec.origin and self.concerns(spec.origin):
            spec.loader.__class__ = LiveLoader  # the same object, so that nothing else of it differs
            spec.loader.tracker = self  # type: ignore[attr-defined]
        return spec

    def _note_miss(self, fullname: str) -> None:
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__")
            if name in self.records and frame.f_code.co_filename == self.records[name].path:
                self.misses.setdefault(fullname, set()).add(name)
                return
            frame = frame.f_back  # type: ignore[assignment]

    # -- while a module runs ------------------------------------------------------------------------------------

    def begin(self, name: str, path: str, module: ModuleType) -> Record:
        """A module starts: note its source as it is now."""
        record = self.records.get(name)
        if record is None or record.module is not module:
            record = Record(name, path, module)
        self.read_source(record)
        self.records[name] = record
        folder = path.rpartition(os.sep)[0]
        if folder not in self.folders:
            self._note_folder(folder)
        if self.stack:
            self.stack[-1].add_child(name)
        self.stack.append(record)
        return record

    def _note_folder(self, folder: str) -> None:
        looked, changed = time.time_ns(), os.stat(folder or ".").st_mtime_ns
        self.folders[folder] = changed if is_old_enough(changed, looked) else 0
        self.listings[folder] = frozenset(e for e in os.listdir(folder or ".") if e != "__pycache__")

    def read_source(self, record: Record) -> None:
        """Read a module's file, and note how it looked."""
        looked = time.time_ns()
        descriptor = os.open(record.path, _OPEN)
        try:
            stat = os.fstat(descriptor)
            source = os.read(descriptor, stat.st_size + 1)
            while more := os.read(descriptor, 1 << 20) if len(source) != stat.st_size else b"":
                source += more
        finally:
            os.close(descriptor)
        record.start, record.size = self.attic.put(source), len(source)
        record.signature = signature_of(stat)
        record.is_trusted = is_old_enough(max(stat.st_ctime_ns, stat.st_mtime_ns), looked)

    def keep_code(self, record: Record, code: CodeType) -> None:
        """Note what a module was compiled to, where no bytecode file has it."""
        data = marshal.dumps(code)
        record.code_start, record.code_size = self.codes.put(data), len(data)

    def note_code(self, record: Record, code: CodeType) -> None:
        """Note what running a module's code may do that its source must be searched for otherwise."""
        record.effects = effects_of(code)
        if ("*",) in code.co_consts:
            self.stars.add(record.name)

    def run(self, record: Record, code: CodeType, namespace: dict[str, Any]) -> None:
        """Run a module's code, having noted what there is before where it may put something into the program's containers."""
        self.note_code(record, code)
        if record.effects:
            try:
                self.containers.settle(self.stack)
            except Exception:  # objects that cannot be compared do not make the program's import fail
                self.is_whole = False
        _call_with_frames_removed(exec, code, namespace)

    def end(self, record: Record, *, ok: bool) -> None:
        """A module has run (or failed)."""
        self.stack.remove(record)
        if not ok:
            if self.records.get(record.name) is record:
                del self.records[record.name]
            return
        self.count += 1
        record.finished = self.count
        try:
            self.containers.finish(record, self.stack)
        except Exception:
            self.is_whole = False

    # -- afterwards ---------------------------------------------------------------------------------------------

    def source_of(self, record: Record) -> bytes:
        """Return the source that the module's present code came from."""
        return self.attic.get(record.start, record.size)

    def code_of(self, record: Record) -> CodeType:
        """Return a module's compiled code: from its bytecode file while that is its source's, else compiled again."""
        if record.parsed is not None:
            return record.parsed.code
        if record.code_size:
            code = marshal.loads(self.codes.get(record.code_start, record.code_size))
            assert isinstance(code, CodeType)
            return code
        if record.is_trusted:
            cached = getattr(getattr(record.module, "__spec__", None), "cached", None)
            code = read_bytecode(cached, record.path, record.signature)
            if code is not None:
                return code
        return compile(self.source_of(record), record.path, "exec", 0, True)


class LiveLoader(SourceFileLoader):
    """Loads a module as SourceFileLoader does, and remembers."""

    tracker: Tracker

    def exec_module(self, module: ModuleType) -> None:
        """Run the module between two notes."""
        tracker, name, spec = self.tracker, module.__name__, module.__spec__
        record = tracker.begin(name, self.path, module)
        ok = False
        try:
            cached = spec.cached if spec is not None else None
            code = read_bytecode(cached, self.path, record.signature)
            if code is None and sys.dont_write_bytecode and not (cached and os.path.lexists(cached)):
                code = self.source_to_code(tracker.source_of(record), self.path)
                tracker.keep_code(record, code)
            if code is None:
                code = self.get_code(name)
            if code is None:
                raise ImportError(f"cannot load module {name!r} when get_code() returns None")
            tracker.run(record, code, module.__dict__)
            ok = True
        finally:
            tracker.end(record, ok=ok)


# The interpreter leaves frames of the import system out of tracebacks, and knows them by this file name.
for _function in (LiveLoader.exec_module, Tracker.run):
    _function.__code__ = _function.__code__.replace(co_filename="<frozen importlib._bootstrap_external>")
