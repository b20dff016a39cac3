"""What stands in the place of what, while a system is the interpreter's.

The C code behind the import statement calls a few functions of `_frozen_importlib` by their names;
`importlib` and its submodules offer those and the classes under the names that programs know. Here is which
of ours takes the place of each.
"""

import sys

from entrepot.core import (
    archives,
    bytecode,
    finders,
    frames,
    interpreter,
    loaders,
    names,
    namespace,
    source,
    spec,
    statement,
)
from entrepot.core.lazy import LazyLoader
from entrepot.core.modules import Importer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where importlib's functions and classes are offered under their names.
OFFERING = (
    "_frozen_importlib",
    "_frozen_importlib_external",
    "importlib",
    "importlib.abc",
    "importlib.machinery",
    "importlib.util",
    "pkgutil",
    "runpy",
    "zipimport",
)


# The classes of importlib whose instances, or which themselves, are found on modules.
ON_MODULES = frozenset(
    [
        "BuiltinImporter",
        "ExtensionFileLoader",
        "FrozenImporter",
        "ModuleSpec",
        "NamespaceLoader",
        "SourceFileLoader",
        "SourcelessFileLoader",
    ]
)


def find_replacements(importer: Importer) -> "dict[int, tuple[Any, Any]]":
    """Return what takes the place of what: the id of each thing of importlib's, with it and ours."""
    inner = sys.modules["_frozen_importlib"].__dict__
    outer = sys.modules["_frozen_importlib_external"].__dict__
    util = getattr(sys.modules.get("importlib.util"), "__dict__", {})
    zipimport = getattr(sys.modules.get("zipimport"), "__dict__", {})
    pairs = [
        *[(inner.get(name), value) for name, value in _inner_names(importer).items()],
        *[(outer.get(name), value) for name, value in _outer_names().items()],
        (util.get("LazyLoader"), LazyLoader),
        (zipimport.get("zipimporter"), archives.ZipImporter),
    ]
    return {id(old): (old, new) for old, new in pairs if old is not None}


def _inner_names(importer: Importer) -> "dict[str, Any]":
    """Return what stands for the names of `_frozen_importlib`, the C code's among them."""

    def find_fromlist(
        module: "Any", fromlist: "Any", import_: object = None, *, recursive: bool = False
    ) -> "Any":
        for item in fromlist:
            if item.__class__ is not str or item == "*" or not hasattr(module, item):
                return statement.handle_fromlist(importer, module, fromlist, is_all=recursive)
        # Nearly always so: nothing is to be imported.
        return module

    return {
        "_find_and_load": frames.without_frame(importer.find_and_load, "Find and load a module."),
        "_handle_fromlist": frames.without_frame(find_fromlist, "Import what a from list names."),
        "_lock_unlock_module": importer.locks.wait_for,
        "_gcd_import": frames.without_frame(importer.import_by_name, "Import a module by name."),
        "__import__": _make_function(importer),
        "_find_spec": frames.without_frame(importer.find_spec, "Find a module's spec."),
        "_load": frames.without_frame(importer.load, "Load a module from its spec."),
        "_load_unlocked": importer._load_locked,
        "_exec": frames.without_frame(importer.run_again, "Run a module once more."),
        "_resolve_name": names.resolve_relative,
        "ModuleSpec": spec.ModuleSpec,
        "module_from_spec": spec.make_module,
        "spec_from_loader": spec.spec_from_loader,
        "_spec_from_module": spec.spec_from_module,
        "_init_module_attrs": spec.set_attributes,
        "_module_repr": spec.describe_module,
        "_module_repr_from_spec": spec.describe_spec,
        "BuiltinImporter": interpreter.BuiltinImporter,
        "FrozenImporter": interpreter.FrozenImporter,
    }


def _outer_names() -> "dict[str, Any]":
    """Return what stands for the names of `_frozen_importlib_external`."""
    return {
        "PathFinder": finders.PathFinder,
        "FileFinder": finders.FileFinder,
        "FileLoader": loaders.FileLoader,
        "SourceLoader": loaders.SourceLoader,
        "SourceFileLoader": loaders.SourceFileLoader,
        "SourcelessFileLoader": loaders.SourcelessFileLoader,
        "ExtensionFileLoader": loaders.ExtensionFileLoader,
        "NamespaceLoader": namespace.NamespaceLoader,
        "_NamespacePath": namespace.NamespacePath,
        "_LoaderBasics": loaders.Basics,
        "cache_from_source": bytecode.cache_from_source,
        "source_from_cache": bytecode.source_from_cache,
        "decode_source": source.decode_source,
        "spec_from_file_location": spec.spec_from_file_location,
        "_get_supported_file_loaders": loaders.file_loaders,
    }


def _make_function(importer: Importer) -> "Any":
    """Return `importlib.__import__`: the statement's work as a plain function."""

    def __import__(
        name: str, globals: "Any" = None, locals: "Any" = None, fromlist: "Any" = (), level: int = 0
    ) -> "Any":
        """Import a module, as the import statement asks for it."""
        return statement.import_as_function(importer, name, globals, fromlist, level)

    return __import__


frames.disguise()


def _call_as_importlib_does() -> None:
    """Give our classes the `__module__` of importlib's: it is in their reprs, and programs look at it."""
    for value in _outer_names().values():
        if isinstance(value, type):
            value.__module__ = "_frozen_importlib_external"
    for value in (spec.ModuleSpec, interpreter.BuiltinImporter, interpreter.FrozenImporter):
        value.__module__ = "_frozen_importlib"
    LazyLoader.__module__ = "importlib.util"
    archives.ZipImporter.__module__ = "zipimport"


# After `disguise`, which tells by it whose a class is.
_call_as_importlib_does()
