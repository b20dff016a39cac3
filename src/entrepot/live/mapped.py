"""Classes that a library has made a model of for good: Django's models, and classes that SQLAlchemy has mapped.

Their fields became tables, relations and instrumented attributes when the class was made, and cannot be made again: edits of
them are refused. Methods and properties follow. Imports nothing: without the library in the process there is nothing to do.
"""

from __future__ import annotations

import sys

from entrepot.live import django

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrepot.live.staging import Stage
    from entrepot.live.undo import UndoLog


def owner_of(value: object) -> str:
    """Return the library that has made a model of a class, or ''."""
    if django.is_model(value):
        return "Django"
    if isinstance(value, type) and "sqlalchemy.orm" in sys.modules and "__mapper__" in value.__dict__:
        return "SQLAlchemy"
    return ""


def note_new(made: object, undo: UndoLog) -> None:
    """A class was made that was not there before: if the update fails, its table must not stand in the way of the next one."""
    table = getattr(made, "__table__", None)
    if table is not None and owner_of(made) == "SQLAlchemy":
        undo.add(f"table of {made.__qualname__}", table.metadata.remove, table)  # type: ignore[attr-defined]


def find_refusal(stages: Iterable[Stage]) -> tuple[Stage, int, str] | None:
    """Return the first staged change that such a library would not see: the stage, a line, and why."""
    for stage in stages:
        for unit in stage.difference.removed:
            owner = owner_of(stage.before.get(unit.name)) if unit.kind == "class" else ""
            if owner:
                return (
                    stage,
                    1,
                    f"the model {unit.name} is gone, but {owner} goes on using it; restart the program",
                )
    return django.find_refusal(stages)
