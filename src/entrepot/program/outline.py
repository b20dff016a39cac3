"""What a module's top level binds, for whoever decides where imports lead: `read_bindings` without most of the tree.

A function or class at the margin binds its name, whatever is in it; only the pieces between them are
parsed (see `pieces`). Of the bindings so found, `end_line` is not known, and the column of decorated
ones is 0 as for all at the margin.
"""

from __future__ import annotations

import re

from entrepot.program.bindings import Binding, Bindings, BindingsReader
from entrepot.program.conditions import EAGER, Target
from entrepot.program.newer import parse_tree
from entrepot.program.pieces import CutError, cut_text

_DEFINITION = re.compile(
    rb"(?:@[^\n:]*+\r?\n|(?!))*+(?:async[ \t]++)?(def|class)[ \t]++([A-Za-z_][A-Za-z0-9_]*+)[ \t]*+[(:\[]"
)
# What shows that a piece is more than one definition: another statement at the margin, a name bound for the module.
_MORE = re.compile(rb"\n[^\s#)\]}]|\bglobal\b")
_HEADER_END = re.compile(rb":[ \t]*+(?:#[^\n]*+)?\r?\n")


def _is_one_definition(data: bytes, after: int, stop: int) -> bool:
    """Does a piece that begins with a definition bind its name and no other? `after`: where the name ends."""
    if _MORE.search(data, after, stop):
        return False
    header_end = _HEADER_END.search(data, after, stop)
    return b":=" not in data[after : header_end.start() if header_end else stop]


def read_outline(data: bytes, target: Target) -> Bindings:
    """Return the bindings of a file's bytes in UTF-8. Raises SyntaxError, UnicodeDecodeError."""
    reader = BindingsReader(target)
    try:
        for piece in cut_text(data):
            found = _DEFINITION.match(data, piece.start, piece.stop)
            if found is not None and _is_one_definition(data, found.end(), piece.stop):
                kind = "function" if found[1] == b"def" else "class"
                line = piece.line + data.count(b"\n", piece.start, found.start(1)) + 1
                name = found[2].decode()
                reader.found.names.setdefault(name, []).append(Binding(name, kind, line, 0, line))
                reader.found.is_dynamic |= name == "__getattr__" and kind == "function"
            else:
                reader.above = piece.line
                reader.has_globals = data.find(b"global", piece.start, piece.stop) >= 0
                reader.read_body(parse_tree(data[piece.start : piece.stop].decode()).tree.body, EAGER)
    except (CutError, SyntaxError):
        reader = BindingsReader(target)
        reader.read_body(parse_tree(data.decode()).tree.body, EAGER)
    return reader.found
