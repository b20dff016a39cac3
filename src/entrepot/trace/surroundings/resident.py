"""What surrounds modules in the process (environment, arguments, signals, registers): who reads it, what has changed?

    undo = []                                          # what puts everything back, to be called last first
    watch_environment(tell, variables, undo)           # V and W of `trace/resident.py`; `variables` gets the names
    watch_arguments(tell, undo)                        # G
    watch_signals(tell, stack, undo)                   # N, for the module at the end of `stack`
    read_registers()                                   # plain values; whoever asks again compares

`tell` is called with a kind and a text. The dictionary inside `os.environ`, `posix.environ` and the lists of arguments are
exchanged for others that tell.

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
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("builtins", "print"),
    ("warnings", "filters"),
    ("warnings", "showwarning"),
)


class WatchedEnvironment(dict):  # type: ignore[type-arg]
    """The dictionary inside `os.environ`, telling what is read."""

    __slots__ = ("tell",)
    tell: "Tell"

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        self.tell("V", key.decode("utf-8", "surrogateescape"))
        return dict.__getitem__(self, key)

    def __contains__(self, key):  # type: ignore[no-untyped-def]
        self.tell("V", key.decode("utf-8", "surrogateescape"))
        return dict.__contains__(self, key)

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.tell("W", "")
        return dict.__iter__(self)

    def __len__(self):  # type: ignore[no-untyped-def]
        self.tell("W", "")
        return dict.__len__(self)


class WatchedArguments(list):  # type: ignore[type-arg]
    """`sys.argv`, telling that it is read."""

    __slots__ = ("tell",)
    tell: "Tell"

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        self.tell("G", "argv")
        return list.__getitem__(self, index)

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.tell("G", "argv")
        return list.__iter__(self)

    def __len__(self):  # type: ignore[no-untyped-def]
        self.tell("G", "argv")
        return list.__len__(self)

    def __contains__(self, value):  # type: ignore[no-untyped-def]
        self.tell("G", "argv")
        return list.__contains__(self, value)

    def __eq__(self, other):  # type: ignore[no-untyped-def]
        self.tell("G", "argv")
        return list.__eq__(self, other)

    __hash__ = None


def watch_environment(tell_on: "Tell", variables: "set[str]", undo: "Undo") -> None:
    """Tell of each variable that Python code looks up, and put its name into `variables`; "*" when it looks at all."""
    os = sys.modules.get("os")
    if os is None:
        return
    data = WatchedEnvironment(os.environ._data)

    def tell(kind: str, name: str) -> None:
        variables.add(name if kind == "V" else "*")
        tell_on(kind, name)

    data.tell = tell
    owners: list[Any] = [os.environ]
    if "environb" in os.__dict__:
        owners.append(os.environb)
    for owner in owners:
        owner._data = data

    before: Any = posix.environ
    native = WatchedEnvironment(before)
    native.tell = tell_on
    setattr(posix, "environ", native)  # noqa: B010 (to a type checker it is a constant)

    def give_back_environment() -> None:
        before.clear()  # one mapping is behind all of them
        before.update(dict.items(data))
        for owner in owners:
            owner._data = before
        setattr(posix, "environ", before)  # noqa: B010

    undo.append(give_back_environment)


def watch_arguments(tell: "Tell", undo: "Undo") -> None:
    """Tell when `sys.argv` or `sys.orig_argv` is read."""
    for name in ("argv", "orig_argv"):
        if name in sys.__dict__:
            _watch_list(name, tell, undo)


def _watch_list(name: str, tell: "Tell", undo: "Undo") -> None:
    genuine = sys.__dict__[name]
    watched = WatchedArguments(genuine)
    watched.tell = tell
    sys.__dict__[name] = watched

    def give_back() -> None:
        if sys.__dict__.get(name) is watched:
            sys.__dict__[name] = genuine

    undo.append(give_back)


def watch_signals(tell: "Tell", stack: "list[str]", undo: "Undo") -> None:
    """Tell who asks what becomes of a signal: the interpreter answers by itself, having asked when it started."""
    signals = sys.modules.get("_signal")
    if signals is None:
        return
    real = signals.getsignal

    def getsignal(signalnum):  # type: ignore[no-untyped-def]
        tell("N", (stack[-1] if stack else "__main__") + "\1asks what becomes of a signal")
        return real(signalnum)

    getsignal.__doc__ = real.__doc__
    setattr(signals, "getsignal", getsignal)  # noqa: B010
    undo.append(lambda: setattr(signals, "getsignal", real))


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
