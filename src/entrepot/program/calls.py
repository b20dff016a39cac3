"""Find the calls of `import_module` and `__import__` in a file, and changes of its `__path__`.

What such a call imports takes a tree, but rarely that of the whole file: the text is cut where a
statement at the margin surely begins (before `import`, `def`, `class` and other words that no
expression holds, outside of strings), and only the pieces that mention a call are parsed.

Gives None where in doubt, as `lexical` does.
"""

from __future__ import annotations

import re

from entrepot.program.conditions import Target
from entrepot.program.newer import parse_tree
from entrepot.program.statements import Statement, scan_tree
from entrepot.program.strings import STRING

Place = tuple[int, int, str]

_SPACE = rb"(?:[ \t]|\\?\r?\n)*+"
_CALLS = re.compile(
    rb"\bimport_module" + _SPACE + rb"\(|\b__import__" + _SPACE + rb"\(|\b__path__\b(?=[ \t]*(?:[+.]|=[^=]))"
)
# A function of that name may be anything: what the calls are then depends on the whole file.
_OWN = re.compile(rb"\bdef[ \t]+import_module\b")
_MARGIN = rb"\n(?=(?:import|def|class|try|with|while|assert|del|raise|global|async[ \t]+def)\b)"
_TO_MARGIN = re.compile(
    rb"(?:[^\"'#\n\\]++|(?!" + _MARGIN + rb")\n|" + STRING + rb"|#[^\n]*+|\\\r?\n)*+"
)  # fmt: skip


def mentions_calls(data: bytes) -> bool:
    """May a file hold such calls?"""
    # `in` first: it is much faster than a pattern. "import_" is in "__import__" too.
    return (b"import_" in data or b"__path__" in data) and _CALLS.search(data) is not None


def find_calls(data: bytes, target: Target) -> tuple[list[Statement], list[Place]] | None:
    """Return the calls that name a module, as statements, and the places that cannot be followed.

    data: bytes in UTF-8 (or ASCII) without lone carriage returns. None where it takes the whole tree.
    """
    if _OWN.search(data):
        return None
    statements: list[Statement] = []
    unfollowed: list[Place] = []
    start = line = 0
    while start < len(data):
        stop = _TO_MARGIN.match(data, start).end()  # type: ignore[union-attr]
        if stop < len(data) and data[stop] != 10:
            return None
        if _CALLS.search(data, start, stop):
            try:
                tree = parse_tree(data[start:stop].decode()).tree
            except (SyntaxError, UnicodeDecodeError):
                return None
            found = scan_tree(tree, target)
            statements += [(s[0] + line, *s[1:]) for s in found.statements if s[2] == "call"]
            unfollowed += [(at + line, column, what) for at, column, what in found.unfollowed]
        line += data.count(b"\n", start, stop + 1)
        start = stop + 1
    return statements, unfollowed
