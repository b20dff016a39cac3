"""Names that a statement reaches over functions it calls, and that its module binds only further down.

In a fresh start such a call fails, or goes another way; in the running program the names are there. So a statement for which
an edit makes names late runs again without them, where making its value again loses nothing, and functions that it calls
are lent to it with the copy of the namespace as their globals.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

from entrepot.live.codes import all_chains
from entrepot.live.statements import Parsed, Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.staging import Stage


class Late:
    """What one statement reaches too early: names, over functions."""

    __slots__ = ("functions", "names")

    def __init__(self, names: frozenset[str], functions: frozenset[str]) -> None:
        self.names = names
        self.functions = functions


def find_late(parsed: Parsed) -> dict[str, Late]:
    """Return for the statements of a module, by their marks' texts, what they reach too early over functions."""
    uses: dict[str, set[str]] = {}
    last: dict[str, int] = {}
    first: dict[str, int] = {}
    for index, unit in enumerate(parsed.units):
        for name in unit.binds:
            first.setdefault(name, index)
            last[name] = index
        if unit.kind == "def" and not unit.is_decorated:
            uses[unit.name] = {chain[0] for code in unit.codes for chain in all_chains(code)}
    found: dict[str, Late] = {}
    if not uses:
        return found
    for index, unit in enumerate(parsed.units):
        if unit.kind not in ("assign", "class") or not unit.has_effects:
            continue
        called = {n for n in _called(unit) if n in uses and first[n] < index}
        reached: set[str] = set()
        stack = list(called)
        while stack:
            for name in uses[stack.pop()]:
                if name in uses and name not in called and first[name] < index:
                    called.add(name)
                    stack.append(name)
                reached.add(name)
        names = {name for name in reached if first.get(name, -1) > index}
        if names:
            found[repr(unit.mark)] = Late(frozenset(names), frozenset(called))
    return found


def _called(unit: Unit) -> set[str]:
    """Names that a statement calls when it runs, or gives to somebody who may call them."""
    found = set()
    stack: list[ast.AST] = list(unit.tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        stack += ast.iter_child_nodes(node)
    return found


@contextmanager
def hidden(stage: Stage, late: Late | None) -> Iterator[None]:
    """While a statement runs: its late names are not there, and functions that it calls look into the copy."""
    if late is None:
        yield
        return
    staged: dict[str, Any] = stage.staged
    away = {name: staged.pop(name) for name in late.names if name in staged}
    lent = {}
    for name in late.functions:
        function = staged.get(name)
        if type(function) is FunctionType and function.__globals__ is stage.record.namespace:
            copy = FunctionType(
                function.__code__, staged, function.__name__, function.__defaults__, function.__closure__
            )
            copy.__kwdefaults__ = function.__kwdefaults__
            copy.__dict__.update(function.__dict__)
            lent[name] = (function, copy)
            staged[name] = copy
    stage.has_lent = bool(lent)
    try:
        yield
    finally:
        for name, (function, copy) in lent.items():
            if staged.get(name) is copy:
                staged[name] = function
        for name, value in away.items():
            staged.setdefault(name, value)
