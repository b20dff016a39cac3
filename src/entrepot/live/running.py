"""Statements run in the copy of their namespace, and what becomes of the names they bind.

A function or class that a statement makes anew is poured into the old object, so that every reference follows; another
value takes the old one's place. Statements that bind the same names keep their order.
"""

from __future__ import annotations

from types import FunctionType

from entrepot.live.classes import CannotChange
from entrepot.live.codes import same_behaviour, same_outside
from entrepot.live.commit import pair_codes, patch_codes
from entrepot.live.containers import copy_of, differs, restore
from entrepot.live.diff import SAME, Step
from entrepot.live.facts import BEHAVIOUR, GONE, SHAPE, VALUE, Fact, Reason, absolute
from entrepot.live.functions import adopt, forward
from entrepot.live.lateness import hidden as without_late
from entrepot.live.report import Refused
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit
from entrepot.live.undo import UndoLog
from entrepot.live.values import is_data, is_same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()
# Methods that have their say when an instance is made.
_MAKING = {"__init__", "__new__", "__post_init__"}


class Running:
    """Runs the statements of one update."""

    def __init__(self, update: Update) -> None:
        self._update = update

    def run(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """Run a statement in the copy, and say which of its names changed."""
        unit, staged, name = step.unit, stage.staged, stage.record.name
        kept = stage.parsed.kept | stage.record.keeps
        if (
            unit.binds
            and unit.binds <= kept
            and all(n in staged for n in unit.binds)
            and unit.kind != "import"
        ):
            self._update.report.kept += [f"{name}.{n}" for n in sorted(unit.binds)]
            return
        self._run_earlier_binders(stage, unit)
        stage.ran.add(id(unit))
        if any(r.fact.kind in (BEHAVIOUR, SHAPE) for r in reasons) or self._calls_staged(stage, unit):
            self._update.publish()
        before = dict(staged)
        contents = {
            n: copy_of(before[n]) for n in unit.binds if type(before.get(n)) in (list, dict, set)
        }  # what taking entries back is about to change
        for bound in contents.keys() & {
            chain[0] for chain in unit.eager
        }:  # `names += [...]` changes the list itself
            self._update.undo.add(f"content of {bound}", restore, before[bound], contents[bound])
        if step.old is not None:
            self._update.effects.withdraw(stage, step.old)
        if step.old is None or step.old.mark != unit.mark:
            self._update.effects.withdraw(stage, unit)  # it ran before in this update
        emptied = {n for n, content in contents.items() if differs(before[n], content)}
        hidden = {n: staged.pop(n) for n in unit.names_late if n in staged and n not in self._kept_in(stage)}
        for wanted in unit.imports:
            if wanted.names == ("*",):
                self._update.stars.drop_names(stage, absolute(stage.record, wanted))
        if unit.mends_import or (unit.kind == "other" and unit.imports):
            self._drop_failed_import(stage, unit)
        self._update.class_statements.begin(stage, step, reasons)
        self._update.effects.begin(stage, unit)
        self._update.outside.begin(stage, unit)
        stage.executed.add(id(unit))
        try:
            with without_late(stage, stage.late.get(repr(unit.mark))):
                exec(unit.compile(), staged)
        except CannotChange as error:
            raise Refused(stage.path, unit.first, name, str(error)) from error
        finally:
            for key, value in hidden.items():
                staged.setdefault(key, value)
        self._update.effects.end(stage, unit)
        self._update.outside.end(unit)
        changed = [n for n in staged if before.get(n, _MISSING) is not staged[n] and n != "__builtins__"]
        self._update.report.ran += [f"{name}.{n}" for n in sorted(set(changed) | unit.binds)] or [
            f"{name}:{unit.first}"
        ]
        for bound in changed:
            old, new = before.get(bound, _MISSING), staged[bound]
            if bound in emptied and is_same(old, new) and not is_same(contents[bound], new):
                self._update.replaced_containers.add(id(old))
                self._update.facts.add(Fact(name, bound, VALUE), old, new)
                continue
            self._settle(stage, unit, bound, old, new)
        self._run_other_binders(stage, unit, before.keys() - staged.keys() - unit.binds)
        for lost in before.keys() & stage.before.keys() - staged.keys():
            self._update.facts.add(Fact(name, lost, GONE), before[lost])
        for bound in unit.binds - set(changed):
            self._note_shape(stage, bound)
        for bound in contents.keys() - set(changed):
            if bound not in emptied and bound in staged and differs(staged[bound], contents[bound]):
                self._update.facts.add(Fact(name, bound, VALUE), staged[bound])  # `names += [...]`
        for bound in unit.binds if reasons and unit.kind == "assign" else ():
            value = staged.get(bound)
            if value is before.get(bound) and not is_data(value):  # the same things, which do something else
                self._update.facts.add(Fact(name, bound, BEHAVIOUR, at_call=True), value)
        # A class stays the same object, without what `C = decorate(C)` further down had added to it.
        always = unit.binds if step.is_moved or unit.kind == "class" else ()
        self._run_later_binders(stage, unit, {*changed, *always})

    def _kept_in(self, stage: Stage) -> frozenset[str]:
        """Names that stay visible whatever the order of statements."""
        return stage.parsed.kept | {"__annotations__", "__doc__"}

    def _calls_staged(self, stage: Stage, unit: Unit) -> bool:
        if not unit.has_effects:
            return False
        if self._update.waiting:
            return True
        # A function made in this update calls whatever it likes, as the program will have it.
        made = (stage.staged.get(chain[0]) for chain in unit.eager)
        return any(getattr(value, "__globals__", None) is stage.staged for value in made)

    def _run_earlier_binders(self, stage: Stage, unit: Unit) -> None:
        """A statement that goes on from its names' values (`total += RATE`) starts from what the statements before it give."""
        read = {chain[0] for chain in unit.eager}
        own = (unit.binds & read) | {n for n in read if n not in stage.staged and n in stage.parsed.binds}
        last = stage.last_run.get(id(unit), 0)
        again = False
        if own and unit.kind not in ("import", "main"):
            for step in stage.difference.steps:
                earlier = step.unit
                if earlier is unit:
                    break
                if (earlier.binds & own and earlier.kind in ("assign", "other", "import")) or (
                    earlier.has_effects  # `names.append(x)` between `names = []` and `names += [...]`
                    and earlier.kind in ("assign", "other")
                    and any(chain[0] in own and len(chain) > 1 for chain in earlier.eager)
                ):
                    if again or stage.last_run.get(id(earlier), 0) <= last:
                        again = True  # what stands between it and this goes on from what it gives
                        here, self._update.current = self._update.current, (stage, earlier)
                        self.run(stage, step, [])
                        self._update.current = here
        self._update.runs += 1
        stage.last_run[id(unit)] = self._update.runs

    def _run_other_binders(self, stage: Stage, unit: Unit, lost: set[str]) -> None:
        """Names that a star import brings no longer may come from an earlier statement, which they had hidden."""
        for step in stage.difference.steps if lost else ():
            if step.unit is unit:
                return
            if self._update.stars.binds_of(stage.record, step.unit) & lost and step.unit.kind != "main":
                here, self._update.current = self._update.current, (stage, step.unit)
                self.run(stage, step, [])
                self._update.current = here

    def _run_later_binders(self, stage: Stage, unit: Unit, changed: set[str]) -> None:
        """A name that a later, unchanged statement binds too gets its value from there, as in a fresh start."""
        if not changed:
            return
        seen = False
        for step in stage.difference.steps:
            if step.unit is unit:
                seen = True
            elif (
                seen
                and step.action == SAME
                and self._update.stars.binds_of(stage.record, step.unit) & changed
                and step.unit.kind != "main"
                and id(step.unit) not in stage.ran
            ):
                self._update.forced.add((stage.record.name, step.unit.first))

    def _drop_failed_import(self, stage: Stage, unit: Unit) -> None:
        for wanted in unit.imports:
            target = absolute(stage.record, wanted)
            if target in self._update.changes.appeared:
                import importlib

                importlib.invalidate_caches()

    def _settle(self, stage: Stage, unit: Unit, name: str, old: Any, new: Any) -> None:
        """Decide what a name is bound to after its statement ran: the old object made new, or the new one."""
        module, staged = stage.record.name, stage.staged
        if name in ("__annotations__", "__doc__"):
            return
        if old is _MISSING:
            self._update.facts.add(Fact(module, name, VALUE), new)
            if isinstance(new, type) and new.__module__ == module:
                self._update.class_statements.note_family(new)
            return
        if isinstance(old, FunctionType | type) and self._has_another_name(stage, name, old):
            pass
        elif (
            type(old) is FunctionType
            and type(new) is FunctionType
            and unit.kind != "import"
            and old.__globals__ is not staged
        ):
            if (
                old.__code__.co_freevars == new.__code__.co_freevars
                and old.__code__.co_qualname == new.__code__.co_qualname
                and old.__qualname__ == new.__qualname__
            ):
                self._update.waiting.append((adopt, old, new))
                staged[name] = old
                self._update.facts.add(Fact(module, name, BEHAVIOUR, at_call=True), old)
                return
            if unit.kind in ("def", "assign") and old.__module__ == module:
                self._update.waiting.append((forward, old, new))
        elif (
            isinstance(old, type)
            and isinstance(new, type)
            and unit.kind != "import"
            and old.__module__ == module
            and old.__qualname__ == new.__qualname__
        ):
            try:
                staged[name] = kept = self._update.merger.pour(old, new, set())
            except CannotChange as error:
                raise Refused(stage.path, unit.first, module, str(error)) from error
            if kept is old:
                self._note_shape(stage, name)
                return
        elif is_same(old, new) and unit.kind != "import":
            staged[name] = old
            return
        if isinstance(old, list | dict | set):
            self._update.replaced_containers.add(id(old))
        # What belongs to another name did not change itself: only this name now stands for something else.
        is_anothers = isinstance(old, FunctionType | type) and self._has_another_name(stage, name, old)
        self._update.facts.add(Fact(module, name, VALUE), None if is_anothers else old, new)

    def _has_another_name(self, stage: Stage, name: str, old: Any) -> bool:
        """Whether what a name was bound to belongs to another name, here or elsewhere (it was imported, or an alias)."""
        module, own = old.__module__, old.__qualname__
        if (module, own) == (stage.record.name, name) or "." in own:
            return False
        record = self._update.records.get(module)
        return record is not None and record.namespace.get(own) is old

    def _note_shape(self, stage: Stage, name: str) -> None:
        value = stage.staged.get(name)
        attributes = self._update.merger.changed.get(id(value))
        if isinstance(value, type) and attributes:
            self._update.facts.add(
                Fact(stage.record.name, name, SHAPE, attributes=set(attributes), at_call=True), value
            )

    def take_code(self, stage: Stage, step: Step) -> None:
        """Only bodies differ: live functions get the new code when the update is committed."""
        unit, name = step.unit, stage.record.name
        if not step.has_new_behaviour or step.old is None:
            return
        self._update.report.patched += [f"{name}.{n}" for n in sorted(unit.binds)]
        at_call = any(
            not same_outside(b, a) for b, a in zip(step.old.codes, unit.codes, strict=False)
        ) or len(step.old.codes) != len(unit.codes)
        attributes = {a.co_name for b, a in pair_codes(step.old, unit) if not same_behaviour(b, a)}
        at_call |= unit.kind == "class" and bool(attributes & _MAKING)
        for bound in unit.binds:
            self._update.facts.add(
                Fact(name, bound, BEHAVIOUR, attributes=attributes, at_call=at_call), stage.staged.get(bound)
            )
        self._update.waiting.append((self._patch_module, stage, None))

    def take_signature(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """A function's head changed: evaluate the definition without decorators and take over what it made."""
        unit, staged, name = step.unit, stage.staged, stage.record.name
        stage.ran.add(id(unit))
        if any(r.fact.kind in (BEHAVIOUR, SHAPE) for r in reasons):
            self._update.publish()
        saved = staged.get(unit.name, _MISSING)
        hidden = {n: staged.pop(n) for n in unit.names_late if n in staged and n != unit.name}
        stage.executed.add(id(unit))
        try:
            exec(unit.compile_bare(), staged)
        finally:
            for key, value in hidden.items():
                staged.setdefault(key, value)
        made = staged[unit.name]
        old = step.old
        codes = (
            {(c.co_qualname, c.co_firstlineno) for c in old.codes if c.co_name == unit.name} if old else set()
        )
        live = [
            f
            for f in self._update.live_functions(stage)
            if (f.__code__.co_qualname, f.__code__.co_firstlineno) in codes
        ]
        if not live or saved is _MISSING:
            if saved is _MISSING:
                staged.pop(unit.name, None)
            else:
                staged[unit.name] = saved
            self.run(stage, step, reasons)
            return
        staged[unit.name] = saved
        for function in live:
            self._update.waiting.append((adopt, function, made))
        self._update.report.patched.append(f"{name}.{unit.name}")
        self._update.facts.add(Fact(name, unit.name, BEHAVIOUR, at_call=True), saved)

    def _patch_module(self, stage: Stage, _: object, undo: UndoLog) -> None:
        patch_codes(stage, self._update.live_functions(stage), undo)
