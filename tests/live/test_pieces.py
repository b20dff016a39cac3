"""A compiled source is cut into its statements as the parser would cut it."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from entrepot.live.pieces import cut
from entrepot.live.statements import parse_source

LIBRARY = Path(sysconfig.get_path("stdlib"))


def _cut_and_parse(source: bytes) -> tuple[list[tuple[int, int]] | None, list[tuple[int, int]]]:
    lines = [line + "\n" for line in source.decode().replace("\x0c", " ").split("\n")]
    pieces = cut(lines, compile(source, "<source>", "exec", 0, True))
    nodes = ast.parse(source).body
    parsed = [
        (min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", ()))]), n.end_lineno or 0)
        for n in nodes
    ]
    return None if pieces is None else [(piece.first, piece.last) for piece in pieces], parsed


def _check(paths: list[Path]) -> int:
    found = 0
    for path in paths:
        try:
            pieces, parsed = _cut_and_parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        if pieces is not None:
            found += 1
            assert pieces == parsed, path
    return found


def test_pieces_are_the_parsers_statements():
    """Whatever docstrings and brackets stand in definitions, they begin and end where they do."""
    assert (
        _check(
            [
                path
                for folder in ("email", "json", "wsgiref")
                for path in sorted((LIBRARY / folder).glob("*.py"))
            ]
        )
        > 5
    )


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_pieces_of_every_module_of_the_library_are_the_parsers_statements():
    """A wrong cut is never returned."""
    assert _check(sorted(LIBRARY.glob("*.py")) + sorted(LIBRARY.glob("[a-z]*/*.py"))) > 100


def test_a_definition_whose_docstring_looks_like_code_is_one_piece():
    """Text in the first column inside a string begins nothing."""
    source = (
        b'import os\ndef f():\n    """Say\ndef g():\n    no"""\n    return (\n1)\n\n# of g\n\ndef g(): pass\n'
    )

    pieces, parsed = _cut_and_parse(source)

    assert pieces == parsed == [(1, 1), (2, 7), (11, 11)]


def test_lines_end_where_the_compiler_ends_them():
    """Separators that only str.splitlines() knows may stand in strings."""
    source = 'SEPARATORS = "\u2028\x85\x1c"\n\n\ndef f():\n    return SEPARATORS\n'.encode()

    units = parse_source(source, "<source>").units

    assert [(unit.first, unit.last, unit.text.count("\n")) for unit in units] == [(1, 1, 1), (4, 5, 2)]
