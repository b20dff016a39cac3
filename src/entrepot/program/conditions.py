"""When does an import statement run? Judge the tests and blocks that it stands in.

The tests that a program makes about its interpreter (`sys.version_info >= (3, 12)`,
`sys.platform == "win32"`, `os.name`, `TYPE_CHECKING`, `__name__ == "__main__"`, constants and
their combinations) are evaluated for a target; every other test may go either way.

`when` is one of

    eager        as the module is imported
    guarded      so, but in the body of a `try` that has handlers, or under `contextlib.suppress`
    conditional  perhaps: under if/else, match, except, a loop
    lazy         later: in a function, or a `lazy` import (PEP 810)
    main         only where the module is the program: under `if __name__ == "__main__"`
    typing       never: under `if TYPE_CHECKING`
    never        never for this target: a version or platform test says no

An import inside several blocks takes the first that applies of typing, never, lazy, main,
guarded, conditional.
"""

from __future__ import annotations

import ast
import os
import sys
from functools import lru_cache
from typing import Any, NamedTuple

EAGER = "eager"
GUARDED = "guarded"
CONDITIONAL = "conditional"
LAZY = "lazy"
MAIN = "main"
TYPING = "typing"
NEVER = "never"
WHENS = (EAGER, GUARDED, CONDITIONAL, LAZY, MAIN, TYPING, NEVER)
# Happens, or may happen, while the importing module is itself being imported.
AT_IMPORT = frozenset({EAGER, GUARDED, CONDITIONAL})
# Happens, or may happen, in some run.
AT_RUN = frozenset({EAGER, GUARDED, CONDITIONAL, LAZY, MAIN})

_PRIORITY = {TYPING: 6, NEVER: 5, LAZY: 4, MAIN: 3, GUARDED: 2, CONDITIONAL: 1, EAGER: 0}


class Target(NamedTuple):
    """The interpreter for which tests are judged: version (major, minor), `sys.platform`, `os.name`."""

    version: tuple[int, int] = sys.version_info[:2]
    platform: str = sys.platform
    os_name: str = os.name


class Verdict(NamedTuple):
    """What a test comes to: True, False or None (either way), and whether it asks for typing or main."""

    value: bool | None
    is_typing: bool = False
    is_main: bool = False


UNKNOWN = Verdict(None)
ALWAYS = Verdict(True)


class _UnknownError(Exception):
    """The value of an expression depends on more than the target."""


def join_whens(outer: str, inner: str) -> str:
    """Return when an import in two nested blocks runs."""
    return outer if _PRIORITY[outer] >= _PRIORITY[inner] else inner


def judge_branch(earlier: list[Verdict], own: Verdict) -> str:
    """Return when one branch of an if/elif/else chain runs, given the tests above it."""
    for verdict in earlier:
        if verdict.value is True:
            return TYPING if verdict.is_typing else NEVER
    if own.value is False:
        return TYPING if own.is_typing else NEVER
    if own.is_main:
        return MAIN
    if any(verdict.value is None and not verdict.is_main for verdict in earlier) or own.value is None:
        return CONDITIONAL
    return EAGER


@lru_cache(4096)
def judge_text(text: str, target: Target) -> Verdict:
    """Judge a test given as source text; what does not parse is unknown."""
    try:
        return judge(ast.parse(text.strip(), mode="eval").body, target)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNKNOWN


