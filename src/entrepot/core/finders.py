"""Finders: who knows where a module is.

Language reference 5.5 (the path based finder), PEP 302 and PEP 420. `PathFinder` asks one path
entry finder for each entry of the path; `FileFinder` is the one for directories.
"""

import sys
from _imp import acquire_lock, release_lock

from entrepot.core import frames, paths
from entrepot.core.namespace import NamespacePath
from entrepot.core.spec import ModuleSpec, spec_from_loader, warn_fallback
from entrepot.core.verbose import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# Python 3.11 still asks finders that know only the methods of before PEP 451.
_HAS_LEGACY_FINDERS = sys.version_info < (3, 12)

# Called with (state, module name, finder, path entry) for each finder asked, while somebody listens.
on_search: "Callable[[Any, str, Any, str | None], None] | None" = None

# The file that was found last, and its status then.
just_found: "tuple[str, Any] | None" = None

_IS_CASE_BLIND = sys.platform.startswith(("win", "cygwin", "darwin", "ios", "tvos", "watchos"))
_CASE_KEY: "Any" = "PYTHONCASEOK" if paths.IS_WINDOWS else b"PYTHONCASEOK"


def _ignores_case() -> bool:
    """Whether names are matched without regard to case (PEP 235)."""
    return _IS_CASE_BLIND and not sys.flags.ignore_environment and _CASE_KEY in paths.posix.environ


class FileFinder:
    """Finds modules in one directory, whose listing it keeps until the directory changes."""

    def __init__(self, path: str, *loader_details: "tuple[Any, list[str]]") -> None:
        """`loader_details` are pairs of a loader class and the suffixes that it loads."""
        self._loaders = [(suffix, loader) for loader, suffixes in loader_details for suffix in suffixes]
        self.path: str = paths.make_absolute(path) if path and path != "." else paths.getcwd()
        # What every file here begins with.
        self._prefix = self.path.rstrip(paths.SEPARATORS) + paths.SEPARATOR if self.path else ""
        self._path_mtime: float = -1
        self._path_cache: set[str] = set()
        self._relaxed_path_cache: set[str] = set()

    def invalidate_caches(self) -> None:
        """Forget the listing."""
        self._path_mtime = -1

    def find_spec(self, fullname: str, target: object = None) -> "ModuleSpec | None":
        """Return the spec of a module here: a package, else a file, else a namespace portion."""
        tail = fullname.rpartition(".")[2]
        try:
            mtime = paths.stat(self.path or paths.getcwd()).st_mtime
        except OSError:
            mtime = -1
        if mtime != self._path_mtime:
            self._fill_cache()
            self._path_mtime = mtime
        if _IS_CASE_BLIND and _ignores_case():
            listing, wanted = self._relaxed_path_cache, tail.lower()
        else:
            listing, wanted = self._path_cache, tail
        is_portion = False
        folder = self._prefix + tail
        if wanted in listing:
            for suffix, loader_class in self._loaders:
                init = f"{folder}{paths.SEPARATOR}__init__{suffix}"
                status = paths.stat_file(init)
                if status is not None:
                    return self._make_spec(loader_class, fullname, init, [folder], status)
            is_portion = paths.is_directory(folder)
        for suffix, loader_class in self._loaders:
            if sys.flags.verbose >= 2:
                say("trying {}", folder + suffix, level=2)
            if wanted + suffix in listing:
                status = paths.stat_file(folder + suffix)
                if status is not None:
                    return self._make_spec(loader_class, fullname, folder + suffix, None, status)
        if is_portion:
            say("possible namespace for {}", folder)
            spec = ModuleSpec(fullname, None)
            spec.submodule_search_locations = [folder]
            return spec
        return None

    def _make_spec(
        self, loader_class: "Any", name: str, path: str, locations: "list[str] | None", status: "Any"
    ) -> ModuleSpec:
        global just_found
        just_found = (path, status)
        spec = ModuleSpec(name, loader_class(name, path), origin=path)
        spec._set_fileattr = True
        spec.submodule_search_locations = locations
        return spec

    def _fill_cache(self) -> None:
        """List the directory. One that is gone, unreadable, or no directory now has nothing."""
        try:
            contents = paths.posix.listdir(self.path or paths.getcwd())
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            contents = []
        if paths.IS_WINDOWS:
            # Suffixes are matched in lower case there.
            cut = [name.partition(".") for name in contents]
            contents = [f"{stem}.{suffix.lower()}" if dot else stem for stem, dot, suffix in cut]
        self._path_cache = set(contents)
        if _IS_CASE_BLIND:
            self._relaxed_path_cache = {name.lower() for name in contents}

    @classmethod
    def path_hook(cls, *loader_details: "tuple[Any, list[str]]") -> "Callable[[str], FileFinder]":
        """Return a function for `sys.path_hooks` that makes a finder for a directory."""

        def path_hook_for_FileFinder(path: str) -> "FileFinder":
            """Return a finder for a directory; ImportError for anything else."""
            if not paths.is_directory(path):
                raise ImportError("only directories are supported", path=path)
            return cls(path, *loader_details)

        return path_hook_for_FileFinder

    def iter_modules(self, prefix: str = "") -> "Iterator[tuple[str, bool]]":
        """Yield the name of each module here and whether it is a package: for `pkgutil`."""
        import inspect

        seen = {"__init__"}
        try:
            contents = sorted(paths.posix.listdir(self.path))
        except OSError:
            contents = []
        for name in contents:
            module_name = inspect.getmodulename(name)
            is_package = False
            if not module_name and "." not in name and paths.is_directory(self._prefix + name):
                module_name = name
                try:
                    inside = paths.posix.listdir(self._prefix + name)
                except OSError:
                    inside = []
                is_package = any(inspect.getmodulename(file) == "__init__" for file in inside)
                if not is_package:
                    continue
            if module_name and "." not in module_name and module_name not in seen:
                seen.add(module_name)
                yield prefix + module_name, is_package

    def __repr__(self) -> str:
        return f"FileFinder({self.path!r})"


