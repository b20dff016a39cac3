"""A class statement runs in an update: which living class it fills, and which attributes stay as they are."""

from __future__ import annotations

from types import FunctionType

from entrepot.live import mapped
from entrepot.live.class_parts import find_instances, leave_subclasses
from entrepot.live.class_text import (
    begins_at,
    body_statements,
    find_class_nodes,
    names_bound,
    names_read,
    plain_methods,
    same_head,
)
from entrepot.live.classes import CannotChange
from entrepot.live.diff import Step
from entrepot.live.facts import BEHAVIOUR, SHAPE, Fact, Reason, methods_using
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()


class ClassStatements:
    """The class statements of one update."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self._old: Unit | None = None  # the older version of the statement that runs
        self._affected: set[str] = set()  # names that it reads and that changed

    def begin(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """Note for the classes of this statement which attributes have an unchanged initialiser."""
        self._old = step.old
        self._affected = {r.chain[0] for r in reasons}

    def build(
        self, real: Any, body: FunctionType, name: str, bases: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """A class statement runs: fill the living class if this is its statement."""
        if self._update.current is None or body.__globals__ is not self._update.current[0].staged:
            return real(body, name, *bases, **keywords)
        stage, unit = self._update.current
        qualname = body.__code__.co_qualname
        living = find_class(stage.record.namespace, stage.record.name, qualname)
        if living is None or unit is None or "<locals>" in qualname:
            made = real(body, name, *bases, **keywords)
            mapped.note_new(made, self._update.undo)
            return made
        line = body.__code__.co_firstlineno
        node = next((n for n in find_class_nodes(unit.tree, qualname) if begins_at(n, line)), None)
        if node is None:  # made by code that is not this statement's text
            return real(body, name, *bases, **keywords)
        new = body_statements(node)
        nodes = find_class_nodes(self._old.tree, qualname) if self._old is not None else []
        # Where branches define the class, nobody knows which one made it: then nothing of it is taken for unchanged.
        old = body_statements(nodes[0]) if len(nodes) == 1 else {}
        values = {a for a, texts in new.items() if texts[0].startswith(("Assign", "AnnAssign"))}
        renewed = {
            a
            for a, texts in new.items()
            if (old.get(a) != texts and (a in values or a not in old))
            or any(names_read(text) & self._affected for text in texts if a in values)
        }
        while derived := {
            a for a in values - renewed if any(names_read(text) & renewed for text in new[a])
        }:  # computed from an attribute that is not as it was
            renewed |= derived
        unchanged = values - renewed
        if "__eq__" in new and isinstance(living.__dict__.get("__hash__"), FunctionType):
            unchanged.discard("__hash__")
        known = {a for node in nodes for a in names_bound(node)} if nodes else set(new)
        if self._old is not None and self._old.header != unit.header:
            known |= living.__dict__.keys()  # what the old decorators added goes with them
        if "Enum" not in type(living).__name__:
            self._update.merger.body_names[id(living)] = known
            if type(living) is type and not (unit.header or (self._old is not None and self._old.header)):
                self._update.merger.is_plain.add(id(living))
        fields_changed = {k for k in old if old[k] != new.get(k)} | (new.keys() - old.keys())
        if owner := mapped.owner_of(living):
            is_known = len(nodes) == 1 and same_head(nodes[0], node)
            methods = plain_methods(node) | (plain_methods(nodes[0]) if is_known else set())
            methods -= {a for n in (node, *nodes) for a in names_bound(n) - plain_methods(n)}
            if not is_known or not fields_changed <= methods or renewed - methods:
                raise CannotChange(
                    f"class {qualname}: {owner} has made its model of the attributes; restart the program"
                )
            return self._update.merger.take_methods(real, living, fields_changed, body, name, bases, keywords)
        result = self._update.merger.build(
            real,
            living,
            {u for u in unchanged if not self._is_factory_made(living, u)},
            body,
            name,
            bases,
            keywords,
        )
        if fields_changed:
            self._update.merger.changed.setdefault(id(living), set()).update(
                k for k in fields_changed if not callable(living.__dict__.get(k))
            )
        return result

    def note_family(self, cls: type, *, is_gone: bool = False) -> None:
        """A class came or went: who asks its bases for their subclasses gets another answer."""
        update, wanted = self._update, "__subclasses__"
        users = {(m, d) for m, d in update.session.index.deferred(wanted) if m in update.records}
        bases = [base for base in cls.__mro__[1:] if base.__module__ in update.records]
        if not bases or not (users or update.session.index.loads(wanted)):
            return
        if is_gone and not find_instances(cls) and not cls.__subclasses__():
            update.undo.add(f"bases of {cls.__qualname__}", setattr, cls, "__bases__", cls.__bases__)
            leave_subclasses(cls)
        for base in bases:
            fact = Fact(base.__module__, base.__qualname__.partition(".")[0], SHAPE, {wanted})
            update.facts.add(fact, base)
        for module, definition in users:
            value = update.facts.namespace(module).get(definition)
            if definition and value is not None:
                methods = methods_using(value, wanted) if isinstance(value, type) else set()
                update.facts.add(Fact(module, definition, BEHAVIOUR, methods, at_call=True), value)

    def _is_factory_made(self, living: type, attribute: str) -> bool:
        """A dataclass's field, an enum's member: made from the initialiser by others, so never kept as state."""
        fields = living.__dict__.get("__dataclass_fields__", {})
        return attribute in fields and "ClassVar" not in str(getattr(fields[attribute], "type", ""))


def find_class(namespace: dict[str, Any], module: str, qualname: str) -> type | None:
    """Return the living class that a class statement made, by its qualified name."""
    head, *rest = qualname.split(".")
    value = namespace.get(head)
    for part in rest:
        value = value.__dict__.get(part) if isinstance(value, type) else None
    if isinstance(value, type) and value.__module__ == module and value.__qualname__ == qualname:
        return value
    return None
