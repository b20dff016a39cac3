"""Facts about modules, errors and audit events, as short texts for a traced program to write down.

Only what a bare interpreter has loaded is imported. Changes nothing, raises nothing of its own.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def why_not_bytecode(path: str) -> str:
    """Return why a source's bytecode file could not be used: "missing", "stale", "magic", or "" if it can."""
    import _frozen_importlib_external as external

    try:
        cached = external.cache_from_source(path)
        descriptor = posix.open(cached, posix.O_RDONLY | posix.O_CLOEXEC)
    except (OSError, NotImplementedError):
        return "missing"
    try:
        header = posix.read(descriptor, 16)
    finally:
        posix.close(descriptor)
    if header[:4] != external.MAGIC_NUMBER:
        return "magic"
    return "stale"


def describe_arguments(event: str, args: "tuple[Any, ...]") -> str:
    """Return the arguments of an audit event in a few words."""
    if event == "subprocess.Popen":
        command = args[1]
        words = command if isinstance(command, (list, tuple)) else [command]
        return " ".join(_text(word) for word in words)[:200]
    if event.startswith("_thread."):
        # A `threading.Thread` starts its own method: what the thread is for is its target.
        target = getattr(getattr(args[0], "__self__", None), "_target", None) or args[0]
        return str(getattr(target, "__qualname__", target))
    return ", ".join(_text(value) for value in args if isinstance(value, (str, bytes, int, tuple)))[:200]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else repr(value)


def read_namespace(module: object) -> "dict[str, Any]":
    """Return a module's namespace without waking a module that loads itself when it is looked at."""
    try:
        namespace = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return namespace if type(namespace) is dict else {}


def describe_names(module: object, name: str) -> str:
    """Return the names of a module's namespace by kind: `f:a,b|c:D|v:X|i:other`.

    f and c are functions and classes defined there, v variables, i what was taken from elsewhere.
    """
    namespace = read_namespace(module)
    kinds: dict[str, list[str]] = {"f": [], "c": [], "v": [], "i": []}
    module_type, function_type = type(sys), type(describe_names)
    for key, value in list(namespace.items()):
        if type(key) is not str or (key.startswith("__") and key.endswith("__")):
            continue
        kind = type(value)
        if kind is module_type:
            letter = "i"
        elif kind is function_type or issubclass(kind, type):
            # Of the kind, not of the value: `isinstance` would wake objects that stand for others.
            is_own = value.__module__ == name
            letter = "i" if not is_own else "f" if kind is function_type else "c"
        else:
            letter = "v"
        kinds[letter].append(key)
    return "|".join(f"{letter}:{','.join(names)}" for letter, names in kinds.items() if names)


def find_patches() -> "list[tuple[str, str, str, str, int]]":
    """Return functions and classes found in modules that had finished before their own module began.

    Such a module cannot have imported them: somebody else has put them there. Each as (module,
    name, module it comes from, file, line).
    """
    order = {name: number for number, name in enumerate(list(sys.modules))}
    function_type = type(describe_names)
    found = []
    for name, module in list(sys.modules.items()):
        namespace = read_namespace(module)
        if name == "__main__":
            continue
        for key, value in list(namespace.items()):
            if type(value) is not function_type:
                continue
            source = value.__module__
            if source in (name, "site") or value.__globals__ is namespace or source not in order:
                continue
            if order[source] > order[name] and source.partition(".")[0] != name.partition(".")[0]:
                code = value.__code__
                found.append((name, key, source, code.co_filename, code.co_firstlineno))
    return found


def describe_error(error: BaseException) -> "list[str]":
    """Return what ended the program: type, text, name, the module it concerns, and where.

    The places are file, line and function of each frame, outermost first, joined by "|".
    """
    subject = getattr(error, "obj", None)
    module = subject.__name__ if isinstance(subject, type(sys)) else ""
    if not module and isinstance(error, ImportError):
        module = error.name or ""
    wanted = getattr(error, "name_from", None) or getattr(error, "name", None) or ""
    text = str(error)
    if isinstance(error, ImportError) and text.startswith("cannot import name "):
        # Before 3.12 only the text says which.
        wanted = text.split("'")[1]
    places = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        place = (frame.f_code.co_filename, str(traceback.tb_lineno), frame.f_code.co_name)
        places.append("\x1f".join((*place, frame.f_globals.get("__name__") or "?")))
        traceback = traceback.tb_next
    known = ",".join(name for name in getattr(subject, "__dict__", {}) if type(name) is str) if module else ""
    return [type(error).__name__, text, wanted, module, known, "|".join(places)]


def list_modules() -> str:
    """Return the names of the modules that were there before the program began."""
    return ",".join(name for name in sys.modules if not name.startswith("entrepot"))
