"""An import system over a state of its own, so that a test touches nothing of the interpreter's."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

from entrepot.core import archives, finders, interpreter, loaders, statement
from entrepot.core.modules import Importer


class State:
    """What an importer works on: the attributes of `sys` that are the import system's."""

    def __init__(self, path: list[str]) -> None:
        # Shared, so that a program may import them; everything else comes from the path.
        self.modules: dict[str, Any] = {
            name: sys.modules[name] for name in ("sys", "builtins", "warnings", "time", "threading")
        }
        self.path = path
        finder = type("PathFinder", (finders.PathFinder,), {"_state": self})
        self.meta_path: list[Any] = [interpreter.BuiltinImporter, interpreter.FrozenImporter, finder]
        self.path_hooks: list[Any] = [
            archives.ZipImporter,
            finders.FileFinder.path_hook(*loaders.file_loaders()),
        ]
        self.path_importer_cache: dict[str, Any] = {}


def make_importer(*path: Path | str) -> Importer:
    """Return an importer whose modules' own import statements come back to it."""
    importer = Importer(State([str(entry) for entry in path]))
    importer.builtins = {**vars(builtins), "__import__": statement.make_statement(importer)}
    return importer
