"""Files shared out to processes: each keeps its own, and one that dies is made up for."""

from __future__ import annotations

import os
import threading

import pytest

from entrepot.refactor import crew
from entrepot.refactor.crew import Crew, share_out


class Counter:
    """Answers with its share, what it was asked, and how often it has been asked."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.count = 0

    def answer(self, question: str) -> tuple[list[str], str, int, int]:
        self.count += 1
        return self.paths, question, self.count, os.getpid()


def test_each_share_answers_its_own_question_from_what_it_kept() -> None:
    """Answers come in the order of the shares, from one process each, which remembers."""
    shares = [["a"], ["b"], ["c"]]
    with Crew(shares, lambda paths: Counter(paths).answer) as asked:
        first = asked.ask(["1", "2", "3"])
        second = asked.ask(["4", "5", "6"])
    assert [found[:3] for found in first] == [(["a"], "1", 1), (["b"], "2", 1), (["c"], "3", 1)]
    assert [found[:3] for found in second] == [(["a"], "4", 2), (["b"], "5", 2), (["c"], "6", 2)]
    processes = {found[3] for found in first}
    assert os.getpid() in processes
    assert len(processes) == 3
    for process in processes - {os.getpid()}:
        with pytest.raises(ChildProcessError):
            os.waitpid(process, 0)  # it was waited for already


def test_what_a_dead_process_should_have_answered_is_answered_here() -> None:
    """A share is never lost with its process."""
    with Crew([["a"], ["b"]], lambda paths: Counter(paths).answer) as asked:
        os.kill(asked.pipes[1][0], 9)
        answers = asked.ask(["1", "2"])
        assert not asked.pipes
    assert [answer[:3] for answer in answers] == [(["a"], "1", 1), (["b"], "2", 1)]
    assert {answer[3] for answer in answers} == {os.getpid()}


def test_a_process_that_has_died_before_it_is_asked_is_made_up_for() -> None:
    """What cannot be asked any more is answered here, and again for the next question."""
    with Crew([["a"], ["b"]], lambda paths: Counter(paths).answer) as asked:
        process = asked.pipes[1][0]
        os.kill(process, 9)
        os.waitpid(process, 0)
        assert [answer[:3] for answer in asked.ask(["1", "2"])] == [(["a"], "1", 1), (["b"], "2", 1)]
        assert [answer[:3] for answer in asked.ask(["3", "4"])] == [(["a"], "3", 2), (["b"], "4", 2)]


def test_beside_another_thread_nothing_is_forked() -> None:
    """A copy of a process that has threads may stand still: all is one share."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert len(share_out([f"{n}.py" for n in range(9 * crew.WORTH_A_PROCESS)], len)) == 1
    finally:
        done.set()
        thread.join()


def test_few_files_are_not_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares are as many as pay, of about the same size, and lose no file."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    few = [f"{n}.py" for n in range(crew.WORTH_A_PROCESS)]
    assert share_out(few, len) == [sorted(few, key=len, reverse=True)]
    many = [f"{n}.py" for n in range(3 * crew.WORTH_A_PROCESS)]
    shares = share_out(many, lambda path: int(path[:-3]))
    assert len(shares) == 3
    assert sorted(path for share in shares for path in share) == sorted(many)
    sizes = [sum(int(path[:-3]) for path in share) for share in shares]
    assert max(sizes) - min(sizes) <= len(many)
