"""A picture of a program's arrows: which boxes, which arrows between them.

`make_view` takes the program's arrows and folds them: to a depth of names, to packages, around a
module, or to what an entry reaches; with the modules outside of the program if asked for. The
renderers (`render`, `page`) draw any view.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from entrepot.errors import ProgramError
from entrepot.program.conditions import AT_RUN, WHENS
from entrepot.program.graph import find_reached, invert
from entrepot.program.model import Program


class NoSuchModuleError(ProgramError):
    """A name that is no module of the program. Fields: `name`, `near` (names like it)."""

    name: str
    near: list[str]

    def __str__(self) -> str:
        text = f"{self.name}: no such module in the program"
        return text + (f"\n  did you mean {', '.join(self.near)}?" if self.near else "")


@dataclass
class Edge:
    """All arrows between two boxes: how many, when they happen, the first one's place."""

    count: int = 0
    whens: set[str] = field(default_factory=set)
    path: str = ""
    line: int = 0
    is_ancestor: bool = True


@dataclass
class View:
    """nodes: name -> (kind, number of modules in it). edges: (importer, imported) -> Edge."""

    nodes: dict[str, tuple[str, int]] = field(default_factory=dict)
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict)


def get_number(program: Program, name: str) -> int:
    """Return a module's number. Raises NoSuchModuleError with names like it."""
    if name in program.raw.ids:
        return program.raw.ids[name]
    import difflib

    raise NoSuchModuleError(name=name, near=difflib.get_close_matches(name, program.names, 3))


def make_view(
    program: Program,
    *,
    depth: int | None = None,
    focus: str | None = None,
    reached_from: str | None = None,
    is_external: bool = False,
    is_packages: bool = False,
    with_ancestors: bool = False,
    whens: Iterable[str] = WHENS,
) -> View:
    """Fold a program's arrows into a view. Raises NoSuchModuleError."""
    wanted = frozenset(whens)
    kept = _choose(program, focus, reached_from, wanted)
    folded = [_fold(program, number, depth, is_packages) for number in range(len(program.names))]
    view = View()
    modules = program.modules
    for number in sorted(kept):
        name = folded[number]
        kind, count = view.nodes.get(name, ("", 0))
        own_kind = modules[program.names[number]].kind if name == program.names[number] else kind or "package"
        view.nodes[name] = (own_kind, count + 1)
    parents = program.list_parents
    for number in kept:
        path = modules[program.names[number]].path
        for target, when, line, *_ in program.raw.arrows[number]:
            if when not in wanted:
                continue
            above = parents(target) if with_ancestors else ()
            for step in (target, *above):
                if step in kept and folded[number] != folded[step]:
                    _add(view, folded[number], folded[step], when, path, line, step != target)
    if is_external:
        _add_external(program, view, kept, folded, wanted)
    return view


def _add(
    view: View, importer: str, imported: str, when: str, path: str, line: int, is_ancestor: bool
) -> None:
    edge = view.edges.setdefault((importer, imported), Edge(path=path, line=line))
    edge.count += 1
    edge.whens.add(when)
    edge.is_ancestor = edge.is_ancestor and is_ancestor


def _choose(program: Program, focus: str | None, reached_from: str | None, whens: frozenset[str]) -> set[int]:
    everything = set(range(len(program.names)))
    if reached_from is not None:
        starts = [get_number(program, reached_from)]
        starts += program.list_parents(starts[0])
        everything = find_reached(program.get_graph(whens & AT_RUN, with_ancestors=True), starts)
    if focus is not None:
        center = {n for n, name in enumerate(program.names) if name == focus or name.startswith(focus + ".")}
        if not center:
            get_number(program, focus)
        graph = program.get_graph(whens)
        inverse = invert(graph)
        near = set(center)
        for number in center:
            near.update(graph[number], inverse[number])
        everything &= near
    return everything


def _fold(program: Program, number: int, depth: int | None, is_packages: bool) -> str:
    name = program.names[number]
    if is_packages and not program.raw.is_package(name) and "." in name:
        name = name.rpartition(".")[0]
    if depth is not None:
        name = ".".join(name.split(".")[:depth])
    return name


def _add_external(
    program: Program, view: View, kept: set[int], folded: list[str], whens: frozenset[str]
) -> None:
    """Add the top-level modules outside of the program and the arrows to them."""
    for number in kept:
        name = program.names[number]
        path = program.modules[name].path
        for found in program.resolve_module(name):
            if found.kind == "outside" and found.when in whens:
                top = found.module.partition(".")[0]
                view.nodes.setdefault(top, ("external", 0))
                _add(view, folded[number], top, found.when, path, found.line, False)
