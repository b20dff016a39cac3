"""The view to organise: split by dragging, move, rename, expand stars; looked at first, applied, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio import questions
from entrepot.studio.elements import Board, make_button
from entrepot.studio.preview import PreviewPane
from entrepot.studio.questions import Part

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class OrganiseView:
    """The active file's definitions in columns, one for each module; the difference beside them."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self.file = ""
        self._wanted = ""
        self._kept = page.studio.session.views.get("organise", {})
        self.parts: dict[str, Part] = {}
        self.columns: list[tuple[str, list[str]]] = []
        self._revision = self._heard = 0

    def build(self) -> None:
        with ui.splitter(value=54, limits=(30, 75)).classes("fill") as splitter:
            with splitter.before, ui.element("div").classes("upright"):
                with ui.element("div").classes("bar"):
                    self.choice = ui.select([], on_change=lambda event: self._choose(event.value))
                    self.choice.props('dense borderless options-dense aria-label="File to split"').classes(
                        "file-choice"
                    )
                    ui.element("div").classes("space")
                    self.style = ui.select(
                        {"names": "from module import name", "module": "module.name"}, value="names"
                    )
                    self.style.props(
                        'dense borderless options-dense aria-label="How names are imported"'
                    ).classes("style-choice")
                    make_button(
                        "Suggest",
                        icon="lightbulb",
                        tip="Propose groups from who uses whom",
                        act=lambda: self.page.later(self._suggest()),
                    )
                    make_button("Preview", icon="difference", act=self._preview, css="main")
                self.board = Board().classes("grow")
                with ui.element("div").classes("empty-inline") as self.nothing:
                    self.nothing_text = ui.label("")
                self._build_rename()
            with splitter.after:
                self.preview = PreviewPane(
                    self.page,
                    "What would change is shown here first. The program will do exactly what it did.",
                    done=self._done,
                )
        self.board.when("move", self._moved)
        self.board.when("name", lambda given: self._name(int(given[0]), str(given[1])))
        self.board.when("more", self._more)
        self.board.when("less", lambda number: self._less(int(number)))

    def _build_rename(self) -> None:
        with ui.element("div").classes("bar bottom"):
            # A list of the browser's own: what is typed counts, chosen from it or not.
            self.names = ui.element("datalist").props('id="names-to-rename"')
            self.old = (
                ui.input(placeholder="what to rename")
                .props('dense borderless aria-label="What to rename" spellcheck=false list="names-to-rename"')
                .classes("filter")
            )
            ui.label("→").classes("faint")
            self.new = (
                ui.input(placeholder="new name")
                .props('dense borderless aria-label="New name" spellcheck=false')
                .classes("filter")
            )
            self.new.on("keydown.enter", self._rename)
            make_button("Rename", act=self._rename)
            ui.element("div").classes("space")
            make_button("Expand stars", tip="Write out what `import *` brings", act=self._expand)

    def shown(self) -> None:
        files = [name for name in self.studio.files if name.endswith(".py")]
        self.choice.set_options(sorted(files)[:2000], value=self.file if self.file in files else None)
        active = str(self._kept.get("file") or "") or self.studio.session.active
        wanted = (
            self.file if self.file in files else active if active in files else (sorted(files) or [""])[0]
        )
        if wanted:
            # Not by way of `_choose`: one reading is enough, and a second would undo what was dragged meanwhile.
            self._wanted = wanted
            self.choice.set_value(wanted)
            self.page.later(self.read(wanted))
        else:
            self._show_nothing("There is no Python file in this folder yet.")

    def files_changed(self) -> None:
        """Read again when it is shown."""

    def document_changed(self, name: str, *, by: object) -> None:
        """What is on disk counts."""

    def _choose(self, name: Any) -> None:
        if name and name not in (self.file, self._wanted):
            self._wanted = str(name)
            self.page.later(self.read(str(name)))

    async def read(self, name: str) -> None:
        """Show a file's definitions."""
        with self.page.reporting():
            self.studio.documents.save_all()
        self.studio.look_now()
        try:
            parts = await self.page.analyst.ask(questions.list_parts, self.studio.workspace.root, name)
        except (SyntaxError, ValueError, OSError) as error:
            self.file, self.parts, self.columns = name, {}, []
            self._show_nothing(f"{name} cannot be read: {error}")
            return
        found = {part.name: part for part in parts}
        if name == self.file and found == self.parts:
            return  # what was dragged stays where it is
        self.file, self.parts = name, found
        module = name.rpartition("/")[2].removesuffix(".py")
        self.columns = self._find_kept(name) or [(module, list(self.parts)), ("", [])]
        self.old.set_value("")
        self.names.clear()
        with self.names:
            for known in (module, *self.parts):
                ui.element("option").props["value"] = known
        self._draw()
        if not parts:
            self._show_nothing(f"{name} defines nothing at its top level.")

    def _find_kept(self, name: str) -> list[tuple[str, list[str]]]:
        """Return the columns as they were before the page was loaded again, if the file has the same definitions."""
        kept, self._kept = self._kept, {}
        columns = kept.get("columns")
        if kept.get("file") != name or not isinstance(columns, list):
            return []
        found = [(str(module), [str(part) for part in parts]) for module, parts in columns]
        known = sorted(part for _, parts in found for part in parts)
        return found if known == sorted(self.parts) else []

    def _show_nothing(self, text: str) -> None:
        self.nothing_text.set_text(text)
        self.nothing.set_visibility(True)
        self.board.set_visibility(False)

    def _draw(self) -> None:
        self.studio.session.views["organise"] = {"file": self.file, "columns": self.columns}
        self.nothing.set_visibility(False)
        self.board.set_visibility(True)
        parts = {
            name: {"kind": part.kind, "line": part.line, "end_line": part.end_line, "uses": list(part.uses)}
            for name, part in self.parts.items()
        }
        # The board has moved the card itself: say how it stands, though it be what was said last.
        self._revision += 1
        self.board.put(
            parts=parts,
            columns=[{"module": module, "parts": names} for module, names in self.columns],
            modules=self._list_beside(),
            revision=self._revision,
            heard=self._heard,
        )

    def _list_beside(self) -> list[str]:
        """Return the modules beside this one: a definition can go to one that is there."""
        folder = self.file.rpartition("/")[0]
        beside = (name.rpartition("/") for name in self.studio.files if name.endswith(".py"))
        own = self.file.rpartition("/")[2]
        found = sorted(last[:-3] for where, _, last in beside if where == folder and last != own)
        return found[:300]

    def _moved(self, given: list[Any]) -> None:
        # Which of its moves is known here: the board lets go what was said before.
        self._heard = int(given[2])
        self._move(str(given[0]), int(given[1]))

    def _move(self, name: str, to: int) -> None:
        if name not in self.parts or not 0 <= to < len(self.columns):
            self._draw()
            return
        columns = [(module, [n for n in names if n != name]) for module, names in self.columns]
        module, names = columns[to]
        order = list(self.parts)
        columns[to] = (module or self._invent(name), sorted([*names, name], key=order.index))
        self.columns = columns
        self._draw()

    def _invent(self, name: str) -> str:
        """Return a name for a new module, from the first definition that goes there."""
        taken = {module for module, _ in self.columns}
        word = name.strip("_").lower()
        while word in taken or not word:
            word += "_part"
        return word

    def _name(self, number: int, module: str) -> None:
        if 0 < number < len(self.columns):
            module = module.removesuffix(".py")
            self.columns[number] = (module, self.columns[number][1])
            self._draw()

    def _more(self, name: Any) -> None:
        self.columns.append(("", []))
        if isinstance(name, str) and name in self.parts:
            self._move(name, len(self.columns) - 1)
        self._draw()

    def _less(self, number: int) -> None:
        if 0 < number < len(self.columns) and not self.columns[number][1]:
            del self.columns[number]
            self._draw()

    async def _suggest(self) -> None:
        if not self.file:
            return
        async with self.page.busy("Looking for what belongs together…"):
            groups = await self.page.analyst.ask(questions.suggest, self.studio.workspace.root, self.file)
        if not groups:
            self.page.say(f"{self.file} is best left whole: no group of names can be taken out of it.")
            return
        taken = {name for _, names, _ in groups for name in names}
        stays = [name for name in self.parts if name not in taken]
        first = self.columns[0][0]
        self.columns = [
            (first, stays),
            *((module, [n for n in names if n in self.parts]) for module, names, _ in groups),
        ]
        self._draw()

    def _preview(self) -> None:
        to = {module: names for module, names in self.columns[1:] if names}
        if not to:
            self.page.say("Drag definitions to another module first.")
            return
        options = {"file": self.file, "to": to, "style": self.style.value}
        self.page.later(self.preview.plan("split", options))

    def _rename(self) -> None:
        what, new = str(self.old.value or "").strip(), str(self.new.value or "").strip()
        if not what or not new:
            self.page.say("Choose what to rename, and write its new name.")
            return
        module = self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if what == self.columns[0][0] and what not in self.parts:
            parent = module.rpartition(".")[0]
            old, new = module, f"{parent}.{new}" if parent and "." not in new else new
        else:
            old = f"{module}:{what}"
        self.page.later(self.preview.plan("rename", {"old": old, "new": new}))

    def _expand(self) -> None:
        if self.file:
            self.page.later(self.preview.plan("expand", {"file": self.file}))

    def _done(self) -> None:
        self.page.later(self.read(self.file) if self.file in self.studio.files else self._read_first())

    async def _read_first(self) -> None:
        self.file = self._wanted = ""
        self.shown()
