"""The host's reflective modules, while systems have modules: they ask who a class belongs to.

`typing.get_type_hints`, `inspect.getsource`, `dataclasses.dataclass`, `enum.global_enum` and their like look
`cls.__module__` up in `sys.modules`, through the name `sys` in their own namespace. While there is a
system with modules, that name leads to a stand-in: the module `sys`, but that its `modules` first
asks whose a name is (`owners`). When the last system is gone, so is the stand-in.

They are one and the same functions for host and systems. A module that the host imports later gets
the stand-in at the next import of any system.
"""

import sys

from entrepot.core import frames, owners, pickles
from entrepot.core.spec import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

REFLECTIVE = ("dataclasses", "doctest", "enum", "inspect", "pydoc", "typing", "unittest.suite")


class _Modules:
    """`sys.modules`, but that a name object which a system owns leads to that system's module."""

    def get(self, name: object, default: object = None) -> "Any":
        module = owners.find_module(name)
        return default if module is None and name not in sys.modules else module

    def __getitem__(self, name: "Any") -> "Any":
        module = owners.find_module(name)
        return sys.modules[name] if module is None else module

    def __contains__(self, name: object) -> bool:
        return owners.find_module(name) is not None or name in sys.modules

    def copy(self) -> "_AllModules":
        """Return the host's modules; its `items()` has those of the systems too."""
        return _AllModules(sys.modules)

    def __getattr__(self, name: str) -> "Any":
        return getattr(sys.modules, name)

    def __setitem__(self, name: str, module: "Any") -> None:
        sys.modules[name] = module

    def __delitem__(self, name: str) -> None:
        del sys.modules[name]

    def __iter__(self) -> "Iterator[str]":
        return iter(sys.modules)

    def __len__(self) -> int:
        return len(sys.modules)


class _AllModules(dict):  # type: ignore[type-arg]
    def items(self) -> "Any":
        """Return name and module of all: several systems may have modules of one name."""
        pairs = list(super().items())
        for system in owners.living():
            pairs += [pair for pair in list(system.modules.items()) if pair[1] is not self.get(pair[0])]
        return pairs


class _SysStandIn(Module):
    """The module `sys`, but for `modules`."""

    modules = _Modules()

    def __getattr__(self, name: str) -> "Any":
        return getattr(sys, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(sys, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(sys, name)

    def __dir__(self) -> "list[str]":
        return dir(sys)


_stand_in = _SysStandIn("sys", sys.__doc__)


def refresh() -> None:
    """Give the stand-in to those reflective modules that the host has."""
    if not owners.living():
        return
    for name in REFLECTIVE:
        module = sys.modules.get(name)
        if module is not None and module.__dict__.get("sys") is sys:
            module.__dict__["sys"] = _stand_in
    pickles.attach()


def _give_back() -> None:
    for name in REFLECTIVE:
        module = sys.modules.get(name)
        if module is not None and module.__dict__.get("sys") is _stand_in:
            module.__dict__["sys"] = sys
    pickles.detach()


owners.on_first = refresh
owners.on_last = _give_back

frames.disguise()
