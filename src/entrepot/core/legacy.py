"""What Python 3.11 has and 3.12 has not: finding and loading as it was before PEP 451.

The deprecated methods `find_module`, `find_loader` and `module_repr` of finders and loaders, with
the warnings that 3.11 gives. Importing this module adds them; from 3.12 on nobody does.

Asking finders that know only these methods is in `finders`, beside the search that does it.
"""

import _imp

from entrepot.core import frames
from entrepot.core.finders import FileFinder, PathFinder
from entrepot.core.interpreter import BuiltinImporter, FrozenImporter
from entrepot.core.namespace import NamespaceLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _warn(method: str, instead: str = "; use find_spec() instead") -> None:
    text = f"{method}() is deprecated and slated for removal in Python 3.12{instead}"
    frames.warn(text, DeprecationWarning)


def _find_module_by_spec(cls: "Any", fullname: str, path: "Any" = None) -> "Any":
    """Find a loader. Deprecated: use `find_spec`."""
    _warn(f"{cls.__name__}.find_module")
    spec = cls.find_spec(fullname, path)
    return None if spec is None else spec.loader


def _find_frozen_module(cls: "Any", fullname: str, path: "Any" = None) -> "Any":
    """Find a frozen module. Deprecated: use `find_spec`."""
    _warn("FrozenImporter.find_module")
    return cls if _imp.is_frozen(fullname) else None


def find_module_by_loader(self: "Any", fullname: str) -> "Any":
    """Find a loader by a path entry finder's `find_loader`. Deprecated: use `find_spec`."""
    _warn("find_module")
    loader, portions = self.find_loader(fullname)
    if loader is None and portions:
        frames.warn(f"Not importing directory {portions[0]}: missing __init__", ImportWarning)
    return loader


def _find_loader(self: "Any", fullname: str) -> "Any":
    """Find a loader, or the portions of a namespace package. Deprecated: use `find_spec`."""
    _warn("FileFinder.find_loader")
    spec = self.find_spec(fullname)
    return (None, []) if spec is None else (spec.loader, spec.submodule_search_locations or [])


def _describe_builtin(module: "Any") -> str:
    """Return a module's repr. Deprecated: the import system does it."""
    _warn("BuiltinImporter.module_repr", "")
    return f"<module {module.__name__!r} (built-in)>"


def _describe_frozen(module: "Any") -> str:
    """Return a module's repr. Deprecated: the import system does it."""
    _warn("FrozenImporter.module_repr", "")
    return f"<module {module.__name__!r} (frozen)>"


def _describe_namespace(module: "Any") -> str:
    """Return a module's repr. Deprecated: the import system does it."""
    _warn("NamespaceLoader.module_repr", "")
    return f"<module {module.__name__!r} (namespace)>"


for _cls, _name, _method in (
    (BuiltinImporter, "find_module", classmethod(_find_module_by_spec)),
    (FrozenImporter, "find_module", classmethod(_find_frozen_module)),
    (PathFinder, "find_module", classmethod(_find_module_by_spec)),
    (FileFinder, "find_module", find_module_by_loader),
    (FileFinder, "find_loader", _find_loader),
    (BuiltinImporter, "module_repr", staticmethod(_describe_builtin)),
    (FrozenImporter, "module_repr", staticmethod(_describe_frozen)),
    (NamespaceLoader, "module_repr", staticmethod(_describe_namespace)),
):
    setattr(_cls, _name, _method)

frames.disguise()
