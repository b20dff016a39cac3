"""What to do after a preparation: use it, or do it again without some modules, or give up.

`judge(observation, plan)` is pure. A module that may not be shared takes with it every module
whose initialisation imported it, because those would initialise it too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from entrepot.warm import eligible
from entrepot.warm.files import is_external
from entrepot.warm.observation import PROGRAM, START, Observation


@dataclass(frozen=True, slots=True)
class Plan:
    """What a preparing interpreter is told."""

    avoid: dict[str, str] = field(default_factory=dict)  # module -> why it is left to the run
    late: tuple[str, ...] = ()  # to be imported ahead of the program, in this order
    at_most: int = 1 << 20  # leading statements of the entry point
    only_late: frozenset[str] = frozenset()  # not to be initialised before the program would have waited

    def to_wire(self) -> dict[str, object]:
        """Return plain values for `warm/preparation/resident.py`."""
        return {
            "avoid": self.avoid,
            "late": list(self.late),
            "at_most": self.at_most,
            "only_late": sorted(self.only_late),
            "probes": sorted(eligible.PROBES),
        }


@dataclass(frozen=True, slots=True)
class Ready:
    """The interpreter may serve."""


@dataclass(frozen=True, slots=True)
class Again:
    """Prepare anew with this plan."""

    plan: Plan
    because: str


@dataclass(frozen=True, slots=True)
class Never:
    """No interpreter can be prepared for this program: every run is cold."""

    reason: str


Verdict = Ready | Again | Never


def judge(
    seen: Observation,
    plan: Plan,
    *,
    misfits: Mapping[str, str] | None = None,
    failed_line: int = 0,
    leading_before: int = 0,
) -> Verdict:
    """Decide from what was observed.

    `misfits`: modules of the stash that cannot wait there, with the reason (the report's
    "misfits"). `failed_line`: the preparation ended in an exception of the entry point;
    `leading_before` is then the number of leading statements that went well.
    """
    if START in seen.reasons:
        return Never(f"the interpreter's own start (site, .pth files) {seen.reasons[START]}")
    bad = {name: why for name, why in seen.reasons.items() if name != PROGRAM}
    bad.update(misfits or {})
    askers, waiting = judge_askers(seen, plan)
    bad.update(askers)
    only_late = plan.only_late | waiting
    if seen.stack and (seen.deed is not None or not seen.disarmed):
        what = seen.deed[0] if seen.deed and seen.deed[0] else "ended the process"
        bad.setdefault(seen.stack[-1], seen.reasons.get(seen.stack[-1], what))
        for importer, imported in zip(seen.stack, seen.stack[1:], strict=False):
            bad.setdefault(importer, f"imports {imported}, which is left to the run")
    fresh = {name: why for name, why in bad.items() if name not in plan.avoid}
    if fresh or only_late != plan.only_late:
        avoid = with_importers({**plan.avoid, **bad}, seen.edges)
        late = tuple(name for name in dict.fromkeys([*find_external(seen), *plan.late]) if name not in avoid)
        name, why = next(iter((fresh or seen.terminal_early).items()))
        return Again(Plan(avoid, late, plan.at_most, only_late), f"{name} {why}")
    if PROGRAM in seen.reasons or failed_line or not seen.disarmed:
        if plan.at_most == 0:
            return Never(
                f"it cannot even be started ahead: {seen.reasons.get(PROGRAM, 'the preparation fails')}"
            )
        late = tuple(dict.fromkeys([*find_external(seen), *plan.late]))
        return Again(
            Plan(plan.avoid, late, leading_before, only_late),
            seen.reasons.get(PROGRAM, "the entry point raised"),
        )
    return Ready()


def judge_askers(seen: Observation, plan: Plan) -> tuple[dict[str, str], set[str]]:
    """Judge those that ask about the standard streams: which to avoid, with the reason, and which may only wait.

    In a run that has a terminal they are initialised by the run, with all that imports them. So extensions cannot wait,
    which most cannot be initialised twice, nor the program's own modules, which never do, nor those that are initialised
    before the program would have waited, although they should not.
    """
    external = frozenset(find_external(seen))
    avoid = {name: why for name, why in seen.terminal_early.items() if name in plan.only_late}
    only_late: set[str] = set()
    for name, why in {**seen.terminal, **seen.terminal_early}.items():
        users = with_importers({name: why}, seen.edges)
        files = (seen.modules[user].source for user in users if user in seen.modules)
        if name not in external or any(file.endswith(".so") for file in files):
            avoid[name] = why
        elif name in seen.terminal_early:
            only_late |= external.intersection(users)
            text = f"imports {name}, which {why}"
            avoid.update(dict.fromkeys(users.keys() - external, text))
    return avoid, only_late


def find_external(seen: Observation) -> list[str]:
    """Return the modules of distributions and of the standard library, in the order in which they began.

    Only these are imported ahead of a program. Its own may register themselves with each other, so
    they are initialised where the program does it.
    """
    found = []
    for name, module in seen.modules.items():
        source = module.source
        if not module.finished:
            continue
        if is_external(source) if source else name.partition(".")[0] in sys.stdlib_module_names:
            found.append(name)
    return found


def with_importers(avoid: dict[str, str], edges: dict[str, set[str]]) -> dict[str, str]:
    """Add every module whose initialisation imports an avoided one (submodules need their parents too)."""
    result = dict(avoid)
    users: dict[str, set[str]] = {}
    for importer, imported in edges.items():
        for name in imported:
            users.setdefault(name, set()).add(importer)
    below: dict[str, set[str]] = {}
    for name in set(edges) | set(users):
        while "." in name:
            below.setdefault(name.rpartition(".")[0], set()).add(name)
            name = name.rpartition(".")[0]
    todo = list(result)
    while todo:
        name = todo.pop()
        for user in users.get(name, set()) | below.get(name, set()):
            if user not in result and user not in (PROGRAM, START):
                result[user] = f"imports {name}, which is left to the run"
                todo.append(user)
    return result
