"""A source that is compiled already, cut into its top-level statements without a syntax tree of the whole.

A line that begins in the first column begins a statement, unless brackets or strings are open. Definitions are taken by their
first line and must be what the compiled code has there. They reach to the next definition, or to the next such line if they
have neither triple quotes nor uneven brackets; everything else is parsed by itself. Whatever remains in doubt is left to the
parser: a wrong cut is never returned.

Pure: lines and code in, pieces out.
"""

from __future__ import annotations

import ast
from types import CodeType

_NO_START = frozenset(" \t\n#)]}")
_GO_ON = ("else", "elif", "except", "finally")
_MANY = 8  # statements parsed by themselves: with more, the parser is faster with the whole
_HEADS = ("def ", "class ", "async ", "@")
_DEFINITIONS = {"def": "def", "class": "class"}


class Piece:
    """One statement on lines `first` to `last`; `node` (whose own lines may be counted from another line) is None for a
    definition that was not parsed."""

    __slots__ = ("first", "is_decorated", "kind", "last", "name", "node")

    def __init__(self, first: int, last: int, node: ast.stmt | None, kind: str = "", name: str = "") -> None:
        self.first = first
        self.last = last
        self.node = node
        self.kind = kind
        self.name = name
        self.is_decorated = False


def cut(lines: list[str], code: CodeType) -> list[Piece] | None:
    """Return the statements of a module in order, or None where only the parser can tell."""
    starts = [number for number, line in enumerate(lines) if line[0] not in _NO_START]
    if "\\\n" in "".join(lines):
        return None
    made = {
        inner.co_firstlineno - 1: inner.co_name
        for inner in code.co_consts
        if type(inner) is CodeType and inner.co_name[0] != "<"
    }
    # A definition begins here, even if the lines before it look as if a string were open.
    certain = {number for number in starts if number in made and lines[number].startswith(_HEADS)}
    certain.add(len(lines))
    starts.append(len(lines))
    found: list[Piece] = []
    index = parsed = 0
    while index < len(starts) - 1:
        first = starts[index]
        head = index
        while lines[starts[head]][0] == "@" and head < len(starts) - 2:
            head += 1
        after = head + 1
        piece = None
        if first in certain:
            end = starts[after]
            if end in certain or _is_closed("".join(lines[first:end])):
                piece = _definition(lines, first, starts[head], end, made[first])
        if piece is not None:
            found.append(piece)
            index = after
            continue
        parsed += 1
        after = _parse(lines, starts, first, after, found) if parsed <= _MANY else 0
        if not after:
            return None
        index = after
    return found


def _is_closed(text: str) -> bool:
    """Whether no bracket or string can be open at the end of some lines."""
    count = text.count
    return (
        count("(") == count(")")
        and count("[") == count("]")
        and count("{") == count("}")
        and '"""' not in text
        and "'''" not in text
    )


def _definition(lines: list[str], first: int, head: int, end: int, made: str) -> Piece | None:
    word, _, rest = lines[head].partition(" ")
    if word == "async":
        word, _, rest = rest.partition(" ")
    name = rest.partition("(")[0].partition(":")[0].strip()
    if word not in _DEFINITIONS or name != made:
        return None
    while end > head + 1 and (not (line := lines[end - 1].strip()) or line[0] == "#"):
        end -= 1
    piece = Piece(first + 1, end, None, _DEFINITIONS[word], name)
    piece.is_decorated = first != head
    return piece


def _parse(lines: list[str], starts: list[int], first: int, after: int, found: list[Piece]) -> int:
    """Parse what begins at a line, as far as it reaches; returns where the next begins, or 0."""
    for stop in range(after, min(after + 6, len(starts))):
        if stop < len(starts) - 1 and lines[starts[stop]].startswith(_GO_ON):
            continue
        try:
            tree = ast.parse("".join(lines[first : starts[stop]]))
        except SyntaxError:
            continue
        for node in tree.body:
            begin = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
            found.append(Piece(first + begin, first + (node.end_lineno or begin), node))
        return stop
    return 0
