"""The top of the page: what Run runs and how, taking back the last edit, light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.errors import EntrepotError
from entrepot.studio import questions
from entrepot.studio.elements import make_button
from entrepot.studio.programs import KINDS
from entrepot.studio.workspace import show

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class Header:
    """The line above all views."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self.dark = ui.dark_mode({"light": False, "dark": True}.get(self.studio.session.theme))
        self._offered: list[str] = []

    def build(self) -> None:
        """Make the elements."""
        session = self.studio.session
        with ui.element("header").classes("top"):
            with ui.element("div").classes("top-part"):
                ui.label("entrepot").classes("mark")
                ui.label(self.studio.name).classes("folder").tooltip(show(self.studio.workspace.root))
            with ui.element("div").classes("runbar"):
                # What is typed counts as it stands; the list only offers.
                self.offers = ui.element("datalist")
                self.entry = ui.input(placeholder="main.py", on_change=self._choose_entry)
                self.entry.props(
                    f'dense borderless aria-label="What Run runs" list={self.offers.html_id}'
                ).classes("entry")
                self.arguments = ui.input(
                    value=session.arguments, placeholder="arguments", on_change=self._set_arguments
                )
                self.arguments.props('dense borderless aria-label="Arguments"').classes("arguments")
                make_button(
                    "Run",
                    icon="play_arrow",
                    tip="Run (Ctrl+Enter)",
                    act=lambda: self.page.run("run"),
                    css="run",
                )
                with (
                    make_button(icon="arrow_drop_down", label="Other ways to run", css="more"),
                    ui.menu().props("auto-close"),
                ):
                    for kind, label in KINDS.items():
                        ui.menu_item(label, on_click=lambda kind=kind: self.page.run(kind))
                self.stop_button = make_button(
                    "Stop", icon="stop", tip="Stop the program", act=self._stop, css="stop"
                )
            with ui.element("div").classes("top-part is-right"):
                self.undo_button = make_button(
                    "Undo",
                    icon="undo",
                    tip="Take the last edit back",
                    act=lambda: self.page.later(self._undo()),
                )
                self.undo_button.classes("quiet")
                self.undo_button.set_visibility(False)
                make_button(icon="contrast", label="Light or dark", act=self._turn_theme, css="quiet")
        self.refresh_entries()

    async def _stop(self) -> None:
        shown = self.page.run_pane.shown_run
        if shown is not None and shown.run.is_running:
            async with self.page.busy("Stopping…"):
                await shown.run.stop()

    async def refresh_undo(self) -> None:
        """Offer to take back the last edit, if there is one."""
        try:
            title = await self.page.analyst.ask(questions.find_last_edit, self.studio.workspace.root)
        except (EntrepotError, OSError):
            title = ""
        self.undo_button.set_visibility(bool(title))

    async def _undo(self) -> None:
        async with self.page.busy("Taking the last edit back…"):
            title = await self.page.analyst.ask(questions.undo, self.studio.workspace.root)
        self.studio.look_now()
        self.studio.tell_files()
        self.page.say(f"Taken back: {title}", kind="good")
        await self.refresh_undo()
        if self.studio.session.view == "organise":
            self.page.organise.shown()

    def _choose_entry(self, event: Any) -> None:
        value = str(event.value or "").strip()
        if value and value != self.studio.session.entry:
            self.studio.session.entry = value
            self.studio.state.save()

    def _set_arguments(self, event: Any) -> None:
        self.studio.session.arguments = str(event.value or "")
        self.studio.state.save()

    def refresh_entries(self) -> None:
        """Offer what can be run."""
        entry = self.studio.session.entry
        if self.entry.value != entry:
            self.entry.value = entry
        if self._offered != (offered := self.studio.entries[:200]):
            self._offered = offered
            self.offers.clear()
            with self.offers:
                for name in offered:
                    ui.element("option").props["value"] = name

    def _turn_theme(self) -> None:
        order = ["auto", "light", "dark"]
        theme = (
            order[(order.index(self.studio.session.theme) + 1) % 3]
            if self.studio.session.theme in order
            else "auto"
        )
        self.studio.session.theme = theme
        self.dark.value = {"light": False, "dark": True}.get(theme)
        self.page.say({"auto": "Light or dark as the system is", "light": "Light", "dark": "Dark"}[theme])
