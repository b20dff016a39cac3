"""Whose turn it is to be the interpreter's import system.

There is one interpreter for all threads: one thread at a time has systems installed, the innermost of
its blocks being the active one. Another thread may enter the active system; for any other it waits, and
the wait has an end.

Knows installations by what they can do: `_install`, `_uninstall`, `_suspend`, `_resume`.
"""

from _thread import RLock, allocate_lock, get_ident

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrepot.core.install import Installation

# How long a thread waits for another's systems to be uninstalled.
WAIT_S = 30.0


class Turns:
    """Whose turn it is: one thread has systems installed, the innermost of its blocks the active one."""

    def __init__(self) -> None:
        self.stack: list[Installation] = []
        self._thread: int | None = None
        self._free = allocate_lock()
        self._guard = RLock()

    def enter(self, installation: "Installation") -> bool:
        """Install a system above what the thread has installed; False where it is the active one already."""
        thread = get_ident()
        with self._guard:
            active = self.stack[-1] if self.stack else None
            if active is not None and active._system is installation._system:
                active._users += 1
                return False
            if self._thread == thread:
                self._push(installation)
                return True
        if not self._free.acquire(timeout=WAIT_S):
            raise RuntimeError(
                f"another thread has had a System installed for {WAIT_S:g} seconds: "
                "only one can be the interpreter's at a time (a System works without being installed)"
            )
        with self._guard:
            self._thread = thread
            self._push(installation)
        return True

    def _push(self, installation: "Installation") -> None:
        # Under the guard: nobody may enter a system that is half installed.
        if self.stack:
            self.stack[-1]._suspend()
        installation._users = 1
        self.stack.append(installation)
        try:
            installation._install()
        except BaseException:
            self.leave(installation)
            raise

    def leave(self, installation: "Installation") -> None:
        """Take an installation, or one of its users, off the stack, and let the one below go on."""
        with self._guard:
            if installation._is_guest:
                installation._is_guest = False
                system = installation._system
                hosts = [host for host in self.stack if host._system is system]
                if not hosts:
                    return
                installation = hosts[-1]
            installation._users -= 1
            if installation._users or installation not in self.stack:
                return
            is_active = installation is self.stack[-1]
            self.stack.remove(installation)
            try:
                if is_active and installation._system._installation is installation:
                    installation._uninstall()
            finally:
                if self.stack and is_active:
                    self.stack[-1]._resume()
                elif not self.stack:
                    self._thread = None
                    self._free.release()


turns = Turns()

frames.disguise()
