"""The runtime in a bundle is what stands in the repository, without what only people read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from entrepot.ship import bundle
from entrepot.ship.bytecode import find_interpreter
from entrepot.ship.stripped import strip_source

ROOT = Path(bundle.__file__).parent
PARTS = [*sorted((ROOT / "resident").glob("*.py")), ROOT.parent / "core" / "members.py"]
SOURCE = '''\
"""Docstring,
on two lines."""  # and a comment

# Alone.
import sys


def größe(a: "dict[str, int]", *b: int, c: str = "# no comment", **d: object) -> "tuple[()]":  # why
    """Only this."""


class Shop:
    """Many words."""

    x: int = 3  # three

    async def open(
        self,
        name: str,  # whose
    ) -> str:
        text = """a text    # in it

            with an empty line    """
        return f"{text} {name!r}" if name else (lambda k=1: "->")()
'''
EXPECTED = '''\
import sys
def größe(a, *b, c = "# no comment", **d):
    pass
class Shop:
    x: int = 3
    async def open(
        self,
        name,
    ):
        text = """a text    # in it

            with an empty line    """
        return f"{text} {name!r}" if name else (lambda k=1: "->")()
'''


def test_comments_docstrings_types_and_empty_lines_go():
    """And nothing else: what is left stands as it was written."""
    assert strip_source(SOURCE).decode() == EXPECTED
    assert strip_source(EXPECTED).decode() == EXPECTED


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_what_is_left_of_the_runtime_does_the_same(path: Path):
    """Its tree is that of the source, but for docstrings and types."""
    text = path.read_text(encoding="utf-8")
    wanted = ast.parse(text)
    for node in ast.walk(wanted):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
            and ast.get_docstring(node) is not None
        ):
            node.body[:1] = [] if len(node.body) > 1 else [ast.Pass()]

    stripped = strip_source(text)

    assert ast.dump(ast.parse(stripped)) == ast.dump(wanted)
    assert len(stripped) < len(text.encode())


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python_reads_what_any_of_them_has_stripped(version: str):
    """The same bytes, and each compiles them."""
    python = find_interpreter(version)
    if not python:
        pytest.skip(f"Python {version} is not on this machine")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from entrepot.ship.stripped import strip_source\n"
        "for path in sys.argv[2:]:\n"
        "    text = strip_source(open(path, encoding='utf-8').read())\n"
        "    compile(text, path, 'exec'); sys.stdout.buffer.write(text)"
    )
    words = ["-I", "-c", code, str(ROOT.parents[1]), *map(str, PARTS)]
    theirs = subprocess.run([python, *words], capture_output=True, check=True, timeout=60).stdout
    ours = subprocess.run([sys.executable, *words], capture_output=True, check=True, timeout=60).stdout
    assert theirs == ours
