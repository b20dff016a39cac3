"""Import cycles, told apart by what they do when the program runs.

The modules of a cycle are run in thought: each is a list of steps in the order of its text
(import a module, take names from it, bind a name, use an attribute of a module that was
imported), and `sys.modules` is a table of those begun and those finished. Taking a name from a module
that has begun and has not yet bound it fails, unless it is a submodule, which is then imported.
This is done once for each module of the cycle as the one imported first.

    fails      whichever comes first
    depends    only when some come first; they are named
    harmless   never

Not seen: what functions do that are called at import time, names bound from outside, and tests that
only running can decide (both branches are taken to run; a failure inside a `try` is caught).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from entrepot.program.conditions import AT_IMPORT, GUARDED
from entrepot.program.graph import find_chains, find_cycles, find_reached, invert
from entrepot.program.model import Module, Program
from entrepot.program.resolve import get_absolute
from entrepot.program.source import SourceError
from entrepot.survey.local import list_early_uses

# Beyond these, the first so many modules of a cycle are tried as the first one.
MOST_STARTS = 40
MOST_STEPS = 400_000


class Failure(NamedTuple):
    """The import that fails: in which module and line, what is taken from where, when `first` comes first."""

    first: str
    module: str
    line: int
    wanted: str
    name: str


@dataclass(frozen=True)
class Cycle:
    """modules: all of a strongly connected part. path: a shortest cycle in it, first module again last.

    kind: "fails", "depends" or "harmless". failures: one for each first module that fails.
    is_sampled: there were too many modules to try each one first.
    """

    modules: tuple[str, ...]
    path: tuple[str, ...]
    lines: tuple[int, ...]
    kind: str
    failures: tuple[Failure, ...]
    is_sampled: bool = False


class _Step(NamedTuple):
    """kind: "import", "take", "star", "bind" or "use"."""

    kind: str
    module: str
    name: str
    line: int
    is_guarded: bool
    names: tuple[str, ...] = ()


def read_early_uses(module: Module) -> list[Any]:
    """Return a module's uses of imported things at import time, from its text."""
    try:
        return list_early_uses(module.tree(), module.bindings())
    except (SourceError, SyntaxError):
        return []


def find_import_cycles(
    program: Program, list_early: Callable[[Module], list[Any]] = read_early_uses
) -> list[Cycle]:
    """Return every cycle of imports that happen at import time.

    list_early: how to get a module's early uses; whoever has read all files gives what it has.
    """
    graph = program.get_graph(AT_IMPORT)
    found = []
    cycles = find_cycles(graph)
    table = _Table(program, {number for members in cycles for number in members}, list_early)
    for members in cycles:
        inside = set(members)
        small: list[list[int]] = [[] for _ in program.names]
        for number in members:
            small[number] = [target for target in graph[number] if target in inside]
        best: list[int] = []
        for number in members[:200]:
            chains = find_chains(small, number, number, 1)
            if chains and (not best or len(chains[0]) < len(best)):
                best = chains[0]
                if len(best) <= 3:
                    break
        names = tuple(program.names[number] for number in best)
        lines = tuple(
            min((a.line for a in program.get_arrows(one, two, AT_IMPORT)), default=1)
            for one, two in pairwise(names)
        )
        modules = tuple(program.names[number] for number in members)
        failures, tried = _try_each(program, modules, table)
        kind = "harmless" if not failures else "fails" if len(failures) == tried else "depends"
        found.append(Cycle(modules, names, lines, kind, tuple(failures), tried < len(modules)))
    return found


