"""Which tracked files have other contents than the program runs?

A file's stat says whether to look (mtime, size, inode and ctime, so that clocks going back and saves by rename are
seen); its content decides. A stat taken right after a write is not trusted, because a second write in the same
clock tick leaves no sign.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder

from entrepot.live.record import Record, is_old_enough, signature_of
from entrepot.live.tracker import Tracker

_GONE = (0, 1)


class Change:
    """A module whose file has other contents now. `path` differs from the record's where the module moved."""

    __slots__ = ("is_trusted", "path", "record", "signature", "source", "spec")

    def __init__(
        self,
        record: Record,
        source: bytes,
        path: str,
        spec: ModuleSpec | None = None,
        signature: bytes = b"",
        *,
        is_trusted: bool = False,
    ) -> None:
        self.record = record
        self.source = source
        self.path = path
        self.spec = spec
        self.signature = signature
        self.is_trusted = is_trusted


class Changes:
    """What a look at the files found."""

    def __init__(self) -> None:
        self.edited: list[Change] = []
        self.gone: list[Record] = []
        self.appeared: list[str] = []  # modules that an import did not find and would find now
        self.folders: list[str] = []  # folders whose listing changed
        self.extensions: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.edited or self.gone or self.appeared or self.folders or self.extensions)

    @property
    def files(self) -> list[str]:
        """Every file concerned."""
        return [c.path for c in self.edited] + [r.path for r in self.gone] + self.extensions


def find_changes(tracker: Tracker) -> Changes:
    """Look at every tracked file."""
    changes = Changes()
    stat = os.stat
    for record in list(tracker.records.values()):
        try:
            now = stat(record.path)
        except OSError:
            _look_elsewhere(record, changes)
            continue
        if record.is_trusted and record.signature == signature_of(now):
            continue
        _look_inside(tracker, record, record.path, changes)
    _look_at_folders(tracker, changes)
    _look_at_extensions(tracker, changes)
    for name in list(tracker.misses):
        if name not in sys.modules and _can_find(name):
            changes.appeared.append(name)
    return changes


def look_at_changed(tracker: Tracker) -> dict[str, tuple[int, int]]:
    """Return mtime and size of what does not look as when it was read: files, folders, modules that appeared. Changes nothing."""
    found: dict[str, tuple[int, int]] = {}
    for record in list(tracker.records.values()):
        try:
            now = os.stat(record.path)
        except OSError:
            found[record.path] = _GONE
            continue
        if record.signature != signature_of(now):
            found[record.path] = (now.st_mtime_ns, now.st_size)
    for folder, before in list(tracker.folders.items()):
        try:
            changed = os.stat(folder or ".").st_mtime_ns
        except OSError:
            continue
        if changed != before:
            found[folder] = (changed, 1)
    for name in list(tracker.misses):
        if name not in sys.modules and _can_find(name):
            found[name] = _GONE
    return found


def _look_inside(tracker: Tracker, record: Record, path: str, changes: Changes) -> None:
    before = time.time_ns()
    try:
        with open(path, "rb") as file:
            now = os.fstat(file.fileno())
            source = file.read()
    except OSError:
        changes.gone.append(record)
        return
    if source == tracker.source_of(record):
        record.signature = signature_of(now)
        record.is_trusted = is_old_enough(max(now.st_ctime_ns, now.st_mtime_ns), before)
        return
    trusted = is_old_enough(max(now.st_ctime_ns, now.st_mtime_ns), before)
    changes.edited.append(Change(record, source, path, None, signature_of(now), is_trusted=trusted))


def _look_elsewhere(record: Record, changes: Changes) -> None:
    """The file is gone: perhaps the module became a package, or the other way round."""
    spec = None if record.name == "__main__" else find_file(record.name)
    if spec is None or not spec.origin or not os.path.isfile(spec.origin) or spec.origin == record.path:
        changes.gone.append(record)
        return
    with open(spec.origin, "rb") as file:
        changes.edited.append(Change(record, file.read(), spec.origin, spec))


def find_file(name: str) -> ModuleSpec | None:
    """Search as an import would, with fresh listings."""
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        path = getattr(sys.modules.get(parent), "__path__", None)
        if path is None:
            return None
    PathFinder.invalidate_caches()
    try:
        return PathFinder.find_spec(name, path)
    except (ImportError, ValueError):
        return None


def _can_find(name: str) -> bool:
    parent, _, tail = name.rpartition(".")
    places = getattr(sys.modules.get(parent), "__path__", None) if parent else sys.path
    for place in places or ():
        base = os.path.join(place or ".", tail)
        if os.path.isfile(base + ".py") or os.path.isdir(base):
            spec = find_file(name)
            return spec is not None
    return False


def _look_at_folders(tracker: Tracker, changes: Changes) -> None:
    for folder, before in list(tracker.folders.items()):
        looked = time.time_ns()
        try:
            now = os.stat(folder).st_mtime_ns
        except OSError:
            continue
        if now == before:
            continue
        tracker.folders[folder] = now if is_old_enough(now, looked) else 0
        names = frozenset(n for n in _list(folder) if n != "__pycache__")
        if names == tracker.listings.get(folder):
            continue
        tracker.listings[folder] = names
        changes.folders.append(folder)
        known = {c.record.name for c in changes.edited}
        for record in list(tracker.records.values()):
            stem = record.path[:-3]
            if (
                os.path.dirname(record.path) == folder
                and record.name not in known
                and os.path.isfile(os.path.join(stem, "__init__.py"))
            ):
                spec = find_file(record.name)
                if spec is not None and spec.origin and spec.origin != record.path:
                    with open(spec.origin, "rb") as file:
                        changes.edited.append(Change(record, file.read(), spec.origin, spec))


def forget_folders(tracker: Tracker, changes: Changes) -> None:
    """Find the folders of these changes changed again at the next look: nothing has been made of them."""
    for folder in changes.folders:
        tracker.folders[folder] = 0
        tracker.listings.pop(folder, None)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _look_at_extensions(tracker: Tracker, changes: Changes) -> None:
    """Extension modules under the paths: a change can only be named."""
    if tracker.modules_seen != len(sys.modules):
        tracker.modules_seen = len(sys.modules)
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if (
                isinstance(path, str)
                and path.endswith(tuple(EXTENSION_SUFFIXES))
                and path not in tracker.extensions
                and tracker.concerns(path)
            ):
                tracker.extensions[path] = signature_of(os.stat(path))
    for path, before in list(tracker.extensions.items()):
        try:
            now = signature_of(os.stat(path))
        except OSError:
            continue
        if now != before:
            changes.extensions.append(path)