class PathFinder:
    """Meta path finder for `sys.path` and the `__path__` of packages. All methods are of the class.

    `_state` is where path, hooks and caches are kept: the module `sys`; a `System` makes a
    subclass over itself.
    """

    _state: "Any" = sys

    @classmethod
    def invalidate_caches(cls) -> None:
        """Make every path entry finder look at its directory anew.

        Relative entries and entries without a finder are forgotten: they may mean something else now.
        """
        cache = cls._state.path_importer_cache
        for entry, finder in list(cache.items()):
            if finder is None or not paths.is_absolute(entry):
                del cache[entry]
            elif hasattr(finder, "invalidate_caches"):
                finder.invalidate_caches()
        NamespacePath._epoch += 1
        if sys.version_info >= (3, 13):
            if cls._state is sys:
                import importlib.metadata  # noqa: F401 - importlib does, so it is in the cache then
            metadata = cls._state.modules.get("importlib.metadata")
            if metadata is not None:
                metadata.MetadataPathFinder.invalidate_caches()

    @classmethod
    def _path_hooks(cls, path: "Any") -> "Any":
        """Return the finder that the first willing path hook makes for an entry, or None."""
        hooks = cls._state.path_hooks
        if hooks is not None and not hooks:
            frames.warn("sys.path_hooks is empty", ImportWarning, "importlib._bootstrap_external")
        for hook in hooks:
            try:
                return hook(path)
            except ImportError:
                continue
        return None

    @classmethod
    def _path_importer_cache(cls, path: str) -> "Any":
        """Return the finder of a path entry, from the cache or made and kept; None if there is none."""
        if path == "":
            try:
                path = paths.getcwd()
            except FileNotFoundError:
                # Not kept: there may be a working directory next time.
                return None
        try:
            return cls._state.path_importer_cache[path]
        except KeyError:
            finder = cls._state.path_importer_cache[path] = cls._path_hooks(path)
            return finder

    @classmethod
    def _get_spec(cls, fullname: str, path: "Any", target: object = None) -> "Any":
        """Return the first spec with a loader, or one that has the namespace portions of all entries."""
        portions: list[str] = []
        cache = cls._state.path_importer_cache
        for entry in path:
            if not isinstance(entry, str):
                continue
            finder = (cache.get(entry) if entry else None) or cls._path_importer_cache(entry)
            if finder is None:
                continue
            if on_search is not None:
                on_search(cls._state, fullname, finder, entry)
            if _HAS_LEGACY_FINDERS and not hasattr(finder, "find_spec"):
                spec = _find_spec_of_legacy_entry_finder(finder, fullname)
            else:
                spec = finder.find_spec(fullname, target)
            if spec is None:
                continue
            if spec.loader is not None:
                return spec
            if spec.submodule_search_locations is None:
                raise ImportError("spec missing loader")
            portions.extend(spec.submodule_search_locations)
        spec = ModuleSpec(fullname, None)
        spec.submodule_search_locations = portions
        return spec

    @classmethod
    def find_spec(cls, fullname: str, path: "Any" = None, target: object = None) -> "Any":
        """Return the spec of a module found along a path (by default `sys.path`), or None."""
        spec = cls._get_spec(fullname, cls._state.path if path is None else path, target)
        if spec.loader is not None:
            return spec
        portions = spec.submodule_search_locations
        if not portions:
            return None
        spec.origin = None
        spec.submodule_search_locations = NamespacePath(fullname, portions, cls._get_spec, cls._state)
        return spec

    @staticmethod
    def find_distributions(*args: "Any", **kwargs: "Any") -> "Any":
        """Yield the distributions installed along a path (`importlib.metadata`)."""
        from importlib.metadata import MetadataPathFinder

        return MetadataPathFinder.find_distributions(*args, **kwargs)


