"""The arrows between the modules of a cut: which must come first, and which fit at the top.

What one module needs from another *while it is initialised* is a hard arrow. Hard arrows must have no
cycle, else the cut is refused with the arrows and the names that would have to come along.
Softer needs (inside functions) become arrows too where that closes no cycle.

A package's `__init__` is always initialised before its modules; there, instead of a cycle, the
order of its statements decides.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT
from entrepot.refactor.cut import STAY, Cut, is_copied, is_declaration
from entrepot.refactor.statements import is_main_guard, is_type_checking


class Arrows:
    """Arrows between the modules of a cut: hard ones first, then those that fit at the top.

    `late` are the targets that the file needs while it is initialised, but only in a function that is
    called then (at which statement), and that need the file themselves: the file is then half done, which is
    enough if it is the first to be imported.
    """

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.goes_first = cut.project.is_package(cut.path)
        self.hard: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for crossing in cut.crossings:
            if crossing.when == AT_IMPORT and not is_declaration(crossing):
                line = cut.file.line_of(crossing.occurrence.start)
                self.hard.setdefault((crossing.a, crossing.b), []).append((crossing.name, line))
        self.top: set[tuple[str, str]] = set(self._existing())
        self.late: dict[str, int] = {}
        found = list(_find_late(cut))
        for edge in self.hard:
            if not self._is_ordered(edge):
                self.top.add(edge)
        for edge, name, index in found:
            if self._can_wait(edge, index):
                self.late.setdefault(edge[1], index)
                continue
            self.hard.setdefault(edge, []).append((name, cut.statements[index].line))
            if not self._is_ordered(edge):
                self.top.add(edge)
        self._check_acyclic()
        soft: list[tuple[str, str]] = []
        for crossing in cut.crossings:
            edge = (crossing.a, crossing.b)
            if edge not in soft:
                soft.append(edge)
        wanted = [
            key for key in cut.targets if cut.reexport or set(cut.targets[key].names) & set(cut.exported)
        ]
        soft += [(STAY, key) for key in wanted if (STAY, key) not in soft]
        soft.sort(key=lambda edge: (edge[0] != STAY, edge[1] == STAY))
        for edge in soft:
            if edge not in self.top and not self.reaches(edge[1], edge[0]) and not self._is_ordered(edge):
                self.top.add(edge)

    def _can_wait(self, edge: tuple[str, str], index: int) -> bool:
        """Whether what a call in the file needs of a target can be imported by that call, not before it."""
        a, b = edge
        if a != STAY or edge in self.top or self.goes_first or not self.reaches(b, STAY):
            return False
        if self.cut.targets[b].file is not None:
            return False  # others may import that first
        needed = {c.name for c in self.cut.crossings if c.b == STAY and c.when == AT_IMPORT}
        bound = [s.index for s in self.cut.statements if s.binds & needed]
        return max(bound, default=-1) < index

    def _is_ordered(self, edge: tuple[str, str]) -> bool:
        """Whether an arrow back into a package's own `__init__` is a matter of order, not a cycle."""
        return self.goes_first and edge[1] == STAY

    def _existing(self) -> list[tuple[str, str]]:
        """Arrows that modules which exist already have among each other."""
        found = []
        for key, target in self.cut.targets.items():
            if target.file is None:
                continue
            if self.cut.path in reach(self.cut, target.path):
                if is_source_loud(self.cut) or _takes_more_than_moves(self.cut, target.path):
                    found.append((key, STAY))
            for other, there in self.cut.targets.items():
                if other != key and there.file is not None and there.path in reach(self.cut, target.path):
                    found.append((key, other))
        return found

    def reaches(self, start: str, goal: str) -> bool:
        seen, stack = set(), [start]
        while stack:
            node = stack.pop()
            if node == goal:
                return True
            if node not in seen:
                seen.add(node)
                stack += [b for a, b in self.top if a == node]
        return False

    def is_top(self, a: str, b: str) -> bool:
        return (a, b) in self.top

    def _check_acyclic(self) -> None:
        for a, b in sorted(self.top):
            if not self.reaches(b, a):
                continue
            path = self._find_path(b, a)
            steps = [(a, b), *itertools.pairwise(path)]
            cut = self.cut
            arrows = []
            along: list[str] = []
            for x, y in steps:
                needs = self.hard.get((x, y), [])
                shown = (
                    ", ".join(f"{name} (line {line})" for name, line in needs[:3]) or "it imports it already"
                )
                arrows.append(f"{cut.label(x)} needs {cut.label(y)} while it is initialised: {shown}")
                if y == STAY:
                    along += [name for name, _ in needs]
            first = next((line for edge in steps for _, line in self.hard.get(edge, [])), None)
            key = next((x for x, y in steps if y == STAY), steps[0][1])
            names = ", ".join(sorted(needed_with(cut, along))) if along else ""
            way = (
                f"move along: --to {key}={names.replace(' ', '')}"
                if names
                else "put these names into one module"
            )
            raise cut.refuse("the modules would import each other:\n    " + "\n    ".join(arrows), first, way)

    def _find_path(self, start: str, goal: str) -> list[str]:
        queue = [[start]]
        seen = {start}
        while queue:
            path = queue.pop(0)
            if path[-1] == goal:
                return path
            for a, b in sorted(self.top):
                if a == path[-1] and b not in seen:
                    seen.add(b)
                    queue.append([*path, b])
        raise AssertionError("asked only where there is a way")


