"""Module specs: what a finder says of a module, and a module made from it.

PEP 451 and the language reference, 5.5 (module spec, import-related module attributes).
A spec's fields are those of `importlib.machinery.ModuleSpec`; the C parts of the interpreter read
`_initializing` and `_uninitialized_submodules` to say "partially initialized module".
"""

import sys

from entrepot.core import bytecode, frames, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if TYPE_CHECKING:
    import types

    class Module(types.ModuleType):
        """`types.ModuleType`, without importing `types`."""
else:
    Module = type(sys)
_UNSET: "Any" = object()


class ModuleSpec:
    """What is known of a module before it is loaded (PEP 451).

    Attributes:
        name: str, absolute.
        loader: the object that makes and runs the module; None for a namespace package.
        origin: str or None, where the loader takes it from ("built-in", "frozen", a path).
        submodule_search_locations: a list of path entries if the module is a package, else None.
        loader_state: anything that finder and loader share.
        cached: str or None, the bytecode file.
        parent: str, the package that relative imports start from; "" at the top.
        has_location: bool, whether `origin` is a place that becomes `__file__`.
    """

    def __init__(
        self,
        name: str,
        loader: "Any",
        *,
        origin: "Any" = None,
        loader_state: "Any" = None,
        is_package: "bool | None" = None,
    ) -> None:
        self.name = name
        self.loader = loader
        self.origin = origin
        self.loader_state = loader_state
        self.submodule_search_locations: Any = [] if is_package else None
        self._uninitialized_submodules: list[str] = []
        self._set_fileattr = False
        self._cached: str | None = None

    def __repr__(self) -> str:
        fields = [f"name={self.name!r}", f"loader={self.loader!r}"]
        if self.origin is not None:
            fields.append(f"origin={self.origin!r}")
        if self.submodule_search_locations is not None:
            fields.append(f"submodule_search_locations={self.submodule_search_locations}")
        return f"{self.__class__.__name__}({', '.join(fields)})"

    def __eq__(self, other: "Any") -> bool:
        try:
            return bool(
                self.name == other.name
                and self.loader == other.loader
                and self.origin == other.origin
                and self.submodule_search_locations == other.submodule_search_locations
                and self.cached == other.cached
                and self.has_location == other.has_location
            )
        except AttributeError:
            return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # specs are mutable, as importlib's

    @property
    def cached(self) -> "str | None":
        if self._cached is None and self.origin is not None and self._set_fileattr:
            self._cached = bytecode.find_cached(self.origin)
        return self._cached

    @cached.setter
    def cached(self, cached: "str | None") -> None:
        self._cached = cached

    @property
    def parent(self) -> str:
        return self.name.rpartition(".")[0] if self.submodule_search_locations is None else self.name

    @property
    def has_location(self) -> bool:
        return self._set_fileattr

    @has_location.setter
    def has_location(self, value: object) -> None:
        self._set_fileattr = bool(value)


def spec_from_loader(
    name: str, loader: "Any", *, origin: "str | None" = None, is_package: "bool | None" = None
) -> "ModuleSpec | None":
    """Return a spec made from what a loader says of itself.

    A loader with `get_filename` has a location; `is_package` is asked where it is not given.
    """
    if origin is None:
        origin = getattr(loader, "_ORIGIN", None)
    if not origin and hasattr(loader, "get_filename"):
        if is_package is None:
            return spec_from_file_location(name, loader=loader)
        return spec_from_file_location(
            name, loader=loader, submodule_search_locations=[] if is_package else None
        )
    if is_package is None:
        is_package = False
        if hasattr(loader, "is_package"):
            try:
                is_package = loader.is_package(name)
            except ImportError:
                is_package = None
    return ModuleSpec(name, loader, origin=origin, is_package=is_package)


def spec_from_file_location(
    name: str, location: "Any" = None, *, loader: "Any" = None, submodule_search_locations: "Any" = _UNSET
) -> "ModuleSpec | None":
    """Return a spec for a file; None where no loader is given and its suffix names none.

    `submodule_search_locations` is found out from the loader unless given; an empty list
    becomes the file's folder. The file need not exist.
    """
    if location is None:
        location = "<unknown>"
        if hasattr(loader, "get_filename"):
            try:
                location = loader.get_filename(name)
            except ImportError:
                pass
    else:
        location = paths.posix.fspath(location)
        try:
            location = paths.make_absolute(location)
        except OSError:
            pass
    spec = ModuleSpec(name, loader, origin=location)
    spec._set_fileattr = True
    if loader is None:
        from entrepot.core.loaders import find_loader_class

        loader_class = find_loader_class(location)
        if loader_class is None:
            return None
        loader = spec.loader = loader_class(name, location)
    if submodule_search_locations is not _UNSET:
        spec.submodule_search_locations = submodule_search_locations
    elif hasattr(loader, "is_package"):
        try:
            if loader.is_package(name):
                spec.submodule_search_locations = []
        except ImportError:
            pass
    if spec.submodule_search_locations == [] and location:
        spec.submodule_search_locations.append(paths.split(location)[0])
    return spec


