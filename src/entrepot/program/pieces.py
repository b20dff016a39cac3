"""Cut a file's bytes into pieces that can be parsed on their own.

A piece begins where a statement at the margin surely begins: at a line, outside of strings, with a
word that no expression holds (`import`, `def`, `class`, ...), or at the decorators above it. So whoever
wants to know one place of a large file parses a small part of it. Brackets are not counted: a piece
that is not whole does not parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from entrepot.program.strings import STRING

_MARGIN = rb"\n(?=(?:import|def|class|try|with|while|assert|del|raise|global|async[ \t]+def)\b)"
_TO_MARGIN = re.compile(
    rb"(?:[^\"'#\n\\]++|(?!" + _MARGIN + rb")\n|" + STRING + rb"|#[^\n]*+|\\\r?\n|(?!))*+"
)  # fmt: skip


class CutError(Exception):
    """The text holds something that the pattern cannot follow."""


class Piece(NamedTuple):
    """Where a piece begins and ends, and the number of lines above it."""

    start: int
    stop: int
    line: int


def cut_text(data: bytes) -> Iterator[Piece]:
    """Give the pieces of a file without lone carriage returns. Raises CutError."""
    start = at = line = 0
    while at < len(data):
        stop = _TO_MARGIN.match(data, at).end()  # type: ignore[union-attr]
        if stop < len(data) and data[stop] != 10:
            raise CutError
        at = stop + 1
        cut = at
        while stop < len(data) and (above := data.rfind(b"\n", 0, cut - 1) + 1) > start and data[above] == 64:
            cut = above  # a line that begins with @
        cut = min(cut, len(data))
        yield Piece(start, cut, line)
        line += data.count(b"\n", start, cut)
        start = cut
