"""entrepot's own modules, as they travel to processes that do not have it installed: those that a worker needs, as text.

Text, not bytecode: any Python can use it, and compiling it takes less than a tenth of a second.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import pkgutil
import zlib
from importlib.machinery import ModuleSpec
from typing import Any

# Packages that are taken whole, and modules.
_PACKAGES = ("entrepot.live",)
_MODULES = (
    "entrepot", "entrepot.errors", "entrepot.ship", "entrepot.ship.resident",
    *(f"entrepot.ship.{name}" for name in ("codes", "contents", "dask_arrival", "dask_plugins", "kept", "manifest")),
    *(f"entrepot.ship.{name}" for name in ("placed", "reports", "resident.place")),
)  # fmt: skip


@functools.cache
def pack() -> bytes:
    """Return the modules: name -> (file, text) of each, as `dask_arrival.Carried` takes them."""
    names = [*_MODULES, *_PACKAGES]
    for package in _PACKAGES:
        folders = _find(package).submodule_search_locations
        names += [f"{package}.{module.name}" for module in pkgutil.iter_modules(folders)]
    texts = {name: (_name_file(name), read_text(name)) for name in sorted(names)}
    return zlib.compress(json.dumps(texts).encode(), 9)


def read_text(name: str) -> str:
    """Return the text of one of our modules, wherever it is installed (a zip file has no files)."""
    loader: Any = _find(name).loader
    text: str = loader.get_source(name)
    return text


def _name_file(name: str) -> str:
    """Return what tracebacks call it."""
    path = name.replace(".", "/")
    is_package = _find(name).submodule_search_locations is not None
    return f"(sent) {path}/__init__.py" if is_package else f"(sent) {path}.py"


def _find(name: str) -> ModuleSpec:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    return spec
