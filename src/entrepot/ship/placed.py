"""A program's modules in another process: files in a folder of its own, first on `sys.path`, followed by live reload.

A new state is taken whole or not at all: the changed files are written, live reload runs what changed, and where
that is refused the files become what they were. Blobs are kept in a store of the user (by hash, compared with it when
read), so that a worker that is started again, or beside another, need not ask for them.

Standard library only; knows nothing of what brings the blobs.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from types import ModuleType
from typing import Any

from entrepot.ship import kept
from entrepot.ship.codes import codes
from entrepot.ship.manifest import Manifest, hash_blob, name_code
from entrepot.ship.reports import Clash, Running
from entrepot.ship.resident.place import find_writable

# By the name under which modules are shipped: several workers may live in one process.
_placed: dict[str, Placed] = {}
_lock = threading.RLock()


def get_placed(name: str, *, is_senders_process: bool = False, parent: str | None = None) -> Placed:
    """Return what stands for a program's modules in this process.

    is_senders_process: this is the program's own process, where its modules are anyway. parent: the folder in which to
    make the one for the files; a temporary one if None.
    """
    with _lock:
        if name not in _placed:
            _placed[name] = Placed("" if is_senders_process else make_folder(parent))
        return _placed[name]


def make_folder(parent: str | None) -> str:
    """Return a new folder that is this user's alone, removed at the end of the process. Raises OSError."""
    if parent is None or (hasattr(os, "geteuid") and find_writable(parent)):
        parent = None  # somebody else could put files in its place
    folder = os.path.realpath(tempfile.mkdtemp(prefix="entrepot-modules-", dir=parent))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


