"""Ask `questions` in a process of its own, so that the pages go on meanwhile.

Two processes, each with one question at a time: one for what a page waits for, one for what takes long
(the survey), so that the first never stands behind the second. A process that dies (of memory, of a signal) is
replaced, and the question that it died of fails; no other does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from entrepot.errors import Bug
from entrepot.studio import questions
from entrepot.studio.care import Care
from entrepot.studio.guard import kill, kill_session

T = TypeVar("T")


class LostQuestionError(Bug):
    """The process that was asked has died. Field: `question`."""

    question: str

    def __str__(self) -> str:
        return f"the question {self.question!r} could not be answered: its process died"


class Analyst:
    """Who is asked."""

    def __init__(self, care: Care) -> None:
        self._care = care
        self._pools: dict[bool, ProcessPoolExecutor] = {}

    def _start(self, is_long: bool) -> ProcessPoolExecutor:
        if is_long not in self._pools:
            context = multiprocessing.get_context("spawn")
            nice = 10 if is_long else 0
            pool = ProcessPoolExecutor(1, context, _be_ours, (nice, self._care.folder))
            pool.submit(_do_nothing)  # starts the process
            for pid in _list_processes(pool):
                self._care.note_process(pid)
            self._pools[is_long] = pool
        return self._pools[is_long]

    async def warm_up(self) -> None:
        """Have the process ready."""
        await self.ask(questions.prepare)

    async def ask(self, question: Callable[..., T], *given: Any, is_long: bool = False, **options: Any) -> T:
        """Return the answer. Raises what the question raises; LostQuestionError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._start(is_long), _answer, question, given, options)
        except BrokenProcessPool:
            self._pools.pop(is_long, None)
            raise LostQuestionError(question=question.__name__) from None

    def close(self) -> None:
        """End the processes, and those that they have started."""
        for pool in self._pools.values():
            for pid in _list_processes(pool):
                kill_session(pid)
                kill(pid)
                self._care.forget(pid)
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()


def _list_processes(pool: ProcessPoolExecutor) -> list[int]:
    """Return the processes of a pool: it has no public way to ask."""
    return list(pool._processes or {})


def _answer(question: Callable[..., T], given: tuple[Any, ...], options: dict[str, Any]) -> T:
    return question(*given, **options)


def _do_nothing() -> None:
    pass


def _be_ours(nice: int, folder: str) -> None:
    """Lead a session, so that what this process starts ends with it, and Ctrl-C is the studio's; be patient."""
    os.setsid()
    os.nice(nice)
    tempfile.tempdir = folder
