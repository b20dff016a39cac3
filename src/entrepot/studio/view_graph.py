"""The view of the modules and who imports whom, zoomed by package."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio import questions
from entrepot.studio.elements import Graph, make_button
from entrepot.studio.pictures import Box, Level, make_level
from entrepot.studio.questions import Chart
from entrepot.studio.run_board import Shown
from entrepot.trace.records import Record

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage

MOST_LISTED = 200


class GraphView:
    """The graph, with a list and the chosen module's page beside it."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self.chart: Chart | None = None
        self.level: Level | None = None
        kept = page.studio.session.views.get("graph", {})
        self.inside = str(kept.get("inside", ""))
        self.is_flat = bool(kept.get("is_flat"))
        self.chosen = str(kept.get("chosen", ""))
        self.words = ""
        self.costs: dict[str, float] = {}
        self._is_stale = True
        self._is_shown_once = bool(kept)

    def build(self) -> None:
        with (
            ui.splitter(value=300, limits=(220, 560), reverse=True)
            .props("unit=px")
            .classes("fill") as splitter
        ):
            with splitter.before, ui.element("div").classes("upright"):
                with ui.element("div").classes("bar"):
                    self.path = ui.element("div").classes("breadcrumbs").props('aria-label="Where"')
                    ui.element("div").classes("space")
                    self.flat = ui.switch(
                        "Every module", value=self.is_flat, on_change=self._turn_flat
                    ).props("dense")
                    make_button(
                        icon="remove", label="Smaller", act=lambda: self.graph.run_method("zoom", 0.8)
                    )
                    make_button(icon="add", label="Larger", act=lambda: self.graph.run_method("zoom", 1.25))
                with ui.element("div").classes("grow graph-place"):
                    self.graph = Graph().classes("fill")
                    self._build_legend()
                    self.empty = ui.element("div").classes("empty")
                    with self.empty:
                        ui.label("No modules yet").classes("empty-title")
                        ui.label("Python files of the folder appear here, with an arrow for each import.")
                    self.empty.set_visibility(False)
            with splitter.after, ui.element("div").classes("upright side"):
                with ui.element("div").classes("bar"):
                    field = ui.input(placeholder="filter modules", on_change=self._filter)
                    field.props('dense borderless clearable aria-label="Filter modules"').classes(
                        "filter grow"
                    )
                self.panel = ui.element("div").classes("grow module-page")
        self.graph.when("choose", lambda name: self.choose(str(name)))
        self.graph.when("enter", lambda name: self.enter(str(name)))
        self.graph.when("leave", lambda _: self.enter(self.inside.rpartition(".")[0]))

    def _build_legend(self) -> None:
        with ui.element("div").classes("legend"):
            for css, text in (
                ("cycle", "cycle"),
                ("star", "star import"),
                ("unreached", "not reached"),
                ("late", "imported when functions run"),
            ):
                with ui.element("span"):
                    ui.element("i").classes(css)
                    ui.label(text)
            self.cost = make_button(
                "Measure cost",
                icon="timer",
                tip="Run the program watched, and colour by time",
                act=self._measure,
            )

    def shown(self) -> None:
        if self._is_stale:
            self.page.later(self.read())

    def files_changed(self) -> None:
        """The arrows may be others."""
        self._is_stale = True

    def document_changed(self, name: str, *, by: object) -> None:
        """What is on disk counts."""

    def sources_changed(self) -> None:
        """Something was saved."""
        self._is_stale = True
        if self.studio.session.view == "graph" and self._is_shown_once:
            self.page.later(self.read())

    async def read(self) -> None:
        """Read the program and draw it."""
        self._is_stale = False
        studio = self.studio
        async with self.page.busy("Reading the modules…"):
            self.chart = await self.page.analyst.ask(
                questions.chart, studio.workspace.root, studio.python, studio.session.entry
            )
            if not self._is_shown_once:
                self._is_shown_once = True
                self.inside = self._find_first(self.chart)
            await self._draw()

    @staticmethod
    def _find_first(chart: Chart) -> str:
        """Return the package to begin in: where everything is in one, that one."""
        inside = ""
        while True:
            level = make_level(chart, inside)
            inner = [box for box in level.boxes if box.is_package]
            if len(inner) != 1 or len([box for box in level.boxes if box.name != inside]) != 1:
                return inside
            inside = inner[0].name

    async def _draw(self) -> None:
        if self.chart is None:
            return
        self.level = await asyncio.to_thread(
            make_level, self.chart, self.inside, is_flat=self.is_flat, costs=self.costs
        )
        level = self.level
        self.graph.put(
            level={
                "inside": level.inside,
                "boxes": [dataclasses.asdict(box) for box in level.boxes],
                "arrows": level.arrows,
            },
            chosen=self.chosen,
            color="cost" if self.costs else "",
        )
        self.empty.set_visibility(not level.boxes)
        self._keep()
        self._draw_path()
        self._draw_panel()

    def _keep(self) -> None:
        self.studio.session.views["graph"] = {
            "inside": self.inside, "is_flat": self.is_flat, "chosen": self.chosen
        }  # fmt: skip

    def _draw_path(self) -> None:
        self.path.clear()
        parts = self.inside.split(".") if self.inside else []
        with self.path:
            make_button(self.studio.name, act=lambda: self.enter(""))
            for number, part in enumerate(parts, 1):
                ui.label("/").classes("faint")
                make_button(part, act=partial(self.enter, ".".join(parts[:number])))

    def enter(self, inside: str) -> None:
        """Go into a package ("": everything)."""
        if inside != self.inside:
            self.inside = inside
            self.chosen = ""
            self.page.later(self._draw())

    def choose(self, name: str) -> None:
        """Show a module's or package's page."""
        self.chosen = name
        self._keep()
        self.graph.put(chosen=name)
        self._draw_panel()

    def _turn_flat(self, event: Any) -> None:
        self.is_flat = bool(event.value)
        self.page.later(self._draw())

    def _filter(self, event: Any) -> None:
        self.words = str(event.value or "").strip().lower()
        self.graph.put(filter=self.words)
        self._draw_panel()

    def _measure(self) -> None:
        self.page.run("steps", then=lambda shown: self.page.later(self._read_costs(shown)))

    async def _read_costs(self, shown: Shown) -> None:
        def read() -> dict[str, float]:
            with open(shown.order.report, encoding="utf-8") as file:
                return {module.name: module.own_wall_s for module in Record.from_json(file.read()).modules}

        if not os.path.exists(shown.order.report):
            self.page.say("The program left no record: it was ended, or started without one.", kind="bad")
            return
        self.costs = await asyncio.to_thread(read)
        self.page.show("graph")
        await self._draw()

    def _draw_panel(self) -> None:
        self.panel.clear()
        level = self.level
        if level is None or self.chart is None:
            return
        box = next((box for box in level.boxes if box.name == self.chosen), None)
        with self.panel:
            if box is not None and not self.words:
                self._draw_module(level, box)
            else:
                self._draw_list(level)

    def _draw_list(self, level: Level) -> None:
        assert self.chart is not None
        names = [box.name for box in level.boxes]
        if self.words:
            names = [name for name in self.chart.names if self.words in name.lower()]
        count = f"{len(names):,} {'match' if self.words else 'here'}"
        ui.label(f"{count} of {len(self.chart.names):,} modules").classes("panel-note")
        boxes = {box.name: box for box in level.boxes}
        for name in sorted(names)[:MOST_LISTED]:
            box = boxes.get(name)
            is_costly = box is not None and box.cost_s >= 0.0005
            self._draw_link(name, box, f"{box.cost_s * 1000:,.0f} ms" if box and is_costly else "")
        if len(names) > MOST_LISTED:
            ui.label(f"and {len(names) - MOST_LISTED} more: filter to see them").classes("panel-note")

    def _draw_link(self, name: str, box: Box | None, note: str = "") -> None:
        css = "is-error" if box and box.in_cycle else "is-warning" if box and box.has_star else ""
        with ui.element("div").classes(f"module-link {css}") as row:
            row.props('role="button" tabindex="0"')
            row.on("click", lambda name=name: self.find(name))
            row.on("keydown.enter", lambda name=name: self.find(name))
            short = (
                name[len(self.inside) + 1 :] if self.inside and name.startswith(self.inside + ".") else name
            )
            ui.label(short)
            if note or (box and box.is_package):
                ui.label(note or f"{box.count if box else ''}").classes("faint")

    def find(self, name: str) -> None:
        """Go to where a module is drawn and choose it."""
        if self.level is not None and not any(box.name == name for box in self.level.boxes):
            self.inside = name.rpartition(".")[0] if not self.is_flat else ""
            self.chosen = name
            self.page.later(self._draw())
            return
        self.choose(name)

    def _draw_module(self, level: Level, box: Box) -> None:
        number = level.boxes.index(box)
        ui.label(box.name).classes("module-name")
        facts = [
            f"{box.count} modules" if box.is_package else "a module",
            f"{box.lines / 1000:,.0f} kB" if box.lines >= 1000 else f"{box.lines} bytes",
        ]
        if box.cost_s:
            facts.append(f"{box.cost_s * 1000:.1f} ms to import")
        ui.label(" · ".join(facts)).classes("panel-note")
        with ui.element("div").classes("module-acts"):
            if box.file:
                make_button("Open", icon="edit", act=lambda: self._open(box.file))
            if box.is_package:
                make_button("Go inside", icon="zoom_in", act=lambda: self.enter(box.name))
            make_button("All modules", icon="list", act=lambda: self.choose(""))
        if box.in_cycle and self.chart is not None:
            members = [self.chart.names[n] for n in self.chart.cycles[box.in_cycle - 1]]
            ui.label(f"In an import cycle of {len(members)} modules").classes("panel-mark is-error")
            for name in members[:12]:
                self._draw_link(name, None)
            if len(members) > 12:
                ui.label(f"and {len(members) - 12} more").classes("panel-note")
        if box.has_star:
            ui.label("Has star imports").classes("panel-mark is-warning")
        if not box.is_reached:
            ui.label(f"No import statement leads here from {self.studio.session.entry}").classes("panel-mark")
        boxes = level.boxes
        out = [(boxes[b], n, late) for a, b, n, _, _, late in level.arrows if a == number]
        inn = [(boxes[a], n, late) for a, b, n, _, _, late in level.arrows if b == number]
        for title, rows in (("Imports", out), ("Imported by", inn)):
            ui.label(f"{title} {len(rows)}").classes("panel-heading")
            for other, count, late in sorted(rows, key=lambda row: -row[1])[:60]:
                note = "when run" if late else f"{count} times" if count > 1 else ""
                self._draw_link(other.name, other, note)

    def _open(self, file: str) -> None:
        self.page.show("code")
        self.page.code.open(file)
