"""Where a project uses what a module defines: imports, attributes, strings.

`find_uses(project, path)` looks into every file that could mention the module and returns
values; what becomes of them is decided by the refactorings.

Strings count where their meaning is certain: the target of a `patch`, the name in
`getattr(module, "name")`, the argument of `import_module`. Others that spell the module's name
and one of its names are returned as `Hint`.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass, field

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.program.symbols import IMPORT, Occurrence, Scope
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile

_PATCHERS = frozenset({"patch", "setattr", "delattr"})
_TWO_ARGUMENTS = frozenset({"object", "setattr", "delattr", "getattr", "hasattr", "multiple"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
_FROM_PACKAGE = re.compile(rb"\bfrom[ \t\f\\\r\n]*\.[. \t\f\\\r\n]*import\b")


@dataclass
class FromImport:
    """`from M import name as other`: the alias, its statement, the list of statements around it."""

    node: ast.ImportFrom
    alias: ast.alias
    body: list[ast.stmt]
    occurrence: Occurrence


@dataclass
class ModuleImport:
    """A statement that brings the module itself: `import M`, `from P import M`."""

    node: ast.Import | ast.ImportFrom
    alias: ast.alias
    body: list[ast.stmt]
    occurrence: Occurrence


@dataclass
class Attribute:
    """`M.name`: the occurrence of the first word, and which link of its chain is the name.

    `index` is -1 where the module stands alone (passed around, or asked with getattr).
    """

    occurrence: Occurrence
    index: int
    name: str
    importer: ModuleImport | None

    @property
    def end(self) -> int:
        return self.occurrence.chain[self.index][2] if self.index >= 0 else self.occurrence.end

    @property
    def is_rebinding(self) -> bool:
        chain = self.occurrence.chain
        return self.index == len(chain) - 1 and self.index >= 0 and self.occurrence.chain_kind != "load"


@dataclass
class NameString:
    """A string that certainly names something of the module.

    `start`/`end` is the part of the text that is the dotted module name (empty for a bare
    name), `name_start`/`name_end` the name; `module` the argument that is the module object.
    """

    name: str
    start: int
    end: int
    name_start: int
    name_end: int
    is_rebinding: bool
    module: Attribute | None = None
    line: int = 0


@dataclass
class Hint:
    """A string that may name something of the module: text, offset."""

    text: str
    start: int
    name: str


@dataclass
class FileUses:
    """All uses of one module in one file."""

    file: SourceFile
    from_imports: list[FromImport] = field(default_factory=list)
    module_imports: list[ModuleImport] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    strings: list[NameString] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    stars: list[ast.ImportFrom] = field(default_factory=list)
    whole: list[Attribute] = field(default_factory=list)  # the module as a value


def find_uses(project: Project, path: str) -> list[FileUses]:
    """Return the uses of a module's file, one value for each file that has any."""
    name = project.name_of(path)
    found = []
    paths = set(project.mentioning(name.rpartition(".")[2], *([name] if "." in name else [])))
    if project.is_package(path):
        # `from . import f` inside the package does not say its name.
        folder = os.path.dirname(path) + os.sep
        paths |= {p for p in project.paths if p.startswith(folder) and _FROM_PACKAGE.search(project.raw(p))}
    for other in sorted(paths - {path}):
        try:
            uses = find_uses_in(project, project.file(other), path)
        except Refused:
            if _imports_textually(project.raw(other), name):
                raise
            continue
        if any(
            (uses.from_imports, uses.module_imports, uses.attributes, uses.strings, uses.hints, uses.stars)
        ):
            found.append(uses)
    return found


def _imports_textually(raw: bytes, name: str) -> bool:
    last = re.escape(name.rpartition(".")[2].encode())
    return re.search(rb"(?m)^[ \t]*(?:from|import)\b[^\n]*\b" + last + rb"\b", raw) is not None


def find_uses_in(project: Project, file: SourceFile, path: str) -> FileUses:
    """Return the uses of the module at `path` in one file."""
    uses = FileUses(file)
    aliases: dict[tuple[int, str], list[tuple[str, Occurrence]]] = {}
    for occurrence in file.names.occurrences:
        if occurrence.kind == IMPORT and isinstance(occurrence.node, ast.alias):
            _note_import(project, file, path, occurrence, aliases, uses)
    for node in file.names.star_imports:
        source = project.resolve_from(node, file.path)
        if source is not None and project.find_module(source, file.path) == path:
            uses.stars.append(node)
    importers = {id(imported.alias): imported for imported in uses.module_imports}
    by_place: dict[int, Attribute] = {}
    for occurrence in (o for name in {name for _, name in aliases} for o in file.names.called(name)):
        if occurrence.kind == IMPORT or occurrence.home is None:
            continue
        for dotted, imported in aliases.get((id(occurrence.home), occurrence.name), ()):
            index = _match(project, file, dotted, occurrence, path)
            if index is None:
                continue
            if index < len(occurrence.chain):
                attribute = Attribute(
                    occurrence, index, occurrence.chain[index][0], importers.get(id(imported.node))
                )
                uses.attributes.append(attribute)
            else:
                attribute = Attribute(occurrence, index - 1, "", importers.get(id(imported.node)))
                uses.whole.append(attribute)
                by_place[file.lines.starts[0] + occurrence.start] = attribute
            break
    _find_strings(project, file, path, uses, by_place)
    return uses


