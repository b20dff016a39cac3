"""Which values are plain data: what may be made again, and when two of them are the same."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, deque
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALWAYS = (int, float, complex, str, bytes, bool, type(None), range, type(...))
# Immutable types of modules that the program may not have loaded; then it has no such values either.
_ELSEWHERE = (
    ("decimal", "Decimal"), ("fractions", "Fraction"), ("datetime", "date"), ("datetime", "time"), ("datetime", "timedelta"),
    ("datetime", "tzinfo"), ("re", "Pattern"), ("pathlib", "PurePath"), ("enum", "Enum"), ("uuid", "UUID"),
)  # fmt: skip
MUTABLE = (list, dict, set, bytearray, deque, defaultdict, OrderedDict)


def peek(value: Any, name: str, default: Any = None) -> Any:
    """Return an attribute, or the default where the object does not give it: a proxy may raise whatever it likes."""
    try:
        return getattr(value, name, default)
    except Exception:
        return default


def immutable_types() -> tuple[type, ...]:
    """Return the types whose values are immutable data."""
    found = [getattr(sys.modules[m], name, None) for m, name in _ELSEWHERE if m in sys.modules]
    return (*_ALWAYS, *(kind for kind in found if isinstance(kind, type)))


def is_immutable(value: object) -> bool:
    """Whether a value is immutable data by its type."""
    if isinstance(value, _ALWAYS):
        return True
    return isinstance(value, immutable_types())


def is_data(value: object, depth: int = 0, *, things: bool = False) -> bool:
    """Whether a value is immutable data, or a plain container of data: something that was computed, not a thing with a life.

    With `things`, classes and functions of modules count as data: tables name them."""
    if is_immutable(value):
        return True
    if things and (isinstance(value, type) or (callable(value) and _is_named(value))):
        return True
    if depth > 6:
        return False
    if isinstance(value, tuple | frozenset):
        return all(is_data(item, depth + 1, things=things) for item in value)
    if type(value) in MUTABLE:
        items: Any = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return all(is_data(item, depth + 1, things=things) for item in items)
    parameters = getattr(type(value), "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        return all(is_data(item, depth + 1) for item in getattr(value, "__dict__", {}).values())
    return False


def _is_named(value: object) -> bool:
    """Whether a callable is found under its own name in its own module."""
    if type(value) is FunctionType and value.__closure__ is None:
        return True
    try:
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        return module is not None and getattr(module, getattr(value, "__qualname__", ""), None) is value
    except Exception:
        return False


def is_same(before: Any, after: Any, depth: int = 0) -> bool:
    """Whether two values are equal all through, as plain data: then the old one stays."""
    if before is after:
        return True
    if type(before) is not type(after) or depth > 20:
        return False
    try:
        if type(before) in (float, complex):
            return repr(before) == repr(after)
        if isinstance(before, tuple | list | deque):
            return len(before) == len(after) and all(
                is_same(a, b, depth + 1) for a, b in zip(before, after, strict=True)
            )
        if type(before) in (dict, OrderedDict, defaultdict):
            return list(before) == list(after) and all(
                is_same(before[k], after[k], depth + 1) for k in before
            )
        if type(before) in (set, frozenset, bytearray):
            return bool(before == after)
        if is_immutable(before) and not hasattr(before, "__objclass__"):  # an enum's members are themselves
            return bool(before == after)
        parameters = getattr(type(before), "__dataclass_params__", None)
        if parameters is not None and parameters.frozen and parameters.eq:
            return bool(before == after)
    except Exception:
        return False
    return False


def snapshot(value: object, depth: int = 0) -> object:
    """A copy of plain containers, deep enough to tell later whether somebody changed them."""
    if depth > 4:
        return value
    if isinstance(value, dict):
        return {key: snapshot(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | deque):
        return [snapshot(item, depth + 1) for item in value]
    if isinstance(value, set):
        return set(value)
    return value


def is_untouched(value: object, copy: object, depth: int = 0) -> bool:
    """Whether a container still has the content of its snapshot."""
    if isinstance(value, dict) and isinstance(copy, dict):
        return len(value) == len(copy) and all(
            k in copy and is_untouched(v, copy[k], depth + 1) for k, v in value.items()
        )
    if isinstance(value, list | deque) and isinstance(copy, list):
        return len(value) == len(copy) and all(
            is_untouched(a, b, depth + 1) for a, b in zip(value, copy, strict=True)
        )
    if isinstance(value, set):
        return value == copy
    return value is copy or is_same(value, copy)
