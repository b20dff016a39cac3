"""The running program and its tracker: start, look for changes, run a main file, stop.

One session in a process. `refresh` holds one lock: a second caller waits and finds nothing left to do; a call from code that an
update is running finds an update under way and does nothing.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from entrepot.errors import SetupError
from entrepot.live.containers import Containers
from entrepot.live.index import Index
from entrepot.live.record import Record
from entrepot.live.report import Report
from entrepot.live.tracker import LiveLoader, Tracker
from entrepot.live.watcher import find_changes, forget_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Callback = Callable[[Report], object]


class NotStarted(SetupError):
    """`entrepot.live` was asked for something before `start`."""

    def __str__(self) -> str:
        return "entrepot.live has not been started\n  to start it, before the program is imported:  entrepot.live.start(paths=['.'])"


class CannotRepoint(SetupError):
    """This Python lacks what updates need (ctypes)."""

    def __str__(self) -> str:
        return "updates that define functions need ctypes, which this Python lacks\n  to see an edit, restart the program"


class Session:
    """What is followed, and how far."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.containers = Containers()
        self.tracker = Tracker(paths, self.containers)
        self.index = Index(self.tracker)
        self.lock = threading.RLock()
        self.is_updating = False
        self.subscribers: list[Callback] = []
        self.caches_to_clear: list[Any] = []
        self.data_copies: dict[int, tuple[Any, object]] = {}
        self.kept: dict[tuple[str, str], Any] = {}
        self.hooks: dict[tuple[str, str, str], Callable[[], object]] = {}
        self.checked_repoint = False
        self.main_before: ModuleType | None = None
        self._install()

    def _install(self) -> None:
        place = next(
            (i for i, finder in enumerate(sys.meta_path) if finder is PathFinder), len(sys.meta_path)
        )
        sys.meta_path.insert(place, self.tracker)
        for name, module in list(sys.modules.items()):
            self.adopt(name, module)

    def adopt(self, name: str, module: ModuleType) -> None:
        """Follow a module that was imported before (its file is taken to be what it runs)."""
        path = getattr(module, "__file__", None)
        if (
            not isinstance(path, str)
            or not path.endswith(".py")
            or not self.tracker.concerns(path)
            or name == "__main__"
        ):
            return
        if (
            name in self.tracker.records
            or not isinstance(module, ModuleType)
            or name.partition(".")[0] == "entrepot"
        ):
            return
        record = Record(name, path, module)
        try:
            self.tracker.read_source(record)
            self.tracker.note_code(record, compile(self.tracker.source_of(record), path, "exec", 0, True))
        except (OSError, SyntaxError, ValueError):
            return
        self.tracker.records[name] = record
        self.tracker.stack.append(record)
        self.tracker.end(record, ok=True)

    def follow(self, paths: Sequence[str]) -> None:
        """Follow the modules under these folders too."""
        if self.tracker.watch(paths):
            for name, module in list(sys.modules.items()):
                self.adopt(name, module)

    def refresh(self, are_whole: Callable[[Sequence[str]], bool] | None = None) -> Report:
        """Look for changes and make them; nothing where `are_whole` says of the files that have been read that they are not."""
        with self.lock:
            if self.is_updating:
                return Report()
            self.is_updating = True
            try:
                return self._refresh(are_whole)
            finally:
                self.is_updating = False

    def _refresh(self, are_whole: Callable[[Sequence[str]], bool] | None) -> Report:
        started = time.perf_counter()
        report = Report()
        changes = find_changes(self.tracker)
        if changes.edited and are_whole is not None and not are_whole(changes.files):
            forget_folders(self.tracker, changes)
        elif changes:
            from entrepot.live.update import Update

            self.index.begin()
            report.changed = changes.files
            names = {c.record.name for c in changes.edited}
            # Syntax trees are many small objects; collecting garbage among those of the program would be half of the work.
            was_collecting = gc.isenabled()
            gc.disable()
            try:
                Update(self, changes, report).run()
            finally:
                if was_collecting:
                    gc.enable()
                self.index.end()
            if report.ok:
                self._call_hooks(names)
        report.seconds = time.perf_counter() - started
        if report.changed:
            for callback in list(self.subscribers):
                callback(report)
        return report

    def _call_hooks(self, names: set[str]) -> None:
        for (module, kind, _), function in list(self.hooks.items()):
            if module in names and kind == "reload":
                function()

    def need_repoint(self) -> None:
        """Raise CannotRepoint where functions cannot be given other globals."""
        if not self.checked_repoint:
            from entrepot.live.functions import can_repoint

            if not can_repoint():
                raise CannotRepoint()
            self.checked_repoint = True

    def run_main(self, path: str, spec: ModuleSpec | None = None) -> ModuleType:
        """Run a file as `__main__`, followed like any module; with a spec, as `python -m` runs the module it describes."""
        path = os.path.abspath(path)
        module = ModuleType("__main__")
        loader = LiveLoader("__main__", path)
        loader.tracker = self.tracker
        namespace = module.__dict__
        namespace.update(
            __file__=path,
            __builtins__=sys.modules["builtins"],
            __loader__=loader,
            __spec__=spec,
            __cached__=None if spec is None else spec.cached,
        )
        if spec is not None:
            namespace["__package__"] = spec.parent
        if self.main_before is None:
            self.main_before = sys.modules.get("__main__")
        folder = os.path.dirname(path)
        if spec is None and folder not in sys.path:
            sys.path.insert(0, folder)
        sys.modules["__main__"] = module
        record = self.tracker.begin("__main__", path, module)
        ok = has_code = False
        try:
            code = compile(self.tracker.source_of(record), path, "exec", 0, True)
            has_code = True
            self.tracker.run(record, code, namespace)
            ok = True
        except SystemExit:
            ok = True  # the program ended in its own way; what it defined may still be in use
            raise
        finally:
            # A program that failed half-way is followed all the same: its next edit may be the cure.
            self.tracker.end(record, ok=ok or has_code)
        return module

    def run_module(self, name: str) -> ModuleType:
        """Run a module (or a package's `__main__`) as `python -m` does, followed."""
        from importlib.util import find_spec

        spec: ModuleSpec | None = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(name + ".__main__")
        if spec is None or not spec.origin:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.argv[0] = spec.origin
        return self.run_main(spec.origin, spec)

    def stop(self) -> None:
        """Follow no longer. The program goes on as it is."""
        with self.lock:
            if self.tracker in sys.meta_path:
                sys.meta_path.remove(self.tracker)
            if self.main_before is not None:
                sys.modules["__main__"] = self.main_before
            self.tracker.records.clear()
            self.tracker.attic.close()
            self.tracker.codes.close()


