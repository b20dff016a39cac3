"""Something that an unchanged statement reads changed: is it run again, or only told on?

What reads a changed value runs. Where only the behaviour of a function or the shape of a class changed, a statement runs
if what it made is plain data that nobody has touched since, if a decorator or base that it names has its say then, or not
at all: then the change is told on to those who read its names.
"""

from __future__ import annotations

import ast
from types import FunctionType

from entrepot.live.class_text import body_statements, find_class_nodes, heads_read, names_read
from entrepot.live.codes import walk_codes
from entrepot.live.diff import RUN, SAME, SIGNATURE, Step
from entrepot.live.facts import BEHAVIOUR, SHAPE, Fact, Reason
from entrepot.live.functions import caches_around, innermost, keeps_only_data
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit
from entrepot.live.values import MUTABLE, is_data, is_untouched, peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()
# Where decorators come from that do the same whatever the parameters are, and names by which others look at them.
_BLIND = {"functools", "contextlib", "builtins", "abc", "atexit", "types", "typing", "_functools"}
_LOOKING = {
    "__annotations__", "__defaults__", "__kwdefaults__", "__code__", "signature", "getfullargspec",
    "get_type_hints", "get_annotations", "inspect",
}  # fmt: skip
# Methods that have their say when a class is made: of a base, a metaclass or a descriptor.
_CLASS_MAKING = {"__init_subclass__", "__new__", "__init__", "__prepare__", "__set_name__"}


