"""Find the calls of `import_module` and `__import__` in a file, and changes of its `__path__`.

What such a call imports takes a tree, but rarely that of the whole file: only the pieces (see `pieces`)
that mention a call are parsed, and only the statements on such lines are looked through.

Gives None where in doubt, as `lexical` does.
"""

from __future__ import annotations

import re

from entrepot.program.conditions import Target
from entrepot.program.newer import parse_tree
from entrepot.program.pieces import CutError, cut_text
from entrepot.program.statements import Statement, scan_tree

Place = tuple[int, int, str]

_SPACE = rb"(?:[ \t]|\\?\r?\n|(?!))*+"
_CALLS = re.compile(
    rb"\bimport_module" + _SPACE + rb"\(|\b__import__" + _SPACE + rb"\(|\b__path__\b(?=[ \t]*(?:[+.]|=[^=]))"
)
# A function of that name may be anything: what the calls are then depends on the whole file.
_OWN = re.compile(rb"\bdef[ \t]+import_module\b")


def mentions_calls(data: bytes) -> bool:
    """May a file hold such calls?"""
    # `in` first: it is much faster than a pattern. "import_" is in "__import__" too.
    return (b"import_" in data or b"__path__" in data) and _CALLS.search(data) is not None


def list_call_lines(data: bytes) -> list[int]:
    """Return the lines, from 1, on which such calls may stand."""
    found = []
    at = line = 0
    for match in _CALLS.finditer(data):
        line += data.count(b"\n", at, match.start())
        at = match.start()
        found.append(line + 1)
    return found


def find_calls(data: bytes, target: Target) -> tuple[list[Statement], list[Place]] | None:
    """Return the calls that name a module, as statements, and the places that cannot be followed.

    data: bytes in UTF-8 (or ASCII) without lone carriage returns. None where it takes the whole tree.
    """
    if _OWN.search(data):
        return None
    statements: list[Statement] = []
    unfollowed: list[Place] = []
    try:
        for start, stop, line in cut_text(data):
            if _CALLS.search(data, start, stop):
                tree = parse_tree(data[start:stop].decode()).tree
                found = scan_tree(tree, target, call_lines=list_call_lines(data[start:stop]))
                statements += [(s[0] + line, *s[1:]) for s in found.statements if s[2] == "call"]
                unfollowed += [(at + line, column, what) for at, column, what in found.unfollowed]
    except (CutError, SyntaxError, UnicodeDecodeError):
        return None
    return statements, unfollowed
