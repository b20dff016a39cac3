"""The end of a run: what `Py_FinalizeEx` does for the program's own objects, and what the next runs may learn.

    finish()             threads, atexit, streams, the program's objects; -1 if its output could not be written
    report_late()        pages written to, modules imported late; `finish` does it too, at its time
    ended()              after a file has run to its end

`image_preload.c` calls these by the names that `begin` gives them in the namespace of `warm/resident.py`. What was there
before the run is left as it is: the process ends anyway, and each object looked at would copy a page of memory.

Resident: RUN (of `warm/resident.py`), gc, and `note_hot` and `is_inert` (of `image_preload.c`) are put into this namespace
before it is run. Does not know how the program came to its end.
"""

import posix
import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    import gc
    from typing import Any

    RUN: dict[str, Any] = {}
    is_inert: Any = None
    note_hot: Any = None


def ended() -> None:
    """After a file has run to its end, Python forgets where it came from."""
    names = sys.modules["__main__"].__dict__
    if "__cached__" in names and "__file__" in names:
        names.pop("__file__", None)
        names.pop("__cached__", None)


def finish() -> int:
    """End the program as `Py_FinalizeEx` does; return -1 if its output could not be written."""
    result = 0
    modules = sys.modules
    threading = modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as error:
            tell_unraisable(error, threading)
    __import__("atexit")._run_exitfuncs()
    report_late()
    if flush("stdout"):
        result = -1
    flush("stderr")
    gc.collect()
    is_cleared = clear(modules["__main__"].__dict__)
    taken = frozenset(RUN["stash"].taken) if RUN["stash"] is not None else frozenset()
    for name in find_added():
        if name == "__main__" or name in taken:
            continue
        names = getattr(modules.get(name), "__dict__", None)
        if isinstance(names, dict):
            is_cleared |= clear(names)
    if is_cleared:
        gc.collect()
    if flush("stdout"):
        result = -1
    flush("stderr")
    return result


def find_added() -> "list[Any]":
    """Return the names that this run has put into `sys.modules`, the newest first.

    Looking at the image's own names, which come before them, would copy a page of memory for each.
    """
    had, modules = RUN["modules"], sys.modules
    added = []
    for name in reversed(modules):
        if name == RUN["newest"]:
            break
        added.append(name)
    if len(modules) != len(had) + len(added):  # some of the image's were taken out, or put in again
        added = [name for name in reversed(modules) if name not in had]
    return added


def report_late() -> None:
    """Write down, for the next runs, which pages of the image were written to and what was imported late."""
    note_hot(RUN["image"])
    if RUN["late"] is None or RUN["stash"] is None:
        return
    stash = RUN["stash"]
    added, expected = find_added(), frozenset(stash.taken)
    others = [name for name in reversed(added) if name not in expected]
    if not stash.final and all(name in stash.waiting for name in others):
        return
    # Looking at a module copies pages of memory: only at those of which something may be learned. Of those that could
    # not be had ahead (they use one that is left to the run) there is nothing.
    avoided = RUN["settings"]["plan"]["avoid"]
    if all(
        name[1:] in avoided if name[:1] == "!" else name in stash.waiting or name in RUN["learned"]
        for name in stash.list_late(others)
    ):
        return
    names = stash.list_late(reversed(added))
    try:
        fd = posix.open(
            f"{RUN['late']}.{posix.getpid()}", posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o600
        )
        posix.write(fd, "\n".join(names).encode("utf-8", "surrogateescape"))
        posix.close(fd)
        wake = RUN["late"].rpartition("/late/")[0] + "/wake"
        fd = posix.open(wake, posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        posix.write(fd, b"!")
        posix.close(fd)
    except OSError:
        pass


def flush(name: str) -> bool:
    """Flush a standard stream; return whether that failed."""
    stream = getattr(sys, name, None)
    if stream is None or getattr(stream, "closed", False):
        return False
    try:
        stream.flush()
    except BaseException as error:
        if name == "stdout":
            tell_unraisable(error, stream)
        return True
    return False


def tell_unraisable(error: BaseException, origin: object) -> None:
    """Print an exception that nobody can catch, as the interpreter does."""
    names = {"exc_type": type(error), "exc_value": error, "exc_traceback": error.__traceback__}
    hook: Any = sys.unraisablehook
    hook(type("UnraisableHookArgs", (), {**names, "err_msg": None, "object": origin}))


def clear(names: "dict[str, Any]") -> bool:
    """Forget a namespace in the order that the interpreter does: private names first. Say whether that could matter.

    It does not where nothing in it has an end of its own: the process ends anyway.
    """
    if is_inert(names, INERT, FUNCTION_TYPE):
        return False
    for name in list(names):
        if type(name) is str and name[:1] == "_" and name[:2] != "__":
            names[name] = None
    for name in list(names):
        if type(name) is str and name != "__builtins__" and (name[:1] != "_" or name[:2] == "__"):
            names[name] = None
    return True


FUNCTION_TYPE = type(clear)
INERT = frozenset(
    [
        *(type(None), bool, int, float, complex, str, bytes, type(sys), type(len)),
        *(type(sys.__spec__), sys.modules["_frozen_importlib_external"].SourceFileLoader),
    ]
)
