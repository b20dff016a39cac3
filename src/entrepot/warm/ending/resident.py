"""The end of a run: what `Py_FinalizeEx` does for the program's own objects, and what the next runs may learn.

    ends_plainly()       whether that can be done here; else Python has to do it, which takes down all modules
    finish()             threads, atexit; whether the rest can be done here too
    let_go()             before Python does it
    finish_objects()     when the streams have been flushed: the program's objects
    report_late()        pages written to, modules imported late; `finish` does it too, at its time
    ended()              after a file has run to its end

`image_preload.c` calls these by the names that `begin` gives them in the namespace of `warm/resident.py`. What was there
before the run is left as it is: the process ends anyway, and each object looked at would copy a page of memory.

Resident: RUN (of `warm/resident.py`), gc, and `call_plainly`, `note_hot` and `is_inert` (of `image_preload.c`) are put into
this namespace before it is run. Does not know how the program came to its end.
"""

import posix
import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    import gc
    from typing import Any

    RUN: dict[str, Any] = {}
    call_plainly: Any = None
    is_inert: Any = None
    note_hot: Any = None


def ended() -> None:
    """After a file has run to its end, Python forgets where it came from."""
    names = sys.modules["__main__"].__dict__
    if "__cached__" in names and "__file__" in names:
        names.pop("__file__", None)
        names.pop("__cached__", None)


def ends_plainly() -> bool:
    """Whether it can be done here. If not, Python sees everything again, also what was there before the run."""
    is_plain = is_plain_end()
    if not is_plain:
        gc.unfreeze()
    return is_plain


def is_plain_end() -> bool:
    """Whether nothing that the program leaves has an end that somebody could see, but for what `finish` does itself.

    Threads, streams of the program's own, and objects that do something when they are gone (`__del__`, generators, files)
    have it in an order that only Python keeps.
    """
    modules = sys.modules
    main, threading = modules.get("__main__"), modules.get("threading")
    if type(getattr(main, "__dict__", None)) is not dict:
        return False
    if threading is not None and (len(threading._active) != 1 or threading._limbo):
        return False
    raws = []
    for stream, genuine in ((sys.stdout, sys.__stdout__), (sys.stderr, sys.__stderr__)):
        if stream is not genuine or getattr(stream, "closed", True):
            return False
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is not None:
            buffer = stream.buffer
            raws.append(getattr(buffer, "raw", buffer))
    objects = gc.get_objects()
    io = sys.modules["_io"]
    kinds = set(map(type, objects)) - {io.BytesIO, io.StringIO}
    if io.FileIO in kinds:
        kinds.discard(io.FileIO)
        for value in objects:
            if type(value) is io.FileIO and not value.closed and not any(value is raw for raw in raws):
                return False
    return not any(map(has_end, kinds))


def has_end(kind: type) -> bool:
    """Whether objects of a type do something when they are gone: also generators, files."""
    is_connection = kind.__name__ == "Connection" and kind.__module__ == "sqlite3"
    if is_connection and not sys.warnoptions and not sys.flags.dev_mode:
        return (
            False  # closed in `finish_objects`; from 3.13 on there is a warning, which is seen where all are
        )
    return any("__del__" in base.__dict__ for base in type.__dict__["__mro__"].__get__(kind)) or is_connection


def finish() -> bool:
    """Do what the program has asked to be done at its end, and say whether what it leaves needs nothing else."""
    threading = sys.modules.get("threading")
    if threading is not None:
        call_plainly(threading._shutdown, threading)
    __import__("atexit")._run_exitfuncs()
    report_late()
    return ends_plainly()


def finish_objects() -> bool:
    """Let go of the program's objects."""
    modules = sys.modules
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
    connection = getattr(modules.get("_sqlite3"), "Connection", None)
    for value in gc.get_objects() if connection is not None else ():
        if type(value) is connection:
            try:
                value.close()
            except Exception:
                pass  # another thread's
    return True


def let_go() -> bool:
    """Hold no values of modules any more: Python is to take them down, and what they keep comes to its end with them."""
    if RUN["stash"] is not None:
        RUN["stash"].let_go()
    return True


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
