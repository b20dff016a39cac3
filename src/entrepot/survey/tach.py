"""Modules, their dependencies, layers and public interfaces, as tach has them (`tach.toml`, `[tool.tach]`).

Tach asks for each imported *path* (`from core import get` is `core.get`, whatever get is) in which of the
listed modules it lies, and in which the importing file lies: the nearest one above. Between two of them
`layers`, `cannot_depend_on`, `depends_on` and the interfaces of the imported one say whether that may be. Files that
lie in no listed module are the module `<root>`, which counts only if `root_module` is not "ignore".

Where interfaces stand without any modules, the packages that they name are the modules.

`forbid_circular_dependencies` is about what the configuration says: the `depends_on` that lead back.

Not read: `tach.domain.toml`, `source_roots` (the program's own roots count), and what `NOT_JUDGED` names.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from entrepot.program.conditions import TYPING
from entrepot.program.graph import find_chains
from entrepot.program.model import Module, Program
from entrepot.program.resolve import get_absolute
from entrepot.program.source import SourceError
from entrepot.program.statements import Statement

ROOT = "<root>"
_GLOB = re.compile(r"[*?\[\]{}]")
_IGNORE = re.compile(r"# *tach-ignore(?:\([^)]*\))?((?:\s+[\w.]+)*)\s*$")
_FORMS = ("import", "from", "star")
# Settings that tach acts on and we do not: whoever has one is told.
NOT_JUDGED = ("exact", "include_string_imports", "rules", "external")


class Interface(NamedTuple):
    """What the modules that match `sources` offer (patterns), to those in `visibility` (None: to all)."""

    sources: tuple[str, ...]
    expose: tuple[str, ...]
    visibility: tuple[str, ...] | None = None
    is_exclusive: bool = False


class Break(NamedTuple):
    """An import that may not be. code: EP801, or EP802 for one past an interface."""

    code: str
    module: str
    line: int
    column: int
    message: str


@dataclass(frozen=True)
class Listed:
    """One module of the configuration. depends_on None: on whatever it likes."""

    path: str
    depends_on: tuple[str, ...] | None = None
    cannot_depend_on: tuple[str, ...] = ()
    layer: str | None = None
    visibility: tuple[str, ...] | None = None
    is_utility: bool = False
    is_unchecked: bool = False


@dataclass
class Tach:
    """The configuration. modules: as listed, their paths perhaps patterns. layers: (name, is closed), the highest first."""

    folder: str
    path: str = ""
    modules: list[Listed] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)
    layers: list[tuple[str, bool]] = field(default_factory=list)
    exclude: tuple[str, ...] = ()
    root_module: str = "ignore"
    with_typing: bool = False
    is_acyclic: bool = False
    # The settings of NOT_JUDGED that it has.
    not_judged: tuple[str, ...] = ()


def parse_tach(path: str, data: dict[str, Any]) -> Tach:
    """Turn the table of a configuration into a value.

    Raises:
        KeyError, TypeError, AttributeError, re.error: it is not as tach has it.
    """
    found = Tach(
        os.path.dirname(path),
        path,
        layers=[
            (one, False) if isinstance(one, str) else (_text(one["name"]), bool(one.get("closed")))
            for one in data.get("layers", [])
        ],
        exclude=_texts(data.get("exclude", [])),
        root_module=_text(data.get("root_module", "ignore")),
        with_typing=not data.get("ignore_type_checking_imports", True),
        is_acyclic=bool(data.get("forbid_circular_dependencies", False)),
        not_judged=tuple(name for name in NOT_JUDGED if data.get(name)),
    )
    for item in data.get("modules", []):
        for path in _texts([item["path"]] if "path" in item else item["paths"]):
            found.modules.append(
                Listed(
                    path,
                    _list_paths(item["depends_on"]) if item.get("depends_on") is not None else None,
                    _list_paths(item.get("cannot_depend_on", [])),
                    _text(item["layer"]) if item.get("layer") is not None else None,
                    _texts(item["visibility"]) if item.get("visibility") is not None else None,
                    bool(item.get("utility", False)),
                    bool(item.get("unchecked", False)),
                )
            )
    for item in data.get("interfaces", []):
        seen_by = item.get("visibility")
        found.interfaces.append(
            Interface(
                _texts(item.get("from", [".*"])),
                _texts(item["expose"]),
                _texts(seen_by) if seen_by is not None else None,
                bool(item.get("exclusive", False)),
            )
        )
        _compile_all(found.interfaces[-1].sources + found.interfaces[-1].expose)
    for one in found.modules:
        for pattern in (one.path, *(one.depends_on or ()), *one.cannot_depend_on, *(one.visibility or ())):
            _compile_glob(pattern)
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(map(_text, values))


def _list_paths(items: list[Any]) -> tuple[str, ...]:
    return _texts([item if isinstance(item, str) else item["path"] for item in items])


def find_tach_breaks(program: Program, tach: Tach) -> Iterator[Break]:
    """Give each import that the configuration does not allow."""
    if not tach.modules and not tach.interfaces:
        return
    checker = _Checker(program, tach)
    for name, module in program.modules.items():
        if module.kind == "source" and not checker.is_excluded(module.path):
            yield from checker.check(name, module)


def find_circles(tach: Tach) -> Iterator[tuple[str, list[str]]]:
    """Give each listed module that may not lead back to itself by its `depends_on` and does, with the way."""
    if not tach.is_acyclic:
        return
    names = [one.path for one in tach.modules]
    ids = {name: number for number, name in enumerate(names)}
    arrows = [
        [ids[name] for name in one.depends_on or () if name in ids and name != one.path]
        for one in tach.modules
    ]
    for number, name in enumerate(names):
        for chain in find_chains(arrows, number, number, 1):
            yield name, [names[step] for step in chain]


class _Checker:
    """One configuration on one program."""

    def __init__(self, program: Program, tach: Tach) -> None:
        self.program = program
        self.tach = tach
        # Without modules there is nothing that files could be listed in: then all are asked.
        self.is_root_asked = tach.root_module != "ignore" or not tach.modules
        self.root = Listed(ROOT, () if tach.modules else None)
        self.listed: dict[str, Listed] = {}
        by_name = {one.path for one in tach.modules}
        for one in tach.modules or self._list_offering():
            if one.path == ROOT:
                self.root = one
            for name in self._expand(one.path):
                # One listed by its own name is what it says there, wherever a pattern stands.
                if one.path == name or name not in by_name:
                    self.listed[name] = replace(one, path=name)
        self.interfaces = [
            (_compile_all(one.sources), _compile_all(one.expose), one) for one in tach.interfaces
        ]

    @cached_property
    def layer_numbers(self) -> dict[str, int]:
        return {name: number for number, (name, _) in enumerate(self.tach.layers)}

    def _list_offering(self) -> list[Listed]:
        """Return the packages that interfaces name, where no modules are listed; for `.*` those at the top."""
        found = []
        for name in self.program.names:
            for one in self.tach.interfaces:
                is_any = one.sources == (".*",)
                if ("." not in name) if is_any else any(p.search(name) for p in _compile_all(one.sources)):
                    found.append(Listed(name))
                    break
        return found

    def _expand(self, path: str) -> list[str]:
        if not _GLOB.search(path):
            return [path]
        match = _compile_glob(path)
        return [name for name in self.program.names if match.fullmatch(name)]

    def is_excluded(self, path: str) -> bool:
        relative = os.path.relpath(path, self.tach.folder).replace(os.sep, "/")
        parts = relative.split("/")
        heads = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        patterns = [pattern.rstrip("/") for pattern in self.tach.exclude]
        return any(
            fnmatch.fnmatch(head, pattern)
            or (pattern.startswith("**/") and fnmatch.fnmatch(head, pattern[3:]))
            for head in heads
            for pattern in patterns
        )

    def find_nearest(self, path: str) -> Listed:
        """Return the listed module that a path lies in."""
        while path:
            if path in self.listed:
                return self.listed[path]
            path = path.rpartition(".")[0]
        return self.root

    def check(self, name: str, module: Module) -> Iterator[Break]:
        importer = self.find_nearest(name)
        if importer.is_unchecked or (importer is self.root and not self.is_root_asked):
            return
        excused: dict[int, list[str]] | None = None
        for statement in module.statements():
            if statement[2] not in _FORMS or (statement[6] == TYPING and not self.tach.with_typing):
                continue
            for path in self._list_paths(name, module.is_package, statement):
                imported = self.find_nearest(path)
                if imported is importer or (imported is self.root and not self.is_root_asked):
                    continue
                for code, message in self._judge(importer, imported, path):
                    if excused is None:
                        excused = _read_excused(module)
                    if not _is_excused(excused.get(statement[0]), path):
                        yield Break(code, name, statement[0], statement[1], message)

    def _list_paths(self, name: str, is_package: bool, statement: Statement) -> list[str]:
        """Return the paths of the program that a statement imports."""
        _, _, form, level, module, names, _ = statement
        if form == "import":
            found = [one for one, _ in names]
        else:
            base = get_absolute(name, is_package, level, module)
            found = [f"{base}.{one}" for one, _ in names] if base else []
        ids = self.program.raw.ids
        return [path for path in found if path in ids or path.rpartition(".")[0] in ids]

    def _judge(self, importer: Listed, imported: Listed, path: str) -> Iterator[tuple[str, str]]:
        reason = self._find_dependency_break(importer, imported)
        if reason:
            yield "EP801", f"{importer.path} imports {path}: {reason}"
        member = path[len(imported.path) :].lstrip(".")
        if not member or imported is self.root:
            return
        offered = self._find_interfaces(imported, importer)
        if offered and not any(pattern.search(member) for patterns in offered for pattern in patterns):
            yield "EP802", f"{imported.path} does not offer {member}"

    def _find_interfaces(self, imported: Listed, importer: Listed) -> list[list[re.Pattern[str]]]:
        """Return what a module offers to another; nothing where it has no interface for it."""
        found = []
        for sources, expose, one in self.interfaces:
            is_visible = one.visibility is None or importer.path in one.visibility
            if is_visible and any(pattern.search(imported.path) for pattern in sources):
                if one.is_exclusive:
                    return [expose]
                found.append(expose)
        return found

    def _find_dependency_break(self, importer: Listed, imported: Listed) -> str:
        """Return why one listed module may not import another; "" where it may."""
        numbers = self.layer_numbers
        if importer.layer in numbers and imported.layer in numbers:
            upper, lower = numbers[importer.layer], numbers[imported.layer]
            if upper > lower:
                return f"layer {importer.layer} is below {imported.layer}"
            closed = [name for name, is_closed in self.tach.layers[upper + 1 : lower] if is_closed]
            if closed:
                return f"layer {closed[0]} between {importer.layer} and {imported.layer} is closed"
            if upper < lower:
                return ""
        if _is_among(imported.path, importer.cannot_depend_on):
            return f"{imported.path} is among its cannot_depend_on"
        if importer.depends_on is None or imported.is_utility:
            return ""
        if not _is_among(imported.path, importer.depends_on):
            return f"{imported.path} is not among its depends_on"
        if imported.visibility is not None and not _is_among(importer.path, imported.visibility):
            return f"{imported.path} is not visible to it"
        return ""


def _compile_all(patterns: tuple[str, ...]) -> list[re.Pattern[str]]:
    """Compile as tach does: with ^ and $ around the text of the pattern, not around the pattern."""
    return [re.compile(f"^{pattern}$") for pattern in patterns]


def _compile_glob(path: str) -> re.Pattern[str]:
    """Return the pattern of a module path with `*` (within a part), `**` (any number of parts), `?`, `{a,b}`."""
    text = re.escape(path).replace(r"\{", "(?:").replace(r"\}", ")").replace(",", "|")
    if text.endswith(r"\.\*\*"):
        text = text[: -len(r"\.\*\*")] + r"(?:\..+)?"
    text = text.replace(r"\*\*\.", r"(?:.+\.)?").replace(r"\*\*", r".*")
    return re.compile(text.replace(r"\*", r"[^.]*").replace(r"\?", r"[^.]"))


def _is_among(path: str, patterns: tuple[str, ...]) -> bool:
    return any(
        bool(_compile_glob(pattern).fullmatch(path)) if _GLOB.search(pattern) else pattern == path
        for pattern in patterns
    )


def _read_excused(module: Module) -> dict[int, list[str]]:
    """Return the lines that a `# tach-ignore` excuses (its own; the next where it stands alone), with the paths named."""
    found: dict[int, list[str]] = {}
    try:
        lines = module.source().text.splitlines()
    except SourceError:
        return found
    for number, line in enumerate(lines, 1):
        match = _IGNORE.search(line) if "tach-ignore" in line else None
        if match:
            found[number + (line.lstrip()[0] == "#")] = match[1].split()
    return found


def _is_excused(named: list[str] | None, path: str) -> bool:
    return named is not None and (not named or any(path.endswith(one) for one in named))
