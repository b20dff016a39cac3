"""The modules that are in the interpreter itself, built-in and frozen: finder and loader in one class for each kind.

The classes and methods are those of `importlib.machinery`. What is in the interpreter is asked of it each time.
"""

import _imp
import sys

from entrepot.core import frames, paths
from entrepot.core.loaders import load_by_name
from entrepot.core.spec import Module, spec_from_loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

_namespace: "Any" = type(sys.implementation)


def _requires(check: "Callable[[str], bool]", kind: str) -> "Callable[[Any], Any]":
    """Decorate a method that only modules of one kind may be asked about."""

    def decorate(method: "Any") -> "Any":
        def ask(cls: type, fullname: str) -> object:
            if not check(fullname):
                raise ImportError(f"{fullname!r} is not a {kind} module", name=fullname)
            return method(cls, fullname)

        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(ask, attribute, getattr(method, attribute))
        return classmethod(ask)

    return decorate


_requires_builtin = _requires(lambda name: name in sys.builtin_module_names, "built-in")
_requires_frozen = _requires(lambda name: bool(_imp.is_frozen(name)), "frozen")


class BuiltinImporter:
    """Finder and loader of modules compiled into the interpreter. All methods are of the class."""

    _ORIGIN = "built-in"

    @classmethod
    def find_spec(cls, fullname: str, path: object = None, target: object = None) -> "Any":
        """Return a spec if the interpreter has a module of this name built in."""
        if _imp.is_builtin(fullname):
            return spec_from_loader(fullname, cls, origin=cls._ORIGIN)
        return None

    @staticmethod
    def create_module(spec: "Any") -> "Any":
        """Make the module."""
        if spec.name not in sys.builtin_module_names:
            raise ImportError(f"{spec.name!r} is not a built-in module", name=spec.name)
        return _imp.create_builtin(spec)

    @staticmethod
    def exec_module(module: "Any") -> None:
        """Run its second phase, if there is one."""
        _imp.exec_builtin(module)

    @_requires_builtin
    def get_code(cls, fullname: str) -> None:
        """Return None: a built-in module has no code object."""

    @_requires_builtin
    def get_source(cls, fullname: str) -> None:
        """Return None: a built-in module has no source."""

    @_requires_builtin
    def is_package(cls, fullname: str) -> bool:
        """Return False: built-in modules are never packages."""
        return False

    load_module = classmethod(load_by_name)


class FrozenImporter:
    """Finder and loader of modules whose bytecode is in the interpreter. All methods are of the class."""

    _ORIGIN = "frozen"

    @classmethod
    def find_spec(cls, fullname: str, path: object = None, target: object = None) -> "Any":
        """Return a spec if a module of this name is frozen.

        `loader_state.filename` is the file of the standard library that it was made from.
        """
        info = _imp.find_frozen(fullname)
        if info is None:
            return None
        _, is_package, original_name = info
        spec: Any = spec_from_loader(fullname, cls, origin=cls._ORIGIN, is_package=is_package)
        filename, folder = cls._resolve_filename(original_name, fullname, is_package)
        spec.loader_state = _namespace(filename=filename, origname=original_name)
        if folder:
            spec.submodule_search_locations.insert(0, folder)
        return spec

    @staticmethod
    def _resolve_filename(
        name: "str | None", alias: "str | None" = None, is_package: bool = False
    ) -> "tuple[str | None, str | None]":
        """Return the file that a frozen module was made from, and its folder if it is a package."""
        stdlib = getattr(sys, "_stdlib_dir", None)
        if not name or not stdlib:
            return None, None
        if name != alias:
            # An alias: "<name" stands for a package's __init__ under another name.
            if name.startswith("<"):
                name = name[1:]
                if not is_package:
                    name = f"{name}.__init__"
            else:
                is_package = False
        relative = name.replace(".", paths.SEPARATOR)
        if is_package:
            folder = f"{stdlib}{paths.SEPARATOR}{relative}"
            return f"{folder}{paths.SEPARATOR}__init__.py", folder
        return f"{stdlib}{paths.SEPARATOR}{relative}.py", None

    @staticmethod
    def create_module(spec: "Any") -> "Any":
        """Make the module, with its `__file__` where the standard library's folder is known."""
        module: Any = Module(spec.name)
        filename = getattr(spec.loader_state, "filename", None)
        if filename:
            module.__file__ = filename
        return module

    @staticmethod
    def exec_module(module: "Any") -> None:
        """Run the frozen code."""
        exec(_imp.get_frozen_object(module.__spec__.name), module.__dict__)

    @classmethod
    def load_module(cls, fullname: str) -> "Any":
        """Load by name. Deprecated: the import system uses `exec_module`."""
        module = load_by_name(cls, fullname)
        info: Any = _imp.find_frozen(fullname)
        _, is_package, original_name = info
        filename, folder = cls._resolve_filename(original_name, fullname, is_package)
        namespace = vars(module)
        namespace.pop("__file__", None)
        if filename:
            namespace["__file__"] = filename
        if is_package:
            namespace["__path__"] = [folder] if folder else []
        return module

    @_requires_frozen
    def get_code(cls, fullname: str) -> "CodeType":
        """Return the frozen code object."""
        return _imp.get_frozen_object(fullname)

    @_requires_frozen
    def get_source(cls, fullname: str) -> None:
        """Return None: a frozen module has no source."""

    @_requires_frozen
    def is_package(cls, fullname: str) -> bool:
        """Whether the frozen module is a package."""
        return bool(_imp.is_frozen_package(fullname))


frames.disguise()
