"""Being the interpreter's import system for a while.

The C code behind the import statement looks a module up in `sys.modules`; what is not there it
asks of `_frozen_importlib`, by the names of a few functions, at each call. `Installation` puts this
package's steps under those names, and its classes under the names by which `importlib` and its
submodules offer them. A module that is in the cache is then found by the same C code as ever.

On the way out everything is given back: state, functions, classes, the interpreter's module cache.
"""

import builtins
import sys
from _weakref import ref

from entrepot.core import (
    archives,
    bindings,
    finders,
    frames,
    interpreter,
    loaders,
    statement,
)
from entrepot.core.adopt import adopt, register
from entrepot.core.modules import Importer
from entrepot.core.replacements import OFFERING, ON_MODULES, find_replacements
from entrepot.core.turns import turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entrepot.core.system import System

_MISSING: "Any" = object()
_find_distributions: "Any" = vars(finders.PathFinder)["find_distributions"]
_builtins: "dict[str, Any]" = builtins.__dict__
_STATE = ("path", "meta_path", "path_hooks", "path_importer_cache")


class _InstalledImporter(Importer):
    """The importer over the interpreter's state while a system is installed."""

    __slots__ = ("system",)

    def __init__(self, system: "System") -> None:
        super().__init__(sys)
        self.system = system

    def find_spec(self, name: str, path: "Any", target: object = None) -> "Any":
        spec = super().find_spec(name, path, target)
        if self.system._has_own_path and not self.system._is_shared(name, None):
            from entrepot.core import owners

            owners.name_spec(self.system, spec)
        return spec


class Installation:
    """A system in the place of the interpreter's import system, within a `with` block.

    Blocks of several systems nest in one thread: the inner one takes the place of the outer, which is
    put back at its end. Threads take turns, but that a thread may enter a system that is installed.
    """

    def __init__(self, system: "System", *, adopts: bool = True) -> None:
        """`adopts`: modules loaded before look as if the system had loaded them."""
        self._system = system
        self._adopts = adopts
        self._adopted: dict[Any, Any] = {}
        self._is_guest = False
        self._users = 0
        self._state: _State | None = None
        self._before: dict[str, Any] = {}
        # Not held by us: at the interpreter's end the program's modules must go when it lets go of them.
        self._modules_before: dict[str, Callable[[], Any]] = {}
        self._hidden: list[Any] = []
        self._path_before: list[str] = []
        self._path_suspended: list[str] | None = None
        self._patched: list[tuple[dict[str, Any], str, Any, Any]] = []
        self._importer: Importer = _InstalledImporter(system)
        self._own_import: Any = None
        self._imports_before: list[tuple[dict[str, Any], Any]] = []

    def __enter__(self) -> "System":
        """Install the system.

        Raises:
            RuntimeError: another thread has a system installed and keeps it.
        """
        self._is_guest = not turns.enter(self)
        return self._system

    def __exit__(self, *error: object) -> None:
        turns.leave(self)

    def _suspend(self) -> None:
        """Make room for another system, within this one's block."""
        if self._state is not None and not self._system._has_own_path:
            self._path_suspended = list(sys.path)
        self._uninstall()

    def _resume(self) -> None:
        self._install()
        if self._path_suspended is not None:
            sys.path[:] = self._path_suspended
            self._path_suspended = None

    def _install(self) -> None:
        system = self._system
        self._before = {name: getattr(sys, name) for name in _STATE}
        self._path_before = list(sys.path)
        self._modules_before = {name: _refer(module) for name, module in sys.modules.items()}
        self._importer.locks = system._locks
        if self._state is None:
            self._state = _State(system)
        if system._has_own_path:
            # What the program finds in sys.path within the block is what it put there.
            self._importer.builtins = system.builtins
            self._own_import = system.builtins["__import__"]
            system.builtins["__import__"] = _builtins["__import__"]
        self._put_modules()
        system._installation = self
        for name in _STATE:
            setattr(sys, name, getattr(self._state, name))
        self._patch()
        if self._adopts:
            adopt(list(sys.modules.values()), self._adopted)
        self._importer.tell = system._teller
        if system._listeners:
            self.watch_statements()

    def _uninstall(self) -> None:
        system = self._system
        self.unwatch_statements()
        self._unpatch()
        for name in _STATE:
            # The program may have set another list.
            setattr(self._state, name, getattr(sys, name))
        if system._has_own_path:
            added = self._state.added if self._state is not None else []
            system._path[:] = [entry for entry in sys.path if entry not in added]
            system.builtins["__import__"] = self._own_import
        system._installation = None
        if "find_distributions" not in vars(finders.PathFinder):
            # The importlib_metadata package deletes it, to be the only one that finds distributions.
            finders.PathFinder.find_distributions = _find_distributions  # type: ignore[method-assign]
        for name, value in self._before.items():
            setattr(sys, name, value)
        sys.path[:] = self._path_before
        self._take_modules()
        if self._adopts:
            adopt(list(sys.modules.values()), {new: old for old, new in self._adopted.items()})

    def _put_modules(self) -> None:
        """Put the system's modules into the interpreter's cache, and hide what is not shared."""
        system = self._system
        modules = sys.modules
        shadowed: set[str] = set()
        if system._has_own_path:
            # Asked once for each name, and not for every compiled module that is initialised.
            tops = {name.partition(".")[0] for name in modules} if self._adopts else set()
            shadowed = {top for top in tops if _is_standard_name(top) and system._is_shadowed(top)}
            for name, module in list(modules.items()):
                if name.partition(".")[0] in shadowed or not system._is_shared(name, module):
                    self._hidden.append(modules.pop(name))
        for name, module in system._modules.items():
            # The interpreter's own sys, importlib, pickle, ... serve while it is installed.
            if name != "__main__" and (not _is_standard_name(name) or name.partition(".")[0] in shadowed):
                self._hidden.append(modules.get(name))
                modules[name] = module
        if system._has_own_path:
            # What is put into it (gettext's `_`, a test's patch) is for the system's modules.
            modules["builtins"] = system._modules["builtins"]

    def _take_modules(self) -> None:
        """Move what was imported meanwhile to the system's cache, and put the host's back."""
        system = self._system
        modules = sys.modules
        before = {
            name: referred()
            for name, referred in self._modules_before.items()
            # What the program has removed and nobody has any more cannot be given back.
            if type(referred) is not ref or referred() is not None
        }
        self._hidden.clear()
        for name, module in list(modules.items()):
            if before.get(name, _MISSING) is module:
                continue
            if system._is_shared(name, module) and name not in before and name not in system._modules:
                # Of the standard library: the host's too.
                continue
            system._modules[name] = module
            if name not in before:
                del modules[name]
        for name, module in before.items():
            if modules.get(name, _MISSING) is not module:
                modules[name] = module
        for name in [name for name in system._modules if not _is_standard_name(name)]:
            if name not in before and name in modules and not system._is_shared(name, modules[name]):
                del modules[name]

    def _patch(self) -> None:
        """Put this package's functions and classes in the place of importlib's, wherever it offers them."""
        replacements = find_replacements(self._importer)
        classes = {old: new for old, new in replacements.values() if isinstance(old, type) and old is not new}
        self._adopted = {old: new for old, new in classes.items() if old.__name__ in ON_MODULES}
        if "importlib.abc" in sys.modules:
            register(sys.modules["importlib.abc"], classes)
        for module_name in OFFERING:
            module = sys.modules.get(module_name)
            if module is None:
                continue
            offered = module.__dict__
            for name, value in list(offered.items()):
                replacement = replacements.get(id(value))
                if replacement is not None and replacement[0] is value:
                    self._patched.append((offered, name, value, replacement[1]))
                    offered[name] = replacement[1]

    def _unpatch(self) -> None:
        for offered, name, value, replacement in reversed(self._patched):
            if offered.get(name) is replacement:
                offered[name] = value
        # What importlib's submodules, imported meanwhile, took from the others.
        back = {id(new): old for _, _, old, new in self._patched}
        for module_name in OFFERING:
            module = sys.modules.get(module_name)
            if module is not None:
                for name, value in list(module.__dict__.items()):
                    if id(value) in back:
                        module.__dict__[name] = back[id(value)]
        self._patched.clear()

    def watch_statements(self) -> None:
        """Let every import statement tell the system's listeners, also those that the cache answers."""
        if self._imports_before:
            return
        bindings.prepare()
        self._importer.tell = self._system._teller
        told = statement.make_statement(self._importer)
        dicts = [_builtins]
        if self._system._detached is not None:
            dicts.append(self._system.builtins)
        for names_of_all in dicts:
            self._imports_before.append((names_of_all, names_of_all["__import__"]))
            names_of_all["__import__"] = told

    def unwatch_statements(self) -> None:
        """Let the interpreter's own code answer import statements again."""
        for names_of_all, import_ in self._imports_before:
            names_of_all["__import__"] = import_
        self._imports_before.clear()
        self._importer.tell = None


