"""Which statements go where: those that bind the names asked for, and what goes on making them."""

from __future__ import annotations

import ast
import difflib

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.statements import Statement, is_main_guard, is_type_checking


def place_statements(cut: Cut) -> None:
    """Say for each statement where it goes. Raises Refused for what cannot go."""
    binders: dict[str, list[Statement]] = {}
    for statement in cut.statements:
        for name in statement.binds:
            binders.setdefault(name, []).append(statement)
    cut.place = [STAY] * len(cut.statements)
    wanted: dict[str, str] = {}
    for key, target in cut.targets.items():
        for name in target.names:
            if name in wanted and wanted[name] != key:
                raise Refused(f"{name} is to go to both {wanted[name]} and {key}")
            if name not in binders:
                close = difflib.get_close_matches(name, list(binders), 1)
                hint = f"did you mean {close[0]}?" if close else None
                raise cut.refuse(f"there is no {name} at the top level", None, hint)
            wanted[name] = key
    for name, key in wanted.items():
        if all(_only_brings(statement) for statement in binders[name]):
            raise cut.refuse(
                f"{name} is imported here, not defined", binders[name][0].node, "move it where it is defined"
            )
        for statement in binders[name]:
            if is_main_guard(statement.node):
                raise cut.refuse(f'{name} is bound under `if __name__ == "__main__"`', statement.node)
            if cut.place[statement.index] not in (STAY, key):
                raise cut.refuse(f"{name} is bound together with names that go elsewhere", statement.node)
            cut.place[statement.index] = key
    _check_whole(cut, wanted)
    _follow(cut, wanted)
    if not any(cut.place):
        raise Refused("nothing to move was named", cut.project.show(cut.path))


def _only_brings(statement: Statement) -> bool:
    """Whether a statement imports what it binds, or takes it away again."""
    node = statement.node
    return statement.is_import or is_type_checking(node) or isinstance(node, ast.Delete)


def _check_whole(cut: Cut, wanted: dict[str, str]) -> None:
    """A statement that moves must take all the names it binds along, or they must have no other use."""
    for statement in cut.statements:
        key = cut.place[statement.index]
        for name in sorted(statement.binds - set(wanted)) if key else ():
            elsewhere = [
                o
                for o in cut.file.names.occurrences
                if o.name == name and o.home is cut.file.names.module and cut.place[o.statement] != key
            ]
            if elsewhere or name in cut.exported:
                with_it = ", ".join(sorted(statement.binds & set(wanted)))
                raise cut.refuse(
                    f"{name} is bound together with {with_it}",
                    statement.node,
                    f"move {name} along: --to {key}={name}",
                )
            wanted[name] = key
            cut.targets[key].names.append(name)


def _follow(cut: Cut, wanted: dict[str, str]) -> None:
    """Take along the statements that only finish what moves: `f.calls = 0`, `@f.register`."""
    plain = {n for s in cut.statements if s.is_import for n in s.binds}
    effects = cut.effects
    for statement in cut.statements:
        if cut.place[statement.index] or is_main_guard(statement.node):
            continue
        root = _finished_name(statement.node)
        if root is None or root not in wanted or (statement.binds and statement.binds != {"_"}):
            continue
        key = wanted[root]
        made = min(s.index for s in cut.statements if root in s.binds)
        if any(
            effects.is_loud(s.node) for s in cut.statements[made : statement.index] if not cut.place[s.index]
        ):
            continue  # something runs in between: this stays where it was
        used = {
            o.name
            for o in cut.file.names.occurrences
            if o.statement == statement.index and o.home is cut.file.names.module and o.when == AT_IMPORT
        }
        if all(name in plain or wanted.get(name) == key or name in statement.binds for name in used):
            others = [s for s in cut.statements if s is not statement and statement.binds & s.binds]
            if not any(_finished_name(o.node) is None for o in others):
                cut.place[statement.index] = key


def _finished_name(node: ast.stmt) -> str | None:
    """Return the name whose object a statement goes on making, or None."""
    target: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AugAssign):
        target = node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target = node.value.func
    elif isinstance(node, ast.FunctionDef) and node.name == "_" and node.decorator_list:
        first = node.decorator_list[0]
        target = first.func if isinstance(first, ast.Call) else first
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return None
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None
