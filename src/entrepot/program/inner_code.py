"""Code that stands inside string literals, with its true positions.

On Python 3.11 the nodes inside an f-string carry positions that are wrong, so the replacement
fields are found again in the text and parsed on their own, and the nodes are replaced. String
annotations are parsed the same way on every version.

Positions follow `ast`: 1-based lines, columns in UTF-8 bytes. A literal with escapes or made
of several pieces has no plain map from its value to its text; it gives None.
"""

from __future__ import annotations

import ast
import bisect
import io
import re
import sys
import tokenize
from collections.abc import Iterator

_PLAIN = re.compile(rb"""^[rRuU]?('''|\"\"\"|'|")(.*)\1$""", re.DOTALL)
_PREFIX = re.compile(rb"""^([a-zA-Z]*)('''|\"\"\"|'|")""")


class Lines:
    """Where each line of a text begins; turns (line, column) into an offset and back."""

    __slots__ = ("data", "starts")

    def __init__(self, data: bytes) -> None:
        self.data = data
        starts = [0]
        if b"\r" in data:
            starts.extend(match.end() for match in re.finditer(rb"\r\n|\r|\n", data))
        else:
            at = data.find(b"\n")
            while at != -1:
                starts.append(at + 1)
                at = data.find(b"\n", at + 1)
        self.starts = starts

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a 1-based line and a column in bytes."""
        return self.starts[line - 1] + column

    def place(self, offset: int) -> tuple[int, int]:
        """Return (line, column) of an offset."""
        line = bisect.bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1]

    def start_of(self, node: ast.AST) -> int:
        return self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined,no-any-return]

    def end_of(self, node: ast.AST) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined,no-any-return]


def parse_inner(lines: Lines, start: int, end: int) -> ast.expr | None:
    """Parse the expression between two offsets; its nodes have the file's positions.

    Returns None where the text is not an expression.
    """
    text = lines.data[start:end]
    try:
        node = ast.parse(b"(" + text + b"\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    line, column = lines.place(start)
    for inner in ast.walk(node):
        if isinstance(inner, ast.expr | ast.keyword | ast.arg):
            inner.col_offset += column - 1 if inner.lineno == 1 else 0
            inner.end_col_offset = (inner.end_col_offset or 0) + (column - 1 if inner.end_lineno == 1 else 0)
            inner.lineno += line - 1
            inner.end_lineno = (inner.end_lineno or 1) + line - 1
    return node


def find_string_body(lines: Lines, node: ast.Constant) -> tuple[int, int] | None:
    """Return the offsets of a plain literal's content, or None when text and value differ."""
    start, end = lines.start_of(node), lines.end_of(node)
    match = _PLAIN.match(lines.data[start:end])
    if match is None or not isinstance(node.value, str):
        return None
    if match.group(2) != node.value.encode("utf-8", "surrogatepass"):
        return None
    return start + match.start(2), start + match.end(2)


def parse_annotation(lines: Lines, node: ast.Constant) -> ast.expr | None:
    """Parse a string annotation; None when it is no expression or its text is not its value."""
    body = find_string_body(lines, node)
    if body is None or not lines.data[body[0] : body[1]].strip():
        return None
    return parse_inner(lines, *body)


def repair_fstring(joined: ast.JoinedStr, lines: Lines) -> None:
    """Give the nodes of one f-string their true positions (needed before Python 3.12).

    An f-string nested in it is repaired when it is met in its turn.
    """
    if sys.version_info >= (3, 12) or getattr(joined, "is_repaired", False):
        return
    _replace(joined, iter(_find_fields(lines, lines.start_of(joined), lines.end_of(joined))), lines)


def _replace(joined: ast.JoinedStr, fields: Iterator[tuple[int, int]], lines: Lines) -> None:
    joined.is_repaired = True  # type: ignore[attr-defined]
    for part in joined.values:
        if not isinstance(part, ast.FormattedValue):
            continue
        span = next(fields, None)
        fresh = parse_inner(lines, *span) if span is not None else None
        if fresh is not None:
            part.value = fresh
        if isinstance(part.format_spec, ast.JoinedStr):
            _replace(part.format_spec, fields, lines)


def _find_fields(lines: Lines, start: int, end: int) -> list[tuple[int, int]]:
    """Return the spans of the expressions, in the order of the FormattedValue nodes."""
    found: list[tuple[int, int]] = []
    for at, token in _split_literals(lines.data[start:end]):
        match = _PREFIX.match(token)
        if match is None or b"f" not in match.group(1).lower():
            continue
        quote = len(match.group(2))
        body_start = start + at + match.end()
        body_end = start + at + len(token) - quote
        _scan(lines.data, body_start, body_end, b"r" in match.group(1).lower(), found, False)
    return found


def _split_literals(text: bytes) -> list[tuple[int, bytes]]:
    """Split implicitly concatenated literals: (offset, literal) for each."""
    source = b"(" + text + b"\n)"
    starts = Lines(source)
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source.decode("utf-8"), newline="").readline):
        if token.type == tokenize.STRING:
            line = source[starts.starts[token.start[0] - 1] :].decode("utf-8")
            first = starts.offset(token.start[0], len(line[: token.start[1]].encode("utf-8")))
            found.append((first - 1, token.string.encode("utf-8")))
    return found


def _scan(data: bytes, at: int, end: int, is_raw: bool, found: list[tuple[int, int]], in_spec: bool) -> int:
    """Collect the fields of one f-string body or format spec; return where it ended."""
    while at < end:
        char = data[at : at + 1]
        if char == b"\\" and not is_raw:
            at = data.index(b"}", at) + 1 if data[at + 1 : at + 3] == b"N{" else at + 2
        elif char == b"{" and data[at + 1 : at + 2] == b"{" and not in_spec:
            at += 2
        elif char == b"{":
            at = _scan_field(data, at + 1, end, is_raw, found)
        elif char == b"}" and in_spec:
            return at
        else:
            at += 1
    return at


def _scan_field(data: bytes, at: int, end: int, is_raw: bool, found: list[tuple[int, int]]) -> int:
    """Collect one field whose `{` is behind `at`; return the offset behind its `}`."""
    start, depth = at, 0
    while at < end:
        char = data[at : at + 1]
        if char in b"'\"":
            quote = char * 3 if data[at : at + 3] == char * 3 else char
            at = data.index(quote, at + len(quote)) + len(quote)
            continue
        if char in b"([{":
            depth += 1
        elif char in b")]}" and depth:
            depth -= 1
        elif depth == 0:
            if data[at : at + 2] in (b"!=", b"==", b"<=", b">="):
                at += 2
                continue
            if char in b"!:}=":
                break
        at += 1
    found.append((start, at))
    while at < end and data[at : at + 1] not in b":}":
        at += 1
    if data[at : at + 1] == b":":
        at = _scan(data, at + 1, end, is_raw, found, True)
    return at + 1


def is_self_documenting(lines: Lines, value: ast.expr) -> bool:
    """Whether an f-string field prints its own source: `f"{score()=}"`."""
    rest = lines.data[lines.end_of(value) :]
    match = re.match(rb"[\s)]*=(?!=)", rest)
    return match is not None
