"""What an update begins with: the changed files read, and what follows from an edit before any statement runs.

A changed file is parsed or refuses the update; a module whose file is gone leaves; an edited module loses the names that
nothing binds any more, and the entries of statements that were taken out.
"""

from __future__ import annotations

import ast
import sys
from types import ModuleType

from entrepot.live.commit import pair_codes
from entrepot.live.diff import CODE, SAME, SIGNATURE, Step
from entrepot.live.facts import GONE, MODULE, VALUE, Fact, absolute
from entrepot.live.functions import find_own_functions
from entrepot.live.report import Problem, Refused
from entrepot.live.staging import Stage
from entrepot.live.statements import Parsed, parse_source
from entrepot.live.watcher import Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrepot.live.update import Update

_MISSING = object()


class Opening:
    """The beginning of one update."""

    def __init__(self, update: Update) -> None:
        self._update = update

    def parse(self) -> bool:
        problems = [
            Problem(
                path,
                1,
                "",
                "Refused",
                "an extension module changed: Python cannot load it again; restart the program",
            )
            for path in self._update.changes.extensions
        ]
        for change in self._update.changes.edited:
            name = change.record.name
            try:
                self._update.parsed[name] = parse_source(
                    change.source, change.path, is_main=name == "__main__"
                )
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
                self._update.pending[name] = change
        self._update.report.errors += problems
        self._update.report.ok = not problems
        return not problems

    def find_gone(self) -> None:
        """Modules whose file is gone leave; the statements that import them will say whether they can be missed."""
        for record in self._update.changes.gone:
            if record.name == "__main__":
                raise Refused(record.path, 1, record.name, "the program's own file is gone")
            self._update.gone[record.name] = record
        for name, record in self._update.gone.items():
            if sys.modules.get(name) is record.module:
                self._update.undo.add(f"module {name}", sys.modules.__setitem__, name, record.module)
                del sys.modules[name]
            parent, _, tail = name.rpartition(".")
            if parent in self._update.records:
                stage = self._update.stage_of(parent)
                if stage.staged.get(tail) is record.module:
                    del stage.staged[tail]
            self._update.facts.add(Fact(name, MODULE, GONE))

    def find_forced(self) -> None:
        for name in self._update.changes.appeared:
            self._update.facts.add(Fact(name, MODULE, VALUE))
        if not self._update.changes.folders:
            return
        listers = ("iter_modules", "listdir", "glob", "iterdir", "walk_packages", "scandir")
        listing = {module for name in listers for module in self._update.session.index.loads(name)}
        listing |= {
            name for name, parsed in self._update.parsed.items() if any(u.lists_folder for u in parsed.units)
        }
        for name in listing & self._update.records.keys():
            record = self._update.records[name]
            if record.path.startswith(tuple(self._update.changes.folders)):
                parsed = (
                    self._update.parsed[name]
                    if name in self._update.pending
                    else self._update.parsed_of(record)
                )
                for unit in parsed.units:
                    if unit.lists_folder:
                        self._update.forced.add((name, unit.first))
                        self._update.push(name)

    def begin_edited(self, stage: Stage, change: Change) -> None:
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
        self._update.live[name] = find_own_functions(stage.record)
        if "__annotations__" in stage.staged:
            unannotated = self._annotated(self._update.parsed_of(stage.record)) - self._annotated(
                stage.parsed
            )
            stage.staged["__annotations__"] = {
                k: v for k, v in stage.staged["__annotations__"].items() if k not in unannotated
            }
        outside = self._update.outside
        still_set = outside.targets_of(stage, stage.parsed.units) if stage.difference.removed else set()
        for unit in stage.difference.removed:
            self._update.effects.withdraw(stage, unit)
            outside.withdraw(stage, unit, still_set)
            for wanted in unit.imports:
                if wanted.names == ("*",):
                    self._forget_star(stage, absolute(stage.record, wanted))
        for lost in stage.difference.gone:
            others = [u for u in stage.parsed.units if lost in self._update.stars.binds_of(stage.record, u)]
            if others:  # a star import brings it
                self._update.forced.update((name, other.first) for other in others)
                continue
            if lost == "__doc__":
                stage.staged["__doc__"] = None
                continue
            value = stage.staged.pop(lost, _MISSING)
            if (
                isinstance(value, ModuleType)
                and f"{name}.{lost}" in self._update.records
                and f"{name}.{lost}" not in self._update.gone
                and "__path__" in stage.staged
            ):
                stage.staged[lost] = value  # a submodule stays bound in its package
                continue
            if value is not _MISSING:
                self._update.facts.add(Fact(name, lost, GONE), value)
                if isinstance(value, type) and value.__module__ == name:
                    self._update.class_statements.note_family(value, is_gone=True)
        for step in stage.difference.steps:
            if step.action in (CODE, SIGNATURE) or (
                step.action == SAME and step.unit.kind in ("def", "class")
            ):
                self._note_cells(stage, step)

    @staticmethod
    def _annotated(parsed: Parsed) -> set[str]:
        nodes = [
            n for u in parsed.units if ":" in u.text and u.kind in ("assign", "other") for n in u.tree.body
        ]
        return {n.target.id for n in nodes if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}

    def _note_cells(self, stage: Stage, step: Step) -> None:
        """Remember functions whose closures cannot take the new code."""
        if step.old is None or step.action == SAME:
            return
        for before, after in pair_codes(step.old, step.unit):
            if before.co_freevars != after.co_freevars:
                stage.unpatched.add((before.co_qualname, before.co_firstlineno))

    def _forget_star(self, stage: Stage, module: str | None) -> None:
        """A star import was taken out: its names go, unless other statements bring them too."""
        before = dict(stage.staged)
        self._update.stars.drop_names(stage, module)
        for name in set(before) - set(stage.staged):
            self._update.facts.add(Fact(stage.record.name, name, GONE), before[name])
        record = self._update.records.get(module or "")
        shared = {
            n
            for n in stage.parsed.binds
            if record is not None
            and n in stage.staged
            and stage.staged[n] is record.namespace.get(n, _MISSING)
        }
        for unit in stage.parsed.units:
            if unit.binds & shared or any(wanted.names == ("*",) for wanted in unit.imports):
                self._update.forced.add((stage.record.name, unit.first))