def find_spec_on_meta_path(state: "Any", name: str, path: "Any", target: object = None) -> "Any":
    """Ask each finder of the meta path in turn (language reference 5.3.4); None where none knows.

    Raises:
        ImportError: the interpreter is shutting down.
    """
    meta_path = state.meta_path
    if meta_path is None:
        raise ImportError("sys.meta_path is None, Python is likely shutting down")
    if not meta_path:
        frames.warn("sys.meta_path is empty", ImportWarning)
    modules = state.modules
    is_reload = name in modules
    for finder in meta_path:
        if on_search is not None:
            on_search(state, name, finder, None)
        acquire_lock()
        try:
            try:
                find_spec = finder.find_spec
            except AttributeError:
                if not _HAS_LEGACY_FINDERS:
                    continue
                spec = _find_spec_of_legacy_finder(finder, name, path)
            else:
                spec = find_spec(name, path, target)
        finally:
            release_lock()
        if spec is not None:
            if not is_reload and name in modules:
                # Looking for it has imported it: what was loaded then counts.
                loaded = getattr(modules[name], "__spec__", None)
                return spec if loaded is None else loaded
            return spec
    return None


if _HAS_LEGACY_FINDERS:

    def _find_spec_of_legacy_finder(finder: "Any", name: str, path: "Any") -> "Any":
        """Ask a meta path finder that has only `find_module`."""
        warn_fallback(finder, "find_spec", "find_module")
        loader = finder.find_module(name, path)
        return None if loader is None else spec_from_loader(name, loader)

    def _find_spec_of_legacy_entry_finder(finder: "Any", name: str) -> "Any":
        """Ask a path entry finder that has only `find_loader` or `find_module`."""
        if hasattr(finder, "find_loader"):
            warn_fallback(finder, "find_spec", "find_loader")
            loader, portions = finder.find_loader(name)
        else:
            warn_fallback(finder, "find_spec", "find_module")
            loader, portions = finder.find_module(name), []
        if loader is not None:
            return spec_from_loader(name, loader)
        spec = ModuleSpec(name, None)
        spec.submodule_search_locations = portions
        return spec


frames.disguise()
