"""Modules loaded by one import system, made to look as if another had loaded them.

Programs compare what they find on modules with what `importlib.machinery` offers:
`isinstance(module.__loader__, SourceFileLoader)`, `module.__loader__ is BuiltinImporter`. When a
system becomes the interpreter's, modules are there that importlib has loaded; when it steps back,
modules stay that it has loaded. Specs and loaders of both have the same fields, so each object
stays the same and only changes its class.

Knows the classes' pairs from its caller. Instances of subclasses are left alone.
"""

import sys

from entrepot.core import finders, frames, interpreter, loaders, namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_ABSTRACT = (
    "Finder",
    "MetaPathFinder",
    "PathEntryFinder",
    "Loader",
    "ResourceLoader",
    "InspectLoader",
    "ExecutionLoader",
    "FileLoader",
    "SourceLoader",
)


def adopt(modules: "Iterable[Any]", classes: "dict[Any, Any]") -> None:
    """Give the specs and loaders of modules other classes: `classes` is from each to its counterpart."""
    for module in modules:
        try:
            attributes = module.__dict__
        except AttributeError:
            # Something else that its code has put into the cache.
            continue
        loader = attributes.get("__loader__")
        spec = attributes.get("__spec__")
        if loader.__class__ is type:
            # A class that is its own loader: BuiltinImporter, FrozenImporter.
            if loader in classes:
                attributes["__loader__"] = classes[loader]
        else:
            _change_class(loader, classes)
        if spec is None:
            continue
        _change_class(spec, classes)
        inner = getattr(spec, "loader", None)
        if inner.__class__ is type:
            if inner in classes:
                spec.loader = classes[inner]
        elif inner is not loader:
            _change_class(inner, classes)


def register(abc: "Any", classes: "dict[Any, Any]") -> None:
    """Make classes subclasses of all abstract ones of `importlib.abc` that their counterparts are of."""
    for name in _ABSTRACT:
        abstract = getattr(abc, name, None)
        if abstract is not None:
            for old, new in classes.items():
                if issubclass(old, abstract) and not issubclass(new, abstract):
                    abstract.register(new)


def register_ours(abc: "Any") -> None:
    """Make our loaders and finders what importlib's are in terms of `importlib.abc`."""
    classes = {}
    homes = [vars(ours) for ours in (interpreter, loaders, finders, namespace)]
    for half in ("_frozen_importlib", "_frozen_importlib_external"):
        for old in list(sys.modules[half].__dict__.values()):
            name = getattr(old, "__name__", "")
            new = next((names[name] for names in homes if name in names), None)
            if isinstance(old, type) and isinstance(new, type) and old is not new:
                classes[old] = new
    register(abc, classes)


def _change_class(thing: "Any", classes: "dict[Any, Any]") -> None:
    counterpart = classes.get(type(thing))
    if counterpart is not None:
        thing.__class__ = counterpart


frames.disguise()
