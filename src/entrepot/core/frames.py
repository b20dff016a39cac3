"""Keep the import system's own frames out of tracebacks.

CPython cuts importlib's frames out of the traceback of a failed import, so that it goes from
the import statement straight to the line that failed. `strip` does the same for the frames
of this folder.

A Python function cannot leave itself out: whatever passes through it gains its frame on the way.
So what an import statement calls is not a function but a class (`without_frame`). Its
`__new__` runs the step; when that fails it returns a `Failure`, and the interpreter's own
`type.__call__` goes on to look up `Failure.__init__`, which raises the exception from C:

    property.__get__ -> operator.methodcaller -> functools.partial -> throw() of a finished generator

Much else looks at the file name of frames to tell the import system from programs: `warnings`
(a module's `warn(..., stacklevel=2)` means who imports it), debuggers, test runners. So the
functions of this folder bear importlib's file name (`disguise`). Set `ENTREPOT_FRAMES=1` to keep
their own: for a debugger, or to measure coverage.

Knows nothing of modules.
"""

import _imp
import sys
from _functools import partial  # type: ignore[import-not-found]
from _operator import methodcaller
from _warnings import warn_explicit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import CodeType, TracebackType
    from typing import Any

_FOLDER = __file__[: max(__file__.rfind("/"), __file__.rfind("\\")) + 1]
IMPORTLIB_FILE = "<frozen importlib._bootstrap>"
_IMPORTLIB_FILES = (IMPORTLIB_FILE, "<frozen importlib._bootstrap_external>")


def _is_asked_to_show() -> bool:
    environ = sys.modules["nt" if sys.platform == "win32" else "posix"].environ
    return "ENTREPOT_FRAMES" in environ or b"ENTREPOT_FRAMES" in environ


SHOWS_FRAMES = _is_asked_to_show()


def disguise() -> None:
    """Give all code of the calling module of this folder importlib's file name: its last statement."""
    # In place, with the code objects nested in it, which are those of its functions and methods.
    disguise_code(sys._getframe(1).f_code)


def disguise_code(code: "CodeType") -> None:
    """Give a code object, made at run time, importlib's file name."""
    if not SHOWS_FRAMES:
        _rename(code, IMPORTLIB_FILE)


_rename: "Any" = vars(_imp)["_fix_co_filename"]


def warn(text: str, category: type[Warning], module: str = "importlib._bootstrap") -> None:
    """Warn of something in the import system itself, in the name of a module of importlib's.

    Filters name that module. A warning about a program is given with `warnings.warn` and the
    number of frames to its statement.
    """
    frame = sys._getframe(1)
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    warn_explicit(text, category, frame.f_code.co_filename, frame.f_lineno, module, registry)


def is_our_code(code: "CodeType") -> bool:
    """Whether code is the import system's: ours, or importlib's own."""
    file = code.co_filename
    return file in _IMPORTLIB_FILES or file.startswith(_FOLDER)


def is_ours(traceback: "TracebackType") -> bool:
    """Whether a traceback entry stands for code of the import system."""
    return is_our_code(traceback.tb_frame.f_code)


def strip(error: BaseException) -> BaseException:
    """Cut our frames out of an exception's traceback, in place, and return the exception.

    With `python -v` they stay, as importlib's do.
    """
    if sys.flags.verbose:
        return error
    entry = error.__traceback__
    while entry is not None and is_ours(entry):
        entry = entry.tb_next
    error.__traceback__ = entry
    while entry is not None:
        following = entry.tb_next
        while following is not None and is_ours(following):
            following = following.tb_next
        if following is not entry.tb_next:
            entry.tb_next = following
        entry = following
    return error


def _finish() -> "Generator[None, None, None]":
    return
    yield


# throw() on a generator that has finished raises what it is given, and adds no frame.
_FINISHED = _finish()
for _ in _FINISHED:
    pass


def raiser(error: BaseException) -> "Callable[[], Any]":
    """Return a C callable that raises an exception, adding no frame of its own."""
    return partial(_FINISHED.throw, error)  # type: ignore[no-any-return]


# As `__init__` of a class: raises what the attribute `fail` of a new instance raises, from C.
FAIL = property(methodcaller("fail"))


def without_frame(step: "Callable[..., Any]", doc: str) -> "Any":
    """Return a callable that does what `step` does and never shows in a traceback.

    It takes what `step` takes, returns what it returns (which may not be an instance of the
    class made here, and cannot be), and raises what it raises, with our frames stripped.
    """

    def new(cls: type, *args: object, **kwargs: object) -> object:
        try:
            return step(*args, **kwargs)
        except BaseException as error:
            failure = object.__new__(failure_type)
            failure.fail = raiser(strip(error))
            return failure

    entry = type(step.__name__, (), {"__new__": new, "__slots__": (), "__doc__": doc})
    failure_type: Any = type("Failure", (entry,), {"__slots__": ("fail",), "__init__": FAIL})
    return entry


disguise()
