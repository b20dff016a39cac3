"""Code that asks for names or for its own module at run time: refused where it could touch what moves."""

from __future__ import annotations

import ast
import os

from entrepot.program.symbols import LOAD, Occurrence
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.statements import Statement

MODULE_FACTS = frozenset({"__name__", "__spec__", "__doc__", "__file__", "__loader__", "__package__"})

# What Python looks for in a module.
_HOOKS = frozenset({"__getattr__", "__dir__", "__all__", "__path__"})


def check_module_facts(cut: Cut) -> None:
    """Refuse to move code that asks what module it is in."""
    if cut.force:
        return
    for key, target in cut.targets.items():
        for name in target.names:
            if name in _HOOKS:
                raise cut.refuse(f"Python asks {cut.name} for {name}, and would not ask {key}")
    _check_own_tests(cut)
    for occurrence in cut.file.names.occurrences:
        key = cut.place[occurrence.statement]
        if key == STAY or occurrence.name not in MODULE_FACTS:
            continue
        if occurrence.home is not None and occurrence.home is not cut.file.names.module:
            continue
        is_inside = cut.project.package_of(cut.targets[key].path) == cut.project.package_of(cut.path)
        if occurrence.name == "__package__" and is_inside:
            continue
        if occurrence.name == "__file__":
            start = cut.file.lines.start_of(cut.file.tree.body[occurrence.statement])
            line = cut.file.data[start : cut.file.line_end(occurrence.end)]
            same = os.path.dirname(cut.targets[key].path) == os.path.dirname(cut.path)
            if same and (b"dirname" in line or b".parent" in line):
                continue
        if occurrence.kind == LOAD:
            raise cut.refuse(
                f"{occurrence.name} would mean {key} instead of {cut.name}",
                cut.file.line_of(occurrence.start),
                "leave this behind, or use --force if the difference does not matter",
            )


def _check_own_tests(cut: Cut) -> None:
    """Refuse to move tests out of a file that runs those it finds in itself."""
    for call in cut.file.names.calls:
        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if call.args or called not in ("main", "testmod"):
            continue
        for statement in cut.statements:
            if cut.place[statement.index] == STAY:
                continue
            is_test = called == "testmod" and b">>> " in cut.file.data[statement.start : statement.end]
            if called == "main" and isinstance(statement.node, ast.ClassDef) and not cut.reexport:
                names = [getattr(inner, "name", "") for inner in statement.node.body]
                is_test = any(name.startswith("test") for name in names)
            if is_test:
                raise cut.refuse(
                    f"{called}() runs the tests that it finds here, and would not find those of {min(statement.binds)}",
                    call,
                    "leave them behind, or use --force",
                )


def check_dynamic(cut: Cut) -> None:
    """Refuse dynamic code that reads or writes the module's names by strings we cannot know."""
    if cut.force:
        return
    moved = set(cut.moved_names)
    given = _find_given(cut)
    for occurrence in given:
        if occurrence.name in cut.rebound:
            path, line = cut.rebound[occurrence.name]
            raise cut.refuse(
                f"{occurrence.name} is set on {cut.name} from outside ({path}:{line}), and what moves would not see it",
                cut.file.line_of(occurrence.start),
                f"leave this behind, or let {cut.name} bind {occurrence.name} itself first",
            )
    moved |= {occurrence.name for occurrence in given}
    for statement in cut.statements:
        for node in ast.walk(statement.node):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ("exec", "eval") and len(node.args) == 1:
                _check_code(cut, node, moved)
            elif node.func.id == "globals" or (
                node.func.id in ("vars", "locals", "dir") and not node.args and _is_at_top(statement, node)
            ):
                _check_namespace(cut, node, statement, moved)


def _find_given(cut: Cut) -> list[Occurrence]:
    """Return what moves reads and the file does not bind: builtins, and what somebody puts into the module."""
    return [
        o
        for o in cut.file.names.occurrences
        if o.home is None and o.kind == LOAD and cut.place[o.statement] != STAY
    ]


def _check_code(cut: Cut, node: ast.Call, moved: set[str]) -> None:
    argument = node.args[0]
    if (
        isinstance(argument, ast.Call)
        and isinstance(argument.func, ast.Name)
        and argument.func.id == "compile"
    ):
        argument = argument.args[0] if argument.args else argument
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        try:
            words = {n.id for n in ast.walk(ast.parse(argument.value.strip())) if isinstance(n, ast.Name)}
        except SyntaxError:
            words = set()
        known = words & set(cut.owner)
        if not known or (not known & moved and cut.place[_statement_of(cut, node)] == STAY):
            return
        reason = f"code in a string uses {', '.join(sorted(known))}"
    else:
        reason = f"{node.func.id} of code that is only known at run time"  # type: ignore[attr-defined]
    raise cut.refuse(reason, node, "it may use what moves; use --force if it does not")


def _check_namespace(cut: Cut, node: ast.Call, statement: Statement, moved: set[str]) -> None:
    path = _parents_of(statement.node, node)
    around = path[-2] if len(path) > 1 else None
    key: ast.expr | None = None
    if isinstance(around, ast.Subscript) and around.value is node:
        key = around.slice
    elif isinstance(around, ast.Attribute) and len(path) > 2 and isinstance(path[-3], ast.Call):
        call = path[-3]
        key = call.args[0] if around.attr in ("get", "setdefault", "pop") and call.args else None
    elif isinstance(around, ast.Compare) and len(around.ops) == 1 and around.comparators[0] is node:
        key = around.left
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        known = key.value in cut.owner or key.value in moved
        if not known or (key.value not in moved and cut.place[statement.index] == STAY):
            return
        reason = f"{node.func.id}() is asked for {key.value!r}"  # type: ignore[attr-defined]
    else:
        reason = f"{node.func.id}() is used with names that are only known at run time"  # type: ignore[attr-defined]
    raise cut.refuse(reason, node, "it may touch what moves; use --force if it does not")


def _is_at_top(statement: Statement, node: ast.Call) -> bool:
    inside = _parents_of(statement.node, node)
    return not any(
        isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef) for n in inside
    )


def _statement_of(cut: Cut, node: ast.AST) -> int:
    line: int = node.lineno  # type: ignore[attr-defined]
    for statement in cut.statements:
        if statement.node.lineno <= line <= (statement.node.end_lineno or line):
            return statement.index
    return len(cut.statements) - 1


def _parents_of(tree: ast.AST, wanted: ast.AST) -> list[ast.AST]:
    from entrepot.refactor.statements import find_enclosing

    return find_enclosing(tree, wanted)
