"""What the scope resolver finds: occurrences of names, and the scopes they live in.

An `Occurrence` is one place where a name stands in the text. It knows its position (offsets
into the file's UTF-8 bytes), what it does there (`kind`), the scope it stands in, the scope
that the name belongs to (`home`), and when Python gets there (`when`).

Values only: no text is read and nothing is decided here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

# What an occurrence does to the name.
LOAD = "load"
STORE = "store"
DELETE = "delete"
DEFINE = "define"  # def, class, type
IMPORT = "import"
PARAMETER = "parameter"
DECLARE = "declare"  # global, nonlocal
BINDING = frozenset({STORE, DELETE, DEFINE, IMPORT, PARAMETER})

# When Python gets there.
AT_IMPORT = "import"  # while the module is initialised
AT_CALL = "call"  # inside a function
NEVER = "annotation"  # only when somebody asks for the type (strings, postponed annotations)


class Scope:
    """One scope: `kind` is module, class, function, comprehension or types (PEP 695)."""

    __slots__ = ("bindings", "global_names", "kind", "name", "node", "nonlocal_names", "parent")

    def __init__(self, kind: str, name: str, node: ast.AST | None, parent: Scope | None) -> None:
        self.kind = kind
        self.name = name
        self.node = node
        self.parent = parent
        self.bindings: set[str] = set()
        self.global_names: set[str] = set()
        self.nonlocal_names: set[str] = set()

    def chain(self) -> Iterator[Scope]:
        """Yield this scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Occurrence:
    """A name at a place.

    `start` and `end` are offsets in UTF-8 bytes, -1 where the text could not be found.
    `home` is the scope the name belongs to, None for a builtin or a name nobody binds.
    `statement` is the index of the module-level statement around it.
    `outer` is the outermost function whose body contains it, None at import time.
    `chain` holds the attributes that follow (`a.b.c` gives b and c with their places),
    `chain_kind` what happens to the last of them (load, store, delete).
    """

    __slots__ = (
        "chain",
        "chain_kind",
        "end",
        "home",
        "in_string",
        "is_self_documenting",
        "kind",
        "name",
        "node",
        "outer",
        "scope",
        "start",
        "statement",
        "when",
    )

    def __init__(
        self,
        name: str,
        start: int,
        end: int,
        kind: str,
        scope: Scope,
        node: ast.AST,
        statement: int,
        outer: ast.AST | None,
        when: str,
    ) -> None:
        self.name = name
        self.start = start
        self.end = end
        self.kind = kind
        self.scope = scope
        self.home: Scope | None = None
        self.node = node
        self.statement = statement
        self.outer = outer
        self.when = when
        self.in_string = False
        self.is_self_documenting = False
        self.chain: list[tuple[str, int, int]] = []
        self.chain_kind = LOAD

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}@{self.start} home={self.home}>"


class Names:
    """All occurrences of one module, in the order they were met, with the module's own scope.

    Also what the same walk meets and who follows names asks for next: the import statements, the
    calls, the subscripts, the string literals that are no annotations, and where in f-strings there
    are expressions that print their own text.
    """

    __slots__ = (
        "_by_name",
        "calls",
        "has_future_annotations",
        "imports",
        "module",
        "occurrences",
        "printed",
        "star_imports",
        "strings",
        "subscripts",
    )

    def __init__(self, module: Scope) -> None:
        self.module = module
        self.occurrences: list[Occurrence] = []
        self.star_imports: list[ast.ImportFrom] = []
        self.has_future_annotations = False
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.calls: list[ast.Call] = []
        self.subscripts: list[ast.Subscript] = []
        self.strings: list[ast.Constant] = []
        self.printed: list[tuple[int, int]] = []
        self._by_name: dict[str, list[Occurrence]] = {}

    def called(self, name: str) -> list[Occurrence]:
        """Return all occurrences of a name, whatever its scope, in the order they were met."""
        if not self._by_name:
            for occurrence in self.occurrences:
                self._by_name.setdefault(occurrence.name, []).append(occurrence)
        return self._by_name.get(name, [])

    def of_module(self, name: str) -> list[Occurrence]:
        """Return the occurrences of a module-level name, by position."""
        return sorted((o for o in self.called(name) if o.home is self.module), key=lambda o: o.start)
