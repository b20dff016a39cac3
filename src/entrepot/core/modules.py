"""The module cache, and how a module gets into it: found, made, kept, run once.

Language reference 5.3 and 5.4. An `Importer` is the algorithm over one `state`: an object with
`modules`, `path`, `meta_path`, `path_hooks` and `path_importer_cache`. The module `sys` is such an
object, and `host` is the importer over it; each `System` is another.

    find_and_load         in the cache? else, under the module's lock:
      find_spec             ask the finders
      load                  make the module, keep it, run it, take it out again if it fails
      bind_child            set it as an attribute of its parent
"""

import sys
from time import perf_counter

from entrepot.core import events, finders, frames, loaders, names
from entrepot.core.loaders import ExtensionFileLoader, SourceFileLoader
from entrepot.core.locks import DeadlockError, ModuleLocks, is_initializing
from entrepot.core.room import with_room
from entrepot.core.spec import make_module, set_attributes, warn_fallback
from entrepot.core.verbose import say

if sys.version_info < (3, 12):
    from entrepot.core import legacy  # noqa: F401 - it adds the methods that 3.11 has

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MISSING: "Any" = object()


class Importer:
    """The import system's steps over one state.

    Attributes:
        state: where modules, path, finders and hooks are kept.
        locks: one lock for each module being initialised.
        builtins: what modules get as `__builtins__`; None for the interpreter's.
        tell: called with each event, or None while nobody listens.
    """

    __slots__ = ("builtins", "locks", "reloading", "state", "tell")

    def __init__(self, state: "Any", builtins: "dict[str, Any] | None" = None) -> None:
        self.state = state
        self.locks = ModuleLocks()
        self.builtins = builtins
        self.reloading: dict[str, Any] = {}
        self.tell: Callable[[events.Event], None] | None = None

    def import_by_name(self, name: str, package: "str | None" = None, level: int = 0) -> "Any":
        """Import a module and return it: what all forms of import have in common."""
        names.check_request(name, package, level)
        if level > 0:
            name = names.resolve_relative(name, package, level)  # type: ignore[arg-type]
        return self.find_and_load(name)

    def find_and_load(self, name: str, _import: object = None) -> "Any":
        """Return a module, initialised (or being so, by this very thread).

        The second argument is what the interpreter's C code passes along; it is not used. The
        locking stands here rather than in a function of its own because imports nest deeply, and
        each frame on the way counts.

        Raises:
            ModuleNotFoundError: nobody knows it, or the cache says None.
            Whatever its code raises.
        """
        modules = self.state.modules
        module = modules.get(name, _MISSING)
        if module is _MISSING or is_initializing(module):
            try:
                parent = name.rpartition(".")[0]
                if parent and parent not in modules:
                    # Before the child's lock is taken: the parent's code may want the child.
                    self.find_and_load(parent)
                    modules = self.state.modules
                try:
                    self.locks.enter(name)
                except DeadlockError:
                    # Whoever runs it waits for this thread: half initialised it is all there is.
                    if name not in modules:
                        raise
                else:
                    try:
                        if name not in modules:
                            if len(self.locks.table) == 1:
                                return self._find_and_load_with_room(name)
                            return self._find_and_load_locked(name)
                    finally:
                        self.locks.leave(name)
            except BaseException as error:
                if self.tell is not None:
                    self.tell(events.Failed(name, *find_importer(), error))
                raise
            # Another thread may be running it.
            self.locks.wait_for(name)
            module = self.state.modules.get(name, _MISSING)
            if module is _MISSING:
                # It has failed there: perhaps not here.
                return self.find_and_load(name)
        if self.tell is not None:
            self.tell(events.FromCache(name, *find_importer(), module))
        if module is None:
            raise ModuleNotFoundError(f"import of {name} halted; None in sys.modules", name=name)
        return module

    def _find_and_load_locked(self, name: str) -> "Any":
        parent, _, child = name.rpartition(".")
        path = None
        parent_spec: Any = None
        modules = self.state.modules
        if parent:
            if parent not in modules:
                self.find_and_load(parent)
            # Initialising the parent may have imported this child.
            if name in modules:
                return modules[name]
            parent_module = modules[parent]
            path = self._get_path(parent_module, parent, name)
            parent_spec = parent_module.__spec__
        finders.just_found = None
        spec = self.find_spec(name, path)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if type(spec.loader) is SourceFileLoader:
            loaders.about_to_load = finders.just_found
        if not parent_spec:
            module = self._load_locked(spec)
        else:
            # So that `from parent import child` in a cycle can say what is half made.
            parent_spec._uninitialized_submodules.append(child)
            try:
                module = self._load_locked(spec)
            finally:
                parent_spec._uninitialized_submodules.pop()
        if parent:
            self.bind_child(parent, child, module)
        return module

    @with_room
    def _find_and_load_with_room(self, name: str) -> "Any":
        """The outermost of nested imports: those within find room for their frames (`core.room`)."""
        return self._find_and_load_locked(name)

    @staticmethod
    def _get_path(parent_module: "Any", parent: str, name: str) -> "Any":
        try:
            return parent_module.__path__
        except AttributeError:
            text = f"No module named {name!r}; {parent!r} is not a package"
            raise ModuleNotFoundError(text, name=name) from None

    def find_spec(self, name: str, path: "Any", target: object = None) -> "Any":
        """Ask the finders of the meta path for a module; None where none knows it."""
        spec = finders.find_spec_on_meta_path(self.state, name, path, target)
        if self.tell is not None and spec is not None:
            self.tell(events.Found(name, *find_importer(), spec))
        return spec

    def load(self, spec: "Any") -> "Any":
        """Load a module from its spec, under its lock, replacing what the cache had.

        It is not bound in its parent.
        """
        self.locks.enter(spec.name)
        try:
            return self._load_locked(spec)
        finally:
            self.locks.leave(spec.name)

    def _load_locked(self, spec: "Any") -> "Any":
        loader = spec.loader
        if loader is not None and not hasattr(loader, "exec_module"):
            warn_fallback(loader, "exec_module", "load_module")
            return self._load_by_old_loader(spec)
        module = make_module(spec)
        started_s = 0.0
        if self.tell is not None:
            started_s = perf_counter()
            self.tell(events.Started(spec.name, *find_importer(), module))
        if self.builtins is not None and loader is not None and not isinstance(loader, ExtensionFileLoader):
            give_builtins(module, self.builtins)
        # Before the module can be seen in the cache: who finds it there looks at this.
        spec._initializing = True
        try:
            modules = self.state.modules
            modules[spec.name] = module
            try:
                if loader is not None:
                    loader.exec_module(module)
                elif spec.submodule_search_locations is None:
                    raise ImportError("missing loader", name=spec.name)
            except BaseException:
                modules.pop(spec.name, None)
                raise
            # Its code may have put something else in its place (language reference 5.4).
            # Taken out and put back, so that the cache is in the order of completion.
            module = modules.pop(spec.name)
            modules[spec.name] = module
            say("import {!r} # {!r}", spec.name, loader)
            if self.tell is not None:
                self.tell(events.Finished(spec.name, *find_importer(), module, perf_counter() - started_s))
        finally:
            spec._initializing = False
        return module

    def _load_by_old_loader(self, spec: "Any") -> "Any":
        """Load with a loader that has only `load_module`, and give the module what it then lacks."""
        modules = self.state.modules
        try:
            spec.loader.load_module(spec.name)
        except BaseException:
            if spec.name in modules:
                modules[spec.name] = modules.pop(spec.name)
            raise
        module = modules.pop(spec.name)
        modules[spec.name] = module

        def fill(name: str, value: "Callable[[], Any]") -> None:
            if getattr(module, name, None) is None:
                try:
                    setattr(module, name, value())
                except AttributeError:
                    pass

        def find_package() -> str:
            if hasattr(module, "__path__"):
                return str(module.__name__)
            return str(spec.name.rpartition(".")[0])

        fill("__loader__", lambda: spec.loader)
        fill("__package__", find_package)
        fill("__spec__", lambda: spec)
        return module

    def run_again(self, spec: "Any", module: "Any") -> "Any":
        """Run a module that is in the cache once more, in its own namespace, by a spec's loader.

        Raises:
            ImportError: it is not in the cache, or the spec has no loader and no path.
        """
        name = spec.name
        modules = self.state.modules
        self.locks.enter(name)
        try:
            if modules.get(name) is not module:
                raise ImportError(f"module {name!r} not in sys.modules", name=name)
            try:
                if spec.loader is None and spec.submodule_search_locations is None:
                    raise ImportError("missing loader", name=name)
                has_loader = spec.loader is not None
                set_attributes(spec, module, override=True)
                if not has_loader:
                    # A namespace package: nothing to run.
                    pass
                elif hasattr(spec.loader, "exec_module"):
                    spec.loader.exec_module(module)
                else:
                    warn_fallback(spec.loader, "exec_module", "load_module")
                    spec.loader.load_module(name)
            finally:
                # A None or another module that its code left in the cache is what counts.
                module = modules.pop(name)
                modules[name] = module
        finally:
            self.locks.leave(name)
        return module

    def bind_child(self, parent: str, child: str, module: "Any") -> None:
        """Set a submodule as an attribute of its parent (language reference 5.4.2)."""
        parent_module = self.state.modules[parent]
        try:
            setattr(parent_module, child, module)
        except AttributeError:
            text = f"Cannot set an attribute on {parent!r} for child module {child!r}"
            frames.warn(text, ImportWarning)
        else:
            if self.tell is not None:
                self.tell(events.Bound(f"{parent}.{child}", *find_importer(), parent, child))


def give_builtins(module: "Any", builtins: "dict[str, Any]") -> None:
    """Let a module's code resolve its builtins, `__import__` above all, in a dict of its own."""
    try:
        module.__dict__.setdefault("__builtins__", builtins)
    except AttributeError:
        # Something else than a module: its loader decides what its code sees.
        pass


def find_importer() -> "tuple[str | None, str | None, int | None]":
    """Return the module, file and line of the code that imports: the nearest frame not ours."""
    frame: Any = sys._getframe(1)
    while frame is not None and frames.is_our_code(frame.f_code):
        frame = frame.f_back
    if frame is None:
        return None, None, None
    return frame.f_globals.get("__name__"), frame.f_code.co_filename, frame.f_lineno


host = Importer(sys)
"""The importer over the interpreter's own state."""

frames.disguise()
