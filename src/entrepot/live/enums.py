"""Enums changed in place: the old members stay members, with their identity."""

from __future__ import annotations

import types
from types import FunctionType

from entrepot.live.class_parts import MADE_BY_TYPE, REMEMBERED, retarget_cells
from entrepot.live.functions import adopt
from entrepot.live.undo import UndoLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def pour_enum(living: Any, made: Any, undo: UndoLog) -> None:
    """Make a living enum into one made afresh: its members stay where name and payload allow, new ones move over."""
    old_members = dict(living._member_map_)
    tables = {
        t: (living.__dict__[t], _copy(living.__dict__[t]))
        for t in ("_member_map_", "_value2member_map_", "_member_names_")
    }
    for table, content in tables.values():
        undo.add("members", _refill, table, content)
    members: dict[str, Any] = {}
    by_new: dict[int, Any] = {}
    for name, member in made._member_map_.items():
        canonical = by_new.get(id(member))
        old = old_members.get(name)
        if canonical is not None:
            members[name] = canonical
            continue
        if old is not None and _same_payload(old, member):
            for attribute in ("_value_", "_sort_order_", "_name_"):
                if attribute in member.__dict__:
                    undo.add("a member", old.__dict__.__setitem__, attribute, old.__dict__.get(attribute))
                    old.__dict__[attribute] = member.__dict__[attribute]
            for attribute, value in member.__dict__.items():
                if not attribute.startswith("_") and old.__dict__.get(attribute) is not value:
                    undo.add("a member", old.__dict__.__setitem__, attribute, old.__dict__.get(attribute))
                    old.__dict__[attribute] = value
            if old.__dict__.get("__objclass__") is not None:
                old.__dict__["__objclass__"] = living
            members[name] = by_new[id(member)] = old
        else:
            object.__setattr__(member, "__class__", living)
            member.__dict__["__objclass__"] = living
            members[name] = by_new[id(member)] = member
    for name in list(living.__dict__):
        if name not in made.__dict__ and name not in MADE_BY_TYPE and name not in REMEMBERED:
            type.__delattr__(living, name)
    for name, value in list(made.__dict__.items()):
        if name in MADE_BY_TYPE or name in tables:
            continue
        if name in members and not isinstance(value, property | types.DynamicClassAttribute):
            value = members[name]
        elif (
            type(value) is FunctionType
            and type(living.__dict__.get(name)) is FunctionType
            and value.__module__ == living.__module__
        ):
            retarget_cells(value, made, living, undo)
            adopt(living.__dict__[name], value, undo)
            continue
        elif hasattr(value, "member") and name in members:  # enum.property with its member, from 3.12
            value.member = members[name]
            value.clsname = living.__name__
        try:
            type.__setattr__(living, name, value)
        except (AttributeError, TypeError):
            continue
    _refill(living._member_map_, members)
    _refill(living._member_names_, made._member_names_)
    _refill(
        living._value2member_map_,
        {value: by_new[id(m)] for value, m in made._value2member_map_.items() if id(m) in by_new},
    )


def _copy(table: Any) -> Any:
    return dict(table) if isinstance(table, dict) else list(table)


def _refill(table: Any, content: Any) -> None:
    content = _copy(content)
    table.clear()
    if isinstance(table, dict):
        table.update(content)
    else:
        table.extend(content)


def _same_payload(old: Any, new: Any) -> bool:
    """Whether an old member can become the new one: its int or str part, which is fixed, must agree."""
    kinds: tuple[Any, ...] = (int, str, float, bytes, tuple)
    for kind in kinds:
        if isinstance(old, kind) or isinstance(new, kind):
            return isinstance(old, kind) and isinstance(new, kind) and bool(kind.__eq__(old, new))
    return True
