"""A program as numbers: what `Program` and the resolver ask, and what the store keeps."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from entrepot.program.bindings import Bindings, read_bindings
from entrepot.program.conditions import Target
from entrepot.program.newer import parse_tree
from entrepot.program.outline import read_outline
from entrepot.program.source import BOM, SourceError, has_cookie, parse_source, read_bytes, read_regular
from entrepot.program.statements import Scan
from entrepot.program.tree import File, Tree

# (target number, when, line, column, form, names, is unsure)
RawArrow = tuple[int, str, int, int, str, tuple[str, ...], bool]
Places = tuple[tuple[int, int, str], ...]
_BUILTIN = frozenset(sys.builtin_module_names)


class Raw:
    """A program as numbers: module i has `files[i]`, `arrows[i]`; scans are fetched when asked for."""

    def __init__(self, tree: Tree, target: Target) -> None:
        self.names = sorted([*tree.files, *tree.namespaces])
        self.ids = {name: number for number, name in enumerate(self.names)}
        self.files: dict[str, File] = tree.files
        self.namespaces: dict[str, tuple[str, ...]] = tree.namespaces
        self.problems: list[tuple[str, int, str]] = tree.problems
        self.target = target
        self.arrows: list[tuple[RawArrow, ...]] = [()] * len(self.names)
        self.file_problems: dict[str, Places] = {}
        self.unfollowed: dict[str, Places] = {}
        # The modules whose names decided other modules' arrows.
        self.consulted: set[str] = set()
        self.fetch_scans: Callable[[], dict[str, Scan]] = dict
        self.was_kept = False
        # Whoever has parsed all files (the survey does) can give what it read.
        self.find_known_bindings: Callable[[str], Bindings | None] = lambda _name: None
        self._data: dict[str, bytes] = {}
        self._bindings: dict[str, Bindings] = {}
        self._outlines: dict[str, Bindings] = {}

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
                self._data[name] = read_regular(file.path, file.size_bytes)
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

    def read_outline(self, name: str) -> Bindings:
        """Return the same for decisions on imports: without most of the tree, and not to the last detail."""
        if name in self._bindings or self.find_known_bindings(name) is not None:
            return self.read_bindings(name)
        if name not in self._outlines:
            data = self.read_bytes(name)
            # What is not plain UTF-8 is for whoever decodes it with care.
            is_plain = b"\0" not in data and b"\r" not in data and (data.isascii() or not has_cookie(data))
            outline = None
            if is_plain:
                with contextlib.suppress(SyntaxError, ValueError, RecursionError):
                    outline = read_outline(data.removeprefix(BOM), self.target)
            self._outlines[name] = outline or self.read_bindings(name)
        return self._outlines[name]

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
