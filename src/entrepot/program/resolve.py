"""Which modules an import statement leads to.

`import a.b` leads to a.b. `from p import n` leads to the attribute n of p where p binds the
name (then p is the target), else to the submodule p.n: the way `IMPORT_FROM` decides it (language
reference, 7.11). What p binds is read from its text: definitions, assignments, imports, and the
names that its star imports bring, through any number of modules. Binding the submodule itself
(`from . import n`) is not an attribute of its own.

The parents of a target run too; they are the graph's second layer of arrows and not made here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from entrepot.program.bindings import Bindings
from entrepot.program.conditions import NEVER, TYPING
from entrepot.program.statements import Names, Statement


class Modules(Protocol):
    """What the resolver asks about the program's own modules."""

    def has(self, name: str) -> bool:
        """Is there such a module (a namespace package too)?"""

    def is_package(self, name: str) -> bool:
        """Has it submodules?"""

    def read_bytes(self, name: str) -> bytes:
        """Return the module's text, b"" where it has none."""

    def read_outline(self, name: str) -> Bindings:
        """Return what the module's top level binds."""


class Target(NamedTuple):
    """One module that a statement leads to. kind: "own", "outside", "missing" or "beyond".

    outside: not one of the program's. missing: no such submodule of a package of the program.
    beyond: relative beyond the top level package. names: those fetched from it ("" none).
    """

    kind: str
    module: str
    names: tuple[str, ...] = ()
    is_unsure: bool = False


