"""One page of the studio: the frame, the views in it, and what all of them need.

A page is made anew each time a browser asks for it; all that lasts is in the studio's session and documents.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from nicegui import Client, background_tasks, ui

from entrepot.errors import EntrepotError
from entrepot.studio.analyst import Analyst
from entrepot.studio.checks import Checks
from entrepot.studio.elements import make_button, style_sheet
from entrepot.studio.header import Header
from entrepot.studio.programs import parse_arguments
from entrepot.studio.run_board import RunBoard, Shown
from entrepot.studio.run_pane import RunPane
from entrepot.studio.studio import Studio
from entrepot.studio.view_code import CodeView
from entrepot.studio.view_findings import FindingsView
from entrepot.studio.view_graph import GraphView
from entrepot.studio.view_names import NamesView
from entrepot.studio.view_organise import OrganiseView
from entrepot.studio.view_steps import StepsView

BUSY_AFTER_S = 0.4


# From one region of the page to the next: Tab is the editor's, and the terminal's program's.
_NEXT_REGION = """
    const inside = ['.files', '.cm-editor', '.xterm', '.story', '.board', '.graph', '.findings', '.ask-bar', '.preview'];
    const regions = ['.runbar .entry', '.rail', ...inside.map(name => '.panel.is-front ' + name)];
    const taking = '.xterm-helper-textarea, .cm-content, [tabindex="0"], input, button:not(:disabled)';
    const first = region => region.matches(taking) ? region : region.querySelector(taking);
    const seen = regions.map(name => document.querySelector(name)).filter(e => e && e.getClientRects().length && first(e));
    const here = seen.findIndex(e => e.contains(document.activeElement));
    first(seen[(here + 1) % seen.length])?.focus();
