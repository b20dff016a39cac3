"""The runs of all pages: started, found again by a page that comes back, ended with the page that goes.

Each page has an owner's name that a reload keeps (the browser tab's). A program whose page has gone and has not
come back within `GRACE_S` is ended. What it wrote stays, on disk: a page that is opened later, or by the next
start of the studio, has the tabs of the last one that has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ProgramError
from entrepot.studio.past_runs import PastRun, RunFolder
from entrepot.studio.programs import KINDS, Order, make_environment, plan_command, plan_why
from entrepot.studio.runs import Run
from entrepot.studio.studio import Studio
from entrepot.studio.transcript import Transcript

GRACE_S = 10.0
MOST_RUNS = 64  # at once, of all pages
MOST_OF_A_PAGE = 8
MOST_ENDED = 4  # that a page shows
MOST_LEFT = 16  # that are kept of pages that have gone


class TooManyRunsError(ProgramError):
    """There are as many programs running as the studio takes care of."""

    def __str__(self) -> str:
        return "too many programs are running: stop one of them first"


@dataclass(eq=False)
class Shown:
    """A run in a page. about: what is said of it when it has ended ("warm: 12 modules reused").

    first_owner: whose it was, where a page that has come since shows it.
    """

    number: str
    owner: str
    order: Order
    run: Run | PastRun
    transcript: Transcript
    about: str = ""
    began_s: float = 0.0
    first_owner: str = ""
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
        self._folder = RunFolder(studio.state.runs_folder)
        self._read_past()

    def _read_past(self) -> None:
        """Have the runs of earlier starts, as far as they are still to be understood."""
        for number, told in self._folder.read_all():
            kind, entry, arguments = told.get("kind"), told.get("entry"), told.get("arguments")
            if not (kind in (*KINDS, "steps") and isinstance(entry, str) and isinstance(arguments, list)):
                self._folder.delete(number)
                continue
            order = Order(kind, entry, tuple(map(str, arguments)))
            status, elapsed_s = told.get("status"), told.get("elapsed_s")
            run = PastRun(
                self._folder.open_transcript(number),
                status if isinstance(status, int) else None,
                elapsed_s if isinstance(elapsed_s, float) else 0.0,
                str(told.get("ended_with") or "the studio"),
            )
            reports = [report for report in told.get("reports", []) if isinstance(report, dict)]
            owner = str(told.get("owner", ""))
            self.runs[number] = Shown(
                number,
                owner,
                order,
                run,
                run.transcript,
                str(told.get("about", "")),
                told["began_s"],
                reports=reports,
            )
        self._drop_left()

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
        report = os.path.join(self.studio.care.folder, number) if kind in ("live", "steps") else ""
        order = Order(kind, entry, arguments, report)
        if kind == "live":
            os.mkfifo(report, 0o600)
        transcript = self._folder.open_transcript(number)
        shown: Shown
        run = Run(
            plan_command(order, self.studio.python),
            cwd=self.studio.workspace.root,
            env=make_environment(os.environ),
            size=size,
            on_end=lambda _: self._note_end(shown),
            on_output=transcript.add,
        )
        self.studio.care.note_session(run.pid)
        shown = Shown(number, owner, order, run, transcript, began_s=time.time())
        self.runs[number] = shown
        self._keep(shown)
        if kind == "live":
            self._begin(self._read_reports(shown))
        self._begin(self._end_if_nobody_looks(shown))
        self._drop_old(owner)
        return shown

    def _keep(self, shown: Shown) -> None:
        """Have on disk what a run is. One that did not end by itself has no status."""
        self._folder.write(
            shown.number,
            {
                "owner": shown.owner,
                "kind": shown.order.kind,
                "entry": shown.order.entry,
                "arguments": shown.order.arguments,
                "status": shown.run.status,
                "elapsed_s": shown.run.elapsed_s,
                "about": shown.about,
                "began_s": shown.began_s,
                "reports": shown.reports,
                "ended_with": shown.run.ended_with if isinstance(shown.run, PastRun) else "",
            },
        )

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
        """Note that a page is there (again): it has its own runs, or else those of the page that went last."""
        self._present[owner] = self._present.get(owner, 0) + 1
        for shown in self.runs.values():
            if shown.first_owner == owner:
                # Another page has shown it meanwhile.
                taker, shown.owner, shown.first_owner = shown.owner, owner, ""
                self._tell(shown)
                shown.on_change = None
                for other in self.list_of(taker)[-1:]:
                    self._tell(other)
        left = [
            shown
            for shown in self.runs.values()
            if shown.owner not in self._present and not shown.run.is_running
        ]
        if left and not self.list_of(owner):
            last = left[-1].owner
            for shown in left:
                if shown.owner == last:
                    shown.first_owner, shown.owner = shown.first_owner or last, owner
                    self._keep(shown)

    def leave(self, owner: str) -> None:
        """Note that a page has gone: its programs end soon, unless it comes back."""
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
            await self._end(shown, "its page")
            self._drop_left()

    async def _end(self, shown: Shown, ended_with: str) -> None:
        """End a program. What it was and what it wrote is kept: a page may come back."""
        run = shown.run
        if isinstance(run, PastRun):
            return
        # Ended by us, it has no status of its own.
        past = PastRun(shown.transcript, run.status, run.elapsed_s, ended_with)
        shown.run = past
        await run.close()
        past.elapsed_s = run.elapsed_s
        shown.transcript.close()
        self.studio.care.forget(run.pid)
        self._keep(shown)
        if shown.order.report:
            with contextlib.suppress(OSError):
                os.unlink(shown.order.report)

    async def drop(self, shown: Shown) -> None:
        """End a run and forget it."""
        self.runs.pop(shown.number, None)
        await self._end(shown, "its page")
        self._folder.delete(shown.number)

    def _drop_old(self, owner: str) -> None:
        """Forget the earliest of a page's runs that have ended, beyond the last few."""
        ended = [shown for shown in self.list_of(owner) if not shown.run.is_running]
        for shown in ended[:-MOST_ENDED]:
            self._begin(self.drop(shown))

    def _drop_left(self) -> None:
        """Forget the earliest runs of pages that have gone, beyond the last few."""
        left = [shown for shown in self.runs.values() if shown.owner not in self._present]
        for shown in [shown for shown in left if isinstance(shown.run, PastRun)][:-MOST_LEFT]:
            del self.runs[shown.number]
            self._folder.delete(shown.number)

    async def close(self) -> None:
        """End all programs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(shown, "the studio") for shown in list(self.runs.values())))

    def _note_end(self, shown: Shown) -> None:
        if isinstance(shown.run, PastRun):
            return  # we have ended it
        self._keep(shown)
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
            if shown.number in self.runs:
                self._keep(shown)
        except (TimeoutError, ValueError):
            pass  # nothing is said of it
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.communicate()
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
