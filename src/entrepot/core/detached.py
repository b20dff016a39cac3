"""What a system does while it is not the interpreter's own: importing into a cache of its own.

Its modules get builtins of its own, and views of those standard modules that find modules by name
(`views`); what is shared is asked of the host; its classes know whose they are (`owners`, `reflection`).
A system that is only ever installed has no need of any of this, so it is loaded at the first use.
"""

import sys

from entrepot.core import finders, frames, owners, reflection, views
from entrepot.core.modules import Importer, host
from entrepot.core.system import ALWAYS_SHARED, STANDARD_LIBRARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.core.system import System

_MISSING: "Any" = object()


class DetachedImporter(Importer):
    """The importer over a system's own cache: what is shared comes from the host."""

    __slots__ = ()

    def put_own_modules(self) -> None:
        """Put the modules into the cache that no other system has."""
        system = self.state
        if system._has_own_path and "__main__" in sys.modules:
            # (A system over `sys.path` itself, made to be installed, would keep it alive at the end.)
            system._modules["__main__"] = sys.modules["__main__"]
        system._modules["sys"] = views.make_own(system, "sys")
        own_builtins = system._modules["builtins"] = views.make_own(system, "builtins")
        self.builtins = own_builtins.__dict__

    def _find_and_load_locked(self, name: str) -> "Any":
        system: System = self.state
        if system._installation:
            return super()._find_and_load_locked(name)
        if "__main__" in sys.modules:
            system._modules.setdefault("__main__", sys.modules["__main__"])
        parent, _, child = name.rpartition(".")
        if parent and parent not in system._modules:
            self.find_and_load(parent)
            if name in system._modules:
                return system._modules[name]
        module = self.borrow(name)
        if module is _MISSING:
            return super()._find_and_load_locked(name)
        reflection.refresh()
        system._modules[name] = module
        if parent and getattr(system._modules[parent], child, None) is not module:
            self.bind_child(parent, child, module)
        return module

    def find_spec(self, name: str, path: "Any", target: object = None) -> "Any":
        spec = super().find_spec(name, path, target)
        system = self.state
        if spec is None and not system._installation:
            if STANDARD_LIBRARY in system.share and views.is_run_again(name):
                # The standard library is not on this system's path, but this module is the system's.
                spec = finders.PathFinder.find_spec(name, path, target)
            elif self.is_borrowed(name):
                # Not looked for when it is imported: then it is the host's.
                return host.find_spec(name, path, target)
        owners.name_spec(system, spec)
        return spec

    def is_borrowed(self, name: str) -> bool:
        """Whether a module of this name, if there is one, is the host's."""
        system = self.state
        top = name.partition(".")[0]
        if top in system.share or top in ALWAYS_SHARED:
            return True
        is_standard_name = STANDARD_LIBRARY in system.share and top in sys.stdlib_module_names
        return is_standard_name and not views.is_run_again(name) and not system._is_shadowed(top)

    def take_from_host(self, name: str) -> None:
        """Put a module that the host has initialised and shares into the cache, `os.path` say."""
        if name not in self.state._modules and name in sys.modules and self.is_borrowed(name):
            self.find_and_load(name)

    def get_own(self, name: str) -> "Any":
        """Return the system's own module of a standard name, made at its first use."""
        module = self.state._modules.get(name)
        if module is None:
            module = self.state._modules[name] = views.make_own(self.state, name)
        return module

    def borrow(self, name: str) -> "Any":
        """Return the module that the system shares with the host under a name, or `_MISSING`."""
        system = self.state
        top = name.partition(".")[0]
        if top in system.share or top in ALWAYS_SHARED:
            return system._import_from_host(name)
        if views.is_run_again(name):
            return _MISSING
        if name != top:
            parent = system._modules.get(name.rpartition(".")[0], _MISSING)
            if parent is not _MISSING and parent is sys.modules.get(name.rpartition(".")[0]):
                # The child of what is shared is shared.
                return system._import_from_host(name)
        if name in views.ALWAYS_OWN:
            return self.get_own(name)
        if STANDARD_LIBRARY not in system.share or top not in sys.stdlib_module_names:
            return _MISSING
        if system._is_shadowed(top):
            return _MISSING
        if name in views.OWN:
            return self.get_own(name)
        return system._import_from_host(name)

    @staticmethod
    def refresh() -> None:
        """Let the standard modules that go by `__module__`, loaded meanwhile, see the systems."""
        reflection.refresh()


frames.disguise()
