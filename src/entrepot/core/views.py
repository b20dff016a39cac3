"""A system's own view of the standard modules that find modules by name.

A system shares the standard library with the host. But `sys.modules`, `importlib.import_module` or
`pickle.loads` must mean the system's cache where its modules use them. So a system has its own

    builtins      a copy, with the system's `__import__`
    sys           the interpreter's, but for the import system's state
    importlib     bound to the system (importlib.util and importlib.machinery too)
    logging       the interpreter's, but for `logging.config`; and so with `unittest.mock`
    pickle        the same classes of errors, but picklers that look names up in the system (`pickles`)

and a few modules that import what they are told by name (`RUN_AGAIN`) it runs once more for itself.
Those that go by `cls.__module__` are shared: they find out whose a class is (`reflection`).
"""

import builtins
import sys

from entrepot.core import frames, pickles, statement
from entrepot.core.spec import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.core.system import System

# Whatever is shared: without these no module's imports would be the system's.
ALWAYS_OWN = frozenset(
    ["builtins", "sys", "importlib", "importlib._bootstrap", "importlib.machinery", "importlib.util"]
)
OWN = ALWAYS_OWN | {"logging", "pickle", "unittest"}
# Run by the system itself. Their own parts (importlib.metadata._meta, ...) come with them.
# distutils, because setuptools puts its own in the host's place of it.
RUN_AGAIN = (
    "distutils",
    "gettext",
    "importlib.metadata",
    "importlib.readers",
    "importlib.resources",
    "logging.config",
    "pkgutil",
    "pydoc",
    "runpy",
    "shelve",
    "unittest.mock",
)
# Their packages are the system's only in that these are their submodules.
PARENTS = frozenset(["logging", "unittest"])

STATE = ("modules", "path", "meta_path", "path_hooks", "path_importer_cache")


def is_run_again(name: str) -> bool:
    """Whether a system runs a standard module itself instead of sharing it."""
    return name.startswith(RUN_AGAIN) and any(name == own or name.startswith(own + ".") for own in RUN_AGAIN)


def make_own(system: "System", name: str) -> "Any":
    """Return the system's own module of a name in `OWN`."""
    if name == "builtins":
        return _make_builtins(system)
    if name == "sys":
        return type.__call__(SystemSys, system)
    if name == "importlib._bootstrap":
        return _make_bootstrap(system)
    if name.startswith("importlib"):
        return _make_importlib(system, name)
    if name in PARENTS:
        return Forwarding(system._import_from_host(name))
    return _make_pickle(system)


class Forwarding(Module):
    """A system's own module object for a module of the host: what is not its own, it passes on."""

    def __init__(self, original: "Any") -> None:
        super().__init__(original.__name__, original.__doc__)
        own = self.__dict__
        own["_original_"] = original
        for name in ("__spec__", "__loader__", "__package__", "__path__", "__file__", "__cached__"):
            if hasattr(original, name):
                own[name] = getattr(original, name)

    def __getattr__(self, name: str) -> "Any":
        return getattr(self.__dict__["_original_"], name)

    def __setattr__(self, name: str, value: object) -> None:
        if f"{self.__name__}.{name}" in RUN_AGAIN:
            # A submodule that the system runs itself.
            self.__dict__[name] = value
        else:
            setattr(self.__dict__["_original_"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__dict__["_original_"], name)

    def __dir__(self) -> "list[str]":
        return dir(self.__dict__["_original_"])


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


class SystemSys(Forwarding, metaclass=_TypeOfSys):
    """A system's `sys`: the import system's state is the system's, all else the interpreter's."""

    def __init__(self, system: "System") -> None:
        super().__init__(sys)
        self.__dict__["_system_"] = system

    def __getattr__(self, name: str) -> "Any":
        return getattr(self.__dict__["_system_"] if name in STATE else sys, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["_system_"] if name in STATE else sys, name, value)


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
        own["sys"] = system._importer.get_own("sys")
        own["_bootstrap"] = system._importer.get_own("importlib._bootstrap")
        own["_RELOADING"] = {}
        for function in ("import_module", "reload", "invalidate_caches", "find_loader"):
            if function in module.__dict__:
                own[function] = pickles.rebuild(module.__dict__[function], module.__dict__)
        own["__import__"] = system.builtins["__import__"]
        own["util"] = system._importer.get_own("importlib.util")
        own["machinery"] = system._importer.get_own("importlib.machinery")
        for child in ("metadata", "resources", "readers"):
            module.__dict__.pop(child, None)
    elif name == "importlib.util":
        own["sys"] = system._importer.get_own("sys")
        own["_find_spec"] = importer.find_spec
        own["_resolve_name"] = resolve_relative
        for function in ("find_spec", "_find_spec_from_path"):
            own[function] = pickles.rebuild(module.__dict__[function], module.__dict__)
        own["find_spec"] = _make_find_spec(importer, own["find_spec"])
        own["LazyLoader"] = _lazy_loader_of(system)
    else:
        own["PathFinder"] = system._path_finder
    module.__dict__.update(own)
    return module


def _make_find_spec(importer: "Any", look_up: "Any") -> "Any":
    """Return `importlib.util.find_spec` that knows what the system would take from the host's cache."""
    from entrepot.core.names import resolve_relative, split_dots

    def find_spec(name: str, package: "str | None" = None) -> "Any":
        if isinstance(name, str):
            bare, level = split_dots(name)
            if not level or package:
                importer.take_from_host(resolve_relative(bare, package, level) if level and package else name)
        return look_up(name, package)

    find_spec.__doc__ = look_up.__doc__
    return find_spec


def _make_bootstrap(system: "System") -> "Any":
    """Return what the functions of `importlib` itself stand on, by the names that they use."""
    importer = system._importer
    module = Module("importlib._bootstrap")
    module.__dict__.update(sys.modules["_frozen_importlib"].__dict__)
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


def _make_pickle(system: "System") -> "Any":
    view = _copy_of(system, "pickle")
    pickles.make_view(system, view)
    return view


frames.disguise()
