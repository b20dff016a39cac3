"""In what order things happen: where each new module is imported, so that nothing is seen to change.

Statements that print, read or write, and statements of which one changes a name that the other
reads, must keep their order; each such line of statements is a `_Chain`. A new module runs as one
block, where the file imports it: usually at the file's other imports, else where the code stood.
The order that results is then played through, and must keep every chain; else the cut is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from entrepot.program.symbols import AT_IMPORT
from entrepot.refactor.arrows import Arrows, needed_with
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.decision import Decision
from entrepot.refactor.imports import find_import_place
from entrepot.refactor.statements import Statement


@dataclass
class _Chain:
    """Statements in order, and those of them that no other of the chain may pass. `name`: because of it."""

    name: str | None
    members: list[int]
    changing: set[int]

    def limits(self, cut: Cut, key: str) -> tuple[int, float, list[int]]:
        """Return behind which statement of the file a target must run, before which, and for which of its own."""
        mine = [i for i in self.members if cut.place[i] == key]
        loud = [i for i in mine if i in self.changing]
        stay = [i for i in self.members if cut.place[i] == STAY]
        if not mine:
            return -1, math.inf, []
        # One of the two must be changing, or they may pass each other.
        above = [i for i in stay if (i < mine[-1] and i in self.changing) or (loud and i < loud[-1])]
        below = [i for i in stay if (i > mine[0] and i in self.changing) or (loud and i > loud[0])]
        return max(above, default=-1), min(below, default=math.inf), mine if above or below else []

    def find_broken(self, played: dict[int, int]) -> tuple[int, int] | None:
        """Return two statements that no longer run in their order, or None."""
        last: int | None = None  # the one of all before that runs last
        last_changing: int | None = None
        for index in self.members:
            before = last if index in self.changing else last_changing
            if before is not None and played[before] > played[index]:
                return before, index
            if last is None or played[index] > played[last]:
                last = index
            if index in self.changing and (last_changing is None or played[index] > played[last_changing]):
                last_changing = index
        return None


def find_order(cut: Cut, decision: Decision, arrows: Arrows) -> None:
    """Say where in the source each target is imported. Raises Refused where no place keeps the order."""
    chains = _find_chains(cut)
    for key in cut.targets:
        _find_place(cut, decision, arrows, key, chains)
    if not cut.force:
        _check_order(cut, chains, _play(cut, decision, arrows, STAY))
    decision.ordered.update(arrows.late)
    for key in cut.targets:
        played = _play(cut, decision, arrows, key)
        if any(chain.find_broken(played) is not None for chain in chains):
            decision.ordered.add(key)  # whoever imports it must import the file first
    for key in sorted(decision.ordered):
        decision.notes.append(
            Note(
                f"import {cut.name} before {key}: the two modules need each other while they are initialised"
            )
        )


def _find_chains(cut: Cut) -> list[_Chain]:
    """Return the chains that the cut goes through."""
    effects = cut.effects
    loud = [s.index for s in cut.statements if effects.is_loud(s.node)]
    chains = [_Chain(None, loud, set(loud))]
    doings = cut.doings
    for name in sorted(doings.steps):
        bit = doings.bits[name]
        changing = {s.index for s in cut.statements if doings.changes[s.index] & bit or name in s.binds}
        reading = {s.index for s in cut.statements if doings.reads[s.index] & bit}
        chains.append(_Chain(name, sorted(changing | reading), changing))
    return [chain for chain in chains if len({cut.place[i] for i in chain.members}) > 1]


def _find_place(cut: Cut, decision: Decision, arrows: Arrows, key: str, chains: Iterable[_Chain]) -> None:
    """Decide where the file imports one target."""
    mine: set[int] = set()
    loud: set[int] = set()
    lower = -1
    upper: float = math.inf  # it runs behind the one statement and before the other
    for chain in chains:
        above, below, some = chain.limits(cut, key)
        lower, upper = max(lower, above), min(upper, below)
        mine.update(some)
        if chain.name is None:
            loud.update(i for i in chain.members if cut.place[i] == key)
    loud |= {s.index for s in cut.statements if cut.place[s.index] == key and _is_timed(cut, s)}
    mine |= loud
    used = [
        c.occurrence.statement for c in cut.crossings if c.a == STAY and c.b == key and c.when == AT_IMPORT
    ]
    first_use = min(used, default=len(cut.statements))
    default = decision.default[key] = find_import_place(cut.file, first_use)
    needs = [c.name for c in cut.crossings if c.a == key and c.b == STAY and c.when == AT_IMPORT]
    lowest = max((s.index for s in cut.statements for n in needs if n in s.binds), default=-1)
    has_back = (key, STAY) in arrows.hard
    place: int | None = None
    if mine:
        stood = min((i for i in mine if i > lower), default=lower + 1)
        if lower > default or upper <= default or (has_back and lowest >= default):
            place = stood
        # What is seen, or what the file builds on, must happen though the file takes no name from it.
        is_unused = not any(c.a == STAY and c.b == key for c in cut.crossings) or has_back
        if not arrows.is_top(STAY, key) and not arrows.goes_first and is_unused:
            if loud or upper < math.inf:
                _check_no_way_back(cut, arrows, key, min(mine))
                place = stood if has_back else place
                decision.in_place.append(key)
            else:
                place = None
    elif has_back and arrows.goes_first and lowest >= default:
        place = lowest + 1
    if place is None:
        return
    if place <= lowest or place > first_use:
        raise cut.refuse(
            f"{key} would be needed before what it needs itself",
            cut.statements[min(first_use, len(cut.statements) - 1)].node,
            f"move along: --to {key}={','.join(sorted(needed_with(cut, needs)))}" if needs else None,
        )
    at_end = place >= len(cut.statements)
    decision.position[key] = len(cut.file.data) if at_end else cut.statements[place].start


def _is_timed(cut: Cut, statement: Statement) -> bool:
    """Whether it can be seen when a statement runs: it changes what is not its own, or reads what changes."""
    doings = cut.doings
    changing = doings.mask({*doings.volatile, *cut.rebound})
    reads, changes = doings.reads[statement.index], doings.changes[statement.index]
    return bool(changes & ~doings.mask(statement.binds) or reads & changing)


def _check_no_way_back(cut: Cut, arrows: Arrows, key: str, index: int) -> None:
    """Raise Refused where a module that exists, and may be imported first, would be run by the file it imports."""
    if cut.targets[key].file is not None and arrows.is_top(key, STAY):
        raise cut.refuse(
            f"{cut.name} would have to import {key}, which imports it, to keep the order of what they do",
            cut.statements[index].node,
            "move this to a module that does not import the file",
        )


def _play(cut: Cut, decision: Decision, arrows: Arrows, first: str) -> dict[int, int]:
    """Return when each statement runs after the cut, when `first` is the module that is imported first."""
    done: dict[int, int] = {}
    started: set[str] = set()
    imports: dict[int, list[str]] = {}
    for key in cut.targets:
        if key in decision.position:
            at = decision.position[key]
            place = next((s.index for s in cut.statements if s.start >= at), len(cut.statements))
            imports.setdefault(place, []).append(key)
        elif arrows.is_top(STAY, key) or key in decision.in_place:
            imports.setdefault(decision.default[key] + 1, []).append(key)
        elif key in arrows.late:
            imports.setdefault(arrows.late[key], []).append(key)

    def run(key: str) -> None:
        if key in started:
            return
        started.add(key)
        if key != STAY:
            for other in (STAY, *cut.targets):
                if arrows.is_top(key, other):
                    run(other)
        for index in range(len(cut.statements) + 1):
            if key == STAY:
                for other in imports.get(index, ()):
                    run(other)
            if index < len(cut.statements) and cut.place[index] == key:
                done[index] = len(done)

    for key in (first, STAY, *cut.targets):
        run(key)
    return done


def _check_order(cut: Cut, chains: Iterable[_Chain], played: dict[int, int]) -> None:
    for chain in chains:
        broken = chain.find_broken(played)
        if broken is not None:
            one, two = broken
            moved, other = (two, one) if cut.place[two] != STAY else (one, two)
            why = (
                "this statement runs between" if chain.name is None else f"this changes or reads {chain.name}"
            )
            raise cut.refuse(
                f"what moves would no longer run in its old order: {why}",
                cut.statements[other].node,
                f"move it along, or leave line {cut.statements[moved].line} behind",
            )