def needed_with(cut: Cut, names: Iterable[str]) -> set[str]:
    """Return names of the part that stays which `names` need, themselves included."""
    module = cut.file.names.module
    found: set[str] = set()
    todo = [name for name in names if cut.owner.get(name) == STAY]
    while todo:
        name = todo.pop()
        if name in found or is_copied(cut, name):
            continue
        found.add(name)
        binders = {s.index for s in cut.statements if name in s.binds}
        for occurrence in cut.file.names.occurrences:
            if occurrence.statement in binders and occurrence.home is module:
                if cut.owner.get(occurrence.name) == STAY and occurrence.name not in found:
                    todo.append(occurrence.name)
    return found


def reach(cut: Cut, start: str) -> set[str]:
    """Return the files that a file imports at import time, directly or not."""
    project = cut.project
    seen: set[str] = set()
    stack = [start]
    while stack:
        path = stack.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            file = project.file(path)
            body = list(file.tree.body)
        except Refused:
            continue
        while body:
            node = body.pop()
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                source = project.resolve_from(node, path)
                names = (
                    [] if source is None else [source, *(f"{source}.{alias.name}" for alias in node.names)]
                )
            else:
                is_run = not is_main_guard(node) and not is_type_checking(node)
                if isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef) and is_run:
                    body += [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)]
                    body += [n for h in getattr(node, "handlers", ()) for n in h.body]
                continue
            for name in names:
                found = project.find_module(name, path)
                if found is not None:
                    stack.append(found)
    return seen - {start}


def is_source_loud(cut: Cut) -> bool:
    """Whether what stays does something that is seen when it is imported, or that others keep."""
    effects = cut.effects
    return any(effects.is_active(s.node) for s in cut.statements if cut.place[s.index] == STAY)


def _takes_more_than_moves(cut: Cut, path: str) -> bool:
    """Whether a target imports more from the source than what now comes to it."""
    for uses in cut.uses:
        if uses.file.path == path:
            key = cut.project.name_of(path)
            taken = {f.alias.name for f in uses.from_imports}
            left = [n for n in taken if cut.owner.get(n, STAY) != key]
            attributes = {a.name for a in uses.attributes if cut.owner.get(a.name, STAY) != key}
            return bool(left or attributes or uses.stars or uses.whole)
    return True


def _find_late(cut: Cut) -> Iterable[tuple[tuple[str, str], str, int]]:
    """Yield what functions called while a module is initialised will need by then: arrow, name, statement."""
    doings = cut.doings
    owners: dict[str, int] = {}  # module -> its names
    for name in doings.bits:
        if not is_copied(cut, name):
            owner = cut.owner.get(name, STAY)
            owners[owner] = owners.get(owner, 0) | doings.bits[name]
    for statement in cut.statements:
        index = statement.index
        place = cut.place[index]
        needed = (doings.reads[index] | doings.changes[index]) & ~doings.own(index)
        for owner, mask in owners.items():
            if owner != place:
                for name in sorted(doings.names_in(needed & mask)):
                    yield (place, owner), name, index
