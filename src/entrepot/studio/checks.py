"""What is wrong with the program, kept up to date: after each save for all of it, while typing for the file.

A small program is surveyed whole while somebody types, drafts included. In a large one the text alone is looked at
at once, and what needs the other modules follows when it is saved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from entrepot.errors import EntrepotError
from entrepot.studio import questions
from entrepot.studio.analyst import Analyst
from entrepot.studio.questions import Told
from entrepot.studio.studio import Studio

SMALL = 300  # Python files
PAUSE_S = 0.35
_LOCAL = frozenset({"EP001", "EP203", "EP302", "EP502", "EP601"})  # told of a text alone


class Checks:
    """The findings of a folder by file."""

    def __init__(self, studio: Studio, analyst: Analyst) -> None:
        self.studio = studio
        self.analyst = analyst
        self.findings: dict[str, list[Told]] = {}
        self.is_known = False
        self.error = ""
        self.is_running = False
        self.on_change: list[Callable[[], None]] = []
        self._wanted: set[str] | None = set()  # files whose text changed; None: everything
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, inside the running event loop."""
        self._wanted = None
        self._wake.set()
        self.studio.listeners.append(self.look_at_all)
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def end(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look_at_all(self) -> None:
        """Files have changed."""
        self._wanted = None
        self._wake.set()

    def look_at(self, name: str) -> None:
        """Somebody types in a file."""
        if name.endswith((".py", ".pyw")):
            if self._wanted is not None:
                self._wanted.add(name)
            self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(PAUSE_S)
            self._wake.clear()
            wanted, self._wanted = self._wanted, set()
            self.is_running = True
            try:
                await self._answer(wanted)
                self.error = ""
            except (EntrepotError, OSError) as error:
                self.error = str(error)
            finally:
                self.is_running = False
            for callback in list(self.on_change):
                callback()

    async def _answer(self, wanted: set[str] | None) -> None:
        root, python = self.studio.workspace.root, self.studio.python
        is_small = sum(name.endswith(".py") for name in self.studio.files) <= SMALL
        drafts = {n: t for n, t in self.studio.documents.drafts().items() if n.endswith((".py", ".pyw"))}
        if wanted is None or is_small:
            told = await self.analyst.ask(
                questions.survey, root, python, drafts if is_small else {}, is_long=True
            )
            self.findings = {}
            for found in told:
                # A program may do work: that is what its entry point is for.
                if found.code == "EP601" and found.name == self.studio.session.entry:
                    continue
                self.findings.setdefault(found.name, []).append(found)
            self.is_known = True
        if not is_small:
            for name in set(drafts) if wanted is None else wanted & set(drafts):
                kept = [found for found in self.findings.get(name, []) if found.code not in _LOCAL]
                alone = await self.analyst.ask(questions.check_text, name, drafts[name])
                self.findings[name] = kept + [
                    found for found in alone if (found.code, name) != ("EP601", self.studio.session.entry)
                ]

    def count(self, name: str) -> tuple[int, int]:
        """Return the numbers of errors and warnings in a file."""
        found = self.findings.get(name, [])
        errors = sum(told.severity == "error" for told in found)
        return errors, sum(told.severity == "warning" for told in found)

    def count_folders(self) -> dict[str, tuple[int, int]]:
        """Return the same for every folder, of all files in it."""
        found: dict[str, tuple[int, int]] = {}
        for name in self.findings:
            errors, warnings = self.count(name)
            while "/" in name:
                name = name.rpartition("/")[0]
                before = found.get(name, (0, 0))
                found[name] = (before[0] + errors, before[1] + warnings)
        return found
