"""The end of a run: what `Py_FinalizeEx` does for the program's own objects, and what the next runs may learn.

    has_own_ends()       of an image: whether a module of the program has made what does something when it is gone
    ends_plainly()       whether the rest can be done here; else Python has to do it, which takes down all modules
    has_plain_code()     the same, of a SystemExit
    leaves_nothing()     the same, when threads are gone and atexit has been called
    let_go()             before Python does it
    finish_objects()     when the streams have been flushed: the program's objects
    report_late()        pages written to, modules imported late; `leaves_nothing` does it too, at its time
    ended()              after a file has run to its end

`image_preload.c` calls these by the names that `begin` gives them in the namespace of `warm/resident.py`. What was there
before the run is left as it is: the process ends anyway, and each object looked at would copy a page of memory.

Resident: RUN (of `warm/resident.py`), gc, `is_external` (of `warm/world/resident.py`), and `note_hot` and `is_inert` (of
`image_preload.c`) are put into this namespace before it is run. Does not know how the program came to its end.
"""

import posix
import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    import gc
    from collections.abc import Iterator
    from typing import Any

    RUN: dict[str, Any] = {}
    is_external: Any = None
    is_inert: Any = None
    note_hot: Any = None


def ended() -> None:
    """After a file has run to its end, Python forgets where it came from."""
    names = sys.modules["__main__"].__dict__
    if "__cached__" in names and "__file__" in names:
        names.pop("__file__", None)
        names.pop("__cached__", None)


def has_own_ends() -> bool:
    """Whether a module of the program has made, in the image, what does something when it is gone: its end would be missed.

    What libraries keep at their top level is for the whole process: nothing that ends with it need be told.
    """
    objects = gc.get_objects()
    kinds = set(map(type, objects))
    codes = [
        end.__code__ for kind in kinds for end in find_all(kind, "__del__") if type(end) is FUNCTION_TYPE
    ]
    codes += find_callbacks(objects, kinds)
    suspended = {kind: prefix for kind, prefix in SUSPENDED.items() if kind in kinds}
    for value in objects if suspended else ():
        prefix = suspended.get(type(value))
        if prefix and getattr(value, prefix + "_frame") is not None:
            codes.append(getattr(value, prefix + "_code"))
    return not all(map(is_of_library, codes))


def ends_plainly() -> bool:
    """Whether the program's own objects can be let go of here, as far as it can be told before that.

    Threads, and streams of the program's own, come to their end in an order that only Python keeps.
    """
    modules = sys.modules
    main, threading = modules.get("__main__"), modules.get("threading")
    if type(getattr(main, "__dict__", None)) is not dict:
        return False
    if threading is not None and (len(threading._active) != 1 or threading._limbo):
        return False
    streams = ((sys.stdout, sys.__stdout__), (sys.stderr, sys.__stderr__))
    return all(stream is genuine and not getattr(stream, "closed", True) for stream, genuine in streams)


def has_plain_code(error: "Any") -> bool:
    """Whether what `sys.exit` was called with is told without code of the program's."""
    if type(error) is not SystemExit:
        return False
    kind = type(error.code)  # pytest's is an IntEnum: of numbers of any kind only the number is read
    return kind is str or kind is type(None) or issubclass(kind, int)


def leaves_nothing() -> bool:
    """Whether nothing that the program leaves, after threads and atexit, does something when it is gone.

    That are objects with `__del__`, generators, files, and what has been asked for at the end of another (weakref). What
    they see, and when, only Python gets right, which takes down all modules.
    """
    report_late()
    if not ends_plainly():
        return False
    objects = gc.get_objects()
    kinds = set(map(type, objects))
    io = sys.modules["_io"]
    files = {io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper}
    if any(map(has_end, kinds - files - {io.BytesIO, io.StringIO})):
        return False
    if kinds & files:
        own: list[Any] = [sys.__stdin__, sys.__stdout__, sys.__stderr__]
        own += [stream.buffer for stream in own if stream is not None]
        own += [getattr(stream, "raw", None) for stream in own]
        for value in objects:
            if type(value) in files and not any(value is one for one in own) and not is_closed(value):
                return False
    return all(is_of_library(code, "/site-packages/") for code in find_callbacks(objects, kinds))


