"""The line below the editor: which namespace the name lives in that the cursor is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio import questions
from entrepot.studio.elements import make_button

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class Pointer:
    """What is said of the name under the cursor. The last one that was asked for counts."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self._wanted: dict[str, Any] = {}
        self._is_asking = False

    def build(self) -> None:
        """Make the elements."""
        with ui.element("div").classes("pointer").props('aria-live="polite"') as self._line:
            self._text = ui.label("").classes("pointer-text")
            ui.element("div").classes("space")
            self._more = make_button(
                "Show the steps", tip="Which namespaces are asked (F12, or Ctrl and click)", act=self._show
            )
        self._line.set_visibility(False)

    def point(self, given: dict[str, Any]) -> None:
        """Say something of the name at a place of a file."""
        self._wanted = given
        if not given["word"] or not str(given["name"]).endswith((".py", ".pyw")):
            self._line.set_visibility(False)
        elif not self._is_asking:
            self.page.later(self._ask())

    async def _ask(self) -> None:
        self._is_asking = True
        try:
            said: dict[str, Any] = {}
            while said is not self._wanted:
                said = self._wanted
                answer = await self._look_up(said) if said["word"] else None
        finally:
            self._is_asking = False
        # A keyword, a name within a text: there is nothing to be said of it.
        is_found = answer is not None and answer.steps and answer.steps[-1].kind != "missing"
        if answer is not None and is_found:
            self._text.set_text(answer.steps[-1].text)
        self._line.set_visibility(bool(is_found))

    async def _look_up(self, given: dict[str, Any]) -> Any:
        studio = self.page.studio
        file = str(given["name"])
        document = studio.documents.open.get(file)
        text = document.text if document is not None and document.is_draft else None
        return await self.page.analyst.ask(
            questions.look_up_name,
            studio.workspace.root,
            studio.python,
            str(given["word"]),
            file,
            text,
            int(given["line"]),
            entry=studio.session.entry,
        )

    def _show(self) -> None:
        self.page.show("names")
        self.page.names.ask(
            str(self._wanted["word"]), file=str(self._wanted["name"]), line=int(self._wanted["line"])
        )
