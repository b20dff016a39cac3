"""Split Python text into tokens, whatever its version and however broken it is.

Unlike `tokenize` it never fails, and it knows literals with fields of all versions: quotes of the
same kind, backslashes, comments and line breaks inside the fields (PEP 701), t-strings (PEP 750).
Used where `ast` refuses a file: to rewrite newer syntax (`newer`) and to find the imports of
a broken file (`broken`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    """A piece of text: kind ("name", "string", "number", "op", "newline"), offsets, bracket depth.

    `fields` are the spans of the expressions in an f-string or t-string.
    A "newline" ends a logical line. Comments, blanks and line breaks in brackets are not tokens.
    """

    kind: str
    start: int
    end: int
    depth: int
    fields: tuple[tuple[int, int], ...] = ()


_TOKEN = re.compile(
    r"""(?P<space>[ \t\f]+|\\(?:\r\n|\r|\n))
    |(?P<comment>\#[^\r\n]*)
    |(?P<newline>\r\n|\r|\n)
    |(?P<string>(?:[rRuUbBfFtT]|[bBfFtT][rR]|[rR][bBfFtT])?(?:'''|\"""|'|"))
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\.?\d[\w.]*)
    |(?P<op>:=|->|\*\*|//|[<>=!]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_STATEMENT = re.compile(r"(?:import\s+\w|from\s+[.\w]+\s+import\b|def\s+\w+\s*\(|class\s+\w+\s*[:(])")

# CPython refuses f-strings in f-strings beyond 150, and fields in formats beyond 2.
_DEEPEST = 160


def split_tokens(text: str) -> Iterator[Token]:
    """Give the tokens of a text in order."""
    at = depth = 0
    line_begins = True
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # the last alternative takes any character
        kind = match.lastgroup or "op"
        start, at = at, match.end()
        if kind == "newline":
            line_begins = True
            if not depth:
                yield Token("newline", start, at, 0)
            continue
        if kind in ("space", "comment"):
            continue
        if depth and line_begins and kind == "name" and _STATEMENT.match(text, start):
            # A statement in brackets: a bracket was never closed.
            depth = 0
            yield Token("newline", start, start, 0)
        line_begins = False
        if kind == "string":
            at, fields = _end_string(text, start, match[0])
            yield Token("string", start, at, depth, tuple(fields))
            continue
        if kind == "op":
            if match[0] in ")]}":
                depth = max(0, depth - 1)
            yield Token("op", start, at, depth)
            if match[0] in "([{":
                depth += 1
            continue
        yield Token(kind, start, at, depth)
    yield Token("newline", len(text), len(text), 0)


def _end_string(text: str, start: int, opening: str, level: int = 0) -> tuple[int, list[tuple[int, int]]]:
    """Return where a literal ends (at the line's end where it is not closed) and its fields.

    level: the number of fields that it stands in.
    """
    quote = opening.lstrip("rRuUbBfFtT")
    prefix = opening[: -len(quote)].lower()
    at = start + len(opening)
    fields: list[tuple[int, int]] = []
    has_fields = ("f" in prefix or "t" in prefix) and level < _DEEPEST
    while at < len(text):
        char = text[at]
        if char == "\\":
            if has_fields and text.startswith("N{", at + 1) and "r" not in prefix:
                close = text.find("}", at)
                at = close + 1 if close > 0 else at + 2
            elif has_fields and text[at + 1 : at + 2] in "{}":
                at += 1
            else:
                at += 3 if text.startswith("\r\n", at + 1) else 2
        elif text.startswith(quote, at):
            return at + len(quote), fields
        elif char in "\r\n" and len(quote) == 1:
            return at, fields
        elif has_fields and char == "{":
            if text.startswith("{", at + 1):
                at += 2
                continue
            at = _end_field(text, at + 1, fields, quote, level + 1)
        else:
            at += 1
    return len(text), fields


def _end_field(text: str, start: int, fields: list[tuple[int, int]], quote: str, level: int) -> int:
    """Note a replacement field that begins after its brace; return where the literal goes on."""
    at, depth, expression_end = start, 0, -1
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None
        kind, piece = match.lastgroup, match[0]
        if kind == "string":
            at, _ = _end_string(text, at, piece, level)
            continue
        if piece in ("(", "[", "{"):
            depth += 1
        elif piece in (")", "]"):
            depth -= 1
        elif piece == "}":
            if depth <= 0:
                fields.append((start, at))
                return at + 1
            depth -= 1
        elif depth == 0 and piece in ("!", ":", ":="):
            expression_end = at
            break
        at = match.end()
    fields.append((start, expression_end if expression_end >= 0 else at))
    # The conversion and the format: literal text, with fields of its own.
    while at < len(text):
        if text[at] == "}":
            return at + 1
        if text[at] == "{" and level < _DEEPEST:
            at = _end_field(text, at + 1, fields, quote, level + 1)
        elif text.startswith(quote, at) or (len(quote) == 1 and text[at] in "\r\n"):
            return at
        else:
            at += 1
    return at
