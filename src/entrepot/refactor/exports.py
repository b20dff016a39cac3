"""Which names `from module import *` brings, found without running the module.

A module's top level is followed statement by statement (`namespace_reader.py`): what certainly binds a
name, what may, what deletes it. Conditions on the Python version, the platform and TYPE_CHECKING are decided,
and so is `try: import x` where x can or cannot be found. `__all__` is folded from literals,
sums, `+=`, `append`, `extend`, `remove` and other modules' `__all__` (`string_lists.py`).

Modules of the standard library that are not files of the project are asked by importing them in
a fresh interpreter (`-I -S`); code of the project or of installed packages is never run.

What cannot be decided is said: names bound only perhaps are in `maybe`, and a module that
makes names at run time (`globals().update(...)`) raises Refused.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys

from entrepot.errors import Refused
from entrepot.refactor.imports import resolve_from
from entrepot.refactor.known_values import decide_test
from entrepot.refactor.made_names import find_made
from entrepot.refactor.namespace import Namespace
from entrepot.refactor.namespace_reader import Reader
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile


class Exports:
    """Answers for one project, remembering what it found."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.known: dict[str, Namespace] = {}
        self.asked: dict[str, Namespace] = {}
        self.busy: dict[str, Reader] = {}
        self.outside: dict[str, SourceFile] = {}

    # -- finding ---------------------------------------------------------------------------

    def locate(self, name: str, importer: str) -> str | None:
        """Return a module's file, in the project or on `sys.path`; "" for one that must be asked; None."""
        found = self.project.find_module(name, importer)
        if found is not None:
            return found
        top = name.split(".")[0]
        if top in sys.builtin_module_names or top in sys.stdlib_module_names:
            return ""
        if self.project.has_folder(name, importer):
            return None
        for folder in sys.path:
            if not folder or not os.path.isdir(folder):
                continue
            base = os.path.join(folder, *name.split("."))
            for candidate in (os.path.join(base, "__init__.py"), base + ".py"):
                if os.path.isfile(candidate):
                    return candidate
        return None

    def is_there(self, name: str, importer: str) -> bool:
        """Whether a module can be found: also a folder of modules, and one that was compiled from C."""
        path = self.locate(name, importer)
        if path == "":
            return self._has_standard(name)
        if path is not None or self.project.has_folder(name, importer):
            return True
        parent, _, last = name.rpartition(".")
        if parent:
            above = self.locate(parent, importer)
            folders = [os.path.dirname(above)] if above else []
        else:
            folders = [self.project.import_root(importer), os.path.dirname(importer), *sys.path]
        return any(
            entry.startswith(last + ".") and entry.endswith((".so", ".pyd"))
            for folder in folders
            if os.path.isdir(folder)
            for entry in os.listdir(folder)
        )

    def _has_standard(self, name: str) -> bool:
        """Whether a module of the standard library is here: some are for one platform only."""
        if "." not in name:
            return name in sys.builtin_module_names or importlib.util.find_spec(name) is not None
        try:
            self.ask(name)
        except Refused:
            return False
        return True

    def has_name(self, source: str, name: str, importer: str) -> bool | None:
        """Whether `from source import name` finds it; None where that cannot be told."""
        path = self.locate(source, importer)
        try:
            if path == "":
                return name in self.ask(source).bound or self._has_standard(f"{source}.{name}")
            if self.is_there(f"{source}.{name}", importer):
                return True
            found = None if path is None else self.of_file(path)
        except Refused:
            return False if path == "" else None
        if found is None or name.startswith("__"):
            return None
        if path == importer and name not in found.bound:
            return False  # a package that asks itself for a module that is not there
        is_open = found.unknown is not None or name in found.maybe or "__getattr__" in found.bound
        return True if name in found.bound else None if is_open else False

    def file(self, path: str) -> SourceFile:
        if path in self.project:
            return self.project.file(path)
        if path not in self.outside:
            with open(path, "rb") as stream:
                self.outside[path] = SourceFile(path, stream.read())
        return self.outside[path]

    def name_of(self, path: str) -> str:
        if path in self.project:
            return self.project.name_of(path)
        parts: list[str] = []
        folder, name = os.path.split(path)
        if name != "__init__.py":
            parts.append(name[:-3])
        while os.path.isfile(os.path.join(folder, "__init__.py")):
            folder, last = os.path.split(folder)
            parts.insert(0, last)
        return ".".join(parts)

    def source_of(self, node: ast.ImportFrom, path: str) -> str | None:
        """Return the absolute name that a from-import takes from."""
        package = self.name_of(path)
        if os.path.basename(path) != "__init__.py":
            package = package.rpartition(".")[0]
        return resolve_from(node, package)

    def get(self, name: str, importer: str) -> Namespace:
        """Return a module's namespace. Raises Refused when it cannot be told."""
        path = self.locate(name, importer)
        if path is None:
            raise Refused(f"the module {name} cannot be found")
        if path == "":
            return self.ask(name)
        return self.of_file(path)

    def of_file(self, path: str) -> Namespace:
        found = self.known.get(path)
        if found is None:
            if path in self.busy:
                return self._so_far(path)
            reader = self.busy[path] = Reader(self, path, find_made(self.file(path)))
            try:
                found = self.known[path] = reader.read_module(self.file(path).tree)
                if os.path.basename(path) == "__init__.py" and found.exported is None:
                    for name in self.find_loaded_submodules(path):
                        found.bound.setdefault(name)
            finally:
                del self.busy[path]
        if found.unknown is not None and found.exported is None:
            raise Refused(f"the names of {self.name_of(path)} cannot be told: {found.unknown}")
        return found

    def _so_far(self, path: str) -> Namespace:
        """Return what a module has that is imported back while it is initialised: the rest only where it came first."""
        reader = self.busy[path]
        bound = dict(reader.namespace.bound)
        later = dict.fromkeys(sorted(self.file(path).names.module.bindings - set(bound)))
        strings = reader.lists.by_name.get("__all__")
        return Namespace(bound, later, None if strings is None else strings.items, reader.namespace.unknown)

    def find_loaded_submodules(self, path: str) -> list[str]:
        """Return the submodules that a package's own initialisation loads: they become its attributes."""
        package = self.name_of(path)
        seen: set[str] = set()
        stack = [path]
        found: dict[str, None] = {}
        while stack:
            here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            try:
                tree = self.file(here).tree
            except Refused:
                continue
            for name in _import_time_modules(self, tree.body, here):
                there = self.locate(name, here)
                if not there:
                    continue
                if name.startswith(package + "."):
                    found.setdefault(name[len(package) + 1 :].split(".")[0])
                if there in self.project or name.startswith(package + "."):
                    stack.append(there)
        return list(found)

    def ask(self, name: str) -> Namespace:
        """Ask a fresh interpreter for the names of a module of the standard library."""
        if name not in self.asked:
            code = (
                "import json, os, sys, importlib\n"  # os, as in any program: it is in a circle with some others
                f"m = importlib.import_module({name!r})\n"
                "print(json.dumps([getattr(m, '__all__', None), list(vars(m))]))"
            )
            try:
                done = subprocess.run(
                    [sys.executable, "-I", "-S", "-c", code], capture_output=True, timeout=60, check=False
                )
                exported, bound = json.loads(done.stdout.decode().splitlines()[-1])
            except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
                raise Refused(
                    f"the module {name} cannot be imported here, so its names cannot be told"
                ) from None
            self.asked[name] = Namespace(dict.fromkeys(bound), {}, exported and list(exported))
        return self.asked[name]


def read_namespace(exports: Exports, path: str) -> Namespace:
    """Return what a file's top level binds, whatever its `__all__` says; no error where it cannot be told."""
    file = exports.file(path)
    reader = Reader(exports, path, find_made(file))
    reader.read(file.tree.body)
    return reader.namespace


def _import_time_modules(exports: Exports, body: list[ast.stmt], path: str) -> list[str]:
    found: list[str] = []
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                found += [".".join(parts[: count + 1]) for count in range(len(parts))]
        elif isinstance(node, ast.ImportFrom):
            source = exports.source_of(node, path)
            if source is not None:
                found.append(source)
                found += [f"{source}.{alias.name}" for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            value = decide_test(node.test) if isinstance(node, ast.If) else None
            if value is not None:
                found += _import_time_modules(exports, node.body if value else node.orelse, path)  # type: ignore[union-attr]
                continue
            for name in ("body", "orelse", "finalbody"):
                found += _import_time_modules(exports, getattr(node, name, []), path)
            for handler in getattr(node, "handlers", ()):
                found += _import_time_modules(exports, handler.body, path)
    return found
