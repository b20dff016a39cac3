"""Who uses a name: the references of every module that can, read when asked for, and kept.

A module is parsed only where its bytes hold the name's last word, and only once for each state of
its file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from entrepot.program import store
from entrepot.program.conditions import NEVER, TYPING
from entrepot.program.origins import find_origin
from entrepot.program.raw import read_module
from entrepot.program.references import REFERENCES_VERSION, Reference, Row, make_reference, read_references
from entrepot.program.resolve import get_absolute
from entrepot.program.source import SourceError

if TYPE_CHECKING:
    from entrepot.program.model import Program


class Usage:
    """The references of a program's modules. is_kept: use and renew the store."""

    def __init__(self, program: Program, *, is_kept: bool) -> None:
        self._program = program
        self._is_kept = is_kept
        self._key = store.make_key("references", REFERENCES_VERSION, program.folder, program.entry)
        self._rows: dict[str, list[Row]] = {}
        # Path -> (size and mtime of the file, rows).
        self._kept: dict[str, Any] | None = None
        self._is_new = False

    def list_references(self, module: str) -> list[Reference]:
        """Return the references of a module, in order of place; none where it cannot be parsed."""
        is_package = self._program.raw.is_package(module)
        found = []
        for row in self._get_rows(module):
            reference = make_reference(module, is_package, row)
            if not reference.home and not reference.target:
                reference = reference._replace(target=self._find_star_target(module, row[0]))
            found.append(reference)
        return found

    def find(self, dotted: str) -> list[Reference]:
        """Return every use of a name, through re-exports, by module and place."""
        program = self._program
        origin = find_origin(program, dotted)
        origins: dict[str, str] = {}
        found = []
        for module in self._list_mentioning({dotted.rpartition(".")[2], origin.rpartition(".")[2]}):
            for reference in self.list_references(module):
                target = reference.target
                if not target:
                    continue
                if target not in origins:
                    origins[target] = find_origin(program, target)
                if origins[target] == origin or origins[target].startswith(origin + "."):
                    found.append(reference)
        self.keep()
        return found

    def keep(self) -> None:
        """Write what was read since the last time."""
        if self._is_new and self._is_kept:
            store.write(self._key, "references", self._kept)
        self._is_new = False

    def _list_mentioning(self, words: set[str]) -> Iterator[str]:
        """Give the modules whose text holds one of some words: no other can use such a name."""
        needles = [word.encode() for word in words]
        is_ascii = all(word.isascii() for word in words)
        for name, module in self._program.modules.items():
            if module.kind == "source":
                try:
                    data = read_module(module.path)
                except SourceError:
                    continue
                # Another normal form or encoding of a name that is not ASCII is not looked for.
                if not is_ascii or any(needle in data for needle in needles):
                    yield name

    def _get_rows(self, module: str) -> list[Row]:
        if module in self._rows:
            return self._rows[module]
        file = self._program.raw.files.get(module)
        if file is None or file.kind != "source":
            return []
        if self._kept is None:
            kept = store.read(self._key, "references") if self._is_kept else None
            self._kept = kept if isinstance(kept, dict) else {}
        state = (file.size_bytes, file.mtime_ns)
        known = self._kept.get(file.path)
        if known is not None and known[0] == state:
            rows: list[Row] = known[1]
        else:
            rows = self._read(module)
            # A file edited in the very moment of reading must not be kept under its new time.
            if file.mtime_ns < time.time_ns() - 2_000_000_000:
                self._kept[file.path] = (state, rows)
                self._is_new = True
        self._rows[module] = rows
        return rows

    def _read(self, module: str) -> list[Row]:
        try:
            source = self._program.modules[module].source()
            # A tree of its own: positions in it are mended on the way.
            return read_references(self._program.modules[module].tree(), source.text)
        except (SourceError, SyntaxError, RecursionError):
            return []

    def _find_star_target(self, module: str, name: str) -> str:
        """Return what a name that nothing in the module binds leads to if a star import brings it."""
        program = self._program
        bindings = program.raw.read_outline(module)
        first = name.partition(".")[0]
        for level, base, _, _, when in reversed(bindings.stars):
            source = get_absolute(module, program.raw.is_package(module), level, base)
            if source is None or when in (TYPING, NEVER):
                continue
            if first in (program.list_star_names(source) or ()):
                return f"{source}.{name}"
        return ""
