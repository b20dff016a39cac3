"""The end of an update: names, then code, then deletions, so that no reader finds less than both versions have."""

from __future__ import annotations

import gc
import sys
from types import CodeType, FunctionType

from entrepot.live import django, mapped
from entrepot.live.codes import same_behaviour, walk_codes
from entrepot.live.functions import (
    caches_around,
    find_functions,
    find_in,
    find_own_functions,
    innermost,
    repoint,
    set_code,
    table_of,
)
from entrepot.live.report import Refused, Report
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit
from entrepot.live.undo import UndoLog
from entrepot.live.values import MUTABLE, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()


def pair_codes(old: Unit, new: Unit) -> list[tuple[CodeType, CodeType]]:
    """Pair the codes inside two versions of a statement: by qualified name, then by order."""
    waiting: dict[str, list[CodeType]] = {}
    for code in old.codes:
        for inner in (code, *walk_codes(code)):
            waiting.setdefault(inner.co_qualname, []).append(inner)
    pairs = []
    for code in new.codes:
        for inner in (code, *walk_codes(code)):
            found = waiting.get(inner.co_qualname)
            if found:
                pairs.append((found.pop(0), inner))
    return pairs


def patch_codes(stage: Stage, functions: list[FunctionType], undo: UndoLog) -> None:
    """Give live functions the code of the new source, unchanged ones too (their lines have moved)."""
    table: dict[tuple[str, int], list[tuple[CodeType, CodeType]]] = {}
    for step in stage.difference.steps:
        if step.old is not None:
            for before, after in pair_codes(step.old, step.unit):
                table.setdefault((before.co_qualname, before.co_firstlineno), []).append((before, after))
    by_name: dict[str, list[tuple[CodeType, CodeType]]] = {}
    for (qualname, _), found in table.items():
        by_name.setdefault(qualname, []).extend(found)
    added: dict[str, list[CodeType]] = {}  # of statements that were not there
    for step in stage.difference.steps:
        for code in step.unit.codes if step.old is None else ():
            for inner in (code, *walk_codes(code)):
                added.setdefault(inner.co_qualname, []).append(inner)
    for function in functions:
        code = function.__code__
        pairs = table.get((code.co_qualname, code.co_firstlineno))
        if not pairs:
            # An older version that somebody still holds: it follows where only one function has its name.
            named = by_name.get(code.co_qualname, ())
            if code in added.get(code.co_qualname, ()):
                continue  # it was made just now, by a second definition
            if len(named) == 1 and named[0][1].co_freevars == code.co_freevars:
                set_code(function, named[0][1], undo)
            continue
        same = [a for b, a in pairs if b == code]
        if not same and len(pairs) == 1 and same_behaviour(pairs[0][0], code):
            same = [pairs[0][1]]
        if same and same[0].co_freevars == code.co_freevars:
            set_code(function, same[0], undo)


