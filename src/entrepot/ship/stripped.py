"""A source without what only people read: comments, docstrings, types of parameters and results, empty lines.

What is left stands as it was written, so every Python that reads the source reads this too, whichever Python made it
(`ast.unparse` writes f-strings that only its own version reads).
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

_Place = tuple[int, int]  # line from 1, column in characters


def strip_source(text: str) -> bytes:
    """Return a source that does the same, in UTF-8. Raises SyntaxError."""
    lines = text.splitlines(keepends=True)
    for start, end, instead in sorted(_find_cuts(text, lines), reverse=True):
        (first, left), (last, right) = start, end
        lines[first - 1 : last] = [lines[first - 1][:left] + instead + lines[last - 1][right:]] + [""] * (
            last - first
        )
    return _without_empty_lines("".join(lines)).encode()


def _find_cuts(text: str, lines: list[str]) -> Iterator[tuple[_Place, _Place, str]]:
    """Yield what is left out, from and to, and what stands there instead."""
    arrows = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start, token.end, ""
        elif token.string == "->":
            line, column = token.start
            arrows.append((line, len(token.line[:column].rstrip())))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg) and node.annotation is not None:
            end = _find_end(node, lines)
            yield (node.lineno, _count(lines, node.lineno, node.col_offset) + len(node.arg)), end, ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            returns = (node.returns.lineno, _count(lines, node.returns.lineno, node.returns.col_offset))
            yield max(arrow for arrow in arrows if arrow < returns), _find_end(node.returns, lines), ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                start = (first.lineno, _count(lines, first.lineno, first.col_offset))
                yield start, _find_end(first, lines), "" if len(node.body) > 1 else "pass"


def _find_end(node: ast.stmt | ast.expr | ast.arg, lines: list[str]) -> _Place:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, _count(lines, node.end_lineno, node.end_col_offset)


def _count(lines: list[str], line: int, offset: int) -> int:
    """Return a column in characters; `ast` counts bytes."""
    return len(lines[line - 1].encode()[:offset].decode())


def _without_empty_lines(text: str) -> str:
    """Leave out lines that have no token on them, and spaces at the ends of others; texts keep theirs."""
    lines = text.splitlines(keepends=True)
    used: dict[int, bool] = {}  # line -> whether a text goes on in the next
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        ):
            continue
        for line in range(token.start[0], token.end[0] + 1):
            used[line] = used.get(line, False) or line < token.end[0]
    return "".join(
        lines[line - 1] if used[line] else lines[line - 1].rstrip() + "\n" for line in sorted(used)
    )
