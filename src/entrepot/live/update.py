"""One update: stage the changed modules and what depends on them, then commit all of it or nothing.

    parse       every changed file, or refuse
    stage       in import order: run the statements that must run, in a copy of each namespace
    spread      to the statements of other modules that read what changed, until nothing is new
    commit      names, then code, then deletions, then caches
    undo        instead of commit, when anything was raised

What changes objects that others can see before the commit (class bodies, and functions that staged code must call)
goes through the undo log.
"""

from __future__ import annotations

import heapq
import sys
from functools import partial
from types import FrameType, FunctionType

from entrepot.live.attribution import assign_units
from entrepot.live.class_statements import ClassStatements
from entrepot.live.classes import (
    Merger,
)
from entrepot.live.commit import Commit
from entrepot.live.diff import RUN, SAME, SIGNATURE, Step, plan_nothing, plan_steps
from entrepot.live.effects import Effects
from entrepot.live.facts import BEHAVIOUR, GONE, Fact, Facts
from entrepot.live.following import Following, in_header
from entrepot.live.functions import caches_around, find_own_functions
from entrepot.live.hooks import Hooks
from entrepot.live.lateness import find_late
from entrepot.live.opening import Opening
from entrepot.live.outside import Outside
from entrepot.live.record import Record
from entrepot.live.report import Problem, Refused, Report
from entrepot.live.running import Running
from entrepot.live.staging import HeldOutput, Stage, Views
from entrepot.live.stars import Stars
from entrepot.live.statements import Parsed, Unit, parse_source
from entrepot.live.undo import UndoLog
from entrepot.live.watcher import Change, Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MISSING = object()
MAX_PASSES = 20  # a module gone through more often than this is in a loop of changes that never settles