def is_closed(file: "Any") -> bool:
    """Whether a file is closed: there is nothing in it to be written, and no warning about it."""
    try:
        return file.closed is True
    except ValueError:  # it has given away what it wrote to
        return False


def is_of_library(code: "Any", excluded: str = "\0") -> bool:
    """Whether code is of an installed distribution or the standard library, but for a folder."""
    if type(code) is not CODE_TYPE or excluded in code.co_filename:
        return False
    return code.co_filename[:8] == "<frozen " or is_external(code.co_filename)


def find_all(kind: type, name: str) -> "list[Any]":
    """Return what a type and its bases have by a name."""
    namespaces = [base.__dict__ for base in type.__dict__["__mro__"].__get__(kind)]
    return [names[name] for names in namespaces if name in names]


def has_end(kind: type) -> bool:
    """Whether objects of a type do something when they are gone: also generators, files."""
    if kind.__name__ == "Connection" and kind.__module__ == "sqlite3":
        # They are closed in `finish_objects`. From 3.13 on there is a warning, which is seen where all are.
        return bool(sys.warnoptions) or sys.flags.dev_mode
    return bool(find_all(kind, "__del__"))


def is_called_in_python(kind: type) -> bool:
    """Whether it is Python code that is run when objects of a type are called."""
    return any(type(called) is FUNCTION_TYPE for called in find_all(kind, "__call__"))


def find_callbacks(objects: "list[Any]", kinds: "set[type]") -> "Iterator[Any]":
    """Yield what is to be called when another object is gone: the code of a function, or another object.

    But not what keeps books: the interpreter's own, extensions', and `weakref.finalize`, which has had its time in atexit.
    """
    weakref = sys.modules.get("_weakref")
    if weakref is None:
        return
    reference = weakref.ReferenceType
    kinds = {kind for kind in kinds if reference in type.__dict__["__mro__"].__get__(kind)}
    read = reference.__dict__["__callback__"].__get__
    for value in objects:
        if type(value) in kinds:
            callback = read(value)
        elif type(value) in (weakref.ProxyType, weakref.CallableProxyType):
            callback = next(iter(gc.get_referents(value)), None)
        else:
            continue
        if type(callback) is METHOD_TYPE:
            callback = callback.__func__
        kind = type(callback)
        if kind is FUNCTION_TYPE:
            yield callback.__code__
        elif kind.__module__ == "functools" or (kind.__module__ != "weakref" and is_called_in_python(kind)):
            yield callback


def finish_objects() -> None:
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


def let_go() -> None:
    """Hold no values of modules any more: Python is to take them down, and what they keep comes to its end with them."""
    if RUN["is_frozen"]:
        gc.unfreeze()  # Python sees everything again, also what was there before the run
    if RUN["stash"] is not None:
        RUN["stash"].let_go()


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


FUNCTION_TYPE, CODE_TYPE = type(clear), type(clear.__code__)
METHOD_TYPE = type(sys.modules["_frozen_importlib"].BuiltinImporter.find_spec)
INERT = frozenset(
    [
        *(type(None), bool, int, float, complex, str, bytes, type(sys), type(len)),
        *(type(sys.__spec__), sys.modules["_frozen_importlib_external"].SourceFileLoader),
    ]
)


def generate() -> "Iterator[None]":
    """Be a generator, to have its type."""
    yield


async def wait() -> None:
    """Be a coroutine, to have its type."""


waiting = wait()
# With the prefix of their attributes.
SUSPENDED: "dict[type, str]" = {type(generate()): "gi", type(waiting): "cr"}
waiting.close()