current: Session | None = None


def get_session() -> Session:
    """Return the running session; raises NotStarted."""
    if current is None:
        raise NotStarted()
    return current


def start(paths: Sequence[str] | None = None) -> None:
    """Follow the modules under these folders (default: the working directory). Call it before the program is imported;
    modules that are there already are followed from their present source. Starting again changes the folders."""
    global current
    given = [
        os.fspath(path)
        for path in (
            [os.getcwd()] if paths is None else [paths] if isinstance(paths, str | os.PathLike) else paths
        )
    ]
    if current is not None:
        stop()
    import entrepot.live.update  # noqa: F401  (here, so that the first edit does not wait for it)

    current = Session(given)


def refresh() -> Report:
    """Look for changes by content, and make all of them or none. Never raises for what the program's code does."""
    return get_session().refresh()


def run_main(path: str | os.PathLike[str]) -> ModuleType:
    """Run a file as `__main__` and return the module. An edit of it is followed too, except for the body of
    `if __name__ == "__main__":`, which runs once."""
    return get_session().run_main(os.fspath(path))


def stop() -> None:
    """Stop following. Does nothing when nothing was started."""
    global current
    if current is not None:
        current.stop()
        current = None


def subscribe(callback: Callback) -> Callable[[], None]:
    """Call back with the report of every update made or refused; returns what ends it."""
    subscribers = get_session().subscribers
    subscribers.append(callback)
    return lambda: subscribers.remove(callback) if callback in subscribers else None


def keep(name: str, make: Callable[[], Any] | None = None) -> Any:
    """Keep a value over updates, whatever happens to the statement that makes it.

    `cache = keep("cache", dict)` makes the value once for each module; later calls give the same one. `keep("cache")`
    as a statement of a module says that the name keeps its live value even if its initialiser is edited.
    Works (as plain `make()`) where nothing is followed.
    """
    namespace = sys._getframe(1).f_globals
    module = str(namespace.get("__name__"))
    if current is None:
        return make() if make is not None else namespace.get(name)
    if make is None:
        record = current.tracker.records.get(module)
        if record is not None:
            record.keeps |= {name}
        return namespace.get(name)
    key = (module, name)
    if key not in current.kept:
        current.kept[key] = make()
    return current.kept[key]


def on_reload(function: Callable[[], Any]) -> Callable[[], Any]:
    """Call a function after each update of the module it is defined in. Usable as a decorator."""
    return _add_hook("reload", function)


def on_dispose(function: Callable[[], Any]) -> Callable[[], Any]:
    """Call a function before its module is updated or leaves. Usable as a decorator."""
    return _add_hook("dispose", function)


def _add_hook(kind: str, function: Callable[[], Any]) -> Callable[[], Any]:
    if current is not None:
        current.hooks[function.__module__, kind, function.__qualname__] = function
    return function