def _try_each(program: Program, modules: tuple[str, ...], table: _Table) -> tuple[list[Failure], int]:
    """Run a cycle in thought with each module first; return the failures and how many were tried."""
    inside = set(modules)
    total = max(1, sum(len(table[name]) for name in modules))
    most = max(4, min(MOST_STARTS, MOST_STEPS // total))
    stride = max(1, len(modules) // most)
    starts = modules[::stride][:most]
    failures = []
    # A parent package that runs the whole cycle settles it for all modules below it.
    settled: dict[str, Failure | None] = {}
    for first in starts:
        top = first.partition(".")[0]
        if top in settled:
            known = settled[top]
            if known:
                failures.append(known._replace(first=first))
            continue
        run = _Run(table, program)
        if top != first and top in program.raw.ids:
            failure = run.start(top)
            if failure or inside <= run.bound.keys():
                settled[top] = failure
            if failure:
                failures.append(failure._replace(first=first))
            if top in settled:
                continue
        failure = run.start(first)
        if failure:
            failures.append(failure)
    return failures, len(starts)


class _Table(dict[str, list[_Step]]):
    """The steps of each module, listed when first asked for; none where it reaches no cycle."""

    def __init__(self, program: Program, cyclic: set[int], list_early: Callable[[Module], list[Any]]) -> None:
        super().__init__()
        self.list_early = list_early
        self.program = program
        reaching = find_reached(invert(program.get_graph(AT_IMPORT, with_ancestors=True)), cyclic)
        self.live = {program.names[number] for number in reaching}

    def __missing__(self, name: str) -> list[_Step]:
        steps: list[_Step] = []
        if name in self.live:
            module = self.program.modules[name]
            steps = _list_steps(self.program, module, self.list_early(module))
        self[name] = steps
        return steps


class _FailedError(Exception):
    def __init__(self, module: str, line: int, wanted: str, name: str) -> None:
        super().__init__(module)
        self.place = (module, line, wanted, name)


class _Run:
    """One run in thought."""

    def __init__(self, table: _Table, program: Program) -> None:
        self.steps = table
        self.inside = table.live
        self.program = program
        self.bound: dict[str, set[str]] = {}
        self.done: set[str] = set()

    def start(self, first: str) -> Failure | None:
        """Import one module first; return what fails."""
        # A generator for each module being run: cycles may be deeper than Python's stack.
        stack = [self.run(part) for part in reversed(self.with_parents(first))]
        error: _FailedError | None = None
        while stack:
            try:
                wanted = stack[-1].throw(error) if error else next(stack[-1])
                error = None
                if wanted is not None:
                    stack += [self.run(part) for part in reversed(self.with_parents(wanted))]
            except StopIteration:
                error = None
                stack.pop()
            except _FailedError as failed:
                error = failed
                stack.pop()
        return Failure(first, *error.place) if error else None

    def with_parents(self, name: str) -> list[str]:
        parts = name.split(".")
        names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        return [one for one in names if one in self.inside and one not in self.bound]

    def run(self, name: str):  # type: ignore[no-untyped-def]
        """Run a module's steps; yields the modules that it imports."""
        if name in self.bound:
            return
        mine = self.bound[name] = set()
        for step in self.steps[name]:
            try:
                if step.kind == "bind":
                    mine.add(step.name)
                elif step.kind == "use":
                    self.use(name, step)
                else:
                    if step.module in self.inside and step.module not in self.bound:
                        yield step.module
                    if step.kind == "take":
                        for taken in step.names:
                            submodule = f"{step.module}.{taken}"
                            if self.is_missing(step.module, taken) and submodule in self.program.raw.ids:
                                if submodule not in self.bound:
                                    yield submodule
                            elif (
                                self.is_missing(step.module, taken) and submodule not in self.program.raw.ids
                            ):
                                raise _FailedError(name, step.line, step.module, taken)
                    if step.kind == "star":
                        mine |= self.bound.get(step.module, set())
            except _FailedError:
                if not step.is_guarded:
                    self.bound.pop(name, None)  # a module that failed leaves sys.modules
                    raise
        self.done.add(name)

    def use(self, name: str, step: _Step) -> None:
        submodule = f"{step.module}.{step.name}"
        if self.is_missing(step.module, step.name) and submodule not in self.program.raw.ids:
            raise _FailedError(name, step.line, step.module, step.name)

    def is_missing(self, module: str, name: str) -> bool:
        """Has a module begun, not finished, and not bound a name that it will bind?"""
        if module not in self.inside or module in self.done or module not in self.bound:
            return False
        bindings = self.program.raw.read_bindings(module)
        if "__getattr__" in self.bound[module]:
            return False
        return name not in self.bound[module] and (bindings.binds(name) or not bindings.stars)


def _list_steps(program: Program, module: Module, early: list[Any]) -> list[_Step]:
    """Return what a module's top level does that matters to a cycle, in the order of its text."""
    resolved: dict[tuple[int, int], list[tuple[str, tuple[str, ...], str, str]]] = {}
    for one in program.resolve_module(module.name):
        if one.when in AT_IMPORT:
            place = (one.line, one.column)
            resolved.setdefault(place, []).append((one.module, one.names, one.form, one.when))
    bases = {
        statement[:2]: get_absolute(module.name, module.is_package, statement[3], statement[4])
        for statement in module.statements()
    }
    steps: list[_Step] = []
    for place, targets in resolved.items():
        for target, names, form, when in targets:
            guarded = when == GUARDED
            if form == "star":
                steps.append(_Step("star", target, "", place[0], guarded))
            elif form == "from":
                base = bases.get(place) or target
                taken = base if f"{base}.{names[0] if names else ''}" == target else target
                steps.append(_Step("take", taken, "", place[0], guarded, names))
            else:
                steps.append(_Step("import", target, "", place[0], guarded))
    for name, bindings in module.bindings().names.items():
        for binding in bindings:
            if binding.when in AT_IMPORT:
                line = binding.line if binding.kind == "import" else binding.end_line
                steps.append(_Step("bind", "", name, line, False))
    steps += _list_uses(program, module, early)
    order = {"use": 0, "import": 1, "take": 1, "star": 1, "bind": 2}
    return sorted(steps, key=lambda step: (step.line, order[step.kind]))


def _list_uses(program: Program, module: Module, early: list[Any]) -> list[_Step]:
    """Return the uses, at import time, of attributes of the program's modules."""
    aliases: dict[str, str] = {}
    for name, bindings in module.bindings().names.items():
        last = bindings[-1]
        if last.kind != "import" or last.when not in AT_IMPORT:
            continue
        base = get_absolute(module.name, module.is_package, last.level, last.module) or ""
        target = f"{base}.{last.fetched}" if last.fetched else base if last.is_as else name
        if target in program.raw.ids:
            aliases[name] = target
    steps = []
    for root, parts, line, is_guarded in early:
        target = aliases.get(root, "")
        for part in parts:
            if target not in program.raw.ids:
                break
            inner = f"{target}.{part}"
            if inner not in program.raw.ids:
                steps.append(_Step("use", target, part, line, is_guarded))
            target = inner
    return steps
