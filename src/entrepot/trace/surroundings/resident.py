"""What surrounds modules in the process (environment, arguments, signals, registers): who reads it, what has changed?

    undo = []                                          # what puts everything back, to be called last first
    watch_environment(tell, note, variables, undo)     # V, W and M of `trace/resident.py`; `variables` gets the names
    watch_arguments(tell, note, undo)                  # G
    watch_signals(note, undo)
    watch_streams(note, undo)
    list_exchanged()                                   # which of these have been replaced by other objects
    read_registers()                                   # plain values; whoever asks again compares

`tell` is called with a kind and a text, `note` with what a run could not have as plain Python has it: changes of the
arguments, of standard streams, and of the environment's dictionary that do not come from `os.environ`. The dictionary
inside `os.environ`, which is `posix.environ`, and the lists of arguments are exchanged for others that tell, whatever
method is called.

Resident: only what a bare interpreter has loaded is imported. Does not know which module is being initialised, nor what
C code reads.
"""

import posix
import sys

TYPE_CHECKING = False  # typing is not loaded in a bare interpreter
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tell = Callable[[str, str], object]
    Undo = list[Callable[[], object]]

# Registers of the process that a module may change at import: (module, attribute).
REGISTERS = (
    ("sys", "path"),
    ("sys", "meta_path"),
    ("sys", "path_hooks"),
    ("sys", "excepthook"),
    ("sys", "displayhook"),
    ("sys", "unraisablehook"),
    ("sys", "stdin"),
    ("sys", "stdout"),
    ("sys", "stderr"),
    ("sys", "__stdin__"),
    ("sys", "__stdout__"),
    ("sys", "__stderr__"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("builtins", "print"),
    ("warnings", "filters"),
    ("warnings", "showwarning"),
)


class WatchedEnvironment(dict):  # type: ignore[type-arg]
    """The dictionary inside `os.environ`, telling what is read and set."""

    __slots__ = ("on_all", "on_change", "on_name")
    on_all: "Callable[[], object]"
    on_change: "Callable[[str, bool], object]"
    on_name: "Callable[[str], object]"


class WatchedArguments(list):  # type: ignore[type-arg]
    """`sys.argv`, telling that it is read or changed."""

    __slots__ = ("on_change", "on_read")
    on_change: "Callable[[], object]"
    on_read: "Callable[[], object]"

    def __radd__(self, other):  # type: ignore[no-untyped-def]
        self.on_read()
        return list.__add__(other, self) if isinstance(other, list) else NotImplemented


def _telling(real, say):  # type: ignore[no-untyped-def]
    """Return a method that does what `real` does, after `say` has been called with the object and the arguments."""

    def method(self, *given, **named):  # type: ignore[no-untyped-def]
        say(self, *given)
        return real(self, *given, **named)

    return method


def _asks_for_name(self, *given) -> None:  # type: ignore[no-untyped-def]
    if given:  # else `real` raises
        self.on_name(_text(given[0]))


def _changes_name(self, key, *_) -> None:  # type: ignore[no-untyped-def]
    caller = sys._getframe(2)  # of the method
    self.on_change(_text(key), caller.f_globals.get("__name__") == "os")


def _text(key: object) -> str:
    return key.decode("utf-8", "surrogateescape") if type(key) is bytes else str(key)


_COMPARING = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_asks_for_all, _reads_list = (lambda self, *_: self.on_all()), (lambda self, *_: self.on_read())
_changes_many, _changes_list = (
    (lambda self, *_: self.on_change("", False)),
    (lambda self, *_: self.on_change()),
)
for _kind, _say, _names in (
    (WatchedEnvironment, _asks_for_name, ("__getitem__", "__contains__", "get")),
    (WatchedEnvironment, _asks_for_all, ("__iter__", "__len__", "__reversed__", "__repr__", *_COMPARING[:2])),
    (WatchedEnvironment, _asks_for_all, ("__or__", "__ror__", "copy", "items", "keys", "values")),
    (WatchedEnvironment, _changes_name, ("__setitem__", "__delitem__")),
    (WatchedEnvironment, _changes_many, ("__ior__", "clear", "pop", "popitem", "setdefault", "update")),
    (WatchedArguments, _reads_list, ("__getitem__", "__iter__", "__len__", "__contains__", "__reversed__")),
    (WatchedArguments, _reads_list, ("__repr__", "__add__", "__mul__", "__rmul__", *_COMPARING)),
    (WatchedArguments, _reads_list, ("copy", "count", "index")),
    (
        WatchedArguments,
        _changes_list,
        ("__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "clear"),
    ),
    (WatchedArguments, _changes_list, ("extend", "insert", "pop", "remove", "reverse", "sort")),
):
    for _name in _names:
        setattr(_kind, _name, _telling(getattr(_kind.__base__, _name), _say))  # type: ignore[no-untyped-call]

_watched: "list[tuple[Any, str, object]]" = []  # owner, name, what was put there
_streams: "list[tuple[str, Any, dict[str, object]]]" = []  # name, stream, its own attributes


def watch_environment(
    tell: "Tell", note: "Callable[[str], object]", variables: "set[str]", undo: "Undo"
) -> None:
    """Tell of each variable that Python code looks up, and put its name into `variables`; "*" when it looks at all.

    What `os.environ` puts into its dictionary, after it has set the process's own variable, is M.
    """
    os = sys.modules.get("os")
    if os is None:
        return
    before: Any = posix.environ
    data = WatchedEnvironment(before)

    def on_name(name: str) -> None:
        variables.add(name)
        tell("V", name)

    def on_all() -> None:
        variables.add("*")
        tell("W", "")

    def on_change(name: str, is_by_os: bool) -> None:
        if is_by_os:
            tell("M", name)
        else:
            note("changes the dictionary behind os.environ")

    data.on_name, data.on_all, data.on_change = on_name, on_all, on_change
    owners: list[Any] = [os.environ]
    if "environb" in os.__dict__:
        owners.append(os.environb)
    for owner in owners:
        owner._data = data
    setattr(posix, "environ", data)  # noqa: B010 (to a type checker it is a constant)
    undo.append(_watched.clear)
    _watched.extend([(os, "environ", os.environ), (os.environ, "_data", data), (posix, "environ", data)])

    def give_back_environment() -> None:
        before.clear()  # one mapping is behind all of them
        before.update(dict.items(data))
        for owner in owners:
            owner._data = before
        setattr(posix, "environ", before)  # noqa: B010

    undo.append(give_back_environment)


def watch_arguments(tell: "Tell", note: "Callable[[str], object]", undo: "Undo") -> None:
    """Tell when `sys.argv` or `sys.orig_argv` is read."""
    for name in ("argv", "orig_argv"):
        if name in sys.__dict__:
            _watch_list(name, tell, note, undo)


def _watch_list(name: str, tell: "Tell", note: "Callable[[str], object]", undo: "Undo") -> None:
    genuine = sys.__dict__[name]
    watched = WatchedArguments(genuine)
    watched.on_read = lambda: tell("G", "argv")
    watched.on_change = lambda: note(f"changes sys.{name}")
    sys.__dict__[name] = watched
    _watched.append((sys, name, watched))

    def give_back() -> None:
        if sys.__dict__.get(name) is watched:
            sys.__dict__[name] = genuine

    undo.append(give_back)


def list_exchanged() -> list[str]:
    """Return which of the objects that were put in place to be watched are there no more."""
    found = [
        f"{getattr(owner, '__name__', 'os.environ')}.{name}"
        for owner, name, value in _watched
        if getattr(owner, name, None) is not value
    ]
    for name, stream, before in _streams:
        now = stream.__dict__
        changed = [key for key in {**before, **now} if before.get(key, before) is not now.get(key, now)]
        found += [f"sys.{name}.{key}" for key in changed]
    return found


def watch_signals(note: "Callable[[str], object]", undo: "Undo") -> None:
    """Tell who asks what becomes of a signal: the interpreter answers by itself, having asked when it started."""
    signals = sys.modules.get("_signal")
    if signals is None:
        return
    real = signals.getsignal

    def getsignal(signalnum):  # type: ignore[no-untyped-def]
        note("asks what becomes of a signal")
        return real(signalnum)

    getsignal.__doc__ = real.__doc__
    setattr(signals, "getsignal", getsignal)  # noqa: B010
    undo.append(lambda: setattr(signals, "getsignal", real))


def watch_streams(note: "Callable[[str], object]", undo: "Undo") -> None:
    """Tell what is done to the standard streams themselves: each run has its own."""
    undo.append(_streams.clear)
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, f"__{name}__", None)
        if type(stream).__name__ == "TextIOWrapper":
            for method in ("close", "detach", "reconfigure"):
                _watch_method(stream, method, f"sys.{name}.{method}", note, undo)
            _streams.append((name, stream, dict(stream.__dict__)))


def _watch_method(stream: "Any", name: str, full: str, note: "Callable[[str], object]", undo: "Undo") -> None:
    real = getattr(stream, name)

    def method(*given, **named):  # type: ignore[no-untyped-def]
        note(f"calls {full}")
        return real(*given, **named)

    setattr(stream, name, method)
    undo.append(lambda: stream.__dict__.pop(name, None))


def read_registers() -> dict[str, object]:
    """Return the process's registers as plain values to compare."""
    found: dict[str, object] = {}
    for module_name, name in REGISTERS:
        module = sys.modules.get(module_name)
        if module is None or name not in module.__dict__:
            continue
        value = module.__dict__[name]
        if type(value) is list:
            found[f"{module_name}.{name}"] = [
                id(item) if not isinstance(item, str) else item for item in value
            ]
        else:
            found[f"{module_name}.{name}"] = id(value)
    found["sys.setrecursionlimit"] = sys.getrecursionlimit()
    found["sys.setswitchinterval"] = sys.getswitchinterval()
    found["sys.settrace"] = id(sys.gettrace())
    found["sys.setprofile"] = id(sys.getprofile())
    for name, calls in (
        ("gc", ("get_threshold", "isenabled", "get_freeze_count", "get_debug")),
        ("locale", ("setlocale",)),
        ("socket", ("getdefaulttimeout",)),
        ("threading", ("gettrace", "getprofile")),
        ("faulthandler", ("is_enabled",)),
        ("tracemalloc", ("is_tracing",)),
    ):
        module = sys.modules.get(name)
        for call in calls:
            function = getattr(module, call, None)
            if function is not None:
                found[f"{name}.{call}"] = function(6) if call == "setlocale" else function()
    return found
