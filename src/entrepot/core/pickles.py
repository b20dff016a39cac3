"""Pickling what is of a system, from inside the system and from the host.

A pickle names classes and functions: "module, qualified name". The pickler in C looks them up in
the interpreter's `sys.modules`, whoever calls it.

Inside a system, `pickle` is a view (`make_view`). `dumps` lets the C pickler try, and where a class is
the system's, the pickler in Python does it, which asks the system; the bytes are those that plain
Python makes. `loads` is the C unpickler with the system's `find_class`.

In the host, a pickle of a system's class has to say which system. While systems have modules, the
host's `pickle.dump` and `dumps` let the C pickler try as ever; where it cannot, because a class is a
system's, they write a reference to the system (`owners.get_global`) in its place. Any unpickler of the
process can read that.
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
    c_dumps = _with_import(_call, _import_of_host)
    plain_dumps, error_type, own_pickler = pickle["dumps"], pickle["PicklingError"], _make_pickler(pickle)

    def dumps(
        obj: object, protocol: "int | None" = None, *, fix_imports: bool = True, buffer_callback: "Any" = None
    ) -> bytes:
        if buffer_callback is None:
            try:
                return c_dumps(plain_dumps, obj, protocol, fix_imports=fix_imports)  # type: ignore[no-any-return]
            except (error_type, AttributeError):
                # 3.11 to 3.13 differ in which, where a class is not to be found.
                pass
        file = _BytesIO()
        own_pickler(file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback).dump(obj)
        return file.getvalue()

    def dump(
        obj: object,
        file: "Any",
        protocol: "int | None" = None,
        *,
        fix_imports: bool = True,
        buffer_callback: "Any" = None,
    ) -> None:
        if buffer_callback is not None:
            own_pickler(file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback).dump(obj)
        else:
            file.write(dumps(obj, protocol, fix_imports=fix_imports))

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
            if isinstance(obj, (type, _function, _builtin_function)):
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
    return owners.get_global, (system._number, module, qualname)


def _import_of_host(name: str, *rest: object) -> "Any":
    """Refuse to look a system's module up in the host, which might import another of that name."""
    if owners.find_owner(name) is not None:
        raise ImportError(f"{name} is a system's module", name=name)
    return __import__(name, *rest)  # type: ignore[arg-type]


def make_view(system: "System", view: "Any") -> None:
    """Make a copy of `pickle` one that looks names up in a system.

    `_Pickler` and `_Unpickler`, and what is made of them, get the copy's namespace; its builtins and its
    `sys` are the system's.
    """
    namespace = view.__dict__
    namespace["sys"] = system._get_own("sys")
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


def _make_fast_functions(system: "System", namespace: "dict[str, Any]") -> "dict[str, Any]":
    """Return the functions and the unpickler that do with the C half what it can do."""
    c_half: Any = sys.modules["_pickle"]
    slow_dumps = namespace["_dumps"]

    def import_in_host(name: str, *rest: object) -> "Any":
        if system.modules.get(name, system) is not sys.modules.get(name):
            raise ImportError(f"{name} is not what it is in the host", name=name)
        return __import__(name, *rest)  # type: ignore[arg-type]

    c_dumps = _with_import(_call, import_in_host)

    def dumps(
        obj: object, protocol: "int | None" = None, *, fix_imports: bool = True, buffer_callback: "Any" = None
    ) -> bytes:
        if buffer_callback is None:
            try:
                return c_dumps(c_half.dumps, obj, protocol, fix_imports=fix_imports)  # type: ignore[no-any-return]
            except (c_half.PicklingError, AttributeError):
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


def _call(function: "Any", *args: object, **kwargs: object) -> "Any":
    return function(*args, **kwargs)


def _with_import(function: "Any", import_: "Any") -> "Any":
    """Return a function such that C code which it calls imports by another `__import__`."""
    builtins = {**sys.modules["builtins"].__dict__, "__import__": import_}
    return _function(function.__code__, {"__builtins__": builtins}, function.__name__)


frames.disguise()
