"""Read a whole program: walk or follow, scan, resolve; and keep the result.

A tree is kept in two parts (see `store`): "graph" (files and resolved arrows, enough where nothing
changed) and "scans" (the statements, read only when something did). After a change only changed
files are scanned. Their arrows alone are resolved again, unless the set of modules changed, or a
changed file is one whose names decided other modules' arrows.

A file is as it was when its size and mtime are; one that was younger than two seconds when it
was kept is compared by its hash, for an edit could follow within the clock's grain.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from entrepot.program import store
from entrepot.program.bindings import Bindings, read_bindings
from entrepot.program.collection import paused_collection
from entrepot.program.conditions import NEVER, TYPING, Target
from entrepot.program.finder import Finder
from entrepot.program.newer import parse_tree
from entrepot.program.resolve import Resolver, get_absolute
from entrepot.program.scan import SCANNER_VERSION, scan_bytes
from entrepot.program.source import SourceError, parse_source, read_bytes
from entrepot.program.statements import Scan, Statement
from entrepot.program.tree import File, Tree, walk_tree

# (target number, when, line, column, form, names, is unsure)
RawArrow = tuple[int, str, int, int, str, tuple[str, ...], bool]
# Fewer files than this are scanned before a second process would be up.
WORTH_A_PROCESS = 200
_YOUNG_NS = 2_000_000_000
_BUILTIN = frozenset(sys.builtin_module_names)


class Raw:
    """A program as numbers: module i has `files[i]`, `arrows[i]`; scans are fetched when asked for."""

    def __init__(
        self, names: list[str], files: dict[str, File], namespaces: dict[str, tuple[str, ...]]
    ) -> None:
        self.names = names
        self.ids = {name: number for number, name in enumerate(names)}
        self.files = files
        self.namespaces = namespaces
        self.arrows: list[tuple[RawArrow, ...]] = [()] * len(names)
        self.problems: list[tuple[str, int, str]] = []
        self.file_problems: dict[str, tuple[tuple[int, int, str], ...]] = {}
        self.unfollowed: dict[str, tuple[tuple[int, int, str], ...]] = {}
        self.consulted: set[str] = set()
        self.fetch_scans: Callable[[], dict[str, Scan]] = dict
        self.was_kept = False
        self.target = Target()
        # Whoever has parsed all files (the survey does) can give what it read.
        self.find_known_bindings: Callable[[str], Bindings | None] = lambda _name: None
        self._data: dict[str, bytes] = {}
        self._bindings: dict[str, Bindings] = {}

    # What the resolver asks.

    def has(self, name: str) -> bool:
        """Is this one of the program's modules? A built-in module of that name would come first."""
        return name in self.ids and name not in _BUILTIN

    def is_package(self, name: str) -> bool:
        """Can it have submodules?"""
        file = self.files.get(name)
        return file.is_package if file else name in self.namespaces

    def read_bytes(self, name: str) -> bytes:
        """Return a module's text; b"" where it has none that can be read."""
        file = self.files.get(name)
        if file is None or file.kind != "source":
            return b""
        if name not in self._data:
            try:
                self._data[name] = read_bytes(file.path)
            except SourceError:
                self._data[name] = b""
        return self._data[name]

    def read_bindings(self, name: str) -> Bindings:
        """Return what a module's top level binds; nothing where it cannot be parsed."""
        if name not in self._bindings:
            found = self.find_known_bindings(name)
            if found is None:
                found = Bindings()
                with contextlib.suppress(SourceError, SyntaxError, RecursionError):
                    source = parse_source(self.read_bytes(name), name)
                    has_globals = "global " in source.text
                    found = read_bindings(parse_tree(source.text).tree, self.target, has_globals=has_globals)
            self._bindings[name] = found
        return self._bindings[name]

    def find_sibling(self, importer: str, name: str) -> str | None:
        """Return the module beside a script: its own folder is first on the path when it is run."""
        parent = importer.rpartition(".")[0]
        if not parent or parent in self.files or self.is_package(importer):
            return None
        beside = f"{parent}.{name}"
        return beside if beside in self.ids else None

    def drop_texts(self) -> None:
        """Forget the texts read for decisions; they are read again if asked for."""
        self._data.clear()


def read_tree(
    folder: str, roots: list[str], target: Target, *, is_strict: bool, is_kept: bool, processes: int
) -> Raw:
    """Read the modules of a tree."""
    with paused_collection():
        return _read_tree(folder, roots, target, is_strict=is_strict, is_kept=is_kept, processes=processes)


def _read_tree(
    folder: str, roots: list[str], target: Target, *, is_strict: bool, is_kept: bool, processes: int
) -> Raw:
    tree = walk_tree(folder, roots)
    key = store.make_key(SCANNER_VERSION, folder, roots, target, is_strict)
    kept: Any = store.read(key, "graph") if is_kept else None
    with contextlib.suppress(KeyError, TypeError, ValueError, IndexError, AttributeError):
        if kept is not None:
            return _renew(kept, key, tree, target, is_strict=is_strict, processes=processes)
    raw = _start(tree, target)
    scans = scan_files(
        [file for file in tree.files.values() if file.kind == "source"], target, is_strict, processes
    )
    _resolve_all(raw, scans)
    if is_kept:
        _keep(key, raw, scans)
    return raw