def spec_from_module(module: "Any", loader: "Any" = None, origin: "str | None" = None) -> "Any":
    """Return a module's spec, made from its attributes where it has none."""
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return spec
    if loader is None:
        loader = getattr(module, "__loader__", None)
    location = getattr(module, "__file__", None)
    if origin is None:
        origin = getattr(loader, "_ORIGIN", None) or location
    spec = ModuleSpec(module.__name__, loader, origin=origin)
    spec._set_fileattr = location is not None and origin == location
    spec.cached = getattr(module, "__cached__", None)
    locations = getattr(module, "__path__", None)
    spec.submodule_search_locations = None if locations is None else list(locations)
    return spec


def make_module(spec: "Any") -> "Any":
    """Create a module, empty but for its import-related attributes (language reference 5.4).

    Raises:
        ImportError: the loader can run modules but not make them.
    """
    module = None
    if hasattr(spec.loader, "create_module"):
        module = spec.loader.create_module(spec)
    elif hasattr(spec.loader, "exec_module"):
        raise ImportError("loaders that define exec_module() must also define create_module()")
    if module is None:
        module = Module(spec.name)
    return set_attributes(spec, module)


def set_attributes(spec: "Any", module: "Any", *, override: bool = False) -> "Any":
    """Set `__name__`, `__loader__`, `__package__`, `__spec__`, `__path__`, `__file__`, `__cached__`.

    What the loader has set stays, unless `override` (a reload). A module that refuses an
    attribute goes without it.
    """
    if type(module) is Module:
        return _set_in_dict(spec, module, module.__dict__, override)

    def put(name: str, value: object) -> None:
        try:
            setattr(module, name, value)
        except AttributeError:
            pass

    def is_missing(name: str) -> bool:
        return override or getattr(module, name, None) is None

    if is_missing("__name__"):
        put("__name__", spec.name)
    if is_missing("__loader__"):
        if spec.loader is None and spec.submodule_search_locations is not None:
            _give_namespace_loader(spec)
            # A namespace package that was something with a file before (a reload) has none now.
            module.__file__ = None
        put("__loader__", spec.loader)
    if is_missing("__package__"):
        put("__package__", spec.parent)
    put("__spec__", spec)
    if is_missing("__path__") and spec.submodule_search_locations is not None:
        put("__path__", spec.submodule_search_locations)
    if spec.has_location:
        if is_missing("__file__"):
            put("__file__", spec.origin)
        if is_missing("__cached__") and spec.cached is not None:
            put("__cached__", spec.cached)
    return module


def _set_in_dict(spec: "Any", module: "Any", into: "dict[str, Any]", override: bool) -> "Any":
    """`set_attributes` for a plain module, which is nearly every one: straight into its dict."""
    get = into.get
    if override or get("__name__") is None:
        into["__name__"] = spec.name
    if override or get("__loader__") is None:
        if spec.loader is None and spec.submodule_search_locations is not None:
            _give_namespace_loader(spec)
            into["__file__"] = None
        into["__loader__"] = spec.loader
    if override or get("__package__") is None:
        into["__package__"] = spec.parent
    into["__spec__"] = spec
    if spec.submodule_search_locations is not None and (override or get("__path__") is None):
        into["__path__"] = spec.submodule_search_locations
    if spec.has_location:
        if override or get("__file__") is None:
            into["__file__"] = spec.origin
        if override or get("__cached__") is None:
            cached = spec.cached
            if cached is not None:
                into["__cached__"] = cached
    return module


def _give_namespace_loader(spec: "Any") -> None:
    from entrepot.core.namespace import NamespaceLoader

    loader = NamespaceLoader.__new__(NamespaceLoader)
    loader._path = spec.submodule_search_locations
    spec.loader = loader


def describe_module(module: "Any") -> str:
    """Return a module's repr, from its spec where it has one."""
    spec = getattr(module, "__spec__", None)
    if spec:
        return describe_spec(spec)
    loader: Any = getattr(module, "__loader__", None)
    if sys.version_info < (3, 12) and hasattr(loader, "module_repr"):
        try:
            return str(loader.module_repr(module))
        except Exception:
            # A repr never fails.
            pass
    name = getattr(module, "__name__", "?")
    if hasattr(module, "__file__"):
        return f"<module {name!r} from {module.__file__!r}>"
    return f"<module {name!r}>" if loader is None else f"<module {name!r} ({loader!r})>"


def describe_spec(spec: "Any") -> str:
    """Return the repr of the module that a spec describes."""
    name = "?" if spec.name is None else spec.name
    if spec.origin is not None:
        if spec.has_location:
            return f"<module {name!r} from {spec.origin!r}>"
        return f"<module {spec.name!r} ({spec.origin})>"
    loader = spec.loader
    if loader is None:
        return f"<module {name!r}>"
    if sys.version_info >= (3, 12):
        from entrepot.core.namespace import NamespaceLoader

        if isinstance(loader, NamespaceLoader):
            return f"<module {name!r} (namespace) from {list(loader._path)}>"
    return f"<module {name!r} ({loader!r})>"


def name_of(thing: object) -> str:
    """Return the name by which warnings speak of a finder or loader."""
    try:
        return thing.__qualname__  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        return type(thing).__qualname__


def warn_fallback(thing: object, missing: str, instead: str) -> None:
    """Say that a finder or loader without the modern method is used by an older one."""
    text = f"{name_of(thing)}.{missing}() not found; falling back to {instead}()"
    frames.warn(text, ImportWarning)


frames.disguise()
