"""A module system of its own: a search path, finders, and a module cache.

    system = System(path=["plugins/a"])
    cart = system.import_module("shop.cart")     # in system.modules, not in sys.modules

Modules of a system get the system's builtins, so each of their import statements, also one
that runs years later in a function, asks the system. What is shared with the host (by default
the standard library) is one module object for both. `installed()` makes a system the
interpreter's own for a while.
"""

import _imp
import sys

from entrepot.core import adopt, events, finders, frames, loaders, paths, statement
from entrepot.core.archives import ZipImporter
from entrepot.core.install import Installation
from entrepot.core.interpreter import BuiltinImporter, FrozenImporter
from entrepot.core.locks import ModuleLocks
from entrepot.core.modules import find_importer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from entrepot.core.detached import DetachedImporter

STANDARD_LIBRARY = "stdlib"
EXTENSIONS = "extensions"
# There is one program and one entrepot in a process.
ALWAYS_SHARED = ("__main__", "entrepot")
_MISSING: "Any" = object()


class System:
    """An import system with a module cache of its own.

    Attributes:
        modules: dict of str to module, the module cache.
        path: list of str, where top-level modules are searched.
        meta_path: list, as `sys.meta_path`.
        path_hooks: list, as `sys.path_hooks`.
        path_importer_cache: dict, as `sys.path_importer_cache`.
        builtins: dict, the builtins of this system's modules.
    """

    def __init__(
        self,
        path: "Iterable[str] | None" = None,
        *,
        share: "Iterable[str]" = (STANDARD_LIBRARY, EXTENSIONS),
    ) -> None:
        """Make a system.

        Args:
            path: folders and zip files to search, in order; by default the host's `sys.path` itself.
            share: what is one with the host: "stdlib" (the standard library, unless the path has a
                module of that name), "extensions" (a compiled module is initialised once in the
                process for each file), and names of top-level packages.
        """
        if isinstance(path, str):
            raise TypeError(f"path must be an iterable of folders, not a string: try path=[{path!r}]")
        if isinstance(share, str):
            raise TypeError(f"share must be an iterable of names, not a string: try share=[{share!r}]")
        self._has_own_path = path is not None
        self._path: list[str] = sys.path if path is None else [paths_text(entry) for entry in path]
        self.share = frozenset(share)
        self._modules: dict[str, Any] = {}
        # The text of a module's name -> its own string object (`owners`), and the one for all.
        self._names: dict[str, tuple[str, str]] = {}
        self._known_as = 0
        # `find_distributions` is in its own dict, where the importlib_metadata package deletes it.
        own = {"_state": self, "find_distributions": staticmethod(self._find_distributions)}
        own["__module__"] = finders.PathFinder.__module__
        self._path_finder: Any = type("PathFinder", (finders.PathFinder,), own)
        self._meta_path: list[Any] = [BuiltinImporter, FrozenImporter, self._path_finder]
        self._path_hooks: list[Any] = [ZipImporter, finders.FileFinder.path_hook(*self._loader_details())]
        self._path_importer_cache: dict[str, Any] = {}
        self._installation: Installation | None = None
        self._listeners: list[Listening] = []
        self._locks = ModuleLocks()
        self._teller: Callable[[events.Event], None] | None = None
        self._detached: DetachedImporter | None = None
        if "importlib.abc" in sys.modules:
            adopt.register_ours(sys.modules["importlib.abc"])
        if self._has_own_path:
            # Now, and not in the midst of somebody's import.
            self._prepare()

    @property
    def _importer(self) -> "DetachedImporter":
        """The importer over the system's own cache."""
        return self._detached or self._prepare()

    def _prepare(self) -> "DetachedImporter":
        """Make what a system needs while it is not installed.

        One over `sys.path` that is only ever installed does without all of that.
        """
        from entrepot.core.detached import DetachedImporter

        importer = self._detached = DetachedImporter(self)
        importer.locks = self._locks
        importer.tell = self._teller
        importer.put_own_modules()
        return importer

    def __repr__(self) -> str:
        return f"<System path={self.path!r} modules={len(self.modules)}>"

    # The state, by the names that it has in `sys`. While the system is installed, it is there.

    @property
    def modules(self) -> "dict[str, Any]":
        if self._installation:
            return sys.modules
        if self._detached is None:
            self._prepare()
        return self._modules

    @property
    def builtins(self) -> "dict[str, Any]":
        if self._detached is None:
            self._prepare()
        return self._modules["builtins"].__dict__  # type: ignore[no-any-return]

    @property
    def path(self) -> "list[str]":
        return sys.path if self._installation else self._path

    @path.setter
    def path(self, path: "list[str]") -> None:
        if self._installation:
            sys.path = path
        else:
            self._path = path

    @property
    def meta_path(self) -> "list[Any]":
        return sys.meta_path if self._installation else self._meta_path

    @meta_path.setter
    def meta_path(self, finders: "list[Any]") -> None:
        if self._installation:
            sys.meta_path = finders
        else:
            self._meta_path = finders

    @property
    def path_hooks(self) -> "list[Any]":
        return sys.path_hooks if self._installation else self._path_hooks

    @path_hooks.setter
    def path_hooks(self, hooks: "list[Any]") -> None:
        if self._installation:
            sys.path_hooks = hooks
        else:
            self._path_hooks = hooks

    @property
    def path_importer_cache(self) -> "dict[str, Any]":
        return sys.path_importer_cache if self._installation else self._path_importer_cache

    @path_importer_cache.setter
    def path_importer_cache(self, cache: "dict[str, Any]") -> None:
        if self._installation:
            sys.path_importer_cache = cache
        else:
            self._path_importer_cache = cache

    # What it does.

    def import_module(self, name: str, package: "str | None" = None) -> "Any":
        """Import a module into this system and return it, as `importlib.import_module` does.

        Raises:
            ModuleNotFoundError: nobody in this system knows it.
            Whatever the module's code raises.
        """
        importer = self._importer
        try:
            return statement.import_module(importer, name, package)
        except BaseException as error:
            frames.strip(error)
            raise
        finally:
            importer.refresh()

    def find_spec(self, name: str, package: "str | None" = None) -> "Any":
        """Return a module's spec, or None; its parents are imported (`importlib.util.find_spec`)."""
        return self._importer.get_own("importlib.util").find_spec(name, package)

    def reload(self, module: "Any") -> "Any":
        """Run a module's code again in the same module object (`importlib.reload`)."""
        from entrepot.core import reload

        try:
            return reload.reload(self._importer, module)
        except BaseException as error:
            frames.strip(error)
            raise

    def invalidate_caches(self) -> None:
        """Make the finders look at the file system anew (`importlib.invalidate_caches`)."""
        for finder in self.meta_path:
            if hasattr(finder, "invalidate_caches"):
                finder.invalidate_caches()

    def installed(self) -> "Installation":
        """Make this system the interpreter's import system within a `with` block.

        Import statements everywhere, `importlib`, `sys.modules` and the rest of `sys` are then
        this system's; afterwards all is as it was, and what was imported is in `modules`.
        """
        return Installation(self)

    def listen(self, callback: "Callable[[events.Event], None]") -> "Listening":
        """Have a function called with each event (`entrepot.core.events`) until `close()`.

        The result is a context manager too. What the callback raises goes to `sys.unraisablehook`.
        """
        return Listening(self, callback)

    # How it does it.

    def _find_distributions(self, *args: "Any", **kwargs: "Any") -> "Any":
        """Find distributions by this system's `importlib.metadata`, whose plugins load into the system."""
        metadata = self.import_module("importlib.metadata")
        return metadata.MetadataPathFinder.find_distributions(*args, **kwargs)

    def _loader_details(self) -> "list[tuple[Any, list[str]]]":
        details = loaders.file_loaders()
        if EXTENSIONS not in self.share:
            return details
        shared = type("ExtensionFileLoader", (SharedExtensionLoader,), {"_system": self})
        return [
            (shared if loader is loaders.ExtensionFileLoader else loader, suffixes)
            for loader, suffixes in details
        ]

    def _import_from_host(self, name: str) -> "Any":
        """Import a module into the host and return it."""
        module = sys.modules.get(name)
        if module is None:
            module = __import__(name, fromlist=["*"])
            if name == "importlib.abc":
                adopt.register_ours(module)
        return module

    def _is_shadowed(self, top: str) -> bool:
        """Whether this system's path has a module of its own under a standard library's name."""
        if top in sys.builtin_module_names or _imp.is_frozen(top):
            # Found before any path is searched.
            return False
        spec = self._path_finder.find_spec(top, None)
        if spec is None:
            return False
        if not spec.has_location:
            return False
        return not is_standard(spec.origin)

    def _is_shared(self, name: str, module: "Any") -> bool:
        """Whether a module of the interpreter's cache is one that this system would share."""
        top = name.partition(".")[0]
        if top in self.share or top in ALWAYS_SHARED:
            return True
        if module is self._modules.get(name, _MISSING):
            return True
        if STANDARD_LIBRARY not in self.share or top not in sys.stdlib_module_names:
            return False
        try:
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            return True
        # A module of the path may have a standard one's name.
        return file is None or not isinstance(file, str) or is_standard(file)

    def _set_teller(self, teller: "Callable[[events.Event], None] | None") -> None:
        self._teller = teller
        if self._detached is not None:
            self._detached.tell = teller

    def _tell(self, event: events.Event) -> None:
        for listener in list(self._listeners):
            try:
                listener.callback(event)
            except Exception as error:
                text = "Exception ignored in a listener of entrepot.System"
                sys.unraisablehook(
                    _Unraisable((type(error), error, error.__traceback__, text, listener.callback))
                )


