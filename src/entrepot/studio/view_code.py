"""The view to write and run: tree, tabs, editor; below it stands the pane of the runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio.documents import Open
from entrepot.studio.elements import Editor, make_button
from entrepot.studio.examples import EXAMPLES, Example, copy_example, find_folder
from entrepot.studio.file_tree import FileTree
from entrepot.studio.pointer import Pointer
from entrepot.studio.text import BadChanges
from entrepot.studio.workspace import MOST_BYTES, ChangedError, WorkspaceError

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage


class CodeView:
    """Files on the left, the open ones in tabs, the terminal below."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self._showing: tuple[str, int] = ("", -1)
        self._pieces: dict[str, str] = {}
        self._drawn_tabs: object = None
        self.tree = FileTree(self)

    def build(self) -> None:
        sizes = self.studio.session.sizes
        with (
            ui.splitter(value=sizes.get("tree", 230), limits=(140, 520))
            .props("unit=px")
            .classes("fill") as outer
        ):
            outer.on_value_change(lambda event: sizes.update(tree=float(event.value)))
            with outer.before:
                self.tree.build()
            with (
                outer.after,
                ui.splitter(horizontal=True, value=sizes.get("editor", 62), limits=(15, 90)).classes(
                    "fill"
                ) as inner,
            ):
                inner.on_value_change(lambda event: sizes.update(editor=float(event.value)))
                with inner.before:
                    self._build_editor()
                with inner.after:
                    self.page.run_pane.build()
        self.files_changed()

    def _build_editor(self) -> None:
        with ui.element("div").classes("upright"):
            self.tabs = ui.element("div").classes("tabs").props('role="tablist" aria-label="Open files"')
            self.notice = ui.element("div").classes("notice")
            self.notice.set_visibility(False)
            with ui.element("div").classes("editor-place"):
                self.editor = Editor().classes("grow")
                self.empty = ui.element("div").classes("empty")
            self.pointer = Pointer(self.page)
            self.pointer.build()
            self.editor.when("edit", self._edited)
            self.editor.when("word", self._asked)
            self.editor.when("cursor", self.pointer.point)
            self.editor.when("save", lambda name: self.save(str(name)))

    def files_changed(self) -> None:
        """Draw the tree and the tabs again."""
        self.tree.draw()
        self._draw_tabs()
        self._draw_document()

    def shown(self) -> None:
        """Nothing waits for it to be shown."""

    def open(self, name: str, line: int = 0) -> None:
        """Show a file, at a line."""
        with self.page.reporting():
            self.studio.open(name)
            self.studio.tell_files()
            if line:
                self.editor.run_method("go", line)

    def offer_back(self, text: str, back: Any) -> None:
        """Say what was done, with a way back."""
        self.notice.clear()
        with self.notice:
            ui.label(text)
            ui.element("div").classes("space")
            make_button("Put it back", act=back)
            make_button("Close", act=self._draw_document)
        self.notice.set_visibility(True)

    # Tabs and editor

    def _draw_tabs(self) -> None:
        session = self.studio.session
        # Not beneath a pointer that is just clicking: only when there is something else to draw.
        documents = self.studio.documents.open
        drawn = [
            (name, name == session.active, name in documents and documents[name].is_draft)
            for name in session.tabs
        ]
        if drawn == self._drawn_tabs:
            return
        self._drawn_tabs = drawn
        self.tabs.clear()
        with self.tabs:
            for name in session.tabs:
                document = self.studio.documents.open.get(name)
                is_active = name == session.active
                with ui.element("div").classes("tab" + (" is-active" if is_active else "")) as tab:
                    tab.props(f'role="tab" aria-selected="{str(is_active).lower()}" tabindex="0"')
                    tab.on("click", lambda name=name: self.open(name))
                    tab.on("keydown.enter", lambda name=name: self.open(name))
                    ui.label(name.rpartition("/")[2]).tooltip(name)
                    if document is not None and document.is_draft:
                        ui.element("span").classes("dot")
                    close = make_button(
                        icon="close", label="Close", act=lambda name=name: self.page.later(self.close(name))
                    )
                    close.props('tabindex="-1"').on("click.stop", lambda: None)

    async def close(self, name: str) -> None:
        """Close a tab; ask what becomes of a draft."""
        document = self.studio.documents.open.get(name)
        is_draft = document is not None and document.is_draft
        if is_draft and not await self.page.ask(
            f"{name} has changes that are not saved.", yes="Close without saving", danger=True
        ):
            return
        self.editor.run_method("forget", name)
        self.studio.close(name)
        self._showing = ("", -1)
        self.studio.tell_files()

    def _draw_document(self) -> None:
        """Show the active document in the editor, if it is not shown as it is."""
        name = self.studio.session.active
        document: Open | None = None
        if name:
            try:
                document = self.studio.documents.get(name)
            except (OSError, WorkspaceError):
                self.studio.close(name)
                self._draw_tabs()
        self.notice.set_visibility(False)
        is_text = document is not None and document.kind == "text"
        self.editor.set_visibility(is_text)
        self.empty.set_visibility(not is_text)
        if document is None or not is_text:
            self._showing = ("", -1)
            self._draw_empty(document)
            return
        if self._showing != (name, document.revision):
            self._showing = (name, document.revision)
            self.editor.run_method(
                "show", {"name": name, "text": document.text, "revision": document.revision}
            )
        if document.is_conflict:
            self._draw_conflict(document)

    def _draw_empty(self, document: Open | None) -> None:
        self.empty.clear()
        with self.empty:
            if document is not None:
                ui.label(document.name).classes("empty-title")
                size = f"{document.size_bytes:,} bytes"
                ui.label(
                    f"{size}. It is too large for an editor."
                    if document.kind == "huge"
                    else f"{size}. It is not text."
                )
            elif any(name.endswith(".py") for name in self.studio.files):
                ui.label("No file is open").classes("empty-title")
                ui.label("Choose one on the left.")
            else:
                self._draw_start()

    def _draw_start(self) -> None:
        """Offer something to begin with."""
        ui.label("A new program").classes("empty-title")
        ui.label("Begin with an empty main.py, or with one of these.")
        with ui.element("div").classes("examples"):
            for example in EXAMPLES if find_folder() else ():
                with ui.element("div").classes("example").props('role="button" tabindex="0"') as card:
                    ui.label(example.title).classes("example-title")
                    ui.label(example.about)
                    card.on("click", lambda example=example: self._begin(example))
                    card.on("keydown.enter", lambda example=example: self._begin(example))
        make_button(
            "An empty main.py",
            icon="add",
            act=lambda: self.tree.create(["main.py", False]),
            css="main-button",
        )

    def _begin(self, example: Example) -> None:
        with self.page.reporting():
            copy_example(example, self.studio.workspace.root)
            self.studio.look_now()
            self.studio.session.entry = example.entry
            self.page.header.refresh_entries()
            self.open(example.first)

    def _draw_conflict(self, document: Open) -> None:
        self.notice.clear()
        gone = not document.found
        with self.notice:
            ui.icon("warning_amber")
            ui.label(
                f"{document.name} was {'deleted' if gone else 'changed'} by another program while you were typing."
            )
            ui.element("div").classes("space")
            if not gone:
                make_button("Take theirs", act=lambda: self._resolve(document.name, "theirs"))
            make_button("Keep mine", act=lambda: self._resolve(document.name, "mine"))
        self.notice.set_visibility(True)

    def _resolve(self, name: str, choice: str) -> None:
        with self.page.reporting():
            if choice == "theirs":
                self.studio.documents.take_theirs(name)
            else:
                self.studio.documents.keep_mine(name)
                self.studio.documents.save(name)
            self.studio.look_now()
            self.studio.tell_document(name)

    def _edited(self, given: dict[str, Any]) -> None:
        name, revision = str(given["name"]), int(given["revision"])
        documents = self.studio.documents
        # Changes that are long come in pieces.
        text = self._pieces.pop(name, "") + str(given["piece"])
        if name not in documents.open or len(text) > 8 * MOST_BYTES:
            return
        if not given["is_last"]:
            self._pieces[name] = text
            return
        was_draft = documents.open[name].is_draft
        try:
            document = documents.change(name, revision, json.loads(text))
        except (BadChanges, ValueError):
            # Another page has changed it meanwhile: both get what the server has.
            self._showing = ("", -1)
            self._draw_document()
            return
        except WorkspaceError as error:
            self.page.say(str(error), kind="bad")
            self._showing = ("", -1)
            self._draw_document()
            return
        if document.revision != revision + 1:
            # It came late, and is in conflict with what is on disk now: everybody is to see it.
            self._showing = ("", -1)
            self.page.checks.look_at(name)
            self.studio.tell_files()
            self.studio.tell_document(name)
            return
        self._showing = (name, document.revision)
        self.editor.run_method("took", name, document.revision)
        self.page.checks.look_at(name)
        if document.is_draft != was_draft:
            self.studio.tell_files()
        self.studio.tell_document(name, by=self.page)

    def _asked(self, given: dict[str, Any]) -> None:
        """Look up the name that was clicked with Ctrl."""
        self.page.show("names")
        self.page.names.ask(str(given["word"]), file=str(given["name"]), line=int(given["line"]))

    def save(self, name: str) -> None:
        """Write a document to disk."""
        with self.page.reporting():
            try:
                self.studio.documents.save(name)
            except ChangedError as error:
                self.studio.documents.open[name].found = error.digest
            self.studio.look_now()
            self.studio.tell_files()
            self.studio.tell_document(name)

    def document_changed(self, name: str, *, by: object) -> None:
        """Follow what another page or program did to a document."""
        if by is self.page:
            return
        if name == self.studio.session.active or name not in self.studio.documents.open:
            self._draw_document()

    def findings_changed(self) -> None:
        """Mark them in the editor and the tree."""
        self.tree.draw_findings()
        name = self.studio.session.active
        self.editor.run_method("setFindings", self._findings_of(name))

    def _findings_of(self, name: str) -> list[dict[str, Any]]:
        return [
            {
                "line": told.line,
                "column": told.column,
                "severity": told.severity,
                "code": told.code,
                "message": told.message,
            }
            for told in self.page.checks.findings.get(name, [])[:500]
        ]
