"""One folder shown: its files, what is remembered of it, its runs, and the pages that look at it.

Pages are told of changes by calling back; nothing here knows how they look.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Container
from typing import Protocol

from entrepot.studio.care import Care
from entrepot.studio.documents import Documents
from entrepot.studio.programs import find_python, list_entries
from entrepot.studio.state import State
from entrepot.studio.workspace import Workspace, show

LOOK_EVERY_S = 1.0
SMALL = 2_000  # files, which are looked at in passing


class Page(Protocol):
    """What a page of the studio is told."""

    def files_changed(self) -> None:
        """The folder holds other files, or other ones are open."""

    def document_changed(self, name: str, *, by: object) -> None:
        """A document has another text or state; `by` is the page that did it, or None."""


class Studio:
    """The folder, and everybody who looks at it."""

    def __init__(self, folder: str, python: str | None = None) -> None:
        self.workspace = Workspace(folder)
        self.state = State(self.workspace.root)
        self.session = self.state.session
        self.documents = Documents(self.workspace, self.state)
        self.python = python or find_python(self.workspace.root)
        self.care = Care()
        self.pages: list[Page] = []
        self.entries: list[str] = []
        self.listeners: list[Callable[[], None]] = []
        self._seen: dict[str, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def shadow_folder(self) -> str:
        """Return where drafts are looked at: the same place at each start, so that what was read stays known."""
        return os.path.join(self.state.folder if self.state.is_ours else self.care.folder, "shadow")

    @property
    def name(self) -> str:
        """Return the folder's own name."""
        return show(os.path.basename(self.workspace.root) or self.workspace.root)

    def start(self) -> None:
        """Begin to look at the folder, inside the running event loop."""
        self._seen = self.workspace.scan()
        self._note_files(())
        self._task = asyncio.get_running_loop().create_task(self._look_forever())

    async def end(self) -> None:
        """Stop looking, and keep what is to be kept."""
        while self._task is not None and not self._task.done():
            # Before Python 3.12 `wait_for` loses a cancellation that comes together with what it waits for.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.1)
        self.state.save()
        self.state.close()
        self.care.end()

    async def _look_forever(self) -> None:
        took = 0.0
        while True:
            # A large folder is looked at less often: at most a tenth of the time goes into looking.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(LOOK_EVERY_S, 10 * took))
            self._wake.clear()
            began = time.perf_counter()
            try:
                seen = await asyncio.to_thread(self.workspace.scan)
            except OSError:
                continue
            took = time.perf_counter() - began
            self.compare(seen)
            self.state.save()

    def look_now(self) -> None:
        """Look at the folder now: we have changed it ourselves. A large one is looked at in a moment."""
        if len(self._seen) <= SMALL:
            self.compare(self.workspace.scan())
        else:
            self._wake.set()

    def compare(self, seen: dict[str, tuple[int, int]]) -> None:
        """Tell the pages what has changed since the last look."""
        before, self._seen = self._seen, seen
        for name in list(self.documents.open):
            if before.get(name) != seen.get(name) and self.documents.look(name):
                if name not in self.documents.open:
                    self.close(name)
                self.tell_document(name)
        if before.keys() != seen.keys():
            self._note_files(before)
            self.tell_files()
        if before != seen:
            for listener in list(self.listeners):
                listener()

    def _note_files(self, before: Container[str]) -> None:
        self.entries = list_entries(self._seen)
        if not self.session.entry and self.entries:
            self.session.entry = self.entries[0]
        elif (
            self.session.entry.endswith(".py")
            and self.session.entry not in self._seen
            and (not before or self.session.entry in before)  # else it is being typed
        ):
            self.session.entry = self.entries[0] if self.entries else ""

    @property
    def files(self) -> list[str]:
        """The names of all files, as last seen."""
        return list(self._seen)

    def open(self, name: str) -> None:
        """Open a file in a tab and show it. Raises WorkspaceError, OSError."""
        self.documents.get(name)
        if name not in self.session.tabs:
            self.session.tabs.append(name)
        self.session.active = name
        self.state.save()  # now: a studio that is killed does not come to its next look

    def close(self, name: str) -> None:
        """Close a tab; the one beside it is shown."""
        if name in self.session.tabs:
            at = self.session.tabs.index(name)
            self.session.tabs.remove(name)
            if self.session.active == name:
                rest = self.session.tabs
                self.session.active = rest[min(at, len(rest) - 1)] if rest else ""
        self.documents.close(name)
        self.state.save()

    def rename(self, name: str, new: str) -> None:
        """Rename a file or folder, its open tabs and drafts with it. Raises WorkspaceError, OSError."""
        self.workspace.rename(name, new)
        self.documents.rename(name, new)
        session = self.session

        def follow(known: str) -> str:
            return new + known[len(name) :] if known == name or known.startswith(name + "/") else known

        session.tabs = [follow(known) for known in session.tabs]
        session.expanded = [follow(known) for known in session.expanded]
        session.active, session.entry = follow(session.active), follow(session.entry)
        self.look_now()
        self.tell_files()

    def tell_files(self) -> None:
        """Tell every page that files or tabs are others."""
        for page in list(self.pages):
            page.files_changed()

    def tell_document(self, name: str, *, by: object = None) -> None:
        """Tell every page that a document is another."""
        for page in list(self.pages):
            page.document_changed(name, by=by)
