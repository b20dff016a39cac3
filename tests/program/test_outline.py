"""The outline of a module decides like its bindings, without most of the tree."""

from __future__ import annotations

import os
import sysconfig

import pytest

from entrepot.program.bindings import Bindings, read_bindings
from entrepot.program.conditions import Target
from entrepot.program.newer import parse_tree
from entrepot.program.outline import read_outline
from entrepot.program.pieces import cut_text

TARGET = Target((3, 13), "linux", "posix")


def show(found: Bindings) -> tuple[object, ...]:
    """Return what decisions are made of."""
    names = {
        name: [(b.kind, b.line, b.level, b.module, b.fetched, b.when, b.is_as) for b in several]
        for name, several in found.names.items()
    }
    return names, found.stars, found.all_names, found.all_from, found.is_dynamic, found.is_all_known


def compare(text: str) -> None:
    assert show(read_outline(text.encode(), TARGET)) == show(read_bindings(parse_tree(text).tree, TARGET))


@pytest.mark.parametrize(
    "text",
    [
        "from .a import *\nx = 1\n\n@d\n@e(1)\ndef f(y=(z := 2)):\n    global g\n    g = 1\n\nclass C: pass\nw = 3\n",
        "def f():\n    '''\nimport b\n'''\n\ndel f\ndef __getattr__(n): ...\n",
        "x = (\ny,\n)\nif x:\n    def f(): pass\nelse:\n    f = None\n__all__ = ['x']\n__all__ += y.__all__\n",
        "@d(\n  1)\ndef f(): pass\nasync def g[T](): pass\nclass D[T]: pass\ntype X = int\n",
    ],
)
def test_an_outline_has_the_names_of_the_whole(text):
    """Definitions, what follows them at the margin, decorators, `global` and walrus."""
    compare(text)


def test_pieces_are_the_text():
    """Nothing is lost between pieces, and each says how many lines are above it."""
    data = b"x = 1\n@d\n@e\ndef f():\n    '''\nimport a\n'''\n\nimport b\nclass C:\n    pass\n"
    pieces = [data[start:stop] for start, stop, _ in cut_text(data)]
    assert b"".join(pieces) == data
    assert [line for _, _, line in cut_text(data)] == [0, 1, 8, 9]


@pytest.mark.slow
def test_outlines_of_the_standard_library_are_its_bindings():
    """No name, kind, line or time differs on real files."""
    folder = sysconfig.get_path("stdlib")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            path = os.path.join(path, "__init__.py")
        if path.endswith(".py") and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                compare(file.read())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from . import a\n__all__ = a.__all__.copy()\n", [(1, "a")]),
        ("import a\n__all__ = a.__all__[:] + ['x']\n", [(0, "a")]),
        ("from .a import __all__ as names\n__all__ = [*names, 'x']\n", [(1, "a")]),
        ("from a.b import __all__ as names\n__all__ = ['x']\n__all__.extend(names)\n", [(0, "a.b")]),
    ],
)
def test_the_list_of_another_module_is_followed(text: str, expected: list[tuple[int, str]]) -> None:
    """A copy, all of a slice, and the list under another name."""
    found = read_bindings(parse_tree(text).tree, TARGET)

    assert (found.all_from, found.is_all_known) == (expected, True)
    compare(text)


@pytest.mark.parametrize("value", ["a.__all__[1:]", "names", "a.__all__.copy(1)", "make().copy()"])
def test_a_list_that_cannot_be_followed_is_not_known(value: str) -> None:
    """Part of a list, any other name, a call."""
    found = read_bindings(parse_tree(f"import a\nnames = []\n__all__ = {value}\n").tree, TARGET)

    assert (found.all_from, found.is_all_known) == ([], False)
