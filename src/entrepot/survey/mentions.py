"""What a file's text mentions, found in one walk over its tree.

The walk is most of what reading a file for `entrepot check` costs, so there is one for all questions,
and it goes only where a name, an attribute or a string can be: not to `ctx`, operators and aliases.

Knows nothing of scopes: a name that is local to a function counts like one of the module.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from entrepot.program.nodes import FIELDS

# Short strings may be annotations, `cast("X", ...)`, names for getattr.
_WORDS = re.compile(r"[^\W\d]\w*")
_LONGEST = 200
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Mentions:
    """lines: name -> lines where it is read or deleted. attributes: those that are read, outer ones first.

    words: in short strings that are no docstrings. declared: by `global` and `nonlocal`.
    """

    lines: dict[str, list[int]] = field(default_factory=dict)
    attributes: list[ast.Attribute] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)


def read_mentions(tree: ast.Module) -> Mentions:
    """Walk a tree, level by level as `ast.walk` does."""
    found = Mentions()
    lines, words, fields = found.lines, found.words, FIELDS
    docstrings: set[int] = set()
    nodes: list[ast.AST | None] = [tree]
    for node in nodes:  # grows while it is walked
        if node is None:  # `{**x}` has no key there
            continue
        kind = node.__class__
        if kind is ast.Name:
            if node.ctx.__class__ is not ast.Store:  # type: ignore[attr-defined]
                lines.setdefault(node.id, []).append(node.lineno)  # type: ignore[attr-defined]
            continue
        if kind is ast.Constant:
            text = node.value  # type: ignore[attr-defined]
            is_short = text.__class__ is str and len(text) < _LONGEST and "\n" not in text
            if is_short and id(node) not in docstrings:
                words.update(_WORDS.findall(text))
            continue
        if kind is ast.Attribute:
            if node.ctx.__class__ is ast.Load:  # type: ignore[attr-defined]
                found.attributes.append(node)  # type: ignore[arg-type]
            nodes.append(node.value)  # type: ignore[attr-defined]
            continue
        if isinstance(node, _DOCUMENTED):
            if node.body and isinstance(node.body[0], ast.Expr):
                docstrings.add(id(node.body[0].value))
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            found.declared.update(node.names)
        for name in fields[kind]:
            child = getattr(node, name, None)
            if child.__class__ is list:
                nodes += child
            elif child is not None:
                nodes.append(child)
    return found
