"""Locks: one module is initialised once, and nobody waits for ever."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from entrepot.core import locks


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


class TestModuleLock:
    """5.3.1 and importlib's promise: threads wait for a module, but not in a circle."""

    def test_its_owner_may_take_it_again(self):
        """A circular import within one thread does not wait for itself."""
        lock = locks.ModuleLock("m")

        assert lock.acquire()
        assert lock.acquire()
        lock.release()
        lock.release()

        assert lock.owner is None

    def test_who_does_not_have_it_cannot_release_it(self):
        """As with `threading.RLock`."""
        with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
            locks.ModuleLock("m").release()

    def test_a_circle_of_waiting_threads_is_noticed(self):
        """The thread that would close the circle is told; the other goes on when it has given way."""
        first, second = locks.ModuleLock("first"), locks.ModuleLock("second")
        has_second, done = threading.Event(), threading.Event()
        first.acquire()

        def other() -> None:
            second.acquire()
            has_second.set()
            first.acquire()
            first.release()
            second.release()
            done.set()

        thread = in_thread(other)
        assert has_second.wait(10)
        while first not in [lock for waited in locks.waiting.values() for lock in waited]:
            done.wait(0.001)
        with pytest.raises(locks.DeadlockError, match=r"deadlock detected by _ModuleLock\('second'\) at \d+"):
            second.acquire()
        first.release()
        thread.join(10)

        assert done.is_set()
        assert not locks.waiting


class TestModuleLocks:
    """The locks of one module cache."""

    def test_a_lock_is_kept_only_while_it_is_used(self):
        """The table is empty again when nobody initialises anything."""
        table = locks.ModuleLocks()

        table.enter("m")
        assert list(table.table) == ["m"]
        table.leave("m")

        assert not table.table

    def test_waiting_ends_when_the_module_is_done(self):
        """Another thread's module is waited for."""
        table = locks.ModuleLocks()
        order: list[str] = []
        started = threading.Event()
        table.enter("m")

        def other() -> None:
            started.set()
            table.wait_for("m")
            order.append("went on")

        thread = in_thread(other)
        assert started.wait(10)
        order.append("done")
        table.leave("m")
        thread.join(10)

        assert order == ["done", "went on"]
        assert not table.table

    def test_waiting_that_would_not_end_goes_on(self):
        """Two threads in a circular import: the second gets the module as it is."""
        table = locks.ModuleLocks()
        has_second, done = threading.Event(), threading.Event()
        table.enter("first")

        def other() -> None:
            table.enter("second")
            has_second.set()
            table.wait_for("first")
            table.leave("second")
            done.set()

        thread = in_thread(other)
        assert has_second.wait(10)
        while not locks.waiting:
            done.wait(0.001)
        table.wait_for("second")
        table.leave("first")
        thread.join(10)

        assert done.is_set()
        assert not table.table


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (SimpleNamespace(__spec__=SimpleNamespace(_initializing=True)), True),
        (SimpleNamespace(__spec__=SimpleNamespace(_initializing=False)), False),
        (SimpleNamespace(__spec__=None), False),
        (3, False),
        (None, False),
    ],
)
def test_anything_may_stand_in_the_cache(module: object, expected: bool):
    """What has no spec is not being initialised."""
    assert locks.is_initializing(module) is expected