def _start(tree: Tree, target: Target) -> Raw:
    raw = Raw(sorted([*tree.files, *tree.namespaces]), tree.files, tree.namespaces)
    raw.problems = tree.problems
    raw.target = target
    return raw


def _resolve_all(raw: Raw, scans: dict[str, Scan]) -> None:
    resolver = Resolver(raw, raw.find_sibling)
    resolve_into(raw, resolver, scans, scans)
    raw.consulted = resolver.consulted
    raw.fetch_scans = lambda: scans
    raw.drop_texts()


def resolve_into(raw: Raw, resolver: Resolver, scans: dict[str, Scan], names: Iterable[str]) -> None:
    """Resolve the statements of some modules into `raw.arrows`."""
    ids = raw.ids
    # One line is written in thousands of modules: what it leads to is worked out once.
    memo: dict[tuple[str, str, object], list[tuple[int, tuple[str, ...], bool]]] = {}
    for name in names:
        scan = scans[name]
        number = ids[name]
        is_package = raw.is_package(name)
        is_beside = not is_package and "." in name and name.rpartition(".")[0] not in raw.files
        found: list[RawArrow] = []
        for statement in scan.statements:
            line, column, form, level, module, fetched, when = statement
            key = (form, module, fetched)
            targets = memo.get(key) if level == 0 and not is_beside and module != name else None
            if targets is None:
                targets = [
                    (ids[target.module], target.names, target.is_unsure)
                    for target in resolver.resolve(name, is_package, statement)
                    if target.kind == "own"
                ]
                if level == 0 and not is_beside and module != name:
                    memo[key] = targets
            for target_id, names_taken, is_unsure in targets:
                if target_id != number:
                    found.append((target_id, when, line, column, form, names_taken, is_unsure))
        raw.arrows[number] = tuple(found)
        if scan.problems:
            raw.file_problems[name] = scan.problems
        if scan.unfollowed:
            raw.unfollowed[name] = scan.unfollowed


def _keep(key: str, raw: Raw, scans: dict[str, Scan] | None) -> None:
    """Write both parts; the graph last, for it is the one that is asked first."""
    young = time.time_ns() - _YOUNG_NS
    doubts = {}
    for name, file in raw.files.items():
        if file.mtime_ns > young and file.kind == "source":
            doubts[name] = _hash_file(file.path)
    stamp = os.urandom(8)
    if scans is not None:
        store.write(key, "scans", (stamp, {name: tuple(scan) for name, scan in scans.items()}))
    store.write(
        key,
        "graph",
        {
            "stamp": stamp,
            "names": raw.names,
            "files": {name: tuple(file) for name, file in raw.files.items()},
            "doubts": doubts,
            "arrows": raw.arrows,
            "problems": raw.file_problems,
            "unfollowed": raw.unfollowed,
            "consulted": list(raw.consulted),
        },
    )


def _hash_file(path: str) -> bytes:
    try:
        return hashlib.blake2b(read_bytes(path), digest_size=16).digest()
    except SourceError:
        return b""


def _renew(kept: Any, key: str, tree: Tree, target: Target, *, is_strict: bool, processes: int) -> Raw:
    """Bring what was kept up to date."""
    old_files = kept["files"]
    changed = [name for name, file in tree.files.items() if old_files.get(name) != file]
    changed += [
        name
        for name, digest in kept["doubts"].items()
        if name in tree.files
        and old_files[name] == tree.files[name]
        and _hash_file(tree.files[name].path) != digest
    ]
    raw = _start(tree, target)
    raw.was_kept = True
    is_same_set = kept["names"] == raw.names and old_files.keys() == tree.files.keys()
    loaded: list[dict[str, Scan]] = []

    def fetch() -> dict[str, Scan]:
        if not loaded:
            part: Any = store.read(key, "scans")
            if part is None or part[0] != kept["stamp"]:
                sources = [file for file in tree.files.values() if file.kind == "source"]
                loaded.append(scan_files(sources, target, is_strict, processes))
            else:
                loaded.append({name: Scan(*scan) for name, scan in part[1].items()})
        return loaded[0]

    raw.fetch_scans = fetch
    if not changed and is_same_set:
        raw.arrows = kept["arrows"]
        raw.file_problems = kept["problems"]
        raw.unfollowed = kept["unfollowed"]
        raw.consulted = set(kept["consulted"])
        return raw
    sources = [tree.files[name] for name in changed if tree.files[name].kind == "source"]
    fresh = scan_files(sources, target, is_strict, processes)
    same_shape = is_same_set and all(old_files[name][2:4] == tuple(tree.files[name])[2:4] for name in changed)
    if same_shape and not set(kept["consulted"]).intersection(changed):
        raw.arrows = list(kept["arrows"])
        raw.file_problems = {n: p for n, p in kept["problems"].items() if n not in fresh}
        raw.unfollowed = {n: p for n, p in kept["unfollowed"].items() if n not in fresh}
        resolver = Resolver(raw, raw.find_sibling)
        resolve_into(raw, resolver, fresh, fresh)
        raw.consulted = set(kept["consulted"]) | resolver.consulted
        raw.drop_texts()
        whole = {**fetch(), **fresh}
        loaded[:] = [whole]
        _keep(key, raw, whole)
        return raw
    whole = {n: s for n, s in fetch().items() if n in tree.files and tree.files[n].kind == "source"}
    whole.update(fresh)
    loaded[:] = [whole]
    _resolve_all(raw, whole)
    _keep(key, raw, whole)
    return raw


