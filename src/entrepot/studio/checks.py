"""What is wrong with the program, kept up to date while somebody types: unsaved texts count.

All of it is surveyed when typing pauses. In a large program that takes a while, so what can be said of the text alone is
said at once, and what needs the other modules follows behind it. A survey is never followed by another before as much
time has passed as it took (and no more than `MOST_PAUSE_S`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from entrepot.errors import EntrepotError
from entrepot.studio import questions
from entrepot.studio.analyst import Analyst
from entrepot.studio.questions import Told
from entrepot.studio.studio import Studio

SMALL = 300  # Python files, which are surveyed as fast as one of them is looked at
PAUSE_S = 0.35
SAID_AFTER_S = 0.4
MOST_PAUSE_S = 3.0
_LOCAL = frozenset({"EP001", "EP203", "EP302", "EP502", "EP601"})  # told of a text alone
_PYTHON = (".py", ".pyw")


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
        self._typed: set[str] = set()  # files whose text has changed since it was looked at alone
        self._wake = asyncio.Event()
        self._wake_texts = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, inside the running event loop."""
        self._wake.set()
        self.studio.listeners.append(self.look_at_all)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._survey_forever()), loop.create_task(self._look_forever())]

    async def end(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look_at_all(self) -> None:
        """Files have changed."""
        self._wake.set()

    def look_at(self, name: str) -> None:
        """Somebody types in a file."""
        if name.endswith(_PYTHON):
            self._typed.add(name)
            self._wake.set()
            self._wake_texts.set()

    async def _survey_forever(self) -> None:
        took = 0.0
        while True:
            await self._wake.wait()
            await asyncio.sleep(max(PAUSE_S, min(took, MOST_PAUSE_S)))
            self._wake.clear()
            self.is_running = True
            began = time.perf_counter()
            # What takes longer than a glance is said.
            timer = asyncio.get_running_loop().call_later(SAID_AFTER_S, self._tell)
            try:
                await self._survey()
                self.error = ""
            except (EntrepotError, OSError) as error:
                self.error = str(error)
            timer.cancel()
            self.is_running = False
            took = time.perf_counter() - began
            self._tell()

    async def _look_forever(self) -> None:
        while True:
            await self._wake_texts.wait()
            await asyncio.sleep(PAUSE_S)
            self._wake_texts.clear()
            typed, self._typed = self._typed, set()
            if sum(name.endswith(".py") for name in self.studio.files) > SMALL:
                for name in typed:
                    await self._look_alone(name)
                self._tell()

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()

    async def _survey(self) -> None:
        drafts = {n: t for n, t in self.studio.documents.drafts().items() if n.endswith(_PYTHON)}
        root, python, place = self.studio.workspace.root, self.studio.python, self.studio.shadow_folder
        told = await self.analyst.ask(questions.survey, root, python, drafts, place, is_long=True)
        self.findings = {}
        for found in told:
            if not self._is_meant(found):
                self.findings.setdefault(found.name, []).append(found)
        self.is_known = True

    async def _look_alone(self, name: str) -> None:
        """Look at one draft alone; what was said of it with the other modules stays until the survey says more."""
        text = self.studio.documents.drafts().get(name)
        if text is None:
            return
        try:
            alone = await self.analyst.ask(questions.check_text, name, text)
        except EntrepotError as error:
            self.error = str(error)
            return
        kept = [found for found in self.findings.get(name, []) if found.code not in _LOCAL]
        self.findings[name] = kept + [found for found in alone if not self._is_meant(found)]

    def _is_meant(self, found: Told) -> bool:
        # A program may do work: that is what its entry point is for.
        return found.code == "EP601" and found.name == self.studio.session.entry

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
