"""The tree of files beside the editor: made, renamed, moved and deleted there, with a way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio.elements import Files, make_button
from entrepot.studio.workspace import WorkspaceError

if TYPE_CHECKING:
    from entrepot.studio.view_code import CodeView

_KINDS = {"py": "python", "pyi": "python", "pyw": "python", "md": "text", "txt": "text", "toml": "data", "json": "data",
          "csv": "data", "yaml": "data", "yml": "data"}  # fmt: skip


class FileTree:
    """The files of the folder, as far as its folders are open."""

    def __init__(self, view: CodeView) -> None:
        self.view = view
        self.page = view.page
        self.studio = view.studio

    def build(self) -> None:
        """Make the elements."""
        with ui.element("div").classes("side"):
            with ui.element("div").classes("side-head"):
                ui.label("Files").classes("heading")
                ui.element("div").classes("space")
                make_button(
                    icon="note_add",
                    label="New file",
                    act=lambda: self.files.run_method("begin", "", 0, False),
                )
                make_button(
                    icon="create_new_folder",
                    label="New folder",
                    act=lambda: self.files.run_method("begin", "", 0, True),
                )
            self.files = Files()
            self.files.when("open", self.view.open)
            self.files.when("toggle", self._toggle)
            self.files.when("move", self._move)
            self.files.when("create", self.create)
            self.files.when("remove", lambda name: self.page.later(self._remove(str(name))))
            self.files.when("run", lambda name: self.page.run("run", str(name)))

    def draw(self) -> None:
        """Draw it again."""
        self.files.put(rows=self._make_rows(), active=self.studio.session.active)

    def draw_findings(self) -> None:
        """Draw it again with the findings there are now; which file is active stays."""
        self.files.put(rows=self._make_rows())

    def _make_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        expanded = set(self.studio.session.expanded)
        drafts = self.studio.documents.open
        checks = self.page.checks
        by_folder = checks.count_folders()

        def counts(name: str, is_folder: bool) -> tuple[int, int]:
            return by_folder.get(name, (0, 0)) if is_folder else checks.count(name)

        def add(folder: str, depth: int) -> None:
            try:
                entries = self.studio.workspace.list_folder(folder)
            except (OSError, WorkspaceError):
                return
            for entry in entries:
                is_open = entry.is_folder and entry.name in expanded
                document = drafts.get(entry.name)
                ending = entry.name.rpartition(".")[2].lower()
                rows.append(
                    {
                        "name": entry.name, "depth": depth, "is_folder": entry.is_folder, "is_open": is_open,
                        "is_outside": entry.is_outside, "kind": _KINDS.get(ending, "other"),
                        "errors": counts(entry.name, entry.is_folder)[0],
                        "warnings": counts(entry.name, entry.is_folder)[1],
                        "is_draft": document is not None and document.is_draft,
                    }
                )  # fmt: skip
                if is_open and len(rows) < 5000:
                    add(entry.name, depth + 1)

        add("", 0)
        return rows

    def _toggle(self, name: str) -> None:
        expanded = self.studio.session.expanded
        if name in expanded:
            expanded.remove(name)
        else:
            expanded.append(name)
        self.view.files_changed()

    def _move(self, names: list[str]) -> None:
        with self.page.reporting():
            self.studio.rename(names[0], names[1])
        self.view.files_changed()

    def create(self, given: list[Any]) -> None:
        """Make a file or a folder: its name, and whether it is a folder."""
        name, is_folder = str(given[0]).strip("/"), bool(given[1])
        with self.page.reporting():
            self.studio.workspace.create(name, is_folder=is_folder)
            self._reveal(name)
            self.studio.look_now()
            if is_folder:
                self.studio.tell_files()
            else:
                self.view.open(name)

    def _reveal(self, name: str) -> None:
        parts = name.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            if folder not in self.studio.session.expanded:
                self.studio.session.expanded.append(folder)

    async def _remove(self, name: str) -> None:
        short = name.rpartition("/")[2]
        if not await self.page.ask(f"Delete {short}?", yes="Delete", danger=True):
            return
        kept = self.studio.workspace.delete(name, self.studio.state.bin_folder)
        for known in [n for n in self.studio.session.tabs if n == name or n.startswith(name + "/")]:
            self.studio.close(known)
        self.studio.look_now()
        self.studio.tell_files()

        def back() -> None:
            with self.page.reporting():
                self.studio.workspace.restore(kept, name)
                self.studio.look_now()
                self.studio.tell_files()

        self.view.offer_back(f"{short} was deleted.", back)