def scan_files(files: list[File], target: Target, is_strict: bool, processes: int) -> dict[str, Scan]:
    """Scan files, in several processes where that is worth it and safe."""
    if (
        processes < 2
        or len(files) < WORTH_A_PROCESS
        or threading.active_count() > 1
        or not hasattr(os, "fork")
    ):
        return _scan_some(files, target, is_strict)
    # Every n-th file to each process: large files lie together.
    shares = [files[start::processes] for start in range(processes)]
    children = [_fork_scan(share, target, is_strict) for share in shares[1:]]
    found = _scan_some(shares[0], target, is_strict)
    for (pid, pipe), share in zip(children, shares[1:], strict=True):
        with os.fdopen(pipe, "rb") as stream:
            data = stream.read()
        os.waitpid(pid, 0)
        try:
            part = marshal.loads(data)
            found.update({name: Scan(*scan) for name, scan in part.items()})
        except (ValueError, EOFError, TypeError):
            found.update(_scan_some(share, target, is_strict))  # it died: do its share
    return {file.name: found[file.name] for file in files}


def _fork_scan(files: list[File], target: Target, is_strict: bool) -> tuple[int, int]:
    """Start a child that scans files and writes the result into a pipe; return its id and the pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        found = _scan_some(files, target, is_strict)
        data = marshal.dumps({name: tuple(scan) for name, scan in found.items()})
        with os.fdopen(writing, "wb") as stream:
            stream.write(data)
    finally:
        os._exit(0)


def _scan_some(files: list[File], target: Target, is_strict: bool) -> dict[str, Scan]:
    found = {}
    for file in files:
        try:
            found[file.name] = scan_bytes(read_bytes(file.path), file.path, target, is_strict=is_strict)
        except SourceError as error:
            found[file.name] = Scan((), ((error.line, 0, error.reason),))
    return found


def read_entry(path: str, finder: Finder, target: Target, *, is_strict: bool) -> Raw:
    """Read a program from its entry point: the script, and its own modules that it reaches."""
    status = os.stat(path)
    files: dict[str, File] = {
        "__main__": File("__main__", path, "source", False, status.st_size, status.st_mtime_ns)
    }
    namespaces: dict[str, tuple[str, ...]] = {}
    scans: dict[str, Scan] = {}
    # Two passes: names are followed by their spelling first, then resolved in the whole.
    stack = ["__main__"]

    def visit(name: str) -> bool:
        """Take in an own module and its parents; say whether it is one."""
        if name in files or name in namespaces:
            return True
        found = finder.find(name)
        if found is None or found.origin != "own":
            return False
        parent = name.rpartition(".")[0]
        if parent:
            visit(parent)
        if found.kind == "namespace":
            namespaces[name] = found.search
        else:
            try:
                status = os.stat(found.path)
                size, mtime = status.st_size, status.st_mtime_ns
            except OSError:  # inside a zip file
                size = mtime = 0
            files[name] = File(name, found.path, found.kind, found.is_package, size, mtime)
            if found.kind == "source":
                stack.append(name)
        return True

    while stack:
        name = stack.pop()
        file = files[name]
        try:
            scan = scan_bytes(read_module(file.path), file.path, target, is_strict=is_strict)
        except SourceError as error:
            scan = Scan((), ((error.line, 0, error.reason),))
        scans[name] = scan
        for statement in scan.statements:
            if statement[6] not in (TYPING, NEVER):
                for wanted in _list_spelled(name, file.is_package, statement):
                    visit(wanted)
    raw = _start(Tree(files, namespaces, []), target)
    _resolve_all(raw, scans)
    return raw


def read_module(path: str) -> bytes:
    """Return a file's bytes, from a zip file too. Raises SourceError."""
    try:
        return read_bytes(path)
    except SourceError:
        head = path
        while head and not os.path.isfile(head):
            above = os.path.dirname(head)
            if above == head:
                raise
            head = above
        import zipfile  # rarely needed, and slow to load

        try:
            with zipfile.ZipFile(head) as archive:
                return archive.read(os.path.relpath(path, head))
        except (OSError, KeyError, zipfile.BadZipFile):
            pass
        raise


def _list_spelled(importer: str, is_package: bool, statement: Statement) -> list[str]:
    """Return the modules that a statement may lead to by its spelling."""
    _, _, form, level, module, names, _ = statement
    if form == "import":
        return [name for name, _ in names]
    base = get_absolute(importer, is_package, level, module)
    if not base:
        return []
    return [base, *(f"{base}.{name}" for name, _ in names if name != "*")]