"""


class View(Protocol):
    """A part of the page that is shown in turn with others."""

    def build(self) -> None:
        """Make the elements (inside the view's container)."""

    def shown(self) -> None:
        """It has come to the front."""

    def files_changed(self) -> None:
        """As `Page`."""

    def document_changed(self, name: str, *, by: object) -> None:
        """As `Page`."""


# Key -> label, icon, what it is for.
VIEWS = {
    "code": ("Code", "code", "Write and run"),
    "steps": ("Steps", "stairs", "The imports of a run, step by step"),
    "names": ("Names", "manage_search", "Which namespace a name lives in"),
    "graph": ("Graph", "hub", "Who imports whom"),
    "findings": ("Findings", "rule", "What is wrong with the modules"),
    "organise": ("Organise", "view_week", "Split, move, rename"),
}


class StudioPage:
    """The page in one browser tab."""

    def __init__(self, studio: Studio, board: RunBoard, analyst: Analyst, checks: Checks) -> None:
        self.studio = studio
        self.board = board
        self.analyst = analyst
        self.checks = checks
        self.owner = ""
        self.client: Client = ui.context.client
        self.views: dict[str, View] = {}
        self._panels: dict[str, ui.element] = {}
        self._built: set[str] = set()
        self._busy: list[str] = []
        self._is_here = False

    async def build(self) -> None:
        """Make the page, then wait for its browser."""
        ui.add_css(style_sheet())
        self.header = Header(self)
        self.run_pane = RunPane(self)
        self.code = CodeView(self)
        self.steps_view = StepsView(self)
        self.names = NamesView(self)
        self.graph = GraphView(self)
        self.findings = FindingsView(self)
        self.organise = OrganiseView(self)
        self.views = {
            "code": self.code, "steps": self.steps_view, "names": self.names, "graph": self.graph,
            "findings": self.findings, "organise": self.organise,
        }  # fmt: skip
        with ui.element("div").classes("studio"):
            self.header.build()
            with ui.element("div").classes("body"):
                self._build_rail()
                with ui.element("main").classes("stage"):
                    for key in self.views:
                        self._panels[key] = (
                            ui.element("section").classes("panel").props(f'aria-label="{VIEWS[key][0]}"')
                        )
            self._build_status()
        self._build_keys()
        self._draw_status()
        # It has the runs and the open files, whichever view is shown first.
        self._build_view("code")
        self.show(self.studio.session.view if self.studio.session.view in self.views else "code")
        self.studio.pages.append(self)
        self.checks.on_change.append(self.findings_changed)
        self.studio.listeners.append(self.sources_changed)
        self.client.on_connect(self._arrive)
        self.client.on_disconnect(self._go)
        self.client.on_delete(self._leave)
        await self.client.connected(timeout=60)
        self._arrive()
        self.run_pane.attach_runs()
        await self.header.refresh_undo()

    def _arrive(self) -> None:
        """Note which browser tab this is: a reload is the same one. A click may come before `connected` returns."""
        self.owner = self.owner or self.client.tab_id or self.client.id
        if not self._is_here:
            self._is_here = True
            self.board.arrive(self.owner)

    def _go(self) -> None:
        """Note that its browser has gone. It may come back: to this page, or to a new one."""
        if self._is_here and not self.client.has_socket_connection:
            self._is_here = False
            self.board.leave(self.owner)

    def _leave(self) -> None:
        """It will not come back to this page."""
        if self in self.studio.pages:
            self.studio.pages.remove(self)
            self.checks.on_change.remove(self.findings_changed)
            self.studio.listeners.remove(self.sources_changed)
        self._go()

    def _build_rail(self) -> None:
        self._rail: dict[str, ui.button] = {}
        with ui.element("nav").classes("rail").props('aria-label="Views"'):
            for key in self.views:
                label, icon, tip = VIEWS[key]
                button = make_button(label, icon=icon, act=lambda key=key: self.show(key))
                button.props("stack")
                with button:
                    ui.tooltip(tip).props('anchor="center right" self="center left"')
                self._rail[key] = button

    def _build_status(self) -> None:
        with ui.element("footer").classes("status").props('role="status"'):
            self.status = ui.label("").classes("said")
            ui.element("div").classes("space")
            self._busy_mark = ui.element("div").classes("busy")
            with self._busy_mark:
                ui.spinner(size="14px", thickness=6)
                self._busy_text = ui.label("")
            self._busy_mark.set_visibility(False)
            ui.label(self.studio.python).classes("python").tooltip("The interpreter of the programs")

    def _build_keys(self) -> None:
        def pressed(event: Any) -> None:
            if event.action.keydown and event.modifiers.ctrl and event.key == "Enter":
                self.run("run")
            elif event.action.keydown and event.modifiers.alt and str(event.key).isdigit():
                keys = list(self.views)
                if 0 < int(str(event.key)) <= len(keys):
                    self.show(keys[int(str(event.key)) - 1])
            elif event.action.keydown and event.key == "F6":
                ui.run_javascript(_NEXT_REGION)

        ui.keyboard(on_key=pressed, ignore=[])

    # What views and buttons ask for.

    def show(self, key: str) -> None:
        """Bring a view to the front."""
        self._build_view(key)
        for name, panel in self._panels.items():
            panel.classes(add="is-front" if name == key else "", remove="" if name == key else "is-front")
            self._rail[name].classes(
                add="is-front" if name == key else "", remove="" if name == key else "is-front"
            )
            self._rail[name].props(f"aria-current={'page' if name == key else 'false'}")
        self.studio.session.view = key
        self.views[key].shown()

    def _build_view(self, key: str) -> None:
        if key not in self._built:
            self._built.add(key)
            with self._panels[key]:
                self.views[key].build()

    def say(self, text: str, *, kind: str = "info") -> None:
        """Show a short notice. kind: "info", "good" or "bad"."""
        color = {"info": "dark", "good": "positive", "bad": "negative"}[kind]
        with self.client:
            ui.notify(
                text,
                color=color,
                position="bottom",
                multi_line=len(text) > 80,
                timeout=8000 if kind == "bad" else 3000,
            )

    @contextlib.contextmanager
    def reporting(self) -> Any:
        """Say what went wrong inside, instead of failing."""
        try:
            yield
        except EntrepotError as error:
            self.say(str(error), kind="bad")
        except OSError as error:
            self.say(f"{error.filename or 'the file'}: {error.strerror or error}", kind="bad")

    @contextlib.asynccontextmanager
    async def busy(self, text: str) -> AsyncIterator[None]:
        """Say what is being done, once it takes a while."""
        self._busy.append(text)
        timer = asyncio.get_running_loop().call_later(BUSY_AFTER_S, self._show_busy)
        try:
            yield
        finally:
            timer.cancel()
            self._busy.remove(text)
            self._show_busy()

    def _show_busy(self) -> None:
        if self.client.is_deleted:
            return
        self._busy_mark.set_visibility(bool(self._busy))
        self._busy_text.set_text(self._busy[-1] if self._busy else "")

    def later(self, work: Awaitable[Any]) -> None:
        """Do something after the event that asked for it, and report what goes wrong."""

        async def doing() -> None:
            with self.client, self.reporting():
                await work

        background_tasks.create(doing())

    async def ask(self, question: str, *, yes: str, no: str = "Cancel", danger: bool = False) -> bool:
        """Ask something in a dialog."""
        with self.client, ui.dialog().props("transition-duration=120") as dialog, ui.card().classes("ask"):
            ui.label(question).classes("question")
            with ui.element("div").classes("answers"):
                make_button(no, act=lambda: dialog.submit(False))
                button = make_button(yes, act=lambda: dialog.submit(True), css="danger" if danger else "main")
                button.props("autofocus")
        try:
            return bool(await dialog)
        finally:
            dialog.delete()

    def run(
        self, kind: str, entry: str | None = None, *, then: Callable[[Shown], None] | None = None
    ) -> None:
        """Save what was typed and run the program; `then` gets the run when it has ended."""
        entry = entry or self.studio.session.entry
        if not entry:
            self.say("There is nothing to run yet: make a main.py first.")
            return
        self._arrive()
        with self.reporting():
            self.studio.documents.save_all()
            self.studio.look_now()
            self.studio.tell_files()
            arguments = parse_arguments(self.studio.session.arguments)
            shown = self.board.start(self.owner, kind, entry, arguments, size=self.run_pane.terminal_size)
            shown.then = then
            if "steps" not in self._built:
                # A record that is read needs its place.
                self._build_view("steps")
            self.show("code")
            self.run_pane.show_run(shown)

    # What the studio tells.

    def files_changed(self) -> None:
        with self.client:
            self.header.refresh_entries()
            for key in self._built:
                self.views[key].files_changed()

    def document_changed(self, name: str, *, by: object) -> None:
        with self.client:
            for key in self._built:
                self.views[key].document_changed(name, by=by)

    def findings_changed(self) -> None:
        """What is wrong is another list now."""
        with self.client:
            self._draw_status()
            self.code.findings_changed()
            if "findings" in self._built:
                self.findings.findings_changed()

    def sources_changed(self) -> None:
        """A file on disk is another."""
        with self.client:
            if "graph" in self._built:
                self.graph.sources_changed()

    def _draw_status(self) -> None:
        found = [told for several in self.checks.findings.values() for told in several]
        errors = sum(told.severity == "error" for told in found)
        warnings = sum(told.severity == "warning" for told in found)
        if not self.checks.is_known:
            text = self.checks.error or "looking for findings…"
        elif errors or warnings:
            parts = [
                f"{n} {word}{'' if n == 1 else 's'}"
                for n, word in ((errors, "error"), (warnings, "warning"))
                if n
            ]
            text = " · ".join(parts)
        else:
            text = "no findings"
        if self.checks.is_known and self.checks.is_running:
            text += " · looking again…"
        self.status.set_text(text)