class Resolver:
    """Resolves statements, and remembers which modules' names a decision depended on."""

    def __init__(
        self, modules: Modules, find_sibling: Callable[[str, str], str | None] | None = None
    ) -> None:
        self.modules = modules
        self.consulted: set[str] = set()
        self._find_sibling = find_sibling
        self._stars: dict[str, frozenset[str] | None] = {}
        self._decided: dict[tuple[str, str], tuple[bool, bool]] = {}

    def resolve(self, importer: str, is_package: bool, statement: Statement) -> list[Target]:
        """Return the targets of one statement, in order."""
        _, _, form, level, module, names, _ = statement
        if form == "import":
            return [self._resolve_name(importer, name) for name, _ in names]
        base = get_absolute(importer, is_package, level, module)
        if base is None:
            return [Target("beyond", "." * abs(level) + module)]
        if form == "call":
            return [self._resolve_name(importer, base)] if base else []
        if not self.modules.has(base):
            found = self._resolve_name(importer, base)
            if found.kind != "own":
                return [found._replace(names=tuple(name for name, _ in names))]
            base = found.module
        return self._resolve_from(importer, base, form, names, statement[0])

    def _resolve_name(self, importer: str, name: str) -> Target:
        modules = self.modules
        if modules.has(name):
            return Target("own", name)
        if self._find_sibling is not None and not modules.has(name.partition(".")[0]):
            sibling = self._find_sibling(importer, name)
            if sibling is not None:
                return Target("own", sibling)
        return Target("missing" if modules.has(name.partition(".")[0]) else "outside", name)

    def _resolve_from(self, importer: str, base: str, form: str, names: Names, line: int) -> list[Target]:
        modules = self.modules
        if not modules.is_package(base):
            return [Target("own", base, tuple(name for name, _ in names))]
        if form == "star":
            listed = self._list_all_submodules(base) if base != importer else []
            return [Target("own", base, ("*",)), *(Target("own", f"{base}.{name}") for name in listed)]
        attributes = []
        targets = []
        is_unsure = False
        for name, _ in names:
            submodule = f"{base}.{name}"
            if modules.has(submodule):
                is_attribute, unsure = self.binds(base, name, line if base == importer else None)
                is_unsure |= unsure
                if not is_attribute:
                    targets.append(Target("own", submodule, (name,), unsure))
                    continue
            attributes.append(name)
        if attributes:
            targets.insert(0, Target("own", base, tuple(attributes), is_unsure))
        return targets

    def _list_all_submodules(self, base: str) -> list[str]:
        """Return the submodules that `from base import *` imports: those `__all__` names and nobody binds."""
        if b"__all__" not in self.modules.read_bytes(base):
            return []
        self.consulted.add(base)
        bindings = self.modules.read_outline(base)
        names = bindings.all_names or []
        return [
            name for name in names if self.modules.has(f"{base}.{name}") and not self.binds(base, name)[0]
        ]

    def binds(self, package: str, name: str, before_line: int | None = None) -> tuple[bool, bool]:
        """Does a package bind a name to something else than its submodule? And is that unsure?

        before_line: ask only for what stands above that line (the package asks about itself).
        """
        key = (package, name)
        if before_line is None and key in self._decided:
            return self._decided[key]
        self.consulted.add(package)
        decided = (False, False)
        data = self.modules.read_bytes(package)
        if _may_bind(data, name):
            bindings = self.modules.read_outline(package)
            decided = self._decide(package, name, bindings, before_line)
        if before_line is None:
            self._decided[key] = decided
        return decided

    def _decide(
        self, package: str, name: str, bindings: Bindings, before_line: int | None
    ) -> tuple[bool, bool]:
        submodule = f"{package}.{name}"
        for binding in reversed(bindings.names.get(name, ())):
            if binding.when in (TYPING, NEVER) or (before_line is not None and binding.line >= before_line):
                continue
            if binding.kind != "import":
                return True, False
            source = get_absolute(package, True, binding.level, binding.module)
            if binding.fetched:
                is_itself = source is not None and self._is_itself(
                    source, binding.fetched, package, name, set()
                )
                return not is_itself, False
            # `import p.n as n` is the submodule; `import json` binds json.
            return (source != submodule), False
        for level, module, line, _, when in reversed(bindings.stars):
            if when in (TYPING, NEVER) or (before_line is not None and line >= before_line):
                continue
            source = get_absolute(package, True, level, module)
            if source is None or source == package:
                continue
            if self._may_bring(source, name) and name in (self.list_star_names(source) or ()):
                return not self._is_itself(source, name, package, name, set()), False
        return False, bindings.is_dynamic

    def _is_itself(
        self, module: str, fetched: str, package: str, name: str, seen: set[tuple[str, str]]
    ) -> bool:
        """Is what a module has under a name the submodule of a package, brought there by imports alone?"""
        if module == package and fetched == name:
            return True
        if (module, fetched) in seen or not self.modules.has(module):
            return False
        seen.add((module, fetched))
        self.consulted.add(module)
        if not _may_bind(self.modules.read_bytes(module), fetched):
            return False
        bindings = self.modules.read_outline(module)
        is_package = self.modules.is_package(module)
        for binding in reversed(bindings.names.get(fetched, ())):
            if binding.when not in (TYPING, NEVER):
                source = get_absolute(module, is_package, binding.level, binding.module)
                if binding.kind != "import" or source is None:
                    return False
                if binding.fetched:
                    return self._is_itself(source, binding.fetched, package, name, seen)
                return binding.is_as and source == f"{package}.{name}"
        for level, base, _, _, when in reversed(bindings.stars):
            source = get_absolute(module, is_package, level, base)
            if source is None or when in (TYPING, NEVER) or not self._may_bring(source, fetched):
                continue
            if fetched in (self.list_star_names(source) or ()):
                return self._is_itself(source, fetched, package, name, seen)
        return False

    def _may_bring(self, module: str, name: str) -> bool:
        """May `from module import *` bring a name? True where that takes a closer look."""
        if module in self._stars or not self.modules.has(module):
            return True
        data = self.modules.read_bytes(module)
        if _may_bind(data, name) or data.count(b"__all__") > 1:
            return True
        self.consulted.add(module)
        return False

    def list_star_names(self, module: str, _above: frozenset[str] = frozenset()) -> frozenset[str] | None:
        """Return the names that `from module import *` brings, as far as the text shows; None if unknown."""
        if module in self._stars:
            return self._stars[module]
        if module in _above or not self.modules.has(module):
            return None
        self.consulted.add(module)
        bindings = self.modules.read_outline(module)
        above = _above | {module}
        if bindings.all_names is not None:
            names = set(bindings.all_names)
            for level, source in bindings.all_from:
                absolute = get_absolute(module, self.modules.is_package(module), level, source)
                if absolute is not None:
                    names |= self._list_all(absolute, above)
        else:
            names = {name for name in bindings.names if name[0] != "_" and bindings.binds(name)}
            for level, source, _, _, when in bindings.stars:
                absolute = get_absolute(module, self.modules.is_package(module), level, source)
                if absolute is not None and when not in (TYPING, NEVER):
                    names |= self.list_star_names(absolute, above) or frozenset()
        found = frozenset(names)
        if not _above:
            self._stars[module] = found
        return found

    def _list_all(self, module: str, above: frozenset[str]) -> frozenset[str]:
        return (
            (self.list_star_names(module, above) or frozenset()) if self.modules.has(module) else frozenset()
        )


_STAR = re.compile(rb"import[ \t]*\(?\*")


_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def _may_bind(data: bytes, name: str) -> bool:
    """May a module's text bind a name? False only where it holds neither the word nor a star import."""
    return _mentions(data, name) or _STAR.search(data) is not None


def _mentions(data: bytes, name: str) -> bool:
    """Does a text hold a word? (A pattern for each would take longer to compile.)"""
    word = name.encode()
    at = data.find(word)
    while at >= 0:
        end = at + len(word)
        if (at == 0 or data[at - 1] not in _WORD) and (end == len(data) or data[end] not in _WORD):
            return True
        at = data.find(word, end)
    return not name.isascii()  # another spelling may be the same name (NFKC)


def get_absolute(importer: str, is_package: bool, level: int, module: str) -> str | None:
    """Return the absolute name of what a statement names; None beyond the top level package.

    A negative level is `import_module(..., package=__name__)`: relative to the importer itself.
    """
    if level == 0:
        return module
    if level < 0:
        parts = importer.split(".")
        level = -level
    else:
        parts = importer.split(".") if is_package else importer.split(".")[:-1]
    if level > len(parts) or not parts:
        return None
    parts = parts[: len(parts) - level + 1]
    return ".".join([*parts, module] if module else parts)
