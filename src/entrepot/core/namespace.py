"""Namespace packages: packages without `__init__.py`, in portions (PEP 420)."""

import sys

from entrepot.core import frames
from entrepot.core.verbose import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any


class NamespacePath:
    """The `__path__` of a namespace package, recomputed when its parent's path has changed.

    The parent's path is `sys.path` at the top level. `state` is where the import system keeps
    `modules` and `path`: the module `sys`, or a `System`.
    """

    # Raised by invalidate_caches(): every namespace path is recomputed at its next use.
    _epoch = 0

    def __init__(self, name: str, path: "Any", path_finder: "Any", state: "Any" = sys) -> None:
        self._name = name
        self._path = path
        self._state = state
        self._last_parent_path = tuple(self._get_parent_path())
        self._last_epoch = NamespacePath._epoch
        self._path_finder = path_finder

    def _get_parent_path(self) -> "Any":
        parent = self._name.rpartition(".")[0]
        return self._state.modules[parent].__path__ if parent else self._state.path

    def _recalculate(self) -> "Any":
        parent_path = tuple(self._get_parent_path())
        if parent_path != self._last_parent_path or NamespacePath._epoch != self._last_epoch:
            spec = self._path_finder(self._name, parent_path)
            # If it has become a regular package meanwhile, the portions stay what they were.
            if spec is not None and spec.loader is None and spec.submodule_search_locations:
                self._path = spec.submodule_search_locations
            self._last_parent_path = parent_path
            self._last_epoch = NamespacePath._epoch
        return self._path

    def __iter__(self) -> "Iterator[str]":
        return iter(self._recalculate())

    def __getitem__(self, index: "Any") -> "Any":
        return self._recalculate()[index]

    def __setitem__(self, index: "Any", path: "Any") -> None:
        self._path[index] = path

    def __len__(self) -> int:
        return len(self._recalculate())

    def __repr__(self) -> str:
        return f"_NamespacePath({self._path!r})"

    def __contains__(self, item: object) -> bool:
        return item in self._recalculate()

    def append(self, item: str) -> None:
        self._path.append(item)


# Its repr and its type's name are what programs know from importlib.
NamespacePath.__name__ = NamespacePath.__qualname__ = "_NamespacePath"


class NamespaceLoader:
    """The loader of namespace packages: there is nothing to run."""

    def __init__(self, name: str, path: "Any", path_finder: "Any") -> None:
        self._path: Any = NamespacePath(name, path, path_finder)

    def is_package(self, fullname: str) -> bool:
        return True

    def get_source(self, fullname: str) -> str:
        return ""

    def get_code(self, fullname: str) -> "CodeType":
        return compile("", "<string>", "exec", dont_inherit=True)

    def create_module(self, spec: object) -> None:
        """Let the import system make an ordinary module."""

    def exec_module(self, module: object) -> None:
        """A namespace package has no code."""

    def load_module(self, fullname: str) -> "Any":
        """Load by name. Deprecated: the import system uses `exec_module`."""
        from entrepot.core.loaders import load_by_name

        say("namespace module loaded with path {!r}", self._path)
        return load_by_name(self, fullname)

    def get_resource_reader(self, module: object) -> "Any":
        from importlib.readers import NamespaceReader

        return NamespaceReader(self._path)  # type: ignore[arg-type, unused-ignore]


frames.disguise()
