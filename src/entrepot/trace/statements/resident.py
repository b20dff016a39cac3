"""The observer that is told of every import statement, also of those that the cache answers.

It puts a class in the place of `builtins.__import__`; nothing of it shows in a traceback (see
`entrepot.core.frames`). A program that replaces `__import__` itself is told by modules from there on.
"""

import builtins
import sys

from entrepot.core import frames
from entrepot.trace.facts.resident import read_namespace
from entrepot.trace.resident import Observer, read_registers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class StatementObserver(Observer):
    """Watches this process import, statement by statement."""

    __slots__ = ("_signature", "tell_cached")

    def __init__(self, tell: "Callable[..., None]", tell_cached: "Callable[..., None]") -> None:
        """`tell_cached` takes (frame, name, names, level) for each statement that the cache answers at once."""
        super().__init__(tell)
        self.tell_cached = tell_cached
        self._signature: tuple[object, ...] = ()

    def _finish(self, name: str) -> None:
        """Look at the process's registers only: the rest is for deciding what can be shared."""
        signature = read_signature()
        if signature == self._signature:
            return
        self._signature = signature
        registers = read_registers()
        if registers != self._registers:
            for key, value in registers.items():
                if self._registers.get(key, value) != value:
                    self.tell("Q", f"{name}\1{key}")
            self._registers = registers

    def _watch_edges(self) -> None:
        real, tell, tell_cached, getframe = builtins.__import__, self.tell, self.tell_cached, sys._getframe

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
            if is_there(name, globals, fromlist, level):
                # Most statements by far: told in one go, when they are over.
                result = real(name, globals, locals, fromlist, level)
                tell_cached(frame, name, fromlist, level)
                return result
            cached = "0"
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


def is_there(name: str, globals: "Any", fromlist: "Any", level: int) -> bool:  # noqa: A002
    """Whether the module cache has all that a statement asks for, as far as can be told at once."""
    if level:
        package = globals.get("__package__") if globals else None
        if not package:
            return False
        base = package if level == 1 else package.rsplit(".", level - 1)[0]
        name = f"{base}.{name}" if name else base
    module = sys.modules.get(name)
    if module is None:
        return False
    if not fromlist:
        return True
    namespace = read_namespace(module)
    # A package's list may name submodules that are still to be imported.
    return "__path__" not in namespace or all(item in namespace for item in fromlist)


def read_signature() -> "tuple[object, ...]":
    """Return a few values that differ when one of the process's registers has been changed."""
    warnings = sys.modules.get("warnings")
    return (
        len(sys.path),
        len(sys.meta_path),
        len(sys.path_hooks),
        sys.excepthook,
        sys.displayhook,
        sys.unraisablehook,
        id(sys.stdin),
        id(sys.stdout),
        id(sys.stderr),
        builtins.open,
        builtins.print,
        len(warnings.filters) if warnings is not None and hasattr(warnings, "filters") else 0,
        sys.getrecursionlimit(),
    )
