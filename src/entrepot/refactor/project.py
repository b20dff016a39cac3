"""The files of a project, and which module name means which file.

The seam between the refactorings and the model of a program: everything they know about other
files goes through here. A file is read once; it is parsed only when somebody asks for its
tree, and `mentioning` finds the files whose bytes contain a word, so that a rename in thousands
of files parses only the few that can matter.

Module names follow the folders: the name a file has below the nearest folder without
`__init__.py`, and, for folders that are namespace packages, the longer names below the
project's root that some import in the project uses.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from entrepot.errors import Refused
from entrepot.refactor.imports import resolve_from
from entrepot.refactor.text import SourceFile

Found = TypeVar("Found")

MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", ".hg")
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})


def find_root(path: str) -> str:
    """Return the project's folder: the nearest around `path` with a marker, else the current one."""
    folder = os.path.realpath(path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path)))
    around = folder
    while True:
        if any(os.path.exists(os.path.join(around, marker)) for marker in MARKERS):
            return around
        parent = os.path.dirname(around)
        if parent == around:
            break
        around = parent
    here = os.path.realpath(os.getcwd())
    if folder == here or folder.startswith(here.rstrip(os.sep) + os.sep):
        return here
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


class Project:
    """The Python files below `root`.

    Attributes: `paths`, absolute, sorted; `on_file` is called with each path that is looked into.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.on_file: Callable[[str], object] = lambda _path: None
        self.paths = sorted(_walk(self.root))
        self._known = set(self.paths)
        self._folders = {os.path.dirname(path) for path in self.paths}
        for folder in list(self._folders):
            while len(folder) > len(self.root):
                folder = os.path.dirname(folder)
                self._folders.add(folder)
        self._raw: dict[str, bytes] = {}
        self._files: dict[str, SourceFile] = {}
        self._names: dict[str, str] = {}
        self._found: dict[tuple[str, str | None], str | None] = {}
        # Folders that a path entry could name, the last resort of a search.
        self._tops = [f for f in sorted(self._folders) if os.path.join(f, "__init__.py") not in self._known]
        self._imported: dict[str, tuple[str, int]] | None = None
        # The last words of all modules: most dotted names are none, and need no search.
        self._lasts = {_last_word(path) for path in self.paths}
        self._mentioned: dict[tuple[bytes, ...], list[str]] = {}
        self._memory: dict[tuple[str, str], Any] = {}

    def remember(self, key: tuple[str, str], make: Callable[[], Found]) -> Found:
        """Return what was once made of these files under a key; they are read once, and stay as they are."""
        if key not in self._memory:
            self._memory[key] = make()
        found: Found = self._memory[key]
        return found

    # -- files -----------------------------------------------------------------------------

    def raw(self, path: str) -> bytes:
        """Return a file's bytes, read once."""
        found = self._raw.get(path)
        if found is None:
            with open(path, "rb") as stream:
                found = self._raw[path] = stream.read()
        return found

    def file(self, path: str) -> SourceFile:
        """Return a parsed-on-demand source file. Raises Refused when it cannot be decoded."""
        path = os.path.abspath(path)
        found = self._files.get(path)
        if found is None:
            self.on_file(path)
            found = self._files[path] = SourceFile(path, self.raw(path))
        return found

    def __contains__(self, path: str) -> bool:
        return path in self._known

    def mentioning(self, *words: str) -> list[str]:
        """Return the paths whose bytes contain any of the words: no other file can use such a name."""
        return self._search(words, lambda word: word)

    def using(self, name: str) -> list[str]:
        """Return the paths that can use a name or hand it on: it stands there as a whole word, or a star does."""
        words = self._search((name,), lambda word: rb"(?<!\w)%s(?!\w)" % re.escape(word))
        stars = self._search(("*",), lambda _: rb"\bimport[ \t\f\\\r\n(]*\*")
        return sorted({*words, *stars})

    def _search(self, words: tuple[str, ...], make_pattern: Callable[[bytes], bytes]) -> list[str]:
        needles = [word.encode() for word in words]
        patterns = [make_pattern(needle) for needle in needles]
        key = tuple(patterns)
        found = self._mentioned.get(key)
        if found is not None:
            return found
        if not all(word.isascii() for word in words):
            return self.paths  # it could be written in another encoding, or in another normal form
        found = self._mentioned[key] = []
        for path in self.paths:
            raw = self.raw(path)
            for needle, pattern in zip(needles, patterns, strict=True):
                if needle in raw and (pattern is needle or re.search(pattern, raw)):
                    found.append(path)
                    break
        return found

    def show(self, path: str) -> str:
        """Return a path as people want to read it: relative to the project."""
        return os.path.relpath(path, self.root) if path.startswith(self.root + os.sep) else path

    # -- names -----------------------------------------------------------------------------

    def import_root(self, path: str) -> str:
        """Return the folder that must be on `sys.path` for the file's shortest name."""
        folder = os.path.dirname(path)
        while os.path.join(folder, "__init__.py") in self._known:
            folder = os.path.dirname(folder)
        return folder

    def name_of(self, path: str) -> str:
        """Return the module name of a file."""
        found = self._names.get(path)
        if found is None:
            found = self._names[path] = self._name(path)
        return found

    def _name(self, path: str) -> str:
        root = self.import_root(path)
        short = _dotted(path, root)
        while root != self.root and root.startswith(self.root):
            root = os.path.dirname(root)
            longer = _dotted(path, root)
            if _is_name(longer) and self.is_imported(longer):
                return longer
        return short

    def is_imported(self, name: str) -> bool:
        """Whether an absolute import somewhere in the project names this module or one in its folder."""
        return self.find_importer(name) is not None

    def find_importer(self, name: str) -> tuple[str, int] | None:
        """Return the path and line of the first absolute import in the project that names this module, or None."""
        if self._imported is None:
            self._imported = {}
            pattern = re.compile(
                rb"(?m)^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b[ \t(]*([^\n]*)|import[ \t]+([^\n]+))"
            )
            for path in self.paths:
                for match in pattern.finditer(self.raw(path)):
                    if match.group(1):
                        source = match.group(1).decode("utf-8", "replace")
                        words = [
                            word.decode("utf-8", "replace") for word in re.findall(rb"\w+", match.group(2))
                        ]
                        named = [source, *(f"{source}.{word}" for word in words)]
                    else:
                        parts = [part.split() for part in match.group(3).split(b",")]
                        named = [part[0].decode("utf-8", "replace") for part in parts if part]
                    for one in named:
                        self._imported.setdefault(one, (path, match.start()))
        if name not in self._imported:
            return None
        path, at = self._imported[name]
        return path, self.raw(path).count(b"\n", 0, at) + 1

    def is_package(self, path: str) -> bool:
        return os.path.basename(path) == "__init__.py"

    def package_of(self, path: str) -> str:
        """Return the `__package__` of a file: what its relative imports start from."""
        name = self.name_of(path)
        if self.is_package(path):
            return name
        return name.rpartition(".")[0]

    def find_module(self, name: str, importer: str | None = None) -> str | None:
        """Return the file that an absolute module name means for an importer, or None.

        A folder without `__init__.py` (a namespace package) has no file: None.
        """
        if name.rpartition(".")[2] not in self._lasts:
            return None
        key = (name, os.path.dirname(importer) if importer is not None else None)
        if key not in self._found:
            self._found[key] = self._find_module(name, importer)
        return self._found[key]

    def _find_module(self, name: str, importer: str | None) -> str | None:
        relative = name.replace(".", os.sep)
        for root in self._roots(importer, name):
            for candidate in (
                os.path.join(root, relative, "__init__.py"),
                os.path.join(root, relative + ".py"),
            ):
                if candidate in self._known:
                    return candidate
        return None

    def has_folder(self, name: str, importer: str | None = None) -> bool:
        """Whether the name is a folder with Python files in it (a package of either kind)."""
        relative = name.replace(".", os.sep)
        return any(os.path.join(root, relative) in self._folders for root in self._roots(importer, name))

    def _roots(self, importer: str | None, name: str) -> Iterable[str]:
        seen = []
        if importer is not None:
            seen.append(self.import_root(importer))
            own = os.path.dirname(importer)
            # A file with its own folder first on sys.path: a script run in place.
            if own not in seen and not os.path.exists(os.path.join(own, "__init__.py")):
                seen.append(own)
        for folder in (self.root, os.path.join(self.root, "src"), os.path.join(self.root, "lib")):
            if folder not in seen:
                seen.append(folder)
        yield from seen
        if name.split(".")[0] not in sys.stdlib_module_names:
            yield from (folder for folder in self._tops if folder not in seen)

    def resolve_from(self, node: ast.ImportFrom, path: str) -> str | None:
        """Return the absolute name that a from-import takes from, or None outside a package."""
        return resolve_from(node, self.package_of(path))

    def get_module(self, name: str) -> str:
        """Return the file of a module given by name or path. Raises Refused when there is none."""
        if name.endswith(".py") or os.sep in name:
            path = os.path.abspath(name)
            for candidate in (path, os.path.join(self.root, name)):
                if os.path.realpath(candidate) in self._known:
                    return os.path.realpath(candidate)
            raise Refused(f"there is no file {name} in the project {self.root}")
        found = self.find_module(name)
        if found is None:
            raise Refused(f"there is no module {name} in the project {self.root}")
        return found


def _walk(root: str) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED
            and not name.startswith(".")
            and not name.endswith(".egg-info")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in names:
            if name.endswith((".py", ".pyi")) or name == "__init__.pyi":
                path = os.path.join(folder, name)
                if name.endswith(".py") and os.path.isfile(path):
                    yield path


def _last_word(path: str) -> str:
    """Return the last word of a file's module name."""
    folder, name = os.path.split(path)
    return os.path.basename(folder) if name == "__init__.py" else name[: -len(".py")]


def _dotted(path: str, root: str) -> str:
    parts = os.path.relpath(path, root)[: -len(".py")].split(os.sep)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def _is_name(dotted: str) -> bool:
    return all(part.isidentifier() for part in dotted.split("."))
