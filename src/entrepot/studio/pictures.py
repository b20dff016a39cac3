"""The graph of modules at one level of zoom: boxes, arrows and where they stand.

A level shows what is directly in a package (or in the whole program): its modules, and its packages folded to one box
each. Importers stand above what they import: the boxes are ordered in rows by the longest way from above, with
cycles taken as one, and moved along their row towards their neighbours (Sugiyama, Tagawa, Toda 1981: layers, then
the barycentre). Rows that are too long are broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from entrepot.program.graph import find_components, invert
from entrepot.studio.questions import Chart

WIDTH, HEIGHT = 150, 34
GAP_X, GAP_Y = 22, 70
MOST_BOXES = 3000
_SWEEPS = 6


@dataclass
class Box:
    """One box. name: the module or package; count: modules in it; file: of a single module.

    x, y: its middle. in_cycle, has_star, is_reached, cost_s: as of the modules in it.
    """

    name: str
    label: str
    count: int
    file: str
    is_package: bool
    in_cycle: int = 0
    has_star: bool = False
    is_reached: bool = True
    cost_s: float = 0.0
    lines: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Level:
    """What is drawn. arrows: (from, to, number of imports, is in a cycle, is star, only when functions run)."""

    inside: str
    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[int, int, int, bool, bool, bool]] = field(default_factory=list)
    hidden: int = 0


def make_level(
    chart: Chart, inside: str = "", *, is_flat: bool = False, costs: Mapping[str, float] | None = None
) -> Level:
    """Return the picture of a package's inside ("": of everything); flat: with every module a box of its own."""
    level = Level(inside)
    prefix = inside + "." if inside else ""
    box_of: dict[int, int] = {}
    numbers: dict[str, int] = {}
    for number, name in enumerate(chart.names):
        if not (name.startswith(prefix) or name == inside):
            continue
        rest = name[len(prefix) :] if name != inside else ""
        head = rest if is_flat else rest.partition(".")[0]
        full = prefix + head if head else inside
        if full not in numbers:
            if len(level.boxes) >= MOST_BOXES:
                level.hidden += 1
                continue
            numbers[full] = len(level.boxes)
            label = head or "__init__"
            level.boxes.append(Box(full, label, 0, "", False, is_reached=chart.reached is None))
        box = level.boxes[numbers[full]]
        box_of[number] = numbers[full]
        box.count += 1
        box.lines += chart.sizes[number]
        box.cost_s += (costs or {}).get(name, 0.0)
        box.is_reached = box.is_reached or chart.reached is None or number in chart.reached
        if full == name:
            box.file = chart.files[number]
            # The inside of the package that one is in is its own module.
            box.is_package = number in chart.packages and full != inside and not is_flat
    _mark_cycles(chart, level, box_of)
    _draw_arrows(chart, level, box_of)
    _lay_out(level)
    return level


def _mark_cycles(chart: Chart, level: Level, box_of: dict[int, int]) -> None:
    for number, cycle in enumerate(chart.cycles, 1):
        for module in cycle:
            if module in box_of:
                level.boxes[box_of[module]].in_cycle = number


def _draw_arrows(chart: Chart, level: Level, box_of: dict[int, int]) -> None:
    together = {}
    for number, cycle in enumerate(chart.cycles):
        for module in cycle:
            together[module] = number
    found: dict[tuple[int, int], list[int]] = {}
    for importer, imported, is_early, is_star in chart.arrows:
        a, b = box_of.get(importer), box_of.get(imported)
        if a is None:
            continue
        if is_star:
            level.boxes[a].has_star = True
        if b is None or a == b:
            continue
        row = found.setdefault((a, b), [0, 0, 0, 0])
        row[0] += 1
        row[1] |= is_early and importer in together and together[importer] == together.get(imported)
        row[2] |= is_star
        row[3] |= is_early
    level.arrows = [
        (a, b, row[0], bool(row[1]), bool(row[2]), not row[3]) for (a, b), row in sorted(found.items())
    ]


def _lay_out(level: Level) -> None:
    """Give every box its place."""
    count = len(level.boxes)
    graph: list[list[int]] = [[] for _ in range(count)]
    for a, b, _, _, _, is_late in level.arrows:
        if not is_late:
            graph[a].append(b)
    rank = _rank(graph)
    alone = {n for n in range(count) if not graph[n]} - {b for targets in graph for b in targets}
    rows: list[list[int]] = [[] for _ in range(max((rank[n] for n in range(count)), default=0) + 1)]
    for number in range(count):
        if number not in alone:
            rows[rank[number]].append(number)
    rows = [row for row in rows if row]
    _order(rows, graph)
    _place(level, rows, sorted(alone, key=lambda n: level.boxes[n].name))


def _rank(graph: list[list[int]]) -> list[int]:
    """Return for each box the longest way to it from above; boxes of a cycle have the same."""
    components = find_components(graph)  # each after those that it reaches
    where = {}
    for number, members in enumerate(components):
        for member in members:
            where[member] = number
    depth = [0] * len(components)
    for number in range(len(components) - 1, -1, -1):
        for member in components[number]:
            for target in graph[member]:
                if where[target] != number:
                    depth[where[target]] = max(depth[where[target]], depth[number] + 1)
    return [depth[where[number]] for number in range(len(graph))]


def _order(rows: list[list[int]], graph: list[list[int]]) -> None:
    """Move the boxes of each row towards the middle of their neighbours, downwards and upwards in turn."""
    inverse = invert(graph)
    place = {}
    for row in rows:
        for at, number in enumerate(row):
            place[number] = (at + 0.5) / len(row)
    for sweep in range(_SWEEPS):
        neighbours = inverse if sweep % 2 == 0 else graph
        for row in rows if sweep % 2 == 0 else reversed(rows):
            middles = {
                n: sum(place[m] for m in near) / len(near)
                if (near := [m for m in neighbours[n] if m in place])
                else place[n]
                for n in row
            }
            row.sort(key=lambda n: (middles[n], n))
            for at, number in enumerate(row):
                place[number] = (at + 0.5) / len(row)


def _place(level: Level, rows: list[list[int]], alone: list[int]) -> None:
    widest = max(6, min(48, round((len(level.boxes) * 1.2) ** 0.5)))
    # A row that is broken has arrows between its parts; in a crowd they are not followed by eye.
    gap = 40 if len(level.boxes) <= 80 else 12
    y = 0.0
    for row in rows:
        y = _place_row(level, row, widest, gap, y) + max(0, GAP_Y - gap)
    _place_row(level, alone, widest, 12, y)


def _place_row(level: Level, row: list[int], widest: int, gap: int, y: float) -> float:
    """Place a row from a height on, broken where it is too long; return the height below it."""
    for start in range(0, len(row), widest):
        part = row[start : start + widest]
        left = -(len(part) - 1) / 2 * (WIDTH + GAP_X)
        for at, number in enumerate(part):
            level.boxes[number].x = left + at * (WIDTH + GAP_X)
            level.boxes[number].y = y
        y += HEIGHT + gap
    return y
