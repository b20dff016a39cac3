"""Which calls give a function a keyword: those that name it, and those that might be it under another name.

A function that is put somewhere (assigned, returned, given to another function) can be called by
any name. So a call that gives the keyword counts as possibly one of them where what it calls is a variable,
an attribute that something in the project is stored in, or what another expression makes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from entrepot.program.symbols import BINDING, DEFINE, IMPORT
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile, walk_statements
from entrepot.refactor.uses import find_uses, find_uses_in

# Functions that call another one with the keywords that they are given.
HAND_ON = frozenset(
    "partial partialmethod submit to_thread callback register assertRaises assertWarns addCleanup "
    "addClassCleanup addModuleCleanup run_sync deprecated_call".split()
)
IN_A_DICT = frozenset(
    {"kwargs", "kwds", "keywords"}
)  # Thread(target=f, kwargs={...}), apply_async(f, kwds={...})
_PUTS = (
    ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.Return, ast.Yield, ast.Dict, ast.List, ast.Tuple, ast.Set,
    ast.IfExp, ast.BoolOp, ast.Lambda, ast.arguments, ast.keyword, ast.Call,
)  # fmt: skip


def find_references(project: Project, path: str, name: str) -> list[tuple[SourceFile, set[int]]]:
    """Return where a name of a module's top level stands: files, and offsets of the name in each.

    Modules that hand the name on are followed.
    """
    file = project.file(path)
    found = [(file, {o.start for o in file.names.of_module(name)})]
    todo = list(find_uses(project, path))
    done = {path}
    for uses in todo:
        names, starts = uses.file.names, set()
        hands_on = bool(uses.stars)
        for taken in uses.from_imports:
            if taken.alias.name == name:
                bound, home = taken.occurrence.name, taken.occurrence.home
                starts |= {o.start for o in names.called(bound) if o.home is home}
                hands_on = hands_on or (bound == name and home is names.module)
        for attribute in uses.attributes:
            if attribute.name == name:
                starts.add(attribute.occurrence.chain[attribute.index][1])
        if uses.stars and name not in names.module.bindings:
            starts |= {o.start for o in names.called(name) if o.home is None}
        found.append((uses.file, starts))
        if hands_on and uses.file.path not in done:
            done.add(uses.file.path)
            others = (other for other in project.using(name) if other != uses.file.path)
            todo += [find_uses_in(project, project.file(other), uses.file.path) for other in others]
    return found


def start_of_name(file: SourceFile, node: ast.AST) -> int:
    """Return where the last word of a name or an attribute stands, -1 for anything else."""
    if isinstance(node, ast.Name):
        return file.lines.start_of(node)
    if isinstance(node, ast.Attribute):
        return file.lines.end_of(node) - len(node.attr.encode())
    return -1


def is_put_somewhere(file: SourceFile, starts: set[int]) -> bool:
    """Whether what stands at one of the offsets is kept or given away there, not only called."""
    return any(
        start_of_name(file, child) in starts
        for node in ast.walk(file.tree)
        if isinstance(node, _PUTS)
        for child in ast.iter_child_nodes(node)
        if not (isinstance(node, ast.Call) and child is node.func)
    )


def list_unknown_calls(project: Project, file: SourceFile, keyword: str) -> Iterator[ast.Call]:
    """Yield the calls that give a keyword to what could be any function."""
    for call in file.names.calls:
        if any(given.arg == keyword for given in call.keywords) and _is_unknown(project, file, call.func):
            yield call


def _is_unknown(project: Project, file: SourceFile, called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return _is_stored(project, called.attr)
    if not isinstance(called, ast.Name):
        return True
    same = file.names.called(called.id)
    home = next((o.home for o in same if o.start == file.lines.start_of(called)), None)
    kinds = {o.kind for o in same if o.home is home and o.kind in BINDING}
    return home is not None and (
        not kinds <= {IMPORT, DEFINE} or (IMPORT in kinds and _is_stored(project, called.id))
    )


def _is_stored(project: Project, name: str) -> bool:
    """Whether an attribute, or a variable of a module or a class, has the name somewhere in the project."""
    for path in project.using(name):
        file = project.file(path)
        for statement, _ in walk_statements(file.tree):
            if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.For | ast.With):
                continue
            for node in ast.walk(statement):
                if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Store):
                    return True
                if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                    return True
    return False
