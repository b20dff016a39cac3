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
from types import FrameType, FunctionType, ModuleType

from entrepot.live import django
from entrepot.live.attribution import assign_units
from entrepot.live.classes import (
    CannotChange,
    Merger,
    begins_at,
    body_statements,
    find_class_nodes,
    names_read,
)
from entrepot.live.commit import Commit
from entrepot.live.containers import copy_of, differs, restore
from entrepot.live.diff import CODE, RUN, SAME, SIGNATURE, Step, plan_nothing, plan_steps
from entrepot.live.effects import Effects
from entrepot.live.facts import BEHAVIOUR, GONE, MODULE, SHAPE, VALUE, Fact, Facts, Reason, absolute
from entrepot.live.functions import adopt, caches_around, find_functions, forward, innermost, keeps_only_data
from entrepot.live.hooks import Hooks
from entrepot.live.record import Record
from entrepot.live.report import Problem, Refused, Report
from entrepot.live.staging import HeldOutput, Stage
from entrepot.live.statements import Parsed, Unit, parse_source
from entrepot.live.undo import UndoLog
from entrepot.live.values import MUTABLE, is_data, is_same, is_untouched
from entrepot.live.watcher import Change, Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MISSING = object()
# Methods that have their say when an instance is made, and when a class is: of a base or a metaclass.
_MAKING = {"__init__", "__new__", "__post_init__"}
_CLASS_MAKING = {"__init_subclass__", "__new__", "__init__", "__prepare__", "__set_name__"}
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
        self.facts = Facts(self.records, session.index)
        self.merger = Merger(self.undo)
        self.effects = Effects(self)
        self.pending: dict[str, Change] = {}
        self.parsed: dict[str, Parsed] = {}
        self.order: list[tuple[int, str]] = []
        self.current: tuple[Stage, Unit | None] | None = None
        self.waiting: list[
            tuple[Any, FunctionType, Any]
        ] = []  # functions to change at the commit, or when needed
        self.live: dict[str, list[FunctionType]] = {}
        self.forced: set[tuple[str, int]] = set()  # (module, id of unit) to run whatever it reads
        self.replaced_containers: set[int] = set()
        self.refilled: set[int] = set()  # containers that have other entries now
        self.gone: dict[str, Record] = {}
        self.loaded_before = set(sys.modules)
        self.runs = 0  # statements run so far

    # -- the story ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Make the update or leave everything as it was; the report says which."""
        if not self._parse():
            return
        output: HeldOutput | None = None
        try:
            with Hooks(self._build_class, self._before_import) as hooks:
                self.effects.hooks = hooks
                output = HeldOutput()
                self._find_gone()
                self._find_forced()
                for name in sorted(self.pending, key=lambda n: self._rank(n)):
                    self._push(name)
                self._spread()
                commit = Commit(self)
                commit.check()
                for (module, kind, _), function in list(self.session.hooks.items()):
                    if kind == "dispose" and (module in self.gone or module in self.parsed):
                        function()
            commit.apply()
        except BaseException as error:
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

    def _parse(self) -> bool:
        problems = [
            Problem(
                path,
                1,
                "",
                "Refused",
                "an extension module changed: Python cannot load it again; restart the program",
            )
            for path in self.changes.extensions
        ]
        for change in self.changes.edited:
            name = change.record.name
            try:
                self.parsed[name] = parse_source(change.source, change.path)
            except SyntaxError as error:
                problems.append(
                    Problem(
                        error.filename or change.path,
                        error.lineno or 1,
                        name,
                        type(error).__name__,
                        str(error.msg),
                    )
                )
            except (ValueError, UnicodeDecodeError) as error:
                problems.append(Problem(change.path, 1, name, type(error).__name__, str(error)))
            except RecursionError as error:
                problems.append(Problem(change.path, 1, name, "RecursionError", str(error)))
            else:
                self.pending[name] = change
        self.report.errors += problems
        self.report.ok = not problems
        return not problems

    def _find_gone(self) -> None:
        """Modules whose file is gone leave; the statements that import them will say whether they can be missed."""
        for record in self.changes.gone:
            if record.name == "__main__":
                raise Refused(record.path, 1, record.name, "the program's own file is gone")
            self.gone[record.name] = record
        for name, record in self.gone.items():
            if sys.modules.get(name) is record.module:
                self.undo.add(f"module {name}", sys.modules.__setitem__, name, record.module)
                del sys.modules[name]
            parent, _, tail = name.rpartition(".")
            if parent in self.records:
                stage = self._stage_of(parent)
                if stage.staged.get(tail) is record.module:
                    del stage.staged[tail]
            self.facts.add(Fact(name, MODULE, GONE))

    def _find_forced(self) -> None:
        for name in self.changes.appeared:
            self.facts.add(Fact(name, MODULE, VALUE))
        if not self.changes.folders:
            return
        listers = ("iter_modules", "listdir", "glob", "iterdir", "walk_packages", "scandir")
        listing = {module for name in listers for module in self.session.index.loads(name)}
        listing |= {name for name, parsed in self.parsed.items() if any(u.lists_folder for u in parsed.units)}
        for name in listing & self.records.keys():
            record = self.records[name]
            if record.path.startswith(tuple(self.changes.folders)):
                parsed = self.parsed[name] if name in self.pending else self._parsed_of(record)
                for unit in parsed.units:
                    if unit.lists_folder:
                        self.forced.add((name, unit.first))
                        self._push(name)

    # -- order --------------------------------------------------------------------------------------------------

    def _rank(self, name: str) -> int:
        record = self.records[name]
        return record.finished or (1 << 30)

    def _push(self, name: str) -> None:
        entry = (self._rank(name), name)
        if entry not in self.order:
            heapq.heappush(self.order, entry)

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
                        self._push(module)
            if not self.order:
                return
            _, name = heapq.heappop(self.order)
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

    def _parsed_of(self, record: Record) -> Parsed:
        if record.parsed is None:
            code, events = self.session.index.read(record.name)
            record.parsed = parse_source(self.tracker.source_of(record), record.path, code, events)
        return record.parsed

    def _stage_of(self, name: str) -> Stage:
        """Return the stage of a module, made when first wanted."""
        stage = self.stages.get(name)
        if stage is not None:
            return stage
        record = self.records[name]
        old = self._parsed_of(record)
        change = self.pending.pop(name, None)
        if change is None:
            stage = Stage(record, old, plan_nothing(old), is_edited=False)
        else:
            new = self.parsed[name]
            stage = Stage(record, new, plan_steps(old, new, partial(self._binds_of, record)), is_edited=True)
            stage.path = change.path
        if not record.finished:
            stage.running_line = find_running_line(record.namespace)
        self.stages[name] = stage
        self.facts.namespaces[name] = stage.staged
        assign_units(record.entries, old.units, record.namespace)
        stage.show()
        if change is not None:
            self.session.index.add(name, stage.parsed.code)
            self._begin_edited(stage, change)
        return stage

    def _begin_edited(self, stage: Stage, change: Change) -> None:
        """What goes before any statement runs: lost names, entries of removed statements, where the module lives."""
        name = stage.record.name
        if change.spec is not None:
            spec = change.spec
            stage.staged.update(__file__=spec.origin, __spec__=spec, __cached__=spec.cached)
            if spec.submodule_search_locations is not None:
                stage.staged.update(__path__=spec.submodule_search_locations, __package__=name)
            else:
                stage.staged.pop("__path__", None)
                stage.staged["__package__"] = name.rpartition(".")[0]
        self.live[name] = find_functions([stage.record.namespace])
        if "__annotations__" in stage.staged:
            unannotated = self._annotated(self._parsed_of(stage.record)) - self._annotated(stage.parsed)
            stage.staged["__annotations__"] = {
                k: v for k, v in stage.staged["__annotations__"].items() if k not in unannotated
            }
        for unit in stage.difference.removed:
            self.effects.withdraw(stage, unit)
            for wanted in unit.imports:
                if wanted.names == ("*",):
                    self._forget_star(stage, absolute(stage.record, wanted))
        for lost in stage.difference.gone:
            others = [u for u in stage.parsed.units if lost in self._binds_of(stage.record, u)]
            if others:  # a star import brings it
                self.forced.update((name, other.first) for other in others)
                continue
            if lost == "__doc__":
                stage.staged["__doc__"] = None
                continue
            value = stage.staged.pop(lost, _MISSING)
            if (
                isinstance(value, ModuleType)
                and f"{name}.{lost}" in self.records
                and f"{name}.{lost}" not in self.gone
                and "__path__" in stage.staged
            ):
                stage.staged[lost] = value  # a submodule stays bound in its package
                continue
            if value is not _MISSING:
                self.facts.add(Fact(name, lost, GONE), value)
        for step in stage.difference.steps:
            if step.action in (CODE, SIGNATURE) or (
                step.action == SAME and step.unit.kind in ("def", "class")
            ):
                self._note_cells(stage, step)

    @staticmethod
    def _annotated(parsed: Parsed) -> set[str]:
        import ast

        nodes = [
            n for u in parsed.units if ":" in u.text and u.kind in ("assign", "other") for n in u.tree.body
        ]
        return {n.target.id for n in nodes if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}

    def _note_cells(self, stage: Stage, step: Step) -> None:
        """Remember functions whose closures cannot take the new code."""
        from entrepot.live.commit import pair_codes

        if step.old is None or step.action == SAME:
            return
        for before, after in pair_codes(step.old, step.unit):
            if before.co_freevars != after.co_freevars:
                stage.unpatched.add((before.co_qualname, before.co_firstlineno))

    def _stage(self, name: str) -> None:
        """Go through a module's statements and run those that must run."""
        stage = self._stage_of(name)
        if stage.is_active:
            return
        stage.is_active = True
        try:
            since = stage.seen
            for step in stage.difference.steps:
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
                self._run(stage, step, reasons)
            elif step.action == SIGNATURE:
                if unit.is_decorated and (
                    any((r.is_value or r.fact.at_call) and _in_header(unit, [r]) for r in reasons)
                    # Whoever took it in may have looked at its parameters, as web frameworks do.
                    or (step.old is not None and self.effects.entries_of(stage, step.old))
                ):
                    self._run(stage, step, reasons)
                else:
                    self._take_signature(stage, step, reasons)
            else:
                self._take_code(stage, step)
                if reasons:
                    self._follow(stage, step, reasons)
            return
        if first and (stage.record.name, unit.first) in self.forced:
            stage.ran.add(id(unit))
            self._run(stage, step, reasons)
            return
        if (
            first
            and self.replaced_containers
            and self.effects.has_entries_in(stage, unit, self.replaced_containers)
        ):
            stage.ran.add(id(unit))
            self._run(stage, step, reasons)
            return
        if reasons:
            self._follow(stage, step, reasons)

    def _follow(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """Something that an unchanged statement reads changed: run it, or tell what it means for its names."""
        unit = step.unit
        values = [r for r in reasons if r.is_value]
        action = SAME
        if values:
            action = RUN
            if unit.kind == "def" and (not unit.is_decorated or not _in_header(unit, values)):
                action = SIGNATURE
        elif unit.kind == "def":
            if unit.is_decorated and any(r.fact.at_call and _in_header(unit, [r]) for r in reasons):
                action = RUN
            elif any(r.fact.at_call for r in reasons) and self._has_data_defaults(stage, unit):
                action = SIGNATURE
        elif unit.kind == "class":
            action = self._follow_class(stage, unit, reasons)
        elif unit.kind in ("assign", "other"):
            action = self._follow_statement(stage, unit)
        if action == RUN:
            self._run(stage, step, reasons)
        elif action == SIGNATURE:
            self._take_signature(stage, step, reasons)
        else:
            for name in unit.binds:
                value = stage.staged.get(name)
                if value is not None and not is_data(value):
                    for cache in caches_around(value):
                        self.session.caches_to_clear.append(cache)
                    if unit.kind != "import" or any(self.facts.object_of(r.fact) is value for r in reasons):
                        self.facts.add(
                            Fact(
                                stage.record.name,
                                name,
                                BEHAVIOUR,
                                at_call=any(r.fact.at_call for r in reasons),
                            ),
                            value,
                        )

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
                return RUN
            if reason.fact.kind == SHAPE and (unit.is_decorated or not _is_simple(living)):
                return RUN
            if unit.is_decorated and reason.fact.at_call and _in_header(unit, [reason]):
                return RUN
            if reason.fact.at_call and any(
                reason.chain[0] in names_read(text)
                for node in find_class_nodes(unit.tree, unit.name)
                for texts in body_statements(node).values()
                for text in texts
                if text.startswith(("Assign", "AnnAssign"))
            ):
                return RUN
        return SAME

    def _makes_classes(self, stage: Stage, reason: Reason) -> bool:
        """Whether what changed had its say when a class that names it in its head was made."""
        if reason.fact.kind not in (BEHAVIOUR, SHAPE) or not reason.fact.attributes & _CLASS_MAKING:
            return False
        value: Any = stage.staged.get(reason.chain[0])
        for part in reason.chain[1:]:
            value = getattr(value, "__dict__", {}).get(part)
        if not isinstance(value, type):
            return "__set_name__" in reason.fact.attributes
        return issubclass(value, type) or bool(reason.fact.attributes & {"__init_subclass__", "__set_name__"})

    def _follow_statement(self, stage: Stage, unit: Unit) -> str:
        """The code behind a statement's value changed: make it again if it is plain data that nobody has touched."""
        values = [stage.staged[name] for name in unit.binds if name in stage.staged]
        if (
            values
            and all(self._is_remakable(stage, value) for value in values)
            and (unit.kind == "assign" or not unit.has_effects or not self._has_bare_call(unit))
        ):
            return RUN
        entries = [
            e for e in self.effects.entries_of(stage, unit) if all(e.container is not v for v in values)
        ]
        if any(id(e.container) in self.refilled for e in entries):
            return SAME  # its own entries are as they were
        if entries and not values and all(is_data(e.value) and e.is_live() for e in entries):
            return RUN
        if entries and all(is_data(e.value) for e in entries) and all(is_data(v) for v in values):
            return RUN
        return SAME

    def _has_bare_call(self, unit: Unit) -> bool:
        import ast

        return any(isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) for n in ast.walk(unit.tree))

    def _is_remakable(self, stage: Stage, value: Any) -> bool:
        if type(value) is FunctionType:
            key = (value.__code__.co_qualname, value.__code__.co_firstlineno)
            return any(key in s.unpatched for s in self.stages.values()) or keeps_only_data(value)
        if isinstance(value, dict | list | tuple) and value and self._holds_unpatched(value):
            return True
        if not is_data(value) and not (
            isinstance(value, dict | list | tuple) and is_data(value, things=True)
        ):
            return False
        copy = self.session.data_copies.get(id(value))
        if copy is not None:
            return is_untouched(value, copy[1])
        return not isinstance(value, MUTABLE) or self.containers.is_as_made(value)

    def _holds_unpatched(self, value: Any) -> bool:
        items = value.values() if isinstance(value, dict) else value
        return any(
            type(item) is FunctionType
            and any(
                (item.__code__.co_qualname, item.__code__.co_firstlineno) in s.unpatched
                for s in self.stages.values()
            )
            for item in items
        )

    # -- doing --------------------------------------------------------------------------------------------------

    def _run(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """Run a statement in the copy, and say which of its names changed."""
        unit, staged, name = step.unit, stage.staged, stage.record.name
        kept = stage.parsed.kept | stage.record.keeps
        if (
            unit.binds
            and unit.binds <= kept
            and all(n in staged for n in unit.binds)
            and unit.kind != "import"
        ):
            self.report.kept += [f"{name}.{n}" for n in sorted(unit.binds)]
            return
        self._run_earlier_binders(stage, unit)
        stage.ran.add(id(unit))
        if any(r.fact.kind in (BEHAVIOUR, SHAPE) for r in reasons) or self._calls_staged(stage, unit):
            self.publish()
        before = dict(staged)
        contents = {
            n: copy_of(before[n]) for n in unit.binds if type(before.get(n)) in (list, dict, set)
        }  # what taking entries back is about to change
        for bound in contents.keys() & {
            chain[0] for chain in unit.eager
        }:  # `names += [...]` changes the list itself
            self.undo.add(f"content of {bound}", restore, before[bound], contents[bound])
        if step.old is not None:
            self.effects.withdraw(stage, step.old)
        if step.old is None or step.old.mark != unit.mark:
            self.effects.withdraw(stage, unit)  # it ran before in this update
        emptied = {n for n, content in contents.items() if differs(before[n], content)}
        hidden = {
            n: staged.pop(n) for n in unit.names_late if n in staged and n not in self.facts_kept(stage)
        }
        for wanted in unit.imports:
            if wanted.names == ("*",):
                self._drop_star_names(stage, absolute(stage.record, wanted))
        if unit.mends_import or (unit.kind == "other" and unit.imports):
            self._drop_failed_import(stage, unit)
        self._set_aside_classes(stage, step, reasons)
        self.effects.begin(stage, unit)
        try:
            exec(unit.compile(), staged)
        except CannotChange as error:
            raise Refused(stage.path, unit.first, name, str(error)) from error
        finally:
            for key, value in hidden.items():
                staged.setdefault(key, value)
        self.effects.end(stage, unit)
        changed = [n for n in staged if before.get(n, _MISSING) is not staged[n] and n != "__builtins__"]
        self.report.ran += [f"{name}.{n}" for n in sorted(set(changed) | unit.binds)] or [
            f"{name}:{unit.first}"
        ]
        for bound in changed:
            old, new = before.get(bound, _MISSING), staged[bound]
            if bound in emptied and is_same(old, new) and not is_same(contents[bound], new):
                self.replaced_containers.add(id(old))
                self.facts.add(Fact(name, bound, VALUE), old, new)
                continue
            self._settle(stage, unit, bound, old, new)
        self._run_other_binders(stage, unit, before.keys() - staged.keys() - unit.binds)
        for lost in before.keys() & stage.before.keys() - staged.keys():
            self.facts.add(Fact(name, lost, GONE), before[lost])
        for bound in unit.binds - set(changed):
            self._note_shape(stage, bound)
        for bound in contents.keys() - set(changed):
            if bound not in emptied and bound in staged and differs(staged[bound], contents[bound]):
                self.facts.add(Fact(name, bound, VALUE), staged[bound])  # `names += [...]`
        for bound in unit.binds if reasons and unit.kind == "assign" else ():
            value = staged.get(bound)
            if value is before.get(bound) and not is_data(value):  # the same things, which do something else
                self.facts.add(Fact(name, bound, BEHAVIOUR, at_call=True), value)
        self._run_later_binders(stage, unit, {*changed, *(unit.binds if step.is_moved else ())})

    def facts_kept(self, stage: Stage) -> frozenset[str]:
        """Names that stay visible whatever the order of statements."""
        return stage.parsed.kept | {"__annotations__", "__doc__"}

    def _calls_staged(self, stage: Stage, unit: Unit) -> bool:
        return bool(self.waiting) and unit.has_effects

    def _run_earlier_binders(self, stage: Stage, unit: Unit) -> None:
        """A statement that goes on from its names' values (`total += RATE`) starts from what the statements before it give."""
        read = {chain[0] for chain in unit.eager}
        own = (unit.binds & read) | {n for n in read if n not in stage.staged and n in stage.parsed.binds}
        last = stage.last_run.get(id(unit), 0)
        if own and unit.kind not in ("import", "main"):
            for step in stage.difference.steps:
                earlier = step.unit
                if earlier is unit:
                    break
                if earlier.binds & own and earlier.kind in ("assign", "other", "import"):
                    if stage.last_run.get(id(earlier), 0) <= last:
                        here, self.current = self.current, (stage, earlier)
                        self._run(stage, step, [])
                        self.current = here
        self.runs += 1
        stage.last_run[id(unit)] = self.runs

    def _run_other_binders(self, stage: Stage, unit: Unit, lost: set[str]) -> None:
        """Names that a star import brings no longer may come from an earlier statement, which they had hidden."""
        for step in stage.difference.steps if lost else ():
            if step.unit is unit:
                return
            if self._binds_of(stage.record, step.unit) & lost and step.unit.kind != "main":
                here, self.current = self.current, (stage, step.unit)
                self._run(stage, step, [])
                self.current = here

    def _run_later_binders(self, stage: Stage, unit: Unit, changed: set[str]) -> None:
        """A name that a later, unchanged statement binds too gets its value from there, as in a fresh start."""
        if not changed or (not stage.is_edited and unit.kind == "import"):
            return
        seen = False
        for step in stage.difference.steps:
            if step.unit is unit:
                seen = True
            elif (
                seen
                and step.action == SAME
                and self._binds_of(stage.record, step.unit) & changed
                and step.unit.kind != "main"
                and id(step.unit) not in stage.ran
            ):
                self.forced.add((stage.record.name, step.unit.first))

    def _binds_of(self, record: Record, unit: Unit) -> frozenset[str]:
        """What a statement binds, with what its star imports bring."""
        found = unit.binds
        for wanted in unit.imports:
            name = absolute(record, wanted) if wanted.names == ("*",) else None
            if name in self.records:
                space = self.facts.namespace(name)
                found = found.union(space.get("__all__") or (n for n in space if n[:1] != "_"))
        return found

    def _drop_star_names(self, stage: Stage, module: str | None) -> None:
        """Names that a star import brought before leave first: it may bring fewer now."""
        record = self.records.get(module or "")
        if record is None:
            return
        other = self.stages.get(record.name)
        before = other.before if other is not None else record.namespace
        for name in before.get("__all__") or [n for n in before if n[:1] != "_"]:
            if (
                name not in stage.parsed.binds
                and name in stage.staged
                and stage.staged[name] is before.get(name, _MISSING)
            ):
                del stage.staged[name]

    def _forget_star(self, stage: Stage, module: str | None) -> None:
        """A star import was taken out: its names go, unless other statements bring them too."""
        before = dict(stage.staged)
        self._drop_star_names(stage, module)
        for name in set(before) - set(stage.staged):
            self.facts.add(Fact(stage.record.name, name, GONE), before[name])
        record = self.records.get(module or "")
        shared = {
            n
            for n in stage.parsed.binds
            if record is not None
            and n in stage.staged
            and stage.staged[n] is record.namespace.get(n, _MISSING)
        }
        for unit in stage.parsed.units:
            if unit.binds & shared or any(wanted.names == ("*",) for wanted in unit.imports):
                self.forced.add((stage.record.name, unit.first))

    def _drop_failed_import(self, stage: Stage, unit: Unit) -> None:
        for wanted in unit.imports:
            target = absolute(stage.record, wanted)
            if target in self.changes.appeared:
                import importlib

                importlib.invalidate_caches()

    def _settle(self, stage: Stage, unit: Unit, name: str, old: Any, new: Any) -> None:
        """Decide what a name is bound to after its statement ran: the old object made new, or the new one."""
        module, staged = stage.record.name, stage.staged
        if name in ("__annotations__", "__doc__"):
            return
        if old is _MISSING:
            self.facts.add(Fact(module, name, VALUE), new)
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
                self.waiting.append((adopt, old, new))
                staged[name] = old
                self.facts.add(Fact(module, name, BEHAVIOUR, at_call=True), old)
                return
            if unit.kind in ("def", "assign") and old.__module__ == module:
                self.waiting.append((forward, old, new))
        elif (
            isinstance(old, type)
            and isinstance(new, type)
            and unit.kind != "import"
            and old.__module__ == module
            and old.__qualname__ == new.__qualname__
        ):
            try:
                staged[name] = kept = self.merger.pour(old, new, set())
            except CannotChange as error:
                raise Refused(stage.path, unit.first, module, str(error)) from error
            if kept is old:
                self._note_shape(stage, name)
                return
        elif is_same(old, new) and unit.kind != "import":
            staged[name] = old
            return
        if isinstance(old, list | dict | set):
            self.replaced_containers.add(id(old))
        # What belongs to another name did not change itself: only this name now stands for something else.
        is_anothers = isinstance(old, FunctionType | type) and self._has_another_name(stage, name, old)
        self.facts.add(Fact(module, name, VALUE), None if is_anothers else old, new)

    def _has_another_name(self, stage: Stage, name: str, old: Any) -> bool:
        """Whether what a name was bound to belongs to another name, here or elsewhere (it was imported, or an alias)."""
        module, own = old.__module__, old.__qualname__
        if (module, own) == (stage.record.name, name) or "." in own:
            return False
        record = self.records.get(module)
        return record is not None and record.namespace.get(own) is old

    def _note_shape(self, stage: Stage, name: str) -> None:
        value = stage.staged.get(name)
        attributes = self.merger.changed.get(id(value))
        if isinstance(value, type) and attributes:
            self.facts.add(
                Fact(stage.record.name, name, SHAPE, attributes=set(attributes), at_call=True), value
            )

    def _take_code(self, stage: Stage, step: Step) -> None:
        """Only bodies differ: live functions get the new code when the update is committed."""
        unit, name = step.unit, stage.record.name
        if not step.has_new_behaviour or step.old is None:
            return
        from entrepot.live.codes import same_behaviour, same_outside
        from entrepot.live.commit import pair_codes

        self.report.patched += [f"{name}.{n}" for n in sorted(unit.binds)]
        at_call = any(
            not same_outside(b, a) for b, a in zip(step.old.codes, unit.codes, strict=False)
        ) or len(step.old.codes) != len(unit.codes)
        attributes = {a.co_name for b, a in pair_codes(step.old, unit) if not same_behaviour(b, a)}
        at_call |= unit.kind == "class" and bool(attributes & _MAKING)
        for bound in unit.binds:
            self.facts.add(
                Fact(name, bound, BEHAVIOUR, attributes=attributes, at_call=at_call), stage.staged.get(bound)
            )
        self.waiting.append((self._patch_module, stage, None))  # type: ignore[arg-type]

    def _take_signature(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """A function's head changed: evaluate the definition without decorators and take over what it made."""
        unit, staged, name = step.unit, stage.staged, stage.record.name
        stage.ran.add(id(unit))
        if any(r.fact.kind in (BEHAVIOUR, SHAPE) for r in reasons):
            self.publish()
        saved = staged.get(unit.name, _MISSING)
        hidden = {n: staged.pop(n) for n in unit.names_late if n in staged and n != unit.name}
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
        live = [f for f in self._live(stage) if (f.__code__.co_qualname, f.__code__.co_firstlineno) in codes]
        if not live or saved is _MISSING:
            if saved is _MISSING:
                staged.pop(unit.name, None)
            else:
                staged[unit.name] = saved
            self._run(stage, step, reasons)
            return
        staged[unit.name] = saved
        for function in live:
            self.waiting.append((adopt, function, made))
        self.report.patched.append(f"{name}.{unit.name}")
        self.facts.add(Fact(name, unit.name, BEHAVIOUR, at_call=True), saved)

    def _live(self, stage: Stage) -> list[FunctionType]:
        name = stage.record.name
        if name not in self.live:
            self.live[name] = find_functions([stage.record.namespace])
        return self.live[name]

    def _patch_module(self, stage: Stage, _: object, undo: UndoLog) -> None:
        from entrepot.live.commit import patch_codes

        patch_codes(stage, self._live(stage), undo)

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
        self.refilled.add(id(container))
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

    def _set_aside_classes(self, stage: Stage, step: Step, reasons: list[Reason]) -> None:
        """Note for the classes of this statement which attributes have an unchanged initialiser."""
        self._step = step
        self._affected = {r.chain[0] for r in reasons}

    def _build_class(
        self, real: Any, body: FunctionType, name: str, bases: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """A class statement runs: fill the living class if this is its statement."""
        if self.current is None or body.__globals__ is not self.current[0].staged:
            return real(body, name, *bases, **keywords)
        stage, unit = self.current
        qualname = body.__code__.co_qualname
        living = find_class(stage.record.namespace, stage.record.name, qualname)
        if living is None or unit is None or "<locals>" in qualname:
            return real(body, name, *bases, **keywords)
        if django.is_model(living):
            raise CannotChange(
                f"class {qualname}: Django has made its model of the fields; restart the program"
            )
        line = body.__code__.co_firstlineno
        new = body_statements(next(n for n in find_class_nodes(unit.tree, qualname) if begins_at(n, line)))
        nodes = find_class_nodes(self._step.old.tree, qualname) if self._step.old is not None else []
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
        known = {a for node in nodes for a in body_statements(node)} or set(new)
        if self._step.old is not None and self._step.old.header != unit.header:
            known |= living.__dict__.keys()  # what the old decorators added goes with them
        if "Enum" not in type(living).__name__:
            self.merger.body_names[id(living)] = known
        fields_changed = {k for k in old if old[k] != new.get(k)} | (new.keys() - old.keys())
        result = self.merger.build(
            real,
            living,
            {u for u in unchanged if not self._is_factory_made(living, u)},
            body,
            name,
            bases,
            keywords,
        )
        if fields_changed:
            self.merger.changed.setdefault(id(living), set()).update(
                k for k in fields_changed if not callable(living.__dict__.get(k))
            )
        return result

    def _is_factory_made(self, living: type, attribute: str) -> bool:
        """A dataclass's field, an enum's member: made from the initialiser by others, so never kept as state."""
        fields = living.__dict__.get("__dataclass_fields__", {})
        return attribute in fields and "ClassVar" not in str(getattr(fields[attribute], "type", ""))

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


def find_class(namespace: dict[str, Any], module: str, qualname: str) -> type | None:
    """Return the living class that a class statement made, by its qualified name."""
    head, *rest = qualname.split(".")
    value = namespace.get(head)
    for part in rest:
        value = value.__dict__.get(part) if isinstance(value, type) else None
    if isinstance(value, type) and value.__module__ == module and value.__qualname__ == qualname:
        return value
    return None


def _in_header(unit: Unit, reasons: list[Reason]) -> bool:
    return any(f"Name(id='{reason.chain[0]}'" in unit.header for reason in reasons)


def _is_simple(living: object) -> bool:
    return type(living) is type
