"""The runs of all pages: started, found again by a page that comes back, ended with the page that goes.

Each page has an owner's name that a reload keeps (the browser tab's). A run whose page has gone and has not
come back within `GRACE_S` is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ProgramError
from entrepot.studio.programs import Order, make_environment, plan_command, plan_why
from entrepot.studio.runs import Run
from entrepot.studio.studio import Studio

GRACE_S = 10.0
MOST_RUNS = 64  # at once, of all pages
MOST_OF_A_PAGE = 8


class TooManyRunsError(ProgramError):
    """There are as many programs running as the studio takes care of."""

    def __str__(self) -> str:
        return "too many programs are running: stop one of them first"


@dataclass(eq=False)
class Shown:
    """A run in a page. about: what is said of it when it has ended ("warm: 12 modules reused")."""

    number: str
    owner: str
    order: Order
    run: Run
    about: str = ""
    reports: list[dict[str, Any]] = field(default_factory=list)
    viewers: int = 0
    on_change: Callable[[Shown], None] | None = None
    then: Callable[[Shown], None] | None = None

    @property
    def title(self) -> str:
        """Return what is run, as one would type it."""
        return " ".join(self.order.program)


class RunBoard:
    """All runs of a studio."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.runs: dict[str, Shown] = {}
        self._present: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(
        self,
        owner: str,
        kind: str,
        entry: str,
        arguments: tuple[str, ...] = (),
        *,
        size: tuple[int, int] = (80, 24),
    ) -> Shown:
        """Start a program for a page. Raises TooManyRunsError, OSError."""
        alive = [shown for shown in self.runs.values() if shown.run.is_running]
        if len(alive) >= MOST_RUNS or sum(shown.owner == owner for shown in alive) >= MOST_OF_A_PAGE:
            raise TooManyRunsError()
        number = secrets.token_urlsafe(12)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="entrepot-studio-")
        report = os.path.join(self._folder.name, number) if kind in ("live", "steps") else ""
        order = Order(kind, entry, arguments, report)
        if kind == "live":
            os.mkfifo(report, 0o600)
        shown: Shown
        run = Run(
            plan_command(order, self.studio.python),
            cwd=self.studio.workspace.root,
            env=make_environment(os.environ),
            size=size,
            on_end=lambda _: self._note_end(shown),
        )
        shown = Shown(number, owner, order, run)
        self.runs[number] = shown
        if kind == "live":
            self._begin(self._read_reports(shown))
        self._begin(self._end_if_nobody_looks(shown))
        self._drop_old(owner)
        return shown

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def find(self, number: str) -> Shown | None:
        """Return a run by its number."""
        return self.runs.get(number)

    def list_of(self, owner: str) -> list[Shown]:
        """Return a page's runs, in the order in which they began."""
        return [shown for shown in self.runs.values() if shown.owner == owner]

    def arrive(self, owner: str) -> None:
        """Note that a page is there (again)."""
        self._present[owner] = self._present.get(owner, 0) + 1

    def leave(self, owner: str) -> None:
        """Note that a page has gone: its runs end soon, unless it comes back."""
        self._present[owner] = self._present.get(owner, 1) - 1
        if self._present[owner] <= 0:
            del self._present[owner]
            for shown in self.list_of(owner):
                self._begin(self._end_if_nobody_looks(shown))

    def attach(self, shown: Shown) -> int:
        """Note that a terminal shows a run; return its place in the line of those who did."""
        shown.viewers += 1
        return shown.viewers

    def detach(self, shown: Shown, viewer: int) -> None:
        """Note that a terminal shows a run no more."""
        if shown.viewers == viewer:  # nobody has taken its place
            shown.run.listen(None)

    async def _end_if_nobody_looks(self, shown: Shown) -> None:
        await asyncio.sleep(GRACE_S)
        if shown.owner not in self._present and shown.number in self.runs:
            await self.drop(shown)

    async def drop(self, shown: Shown) -> None:
        """End a run and forget it."""
        self.runs.pop(shown.number, None)
        await shown.run.close()
        if shown.order.report:
            with contextlib.suppress(OSError):
                os.unlink(shown.order.report)

    def _drop_old(self, owner: str) -> None:
        """Forget the earliest of a page's runs that have ended, beyond the last few."""
        ended = [shown for shown in self.list_of(owner) if not shown.run.is_running]
        for shown in ended[:-4]:
            self._begin(self.drop(shown))

    async def close(self) -> None:
        """End all runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self.drop(shown) for shown in list(self.runs.values())))
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _note_end(self, shown: Shown) -> None:
        if shown.order.kind == "run":
            self._begin(self._ask_why(shown))
        self._tell(shown)
        if shown.then is not None:
            shown.then(shown)

    def _tell(self, shown: Shown) -> None:
        if shown.on_change is not None:
            shown.on_change(shown)

    async def _ask_why(self, shown: Shown) -> None:
        """Ask the warm store how the run went."""
        process = await asyncio.create_subprocess_exec(
            *plan_why(shown.order),
            cwd=self.studio.workspace.root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), 10)
            shown.about = describe_warmth(json.loads(out))
        except (TimeoutError, ValueError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._tell(shown)

    async def _read_reports(self, shown: Shown) -> None:
        """Read what a live run reports, a line of JSON for each update."""
        # Both ends, so that it does not end when the program closes its own.
        handle = os.open(shown.order.report, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            data = b""
            while shown.run.is_running:
                await asyncio.sleep(0.1)
                try:
                    data += os.read(handle, 65536)
                except BlockingIOError:
                    continue
                *lines, data = data.split(b"\n")
                for line in lines:
                    with contextlib.suppress(ValueError):
                        report = json.loads(line)
                        if isinstance(report, dict):
                            shown.reports = [*shown.reports[-99:], report]
                self._tell(shown)
        finally:
            os.close(handle)


def describe_warmth(answer: dict[str, Any]) -> str:
    """Return what `entrepot why` says in a few words."""
    state, reused = answer.get("state"), answer.get("reused")
    if state in ("warm", "base") and isinstance(reused, int) and reused:
        saved = answer.get("saved_s")
        more = f", {saved:.1f} s saved" if isinstance(saved, float) and saved >= 0.05 else ""
        return f"warm: {reused:,} {'module' if reused == 1 else 'modules'} reused{more}"
    return {"cold": "cold start", "warm": "warm", "base": "warm"}.get(str(state), "")
