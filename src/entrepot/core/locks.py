"""One lock for each module that is being initialised, and no deadlock between them.

Two threads that import two modules which import each other would wait for each other for ever.
The one that would close the circle is told so (`DeadlockError`) and goes on with a module that
is only partially initialised, as a circular import within one thread does.

Knows names and threads only.
"""

from _imp import acquire_lock, release_lock
from _thread import RLock, get_ident

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DeadlockError(RuntimeError):
    """Waiting for this lock would never end."""


DeadlockError.__name__ = DeadlockError.__qualname__ = "_DeadlockError"

# Thread -> the locks that it waits for. More than one where a finaliser or a signal handler
# that ran while it waited imports something itself. Guarded by `_guard`.
waiting: "dict[int, list[ModuleLock]]" = {}
_guard = RLock()


class ModuleLock:
    """A lock that its owner may take again, and that nobody waits for in a circle."""

    __slots__ = ("__weakref__", "count", "name", "owner", "rlock", "users")

    def __init__(self, name: str) -> None:
        self.name = name
        self.rlock: Any = RLock()
        self.owner: int | None = None
        self.count = 0
        self.users = 0

    def acquire(self) -> bool:
        """Take the lock. Raises DeadlockError where its owner waits, in the end, for this thread."""
        thread = get_ident()
        if not self.rlock.acquire(False):
            with _guard:
                if self._waits_for(thread):
                    raise DeadlockError(f"deadlock detected by {self!r}")
                waiting.setdefault(thread, []).append(self)
            try:
                self.rlock.acquire()
            finally:
                with _guard:
                    locks = waiting[thread]
                    locks.remove(self)
                    if not locks:
                        del waiting[thread]
        self.owner = thread
        self.count += 1
        return True

    def _waits_for(self, thread: int) -> bool:
        """Whether the owner of this lock waits, through any number of others, for a thread."""
        owners = [self.owner]
        seen: set[int | None] = set()
        while owners:
            owner = owners.pop()
            if owner == thread:
                return True
            if owner is not None and owner not in seen:
                seen.add(owner)
                owners += [lock.owner for lock in waiting.get(owner, ())]
        return False

    def release(self) -> None:
        """Give the lock back. Raises RuntimeError where this thread does not have it."""
        if self.owner != get_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self.count -= 1
        if not self.count:
            self.owner = None
        self.rlock.release()

    def __repr__(self) -> str:
        return f"_ModuleLock({self.name!r}) at {id(self)}"


class ModuleLocks:
    """The locks of one module cache, each kept only while somebody uses it."""

    __slots__ = ("table",)

    def __init__(self) -> None:
        self.table: dict[str, ModuleLock] = {}

    def enter(self, name: str) -> None:
        """Take a module's lock. Raises DeadlockError."""
        # acquire_lock is the interpreter's import lock: re-entrant, and held over a fork.
        acquire_lock()
        try:
            lock = self.table.get(name)
            if lock is None:
                lock = self.table[name] = ModuleLock(name)
            lock.users += 1
        finally:
            release_lock()
        try:
            lock.acquire()
        except BaseException:
            self._drop(lock)
            raise

    def leave(self, name: str) -> None:
        """Give a module's lock back."""
        lock = self.table[name]
        lock.release()
        self._drop(lock)

    def _drop(self, lock: ModuleLock) -> None:
        acquire_lock()
        try:
            lock.users -= 1
            if not lock.users:
                del self.table[lock.name]
        finally:
            release_lock()

    def wait_for(self, name: str) -> None:
        """Wait until nobody initialises a module, or go on where that would be for ever."""
        try:
            self.enter(name)
        except DeadlockError:
            # A circular import over threads: a module that is not quite ready is all there is.
            return
        self.leave(name)


def is_initializing(module: object) -> bool:
    """Whether some import statement is still running a module's code."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


frames.disguise()
