"""Find the calls of `import_module` and `__import__` in a file, and changes of its `__path__`.

What such a call imports takes a tree, but rarely that of the whole file: only the pieces (see `pieces`)
that mention a call are parsed, and only the statements on such lines are looked through.

Gives None where in doubt, as `lexical` does.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left

from entrepot.program.conditions import Target
from entrepot.program.newer import parse_plainly, parse_tree
from entrepot.program.pieces import CutError, cut_text
from entrepot.program.statements import Statement, scan_calls

Place = tuple[int, int, str]

_SPACE = rb"(?:[ \t]|\\?\r?\n|(?!))*+"
_CALLS = re.compile(
    rb"\bimport_module" + _SPACE + rb"\(|\b__import__" + _SPACE + rb"\(|\b__path__\b(?=[ \t]*(?:[+.]|=[^=]))"
)
_WORDS = (b"import_module", b"__import__", b"__path__")
# A function of that name may be anything: what the calls are then depends on the whole file.
_OWN = re.compile(rb"\bdef[ \t]+import_module\b")


def find_call_places(data: bytes) -> list[int]:
    """Return the offsets at which such calls may stand, in order."""
    found = []
    for word in _WORDS:
        # `find` is much faster than a pattern, and most files have none of the words.
        at = data.find(word)
        while at >= 0:
            if _CALLS.match(data, at):
                found.append(at)
            at = data.find(word, at + len(word))
    return sorted(found)


def list_call_lines(data: bytes, places: list[int], start: int = 0) -> list[int]:
    """Return the lines of places, from 1, counted from an offset."""
    found = []
    at, line = start, 0
    for place in places:
        line += data.count(b"\n", at, place)
        at = place
        found.append(line + 1)
    return found


def find_calls(data: bytes, target: Target, places: list[int]) -> tuple[list[Statement], list[Place]] | None:
    """Return the calls that name a module, as statements, and the places that cannot be followed.

    places: as `find_call_places` gives them. data: bytes in UTF-8 (or ASCII) without
    lone carriage returns. None where it takes the whole tree.
    """
    if _OWN.search(data):
        return None
    statements: list[Statement] = []
    unfollowed: list[Place] = []
    try:
        for start, stop, line in cut_text(data):
            if start > places[-1]:
                break
            inside = places[bisect_left(places, start) : bisect_left(places, stop)]
            if inside:
                tree = _parse_up_to(data, start, data.find(b"\n", inside[-1], stop) + 1, stop)
                found = scan_calls(tree, target, list_call_lines(data, inside, start))
                statements += [(s[0] + line, *s[1:]) for s in found.statements]
                unfollowed += [(at + line, column, what) for at, column, what in found.unfollowed]
    except (CutError, SyntaxError, UnicodeDecodeError):
        return None
    return statements, unfollowed


def _parse_up_to(data: bytes, start: int, enough: int, stop: int) -> ast.Module:
    """Parse a piece up to the end of a line where that is whole, else all of it. Raises SyntaxError.

    What is whole up to there means the same, whatever follows: a block that goes on needs nothing from above.
    """
    if start < enough < stop:
        try:
            return parse_plainly(data[start:enough].decode())
        except SyntaxError:
            pass
    return parse_tree(data[start:stop].decode()).tree
