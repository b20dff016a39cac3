"""Where a module uses names that are not local: its own, imported ones, builtins.

A `Reference` says where a name stands (with the attributes that follow, as written), what is done
with it, when Python gets there, and, where an import brought the name, which module it leads to. Names
that belong to one function or class body alone are left out, except those that an import bound.

`read_references` gives plain tuples, which the store keeps; where they lead is worked out against
the whole program (`Program.find_references`), for that may change without an edit of the file.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from entrepot.program.inner_code import Lines
from entrepot.program.resolve import get_absolute
from entrepot.program.scopes import resolve
from entrepot.program.symbols import IMPORT, Names, Occurrence, Scope

# Raised whenever a file could give other references: what was kept by another version is not used.
REFERENCES_VERSION = 1

# (name, line, column, kind, when, home, import: (level, module, fetched) or None)
Row = tuple[str, int, int, str, str, str, "tuple[int, str, str] | None"]


class Reference(NamedTuple):
    """One use of a name.

    module: where it stands. name: with its attributes ("cart.total"). line from 1, column from 0 in UTF-8
    bytes. kind: "load", "store", "delete", "define", "import" or "declare". when: "import", "call"
    or "annotation". home: "module", "function", "class" (bound there by an import), or "" for a
    builtin and for what a star import may have brought. target: the absolute name that it leads to
    as written ("shop.cart.total"), "" where none is known.
    """

    module: str
    name: str
    line: int
    column: int
    kind: str
    when: str
    home: str
    target: str


def read_references(tree: ast.Module, text: str) -> list[Row]:
    """Return the references of one file, in order of place. Nodes of `tree` may get better positions."""
    lines = Lines(text.encode("utf-8", "surrogatepass"))
    names = resolve(tree, lines)
    imported = _list_imported(names)
    found: list[Row] = []
    for occurrence in names.occurrences:
        home = occurrence.home
        source = imported.get((id(home), occurrence.name)) if home is not None else None
        if occurrence.kind == IMPORT:
            source = _describe_import(occurrence)
        elif home is not None and home is not names.module and source is None:
            continue
        line, column = lines.place(occurrence.start) if occurrence.start >= 0 else _get_place(occurrence.node)
        parts = [occurrence.name, *(attribute for attribute, _, _ in occurrence.chain)]
        kind = occurrence.chain_kind if occurrence.chain else occurrence.kind
        where = "" if home is None else home.kind
        found.append((".".join(parts), line, column, kind, occurrence.when, where, source))
    return sorted(found, key=lambda row: row[1:3])


def _list_imported(names: Names) -> dict[tuple[int, str], tuple[int, str, str]]:
    """Return what imports bind, by scope and name; of several imports of a name the first."""
    found: dict[tuple[int, str], tuple[int, str, str]] = {}
    for occurrence in names.occurrences:
        if occurrence.kind == IMPORT:
            home: Scope = occurrence.home or occurrence.scope
            found.setdefault((id(home), occurrence.name), _describe_import(occurrence))
    return found


def _describe_import(occurrence: Occurrence) -> tuple[int, str, str]:
    """Return (level, module, fetched) of the import that an occurrence is part of."""
    alias = occurrence.node
    assert isinstance(alias, ast.alias)
    statement = alias.statement  # type: ignore[attr-defined]
    if isinstance(statement, ast.ImportFrom):
        return statement.level, statement.module or "", alias.name
    # `import a.b` binds a; `import a.b as c` binds a.b.
    return 0, alias.name if alias.asname else alias.name.partition(".")[0], ""


def _get_place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 1), getattr(node, "col_offset", 0)


def make_reference(module: str, is_package: bool, row: Row) -> Reference:
    """Turn a row into a reference of a module, with the name that it leads to as written."""
    name, line, column, kind, when, home, source = row
    rest = name.partition(".")[2]
    if source is not None:
        level, base, fetched = source
        absolute = get_absolute(module, is_package, level, base)
        parts = [absolute, fetched, rest] if absolute is not None else []
        target = ".".join(part for part in parts if part)
    elif home == "module":
        target = f"{module}.{name}"
    else:
        target = ""
    return Reference(module, name, line, column, kind, when, home, target)
