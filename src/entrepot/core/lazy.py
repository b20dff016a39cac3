"""Lazy loading: a module whose code runs when somebody first asks it for something.

As `importlib.util.LazyLoader`. The search is not lazy: a missing module fails at once.
"""

import sys

from entrepot.core import frames
from entrepot.core.spec import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _LazyModule(Module):
    """A module that has been found and made, and not yet run."""

    def __getattribute__(self, attr: str) -> "Any":
        """Run the module, then look the attribute up."""
        spec = object.__getattribute__(self, "__spec__")
        state = spec.loader_state
        with state["lock"]:
            # Only the first thread runs it; the others find its own class when they get here.
            if object.__getattribute__(self, "__class__") is _LazyModule:
                own_class = state["__class__"]
                if state["is_loading"]:
                    # Its own code looks at it.
                    return own_class.__getattribute__(self, attr)
                state["is_loading"] = True
                namespace = own_class.__getattribute__(self, "__dict__")
                before = state["__dict__"]
                # What has been set meanwhile wins over what its code sets, as it would have.
                changed = {
                    key: value
                    for key, value in namespace.items()
                    if key not in before or value is not before[key]
                }
                spec.loader.exec_module(self)
                if state["modules"].get(spec.name, self) is not self:
                    raise ValueError(
                        f"module object for {spec.name!r} substituted in sys.modules during a lazy load"
                    )
                namespace.update(changed)
                if isinstance(self, _LazyModule):
                    object.__setattr__(self, "__class__", own_class)
        return getattr(self, attr)

    def __delattr__(self, attr: str) -> None:
        """Run the module, then delete."""
        self.__getattribute__(attr)
        delattr(self, attr)


class LazyLoader:
    """A loader that puts off another loader's `exec_module` until an attribute is asked for."""

    def __init__(self, loader: "Any", modules: "dict[str, Any] | None" = None) -> None:
        """`modules` is the module cache that it loads into, by default `sys.modules`.

        Raises:
            TypeError: the loader has no `exec_module`.
        """
        _check_eager(loader)
        self.loader = loader
        self._modules = sys.modules if modules is None else modules

    @classmethod
    def factory(cls, loader: "Any") -> "Callable[..., LazyLoader]":
        """Return what makes a lazy loader as a loader class would make an eager one."""
        _check_eager(loader)
        return lambda *args, **kwargs: cls(loader(*args, **kwargs))

    def create_module(self, spec: "Any") -> "Any":
        """Make the module as the eager loader does."""
        return self.loader.create_module(spec)

    def exec_module(self, module: "Any") -> None:
        """Make the module run at its first use."""
        from _thread import RLock

        module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        module.__spec__.loader_state = {
            "__dict__": module.__dict__.copy(),
            "__class__": module.__class__,
            "lock": RLock(),
            "is_loading": False,
            "modules": self._modules,
        }
        module.__class__ = _LazyModule

    def load_module(self, fullname: str) -> "Any":
        """Load by name. Deprecated: the import system uses `exec_module`."""
        from entrepot.core.loaders import load_by_name

        return load_by_name(self, fullname)


def _check_eager(loader: "Any") -> None:
    if not hasattr(loader, "exec_module"):
        raise TypeError("loader must define exec_module()")


frames.disguise()
