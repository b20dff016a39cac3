"""A system's own view of the standard modules that look names up in the module cache.

A system shares the standard library with the host. But `sys.modules`, `importlib.import_module`,
`typing.get_type_hints` or `pickle.loads` must mean the system's cache where its modules use them.
So a system has its own

    builtins      a copy, with the system's `__import__`
    sys           the interpreter's, but for the import system's state
    importlib     bound to the system (importlib.util and importlib.machinery too)

and of some others a *view*: the same module, the same classes, but with those functions that
lead to `sys.modules` made again over the system's `sys`. What `importlib.metadata`,
`importlib.resources`, `pkgutil` and `runpy` keep is about modules, so these are run once more.
"""

import builtins
import sys

from entrepot.core import frames, statement
from entrepot.core.spec import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

    from entrepot.core.system import System

VIEWED = frozenset(["copyreg", "dataclasses", "enum", "functools", "inspect", "pickle", "typing"])
OWN = frozenset(["builtins", "sys", "importlib", "importlib.util", "importlib.machinery"])
# Run by the system itself. Their own parts (importlib.metadata._meta, ...) come with them.
RUN_AGAIN = ("importlib.metadata", "importlib.resources", "importlib.readers", "pkgutil", "runpy")

STATE = ("modules", "path", "meta_path", "path_hooks", "path_importer_cache")
_function: "Any" = type(lambda: None)
_code: "Any" = type((lambda: None).__code__)


def is_run_again(name: str) -> bool:
    """Whether a system runs a standard module itself instead of sharing it."""
    return name.startswith(RUN_AGAIN) and any(name == own or name.startswith(own + ".") for own in RUN_AGAIN)


def make_own(system: "System", name: str) -> "Any":
    """Return the system's own module of a name in `OWN` or `VIEWED`."""
    if name == "builtins":
        return _make_builtins(system)
    if name == "sys":
        return type.__call__(SystemSys, system)
    if name.startswith("importlib"):
        return _make_importlib(system, name)
    return _make_view(system, name)


class _TypeOfSys(type):
    """Lets the type of a system's `sys` pass for `types.ModuleType`, as `type(sys)` does elsewhere.

    `type(sys)("name")` makes a module, and every module is an instance; only `is` tells them apart.
    """

    def __call__(cls, *args: "Any", **kwargs: "Any") -> "Any":
        return Module(*args, **kwargs)

    def __instancecheck__(cls, thing: object) -> bool:
        return isinstance(thing, Module)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, Module)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is Module

    def __hash__(cls) -> int:
        return hash(Module)

    def __repr__(cls) -> str:
        return repr(Module)