# (path, name) of each extension module that a system has initialised -> the module.
_extensions: "dict[tuple[str, str], Any]" = {}


class SharedExtensionLoader(loaders.ExtensionFileLoader):
    """Loads a compiled module once for all systems: C code keeps its state for the process.

    While it is initialised its system is installed, because C code asks the interpreter's cache.
    """

    _system: System

    def create_module(self, spec: "Any") -> "Any":
        """Return the module made from this file before, or make it."""
        module = _extensions.get((self.path, spec.name))
        if module is None:
            with Installation(self._system, adopts=False):
                module = super().create_module(spec)
        return module

    def exec_module(self, module: "Any") -> None:
        """Initialise the module, unless it has been."""
        key = (self.path, self.name)
        if _extensions.get(key) is module:
            return
        with Installation(self._system, adopts=False):
            super().exec_module(module)
        _extensions[key] = module


class Listening:
    """A listener at work. Close it, or use it as a context manager."""

    def __init__(self, system: System, callback: "Callable[[events.Event], None]") -> None:
        self._system = system
        self.callback = callback
        system._listeners.append(self)
        system._set_teller(system._tell)
        _tap(system)

    def close(self) -> None:
        """Stop listening. Closing twice does nothing."""
        system = self._system
        if self in system._listeners:
            system._listeners.remove(self)
            if not system._listeners:
                system._set_teller(None)
                _untap(system)

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# The systems with listeners. Finders and loaders are asked to tell only while there is one.
_listened: "list[System]" = []


