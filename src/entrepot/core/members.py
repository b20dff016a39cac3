"""Modules in a table of files: the finder and the loader for whatever keeps files under names, without a file system.

`Folder` finds what lies in one folder of a table, in the order in which the path based finder looks into a directory;
`Loader` loads a module of Python code from it. What the table is made of is its own affair (`Table`): a bundle's is a
packed file, a test's a dictionary.

Imports nothing of ours: bundles carry this file as it is. There it gives the interpreter's specs, in a
`System` those of core; the table has the class.
"""

import _imp
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from types import CodeType, ModuleType
    from typing import Any, Protocol

    class Table(Protocol):
        """Files under names such as "app/shop/cart.py".

        Attributes:
            files, folders: the names; parts of a name are separated by "/".
            suffixes: those of compiled modules, in the order of their precedence.
            spec_class: what finders return, called as `ModuleSpec` is.
        """

        files: Mapping[str, Any]
        folders: Container[str]
        suffixes: list[str]
        spec_class: Callable[..., Any]

        def place_of(self, inside: str) -> str:
            """Return the path of a file or folder, as `__file__` and `__path__` have it."""

        def find_inside(self, place: str) -> str | None:
            """Return the name for such a path; None where it is of no file here."""

        def list_folder(self, inside: str) -> list[str]:
            """Return what is directly in a folder, sorted."""

        def read(self, inside: str) -> bytes:
            """Return a file's bytes."""

        def read_text(self, inside: str) -> str:
            """Return a source file's text."""

        def read_elsewhere(self, path: str) -> bytes:
            """Return the bytes of a file of the file system. Raises OSError."""

        def read_code(self, inside: str, place: str) -> CodeType:
            """Return a module's code, with its file name."""

        def make_loader(self, name: str, place: str, inside: str) -> Any:
            """Return the loader of a compiled module."""

        def make_reader(self, folder: str) -> Any:
            """Return what `importlib.resources` reads a package's files with."""


class Folder:
    """Finds the modules in one folder of a table (a path entry finder)."""

    def __init__(self, table: "Table", inside: str) -> None:
        self.table = table
        self.inside = inside

    def find_spec(self, name: str, target: object = None) -> "Any":
        """Return the spec of a module here: a package, else a file, else a namespace portion; or None."""
        table = self.table
        files = table.files
        base = f"{self.inside}/{name.rpartition('.')[2]}"
        is_folder = base in table.folders
        for stem in (base + "/__init__", base) if is_folder else (base,):
            for suffix in table.suffixes:
                if stem + suffix in files:
                    return self._make_spec(name, stem + suffix, stem != base, is_compiled=True)
            if stem + ".py" in files:
                return self._make_spec(name, stem + ".py", stem != base, is_compiled=False)
        if not is_folder:
            return None
        spec = table.spec_class(name, None, is_package=True)
        spec.submodule_search_locations = [table.place_of(base)]
        return spec

    def _make_spec(self, name: str, inside: str, is_package: bool, *, is_compiled: bool) -> "Any":
        table = self.table
        place = table.place_of(inside)
        if is_compiled:
            loader = table.make_loader(name, place, inside)
        else:
            loader = Loader(table, name, place, inside, is_package)
        spec = table.spec_class(name, loader, origin=place, is_package=is_package)
        spec.has_location = True
        if is_package:
            leaf = inside.rpartition("/")[2]
            spec.submodule_search_locations = [place[: -len(leaf) - 1]]
        return spec

    def iter_modules(self, prefix: str = "") -> "Iterator[tuple[str, bool]]":
        """Yield (name, is a package) for `pkgutil.iter_modules`."""
        table = self.table
        seen = {"__init__", "__pycache__"}
        for name in table.list_folder(self.inside):
            inside = f"{self.inside}/{name}"
            stem, dot, _ = name.partition(".")
            suffix = name[len(stem) :]
            is_package = inside in table.folders
            if is_package:
                stem = name
                if not any(f"{inside}/__init__{end}" in table.files for end in (*table.suffixes, ".py")):
                    continue
            elif not dot or suffix not in (*table.suffixes, ".py"):
                continue
            if stem not in seen and "." not in stem:  # 0001_initial is a module too
                seen.add(stem)
                yield prefix + stem, is_package

    def invalidate_caches(self) -> None:
        """A table does not change."""


class Loader:
    """Loads one module of Python code. The methods are those of `importlib.abc`."""

    def __init__(self, table: "Table", name: str, place: str, inside: str, is_package: bool) -> None:
        self.table = table
        self.name = name
        self.path = place
        self.inside = inside
        self._is_package = is_package

    def _check(self, name: "str | None") -> None:
        if name not in (None, self.name, "__main__", "__mp_main__"):
            raise ImportError(f"loader for {self.name} cannot handle {name}", name=name)

    def create_module(self, spec: object) -> None:
        """Let the import system make an ordinary module."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code in its namespace."""
        code = self.table.read_code(self.inside, self.path)
        _call_with_frames_removed(exec, code, module.__dict__)

    def get_code(self, name: "str | None" = None) -> "CodeType":
        """Return the module's code."""
        self._check(name)
        return self.table.read_code(self.inside, self.path)

    def get_source(self, name: "str | None" = None) -> str:
        """Return the module's text."""
        self._check(name)
        return self.table.read_text(self.inside)

    def get_filename(self, name: "str | None" = None) -> str:
        """Return the path that the module has as `__file__`."""
        self._check(name)
        return self.path

    def is_package(self, name: "str | None" = None) -> bool:
        """Whether the module is a package."""
        self._check(name)
        return self._is_package

    def get_data(self, path: str) -> bytes:
        """Return the bytes of a file of the table or of the file system, by its path. Raises OSError."""
        inside = self.table.find_inside(str(path))
        if inside is not None and inside in self.table.files:
            return self.table.read(inside)
        return self.table.read_elsewhere(path)

    def get_resource_reader(self, name: "str | None" = None) -> "Any":
        """Return what `importlib.resources` reads the package's files with; None for a module that is no package."""
        return self.table.make_reader(self.inside.rpartition("/")[0]) if self._is_package else None


def _call_with_frames_removed(call: "Any", *arguments: object) -> "Any":
    """Call; the interpreter knows the name, and leaves the frames up to this one out of tracebacks."""
    return call(*arguments)


# What `frames.disguise` does for the other files here.
vars(_imp)["_fix_co_filename"](sys._getframe().f_code, "<frozen importlib._bootstrap>")