class SystemSys(Module, metaclass=_TypeOfSys):
    """A system's `sys`: the import system's state is the system's, all else the interpreter's."""

    def __init__(self, system: "System") -> None:
        super().__init__("sys", sys.__doc__)
        own = self.__dict__
        own["__spec__"] = sys.__spec__
        own["__loader__"] = sys.__loader__
        own["_system_"] = system

    def __getattr__(self, name: str) -> "Any":
        if name in STATE:
            return getattr(self.__dict__["_system_"], name)
        return getattr(sys, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in STATE:
            setattr(self.__dict__["_system_"], name, value)
        else:
            setattr(sys, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(sys, name)

    def __dir__(self) -> "list[str]":
        return dir(sys)


def _make_builtins(system: "System") -> "Any":
    module = Module("builtins", builtins.__doc__)
    module.__dict__.update(builtins.__dict__)
    module.__dict__["__import__"] = statement.make_statement(system._importer)
    return module


def _copy_of(system: "System", name: str) -> "Any":
    """Return a copy of a host's module whose functions' imports resolve in the system."""
    original = system._import_from_host(name)
    module = Module(name)
    module.__dict__.update(original.__dict__)
    module.__dict__["__builtins__"] = system.builtins
    return module


def _make_importlib(system: "System", name: str) -> "Any":
    from entrepot.core.names import resolve_relative

    importer = system._importer
    module = _copy_of(system, name)
    own: dict[str, Any] = {}
    if name == "importlib":
        own["sys"] = system._get_own("sys")
        own["_bootstrap"] = _make_bootstrap(system)
        own["_RELOADING"] = {}
        for function in ("import_module", "reload", "invalidate_caches", "find_loader"):
            if function in module.__dict__:
                own[function] = _rebuild(module.__dict__[function], module.__dict__)
        own["__import__"] = system.builtins["__import__"]
        own["util"] = system._get_own("importlib.util")
        own["machinery"] = system._get_own("importlib.machinery")
        for child in ("metadata", "resources", "readers"):
            module.__dict__.pop(child, None)
    elif name == "importlib.util":
        own["sys"] = system._get_own("sys")
        own["_find_spec"] = importer.find_spec
        own["_resolve_name"] = resolve_relative
        for function in ("find_spec", "_find_spec_from_path"):
            own[function] = _rebuild(module.__dict__[function], module.__dict__)
        own["LazyLoader"] = _lazy_loader_of(system)
    else:
        own["PathFinder"] = system._path_finder
    module.__dict__.update(own)
    return module


def _make_bootstrap(system: "System") -> "Any":
    """Return what the functions of `importlib` itself stand on, by the names that they use."""
    importer = system._importer
    module = Module("importlib._bootstrap")
    module.__dict__.update(
        _gcd_import=frames.without_frame(importer.import_by_name, "Import a module by name."),
        _find_spec=frames.without_frame(importer.find_spec, "Find a module's spec."),
        _exec=frames.without_frame(importer.run_again, "Run a module once more."),
    )
    return module


def _lazy_loader_of(system: "System") -> "Any":
    from entrepot.core.lazy import LazyLoader

    class SystemLazyLoader(LazyLoader):
        """A lazy loader over the system's cache."""

        def __init__(self, loader: "Any") -> None:
            super().__init__(loader, system.modules)

    SystemLazyLoader.__name__ = SystemLazyLoader.__qualname__ = "LazyLoader"
    return SystemLazyLoader


def _make_view(system: "System", name: str) -> "Any":
    """Return a view: a module in which every way to `sys.modules` leads to the system's."""
    view = _copy_of(system, name)
    namespace = view.__dict__
    functions = {
        key: value
        for key, value in namespace.items()
        if isinstance(value, _function) and value.__module__ == name and value.__name__ == key
    }
    for key in _find_leading_to_modules(functions):
        namespace[key] = _rebuild(functions[key], namespace)
    namespace["sys"] = system._get_own("sys")
    if name == "pickle":
        _use_own_picklers(view)
    return view


def _find_leading_to_modules(functions: "dict[str, FunctionType]") -> "set[str]":
    """Return the functions that use `sys.modules` or import by name, and those that call them."""
    used = {name: _names_in(function.__code__) for name, function in functions.items()}
    found = {
        name
        for name, names in used.items()
        if {"sys", "modules"} <= names or {"__import__", "importlib"} & names
    }
    while True:
        more = {name for name, names in used.items() if names & found} - found
        if not more:
            return found
        found |= more


def _names_in(code: "CodeType") -> "set[str]":
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, _code):
            names |= _names_in(constant)
    return names


def _rebuild(function: "FunctionType", namespace: "dict[str, Any]") -> "Any":
    """Return a function like another that looks its global names up elsewhere."""
    made = _function(
        function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__
    )
    for attribute in ("__kwdefaults__", "__qualname__", "__doc__", "__annotations__", "__module__"):
        setattr(made, attribute, getattr(function, attribute))
    made.__dict__.update(function.__dict__)
    return made


def _rebuild_class(original: type, namespace: "dict[str, Any]") -> type:
    members = {
        key: _rebuild(value, namespace) if isinstance(value, _function) else value
        for key, value in vars(original).items()
        if key not in ("__dict__", "__weakref__")
    }
    return type(original.__name__, original.__bases__, members)


def _use_own_picklers(view: "Any") -> None:
    """Make a view of `pickle` use its Python pickler: the C one asks the interpreter's cache."""
    namespace = view.__dict__
    for name in ("_Pickler", "_Unpickler"):
        namespace[name] = _rebuild_class(namespace[name], namespace)
    # Their dispatch tables hold functions too.
    for name in ("_Pickler", "_Unpickler"):
        own = namespace[name]
        own.dispatch = {
            key: getattr(own, value.__name__, value) if isinstance(value, _function) else value
            for key, value in own.dispatch.items()
        }
    namespace["whichmodule"] = _rebuild(namespace["whichmodule"], namespace)
    for name in ("_dump", "_dumps", "_load", "_loads"):
        namespace[name] = _rebuild(namespace[name], namespace)
        namespace[name[1:]] = namespace[name]
    namespace["Pickler"] = namespace["_Pickler"]
    namespace["Unpickler"] = namespace["_Unpickler"]


frames.disguise()