class Update:
    """All that one update knows."""

    def __init__(self, session: Any, changes: Changes, report: Report) -> None:
        self.session = session
        self.tracker = session.tracker
        self.records: dict[str, Record] = self.tracker.records
        self.containers = self.tracker.containers
        self.changes = changes
        self.report = report
        self.undo = UndoLog()
        self.stages: dict[str, Stage] = {}
        self.views = Views()
        self.facts = Facts(self.records, session.index)
        self.merger = Merger(self.undo)
        self.effects = Effects(self)
        self.opening = Opening(self)
        self.following = Following(self)
        self.running = Running(self)
        self.stars = Stars(self)
        self.outside = Outside(self)
        self.class_statements = ClassStatements(self)
        self.pending: dict[str, Change] = {}
        self.parsed: dict[str, Parsed] = {}
        self.order: list[tuple[int, str]] = []
        self.ordered: set[str] = set()  # the names in it
        self.current: tuple[Stage, Unit | None] | None = None
        # Functions to change at the commit, or when staged code needs them.
        self.waiting: list[tuple[Callable[[Any, Any, UndoLog], object], Any, Any]] = []
        self.live: dict[str, list[FunctionType]] = {}
        self.forced: set[tuple[str, int]] = set()  # (module, id of unit) to run whatever it reads
        self.replaced_containers: set[int] = set()
        self.gone: dict[str, Record] = {}
        self.loaded_before = set(sys.modules)
        self.runs = 0  # statements run so far

    # -- the story ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Make the update or leave everything as it was; the report says which."""
        if not self.opening.parse():
            return
        output: HeldOutput | None = None
        hooks_before = dict(self.session.hooks)
        try:
            with Hooks(self.class_statements.build, self._before_import) as hooks:
                self.effects.hooks = hooks
                output = HeldOutput()
                self.opening.find_gone()
                self.opening.find_forced()
                for name in sorted(self.pending, key=lambda n: self._rank(n)):
                    self.push(name)
                self._spread()
                commit = Commit(self)
                commit.check()
                for (module, kind, _), function in hooks_before.items():
                    if kind == "dispose" and (module in self.gone or module in self.parsed):
                        function()
            commit.apply()
        except BaseException as error:
            self.session.hooks.clear()
            self.session.hooks.update(hooks_before)
            if output is not None:
                self.report.output = output.release(show=False)
            self._take_back(error)
            if isinstance(error, GeneratorExit):
                raise
            return
        finally:
            for stage in self.stages.values():
                stage.hide()
        output.release(show=True)
        commit.finish()

    # -- order --------------------------------------------------------------------------------------------------

    def _rank(self, name: str) -> int:
        record = self.records[name]
        return record.finished or (1 << 30)

    def push(self, name: str) -> None:
        if name not in self.ordered:
            self.ordered.add(name)
            heapq.heappush(self.order, (self._rank(name), name))

    def _spread(self) -> None:
        """Go through modules in import order until no fact is new to any that it concerns."""
        passed = 0
        passes: dict[str, int] = {}
        while True:
            while passed < len(self.facts.queue):
                fact = self.facts.queue[passed]
                passed += 1
                for module in self.facts.candidates(fact):
                    stage = self.stages.get(module)
                    if (
                        module in self.records
                        and module not in self.gone
                        and not (stage and (stage.is_active or stage.seen >= fact.number))
                    ):
                        self.push(module)
            if not self.order:
                return
            _, name = heapq.heappop(self.order)
            self.ordered.discard(name)
            runs = self.runs
            self._stage(name)
            passes[name] = passes.get(name, 0) + (self.runs > runs)
            if passes[name] > MAX_PASSES:
                raise Refused(
                    self.records[name].path,
                    1,
                    name,
                    "its values and those of modules that import it change each other without end",
                )

    def _before_import(self, name: str, namespace: Any, names: Any, level: int) -> None:
        """An import statement that leads to a module still to be staged stages it first."""
        if not self.pending:
            return
        if level and namespace is not None:
            package = (namespace.get("__package__") or "").split(".")
            base = ".".join(package[: len(package) - level + 1])
            name = f"{base}.{name}" if name else base
        parts = name.split(".")
        wanted = [".".join(parts[: i + 1]) for i in range(len(parts))] + [f"{name}.{n}" for n in names or ()]
        for module in wanted:
            if module in self.pending:
                before = self.current
                self._stage(module)
                self.current = before

    # -- one module ---------------------------------------------------------------------------------------------

    def parsed_of(self, record: Record) -> Parsed:
        if record.parsed is None:
            code, events = self.session.index.read(record.name)
            record.parsed = parse_source(
                self.tracker.source_of(record), record.path, code, events, is_main=record.name == "__main__"
            )
        return record.parsed

    def stage_of(self, name: str) -> Stage:
        """Return the stage of a module, made when first wanted."""
        stage = self.stages.get(name)
        if stage is not None:
            return stage
        record = self.records[name]
        old = self.parsed_of(record)
        change = self.pending.pop(name, None)
        if change is None:
            stage = Stage(record, old, plan_nothing(old), self.views, is_edited=False)
        else:
            new = self.parsed[name]
            stage = Stage(
                record,
                new,
                plan_steps(old, new, partial(self.stars.binds_of, record)),
                self.views,
                is_edited=True,
            )
            stage.path = change.path
            stage.late = find_late(new)
            if stage.late:
                before = find_late(old)
                for step in stage.difference.steps:
                    now = stage.late.get(repr(step.unit.mark))
                    then = before.get(repr(step.old.mark)) if step.old is not None else None
                    if now is not None and (then is None or now.names - then.names):
                        stage.became_late.add(repr(step.unit.mark))
        if not record.finished:
            stage.running_line = find_running_line(record.namespace)
        self.stages[name] = stage
        self.facts.namespaces[name] = stage.staged
        assign_units(record.entries, old.units, record.namespace)
        stage.show()
        if change is not None:
            self.session.index.add(name, stage.parsed.code)
            self.opening.begin_edited(stage, change)
        return stage

    def _stage(self, name: str) -> None:
        """Go through a module's statements and run those that must run."""
        stage = self.stage_of(name)
        if stage.is_active:
            return
        stage.is_active = True
        try:
            since = stage.seen
            for step in stage.difference.steps:
                if step.action == SAME and step.unit.is_inert and (name, step.unit.first) not in self.forced:
                    continue
                self.current = (stage, step.unit)
                self._consider(stage, step, since)
            stage.seen = len(self.facts.queue)
        finally:
            stage.is_active = False
        self.current = None

    def _consider(self, stage: Stage, step: Step, since: int) -> None:
        unit = step.unit
        first = id(unit) not in stage.ran
        if unit.kind == "main":
            return
        if stage.running_line and (step.old or unit).last >= stage.running_line:
            return  # it runs now, or has not run yet
        reasons = [r for r in self.facts.reasons(stage.record.name, unit) if first or r.fact.number > since]
        if first and step.action != SAME:
            stage.ran.add(id(unit))
            if step.action == RUN:
                self.running.run(stage, step, reasons)
            elif step.action == SIGNATURE:
                if unit.is_decorated and (
                    any((r.is_value or r.fact.at_call) and in_header(unit, [r]) for r in reasons)
                    # Whoever took it in may have looked at its parameters, as web frameworks do.
                    or (step.old is not None and self.effects.entries_of(stage, step.old))
                    or self.following.looks_at_parameters(stage, unit)
                ):
                    self.running.run(stage, step, reasons)
                else:
                    self.running.take_signature(stage, step, reasons)
            else:
                self.running.take_code(stage, step)
                if reasons:
                    self.following.follow(stage, step, reasons)
            return
        if first and stage.became_late and self.following.should_run_late(stage, unit):
            stage.ran.add(id(unit))
            self.publish()
            self.running.run(stage, step, reasons)
            return
        if first and (stage.record.name, unit.first) in self.forced:
            stage.ran.add(id(unit))
            self.running.run(stage, step, reasons)
            return
        if (
            first
            and self.replaced_containers
            and self.effects.has_entries_in(stage, unit, self.replaced_containers)
        ):
            stage.ran.add(id(unit))
            self.running.run(stage, step, reasons)
            return
        if reasons:
            self.following.follow(stage, step, reasons)

    # -- doing --------------------------------------------------------------------------------------------------

    def live_functions(self, stage: Stage) -> list[FunctionType]:
        name = stage.record.name
        if name not in self.live:
            self.live[name] = find_own_functions(stage.record)
        return self.live[name]

    def publish(self) -> None:
        """Make what is staged so far real, because code of the program that is about to run must find it."""
        for stage in list(self.stages.values()):
            namespace = stage.record.namespace
            for key, value in stage.changes().items():
                if namespace.get(key, _MISSING) is not value:
                    before = namespace.get(key, _MISSING)
                    if before is _MISSING:
                        self.undo.add(f"name {key}", namespace.pop, key, None)
                    else:
                        self.undo.add(f"name {key}", namespace.__setitem__, key, before)
                    namespace[key] = value
                    stage.published[key] = value
            for key in stage.deletions():
                fact = self.facts.table.get((stage.record.name, key))
                if key in namespace and fact is not None and fact.kind == GONE:
                    self.undo.add(f"name {key}", namespace.__setitem__, key, namespace[key])
                    del namespace[key]
                    stage.published[key] = None
        waiting, self.waiting = self.waiting, []
        for action, old, new in waiting:
            action(old, new, self.undo)
        for cache in self.session.caches_to_clear:
            cache.cache_clear()
        self._clear_caches_of_facts()

    def _clear_caches_of_facts(self) -> None:
        for fact in list(self.facts.table.values()):
            value = self.facts.namespace(fact.module).get(fact.name) if fact.module in self.records else None
            for cache in caches_around(value):
                cache.cache_clear()

    def note_content(self, container: Any) -> None:
        """A container has other entries: what was computed from it at import is to be computed again."""
        place = self.containers.place.get(id(container))
        owner = self.containers.owners[place] if place is not None else ""
        if owner in self.records:
            for name, value in self.facts.namespace(owner).items():
                if value is container:
                    fact = Fact(owner, name, BEHAVIOUR)
                    fact.is_content = True
                    self.facts.add(fact, value)
                    return

    # -- classes ------------------------------------------------------------------------------------------------

    # -- going back -----------------------------------------------------------------------------------------------

    def _take_back(self, error: BaseException) -> None:
        left = self.effects.take_back()
        for stage in self.stages.values():
            stage.hide()
        left += self.undo.run()
        for name in set(sys.modules) - self.loaded_before:
            if name in self.records:
                module = sys.modules.pop(name)
                self.records.pop(name)
                parent, _, tail = name.rpartition(".")
                if parent in sys.modules and sys.modules[parent].__dict__.get(tail) is module:
                    del sys.modules[parent].__dict__[tail]
        for name in list(self.records):
            record = self.records[name]
            if sys.modules.get(name) is not record.module and name not in self.loaded_before:
                del self.records[name]
        for name, stage in self.stages.items():
            if stage.is_edited:
                self.session.index.forget(name)
        self.report.ok = False
        self.report.left += left
        self.report.ran.clear()
        self.report.patched.clear()
        self.report.errors.append(self._locate(error))
        if isinstance(error, Refused):
            self.report.refused.append(f"{error.problem.module}:{error.problem.line}")

    def _locate(self, error: BaseException) -> Problem:
        if isinstance(error, Refused):
            return error.problem
        file, line, module = "", 0, ""
        if self.current is not None and self.current[1] is not None:
            file, line, module = self.current[0].path, self.current[1].first, self.current[0].record.name
        by_path = {stage.path: name for name, stage in self.stages.items()}
        trace = error.__traceback__
        while trace is not None:
            frame, number, trace = trace.tb_frame, trace.tb_lineno, trace.tb_next
            path = frame.f_code.co_filename
            if path in by_path or self.tracker.concerns(path):
                file, line, module = (
                    path,
                    number or line,
                    by_path.get(path, frame.f_globals.get("__name__", "")),
                )
        if isinstance(error, SyntaxError) and error.filename:
            file, line = error.filename, error.lineno or line
        if not file and self.changes.edited:
            file, line, module = self.changes.edited[0].path, 1, self.changes.edited[0].record.name
        return Problem(file, line, module, type(error).__name__, str(error))


def find_running_line(namespace: dict[str, Any]) -> int:
    """Return the line of a module's top level that is being executed (a main loop, an import that waits); 0: none is."""
    for frame in sys._current_frames().values():
        place: FrameType | None = frame
        while place is not None:
            if place.f_globals is namespace and place.f_code.co_name == "<module>":
                return place.f_lineno
            place = place.f_back
    return 0
