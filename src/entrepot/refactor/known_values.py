"""What a condition or an expression is on this Python and platform, where the text alone tells.

Versions, platforms, TYPE_CHECKING, literals, and constants that were bound to such before.
"""

from __future__ import annotations

import ast
import operator
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Known:
    """What is known where a condition stands: names of constants, and what modules have.

    `has_attribute` answers for the name of a module there and an attribute; None when it cannot.
    """

    values: dict[str, object] = field(default_factory=dict)
    has_attribute: Callable[[str, str], bool | None] = lambda _module, _name: None


def decide_test(test: ast.expr, values: Known | None = None) -> bool | None:
    """Return what a condition is on this Python and platform, None when that cannot be told."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = decide_test(test.operand, values)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        decided = [decide_test(value, values) for value in test.values]
        stop = isinstance(test.op, ast.Or)
        if stop in decided:
            return stop
        return None if None in decided else not stop
    if isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING":
        return False
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
        value = find_known_value(test.func.value, values)
        if isinstance(value, str) and test.args and isinstance(test.args[0], ast.Constant):
            return value.startswith(str(test.args[0].value))
        return None
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "hasattr":
        if values is None or len(test.args) != 2 or not isinstance(test.args[1], ast.Constant):
            return None
        return values.has_attribute(ast.unparse(test.args[0]), str(test.args[1].value))
    known = find_known_value(test, values)
    return None if known is None else bool(known)


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, two: one in two,
    ast.NotIn: lambda one, two: one not in two,
}
_FACTS: dict[tuple[str, str], object] = {
    ("sys", "version_info"): tuple(sys.version_info),
    ("sys", "platform"): sys.platform,
    ("sys", "maxsize"): sys.maxsize,
    ("sys", "byteorder"): sys.byteorder,
    ("os", "name"): os.name,
}


def find_known_value(node: ast.expr, values: Known | None = None) -> Any:
    """Return the value of a literal or of a fact about this Python, None when it cannot be told."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        always = {"TYPE_CHECKING": False, "__debug__": True, "__name__": "the module's own name"}
        return {**always, **(values.values if values else {})}.get(node.id)
    if isinstance(node, ast.Tuple):
        items = [find_known_value(item, values) for item in node.elts]
        return None if None in items else tuple(items)
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and (node.value.id, node.attr) in _FACTS:
            return _FACTS[node.value.id, node.attr]
        if node.attr in ("major", "minor"):
            inner = find_known_value(node.value, values)
            return inner[0 if node.attr == "major" else 1] if isinstance(inner, tuple) else None
        return None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "tuple"
        and node.args
    ):
        inner = find_known_value(node.args[0], values)
        return inner if isinstance(inner, tuple) else None
    try:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            one, two = find_known_value(node.left, values), find_known_value(node.comparators[0], values)
            compare = _COMPARISONS.get(type(node.ops[0]))
            return None if one is None or two is None or compare is None else compare(one, two)
        if isinstance(node, ast.Subscript):
            inner = find_known_value(node.value, values)
            if isinstance(inner, tuple | str):
                return inner[_slice_of(node.slice)]
    except (TypeError, IndexError, ValueError):
        return None
    return None


def _slice_of(node: ast.expr) -> Any:
    """Return a literal subscript as an int or a slice; raises ValueError for another."""
    if isinstance(node, ast.Slice):
        return slice(
            *(
                None if part is None else ast.literal_eval(part)
                for part in (node.lower, node.upper, node.step)
            )
        )
    return ast.literal_eval(node)
