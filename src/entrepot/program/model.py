"""`Program`: a program or a source tree as one value, read without running it.

    program = Program.read("src")        # a tree: all modules in it
    program = Program.read("main.py")    # an entry point: the modules of its own that it reaches

    program.modules["shop.cart"].imports()      every import: what, where, in which form, when
    program.modules["shop.cart"].bindings()     the names of its top level
    program.modules["shop.cart"].references()   where it uses names, and which they are
    program.find_references("shop.cart.total")  who uses a name, through re-exports
    program.modules["shop.cart"].tree()         its ast, newer syntax than ours included
    program.list_arrows()                       who imports whom
    program.get_graph(AT_IMPORT)                the same as numbers, for `program.graph`

Nothing in a file stops the reading: what cannot be read is in `program.problems`. Texts and trees are
read when asked for. A `Program` is a snapshot; read again after an edit (what did not change
comes from the store).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from entrepot.errors import ProgramError
from entrepot.program.collection import paused_collection
from entrepot.program.conditions import AT_RUN, Target
from entrepot.program.finder import Finder, Location
from entrepot.program.raw import Raw, read_module
from entrepot.program.reader import read_tree
from entrepot.program.resolve import Resolver
from entrepot.program.searchpath import SearchPath, find_roots, find_search_path
from entrepot.program.source import Source, parse_source
from entrepot.program.statements import Statement

if TYPE_CHECKING:
    import ast

    # What only some questions need is loaded when they are asked: most only ask who imports whom.
    from entrepot.program.bindings import Binding, Bindings
    from entrepot.program.newer import Parsed
    from entrepot.program.references import Reference
    from entrepot.program.usage import Usage
    from entrepot.program.work import Work

# A tree takes thirty times the memory of its text.
MOST_TREES = 16


class NoProgramError(ProgramError):
    """There is nothing to read at a path. Field: `path` (str)."""

    path: str

    def __str__(self) -> str:
        return f"{self.path}: no such file or folder\n  give a script, or a folder with Python files"


class Import(NamedTuple):
    """One module that one import statement leads to.

    importer, module: absolute names. names: what is taken from it (empty for `import module`).
    form: "import", "from", "star" or "call". level: leading dots as written. line from 1, column
    from 0 in UTF-8 bytes. when: see `conditions`. kind: "own", "outside", "missing" (no such
    submodule in a package of the program) or "beyond" (relative, beyond the top level package).
    is_unsure: attribute or submodule could not be told from the text.
    """

    importer: str
    module: str
    names: tuple[str, ...]
    form: str
    level: int
    line: int
    column: int
    when: str
    kind: str
    is_unsure: bool


class Arrow(NamedTuple):
    """The importer imports the imported, both of the program. is_ancestor: as a parent of the target."""

    importer: str
    imported: str
    when: str
    line: int
    column: int
    form: str
    names: tuple[str, ...]
    is_ancestor: bool = False


class Problem(NamedTuple):
    """Something that could not be read: path, line from 1, column from 0, a clause."""

    path: str
    line: int
    column: int
    message: str


class Module(NamedTuple):
    """One module of a program.

    kind: "source", "extension", "bytecode" or "namespace". path: its file, "" for a namespace package.
    """

    name: str
    path: str
    kind: str
    is_package: bool
    program: Program

    def statements(self) -> tuple[Statement, ...]:
        """Return its import statements as they stand (see `statements`), in order."""
        scan = self.program.raw.fetch_scans().get(self.name)
        return scan.statements if scan else ()

    def imports(self) -> list[Import]:
        """Return where its import statements lead, in order."""
        return list(self.program.resolve_module(self.name))

    def source(self) -> Source:
        """Return its text. Raises SourceError where it has none that can be read."""
        return parse_source(read_module(self.path), self.path)

    @property
    def parsed(self) -> Parsed:
        """Its tree, kept while few others were asked for. Raises SourceError, SyntaxError."""
        from entrepot.program.newer import parse_tree

        trees = self.program.trees
        if self.name not in trees:
            while len(trees) >= MOST_TREES:
                del trees[next(iter(trees))]
            trees[self.name] = parse_tree(self.source().text)
        return trees[self.name]

    def tree(self) -> ast.Module:
        """Return its tree. Raises SourceError, SyntaxError."""
        return self.parsed.tree

    def bindings(self) -> Bindings:
        """Return what its top level binds; nothing where it cannot be parsed."""
        return self.program.raw.read_bindings(self.name)

    def references(self) -> list[Reference]:
        """Return where it uses names that are not local (see `references`), in order of place."""
        return self.program.usage.list_references(self.name)

    def work(self) -> list[Work]:
        """Return what it does while it is imported, beyond defining. Raises SourceError, SyntaxError."""
        from entrepot.program.work import find_work

        return find_work(self.tree(), self.bindings(), self.program.target)

    def definitions(self) -> list[Binding]:
        """Return its functions, classes and variables, in order of the text."""
        found = [b for several in self.bindings().names.values() for b in several if b.kind != "import"]
        return sorted(found, key=lambda binding: (binding.line, binding.column))


class Program:
    """The modules of a program and their imports. Make one with `Program.read`."""

    def __init__(
        self,
        folder: str,
        entry: str | None,
        raw: Raw,
        search_path: SearchPath,
        target: Target,
        *,
        is_kept: bool = False,
    ) -> None:
        self.folder = folder
        self.entry = entry
        self.raw = raw
        self.search_path = search_path
        self.target = target
        self.is_kept = is_kept
        self.trees: dict[str, Parsed] = {}
        self._graphs: dict[tuple[frozenset[str], bool], list[list[int]]] = {}

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str] = ".",
        *,
        python: str | None = None,
        target: Target | None = None,
        is_strict: bool = False,
        is_kept: bool = True,
        processes: int | None = None,
    ) -> Program:
        """Read a tree (a folder) or a program (a script, a package's `__main__.py`, a zip file with one).

        python: the interpreter or virtual environment whose modules the program sees; found if None.
        target: the interpreter for which version and platform tests are judged; that one if None.
        is_strict: parse every file, so that every syntax error is told.
        is_kept: use and renew the store. processes: how many scan; None for one a core.
        Raises NoProgramError where there is nothing.
        """
        path = os.path.abspath(os.fspath(path))
        if processes is None:
            processes = min(
                4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            )
        if os.path.isdir(path):
            roots = find_roots(path)
            search_path = find_search_path(roots, path, python)
            target = target or Target(search_path.version)
            raw = read_tree(path, roots, target, is_strict=is_strict, is_kept=is_kept, processes=processes)
            return cls(path, None, raw, search_path, target, is_kept=is_kept)
        if not os.path.exists(path):
            raise NoProgramError(path=path)
        from entrepot.program.entry import find_script, read_entry

        path, folder = find_script(path)
        search_path = find_search_path([folder], folder, python)
        target = target or Target(search_path.version)
        finder = Finder(search_path)

        raw = read_entry(path, finder, target, is_strict=is_strict)
        program = cls(folder, "__main__", raw, search_path, target, is_kept=is_kept)
        program.finder = finder
        return program

    @cached_property
    def finder(self) -> Finder:
        """Finds modules outside of the program on its search path."""
        return Finder(self.search_path)

    @cached_property
    def modules(self) -> dict[str, Module]:
        """All modules by name, namespace packages included."""
        found = {}
        for name in self.raw.names:
            file = self.raw.files.get(name)
            if file is None:
                found[name] = Module(name, "", "namespace", True, self)
            else:
                found[name] = Module(name, file.path, file.kind, file.is_package, self)
        return found

    @property
    def names(self) -> list[str]:
        """The modules' names; the position of a name is its number in graphs."""
        return self.raw.names

    @cached_property
    def problems(self) -> list[Problem]:
        """What could not be read, by path."""
        found = [Problem(path, line, 0, message) for path, line, message in self.raw.problems]
        for name, problems in self.raw.file_problems.items():
            found += [Problem(self.raw.files[name].path, *problem) for problem in problems]
        return sorted(found)

    @cached_property
    def unfollowed(self) -> list[Problem]:
        """The imports that only running can tell, and changed `__path__`s."""
        found = []
        for name, places in self.raw.unfollowed.items():
            found += [Problem(self.raw.files[name].path, *place) for place in places]
        return sorted(found)

    @cached_property
    def _resolver(self) -> Resolver:
        return Resolver(self.raw, self.raw.find_sibling)

    def resolve_module(self, name: str) -> Iterator[Import]:
        """Give where each import of a module leads."""
        scan = self.raw.fetch_scans().get(name)
        is_package = self.raw.is_package(name)
        for statement in scan.statements if scan else ():
            line, column, form, level, _, _, when = statement
            for target in self._resolver.resolve(name, is_package, statement):
                yield Import(
                    name,
                    target.module,
                    target.names,
                    form,
                    level,
                    line,
                    column,
                    when,
                    target.kind,
                    target.is_unsure,
                )

    def list_star_names(self, module: str) -> frozenset[str] | None:
        """Return the names that `from module import *` brings; None where the text does not show it."""
        return self._resolver.list_star_names(module)

    def binds(self, package: str, name: str) -> bool:
        """Does a package bind a name to something else than its submodule of that name?"""
        return self._resolver.binds(package, name)[0]

    def find_origin(self, name: str) -> str:
        """Return the absolute name under which something is defined, through re-exports."""
        from entrepot.program.origins import find_origin

        return find_origin(self, name)

    def find_references(self, name: str) -> list[Reference]:
        """Return every use of an absolute name ("shop.cart.total", "shop.cart"), through re-exports.

        Uses inside a module of what it defines itself are there, too.
        """
        return self.usage.find(name)

    @cached_property
    def usage(self) -> Usage:
        """The references of all modules, read when asked for."""
        from entrepot.program.usage import Usage

        return Usage(self, is_kept=self.is_kept)

    def find_outside(self, name: str) -> Location | None:
        """Return where a module outside of the program lies, or None."""
        return self.finder.find(name)

    def list_arrows(self, *, with_ancestors: bool = False) -> list[Arrow]:
        """Return who imports whom, in order of the importers and their lines.

        with_ancestors: the second layer too, one arrow from the importer to each parent package of
        a target (their `__init__` runs as well).
        """
        names = self.names
        found = []
        for number, arrows in enumerate(self.raw.arrows):
            importer = names[number]
            for target, when, line, column, form, taken, _ in arrows:
                imported = names[target]
                found.append(Arrow(importer, imported, when, line, column, form, taken))
                if with_ancestors:
                    found += [
                        Arrow(importer, names[parent], when, line, column, form, (), True)
                        for parent in self.list_parents(target)
                        if parent != number
                    ]
        return found

    def list_parents(self, number: int) -> tuple[int, ...]:
        """Return the numbers of a module's parent packages, the outermost first."""
        return self._parents[number]

    @cached_property
    def _parents(self) -> list[tuple[int, ...]]:
        ids = self.raw.ids
        found: list[tuple[int, ...]] = []
        for name in self.names:
            parent = name.rpartition(".")[0]
            above = ids.get(parent) if parent else None
            # Sorted names: a parent comes before its submodules.
            found.append((*found[above], above) if above is not None and above < len(found) else ())
        return found

    def get_graph(self, whens: Iterable[str] = AT_RUN, *, with_ancestors: bool = False) -> list[list[int]]:
        """Return for each module the sorted numbers of those it imports at such times."""
        wanted = frozenset(whens)
        key = (wanted, with_ancestors)
        if key not in self._graphs:
            with paused_collection():
                self._graphs[key] = self._make_graph(wanted, with_ancestors)
        return self._graphs[key]

    def _make_graph(self, whens: frozenset[str], with_ancestors: bool) -> list[list[int]]:
        parents = self._parents if with_ancestors else None
        graph = []
        for number, arrows in enumerate(self.raw.arrows):
            targets = {arrow[0] for arrow in arrows if arrow[1] in whens}
            if parents is not None:
                for target in tuple(targets):
                    targets.update(parents[target])
                targets.discard(number)
            graph.append(sorted(targets))
        return graph

    def get_arrows(self, importer: str, imported: str, whens: Iterable[str] = AT_RUN) -> list[Arrow]:
        """Return the arrows from one module to another, ancestors' included, by line."""
        number, wanted = self.raw.ids[importer], self.raw.ids[imported]
        allowed = frozenset(whens)
        found = []
        for target, when, line, column, form, taken, _ in self.raw.arrows[number]:
            if when in allowed and (target == wanted or wanted in self._parents[target]):
                is_ancestor = target != wanted
                names = () if is_ancestor else taken
                found.append(Arrow(importer, imported, when, line, column, form, names, is_ancestor))
        return sorted(found, key=lambda arrow: (arrow.is_ancestor, arrow.line, arrow.column))
