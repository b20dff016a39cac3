"""Find the calls of `import_module` and `__import__` in a file, and changes of its `__path__`.

Most are of a computed name: that nobody can follow them shows in the text, and so does what a call of a literal
imports that stands right below other imports. The others take a tree, but rarely that of the whole file: only the
pieces (see `pieces`) that mention such a call are parsed, and only the statements on such lines are looked through.

Gives None where in doubt, as `lexical` does.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_left

from entrepot.program.conditions import EAGER, Target
from entrepot.program.newer import parse_plainly, parse_tree
from entrepot.program.pieces import CutError, cut_text
from entrepot.program.statements import Statement, scan_calls
from entrepot.program.strings import STRING

Place = tuple[int, int, str]

_SPACE = rb"(?:[ \t]|\\?\r?\n|(?!))*+"
_CALLS = re.compile(
    rb"\bimport_module" + _SPACE + rb"\(|\b__import__" + _SPACE + rb"\(|\b__path__\b(?=[ \t]*(?:[+.]|=[^=]))"
)
# A function of that name may be anything: what the calls are then depends on the whole file.
_OWN = re.compile(rb"\bdef[ \t]+import_module\b")
_LONE_CR = re.compile(rb"\r(?!\n)")
# Text outside of strings and comments (these only whole), and one string or comment.
_OUTSIDE = re.compile(rb"(?:[^\"'#\\]++|#[^\n]*+\n|\\\r?\n|" + STRING + rb"|(?!))*+")
_INSIDE = re.compile(STRING + rb"|#[^\n]*+")
_FIELDS = re.compile(rb"[fFtT][rR]?\Z|[rR][fFtT]\Z")
# A call and its first argument where that is surely no literal: a name or attribute (`name=` would be a keyword), a
# string with fields, a sum.
_COMPUTED = re.compile(
    rb"(?:import_module|__import__)\([ \t\r\n]*+"
    rb"(?:[fFtT][rR]?[\"']|[rR][fFtT][\"']|[A-Za-z_]\w*+(?![\"'\w])(?!\s*=(?!=))"
    rb"|(?P<quote>[\"'])[^\"'\\\n]+(?P=quote)[ \t]*[+%])"
)
# A call of a literal that is not relative.
_LITERAL = re.compile(
    rb"import_module\((?P<quote>[\"'])(?P<name>[^\"'\\\n.][^\"'\\\n]*)(?P=quote)[ \t]*[,)]"
    rb"|__import__\((?P<quote2>[\"'])(?P<name2>[^\"'\\\n.][^\"'\\\n]*)(?P=quote2)\)"
)
# The line before such a call: the beginning of a statement that is looked through as a whole, and what it is called on.
_BEFORE = re.compile(
    rb"[ \t]*(?!(?:except|case|for)\b)"
    rb"(?:(?:return|yield|await)[ \t]+|[A-Za-z_][\w.]*(?:\[[\w.\"']+\])?[ \t]*=[ \t]*(?:\w+\()?|\w+\()?"
    rb"(?P<base>[A-Za-z_]\w*\.)?"
)


def find_call_places(data: bytes) -> list[int]:
    """Return the offsets at which such calls may stand, in order."""
    found = []
    # `find` is much faster than a pattern, and most files have none of the words.
    at = data.find(b"import_")
    while at >= 0:
        match = _CALLS.match(data, at) or (_CALLS.match(data, at - 2) if at > 1 else None)
        if match:
            found.append(match.start())
        at = data.find(b"import_", at + 7)
    at = data.find(b"__path__")
    while at >= 0:
        if _CALLS.match(data, at):
            found.append(at)
        at = data.find(b"__path__", at + 8)
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

    places: as `find_call_places` gives them. data: bytes in UTF-8 (or ASCII). None where it takes the whole tree.
    """
    if _OWN.search(data) or _LONE_CR.search(data):
        return None
    statements, unfollowed, places = _read_plain(data, places)
    if not places:
        return statements, unfollowed
    known = {*unfollowed, *(s[:2] for s in statements)}
    try:
        for start, stop, line in cut_text(data):
            if start > places[-1]:
                break
            inside = places[bisect_left(places, start) : bisect_left(places, stop)]
            if inside:
                tree = _parse_up_to(data, start, data.find(b"\n", inside[-1], stop) + 1, stop)
                found = scan_calls(tree, target, list_call_lines(data, inside, start))
                # A statement may hold calls that were read already.
                called = [(s[0] + line, *s[1:]) for s in found.statements]
                statements += [s for s in called if s[:2] not in known]
                untold = [(at + line, column, what) for at, column, what in found.unfollowed]
                unfollowed += [place for place in untold if place not in known]
    except (CutError, SyntaxError, UnicodeDecodeError):
        return None
    return statements, unfollowed


def _read_plain(data: bytes, places: list[int]) -> tuple[list[Statement], list[Place], list[int]]:
    """Return the statements and the unfollowed calls that show in the text, and the places that take a tree.

    What is in strings and comments is none of them.
    """
    statements: list[Statement] = []
    unfollowed: list[Place] = []
    doubtful = []
    at = line = counted = 0
    for number, place in enumerate(places):
        if at > place:
            continue  # in the string or comment before
        at = _OUTSIDE.match(data, at, place).end()  # type: ignore[union-attr]
        if at < place:
            inside = _INSIDE.match(data, at)
            if inside is None or inside.end() <= place or _FIELDS.search(data, max(at - 2, 0), at):
                # What the pattern cannot follow, or a string with fields.
                doubtful += places[number:]
                break
            at = inside.end()
            continue
        start = data.rfind(b"\n", 0, place) + 1
        is_begun = not data.endswith((b"\\\n", b"\\\r\n"), 0, start)
        before = _BEFORE.fullmatch(data, start, place) if is_begun else None
        computed = _COMPUTED.match(data, place) if before else None
        literal = _LITERAL.match(data, place) if before and _begins_statement(data, start) else None
        if before is None or (computed is None and literal is None):
            doubtful.append(place)
            continue
        base = before["base"] or b""
        word = "import_module" if data.startswith(b"import_module", place) else "__import__"
        if base and not (b"import" in base if word == "import_module" else base == b"builtins."):
            continue
        line += data.count(b"\n", counted, place)
        counted = place
        where = (line + 1, place - len(base) - start)
        if computed is not None:
            unfollowed.append((*where, f"{word}() of a computed name"))
        elif literal is not None:
            name = (literal["name"] or literal["name2"]).decode()
            statements.append((*where, "call", 0, name, (), EAGER))
    return statements, unfollowed, doubtful


def _begins_statement(data: bytes, start: int) -> bool:
    """Does a line surely begin a statement at the margin? Below a line that imports it does: no bracket is open."""
    if data[start] in b" \t\f":
        return False
    above = data[data.rfind(b"\n", 0, len(data[:start].rstrip())) + 1 : start]
    return above.startswith((b"import ", b"from ")) and b"import" in above and not set(above) & set(b"(;\\#")


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
