"""How each reference that crosses a cut is written, so that no import comes too early.

What a module needs while it is initialised it imports at its top (`arrows.py` sees to it that this
closes no cycle). Softer needs (inside functions) become an import at the top where that closes
none, else an import inside the function, and where a function has no line for one (lambda, one-liner) an `import module` at the bottom with `module.name`. A name
that is rebound crosses only as `module.name`, whatever the style.
"""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Iterable

from entrepot.errors import Refused
from entrepot.program.symbols import AT_CALL, AT_IMPORT, NEVER
from entrepot.refactor.arrows import Arrows
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Crossing, Cut, is_declaration
from entrepot.refactor.decision import Decision
from entrepot.refactor.fstrings import keep_printed_text
from entrepot.refactor.imports import Spelling, uses_relative
from entrepot.refactor.order import find_order
from entrepot.refactor.script import check_script
from entrepot.refactor.starred import copy_starred
from entrepot.refactor.text import SourceFile
from entrepot.refactor.uses import is_shadowed

_READERS_OF_HINTS = (
    b"get_type_hints",
    b"pydantic",
    b"eval_str",
    b"typeguard",
    b"beartype",
    b"msgspec",
    b"cattrs",
)


def decide(cut: Cut) -> Decision:
    """Decide how every crossing is written. Raises Refused where no way keeps the behaviour."""
    decision = Decision(cut)
    siblings = (
        cut.project.file(p)
        for p in cut.project.paths
        if os.path.dirname(p) == os.path.dirname(cut.path) and p != cut.path
    )
    decision.is_relative = uses_relative(
        cut.file, cut.project.package_of(cut.path), others=_readable(siblings)
    )
    copy_starred(cut)
    graph = Arrows(cut)
    check_script(cut, decision)
    find_order(cut, decision, graph)
    exported = _find_reexports(cut)
    for crossing in cut.crossings:
        _write(cut, decision, graph, crossing)
    _place_reexports(cut, decision, graph, exported)
    return decision


def _readable(files: Iterable[SourceFile]) -> Iterable[SourceFile]:
    iterator = iter(files)
    while True:
        try:
            file = next(iterator)
            file.tree  # noqa: B018
            yield file
        except StopIteration:
            return
        except Refused:
            continue


# -- references ----------------------------------------------------------------------------


def _write(cut: Cut, decision: Decision, graph: Arrows, crossing: Crossing) -> None:
    """Choose the form of one reference and note what it needs."""
    a, b, name = crossing.a, crossing.b, crossing.name
    imports = decision.of(a)
    if is_declaration(crossing):
        decision.undeclared.append(crossing)
        return
    must_be_module = name in cut.rebound or (name in cut.perhaps and crossing.when == AT_CALL)
    if must_be_module:
        if name in cut.perhaps and hasattr(builtins, name):
            raise cut.refuse(
                f"whether {name} is the builtin or this module's is decided at run time",
                cut.file.line_of(crossing.occurrence.start),
                "give it another name here first",
            )
        _check_rebound(cut, crossing)
    as_module = must_be_module or (cut.style == "module" and b != STAY)
    if crossing.occurrence.is_self_documenting and as_module and not must_be_module:
        as_module = False
    at_top = graph.is_top(a, b) or (graph.goes_first and b == STAY)
    if b == STAY and (graph.goes_first or a in {*decision.position, *decision.in_place, *graph.late}):
        # The file is in the middle of running when it imports this module.
        at_top = at_top and _is_bound_by_then(cut, decision, graph, crossing)
    if at_top and (crossing.when != AT_IMPORT or not must_be_module or graph.is_top(a, b)):
        if as_module:
            _use_module(decision, crossing, imports.modules)
        else:
            _add(imports.names, b, name)
        return
    if crossing.when == NEVER and not must_be_module:
        if not _reads_hints(cut):
            _add(imports.types, b, name)
        else:
            _use_module(decision, crossing, imports.bottom)
        return
    outer = _find_function(cut, crossing)
    if outer is not None and not _is_declared_global(outer, name):
        _, names, modules = imports.local.setdefault(id(outer), (outer, {}, []))
        # Called while a module is initialised, it could be before the name is there that it may not need.
        is_early = (crossing.occurrence.statement, _name_of_outer(crossing)) in cut.doings.run
        is_early |= b != STAY and cut.targets[b].file is not None
        if as_module or is_early:
            _use_module(decision, crossing, modules)
        else:
            _add(names, b, name)
        return
    if crossing.when == AT_IMPORT:
        raise cut.refuse(
            f"{cut.label(a)} needs {name} while it is initialised, before {cut.label(b)} is there",
            cut.file.line_of(crossing.occurrence.start),
        )
    _use_module(decision, crossing, imports.bottom)


def _is_bound_by_then(cut: Cut, decision: Decision, arrows: Arrows, crossing: Crossing) -> bool:
    """Whether the file has bound a name when it imports the module that needs it."""
    key = crossing.a
    is_run = key in decision.position or key in decision.in_place or key in arrows.late
    is_used = any(c.a == STAY and c.b == key for c in cut.crossings)
    if not is_run and not is_used and not cut.reexport:
        if not set(cut.targets[key].names) & set(cut.exported):
            return True
    binders = [s for s in cut.statements if crossing.name in s.binds]
    if key in decision.position:
        return bool(binders) and all(s.start < decision.position[key] for s in binders)
    last = arrows.late[key] - 1 if key in arrows.late else decision.default.get(key, -1)
    return bool(binders) and all(s.index <= last for s in binders)


