"""Puts marks into the text of a Python file that tell which statements, and which sides of its branches, are run.

    places = instrument(Path("wire.py"), "warm/wire.py", Path("/somewhere/marks.pyc"))

For code that no trace function can watch. Each process writes each of its marks once, as a line `NAME:PLACE`, into a
file that is there and that all of them share. A place is a line (`12`) or a side of the branch there (`12-yes`, `12-no`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

# Needs nothing but what a bare interpreter has loaded, and finds nothing wrong: an interpreter that is being prepared
# for warm runs is watched while it does this.
HEAD = """\
import posix as _place_posix
_places_seen = set()
def _tell_place(place):
    if place in _places_seen:
        return
    _places_seen.add(place)
    try:
        fd = _place_posix.open({marks!r}, _place_posix.O_WRONLY | _place_posix.O_APPEND | _place_posix.O_CLOEXEC)
        _place_posix.write(fd, ({name!r} + ":" + place + chr(10)).encode())
        _place_posix.close(fd)
    except OSError:
        pass
"""


@dataclass(frozen=True, slots=True)
class Places:
    """What can be marked in a file."""

    statements: frozenset[str]
    branches: frozenset[str]


def instrument(path: Path, name: str, marks: Path) -> Places:
    """Put marks into a file, which are written to `marks`; return all that there can be."""
    tree = ast.parse(path.read_bytes())
    marker = _Marker()
    tree.body = marker.mark(tree.body, may_be_doc=True)
    start = 0
    while start < len(tree.body) and (_is_doc(tree.body[start]) or _is_future(tree.body[start])):
        start += 1
    tree.body[start:start] = ast.parse(HEAD.format(marks=str(marks), name=name)).body
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)) + "\n", encoding="utf-8")
    return Places(frozenset(marker.statements), frozenset(marker.branches))


class _Marker:
    def __init__(self) -> None:
        self.statements: set[str] = set()
        self.branches: set[str] = set()

    def mark(self, body: list[ast.stmt], *, may_be_doc: bool = False) -> list[ast.stmt]:
        """Return the statements with a mark before each."""
        marked: list[ast.stmt] = []
        for number, node in enumerate(body):
            is_doc = may_be_doc and number == 0 and _is_doc(node)
            is_told = is_doc or _is_future(node) or isinstance(node, ast.Global | ast.Nonlocal)
            if not is_told and not _is_for_checkers(node):
                self.statements.add(str(node.lineno))
                marked.append(_make_mark(str(node.lineno)))
                self._mark_inside(node)
            marked.append(node)
        return marked

    def _mark_inside(self, node: ast.stmt) -> None:
        is_scope = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for field in ("body", "orelse", "finalbody"):
            if body := getattr(node, field, None):
                setattr(node, field, self.mark(body, may_be_doc=is_scope))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            part.body = self.mark(part.body)
        if isinstance(node, ast.If | ast.For | ast.AsyncFor | ast.While) and not _is_endless(node):
            for body, side in ((node.body, "yes"), (node.orelse, "no")):
                self.branches.add(f"{node.lineno}-{side}")
                body.insert(0, _make_mark(f"{node.lineno}-{side}"))


def _is_doc(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_for_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_endless(node: ast.stmt) -> bool:
    return isinstance(node, ast.While) and isinstance(node.test, ast.Constant)


def _make_mark(place: str) -> ast.stmt:
    return ast.parse(f"_tell_place({place!r})").body[0]