def judge(test: ast.expr, target: Target) -> Verdict:
    """Judge the test of an `if` for a target."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = judge(test.operand, target)
        if inner.is_main:  # `!= "__main__"` in other words: runs where the module is imported
            return ALWAYS
        return Verdict(None if inner.value is None else not inner.value, inner.is_typing)
    if isinstance(test, ast.BoolOp):
        parts = [judge(value, target) for value in test.values]
        typing = any(part.is_typing for part in parts)
        decisive = isinstance(test.op, ast.Or)
        for part in parts:
            if part.value is decisive:
                return Verdict(decisive, part.is_typing)
        if not decisive and any(part.is_main for part in parts):
            return Verdict(None, typing, True)
        if all(part.value is (not decisive) for part in parts):
            return Verdict(not decisive, typing)
        return UNKNOWN
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    if name == "TYPE_CHECKING":
        return Verdict(False, True)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        sides = [test.left, test.comparators[0]]
        if any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides) and any(
            _is_main(side) for side in sides
        ):
            return Verdict(None, False, True) if isinstance(test.ops[0], (ast.Eq, ast.In)) else ALWAYS
    try:
        return Verdict(bool(_evaluate(test, target)))
    except (_UnknownError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return UNKNOWN


def _is_main(node: ast.expr) -> bool:
    """Is it "__main__", or are they that and "__mp_main__", its name in a process of `multiprocessing`?"""
    names = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    values = [name.value if isinstance(name, ast.Constant) else None for name in names]
    return "__main__" in values and {"__main__", "__mp_main__"}.issuperset(values)


def _evaluate(node: ast.expr, target: Target) -> object:
    """Evaluate what depends on the target alone. Raises _UnknownError for all else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_evaluate(item, target) for item in node.elts)
    if isinstance(node, ast.Attribute):
        return _evaluate_attribute(node, target)
    if isinstance(node, ast.Subscript):
        value = _evaluate(node.value, target)
        if isinstance(node.slice, ast.Slice):
            low, high = node.slice.lower, node.slice.upper
            if node.slice.step is None and isinstance(value, (tuple, str)):
                ends = [_evaluate(end, target) if end else None for end in (low, high)]
                if not all(end is None or isinstance(end, int) for end in ends):
                    raise _UnknownError
                cut: slice[Any, Any, Any] = slice(*ends)
                if len(value[cut]) > 2 and isinstance(value, tuple):
                    raise _UnknownError  # the micro version is not part of a target
                return value[cut]
            raise _UnknownError
        index = _evaluate(node.slice, target)
        if isinstance(value, tuple) and isinstance(index, int) and 0 <= index < 2:
            return value[index]
        raise _UnknownError
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = _evaluate(node.left, target), _evaluate(node.comparators[0], target)
        for one, other in ((left, right), (right, left)):
            is_version = one == (*target.version, sys.maxsize)
            if is_version and isinstance(other, tuple) and len(other) > 2 and other[:2] == target.version:
                raise _UnknownError  # the micro version is not part of a target
        return _compare(left, node.ops[0], right)
    if isinstance(node, ast.Call) and not node.keywords:
        return _evaluate_call(node, target)
    raise _UnknownError


def _evaluate_attribute(node: ast.Attribute, target: Target) -> object:
    if isinstance(node.value, ast.Name):
        match node.value.id, node.attr:
            case "sys", "version_info":
                return (*target.version, sys.maxsize)
            case "sys", "platform":
                return target.platform
            case "sys", "maxsize":
                return 2**63 - 1
            case "os", "name":
                return target.os_name
    elif isinstance(node.value, ast.Attribute):
        if node.attr == "name" and node.value.attr == "implementation":
            return "cpython"
        inner = _evaluate_attribute(node.value, target)
        if isinstance(inner, tuple) and node.attr in ("major", "minor"):
            return inner[0 if node.attr == "major" else 1]
    raise _UnknownError


def _evaluate_call(node: ast.Call, target: Target) -> object:
    function = node.func
    if not isinstance(function, ast.Attribute):
        raise _UnknownError
    if function.attr == "startswith" and len(node.args) == 1:
        text, start = _evaluate(function.value, target), _evaluate(node.args[0], target)
        if isinstance(text, str) and isinstance(start, (str, tuple)):
            return text.startswith(start)
    if isinstance(function.value, ast.Name) and function.value.id == "platform" and not node.args:
        if function.attr == "system":
            systems = {"linux": "Linux", "win32": "Windows", "darwin": "Darwin"}
            return systems[target.platform]
        if function.attr == "python_implementation":
            return "CPython"
    raise _UnknownError


def _compare(left: object, operator: ast.cmpop, right: object) -> object:
    match operator:
        case ast.Eq():
            return left == right
        case ast.NotEq():
            return left != right
        case ast.In():
            return left in right  # type: ignore[operator]
        case ast.NotIn():
            return left not in right  # type: ignore[operator]
        case ast.Lt():
            return left < right  # type: ignore[operator]
        case ast.LtE():
            return left <= right  # type: ignore[operator]
        case ast.Gt():
            return left > right  # type: ignore[operator]
        case ast.GtE():
            return left >= right  # type: ignore[operator]
    raise _UnknownError
