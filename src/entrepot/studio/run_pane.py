"""The pane below the editor: a terminal, a tab for each run of this page, how it went, what a live one took over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio.elements import Terminal, make_button
from entrepot.studio.past_runs import PastRun
from entrepot.studio.run_board import Shown

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class RunPane:
    """The runs of one page, of which one is shown."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self.shown_run: Shown | None = None
        self.terminal_size = (80, 24)
        self._drawn_tabs: object = None

    def build(self) -> None:
        """Make the elements."""
        with ui.element("div").classes("upright terminal-column"):
            with ui.element("div").classes("run-head"):
                self.run_tabs = (
                    ui.element("div").classes("tabs run-tabs").props('role="tablist" aria-label="Runs"')
                )
                self.explain = make_button(
                    "Explain", icon="help_outline", tip="Run it once more, watched, and say what went wrong",
                    act=lambda: self.page.steps_view.explain(), css="explain",
                )  # fmt: skip
                ui.element("div").classes("space")
                self.run_state = ui.label("").classes("run-state")
            self.reports = ui.element("div").classes("reports").props('role="log" aria-label="Live updates"')
            self.reports.set_visibility(False)
            with ui.element("div").classes("terminal-place"):
                self.terminal = Terminal().classes("grow")
                with ui.element("div").classes("empty") as self.no_run:
                    ui.label("Nothing has run yet").classes("empty-title")
                    ui.label(
                        "Run starts the program here. It is a real terminal: type into it, stop it with Ctrl+C."
                    )
            self.terminal.when("size", self._resized)

    def _resized(self, size: list[int]) -> None:
        # A program that starts next gets this size from the start.
        if len(size) == 2 and all(type(number) is int and 0 < number < 1000 for number in size):
            self.terminal_size = (size[0], size[1])

    def attach_runs(self) -> None:
        """Show the runs that this browser tab has started, after a reload too."""
        runs = self.page.board.list_of(self.page.owner)
        for shown in runs:
            shown.on_change = self._run_changed
        self.show_run(runs[-1] if runs else None)

    def show_run(self, shown: Shown | None) -> None:
        """Show a run in the terminal."""
        self.shown_run = shown
        if shown is not None:
            shown.on_change = self._run_changed
        self.terminal.put(run=shown.number if shown else "")
        self.no_run.set_visibility(shown is None)
        if shown is not None:
            self.terminal.run_method("focus")
        self._draw_runs()

    def _run_changed(self, _: Shown) -> None:
        if not self.page.client.is_deleted:
            with self.page.client:
                self._draw_runs()

    def _draw_runs(self) -> None:
        runs = self.page.board.list_of(self.page.owner)
        # Not beneath a pointer that is just clicking: only when there is something else to draw.
        drawn = [(shown, shown is self.shown_run, shown.run.is_running, shown.run.status) for shown in runs]
        if drawn != self._drawn_tabs:
            self._drawn_tabs = drawn
            self._draw_tabs(runs)
        self._draw_reports()
        self.run_state.set_text(describe_run(self.shown_run) if self.shown_run else "")
        is_running = self.shown_run is not None and self.shown_run.run.is_running
        self.page.header.stop_button.set_enabled(is_running)
        failed = self.shown_run is not None and self.shown_run.run.status == 1
        self.explain.set_visibility(failed)

    def _draw_tabs(self, runs: list[Shown]) -> None:
        self.run_tabs.clear()
        with self.run_tabs:
            for shown in runs:
                is_active = shown is self.shown_run
                state = (
                    "is-running" if shown.run.is_running else "is-good" if shown.run.status == 0 else "is-bad"
                )
                with ui.element("div").classes(f"tab {state}" + (" is-active" if is_active else "")) as tab:
                    tab.props(f'role="tab" aria-selected="{str(is_active).lower()}" tabindex="0"')
                    tab.on("click", lambda shown=shown: self.show_run(shown))
                    ui.element("span").classes("lamp")
                    ui.label(shown.title)
                    close = make_button(
                        icon="close",
                        label="Close",
                        act=lambda shown=shown: self.page.later(self._drop(shown)),
                    )
                    close.props('tabindex="-1"').on("click.stop", lambda: None)

    def _draw_reports(self) -> None:
        """Say what a live run has taken over from the last saves, and what it refused."""
        shown = self.shown_run
        is_live = shown is not None and shown.order.kind == "live"
        self.reports.set_visibility(is_live)
        self.reports.clear()
        if shown is None or not is_live:
            return
        with self.reports:
            if not shown.reports:
                ui.label(
                    "Live: save a file, and the running program follows."
                    if shown.run.is_running
                    else "Live: ended."
                )
            for report in shown.reports[-3:]:
                text, css = describe_report(report, self.studio.workspace.find_name)
                ui.label(text).classes(css)

    async def _drop(self, shown: Shown) -> None:
        await self.page.board.drop(shown)
        if shown is self.shown_run:
            runs = self.page.board.list_of(self.page.owner)
            self.show_run(runs[-1] if runs else None)
        else:
            self._draw_runs()


def describe_run(shown: Shown) -> str:
    """Return how a run went, in a line."""
    run = shown.run
    if run.is_running:
        return "running"
    if isinstance(run, PastRun) and run.status is None:
        return f"ended with {run.ended_with}"
    took = f"{run.elapsed_s * 1000:.0f} ms" if run.elapsed_s < 1 else f"{run.elapsed_s:.2f} s"
    parts = [f"exit status {run.status}", took]
    if shown.about:
        parts.append(shown.about)
    return " · ".join(parts)


def describe_report(report: dict[str, Any], find_name: Callable[[str], str | None]) -> tuple[str, str]:
    """Return what a live update did in a sentence, and how to colour it."""

    def show(path: object) -> str:
        return find_name(str(path)) or str(path)

    if report.get("errors"):
        error = report["errors"][0]
        place = f"{show(error.get('file'))}:{error.get('line')}"
        text = f"{place}: {error.get('kind')}: {error.get('text')}"
        return f"Refused, the program goes on as it was. {text}", "is-bad"
    parts = [
        f"{label} {', '.join(str(name) for name in names[:8])}"
        for label, names in (
            ("ran", report.get("ran")),
            ("took over", report.get("patched")),
            ("kept", report.get("kept")),
        )
        if isinstance(names, list) and names
    ]
    files = ", ".join(show(path) for path in report.get("changed", []))
    took = f"{float(report.get('seconds', 0)) * 1000:.0f} ms"
    return f"{files}: {'; '.join(parts) or 'nothing to run'} ({took})", "is-good"
