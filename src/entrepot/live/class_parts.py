"""Parts of class objects: what belongs to their layout, what they remember, where they are referred to."""

from __future__ import annotations

import abc
import gc
import sys
from collections import deque
from collections.abc import Iterable
from types import FunctionType

from entrepot.live.functions import innermost
from entrepot.live.undo import UndoLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MISSING = object()
# Made by the interpreter for each class; not part of what a body says.
MADE_BY_TYPE = {"__dict__", "__weakref__"}
QUIET = {"__firstlineno__", "__static_attributes__", "__module__", "__qualname__"}
# What an in-place class remembers that no body gives.
REMEMBERED = {
    "__abstractmethods__",
    "_abc_impl",
    "__subclasshook__",
    "_abc_registry",
    "__parameters__",
    "__orig_bases__",
}


def restore_class(living: type, before: dict[str, Any]) -> None:
    for key in list(living.__dict__):
        if key not in before:
            type.__delattr__(living, key)
    for key, value in before.items():
        if key not in MADE_BY_TYPE and living.__dict__.get(key, _MISSING) is not value:
            try:
                type.__setattr__(living, key, value)
            except (AttributeError, TypeError):
                continue
    reorder(living, before)


def reorder(living: type, wanted: Iterable[str]) -> None:
    """Put a class's attributes into the order of its body, which forms, fields and the like are made from."""
    names: dict[str, Any] = gc.get_referents(living.__dict__)[0]
    first = [name for name in wanted if name in names]
    chosen = set(first)
    if first == [name for name in names if name in chosen]:
        return
    order = first + [name for name in names if name not in chosen]
    # In one call of C code, so that no other thread sees the class without one of its attributes.
    deque(map(names.__setitem__, order, map(names.pop, order)), maxlen=0)
    if "__doc__" in names:  # any attribute but `__module__`, with which 3.13 forgets the line
        type.__setattr__(
            living, "__doc__", names["__doc__"]
        )  # the interpreter's caches of this class are void


def is_plain_meta(meta: type) -> bool:
    """Whether a metaclass makes classes as `type` does, so that a body can be poured in by itself."""
    for cls in meta.__mro__:
        if cls is type or cls is object or cls is abc.ABCMeta:
            continue
        if cls.__module__ == "typing":
            continue
        if "__new__" in cls.__dict__ or "__call__" in cls.__dict__ or "__prepare__" in cls.__dict__:
            return False
    return meta.__module__ != "typing" or meta.__name__ == "_ProtocolMeta"


def wants_slots(living: type) -> bool:
    return "__slots__" in living.__dict__


def same_slots_hint(body: FunctionType, living: type) -> bool:
    return ("__slots__" in body.__code__.co_names) == ("__slots__" in living.__dict__)


def describe_layout(cls: type) -> str:
    if cls.__dictoffset__:
        return "attributes in a dictionary"
    slots = [
        k
        for c in reversed(cls.__mro__)
        for k, v in c.__dict__.items()
        if type(v).__name__ == "member_descriptor"
    ]
    return f"slots {', '.join(slots) or '(none)'}"


def same_layout(a: type, b: type) -> bool:
    def members(cls: type) -> list[str]:
        return sorted(k for k, v in cls.__dict__.items() if type(v).__name__ == "member_descriptor")

    return (
        a.__basicsize__ == b.__basicsize__
        and a.__itemsize__ == b.__itemsize__
        and members(a) == members(b)
        and a.__dictoffset__ == b.__dictoffset__
        and a.__weakrefoffset__ == b.__weakrefoffset__
    )


def find_instances(cls: type) -> list[Any]:
    """Return the living direct instances of a class (those that the garbage collector knows)."""
    return [item for item in gc.get_referrers(cls) if type(item) is cls]


def all_subclasses(cls: type) -> list[type]:
    found: list[type] = []
    stack: list[type] = type.__subclasses__(cls)
    while stack:
        sub = stack.pop()
        if sub not in found:
            found.append(sub)
            stack += type.__subclasses__(sub)
    return found


def retarget_cells(value: object, made: type, living: type, undo: UndoLog) -> None:
    """`__class__` cells of methods made for a throw-away class must hold the living one."""
    del undo  # the cells belong to objects that nobody has yet
    parts = [value, innermost(value)]
    parts += (
        [getattr(value, name, None) for name in ("fget", "fset", "fdel")]
        if isinstance(value, property)
        else []
    )
    for part in parts:
        for cell in getattr(part, "__closure__", None) or ():
            try:
                if cell.cell_contents is made:
                    cell.cell_contents = living
            except ValueError:
                continue


class _Nobody:
    """The parent of classes that were only made to be poured into another."""


def leave_subclasses(made: type) -> None:
    """Take a throw-away class out of its bases' `__subclasses__()`."""
    try:
        made.__bases__ = (_Nobody,)
    except TypeError:
        gc.collect() if sys.getrefcount(made) < 8 else None
