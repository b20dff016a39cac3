"""The view to write and run: tree, tabs, editor, terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui import ui

from entrepot.studio.documents import Open
from entrepot.studio.elements import Editor, Files, Terminal, make_button
from entrepot.studio.examples import EXAMPLES, Example, copy_example, find_folder
from entrepot.studio.run_board import Shown
from entrepot.studio.text import BadChanges
from entrepot.studio.workspace import ChangedError, WorkspaceError

if TYPE_CHECKING:
    from entrepot.studio.page import StudioPage

_KINDS = {"py": "python", "pyi": "python", "pyw": "python", "md": "text", "txt": "text", "toml": "data", "json": "data",
          "csv": "data", "yaml": "data", "yml": "data"}  # fmt: skip


class CodeView:
    """Files on the left, the open ones in tabs, the terminal below."""

    def __init__(self, page: StudioPage) -> None:
        self.page = page
        self.studio = page.studio
        self.shown_run: Shown | None = None
        self.terminal_size = (80, 24)
        self._showing: tuple[str, int] = ("", -1)

    def build(self) -> None:
        sizes = self.studio.session.sizes
        with (
            ui.splitter(value=sizes.get("tree", 230), limits=(140, 520))
            .props("unit=px")
            .classes("fill") as outer
        ):
            outer.on_value_change(lambda event: sizes.update(tree=float(event.value)))
            with outer.before:
                self._build_tree()
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
                    self._build_terminal()
        self.files_changed()

    def _build_tree(self) -> None:
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
            self.files.when("open", self.open)
            self.files.when("toggle", self._toggle)
            self.files.when("move", self._move)
            self.files.when("create", self._create)
            self.files.when("remove", lambda name: self.page.later(self._remove(str(name))))
            self.files.when("run", lambda name: self.page.run("run", str(name)))

    def _build_editor(self) -> None:
        with ui.element("div").classes("upright"):
            self.tabs = ui.element("div").classes("tabs").props('role="tablist" aria-label="Open files"')
            self.notice = ui.element("div").classes("notice")
            self.notice.set_visibility(False)
            with ui.element("div").classes("editor-place"):
                self.editor = Editor().classes("grow")
                self.empty = ui.element("div").classes("empty")
            self.editor.when("edit", self._edited)
            self.editor.when("word", self._asked)
            self.editor.when("save", lambda name: self.save(str(name)))

    def _build_terminal(self) -> None:
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

    # Files

    def files_changed(self) -> None:
        """Draw the tree and the tabs again."""
        self.files.put(rows=self._make_rows(), active=self.studio.session.active)
        self._draw_tabs()
        self._draw_document()

    def shown(self) -> None:
        """Nothing waits for it to be shown."""

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

    def open(self, name: str, line: int = 0) -> None:
        """Show a file, at a line."""
        with self.page.reporting():
            self.studio.open(name)
            self._goto = line
            self.studio.tell_files()
            if line:
                self.editor.run_method("go", line)

    def _toggle(self, name: str) -> None:
        expanded = self.studio.session.expanded
        if name in expanded:
            expanded.remove(name)
        else:
            expanded.append(name)
        self.files_changed()

    def _move(self, names: list[str]) -> None:
        with self.page.reporting():
            self.studio.rename(names[0], names[1])
        self.files_changed()

    def _create(self, given: list[Any]) -> None:
        name, is_folder = str(given[0]).strip("/"), bool(given[1])
        with self.page.reporting():
            self.studio.workspace.create(name, is_folder=is_folder)
            self._reveal(name)
            self.studio.look_now()
            if is_folder:
                self.studio.tell_files()
            else:
                self.open(name)

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

        self._offer_back(f"{short} was deleted.", back)

    def _offer_back(self, text: str, back: Any) -> None:
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
            "An empty main.py", icon="add", act=lambda: self._create(["main.py", False]), css="main-button"
        )

    def _begin(self, example: Example) -> None:
        with self.page.reporting():
            copy_example(example, self.studio.workspace.root)
            self.studio.look_now()
            self.studio.session.entry = example.entry
            self.page.refresh_entries()
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
        if name not in documents.open:
            return
        was_draft = documents.open[name].is_draft
        try:
            document = documents.change(name, revision, given["changes"])
        except BadChanges:
            # Another page has changed it meanwhile: both get what the server has.
            self._showing = ("", -1)
            self._draw_document()
            return
        self._showing = (name, document.revision)
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
        self.files.put(rows=self._make_rows())
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

    # Runs

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

    def _run_changed(self, shown: Shown) -> None:
        if not self.page.client.is_deleted:
            with self.page.client:
                self._draw_runs()

    def _draw_runs(self) -> None:
        self.run_tabs.clear()
        with self.run_tabs:
            for shown in self.page.board.list_of(self.page.owner):
                is_active = shown is self.shown_run
                status = shown.run.status
                state = "is-running" if status is None else "is-good" if status == 0 else "is-bad"
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
        self._draw_reports()
        self.run_state.set_text(describe_run(self.shown_run) if self.shown_run else "")
        is_running = self.shown_run is not None and self.shown_run.run.is_running
        self.page.stop_button.set_enabled(is_running)
        failed = self.shown_run is not None and self.shown_run.run.status == 1
        self.explain.set_visibility(failed)

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
    if run.status is None:
        return "running"
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
