"""The view of what is wrong with the modules, with the fixes to look at, apply and take back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio.elements import make_button
from entrepot.studio.preview import PreviewPane
from entrepot.studio.questions import Told

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage

_ORDER = {"error": 0, "warning": 1, "note": 2}
MOST_ROWS = 400


class FindingsView:
    """A list by file on the left; what the chosen one is about on the right."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.checks = page.checks
        kept = page.studio.session.views.get("findings", {}).get("severities", ["error", "warning"])
        self.shown_severities = {severity for severity in _ORDER if severity in kept}
        self.words = ""
        self.chosen: Told | None = None
        self._drawn: object = None

    def build(self) -> None:
        with ui.splitter(value=46, limits=(25, 75)).classes("fill") as splitter:
            with splitter.before, ui.element("div").classes("upright"):
                with ui.element("div").classes("bar"):
                    self.kinds = {}
                    for severity, label in (("error", "Errors"), ("warning", "Warnings"), ("note", "Notes")):
                        chip = make_button(
                            label,
                            act=lambda severity=severity: self._turn(severity),
                            css=f"chip is-{severity}",
                        )
                        self.kinds[severity] = chip
                    ui.element("div").classes("space")
                    field = ui.input(placeholder="filter", on_change=self._filter)
                    field.props('dense borderless clearable aria-label="Filter findings"').classes("filter")
                self.list = ui.element("div").classes("grow findings")
            with splitter.after, ui.element("div").classes("upright"):
                self.detail = ui.element("div").classes("finding-detail")
                with ui.element("div").classes("grow"):
                    self.preview = PreviewPane(
                        self.page, "A finding with a fix shows it here before anything is written."
                    )

    def shown(self) -> None:
        self.draw()

    def files_changed(self) -> None:
        """Findings follow on their own."""

    def document_changed(self, name: str, *, by: object) -> None:
        """Findings follow on their own."""

    def findings_changed(self) -> None:
        """They are others."""
        self.draw()

    def _turn(self, severity: str) -> None:
        self.shown_severities ^= {severity}
        self.page.studio.session.views["findings"] = {"severities": sorted(self.shown_severities)}
        self.draw()

    def _filter(self, event: Any) -> None:
        self.words = str(event.value or "").lower()
        self.draw()

    def draw(self) -> None:
        """Draw the list again, if it is another."""
        everything = [told for several in self.checks.findings.values() for told in several]
        counts = {severity: sum(told.severity == severity for told in everything) for severity in _ORDER}
        for severity, chip in self.kinds.items():
            word = severity if counts[severity] == 1 else severity + "s"
            chip.set_text(f"{counts[severity]} {word}")
            chip.classes(
                add="is-on" if severity in self.shown_severities else "",
                remove="" if severity in self.shown_severities else "is-on",
            )
            chip.props(f"aria-pressed={str(severity in self.shown_severities).lower()}")
        rows = [
            told
            for told in everything
            if told.severity in self.shown_severities
            and (
                not self.words or self.words in f"{told.name} {told.code} {told.title} {told.message}".lower()
            )
        ]
        rows.sort(key=lambda told: (told.name, told.line, told.column))
        key = (tuple(rows), self.chosen, self.checks.is_known, self.checks.error)
        if key == self._drawn:
            return
        self._drawn = key
        self.list.clear()
        with self.list:
            self._draw_rows(rows, bool(everything))
        if self.chosen is None:
            self._draw_detail()

    def _draw_rows(self, rows: list[Told], has_any: bool) -> None:
        if not rows:
            with ui.element("div").classes("empty-inline"):
                if self.checks.error:
                    ui.label(self.checks.error)
                elif not self.checks.is_known:
                    ui.label("Looking at the program…")
                elif has_any:
                    ui.label("Nothing of what is chosen above.")
                else:
                    ui.label("Nothing is wrong with the modules.").classes("empty-title")
            return
        name = ""
        for told in rows[:MOST_ROWS]:
            if told.name != name:
                name = told.name
                ui.label(name).classes("finding-file")
            with ui.element("div").classes(
                f"finding-row is-{told.severity}" + (" is-chosen" if told == self.chosen else "")
            ) as row:
                row.props('role="button" tabindex="0"')
                row.on("click", lambda told=told: self.choose(told))
                row.on("keydown.enter", lambda told=told: self.choose(told))
                ui.element("span").classes("finding-mark is-" + told.severity)
                ui.label(f"{told.line}").classes("line-number")
                ui.label(told.message).classes("message")
                if told.is_fixable:
                    ui.label("fix").classes("fix-mark")
        if len(rows) > MOST_ROWS:
            ui.label(f"and {len(rows) - MOST_ROWS} more: filter to see them").classes("finding-file")

    def choose(self, told: Told) -> None:
        """Show a finding, and its fix if it has one."""
        self.chosen = told
        self.preview.clear()
        self._draw_detail()
        self.draw()
        if told.is_fixable:
            options = {"file": told.name, "code": told.code, "line": told.line, "column": told.column}
            self.page.later(self.preview.plan("fix", options))
        elif told.code in ("EP201", "EP202"):
            self.page.later(self.preview.plan("expand", {"file": told.name}))

    def _draw_detail(self) -> None:
        told = self.chosen
        self.detail.clear()
        self.detail.set_visibility(told is not None)
        if told is None:
            return
        with self.detail:
            with ui.element("div").classes("finding-title"):
                ui.label(told.code).classes(f"code is-{told.severity}")
                ui.label(told.title.replace("-", " ")).classes("title")
                ui.element("div").classes("space")
                make_button(
                    f"{told.name}:{told.line}",
                    icon="arrow_forward",
                    act=lambda: self._go(told.name, told.line),
                )
            ui.label(told.message).classes("long")
            for name, line, what in told.related:
                make_button(
                    f"{name}:{line}  {what}",
                    act=lambda name=name, line=line: self._go(name, line),
                    css="related",
                )

    def _go(self, name: str, line: int) -> None:
        self.page.show("code")
        self.page.code.open(name, line)
