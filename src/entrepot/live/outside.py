"""What a statement binds outside of its own names: attributes of modules, classes and other objects, and globals that the
functions it calls set.

Before a statement runs these are remembered, so that a failed update brings them back; after it ran, globals are names that
changed like any other; when the statement is taken out, attributes go back to what their owner's own statements say.
"""

from __future__ import annotations

import ast
from types import CodeType, FunctionType, ModuleType

from entrepot.live.codes import globals_set, walk_codes
from entrepot.live.facts import GONE, VALUE, Fact
from entrepot.live.functions import innermost
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit
from entrepot.live.values import peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()
_DEEP = 3  # functions called by functions that are called


class Outside:
    """The bindings outside of one update's statements."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self._globals: list[tuple[dict[str, Any], str, object]] = []  # of the statement that runs

    def begin(self, stage: Stage, unit: Unit) -> None:
        """A statement is about to run: remember what it may bind."""
        self._globals = []
        if not unit.has_effects:
            return
        for owner, name in self._targets(unit, stage.staged):
            if not isinstance(owner, FunctionType) or name[:2] != "__":
                self._remember(owner, name)
        for namespace, name in self.globals_set_by(stage, unit):
            before = namespace.get(name, _MISSING)
            self._globals.append((namespace, name, before))
            if before is _MISSING:
                self._update.undo.add(f"name {name}", namespace.pop, name, None)
            else:
                self._update.undo.add(f"name {name}", namespace.__setitem__, name, before)

    def end(self, unit: Unit) -> None:
        """A statement has run: what the functions that it called have set is seen by whatever is staged after it."""
        for namespace, name, before in self._globals:
            value = namespace.get(name, _MISSING)
            if value is before or value is _MISSING:
                continue
            module = self._update.facts.by_namespace.get(id(namespace))
            if module is None:
                continue
            other = self._update.stages.get(module)
            if other is not None:
                other.staged[name] = value
            self._update.facts.add(Fact(module, name, VALUE), None if before is _MISSING else before, value)
        self._globals = []

    def _remember(self, owner: Any, name: str) -> None:
        names = peek(owner, "__dict__", {})
        if isinstance(owner, type):
            before = names.get(name, _MISSING)
            setter, remover = type.__setattr__, type.__delattr__
        else:
            before = names.get(name, _MISSING) if name in names else _MISSING
            setter, remover = setattr, delattr
        if before is _MISSING:
            self._update.undo.add(f"attribute {name}", _remove, remover, owner, name)
        else:
            self._update.undo.add(f"attribute {name}", setter, owner, name, before)

    def withdraw(self, stage: Stage, unit: Unit, kept: set[str]) -> None:
        """A statement was taken out: attributes that it set on modules and classes of the program are what the statements
        there make them; `kept` are targets that other statements of its module still set."""
        if not unit.has_effects:
            return
        for owner, name in self._targets(unit, stage.staged):
            if f"{id(owner)}.{name}" in kept:
                continue
            if isinstance(owner, ModuleType) and owner.__name__ in self._update.records:
                self._give_back(owner.__name__, name)
            elif isinstance(owner, type) and owner.__module__ in self._update.records:
                if name in owner.__dict__:
                    self._remember(owner, name)
                    type.__delattr__(owner, name)
                self._force(owner.__module__, owner.__qualname__.partition(".")[0])
                self._update.merger.changed.setdefault(id(owner), set()).add(name)

    def targets_of(self, stage: Stage, units: list[Unit]) -> set[str]:
        """What these statements set, as keys for `withdraw`."""
        return {f"{id(o)}.{n}" for u in units if u.has_effects for o, n in self._targets(u, stage.staged)}

    def _give_back(self, module: str, name: str) -> None:
        if self._force(module, name):
            return
        other = self._update.stage_of(module)
        value = other.staged.pop(name, _MISSING)
        if value is not _MISSING:
            self._update.facts.add(Fact(module, name, GONE), value)

    def _force(self, module: str, name: str) -> bool:
        """Have the statement that binds a name run again; whether there is one."""
        parsed = self._update.parsed_of(self._update.records[module])
        binders = [unit for unit in parsed.units if name in unit.binds and unit.kind != "main"]
        for unit in binders[-1:]:
            self._update.forced.add((module, unit.first))
            self._update.push(module)
        return bool(binders)

    def _targets(self, unit: Unit, namespace: dict[str, Any]) -> list[tuple[Any, str]]:
        """Attributes that a statement sets itself: (object, name)."""
        if unit.kind in ("def", "class", "import", "main") or "." not in unit.text:
            return []
        found = []
        try:
            nodes = list(_own_nodes(unit.tree))
        except SyntaxError:
            return []
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                owner = _look_up(node.value, namespace)
                if owner is not _MISSING:
                    found.append((owner, node.attr))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("setattr", "delattr") and len(node.args) > 1:
                    owner = _look_up(node.args[0], namespace)
                    name = getattr(node.args[1], "value", None)
                    if owner is not _MISSING and isinstance(name, str):
                        found.append((owner, name))
        return found

    def globals_set_by(self, stage: Stage, unit: Unit) -> list[tuple[dict[str, Any], str]]:
        """Globals that functions of the program set which a statement calls: (namespace, name)."""
        found: list[tuple[dict[str, Any], str]] = []
        seen: set[int] = set()
        for chain in unit.eager:
            value: Any = stage.staged.get(chain[0])
            for part in chain[1:]:
                value = peek(value, "__dict__", {}).get(part)
            self._add_globals(value, found, seen, 0)
        return found

    def _add_globals(
        self, value: Any, found: list[tuple[dict[str, Any], str]], seen: set[int], depth: int
    ) -> None:
        function: Any = innermost(value) if callable(value) else None
        if type(function) is not FunctionType or id(function) in seen or depth > _DEEP:
            return
        seen.add(id(function))
        namespace = function.__globals__
        if id(namespace) not in self._update.facts.by_namespace:
            return
        code: CodeType = function.__code__
        found += [(namespace, name) for name in globals_set(code)]
        for inner in (code, *walk_codes(code)):
            for name in inner.co_names:
                if type(namespace.get(name)) is FunctionType:
                    self._add_globals(namespace[name], found, seen, depth + 1)


def _own_nodes(tree: ast.AST) -> list[ast.AST]:
    """The nodes of a statement that run with it: not those in functions."""
    found, stack = [], [tree]
    while stack:
        node = stack.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            stack += ast.iter_child_nodes(node)
    return found


def _look_up(node: ast.expr, namespace: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return namespace.get(node.id, _MISSING)
    if isinstance(node, ast.Attribute):
        owner = _look_up(node.value, namespace)
        return owner if owner is _MISSING else peek(owner, "__dict__", {}).get(node.attr, _MISSING)
    return _MISSING


def _remove(remover: Any, owner: Any, name: str) -> None:
    if name in peek(owner, "__dict__", {}):
        remover(owner, name)