def _tap(system: System) -> None:
    if system not in _listened:
        _listened.append(system)
    finders.on_search = _tell_searched
    loaders.on_compile = _tell_compiled
    if system._installation:
        system._installation.watch_statements()


def _untap(system: System) -> None:
    if system in _listened:
        _listened.remove(system)
    if not _listened:
        finders.on_search = None
        loaders.on_compile = None
    if system._installation:
        system._installation.unwatch_statements()


def _tell_searched(state: "Any", name: str, finder: "Any", entry: "str | None") -> None:
    for system in _listened:
        if state is system or (state is sys and system._installation):
            kind = finder.__name__ if isinstance(finder, type) else type(finder).__name__
            system._tell(events.Searched(name, *find_importer(), kind, entry))


def _tell_compiled(name: str, path: str, reason: str) -> None:
    for system in _listened:
        if name in system._locks.table:
            system._tell(events.Compiled(name, *find_importer(), path, reason))


_Unraisable: "Any" = type(
    "UnraisableHookArgs",
    (tuple,),
    {
        "exc_type": property(lambda self: self[0]),
        "exc_value": property(lambda self: self[1]),
        "exc_traceback": property(lambda self: self[2]),
        "err_msg": property(lambda self: self[3]),
        "object": property(lambda self: self[4]),
    },
)


def paths_text(entry: "Any") -> str:
    """Return a path entry as text: a `str`, or a path object's. Raises TypeError for anything else."""
    text = entry if isinstance(entry, str) else paths.posix.fspath(entry)
    if not isinstance(text, str):
        raise TypeError(f"path entry must be str or a path object, not {type(entry).__name__}")
    return text


def is_standard(path: "str | None") -> bool:
    """Whether a file is of the standard library: in its folder, and not among installed packages."""
    if path is None or "site-packages" in path or "dist-packages" in path:
        return False
    folder: str | None = getattr(sys, "_stdlib_dir", None)
    return folder is not None and path.startswith(folder.rstrip("/\\") + ("\\" if "\\" in folder else "/"))


frames.disguise()
