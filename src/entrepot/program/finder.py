"""Where a module lies, decided as the path based finder decides it, without importing.

In each folder of the search path, in order: a package (`name/__init__` as extension, source or
bytecode), then a module (extension, source, bytecode); a folder with neither is a portion of a
namespace package, which counts only where no later entry has the module. Built-in modules come
before all. Zip files are searched like folders. Listings are read once.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from entrepot.program.searchpath import SearchPath

# Extension modules of any platform: a tree is often read on another machine than it runs on.
_EXTENSION = re.compile(r"(\w+)(?:\.(?:cpython-[\w-]+|abi3|pypy\w*-[\w-]+|cp\d+-[\w-]+))?\.(?:so|pyd)\Z")
_COMPILED = (".so", ".pyd")
_BUILTIN = frozenset(sys.builtin_module_names)


class Location(NamedTuple):
    """What a name leads to.

    kind: "source", "extension", "bytecode", "namespace" or "builtin". path: the file ("" for a
    namespace or built-in module). search: for a package, where its submodules are looked for.
    origin: "own", "stdlib" or "site".
    """

    name: str
    kind: str
    path: str
    search: tuple[str, ...]
    origin: str

    @property
    def is_package(self) -> bool:
        """Does it have submodules?"""
        return bool(self.search)


class Finder:
    """Finds modules on a search path."""

    def __init__(self, search_path: SearchPath) -> None:
        self.search_path = search_path
        self._found: dict[str, Location | None] = {}
        self._listings: dict[str, dict[str, bool]] = {}
        self._compiled: dict[str, list[str]] = {}
        self._zips: dict[str, frozenset[str]] = {}
        # Folders in zip files that have no entry of their own.
        self._implied: set[str] = set()

    def find(self, name: str) -> Location | None:
        """Return where a module lies, or None. Its parents are found first, as Python does."""
        if name in self._found:
            return self._found[name]
        parent, _, leaf = name.rpartition(".")
        location: Location | None
        if parent:
            above = self.find(parent)
            location = (
                self._search(name, leaf, [(path, above.origin) for path in above.search]) if above else None
            )
        else:
            location = self._find_top(name)
        self._found[name] = location
        return location

    def _find_top(self, name: str) -> Location | None:
        if name in _BUILTIN:
            return Location(name, "builtin", "", (), "stdlib")
        path = self.search_path
        entries = [(entry, "own") for entry in path.own]
        entries += [(entry, "stdlib") for entry in path.stdlib]
        if name in path.mappings:
            place = path.mappings[name]
            found = self._search(
                name, os.path.basename(place).removesuffix(".py"), [(os.path.dirname(place), "own")]
            )
            if found:
                return found
        entries += [(entry, "site") for entry in path.site]
        return self._search(name, name, entries)

    def _search(self, name: str, leaf: str, entries: list[tuple[str, str]]) -> Location | None:
        portions: list[str] = []
        portion_origin = ""
        for folder, origin in entries:
            listing = self.list_folder(folder)
            path = os.path.join(folder, leaf)
            if listing.get(leaf):
                inside = self.list_folder(path)
                for kind, file in find_files(inside, "__init__", self._list_compiled(path)):
                    return Location(name, kind, os.path.join(path, file), (path,), origin)
            for kind, file in find_files(listing, leaf, self._list_compiled(folder)):
                return Location(name, kind, os.path.join(folder, file), (), origin)
            # Before 3.14 a folder in a zip file is a portion only if the archive has an entry for it.
            if listing.get(leaf) and (path not in self._implied or self.search_path.version >= (3, 14)):
                portions.append(path)
                portion_origin = portion_origin or origin
        return Location(name, "namespace", "", tuple(portions), portion_origin) if portions else None

    def list_folder(self, folder: str) -> dict[str, bool]:
        """Return the names in a folder (of a zip file too), each with whether it is a folder."""
        listing = self._listings.get(folder)
        if listing is None:
            listing = self._listings[folder] = self._read_folder(folder)
        return listing

    def _list_compiled(self, folder: str) -> list[str]:
        """Return the files in a folder that may be compiled modules: looked for once, not for each module there."""
        found = self._compiled.get(folder)
        if found is None:
            listing = self.list_folder(folder)
            found = [
                name for name, is_folder in listing.items() if not is_folder and name.endswith(_COMPILED)
            ]
            self._compiled[folder] = found
        return found

    def _read_folder(self, folder: str) -> dict[str, bool]:
        try:
            with os.scandir(folder or ".") as entries:
                return {entry.name: entry.is_dir() for entry in entries}
        except OSError:
            head = folder
            while head and not os.path.exists(head):
                head, tail = os.path.split(head)
                if not tail:
                    return {}
            if not os.path.isfile(head):
                return {}
            inside = os.path.relpath(folder, head).replace(os.sep, "/") + "/" if head != folder else ""
            return self._read_zip(head, inside)

    def _read_zip(self, path: str, inside: str) -> dict[str, bool]:
        names = self._zips.get(path)
        if names is None:
            import zipfile  # rarely needed, and slow to load

            try:
                with zipfile.ZipFile(path) as archive:
                    names = frozenset(archive.namelist())
            except (OSError, zipfile.BadZipFile):
                names = frozenset()
            self._zips[path] = names
        listing: dict[str, bool] = {}
        for name in names:
            if name.startswith(inside):
                first, slash, _ = name[len(inside) :].partition("/")
                if first:
                    listing[first] = listing.get(first, False) or bool(slash)
                    if slash and f"{inside}{first}/" not in names:
                        self._implied.add(os.path.join(path, inside, first))
        return listing


def find_files(
    listing: dict[str, bool], leaf: str, compiled: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """Return (kind, file) of the files that are the module `leaf`, the one that Python takes first.

    compiled: the compiled ones of the listing, where they are known.
    """
    found = []
    if compiled is None:
        compiled = [name for name, is_folder in listing.items() if not is_folder and name.endswith(_COMPILED)]
    for file in compiled:
        if file.startswith(leaf + "."):
            match = _EXTENSION.match(file)
            if match and match[1] == leaf:
                found.append(("extension", file))
                break
    for kind, suffix in (("source", ".py"), ("bytecode", ".pyc")):
        if listing.get(leaf + suffix) is False:
            found.append((kind, leaf + suffix))
    return found
