"""What is known about one program: which modules to leave to the run, which it goes on to import.

    known = read_knowledge(path)
    known = learn(known, ["json", "shop.cart", ...])     names that a finished run imported late
    plan = known.make_plan()                             for the next preparation
    write_knowledge(path, known)                         whole or not at all

A module that has stopped being imported is forgotten after a few runs without it; the reasons for
avoiding modules are forgotten when the files they come from change, so that a mended module is shared
again.

Does not know: what the modules do; that is observed anew in each preparation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from entrepot.warm.verdict import Plan
from entrepot.warm.whole_file import write_new

VERSION = 4
MAX_FOLDERS = 50
KEPT_RUNS = 8  # a late module not imported in so many runs is forgotten


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that earlier runs and preparations taught about a program."""

    avoid: Mapping[str, str] = field(default_factory=dict)  # module -> why it is left to the run
    origins: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # avoided module -> file, ctime_ns
    late: tuple[str, ...] = ()  # in the order of import
    folders: tuple[str, ...] = ()  # that the program puts into its search path
    unused: Mapping[str, int] = field(default_factory=dict)  # late module -> runs since it was imported
    at_most: int = 1 << 20
    only_late: tuple[str, ...] = ()  # see `Plan`
    version: int = VERSION

    def make_plan(self) -> Plan:
        """Return what the next preparing interpreter is told."""
        current = {name: why for name, why in self.avoid.items() if not self._is_outdated(name)}
        if current.keys() != self.avoid.keys():
            current = {}  # one reason is gone; what was left because of it cannot be told apart
        late = tuple(name for name in self.late if name not in current)
        return Plan(dict(current), late, self.at_most, frozenset(self.only_late))

    def _is_outdated(self, name: str) -> bool:
        origin = self.origins.get(name)
        if origin is None:
            return False
        try:
            return os.stat(origin[0]).st_ctime_ns != origin[1]
        except OSError:
            return True


def has_news(known: Knowledge, imported: Sequence[str]) -> bool:
    """Whether a run imported what is not known yet; see `learn` for the names."""
    there = {*known.late, *known.avoid, *known.folders}
    return any(
        name[1:] not in known.avoid if name.startswith("!") else name not in there for name in imported
    )


def learn(known: Knowledge, imported: Sequence[str]) -> Knowledge:
    """Return the knowledge after a run that imported these modules late, in this order.

    A path is a folder of the program's search path. A name with `!` before it could not be had as it was
    prepared: it is left to the run from now on.
    """
    names = tuple(name for name in dict.fromkeys(imported) if not name.startswith(("!", "/")))
    folders = tuple(dict.fromkeys([*known.folders, *(name for name in imported if name.startswith("/"))]))
    known = replace(known, folders=folders[-MAX_FOLDERS:])
    missed = {name[1:] for name in imported if name.startswith("!")}
    if missed:
        why = "is imported after the program changed what it depends on"
        known = replace(known, avoid={**known.avoid, **dict.fromkeys(sorted(missed), why)})
    now = frozenset(names)
    unused = {name: known.unused.get(name, 0) + 1 for name in known.late if name not in now}
    kept = tuple(name for name in known.late if name not in now and unused[name] < KEPT_RUNS)
    # The newest order first: it is the one that the next run will most likely follow.
    return replace(known, late=names + kept, unused={name: unused[name] for name in kept})


def remember_plan(known: Knowledge, plan: Plan, sources: Mapping[str, str]) -> Knowledge:
    """Return the knowledge after a preparation that succeeded with this plan.

    `sources` are the files of avoided modules, where known.
    """
    origins: dict[str, tuple[str, int]] = {}
    for name in plan.avoid:
        path = sources.get(name, "")
        if path:
            try:
                origins[name] = (path, os.stat(path).st_ctime_ns)
            except OSError:
                continue
        elif name in known.origins:
            origins[name] = known.origins[name]
    return replace(
        known,
        avoid=dict(plan.avoid),
        origins=origins,
        at_most=plan.at_most,
        only_late=tuple(sorted(plan.only_late)),
    )


def read_knowledge(path: str) -> Knowledge:
    """Read what is known; nothing, where there is nothing, or it is damaged or of another version."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        if data.get("version") != VERSION:
            return Knowledge()
        origins = {name: (str(where), int(when)) for name, (where, when) in data["origins"].items()}
        lists = {key: tuple(map(str, data[key])) for key in ("late", "folders", "only_late")}
        return Knowledge(**{**data, "origins": origins, **lists})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Knowledge()


def write_knowledge(path: str, known: Knowledge) -> None:
    """Write it, whole or not at all."""
    write_new(path, json.dumps(asdict(known)).encode())