def _check_rebound(cut: Cut, crossing: Crossing) -> None:
    node = crossing.occurrence.node
    if not isinstance(node, ast.Name):
        path, line = cut.rebound.get(
            crossing.name, (cut.project.show(cut.path), crossing.occurrence.statement)
        )
        raise cut.refuse(
            f"{crossing.name} is rebound ({path}:{line}) by a statement that can only bind a plain name",
            cut.file.line_of(crossing.occurrence.start),
            f"move this along: it must stay with {crossing.name}",
        )


def _use_module(decision: Decision, crossing: Crossing, modules: list[str]) -> None:
    cut = decision.cut
    spelling = decision.spelling(crossing.a, crossing.b)
    occurrence = crossing.occurrence
    shadow = is_shadowed(occurrence, spelling.binding, cut.file.names.module)
    clash = shadow is not None
    if not clash and modules is not decision.of(crossing.a).bottom:
        clash = cut.owner.get(spelling.binding) == crossing.a and not is_same_import(cut, spelling)
    if clash or (
        crossing.a == STAY
        and spelling.binding in cut.file.names.module.bindings
        and cut.owner.get(spelling.binding) == STAY
        and not is_same_import(cut, spelling)
    ):
        raise cut.refuse(
            f"a variable here is called {spelling.binding}, like the module",
            cut.file.line_of(occurrence.start),
            "choose another name for the module, or rename the variable",
        )
    if crossing.b not in modules:
        modules.append(crossing.b)
    decision.edits.append(
        (crossing.a, occurrence.start, occurrence.end, f"{spelling.expression}.{crossing.name}")
    )
    if occurrence.is_self_documenting:
        kept = keep_printed_text(cut.file, occurrence.start)
        if kept is None:
            raise cut.refuse(
                f"{crossing.name} can only be reached through its module, and this f-string prints its own text",
                cut.file.line_of(occurrence.start),
                "write the text into the string first",
            )
        decision.edits += [(crossing.a, start, end, new.decode()) for start, end, new in kept]


def is_same_import(cut: Cut, spelling: Spelling) -> bool:
    """Whether the file binds a name by the very import that is wanted."""
    for statement in cut.statements:
        if spelling.binding in statement.binds:
            text = cut.file.data[
                cut.file.lines.start_of(statement.node) : cut.file.lines.end_of(statement.node)
            ]
            if text.decode() != spelling.statement:
                return False
    return True


def _add(into: dict[str, list[str]], key: str, name: str) -> None:
    names = into.setdefault(key, [])
    if name not in names:
        names.append(name)


def _find_function(cut: Cut, crossing: Crossing) -> ast.AST | None:
    """Return the innermost function (or main block) around a reference that has room for an import.

    The innermost, because the ones around it may be called while a module is initialised.
    """
    for scope in crossing.occurrence.scope.chain():
        if isinstance(scope.node, ast.FunctionDef | ast.AsyncFunctionDef) and scope.kind == "function":
            if _has_room(cut, scope.node):
                return scope.node
    if isinstance(crossing.outer, ast.If) and _has_room(cut, crossing.outer):
        return crossing.outer
    return None


def _name_of_outer(crossing: Crossing) -> str:
    return getattr(crossing.occurrence.outer, "name", "")


def _has_room(cut: Cut, outer: ast.AST) -> bool:
    """Whether an import can stand as the first statement of a function: its body has own lines."""
    start = cut.file.lines.start_of(outer.body[0])  # type: ignore[attr-defined]
    return not cut.file.data[cut.file.line_start(start) : start].strip()


def _is_declared_global(outer: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Global) and name in n.names for n in ast.walk(outer))


def _reads_hints(cut: Cut) -> bool:
    return any(any(word in cut.project.raw(path) for word in _READERS_OF_HINTS) for path in cut.project.paths)


# -- old names -----------------------------------------------------------------------------


def _find_reexports(cut: Cut) -> dict[str, list[str]]:
    """Return the names that must stay importable from the old place."""
    found: dict[str, list[str]] = {}
    for key, target in cut.targets.items():
        for name in target.names:
            if (cut.reexport or name in cut.exported) and name not in cut.unbound:
                _add(found, key, name)
    return found


def _place_reexports(cut: Cut, decision: Decision, graph: Arrows, exported: dict[str, list[str]]) -> None:
    for key, names in exported.items():
        for name in names:
            # What only some runs bind cannot be imported by name.
            if graph.is_top(STAY, key) and name not in cut.rebound and name not in cut.perhaps:
                _add(decision.reexports, key, name)
            else:
                _add(decision.lazy, key, name)
            if name in cut.rebound and cut.reexport:
                text = f"{name} can be read from here, but who sets it from outside the project must set it in {key}"
                decision.notes.append(Note(text, cut.project.show(cut.path)))
    if decision.lazy and "__getattr__" in cut.file.names.module.bindings:
        raise cut.refuse(
            "the module has a __getattr__ of its own, and old names would need one",
            cut.file.line_of(cut.file.names.of_module("__getattr__")[0].start),
            "leave out --reexport, or move what closes the cycle along",
        )
