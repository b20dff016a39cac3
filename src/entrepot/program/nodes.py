"""Which nodes of a tree are worth going into (those that can hold a name, an attribute or a string); chains."""

from __future__ import annotations

import ast

# Fields with no expression or statement in them. (`names` are aliases, or strings of `global`.)
_BARREN = frozenset({
    "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module",
    "name", "names", "op", "ops", "rest", "simple", "str", "tag", "type_comment", "type_ignores",
})  # fmt: skip


def _list_fields() -> dict[type[ast.AST], tuple[str, ...]]:
    """Return the fields to go into, for each class of nodes."""
    found = {}
    for kind in vars(ast).values():
        if isinstance(kind, type) and issubclass(kind, ast.AST):
            # `type X = ...`: its name is a node.
            barren = _BARREN - {"name"} if kind.__name__ == "TypeAlias" else _BARREN
            found[kind] = tuple(name for name in kind._fields if name not in barren)
    # Their values are Python's, not nodes.
    found[ast.Constant] = found[ast.MatchSingleton] = ()
    return found


FIELDS = _list_fields()


def list_children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes in a node, in order, without those that hold no name, attribute or string."""
    found: list[ast.AST] = []
    for name in FIELDS[node.__class__]:
        child = getattr(node, name, None)
        if child.__class__ is list:
            found += [one for one in child if one is not None]
        elif child is not None:
            found.append(child)
    return found


def read_chain(node: ast.expr) -> tuple[ast.expr, list[str]]:
    """Return what a chain of attributes begins with, and its attributes: of `a.b.c` the name a, and b, c."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return node, parts[::-1]
