"""The observer that is told of every import statement, also of those that the cache answers.

It puts a class in the place of `builtins.__import__`; nothing of it shows in a traceback (see
`entrepot.core.frames`). A program that replaces `__import__` itself is told by modules from there on.
"""

import builtins
import sys

from entrepot.core import frames
from entrepot.trace.resident import Observer, read_registers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StatementObserver(Observer):
    """Watches this process import, statement by statement."""

    __slots__ = ()

    def _finish(self, name: str) -> None:
        """Look at the process's registers only: the rest is for deciding what can be shared."""
        registers = read_registers()
        if registers != self._registers:
            for key, value in registers.items():
                if self._registers.get(key, value) != value:
                    self.tell("Q", f"{name}\1{key}")
            self._registers = registers

    def _watch_edges(self) -> None:
        real, tell, getframe = builtins.__import__, self.tell, sys._getframe
        modules = sys.modules

        def watch(
            name: str,
            globals: "Any" = None,  # noqa: A002 (the language's own parameter names)
            locals: "Any" = None,  # noqa: A002
            fromlist: "Any" = (),
            level: int = 0,
        ) -> "Any":
            try:
                frame = getframe(2)
            except ValueError:
                # C code imports, and no Python code runs (a traceback is being printed at the end).
                return real(name, globals, locals, fromlist, level)
            cached = "1" if not level and name in modules else "0"
            names = ",".join(str(n) for n in fromlist or ())
            importer = frame.f_globals.get("__name__") or "?"
            place = (frame.f_lineno, frame.f_code.co_filename, importer, level, name, names, cached)
            tell("J", "\1".join(map(str, place)))
            try:
                return real(name, globals, locals, fromlist, level)
            finally:
                tell("j", "")

        ours = watch.__code__

        def watched(cls: type, *args: "Any", **kwargs: "Any") -> "Any":  # noqa: ARG001
            try:
                return watch(*args, **kwargs)
            except BaseException as error:
                # The interpreter has cut its own frames out already; these two are left.
                traceback = error.__traceback__
                while traceback is not None and traceback.tb_frame.f_code in (ours, watched.__code__):
                    traceback = traceback.tb_next
                error.__traceback__ = traceback
                failure = object.__new__(failure_type)
                failure.fail = frames.raiser(error)
                return failure

        # Seen from `warnings` and the like, these are frames of the import system.
        for function in (watch, watched):
            function.__code__ = function.__code__.replace(co_filename=frames.IMPORTLIB_FILE)
        ours = watch.__code__
        entry = type("__import__", (), {"__new__": watched, "__slots__": ()})
        failure_type: Any = type("Failure", (entry,), {"__slots__": ("fail",), "__init__": frames.FAIL})
        self._put(builtins, "__import__", entry)
