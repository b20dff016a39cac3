"""What a module may find around it when it is initialised, and what initialising it may change.

    read_world()                            all that the program may have changed before it asks for a module
    read_lists(), write_lists(lists)        search path, finders, hooks, warning filters
    read_environment(), write_variable()    the environment, by bytes
    is_external(path), is_extension(m)      whose a module is, and of what kind

Only reads and writes; what follows from a difference is the business of `obstacles/resident.py`.

Resident: uses what a bare interpreter has.
"""

import posix
import sys

LISTS = (("sys", "path"), ("sys", "meta_path"), ("sys", "path_hooks"), ("warnings", "filters"))


def read_world() -> dict[str, object]:
    """What the program may have changed before it asks for a module."""
    warnings = sys.modules.get("warnings")
    filters = tuple(map(id, warnings.filters)) if warnings is not None else ()
    try:
        cwd = posix.getcwd()
    except OSError:
        cwd = ""
    return {
        "cwd": cwd,
        "path": list(sys.path),
        "folders": [read_stamp(folder) for folder in sys.path],
        "meta": [id(finder) for finder in sys.meta_path],
        "hooks": [id(hook) for hook in sys.path_hooks],
        "filters": filters,
        "limit": sys.getrecursionlimit(),
        "env": read_environment(),
        "streams": [id(stream) for stream in list_streams()],
        "trace": sys.gettrace() is not None or sys.getprofile() is not None or is_monitored(),
    }


def list_streams() -> "list[object]":
    """The standard streams as the program has them now."""
    return [sys.__dict__.get(name) for name in ("stdin", "stdout", "stderr")]


def has_terminal() -> bool:
    """Whether one of the standard streams, as the process has them now, is a terminal, or closed."""
    try:
        for fd in range(3):
            posix.fstat(fd)
    except OSError:
        return True
    return any(posix.isatty(fd) for fd in range(3))


def count_holders() -> "tuple[int, ...]":
    """Tell by how many places each of the standard streams is held."""
    return tuple([sys.getrefcount(stream) for stream in list_streams()])


def read_stamp(path: object) -> object:
    """What changes when something is put into a folder or a file is written anew; None where it is not there."""
    try:
        st = posix.stat(path or ".")  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return None
    return st.st_ino, st.st_mtime_ns, st.st_ctime_ns


def is_monitored() -> bool:
    """Whether a tool of `sys.monitoring` (Python 3.12) watches: coverage, debuggers."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return False
    return any(monitoring.get_tool(number) is not None for number in range(6))


def read_lists() -> dict[tuple[str, str], list[object]]:
    found: dict[tuple[str, str], list[object]] = {}
    for key in LISTS:
        module = sys.modules.get(key[0])
        if module is not None:
            found[key] = list(module.__dict__[key[1]])
    return found


def write_lists(lists: dict[tuple[str, str], list[object]]) -> None:
    for (module_name, name), items in lists.items():
        module = sys.modules.get(module_name)
        if module is not None and module.__dict__[name] != items:
            module.__dict__[name][:] = items
            if module_name == "warnings":
                mutated(module)


def mutated(warnings) -> None:  # type: ignore[no-untyped-def]
    """Tell the interpreter that the list of filters is another one."""
    for name in ("_filters_mutated", "_filters_mutated_lock_held"):
        function = getattr(warnings, name, None)
        if function is not None:
            function()
            return


def read_environment() -> dict[bytes, object]:
    """What `os.environ` has; no variable where the program has put something of its own in its place."""
    data = getattr(getattr(sys.modules.get("os"), "environ", None), "_data", None)
    return dict(dict.items(data)) if isinstance(data, dict) else {}


def write_variable(name: bytes, value: object) -> None:
    environ = sys.modules["os"].environb
    if value is not None:
        environ[name] = value
    elif name in environ:
        del environ[name]


def find_path_finder():  # type: ignore[no-untyped-def]
    for finder in sys.meta_path:
        if getattr(finder, "__name__", "") == "PathFinder":
            return finder
    raise ImportError("sys.meta_path has no PathFinder")


def list_path(package: object) -> list[str]:
    """The folders of a package's `__path__`. A namespace package's own asks for its parent, which may not be there yet."""
    path = getattr(package, "__dict__", {}).get("__path__", ())
    return list(getattr(path, "_path", path))


def find_place(name: str) -> object:
    """Where the search path leads for a name: a file, or a package's folders; None where it leads nowhere."""
    spec = find_path_finder().find_spec(name)  # type: ignore[no-untyped-call]
    if spec is None:
        return None
    places = spec.submodule_search_locations
    return spec.origin, None if places is None else list(places)


def is_extension(module: object) -> bool:
    """Whether a module is a distribution's extension. The standard library's bear a second time."""
    file = getattr(module, "__file__", None)
    return type(file) is str and file.endswith(".so") and "/lib-dynload/" not in file


def is_external(path: str) -> bool:
    """Whether a file belongs to an installed distribution or to the standard library."""
    if "/site-packages/" in path or "/dist-packages/" in path:
        return True
    standard = getattr(sys.modules.get("os"), "__file__", None) or ""
    return bool(standard) and path.startswith(standard.rpartition("/")[0] + "/")


def ask(question: str) -> bool:
    """Put a question to `observe.c`, which is still in the process; no, where it is not."""
    try:
        return posix.access("\1entrepot\1" + question, 0)
    except (UnicodeError, ValueError):
        return False
