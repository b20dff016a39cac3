"""The view to look a name up: which namespaces are asked, and where it is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui

from entrepot.studio import questions
from entrepot.studio.elements import Picture, make_button
from entrepot.studio.lookup import Answer

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class NamesView:
    """A field to type a name, the steps to it, and the namespaces in which they are lit."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio

    def build(self) -> None:
        with ui.element("div").classes("upright"):
            with ui.element("div").classes("ask-bar"):
                self.field = ui.input(placeholder="arcade.get_score").on("keydown.enter", self._typed)
                self.field.props('dense borderless aria-label="A name to look up" spellcheck=false').classes(
                    "ask-field"
                )
                make_button("Look up", icon="search", act=self._typed, css="main")
                self.where = ui.label("").classes("faint")
            with ui.splitter(value=34, limits=(22, 60)).classes("grow") as splitter:
                with splitter.before:
                    self.steps = ui.element("div").classes("lookup")
                with splitter.after:
                    self.picture = Picture().classes("fill")
                    self.picture.when(
                        "name", lambda given: self.ask(str(given["name"]), module=str(given["module"]))
                    )
        self._draw_idle()
        kept = self.studio.session.views.get("names", {})
        if kept.get("name"):
            where = (str(kept.get("file", "")), int(kept.get("line") or 0), str(kept.get("module", "")))
            self.field.set_value(str(kept["name"]))
            self.page.later(self._look(str(kept["name"]), *where))

    def shown(self) -> None:
        self.where.set_text(f"as written in {self._file()}" if self._file() else "")

    def files_changed(self) -> None:
        """What was looked up stays."""

    def document_changed(self, name: str, *, by: object) -> None:
        """What was looked up stays."""

    def _file(self) -> str:
        active, entry = self.studio.session.active, self.studio.session.entry
        return active if active.endswith(".py") else entry if entry.endswith(".py") else ""

    def _typed(self) -> None:
        self.ask(str(self.field.value or "").strip())

    def ask(self, name: str, *, file: str = "", line: int = 0, module: str = "") -> None:
        """Look a name up, as written in a file's line (or at the top level of a module)."""
        if name:
            self.field.set_value(name)
            self.page.later(self._look(name, file or self._file(), line, module))

    async def _look(self, name: str, file: str, line: int, module: str) -> None:
        studio = self.studio
        studio.session.views["names"] = {"name": name, "file": file, "line": line, "module": module}
        document = studio.documents.open.get(file)
        text = document.text if document is not None and document.is_draft else None
        async with self.page.busy("Looking the name up…"):
            answer = await self.page.analyst.ask(
                questions.look_up_name,
                studio.workspace.root,
                studio.python,
                name,
                file,
                text,
                line,
                module,
                studio.session.entry,
            )
        self.where.set_text(f"as written in {module or file}" + (f", line {line}" if line else ""))
        self.draw(answer)

    def draw(self, answer: Answer) -> None:
        """Show an answer."""
        self.picture.put(drawing=answer.drawing)
        self.steps.clear()
        with self.steps:
            for number, step in enumerate(answer.steps, 1):
                with ui.element("div").classes(
                    "lookup-step" + (" is-missing" if step.kind == "missing" else "")
                ):
                    ui.label(str(number)).classes("number")
                    with ui.element("div"):
                        ui.label(step.text)
                        if step.path and step.kind != "missing":
                            place = f"{step.path}:{step.line}" if step.line else step.path
                            make_button(
                                place, act=lambda step=step: self._go(step.path, step.line), css="related"
                            )
            if answer.others:
                ui.label("The same name elsewhere").classes("panel-heading")
                ui.label("Another module's name is another thing, though it is spelled alike.").classes(
                    "panel-note"
                )
                for module, kind, path, line in answer.others[:40]:
                    make_button(f"{module}.{answer.steps[-1].name}  {kind}, {path}:{line}",
                                act=lambda path=path, line=line: self._go(path, line), css="related")  # fmt: skip

    def _draw_idle(self) -> None:
        with self.steps, ui.element("div").classes("empty-inline"):
            ui.label("Which namespace has it?").classes("empty-title")
            ui.label("Type a name with its dots, or hold Ctrl and click one in the editor.")

    def _go(self, path: str, line: int) -> None:
        self.page.show("code")
        self.page.code.open(path, line)