def _note_import(
    project: Project,
    file: SourceFile,
    path: str,
    occurrence: Occurrence,
    aliases: dict[tuple[int, str], list[tuple[str, Occurrence]]],
    uses: FileUses,
) -> None:
    alias = occurrence.node
    assert isinstance(alias, ast.alias)
    statement = alias.statement  # type: ignore[attr-defined]
    home = occurrence.home or occurrence.scope
    body = file.body_of(statement)
    if isinstance(statement, ast.Import):
        dotted = alias.name if alias.asname else alias.name.split(".")[0]
        aliases.setdefault((id(home), occurrence.name), []).append((dotted, occurrence))
        if project.find_module(alias.name, file.path) == path:
            uses.module_imports.append(ModuleImport(statement, alias, body, occurrence))
        return
    source = project.resolve_from(statement, file.path)
    if source is None:
        return
    dotted = f"{source}.{alias.name}"
    aliases.setdefault((id(home), occurrence.name), []).append((dotted, occurrence))
    if project.find_module(source, file.path) == path:
        submodule = project.find_module(dotted, file.path)
        if submodule is None or submodule == path or binds_itself(project, path, alias.name):
            uses.from_imports.append(FromImport(statement, alias, body, occurrence))
    elif project.find_module(dotted, file.path) == path and not (
        (package := project.find_module(source, file.path)) is not None
        and binds_itself(project, package, alias.name)
    ):
        uses.module_imports.append(ModuleImport(statement, alias, body, occurrence))


def binds_itself(project: Project, package: str, name: str) -> bool:
    """Whether a package's `__init__` binds a name to something else than its submodule of that name."""
    if name.encode() not in project.raw(package):
        return False
    file = project.file(package)
    for occurrence in file.names.of_module(name):
        if occurrence.kind == IMPORT and isinstance(occurrence.node, ast.alias):
            statement = occurrence.node.statement  # type: ignore[attr-defined]
            if isinstance(statement, ast.ImportFrom):
                source = project.resolve_from(statement, package)
                if source != project.name_of(package):
                    return True
        elif occurrence.kind in ("define", "store"):
            return True
    return False


def _match(project: Project, file: SourceFile, dotted: str, occurrence: Occurrence, path: str) -> int | None:
    """Return how many links of the chain are used up to reach the module, or None."""
    if project.find_module(dotted, file.path) == path and not (
        occurrence.chain and project.find_module(f"{dotted}.{occurrence.chain[0][0]}", file.path) == path
    ):
        return 0
    for count, (attribute, _, _) in enumerate(occurrence.chain, 1):
        dotted = f"{dotted}.{attribute}"
        if project.find_module(dotted, file.path) == path:
            return count
    return None


def _find_strings(
    project: Project, file: SourceFile, path: str, uses: FileUses, by_place: dict[int, Attribute]
) -> None:
    name = project.name_of(path)
    last = name.rpartition(".")[2]
    certain: set[int] = set()
    for node in file.names.calls:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if node.args and called in _TWO_ARGUMENTS and len(node.args) > 1:
            _note_two_arguments(file, node, called, uses, by_place, certain)
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            if called in _PATCHERS or called in ("import_module", "__import__", "dict", "resolve_name"):
                _note_dotted(project, file, node.args[0], path, called, uses, certain)
    for text in file.names.strings:
        value = str(text.value)
        if last in value and id(text) not in certain and _DOTTED.match(value) and last in value.split("."):
            body = find_string_body(file.lines, text)
            head = _split_dotted(project, file, value, path)
            if head is not None and body is not None:
                uses.hints.append(Hint(value, body[0], value[len(head) + 1 :].split(".")[0]))


def _note_two_arguments(
    file: SourceFile,
    node: ast.Call,
    called: str,
    uses: FileUses,
    by_place: dict[int, Attribute],
    certain: set[int],
) -> None:
    first, second = node.args[0], node.args[1]
    if not isinstance(first, ast.Name | ast.Attribute):
        return
    if not (isinstance(second, ast.Constant) and isinstance(second.value, str)):
        return
    attribute = by_place.get(file.lines.start_of(first))
    body = find_string_body(file.lines, second)
    if attribute is None or body is None or attribute.end != file.lines.end_of(first):
        return
    certain.add(id(second))
    rebinds = called not in ("getattr", "hasattr")
    uses.strings.append(
        NameString(second.value, body[0], body[0], body[0], body[1], rebinds, attribute, second.lineno)
    )


def _note_dotted(
    project: Project,
    file: SourceFile,
    node: ast.Constant,
    path: str,
    called: str,
    uses: FileUses,
    certain: set[int],
) -> None:
    text = str(node.value)
    head = _split_dotted(project, file, text, path)
    body = find_string_body(file.lines, node)
    if head is None or body is None:
        return
    certain.add(id(node))
    rest = text[len(head) + 1 :].split(".")[0]
    start = body[0]
    name_start = start + len(head.encode()) + 1
    end = name_start + len(rest.encode())
    # Patching `m.name.attribute` changes the object, not the module's name.
    rebinds = called in _PATCHERS and text == f"{head}.{rest}"
    uses.strings.append(
        NameString(
            rest, start, start + len(head.encode()), min(name_start, body[1]), end, rebinds, None, node.lineno
        )
    )


def _split_dotted(project: Project, file: SourceFile, text: str, path: str) -> str | None:
    """Return the leading part of a dotted string that names the module, or None."""
    parts = text.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for count in range(len(parts), 0, -1):
        head = ".".join(parts[:count])
        if project.find_module(head, file.path) == path:
            return head
    return None


def is_shadowed(occurrence: Occurrence, name: str, home: Scope) -> Scope | None:
    """Return a scope between an occurrence and `home` that binds `name` itself, or None."""
    for scope in occurrence.scope.chain():
        if scope is home:
            return None
        if name in scope.bindings and name not in scope.global_names:
            if scope.kind == "class" and scope is not occurrence.scope:
                continue
            return scope
    return None
