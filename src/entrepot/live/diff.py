"""Which statements of an edited module stay, change their code only, or run again.

Old and new statements are paired: by text, then by meaning (so comments and layout do not count), then by what they
bind. What is left of the old ones was removed, of the new ones added.

Pure: units in, steps out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from entrepot.live.codes import same_behaviour
from entrepot.live.statements import Parsed, Unit

# What to do with a unit, as far as its own text tells.
SAME = "same"  # nothing, unless something that it reads changed
CODE = "code"  # only bodies of functions differ: give live functions the new code
SIGNATURE = "signature"  # a function whose head differs, decorators apart: take over defaults and the rest
RUN = "run"  # run it


class Step:
    """One unit of the new source with its counterpart in the old, if any, and what to do."""

    __slots__ = ("action", "has_new_behaviour", "is_moved", "old", "unit")

    def __init__(self, unit: Unit, old: Unit | None, action: str, has_new_behaviour: bool = False) -> None:
        self.unit = unit
        self.old = old
        self.action = action
        self.has_new_behaviour = has_new_behaviour  # CODE: does more than move lines
        self.is_moved = False  # changed places with another binder of its names


class Difference:
    """The steps for one module, in the order of the new source; `removed` are old units without a counterpart, `gone`
    names that nothing binds any more."""

    __slots__ = ("gone", "removed", "steps")

    def __init__(
        self, steps: list[Step], removed: Sequence[Unit] = (), gone: frozenset[str] = frozenset()
    ) -> None:
        self.steps = steps
        self.removed = removed
        self.gone = gone


def plan_steps(old: Parsed, new: Parsed, binds_of: Callable[[Unit], frozenset[str]]) -> Difference:
    """Compare two versions of one module; `binds_of` knows what names a unit binds, those of star imports too."""
    partner = _pair(old.units, new.units)
    steps = [_make_step(unit, partner.get(id(unit))) for unit in new.units]
    taken = {id(step.old) for step in steps if step.old}
    removed = [unit for unit in old.units if id(unit) not in taken and unit.kind != "main"]
    lost = {name for unit in removed for name in unit.binds}
    for step in steps:
        if step.old:
            lost |= step.old.binds - step.unit.binds
    moved = _find_moved(steps, old.units, binds_of)
    for step in steps:
        # A name that lost one of several binders takes the value that the others give it; so does one whose binders changed places.
        if (step.unit.binds & lost and step.unit.kind != "main") or id(step.unit) in moved:
            step.action = RUN
            if step.unit.kind == "class":  # what lives is the class that the removed statement made
                step.old = _last_class(removed, step.unit.name) or step.old
        if step.old is None and step.unit is _last_class(new.units, step.unit.name):
            # A second definition: what lives is this one's class now.
            step.old = _last_class(old.units, step.unit.name)
        if step.old is not None and step.unit.names_late - step.old.names_late and step.unit.kind != "main":
            step.action = (
                RUN  # it moved above what it reads: a fresh start would fail, or read something else
            )
    return Difference(steps, removed, old.binds - new.binds)


def plan_nothing(parsed: Parsed) -> Difference:
    """The steps of a module whose text did not change."""
    return Difference([Step(unit, unit, SAME) for unit in parsed.units])


def _pair(old: list[Unit], new: list[Unit]) -> dict[int, Unit]:
    """Return the old unit for each new one (by id)."""
    partner: dict[int, Unit] = {}
    left_old, left_new = list(old), list(new)
    keys = (
        lambda u: u.text,
        lambda u: u.key,
        lambda u: (u.kind, u.name, u.binds) if u.binds else id(u),
        _first_bind,
    )
    for key in keys:
        waiting: dict[object, list[Unit]] = {}
        for unit in left_old:
            waiting.setdefault(key(unit), []).append(unit)
        still = []
        for unit in left_new:
            found = waiting.get(key(unit))
            if found:
                partner[id(unit)] = found.pop(0)
            else:
                still.append(unit)
        taken = {id(unit) for unit in partner.values()}
        left_new, left_old = still, [unit for unit in left_old if id(unit) not in taken]
        if not left_new or not left_old:
            break
    return partner


def _first_bind(unit: Unit) -> object:
    """Pair a unit that binds several names with one that binds some of them; effects without names by their kind."""
    if unit.kind == "main":
        return "main"
    return (min(unit.binds),) if unit.binds else id(unit)


def _make_step(unit: Unit, old: Unit | None) -> Step:
    if old is None:
        return Step(unit, None, RUN)
    if unit.text == old.text or unit.key == old.key:
        action = SAME if unit.flags == old.flags else RUN
        return Step(unit, old, action)
    if unit.kind == old.kind and unit.shape == old.shape and _same_cells(unit, old):
        changed = not all(map(same_behaviour, old.codes, unit.codes))
        return Step(unit, old, CODE, changed)
    if unit.kind == old.kind == "def" and unit.header == old.header and unit.name == old.name:
        return Step(unit, old, SIGNATURE, True)
    return Step(unit, old, RUN)


def _same_cells(unit: Unit, old: Unit) -> bool:
    """Whether every function directly in both versions closes over the same names (else code cannot be exchanged)."""
    return [c.co_freevars for u in (unit,) for c in _functions(u)] == [
        c.co_freevars for u in (old,) for c in _functions(u)
    ]


def _functions(unit: Unit) -> list:  # type: ignore[type-arg]
    from entrepot.live.codes import inner_codes, runs_at_once

    found = []
    stack = list(unit.codes)
    while stack:
        code = stack.pop(0)
        if runs_at_once(code):
            stack = inner_codes(code) + stack
        else:
            found.append(code)
    return found


def _last_class(units: Sequence[Unit], name: str) -> Unit | None:
    return next((unit for unit in reversed(units) if unit.kind == "class" and unit.name == name), None)


def _find_moved(
    steps: list[Step], old: Sequence[Unit], binds_of: Callable[[Unit], frozenset[str]]
) -> set[int]:
    """Return ids of units that bind a name which others bind too, where these changed their order: of imports and
    definitions only the last, whose value it is."""
    place = {id(unit): index for index, unit in enumerate(old)}
    binders: dict[str, list[Step]] = {}
    for step in steps:
        if step.old is not None and step.unit.kind != "main":
            for name in binds_of(step.unit):
                binders.setdefault(name, []).append(step)
    moved: set[int] = set()
    for several in binders.values():
        places = [place[id(step.old)] for step in several]
        if places != sorted(places):
            for step in several:
                step.is_moved = True
                if step is several[-1] or step.unit.kind not in ("import", "def"):
                    moved.add(id(step.unit))
    return moved