class Placed:
    """One program's modules in this process. folder: where their files are; "" in the sender's own process."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.manifest: Manifest | None = None
        self.held: dict[str, str] = {}  # path -> hash of each file in the folder, bytecode not among them
        self.clashes: tuple[Clash, ...] = ()
        self.last: Running | None = None

    @property
    def version(self) -> str:
        """The state that runs here."""
        return self.manifest.version if self.manifest else ""

    def list_missing(self, manifest: Manifest) -> list[str]:
        """Return the hashes of the blobs that must be sent here."""
        if not self.folder:
            return []
        unknown = {digest for path, digest in manifest.files.items() if self.held.get(path) != digest}
        return sorted(unknown - kept.find(unknown).keys())

    def take(self, manifest: Manifest, blobs: dict[str, bytes], roots: Sequence[str] = ()) -> Running:
        """Make a state the one that runs here, or change nothing. roots: the sender's own folders."""
        with self.lock:
            self.last = self._take(manifest, blobs) if self.folder else self._follow_sender(manifest, roots)
            return self.last

    def look(self) -> Running:
        """Return what runs here, and what became of the last state that was sent. Changes nothing."""
        if self.last is not None and self.last.problems:
            return self.last
        return self.describe("same")

    def _take(self, manifest: Manifest, blobs: dict[str, bytes]) -> Running:
        if self.version == manifest.version:
            return self.describe("same")
        kept.keep(blobs)
        try:
            before = self._write(manifest, blobs)
        except OSError as error:
            return self.describe("failed", problems=(f"in {self.folder}: {error}",))
        if self.manifest is None:
            self.manifest = manifest
            self._begin()
            return self.describe("placed")
        return self._reload(manifest, before)

    def describe(
        self,
        state: str,
        *,
        changed: Sequence[str] = (),
        problems: Sequence[str] = (),
    ) -> Running:
        """Return what runs here."""
        version = ".".join(map(str, sys.version_info[:3]))
        return Running(
            "", self.version, state, tuple(changed), tuple(problems), self.clashes, 0, version
        )  # fmt: skip

    def leave(self) -> None:
        """Let the modules be found here no longer. What has been imported stays."""
        with self.lock:
            for root in self.list_roots():
                if root in sys.path:
                    sys.path.remove(root)

    def come_back(self) -> None:
        """Let them be found again."""
        with self.lock:
            missing = [root for root in self.list_roots() if root not in sys.path]
            sys.path[:0] = missing

    def list_roots(self) -> list[str]:
        """Return the folders that are entries of `sys.path`."""
        if not self.folder or self.manifest is None:
            return []
        return [os.path.join(self.folder, root) for root in self.manifest.roots]

    def _follow_sender(self, manifest: Manifest, roots: Sequence[str]) -> Running:
        """Follow the sender's own files: its modules are imported from them."""
        if self.manifest is None:
            self.manifest = manifest
            follow(list(roots))
            return self.describe("placed")
        if self.version == manifest.version:
            return self.describe("same")
        from entrepot.live import session

        report = session.refresh()
        if not report.ok:
            return self.describe("refused", problems=[str(error) for error in report.errors])
        self.manifest = manifest
        return self.describe("updated", changed=report.modules)

    def _write(self, manifest: Manifest, blobs: dict[str, bytes]) -> dict[str, bytes | None]:
        """Bring the folder to a state; return what was there. Raises OSError, with the folder as it was."""
        before: dict[str, bytes | None] = {}
        new = {path: digest for path, digest in manifest.files.items() if self.held.get(path) != digest}
        lacking = {name for digest in new.values() for name in (digest, name_code(digest))} - blobs.keys()
        blobs = {**blobs, **kept.find(lacking)}
        try:
            for path, digest in new.items():
                if digest not in blobs:
                    raise FileNotFoundError(f"{path} was not sent")
                before[path] = self._read(path) if self.held else None
                self._put(path, blobs[digest], blobs.get(name_code(digest)))
            for path in [path for path in self.held if path not in manifest.files]:
                before[path] = self._read(path)
                self._put(path, None)
        except BaseException:
            self._restore(before)
            raise
        return before

    def _read(self, path: str) -> bytes | None:
        try:
            with open(os.path.join(self.folder, path), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _put(self, path: str, data: bytes | None, code: bytes | None = None) -> None:
        """Write one file whole, or remove it. code: the bytecode of a source, if there is any."""
        full = os.path.join(self.folder, path)
        if data is None:
            os.unlink(full)
            self.held.pop(path, None)
            return
        # Nobody looks into the folder before it is on sys.path.
        status = kept.write_new(full, data) if self.manifest is None else kept.write_whole(full, data)
        self.held[path] = hash_blob(data)
        if code:
            codes.put(full, status, code)

    def _restore(self, before: dict[str, bytes | None]) -> None:
        for path, data in before.items():
            if data is not None or path in self.held:
                self._put(path, data)

    def _begin(self) -> None:
        """Put the folder on `sys.path`, take over what is imported already, and follow the folder."""
        tops = self._list_tops()
        self.clashes = tuple(find_clashes(tops, self.folder))
        used = {clash.name for clash in self.clashes if clash.is_used}
        self.come_back()
        importlib.invalidate_caches()
        for path in list(self.held):
            name = name_module(path)
            if name.partition(".")[0] not in used and name in sys.modules:
                self._take_over(sys.modules[name], os.path.join(self.folder, path))
        follow([self.folder])

    def _take_over(self, module: ModuleType, path: str) -> None:
        """Let a module that was imported from the same text elsewhere follow the file here."""
        module.__file__ = path
        spec = module.__spec__
        if spec is not None:
            spec.origin = path
            loader: Any = spec.loader
            if hasattr(loader, "path"):
                loader.path = path
        if hasattr(module, "__path__"):
            module.__path__ = [os.path.dirname(path)]
            if spec is not None:
                spec.submodule_search_locations = [os.path.dirname(path)]

    def _list_tops(self) -> dict[str, str]:
        """Return the top-level modules here: name -> file ("" for a folder without `__init__`)."""
        tops: dict[str, str] = {}
        for path in self.held:
            _, *parts = path.split("/")
            if len(parts) == 1 and parts[0].endswith(".py"):
                tops[parts[0].removesuffix(".py")] = path
            elif len(parts) > 1 and parts[0] != "__pycache__":
                tops.setdefault(parts[0], "")
                if parts[1:] == ["__init__.py"]:
                    tops[parts[0]] = path
        return {name: os.path.join(self.folder, path) if path else "" for name, path in tops.items()}

    def _reload(self, manifest: Manifest, before: dict[str, bytes | None]) -> Running:
        """Run what changed; put the files back where that is refused."""
        compiled = [
            path
            for path in before
            if path.endswith(tuple(EXTENSION_SUFFIXES)) and self._is_loaded(os.path.join(self.folder, path))
        ]
        if compiled:
            self._restore(before)
            text = f"{', '.join(compiled)}: a compiled module cannot be run again; restart the worker"
            return self.describe("refused", problems=(text,))
        importlib.invalidate_caches()
        from entrepot.live import session

        follow([self.folder])
        report = session.refresh()
        if not report.ok:
            self._restore(before)
            session.refresh()
            return self.describe("refused", problems=[self._shorten(str(error)) for error in report.errors])
        self.manifest = manifest
        self.come_back()
        self.clashes = tuple(find_clashes(self._list_tops(), self.folder))
        return self.describe("updated", changed=report.modules)

    def _is_loaded(self, path: str) -> bool:
        return any(getattr(module, "__file__", None) == path for module in list(sys.modules.values()))

    def _shorten(self, text: str) -> str:
        return text.replace(self.folder + os.sep, "")


def name_module(path: str) -> str:
    """Return the module that a file is, by its path below a root; "" where it is none."""
    _, *parts = path.split("/")
    if not path.endswith(".py") or not parts:
        return ""
    parts[-1] = parts[-1].removesuffix(".py")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def follow(folders: list[str]) -> None:
    """Let live reload follow these folders too."""
    from entrepot.live import session

    if session.current is None:
        session.start(folders)
        return
    session.current.follow(folders)


def find_clashes(tops: dict[str, str], folder: str) -> list[Clash]:
    """Return which names of top-level modules stand for something else in this process. tops: name -> file."""
    others = [
        entry
        for entry in sys.path
        if not os.path.join(os.path.realpath(entry), "").startswith(folder + os.sep)
    ]
    found = []
    for name, path in sorted(tops.items()):
        module = sys.modules.get(name)
        if module is not None:
            there = getattr(module, "__file__", None) or "the interpreter"
            if not there.startswith(folder + os.sep) and not _is_same(path, there):
                found.append(Clash(name, there, True, find_program(there)))
            continue
        if name in sys.builtin_module_names:
            found.append(Clash(name, "the interpreter", True))
            continue
        spec = PathFinder.find_spec(name, others)
        if spec is not None and spec.origin and not _is_same(path, spec.origin):
            found.append(Clash(name, spec.origin, False, find_program(spec.origin)))
    return found


def find_program(path: str) -> str:
    """Return the name of the program in whose folder a file is; "" if in none."""
    names = [
        name for name, placed in _placed.items() if placed.folder and path.startswith(placed.folder + os.sep)
    ]
    return names[0] if names else ""


def _is_same(path: str, other: str) -> bool:
    """Whether two files hold the same text."""
    try:
        with open(path, "rb") as one, open(other, "rb") as two:
            return one.read() == two.read()
    except OSError:
        return False
