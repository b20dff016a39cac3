"""`f"{score()=}"` prints its own source: keep what it prints when a name in it changes.

The field becomes what Python makes of it anyway: its text, then the value (`score()={total()!r}`).
"""

from __future__ import annotations

import re

from entrepot.refactor.text import SourceFile

_SIGN = re.compile(rb"[\s)]*=\s*")


def keep_printed_text(file: SourceFile, offset: int) -> list[tuple[int, int, bytes]] | None:
    """Return the replacements for the field around a name; None where its text cannot be kept.

    offset: of the name, which may be replaced as well. Each replacement is (start, end, new).
    """
    around = [field for field in file.names.printed if field[0] <= offset < field[1]]
    if not around:
        return None
    start, end = max(around)
    data = file.data
    brace = start
    while brace > 0 and data[brace - 1 : brace] in (b" ", b"\t", b"("):
        brace -= 1
    sign = _SIGN.match(data, end)
    if sign is None or data[brace - 1 : brace] != b"{":
        return None
    text = data[brace : sign.end()]
    if set(text) & set(b"'\"\\\n\r"):
        return None  # it could not stand in the string as it is
    closing = sign.group().partition(b"=")[0]
    new = b"" if data[sign.end() : sign.end() + 1] in (b"!", b":") else b"!r"
    literal = text.replace(b"{", b"{{").replace(b"}", b"}}")
    return [(brace - 1, brace - 1, literal), (end, sign.end(), closing + new)]
