"""Pickling what is of a system, from inside the system and from the host.

A pickle names classes and functions: "module, qualified name". The pickler in C looks them up in
the interpreter's cache, whoever calls it, and imports into it what is missing.

Inside a system, `pickle` is a view (`make_view`). `dumps` is the C pickler as long as it meets nothing of
the system's own; then the pickler in Python does it, which asks the system. The bytes are those that
plain Python makes. `loads` is the C unpickler with the system's `find_class`.

In the host, a pickle of a system's class has to say which system. While systems have modules, the
host's `pickle.dump` and `dumps` write a reference to the system (`owners.get_global`) in the place of
such a class. Any unpickler of the process can read that.
"""

import sys
from _io import BytesIO as _BytesIO

from entrepot.core import frames, owners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from entrepot.core.system import System

_function: "Any" = type(lambda: None)
_builtin_function: "Any" = type(len)
# What a pickle has by name.
_GLOBALS = (type, _function, _builtin_function)
_before: "dict[str, Any]" = {}
_ours: "dict[str, Any]" = {}


def attach() -> None:
    """Put our `dump` and `dumps` into the host's `pickle`, if it has been imported."""
    pickle = sys.modules.get("pickle")
    if pickle is None or _before:
        return
    namespace: Any = pickle.__dict__
    if "dumps" not in namespace or isinstance(namespace["dumps"], _function):
        # Still being imported, or without its C half.
        return
    _before.update(dump=namespace["dump"], dumps=namespace["dumps"])
    _ours.update(_make_host_functions(namespace))
    namespace.update(_ours)


def detach() -> None:
    """Give the host's `pickle` its own functions back."""
    namespace: Any = getattr(sys.modules.get("pickle"), "__dict__", {})
    for name, function in _before.items():
        if namespace.get(name) is _ours[name]:
            namespace[name] = function
    _before.clear()
    _ours.clear()


def _make_host_functions(pickle: "dict[str, Any]") -> "dict[str, Any]":
    pickler = _make_pickler(pickle)

    def dumps(
        obj: object, protocol: "int | None" = None, *, fix_imports: bool = True, buffer_callback: "Any" = None
    ) -> bytes:
        file = _BytesIO()
        pickler(file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback).dump(obj)
        return file.getvalue()

    def dump(
        obj: object,
        file: "Any",
        protocol: "int | None" = None,
        *,
        fix_imports: bool = True,
        buffer_callback: "Any" = None,
    ) -> None:
        pickler(file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback).dump(obj)

    for made in (dump, dumps):
        made.__doc__ = pickle[made.__name__].__doc__
        made.__module__ = "_pickle"
        made.__qualname__ = made.__name__
    return {"dump": dump, "dumps": dumps}


def _make_pickler(pickle: "dict[str, Any]") -> "Any":
    """Return a subclass of the C pickler that refers to systems."""
    base: Any = pickle["Pickler"]

    class Pickler(base):  # type: ignore[misc]
        def reducer_override(self, obj: "Any") -> "Any":
            """Return what stands for a class or function of a system."""
            if isinstance(obj, _GLOBALS):
                return _refer(obj, obj.__qualname__)
            kind = type(obj)
            if owners.find_owner(getattr(kind, "__module__", None)) is not None:
                reduced = obj.__reduce_ex__(4)
                # A text is the name of a global that is this very object.
                return _refer(obj, reduced) if isinstance(reduced, str) else NotImplemented
            return NotImplemented

    return Pickler


def _refer(thing: "Any", qualname: str) -> "Any":
    home = owners.find_home(thing, qualname)
    if home is None or owners.follow(sys.modules.get(home[1]), qualname) is thing:
        return NotImplemented
    system, module = home
    return owners.get_global, (owners.get_number(system), module, qualname)


