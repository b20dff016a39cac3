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
    # Not by a statement: it would be told as the program's.
    external: Any = sys.modules["_frozen_importlib_external"]
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
    if event == "socket.__new__":
        return "a socket is made"
    if event == "os.putenv":
        return "=".join([_text(value) for value in args])[:200]
    if event in ("os.rename", "os.link", "os.symlink"):
        return f"{_text(args[0])} -> {_text(args[1])}"[:200]
    if event.startswith(("os.", "shutil.", "tempfile.")) and args and isinstance(args[0], (str, bytes)):
        return _text(args[0])[:200]
    return ", ".join([_text(value) for value in args if isinstance(value, (str, bytes, int, tuple))])[:200]


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


def describe_module(
    module: object, name: str, code_of: "dict[str, str]", foreign: "tuple[str, ...] | None"
) -> "tuple[str, str, str, bool, str]":
    """Return where a module came from, its loader, how its code was had, whether that is kept, and its names.

    Args:
        module, name: as they stand in `sys.modules`.
        code_of: for source files how they became code; the module's own is taken out.
        foreign: folders whose modules' names are left out; None: none are.
    """
    namespace = read_namespace(module)
    spec = namespace.get("__spec__")
    origin = getattr(spec, "origin", None)
    if type(origin) is not str:
        origin = ""
    loader = getattr(spec, "loader", None)
    kind = "" if loader is None else loader.__name__ if isinstance(loader, type) else type(loader).__name__
    bytecode, is_kept = code_of.pop(origin, ""), False
    if bytecode and bytecode != "read":
        cached = getattr(spec, "cached", None)
        is_kept = type(cached) is str and posix.access(cached, posix.R_OK)
    if foreign is not None and (
        origin.startswith(foreign)
        or "site-packages" in origin
        or "dist-packages" in origin
        or origin[:1] != "/"
    ):
        return origin, kind, bytecode, is_kept, ""
    return origin, kind, bytecode, is_kept, sort_names(namespace, name)


def foreign_folders() -> "tuple[str, ...]":
    """Return the folders that the program's own modules are not in: the standard library's."""
    os = sys.modules["os"]
    return (os.path.dirname(os.__file__) + "/", f"{sys.base_prefix}/lib/", f"{sys.prefix}/lib/")


_FUNCTION, _BUILT_IN, _MODULE = type(why_not_bytecode), type(len), type(sys)
# Kinds of value that are variables and nothing else: most values by far.
_PLAIN = frozenset((str, int, float, bool, tuple, list, dict, set, frozenset, bytes, type(None)))


def sort_names(namespace: "dict[str, Any]", name: str) -> str:
    """Return the names of a module's namespace by kind: functions, classes, variables, taken from elsewhere.

    One string: a line for each kind, names with a tab between them. (Tuples would count for the garbage collector.)

    Functions and classes are those defined there. Names that Python itself sets (`__file__`) are left out.
    """
    functions: list[str] = []
    classes: list[str] = []
    variables: list[str] = []
    imported: list[str] = []
    for key, value in list(namespace.items()):
        kind = type(value)
        if kind in _PLAIN:
            names = variables
        elif kind is _MODULE:
            names = imported
        elif kind is _FUNCTION:
            names = functions if value.__module__ == name else imported
        elif kind is _BUILT_IN:
            # Methods bound to an object (`random.random`) have no module.
            source = value.__module__
            names = variables if source is None else functions if source == name else imported
        elif kind is type or issubclass(kind, type):
            # Of the kind, not of the value: `isinstance` would wake objects that stand for others.
            names = classes if value.__module__ == name else imported
        else:
            names = variables
        if type(key) is str and not (key[:2] == "__" and key[-2:] == "__"):
            names.append(key)
    return "\n".join(["\t".join(functions), "\t".join(classes), "\t".join(variables), "\t".join(imported)])


def find_patches() -> "list[tuple[str, str, str, str, int]]":
    """Return functions found in modules that had finished before the function's own module began.

    Such a module cannot have imported them: somebody else has put them there. Each as (module,
    name, module it comes from, file, line).
    """
    modules = [(name, read_namespace(module)) for name, module in list(sys.modules.items())]
    # A module may be there under several names, of which the first counts.
    order: dict[int, int] = {}
    for number, (_, namespace) in enumerate(modules):
        order.setdefault(id(namespace), number)
    found = []
    for number, (name, namespace) in enumerate(modules):
        if name == "__main__" or order[id(namespace)] != number:
            continue
        for key, value in list(namespace.items()):
            if type(value) is not _FUNCTION or value.__globals__ is namespace:
                continue
            owner = order.get(id(value.__globals__), -1)
            source = modules[owner][0]
            if owner > number and source != "site" and source.partition(".")[0] != name.partition(".")[0]:
                code = value.__code__
                found.append((name, key, source, code.co_filename, code.co_firstlineno))
    return found


def describe_error(error: BaseException) -> "tuple[str, str, str, str, tuple[str, ...], tuple[Any, ...]]":
    """Return what ended the program: type, text, name, the module it concerns, the names in that, and where.

    The places are file, line, function and module of each frame, outermost first.
    """
    subject = getattr(error, "obj", None)
    module = subject.__name__ if isinstance(subject, _MODULE) else ""
    if not module and isinstance(error, ImportError):
        module = error.name or ""
        subject = sys.modules.get(module)
    wanted = getattr(error, "name_from", None) or getattr(error, "name", None) or ""
    text = str(error)
    if isinstance(error, ImportError) and text.startswith("cannot import name "):
        # Before 3.12 only the text says which.
        wanted = text.split("'")[1]
    places = []
    traceback = error.__traceback__
    while traceback is not None:
        code, namespace = traceback.tb_frame.f_code, traceback.tb_frame.f_globals
        places.append((code.co_filename, traceback.tb_lineno, code.co_name, namespace.get("__name__") or "?"))
        traceback = traceback.tb_next
    known = tuple([name for name in read_namespace(subject) if type(name) is str]) if module else ()
    return type(error).__name__, text, wanted, module, known, tuple(places)


def find_origin(error: BaseException, name: str) -> str:
    """Return the file of a module whose initialising has ended in an error, "" where it did not come so far."""
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == name:
            return frame.f_code.co_filename
        traceback = traceback.tb_next
    file = error.filename if isinstance(error, SyntaxError) else None
    return file if type(file) is str and name.rpartition(".")[2] in file else ""


def read_text(error: BaseException) -> str:
    """Return an error's text, which is code of the program's."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be had)"


def list_modules() -> "tuple[str, ...]":
    """Return the names of the modules that were there before the program began."""
    return tuple([name for name in sys.modules if not name.startswith("entrepot")])