class Following:
    """Decides for unchanged statements."""

    def __init__(self, update: Update) -> None:
        self._update = update

    def follow(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """Something that an unchanged statement reads changed: run it, or tell what it means for its names."""
        unit = step.unit
        values = [r for r in reasons if r.is_value]
        action = SAME
        if values:
            action = RUN
            if unit.kind == "def" and (not unit.is_decorated or not in_header(unit, values)):
                action = SIGNATURE
        elif unit.kind == "def":
            if unit.is_decorated and any(r.fact.at_call and in_header(unit, [r]) for r in reasons):
                action = RUN
            elif any(r.fact.at_call for r in reasons) and self._has_data_defaults(stage, unit):
                action = SIGNATURE
        elif unit.kind == "class":
            action = self._follow_class(stage, unit, reasons)
        elif unit.kind in ("assign", "other"):
            action = self._follow_statement(stage, unit, reasons)
        if action == RUN:
            self._update.running.run(stage, step, reasons)
        elif action == SIGNATURE:
            self._update.running.take_signature(stage, step, reasons)
        else:
            for name in unit.binds:
                value = stage.staged.get(name)
                if value is not None and not is_data(value):
                    for cache in caches_around(value):
                        self._update.session.caches_to_clear.append(cache)
                    if unit.kind != "import" or any(
                        self._update.facts.object_of(r.fact) is value for r in reasons
                    ):
                        self._update.facts.add(
                            Fact(
                                stage.record.name,
                                name,
                                BEHAVIOUR,
                                at_call=any(r.fact.at_call for r in reasons),
                            ),
                            value,
                        )

    def should_run_late(self, stage: Stage, unit: Unit) -> bool:
        """Whether an edit has moved what a statement reaches below it, and making it again would lose nothing."""
        if repr(unit.mark) not in stage.became_late:
            return False
        made = [stage.staged[name] for name in unit.binds if name in stage.staged]
        return unit.kind == "class" or all(self._is_remakable(stage, value) for value in made)

    def looks_at_parameters(self, stage: Stage, unit: Unit) -> bool:
        """Whether a decorator of a function may make something of its parameters: it belongs to somebody else, or says so."""
        for node in getattr(unit.tree.body[0], "decorator_list", ()):
            called = node.func if isinstance(node, ast.Call) else node
            names = [n.id for n in ast.walk(called) if isinstance(n, ast.Name)]
            value: Any = stage.staged.get(names[0]) if names else None
            for part in ast.unparse(called).split(".")[1:]:
                value = peek(value, "__dict__", {}).get(part)
            module = peek(value, "__module__") or ""
            if getattr(called, "attr", "") == "register":
                return True  # a generic function, which goes by the annotation
            if module.partition(".")[0] in _BLIND or value is None:
                continue
            if module not in self._update.records:
                return True
            code = getattr(innermost(value), "__code__", None)
            codes = [c for c in (code, *(walk_codes(code) if code else ())) if c is not None]
            if isinstance(value, type) or any(not _LOOKING.isdisjoint(c.co_names) for c in codes):
                return True
        return False

    def _has_data_defaults(self, stage: Stage, unit: Unit) -> bool:
        """Whether a function's defaults are values that were computed, so that they can be computed again."""
        made = innermost(stage.staged.get(unit.name))
        defaults = [*(getattr(made, "__defaults__", None) or ())]
        defaults += (getattr(made, "__kwdefaults__", None) or {}).values()
        return bool(defaults) and all(is_data(value) for value in defaults)

    def _follow_class(self, stage: Stage, unit: Unit, reasons: list[Reason]) -> str:
        living = stage.staged.get(unit.name)
        for reason in reasons:
            if self._makes_classes(stage, reason):
                if isinstance(living, type):  # and of what is derived from this one
                    making = reason.fact.attributes & _CLASS_MAKING
                    self._update.facts.add(Fact(stage.record.name, unit.name, SHAPE, set(making)), living)
                return RUN
            if reason.fact.attributes == {"__subclasses__"}:
                continue
            if reason.fact.kind == SHAPE and (unit.is_decorated or not _is_simple(living)):
                return RUN
            if unit.is_decorated and reason.fact.at_call and in_header(unit, [reason]):
                return RUN
            if reason.fact.at_call and any(
                reason.chain[0] in names_read(text)
                for node in find_class_nodes(unit.tree, unit.name)
                for texts in body_statements(node).values()
                for text in texts
                if text.startswith(("Assign", "AnnAssign"))
            ):
                return RUN
            if reason.fact.at_call and any(
                reason.chain[0] in heads_read(node) for node in find_class_nodes(unit.tree, unit.name)
            ):
                return RUN
        return SAME

    def _makes_classes(self, stage: Stage, reason: Reason) -> bool:
        """Whether what changed had its say when a class that names it in its head was made."""
        if reason.fact.kind not in (BEHAVIOUR, SHAPE) or not reason.fact.attributes & _CLASS_MAKING:
            return False
        value: Any = stage.staged.get(reason.chain[0])
        for part in reason.chain[1:]:
            value = peek(value, "__dict__", {}).get(part)
        if not isinstance(value, type):
            return "__set_name__" in reason.fact.attributes
        return issubclass(value, type) or bool(reason.fact.attributes & {"__init_subclass__", "__set_name__"})

    def _follow_statement(self, stage: Stage, unit: Unit, reasons: list[Reason]) -> str:
        """The code behind a statement's value changed: make it again if it is plain data that nobody has touched."""
        values = [stage.staged[name] for name in unit.binds if name in stage.staged]
        if (
            values
            and all(self._is_remakable(stage, value) for value in values)
            and (unit.kind == "assign" or not unit.has_effects or not self._has_bare_call(unit))
        ):
            return RUN
        if not values and unit.has_effects:
            made = [(n.get(name)) for n, name in self._update.outside.globals_set_by(stage, unit)]
            if made and all(self._is_remakable(stage, value) for value in made):
                return RUN  # it has made nothing but data that a function keeps in globals
        entries = [
            e
            for e in self._update.effects.entries_of(stage, unit)
            if all(e.container is not v for v in values)
        ]
        filled = {id(e.container) for e in entries}
        if all(r.fact.is_content and id(self._update.facts.object_of(r.fact)) in filled for r in reasons):
            return SAME  # others filled what it fills too: its own entries are as they were
        if entries and not values and all(is_data(e.value) and e.is_live() for e in entries):
            return RUN
        if entries and all(is_data(e.value) for e in entries) and all(is_data(v) for v in values):
            return RUN
        return SAME

    def _has_bare_call(self, unit: Unit) -> bool:
        return any(isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) for n in ast.walk(unit.tree))

    def _is_remakable(self, stage: Stage, value: Any) -> bool:
        if type(value) is FunctionType:
            key = (value.__code__.co_qualname, value.__code__.co_firstlineno)
            return any(key in s.unpatched for s in self._update.stages.values()) or keeps_only_data(value)
        if isinstance(value, dict | list | tuple) and value and self._holds_unpatched(value):
            return True
        if not is_data(value) and not (
            isinstance(value, dict | list | tuple) and is_data(value, things=True)
        ):
            return False
        copy = self._update.session.data_copies.get(id(value))
        if copy is not None:
            return is_untouched(value, copy[1])
        return not isinstance(value, MUTABLE) or self._update.containers.is_as_made(value)

    def _holds_unpatched(self, value: Any) -> bool:
        items = value.values() if isinstance(value, dict) else value
        return any(
            type(item) is FunctionType
            and any(
                (item.__code__.co_qualname, item.__code__.co_firstlineno) in s.unpatched
                for s in self._update.stages.values()
            )
            for item in items
        )


def in_header(unit: Unit, reasons: list[Reason]) -> bool:
    """Whether a decorator of a statement names one of the reasons."""
    return any(f"Name(id='{reason.chain[0]}'" in unit.header for reason in reasons)


def _is_simple(living: object) -> bool:
    return type(living) is type
