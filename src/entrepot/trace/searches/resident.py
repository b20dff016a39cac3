"""What the import system and `os.path` ask the file system: told as searches, not as files that a module reads.

    watch_searches(tell, put, undo)        F and f, w, u and v of `trace/resident.py`
    watch_distributions(tell, put)         L; part of it, and to be called once more when `importlib.metadata` has come

`tell` is called with a kind and a text, `put(place, name, value)` exchanges something until the end, and `undo` is
what puts everything else back, to be called last first. `genericpath`'s own functions keep their identity: their code
is exchanged.

Resident: only what a bare interpreter has loaded is imported. Does not know what is found, nor for which module.
"""

import _frozen_importlib_external
import sys

FUNCTION_TYPE = type(lambda: None)


def watch_searches(tell, put, undo) -> None:  # type: ignore[no-untyped-def]
    """Tell what the import system searches for, and what only asks whether a file is there."""
    finder = _frozen_importlib_external.FileFinder
    find_spec = finder.__dict__["find_spec"]

    def watched_find_spec(self, fullname, target=None):  # type: ignore[no-untyped-def]
        tell("F", "D\1" + self.path + "\1" + fullname.rpartition(".")[2])
        try:
            return find_spec(self, fullname, target)
        finally:
            tell("f", "")

    watched_find_spec.__name__ = "find_spec"
    put(finder, "find_spec", watched_find_spec)

    loader = _frozen_importlib_external.SourceFileLoader
    path_stats = loader.__dict__["path_stats"]

    def watched_path_stats(self, path):  # type: ignore[no-untyped-def]
        tell("F", "S\1" + path)
        try:
            return path_stats(self, path)
        finally:
            tell("f", "")

    put(loader, "path_stats", watched_path_stats)

    is_dir = _frozen_importlib_external._path_isdir  # type: ignore[attr-defined]

    def watched_is_dir(path):  # type: ignore[no-untyped-def]
        tell("w", "")
        return is_dir(path)

    put(_frozen_importlib_external, "_path_isdir", watched_is_dir)
    zipimport = sys.modules.get("zipimport")
    if zipimport is not None:
        # Each new directory of a path is first tried as a zip file.
        init = zipimport.zipimporter.__init__

        def watched_init(self, path):  # type: ignore[no-untyped-def]
            tell("u", "")
            try:
                init(self, path)
            finally:
                tell("v", "")

        put(zipimport.zipimporter, "__init__", watched_init)
    watch_distributions(tell, put)
    _watch_genericpath(tell, undo)


def watch_distributions(tell, put) -> None:  # type: ignore[no-untyped-def]
    """`importlib.metadata` lists a folder to know its distributions: other entries do not count."""
    fast_path = getattr(sys.modules.get("importlib.metadata"), "FastPath", None)
    names = getattr(fast_path, "__dict__", {})
    children, mtime = names.get("children"), names.get("mtime")
    if type(children) is not FUNCTION_TYPE or type(mtime) is not property:
        return

    def watched(function):  # type: ignore[no-untyped-def]
        def call(self):  # type: ignore[no-untyped-def]
            tell("L", "1")
            try:
                return function(self)
            finally:
                tell("L", "")

        return call

    put(fast_path, "children", watched(children))  # type: ignore[no-untyped-call]
    put(fast_path, "mtime", property(watched(mtime.fget)))  # type: ignore[no-untyped-call]


def _watch_genericpath(tell, undo) -> None:  # type: ignore[no-untyped-def]
    """`os.path.exists` and its like ask only whether, and of what kind."""
    for module, names in (
        ("genericpath", "exists isfile isdir"),
        ("posixpath", "realpath islink lexists"),
    ):
        namespace = getattr(sys.modules.get(module), "__dict__", {})
        for name in names.split():
            if type(namespace.get(name)) is FUNCTION_TYPE:
                _exchange_code(namespace, name, tell, undo)


def _exchange_code(namespace, name: str, tell, undo) -> None:  # type: ignore[no-untyped-def]
    """Put a telling body into a function. The function stays: `from os.path import exists` has it too."""
    function = namespace[name]
    before = function.__code__
    genuine = type(function)(before, namespace, name, function.__defaults__)
    genuine.__kwdefaults__ = function.__kwdefaults__
    first, *more = before.co_varnames[: before.co_argcount + before.co_kwonlyargcount]
    keywords = ", *, " + ", ".join(more) if more else ""
    passed = "".join(f", {word}={word}" for word in more)
    source = (
        f"def {name}({first}{keywords}):\n"
        f"    _entrepot_tell('u', '')\n"
        f"    try:\n        return _entrepot_{name}({first}{passed})\n"
        f"    finally:\n        _entrepot_tell('v', '')\n"
    )
    space: dict[str, object] = {}
    exec(compile(source, before.co_filename, "exec"), space)
    namespace["_entrepot_tell"] = tell
    namespace[f"_entrepot_{name}"] = genuine
    function.__code__ = space[name].__code__  # type: ignore[attr-defined]

    def give_back() -> None:
        function.__code__ = before
        namespace.pop(f"_entrepot_{name}", None)
        namespace.pop("_entrepot_tell", None)

    undo.append(give_back)