def make_view(system: "System", view: "Any") -> None:
    """Make a copy of `pickle` one that looks names up in a system.

    `_Pickler` and `_Unpickler`, and what is made of them, get the copy's namespace; its builtins and its
    `sys` are the system's.
    """
    namespace = view.__dict__
    namespace["sys"] = system._importer.get_own("sys")
    for name in ("_Pickler", "_Unpickler"):
        own = namespace[name] = _rebuild_class(namespace[name], namespace)
        # Their dispatch tables hold functions too.
        own.dispatch = {
            key: getattr(own, value.__name__, value) if isinstance(value, _function) else value
            for key, value in own.dispatch.items()
        }
    for name in ("whichmodule", "_dump", "_dumps", "_load", "_loads"):
        namespace[name] = rebuild(namespace[name], namespace)
    for name in ("dump", "dumps", "load", "loads"):
        namespace[name] = namespace["_" + name]
    namespace["Pickler"] = namespace["_Pickler"]
    namespace["Unpickler"] = namespace["_Unpickler"]
    c_pickler = getattr(sys.modules.get("_pickle"), "Pickler", None)
    if c_pickler is not None:
        namespace.update(_make_fast_functions(system, namespace))


class _IsOfSystem(Exception):
    """A class of a system was met, of which the C pickler cannot write the name."""


def _make_fast_functions(system: "System", namespace: "dict[str, Any]") -> "dict[str, Any]":
    """Return the functions and the unpickler that do with the C half what it can do."""
    c_half: Any = sys.modules["_pickle"]
    slow_dumps = namespace["_dumps"]

    class FastPickler(c_half.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: "Any") -> "Any":
            """Give up where the C pickler would ask the host for what is the system's."""
            thing = obj if isinstance(obj, _GLOBALS) else type(obj)
            name = getattr(thing, "__module__", None)
            if name is not None and system.modules.get(name) is not sys.modules.get(name):
                raise _IsOfSystem
            return NotImplemented

    def dumps(
        obj: object, protocol: "int | None" = None, *, fix_imports: bool = True, buffer_callback: "Any" = None
    ) -> bytes:
        if buffer_callback is None:
            try:
                file = _BytesIO()
                FastPickler(file, protocol, fix_imports=fix_imports).dump(obj)
                return file.getvalue()
            except _IsOfSystem:
                pass
        return slow_dumps(  # type: ignore[no-any-return]
            obj, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback
        )

    class Unpickler(c_half.Unpickler):  # type: ignore[misc]
        def __init__(self, file: "Any", *, fix_imports: bool = True, **options: "Any") -> None:
            super().__init__(file, fix_imports=fix_imports, **options)
            self._fixes_imports = fix_imports

        def find_class(self, module: str, name: str) -> "Any":
            """Return a class or function of a system's module."""
            sys.audit("pickle.find_class", module, name)
            try:
                found = system.import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module or not self._fixes_imports:
                    raise
                # A name of Python 2.
                module, name = _find_new_name(module, name)
                found = system.import_module(module)
            for part in name.split("."):
                try:
                    found = getattr(found, part)
                except AttributeError:
                    where = system.modules[module]
                    raise AttributeError(f"Can't get attribute {name!r} on {where!r}") from None
            return found

    def loads(data: "Any", /, **options: "Any") -> "Any":
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        return Unpickler(_BytesIO(data), **options).load()

    def load(file: "Any", **options: "Any") -> "Any":
        return Unpickler(file, **options).load()

    for made in (dumps, loads, load, Unpickler):
        made.__module__ = "_pickle"
        made.__qualname__ = made.__name__
        made.__doc__ = getattr(c_half, made.__name__).__doc__
    return {"dumps": dumps, "loads": loads, "load": load, "Unpickler": Unpickler}


def _find_new_name(module: str, name: str) -> "tuple[str, str]":
    import _compat_pickle

    pair = _compat_pickle.NAME_MAPPING.get((module, name))
    return pair or (_compat_pickle.IMPORT_MAPPING.get(module, module), name)


def rebuild(function: "FunctionType", namespace: "dict[str, Any]") -> "Any":
    """Return a function like another that looks its global names up elsewhere."""
    made = _function(
        function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__
    )
    for attribute in ("__kwdefaults__", "__qualname__", "__doc__", "__annotations__", "__module__"):
        setattr(made, attribute, getattr(function, attribute))
    made.__dict__.update(function.__dict__)
    return made


def _rebuild_class(original: type, namespace: "dict[str, Any]") -> "Any":
    members = {
        key: rebuild(value, namespace) if isinstance(value, _function) else value
        for key, value in vars(original).items()
        if key not in ("__dict__", "__weakref__")
    }
    return type(original.__name__, original.__bases__, members)


frames.disguise()
