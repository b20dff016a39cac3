"""A planned edit shown as its difference, with the buttons to apply it or let it be.

Several views plan edits: fixes, splits, moves, renamings, expanded stars. All are shown, applied and taken back here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.errors import EntrepotError, Refused
from entrepot.studio import questions
from entrepot.studio.elements import Difference, make_button
from entrepot.studio.questions import Preview

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class PreviewPane:
    """The place of a view where an edit is looked at."""

    def __init__(self, page: StudioPage, idle: str, *, done: Callable[[], None] | None = None) -> None:
        self.page = page
        self.preview: Preview | None = None
        self._asked: tuple[str, dict[str, Any]] = ("", {})
        self._done = done
        with ui.element("div").classes("upright preview"):
            with ui.element("div").classes("preview-head") as self._head:
                self._title = ui.label("").classes("preview-title")
                ui.element("div").classes("space")
                self._leave = make_button("Let it be", act=self.clear)
                self._apply = make_button(
                    "Apply", icon="check", act=lambda: page.later(self.apply()), css="main"
                )
            self._notes = ui.element("div").classes("preview-notes")
            self._difference = Difference().classes("grow")
            with ui.element("div").classes("empty-inline grow") as self._idle:
                ui.label(idle)
        self.clear()

    def clear(self) -> None:
        """Show nothing."""
        self.preview = None
        self._put(None)

    def _put(self, preview: Preview | None) -> None:
        self._head.set_visibility(preview is not None)
        self._difference.set_visibility(preview is not None)
        self._idle.set_visibility(preview is None)
        self._notes.clear()
        self._notes.set_visibility(preview is not None and bool(preview.notes))
        if preview is not None:
            count = len(preview.files)
            self._title.set_text(
                f"{count} {'file' if count == 1 else 'files'} would change" if count else "Nothing to change"
            )
            self._apply.set_visibility(bool(count))
            self._difference.put(text=preview.diff)
            with self._notes:
                for note in preview.notes[:20]:
                    ui.label(note)

    async def plan(self, kind: str, options: dict[str, Any]) -> None:
        """Plan an edit and show it, or say why it cannot be."""
        page = self.page
        page.studio.documents.save_all()
        page.studio.look_now()
        page.studio.tell_files()
        self._asked = (kind, options)
        async with page.busy("Planning the edit…"):
            try:
                self.preview = await page.analyst.ask(
                    questions.plan, page.studio.workspace.root, kind, options
                )
            except Refused as error:
                self._refuse(error)
                return
            except EntrepotError as error:
                self.clear()
                page.say(str(error), kind="bad")
                return
        self._put(self.preview)

    def _refuse(self, error: Refused) -> None:
        """Say why an edit is refused, and offer to go on where that can be right."""
        self.preview = None
        self._put(None)
        self._notes.clear()
        with self._notes:
            where = (
                ""
                if error.path is None
                else f"{self._name(error.path)}{f':{error.line}' if error.line else ''}: "
            )
            ui.label(f"Refused: {where}{error.reason}. Nothing was changed.").classes("is-refusal")
            if error.way_out and not error.way_out.endswith("--force"):
                ui.label(error.way_out)
        self._notes.set_visibility(True)

    def _name(self, path: str) -> str:
        return self.page.studio.workspace.find_name(path) or path

    async def apply(self, *, force: bool = False) -> None:
        """Write the edit."""
        page, preview = self.page, self.preview
        if preview is None:
            return
        try:
            async with page.busy("Writing…"):
                await page.analyst.ask(questions.apply, preview.number, force=force)
        except Refused as error:
            name = self._name(error.path or "")
            question = f"{name} has changes that are not committed. Undo takes the edit back all the same."
            if "uncommitted" in error.reason and await page.ask(question, yes="Apply"):
                await self.apply(force=True)
                return
            raise
        self.clear()
        page.studio.look_now()
        page.studio.tell_files()
        page.say(f"Done: {preview.title}. Undo takes it back.", kind="good")
        await page.header.refresh_undo()
        if self._done is not None:
            self._done()
