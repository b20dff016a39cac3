"""Ask `questions` in a process of its own, so that the pages go on meanwhile.

One process, one question at a time. A process that dies (of memory, of a signal) is replaced, and the
question that it died of fails; no other does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from entrepot.errors import Bug
from entrepot.studio import questions

T = TypeVar("T")


class LostQuestionError(Bug):
    """The process that was asked has died. Field: `question`."""

    question: str

    def __str__(self) -> str:
        return f"the question {self.question!r} could not be answered: its process died"


class Analyst:
    """Who is asked."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_be_patient)
        return self._pool

    async def warm_up(self) -> None:
        """Have the process ready."""
        await self.ask(questions.prepare)

    async def ask(self, question: Callable[..., T], *given: Any, **options: Any) -> T:
        """Return the answer. Raises what the question raises; LostQuestionError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._start(), _answer, question, given, options)
        except BrokenProcessPool:
            self._pool = None
            raise LostQuestionError(question=question.__name__) from None

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _answer(question: Callable[..., T], given: tuple[Any, ...], options: dict[str, Any]) -> T:
    return question(*given, **options)


def _be_patient() -> None:
    """Leave the machine to the programs that are run, and Ctrl-C to the studio."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
