"""The module-level statements of a file: their full text, what they bind, what kind they are.

A statement's text begins with the comment lines directly above it (no blank line between) and
its decorators, and ends with its last line, comments indented below it included. The first two
lines of a file (`#!`, coding) belong to the file. Two statements on one line with `;` share it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from entrepot.program.symbols import BINDING
from entrepot.refactor.text import SourceFile, has_coding_line

_COMMENT = re.compile(rb"[ \t\f]*#")
_BLANK = re.compile(rb"[ \t\f]*(?:\r\n|\r|\n|$)")


@dataclass
class Statement:
    """`start`/`end` are the whole lines (line end included), or the bare text on a shared line."""

    index: int
    node: ast.stmt
    start: int
    end: int
    owns_lines: bool
    binds: set[str] = field(default_factory=set)

    @property
    def line(self) -> int:
        return self.node.lineno

    @property
    def is_definition(self) -> bool:
        return isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)


def list_statements(file: SourceFile) -> list[Statement]:
    """Return the module-level statements of a file in order."""
    found: list[Statement] = []
    spans = [file.span(node) for node in file.tree.body]
    for index, node in enumerate(file.tree.body):
        start, end = spans[index]
        line_start, line_end = file.line_start(start), file.line_end(max(start, end - 1))
        shares = (index > 0 and spans[index - 1][1] > line_start) or (
            index + 1 < len(spans) and spans[index + 1][0] < line_end
        )
        if shares:
            found.append(Statement(index, node, start, end, False))
            continue
        floor = file.line_end(spans[index - 1][1] - 1) if index else 0
        ceiling = file.line_start(spans[index + 1][0]) if index + 1 < len(spans) else len(file.data)
        found.append(
            Statement(
                index, node, _find_start(file, line_start, floor), _find_end(file, line_end, ceiling), True
            )
        )
    for occurrence in file.names.occurrences:
        if occurrence.kind in BINDING and occurrence.home is file.names.module:
            if occurrence.scope is file.names.module:
                found[occurrence.statement].binds.add(occurrence.name)
    return found


def _find_start(file: SourceFile, line_start: int, floor: int) -> int:
    """Walk up over the comment lines directly above."""
    while line_start > floor:
        above = file.line_start(line_start - 1)
        line = file.data[above:line_start]
        if not _COMMENT.match(line):
            break
        number = file.line_of(above)
        if (number == 1 and line.startswith(b"#!")) or (number <= 2 and has_coding_line(line)):
            break
        line_start = above
    return line_start


def _find_end(file: SourceFile, line_end: int, ceiling: int) -> int:
    """Walk down over comment lines that are indented: they belong to the body above."""
    at, best = line_end, line_end
    while at < ceiling:
        stop = file.line_end(at)
        line = file.data[at:stop]
        if _COMMENT.match(line) and line[:1] in b" \t":
            best = stop
        elif not _BLANK.match(line):
            break
        at = stop
    return best


def is_main_guard(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return False
    sides = [node.test.left, *node.test.comparators]
    texts = {
        s.id if isinstance(s, ast.Name) else s.value if isinstance(s, ast.Constant) else None for s in sides
    }
    return texts == {"__name__", "__main__"}


def is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def is_type_checking(node: ast.stmt) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`."""
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def is_only_imports(node: ast.stmt) -> bool:
    """Whether a compound statement does nothing but import, and set names to plain values.

    `try: import json` / `except ImportError: json = None` is one; such a statement can be
    repeated in another module and means the same there.
    """
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Name) for t in node.targets) and _is_plain(node.value)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If):
        return _is_plain(node.test) and all(is_only_imports(inner) for inner in [*node.body, *node.orelse])
    if isinstance(node, ast.Try):
        bodies = [*node.body, *node.orelse, *node.finalbody, *(s for h in node.handlers for s in h.body)]
        return all(is_only_imports(inner) for inner in bodies)
    return False


def _is_plain(node: ast.expr) -> bool:
    """Whether an expression only reads names, attributes and immutable constants."""
    allowed = (
        ast.Name, ast.Attribute, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Tuple, ast.Subscript,
        ast.Slice, ast.Load, ast.cmpop, ast.boolop, ast.unaryop, ast.expr_context,
    )  # fmt: skip
    return all(isinstance(inner, allowed) for inner in ast.walk(node))


def count_blank_lines_above(file: SourceFile, start: int) -> int:
    """Return how many blank lines are directly above an offset that begins a line."""
    count = 0
    while start > 0:
        above = file.line_start(start - 1)
        if not _BLANK.match(file.data[above:start]) or file.data[above:start].strip():
            break
        count += 1
        start = above
    return count


def skip_blank_lines(file: SourceFile, at: int) -> int:
    """Return the offset of the first line at or below `at` that is not blank."""
    while at < len(file.data):
        stop = file.line_end(at)
        if file.data[at:stop].strip(b" \t\f\r\n"):
            break
        at = stop
    return at


def find_enclosing(tree: ast.AST, wanted: ast.AST) -> list[ast.AST]:
    """Return the nodes around a node, outermost first, the node itself last."""
    stack: list[tuple[ast.AST, list[ast.AST]]] = [(tree, [tree])]
    while stack:
        node, path = stack.pop()
        if node is wanted:
            return path
        stack.extend((child, [*path, child]) for child in ast.iter_child_nodes(node))
    return [wanted]