class Commit:
    """Makes a staged update real."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self._moved: list[tuple[FunctionType, dict[str, Any]]] = []

    def check(self) -> None:
        """The last moment at which something may say no."""
        refusal = mapped.find_refusal(self._update.stages.values())
        if refusal is not None:
            stage, line, reason = refusal
            raise Refused(stage.path, line, stage.record.name, reason)
        for stage in self._update.stages.values():
            if stage.may_have_functions() and any(
                type(f) is FunctionType and f.__globals__ is stage.staged
                for f in gc.get_referrers(stage.staged)
            ):
                self._update.session.need_repoint()
                return

    def apply(self) -> None:
        """Names, code, deletions. Everything goes through the undo log."""
        update, undo = self._update, self._update.undo
        for stage in update.stages.values():
            stage.hide()
        for stage in update.stages.values():
            namespace, changes = stage.record.namespace, stage.changes()
            for name in changes:
                before = namespace.get(name, _MISSING)
                if before is _MISSING:
                    undo.add(f"name {name}", namespace.pop, name, None)
                elif before is not changes[name]:
                    undo.add(f"name {name}", namespace.__setitem__, name, before)
            namespace.update(changes)
        waiting, update.waiting = update.waiting, []
        done: set[int] = set()
        for action, old, new in waiting:
            if isinstance(old, Stage):
                if id(old) in done:
                    continue
                done.add(id(old))
            action(old, new, undo)
        for stage in update.stages.values():
            if stage.is_edited:
                patch_codes(stage, update.live_functions(stage), undo)
        for stage in update.stages.values():
            namespace = stage.record.namespace
            for name in stage.deletions():
                if name in namespace:
                    undo.add(f"name {name}", namespace.__setitem__, name, namespace[name])
                    del namespace[name]
            for function in find_functions([stage.staged] if stage.may_have_functions() else []):
                repoint(function, namespace)
                self._moved.append((function, namespace))

    def finish(self) -> None:
        """What cannot fail: caches, records, the report."""
        update = self._update
        tracker, session, report = update.tracker, update.session, update.report
        self._clear_caches()
        django.look_again()
        for name, stage in update.stages.items():
            record = stage.record
            if stage.is_edited:
                self._renew(stage)
            marks = {s.old.mark: s.unit.mark for s in stage.difference.steps if s.old is not None}
            for entry in record.entries:
                if entry.unit in marks:
                    entry.unit = marks[entry.unit]
            if stage.ran:
                tracker.containers.take_in(record.namespace, name, is_known=True)
            for unit in stage.parsed.units:
                for key in ("tree", "key", "shape", "header"):
                    unit.__dict__.pop(key, None)
            for bound in {n for u in stage.parsed.units if id(u) in stage.ran for n in u.binds}:
                value: Any = record.namespace.get(bound)
                if type(value) in MUTABLE and len(value) <= 4096:
                    session.data_copies[id(value)] = (value, snapshot(value))
            if name not in report.modules:
                report.modules.append(name)
        for name in update.gone:
            tracker.records.pop(name, None)
            session.index.forget(name)
        for name in update.changes.appeared:
            tracker.misses.pop(name, None)
        _deduplicate(report)

    def _renew(self, stage: Stage) -> None:
        """The record describes the new version from now on."""
        record, update = stage.record, self._update
        change = next(c for c in update.changes.edited if c.record is record)
        record.path = stage.path
        record.code_size = 0
        record.start, record.size = update.tracker.attic.put(change.source), len(change.source)
        record.signature, record.is_trusted = change.signature, change.is_trusted
        record.parsed = stage.parsed
        table = table_of(stage.parsed.code)
        if stage.may_have_functions():
            update.live[record.name] = find_own_functions(record)
        for function in update.live[record.name]:
            code = find_in(table, function.__code__)
            if code is not None and code is not function.__code__ and code == function.__code__:
                function.__code__ = code if code.co_flags == function.__code__.co_flags else function.__code__
        _move_lines(stage)
        linecache = sys.modules.get("linecache")
        if linecache is not None:
            linecache.cache.pop(record.path, None)

    def _clear_caches(self) -> None:
        """Empty lru_caches and cached properties around what changed."""
        update = self._update
        for cache in update.session.caches_to_clear:
            cache.cache_clear()
        update.session.caches_to_clear.clear()
        for fact in list(update.facts.table.values()):
            record = update.records.get(fact.module)
            if record is None:
                continue
            value = record.namespace.get(fact.name)
            for cache in caches_around(value):
                cache.cache_clear()
            if isinstance(value, type) and value.__module__ == fact.module:
                _clear_class_caches(value, fact, update)


def _clear_class_caches(cls: type, fact: Any, update: Update) -> None:
    from functools import cached_property

    from entrepot.live.class_parts import all_subclasses, find_instances
    from entrepot.live.codes import all_chains

    names = {n for (m, n) in update.facts.table if (m, n) != (fact.module, fact.name)}
    for key, value in list(cls.__dict__.items()):
        function = innermost(value)
        code = getattr(function, "__code__", None)
        used = {part for chain in all_chains(code) for part in chain} if code is not None else set()
        if not (key in fact.attributes or used & names or used & fact.attributes):
            continue
        for cache in caches_around(value):
            cache.cache_clear()
        if isinstance(value, cached_property):
            for owner in (cls, *all_subclasses(cls)):
                for instance in find_instances(owner):
                    getattr(instance, "__dict__", {}).pop(value.attrname, None)


def _move_lines(stage: Stage) -> None:
    """`__firstlineno__` of classes (3.13) follows the source."""
    if sys.hexversion < 0x030D0000:
        return
    from entrepot.live.class_statements import find_class

    for unit in stage.parsed.units:
        for code in unit.codes:
            if not code.co_flags & 1:
                cls = find_class(stage.record.namespace, stage.record.name, code.co_qualname)
                if cls is not None and cls.__dict__.get("__firstlineno__") not in (None, code.co_firstlineno):
                    type.__setattr__(cls, "__firstlineno__", code.co_firstlineno)


def _deduplicate(report: Report) -> None:
    for part in (report.ran, report.patched, report.kept, report.modules):
        part[:] = dict.fromkeys(part)
    patched = set(report.ran)
    report.patched[:] = [name for name in report.patched if name not in patched]
