"""Make a cut: place the statements, find who owns each name, and what crosses."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from entrepot.program.symbols import AT_CALL, AT_IMPORT, BINDING, LOAD, Occurrence
from entrepot.refactor.cut import STAY, Crossing, Cut, find_exported, is_copied
from entrepot.refactor.dynamic import check_dynamic, check_module_facts
from entrepot.refactor.exports import Exports, read_namespace
from entrepot.refactor.module_values import check_module_values
from entrepot.refactor.places import place_statements
from entrepot.refactor.project import Project
from entrepot.refactor.statements import (
    is_main_guard,
    is_type_checking,
    list_statements,
)
from entrepot.refactor.targets import find_target
from entrepot.refactor.uses import find_uses


def make_cut(
    project: Project,
    path: str,
    request: Mapping[str, Sequence[str]],
    *,
    style: str = "names",
    reexport: bool = False,
    force: bool = False,
) -> Cut:
    """Analyse a request. Raises Refused where it cannot be done whatever is decided later."""
    file = project.file(path)
    file.tree  # noqa: B018  (a syntax error is refused before anything else)
    cut = Cut(project, path, file, {}, style, reexport, force)
    for given, names in request.items():
        target = find_target(cut, given)
        if target.key in cut.targets:
            target = cut.targets[target.key]
        target.names += [name for name in names if name not in target.names]
        cut.targets[target.key] = target
    cut.statements = list_statements(file)
    cut.exported = find_exported(file)
    place_statements(cut)
    _find_bound(cut)
    cut.uses = find_uses(project, path)
    _find_rebound(cut)
    _find_owners(cut)
    check_module_facts(cut)
    check_dynamic(cut)
    check_module_values(cut)
    _find_crossings(cut)
    return cut


def _find_bound(cut: Cut) -> None:
    """Find names that a condition may leave unbound (`if sys.version_info < (3,): str = unicode`)."""
    tops = {name for s in cut.statements if isinstance(s.node, ast.If | ast.Try) for name in s.binds}
    tops -= {name for s in cut.statements if is_type_checking(s.node) for name in s.binds}
    if not tops:
        return
    namespace = cut.project.remember(
        ("namespace", cut.path), lambda: read_namespace(Exports(cut.project), cut.path)
    )
    if namespace.unknown is not None:
        return
    for name in tops - set(namespace.bound):
        (cut.perhaps if name in namespace.maybe else cut.unbound).add(name)


def _find_rebound(cut: Cut) -> None:
    """Find names that get another value after the module has been initialised."""
    module = cut.file.names.module
    for occurrence in cut.file.names.occurrences:
        if occurrence.home is module and occurrence.kind in BINDING and occurrence.scope is not module:
            if occurrence.when != AT_IMPORT:
                cut.rebound.setdefault(
                    occurrence.name, (cut.project.show(cut.path), cut.file.line_of(occurrence.start))
                )
    for uses in cut.uses:
        for attribute in uses.attributes:
            if attribute.is_rebinding:
                line = uses.file.line_of(attribute.occurrence.start)
                cut.rebound.setdefault(attribute.name, (cut.project.show(uses.file.path), line))
        for string in uses.strings:
            if string.is_rebinding:
                cut.rebound.setdefault(string.name, (cut.project.show(uses.file.path), string.line))


def _find_owners(cut: Cut) -> None:
    for statement in cut.statements:
        for name in statement.binds:
            key = cut.place[statement.index]
            if name == "_" and key != STAY and name not in {n for t in cut.targets.values() for n in t.names}:
                continue
            cut.owner[name] = key
    # A name that only functions bind (`global x`) lives where they all go.
    module = cut.file.names.module
    for name in module.bindings - set(cut.owner):
        places = {
            cut.place[o.statement] for o in cut.file.names.occurrences if o.name == name and o.home is module
        }
        cut.owner[name] = places.pop() if len(places) == 1 else STAY


def _find_crossings(cut: Cut) -> None:
    module = cut.file.names.module
    guards = {s.index: s.node for s in cut.statements if is_main_guard(s.node)}
    for occurrence in cut.file.names.occurrences:
        if occurrence.home is not module:
            continue
        a, name = cut.place[occurrence.statement], occurrence.name
        if name in cut.unbound and a != STAY and cut.owner.get(name) == STAY:
            continue
        b = cut.owner.get(name, STAY)
        if a != STAY and is_copied(cut, name):
            copy_import(cut, a, name)
            continue
        if a == b or (name == "_" and occurrence.kind != LOAD and b == STAY):
            continue
        when, outer = occurrence.when, occurrence.outer
        if occurrence.statement in guards and outer is None:
            when, outer = AT_CALL, guards[occurrence.statement]
        cut.crossings.append(Crossing(occurrence, a, b, when, outer))


def copy_import(cut: Cut, key: str, name: str) -> None:
    """Note that a target needs the import statements that bind a name, and what these need."""
    wanted = cut.copied.setdefault(key, {})
    for statement in cut.statements:
        if name not in statement.binds or name in wanted.get(statement.index, ()):
            continue
        if isinstance(statement.node, ast.Delete):
            continue
        wanted.setdefault(statement.index, set()).add(name)
        if not statement.is_import:
            wanted[statement.index] |= statement.binds
            for occurrence in cut.file.names.occurrences:
                if (
                    occurrence.statement == statement.index
                    and occurrence.home is cut.file.names.module
                    and occurrence.kind == LOAD
                    and occurrence.name not in statement.binds
                ):
                    if is_copied(cut, occurrence.name):
                        copy_import(cut, key, occurrence.name)
                    else:
                        b = cut.owner.get(occurrence.name, STAY)
                        if b != key:
                            _check_block(cut, occurrence, b)
                            cut.crossings.append(Crossing(occurrence, key, b, AT_IMPORT, None))


def _check_block(cut: Cut, occurrence: Occurrence, b: str) -> None:
    """Raise Refused where a block that is repeated as it stands would need another spelling of a name."""
    name = occurrence.name
    if name in cut.rebound or name in cut.perhaps or (cut.style == "module" and b != STAY):
        raise cut.refuse(
            f"this block would have to be repeated where what moves needs it, and {name} be written in another way there",
            cut.file.line_of(occurrence.start),
            "leave behind what needs it",
        )
