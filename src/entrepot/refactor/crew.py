"""Processes that each keep a share of the files and answer questions about them.

A parsed file is costly to hand over, so whoever parses a file keeps it and answers every later
question about it. The first share is the asking process's own. Where a process cannot be made, or
one dies, its share is done here.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Generic, NoReturn, TypeVar

WORTH_A_PROCESS = 60  # files a process; below that it takes longer to start than it saves
MOST = 4
Question = TypeVar("Question")
Answer = TypeVar("Answer")
_LENGTH = struct.Struct("!Q")


def share_out(paths: Sequence[str], sizes: Callable[[str], int]) -> list[list[str]]:
    """Return the paths in as many shares as processes are worth it, each of about the same size."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = max(1, min(MOST, cores, len(paths) // WORTH_A_PROCESS))
    if threading.active_count() > 1 or not hasattr(os, "fork"):
        count = 1
    shares: list[list[str]] = [[] for _ in range(count)]
    weights = [0] * count
    for path in sorted(paths, key=sizes, reverse=True):
        lightest = weights.index(min(weights))
        shares[lightest].append(path)
        weights[lightest] += sizes(path)
    return shares


class Crew(Generic[Question, Answer]):
    """`ask` gives every share its question; `make` makes from a share what answers. A context manager."""

    def __init__(
        self, shares: Sequence[list[str]], make: Callable[[list[str]], Callable[[Question], Answer]]
    ) -> None:
        self.shares = shares
        self.make = make
        self.here: dict[int, Callable[[Question], Answer]] = {}
        self.pipes: dict[int, tuple[int, int, int]] = {}  # share -> process, to write to, to read from
        for number in range(1, len(shares)):
            with contextlib.suppress(OSError):
                self.pipes[number] = self._start(number)

    def __enter__(self) -> Crew[Question, Answer]:
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self.pipes):
            self._end(number)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answer of every share to its question. What an answer raises here is raised."""
        for number in list(self.pipes):
            try:
                _send(self.pipes[number][1], questions[number])
            except OSError:
                self._end(number)
        answers: dict[int, Answer] = {}
        for number in range(len(self.shares)):
            if number not in self.pipes:
                answers[number] = self._answer_here(number, questions[number])
        for number in list(self.pipes):
            try:
                answers[number] = _receive(self.pipes[number][2])
            except (OSError, EOFError, pickle.UnpicklingError):
                self._end(number)
                answers[number] = self._answer_here(number, questions[number])
        return [answers[number] for number in range(len(self.shares))]

    def _answer_here(self, number: int, question: Question) -> Answer:
        if number not in self.here:
            self.here[number] = self.make(self.shares[number])
        return self.here[number](question)

    def _start(self, number: int) -> tuple[int, int, int]:
        ask_read, ask_write = os.pipe()
        answer_read, answer_write = os.pipe()
        process = os.fork()
        if not process:  # pragma: no cover  (a process that ends by os._exit leaves no measurement behind)
            self._work(number, ask_write, answer_read, ask_read, answer_write)
        os.close(ask_read)
        os.close(answer_write)
        return process, ask_write, answer_read

    def _work(self, number: int, *ends: int) -> NoReturn:  # pragma: no cover  (the same)
        """Answer questions in the new process until there are no more."""
        ask_write, answer_read, ask_read, answer_write = ends
        # An end of the questions, or anything else, ends it; nothing of the parent's is flushed twice.
        with contextlib.suppress(BaseException):
            os.close(ask_write)
            os.close(answer_read)
            for _, write, read in self.pipes.values():
                os.close(write)
                os.close(read)
            answer = self.make(self.shares[number])
            while True:
                _send(answer_write, answer(_receive(ask_read)))
        os._exit(0)

    def _end(self, number: int) -> None:
        process, write, read = self.pipes.pop(number)
        os.close(write)
        os.close(read)
        with contextlib.suppress(OSError):
            os.waitpid(process, 0)


def _send(pipe: int, value: object) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    view = memoryview(_LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(pipe, view) :]


def _receive(pipe: int) -> Answer:  # type: ignore[type-var]
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size))
    found: Answer = pickle.loads(_read(pipe, length))
    return found


def _read(pipe: int, length: int) -> bytes:
    pieces = []
    while length:
        piece = os.read(pipe, min(length, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