class _State:
    """What `sys` gets while a system is installed."""

    def __init__(self, system: "System") -> None:
        self.path = system._path
        self.added: list[str] = []
        if system._has_own_path:
            # The standard library is shared, so it must be found; the system's own path comes first.
            self.path = list(system._path)
            self.added = [
                entry for entry in sys.path if _is_standard_folder(entry) and entry not in self.path
            ]
            self.path += self.added
            self.meta_path = [
                finders.PathFinder if finder is system._path_finder else finder
                for finder in system._meta_path
            ]
            self.path_hooks = system._path_hooks
            self.path_importer_cache = system._path_importer_cache
            return
        ours = {
            "BuiltinImporter": interpreter.BuiltinImporter,
            "FrozenImporter": interpreter.FrozenImporter,
            "PathFinder": finders.PathFinder,
        }
        # Finders and hooks that others have added stay where they are.
        self.meta_path = [
            ours.get(getattr(finder, "__name__", ""), finder) if _is_of_importlib(finder) else finder
            for finder in sys.meta_path
        ]
        self.path_hooks = [_replace_hook(hook) for hook in sys.path_hooks]
        self.path_importer_cache = {}


def _refer(module: "Any") -> "Callable[[], Any]":
    """Return a function that gives a module back, if it is still there."""
    try:
        return ref(module)
    except TypeError:
        # Something else that stands in the cache; None, say.
        return lambda: module


def _is_of_importlib(finder: "Any") -> bool:
    return isinstance(finder, type) and finder.__module__.startswith(
        ("_frozen_importlib", "importlib._bootstrap")
    )


def _replace_hook(hook: "Any") -> "Any":
    if getattr(hook, "__name__", "") == "path_hook_for_FileFinder":
        return finders.FileFinder.path_hook(*loaders.file_loaders())
    if getattr(hook, "__module__", "") == "zipimport":
        return archives.ZipImporter
    return hook


def _is_standard_name(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def _is_standard_folder(entry: str) -> bool:
    folder = getattr(sys, "_stdlib_dir", None)
    if not folder or "site-packages" in entry or "dist-packages" in entry:
        return False
    return entry == folder or entry.startswith((folder + "/", folder + "\\")) or entry.endswith(".zip")


frames.disguise()
