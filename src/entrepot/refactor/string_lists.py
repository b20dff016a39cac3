"""The lists of strings that a module makes, above all `__all__`: followed statement by statement.

Two names may mean one list, and what is done by one is seen by the other. A list that somebody else may
have changed is not known any more.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from entrepot.refactor.made_names import CHANGING, list_changed


@dataclass
class Strings:
    """One list or tuple; `items` is None where they cannot be told."""

    items: list[str] | None
    is_list: bool


class Lists:
    """The lists that a module's names mean. `fold_other` gives the `__all__` of a module that is named."""

    def __init__(self, fold_other: Callable[[ast.expr], list[str] | None], changed: Iterable[str]) -> None:
        self.fold_other = fold_other
        self.changed = frozenset(changed)  # by functions, at any time
        self.by_name: dict[str, Strings] = {}

    def branch(self, fold_other: Callable[[ast.expr], list[str] | None]) -> Lists:
        """Return a copy, for statements that may not run."""
        other = Lists(fold_other, self.changed)
        other.by_name = copy.deepcopy(self.by_name)
        return other

    def join(self, ways: Sequence[Lists]) -> None:
        """Go on from where one of several ways has led."""
        self.by_name = ways[0].by_name
        for name in {name for way in ways for name in way.by_name}:
            found = [way.by_name[name].items if name in way.by_name else None for way in ways]
            if any(items != found[0] for items in found):
                self.by_name.setdefault(name, Strings(None, True)).items = None

    def set(self, name: str, strings: Strings | None) -> None:
        if strings is None and name != "__all__":
            self.by_name.pop(name, None)
        elif strings is None or name in self.changed:
            self.by_name[name] = Strings(None, True)
        else:
            self.by_name[name] = strings

    def follow(self, node: ast.stmt) -> None:
        """Follow a statement that has no others in it."""
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = None if node.value is None else self._make(node.value)
            for target in targets:
                if isinstance(target, ast.Name) and node.value is not None:
                    self.set(target.id, value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self._add(node.target.id, node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if self._call(node.value):
                return
        self.look_at(node)

    def look_at(self, node: ast.AST) -> None:
        """Forget the lists that something in a node may change."""
        for inner in ast.walk(node):
            for name in list_changed(inner):
                if name in self.by_name:
                    self.by_name[name].items = None

    def _add(self, name: str, value: ast.expr) -> None:
        strings = self.by_name.get(name)
        if strings is None:
            return
        more = self.fold(value)
        items = None if strings.items is None or more is None else strings.items + more
        if strings.is_list:
            strings.items = items
        else:
            self.set(name, Strings(items, False))

    def _call(self, call: ast.Call) -> bool:
        """Follow `names.append("x")` and its like; return whether it was one."""
        func = call.func
        if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name):
            return False
        strings = self.by_name.get(func.value.id)
        if strings is None or strings.items is None or func.attr not in CHANGING:
            return False
        given = call.args[-1] if call.args else None
        single = given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None
        if func.attr == "extend" and given is not None:
            more = self.fold(given)
            strings.items = None if more is None else strings.items + more
        elif func.attr in ("append", "insert") and single is not None:
            strings.items = [*strings.items, single]
        elif func.attr == "remove" and single is not None:
            strings.items = [item for item in strings.items if item != single]
        elif func.attr not in ("sort", "reverse"):
            strings.items = None
        return True

    def _make(self, node: ast.expr) -> Strings | None:
        if isinstance(node, ast.Name) and node.id in self.by_name:
            return self.by_name[node.id]
        items = self.fold(node)
        if items is None:
            return None
        first = node
        while isinstance(first, ast.BinOp):
            first = first.left
        is_tuple = isinstance(first, ast.Tuple) or (
            isinstance(first, ast.Call) and isinstance(first.func, ast.Name) and first.func.id == "tuple"
        )
        return Strings(items, not is_tuple)

    def fold(self, node: ast.expr) -> list[str] | None:
        """Return the strings of a list expression, None when they cannot be told."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            found: list[str] = []
            for item in node.elts:
                some = self._fold_item(item)
                if some is None:
                    return None
                found += some
            return found
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            one, two = self.fold(node.left), self.fold(node.right)
            return None if one is None or two is None else one + two
        if isinstance(node, ast.Name):
            strings = self.by_name.get(node.id)
            return None if strings is None or strings.items is None else list(strings.items)
        if isinstance(node, ast.Attribute) and node.attr == "__all__":
            return self.fold_other(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            if node.func.id in ("list", "tuple", "sorted", "set"):
                return self.fold(node.args[0])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            text = node.func.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and not node.args:
                return text.value.split()
        return None

    def _fold_item(self, item: ast.expr) -> list[str] | None:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            return [item.value]
        if isinstance(item, ast.Starred):
            return self.fold(item.value)
        if isinstance(item, ast.Attribute) and item.attr == "__name__" and isinstance(item.value, ast.Name):
            return [item.value.id]
        return None
