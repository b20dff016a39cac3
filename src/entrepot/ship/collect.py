"""Collect what is shipped: own modules that are reached, data files of their packages, and distributions if asked for.

What must be a real file where it goes is marked: compiled modules and all that came with them (their libraries are
found by relative paths), packages that look for their data through `__file__`, data in folders without `__init__`.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence

from entrepot.program.finder import Location
from entrepot.ship.contents import SITE, Carried, Contents, Entry, LeftOut, NotCarriedError
from entrepot.ship.distributions import Environment, Installed
from entrepot.ship.reach import Reach, find_reach
from entrepot.trace.records import Record

_COMPILED = re.compile(r"\.(so|pyd|dylib|dll)(\.[\d.]+)?\Z")
_FILE = re.compile(rb"\b__file__\b")
_CODE = (".py", ".pyc", ".pyo", ".pyx", ".pxd", ".c", ".cpp", ".h", ".o")
_NOT_DATA = ("__pycache__", "node_modules")


def collect(
    entry: Entry,
    *,
    include: str = "own",
    folders: Sequence[str] = (),
    added: Iterable[str] = (),
    data: Iterable[str] = (),
    records: Iterable[Record] = (),
    python: str | None = None,
) -> Contents:
    """Return what an entry point needs elsewhere.

    include: "own", or "all" for the installed distributions too. folders, added, records, python: see `find_reach`.
    data: files, folders or patterns, relative to the entry point's folder, to carry beside what is found.

    Raises:
        NotCarriedError: a module or file that is named is not there, or lies outside of the program's folders.
    """
    reach = find_reach(entry, folders=folders, added=added, records=records, python=python)
    collector = _Collector(entry, reach)
    collector.add_own()
    collector.add_data(data)
    collector.add_outside(include)
    return collector.finish()


class _Collector:
    def __init__(self, entry: Entry, reach: Reach) -> None:
        self.entry = entry
        self.reach = reach
        self.files: dict[str, Carried] = {}
        self.names: dict[str, str] = {}
        self.real: set[str] = set()
        self.needed: list[str] = []
        self.left_out = list(dict.fromkeys(reach.left_out))
        entries = [*reach.roots, *(root for root in reach.search_path.own if root not in reach.roots)]
        self.prefixes = {root: f"app{number or ''}" for number, root in enumerate(entries)}
        self.entry_path = ""

    def name_inside(self, path: str) -> str | None:
        """Return what an own file is called where it goes; None where it is in none of the folders."""
        best = max((root for root in self.prefixes if path.startswith(root + os.sep)), key=len, default=None)
        if best is None:
            return None
        return f"{self.prefixes[best]}/{os.path.relpath(path, best).replace(os.sep, '/')}"

    def carry(self, path: str, inside: str) -> None:
        self.files.setdefault(inside, Carried(inside, path))

    def add_own(self) -> None:
        """Carry the entry point and the program's own modules, with their packages' data."""
        if self.entry.site:
            relative = os.path.relpath(self.entry.path, self.entry.site).replace(os.sep, "/")
            self.entry_path = f"{SITE}/{relative}"
        else:
            self.entry_path = self.name_inside(self.entry.path) or ""
            self.carry(self.entry.path, self.entry_path)
        for name, location in sorted(self.reach.own.items()):
            if location.kind == "namespace":
                for folder in location.search:
                    if not self.reach.is_installed(folder):
                        self._add_data_of(folder, is_namespace=True)
                continue
            place = self._find_mapped(name, location) or self.name_inside(location.path)
            if place is None or not os.path.isfile(location.path):
                self.left_out.append(LeftOut(name, f"it lies in {location.path}, which cannot be carried"))
                continue
            self.carry(location.path, place)
            self.names[name] = place
            if location.kind == "extension":
                self.real.add(place)
                self.left_out.append(_explain_compiled(name, location.path))
            if location.is_package:
                self._add_data_of(os.path.dirname(location.path), is_namespace=False)

    def _find_mapped(self, name: str, location: Location) -> str | None:
        """Return the place of a module that an editable install maps from a folder of its own."""
        top = name.partition(".")[0]
        mapped = self.reach.search_path.mappings.get(top)
        if mapped is None or not location.path.startswith(mapped):
            return None
        root = os.path.dirname(mapped)
        self.prefixes.setdefault(root, f"app{len(self.prefixes)}")
        return self.name_inside(location.path)

    def _add_data_of(self, folder: str, *, is_namespace: bool) -> None:
        """Carry the files of a package's folder, and of folders in it that are not packages themselves."""
        for here, folders, names in os.walk(folder):
            folders[:] = sorted(
                name
                for name in folders
                if name not in _NOT_DATA
                and not name.startswith(".")
                and not os.path.exists(os.path.join(here, name, "__init__.py"))
                and not os.path.exists(os.path.join(here, name, "pyvenv.cfg"))
            )
            for name in sorted(names):
                path = os.path.join(here, name)
                if name.startswith(".") or name.endswith(("~", *_CODE)) or not os.path.isfile(path):
                    continue
                inside = self.name_inside(path)
                if inside is None:
                    continue
                if _COMPILED.search(name) and here == folder:
                    continue  # a compiled module that nothing reaches
                self.carry(path, inside)
                if is_namespace:
                    self.real.add(inside)

    def _mark_own(self) -> None:
        """Where data may be looked for by path, all that is own must be real.

        An own module asks for `__file__`, or installed ones are used: frameworks look for templates, static files and
        translations beside the modules that they are given.
        """
        own = [item for item in self.files.values() if not item.path.startswith(SITE)]
        has_data = any(not item.path.endswith(_CODE) for item in own)
        is_asked = any(item.path.endswith(".py") and _FILE.search(item.read()) for item in own)
        if has_data and (is_asked or self.reach.outside):
            self.real.update(item.path for item in own)

    def add_data(self, patterns: Iterable[str]) -> None:
        """Carry files that were asked for, and look once more at what must be real. Raises NotCarriedError."""
        base = os.path.dirname(self.entry.path)
        for pattern in patterns:
            found = sorted(glob.glob(os.path.join(base, pattern), recursive=True))
            if not found:
                raise NotCarriedError(given=pattern, reason=f"no such file in {os.path.relpath(base)}")
            for path in found:
                inside = [path]
                if os.path.isdir(path):
                    inside = [
                        os.path.join(here, name) for here, _, names in os.walk(path) for name in sorted(names)
                    ]
                for one in inside:
                    place = self.name_inside(os.path.normpath(one))
                    if "__pycache__" in one:
                        continue
                    if not os.path.isfile(one):
                        self.left_out.append(
                            LeftOut(os.path.relpath(one, base), "it is no file that could be carried")
                        )
                        continue
                    if place is None:
                        folders = ", ".join(self.prefixes)
                        reason = f"it is outside of the folders that the program's modules are in ({folders})"
                        raise NotCarriedError(given=pattern, reason=reason)
                    self.carry(os.path.normpath(one), place)
        self._mark_own()

    def add_outside(self, include: str) -> None:
        """Carry the distributions that are needed, or name them."""
        if not self.reach.outside and not self.entry.site:
            return  # reading what is installed takes a while
        environment = Environment(self.reach.search_path.site)
        first: dict[str, Installed] = {}
        for name, location in sorted(self.reach.outside.items()):
            path = location.path or (location.search[0] + os.sep if location.search else "")
            owner = environment.find_owner(path)
            if owner is not None:
                first[owner.name] = owner
            elif include == "all":
                self._carry_unowned(name, location)
            else:
                self.needed.append(name.partition(".")[0])
        if include != "all":
            own = environment.find_owner(self.entry.path) if self.entry.site else None
            if own is not None:
                # An installed program is a program too: its distribution is its own code.
                self._carry_distribution(own, frozenset())
                needed = {
                    name: environment.by_name[name]
                    for name in own.list_needed()
                    if name in environment.by_name
                }
                first = {**needed, **first}
                first.pop(own.name, None)
            self.needed += [one.requirement for one in first.values()]
            return
        wanted = {
            os.path.relpath(location.path, folder).replace(os.sep, "/"): location
            for location in self.reach.outside.values()
            for folder in self.reach.search_path.site
            if location.path.startswith(folder + os.sep)
        }
        for one in environment.find_all_needed(first.values()):
            self._carry_distribution(one, frozenset(wanted))
        for path, location in wanted.items():  # what no list of a distribution has
            self.carry(location.path, f"{SITE}/{path}")
            if location.kind == "extension":
                self.real.add(f"{SITE}/{path}")

    def _carry_distribution(self, one: Installed, wanted: frozenset[str]) -> None:
        carried = one.carry(wanted)
        if not any(item.path.endswith(".py") or _COMPILED.search(item.path) for item in carried):
            self.left_out.append(
                LeftOut(one.requirement, "it has no list of its files that could be carried")
            )
        compiled = [item for item in carried if _COMPILED.search(item.path)]
        has_data = any(
            not item.path.endswith((*_CODE, ".pyi", "py.typed")) and ".dist-info/" not in item.path
            for item in carried
        )
        must_be_real = compiled or (
            has_data and any(item.path.endswith(".py") and _FILE.search(item.read()) for item in carried)
        )
        for item in carried:
            self.files.setdefault(item.path, item)
            if must_be_real and ".dist-info/" not in item.path:
                self.real.add(item.path)
        if compiled:
            self.left_out.append(_explain_compiled(one.requirement, compiled[0].file))

    def _carry_unowned(self, name: str, location: Location) -> None:
        """Carry a module that came with no distribution: its top-level package, whole."""
        top = self.reach.finder.find(name.partition(".")[0]) or location
        if not top.is_package:
            inside = f"{SITE}/{os.path.basename(top.path)}"
            self.carry(top.path, inside)
            if top.kind == "extension":
                self.real.add(inside)
            return
        for folder in top.search:
            for here, folders, names in os.walk(folder):
                folders[:] = sorted(name for name in folders if name not in _NOT_DATA)
                for file in sorted(names):
                    path = os.path.join(here, file)
                    inside = f"{SITE}/{os.path.relpath(path, os.path.dirname(folder)).replace(os.sep, '/')}"
                    if not file.endswith(".pyc") and os.path.isfile(path):
                        self.carry(path, inside)
                        self.real.add(inside)

    def finish(self) -> Contents:
        """Return all of it."""
        used = {path.partition("/")[0] for path in self.files}
        roots = [prefix for prefix in self.prefixes.values() if prefix in used]
        if SITE in used:
            roots.append(SITE)
        files = {path: self.files[path] for path in sorted(self.files)}
        return Contents(
            self.entry, self.entry_path, tuple(roots), files, self.names, frozenset(self.real),
            tuple(sorted(set(self.needed), key=str.lower)), tuple(self.left_out),
        )  # fmt: skip


def _explain_compiled(what: str, path: str) -> LeftOut:
    """Say where a compiled module runs, by its file's tag (PEP 3149, PEP 425)."""
    tag = os.path.basename(path).split(".", 1)[1].rpartition(".")[0]
    if "abi3" in tag:
        return LeftOut(
            what, f"it is compiled for this platform only ({os.path.basename(path)}), for any Python 3"
        )
    return LeftOut(what, f"it is compiled for this platform and Python only ({os.path.basename(path)})")
