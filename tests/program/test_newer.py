"""Syntax that is newer than the Python that reads it: the tree has every name in its place."""

from __future__ import annotations

import ast

import pytest

from entrepot.program.newer import parse_tree


@pytest.mark.parametrize(
    "text",
    [
        "x = f'é{y['k']} {zed!r}'; after = 1\n",
        "x = f'{f\"{f'{deep}'}\"} {f'{other}'}'; after = y\n",
        "x = f'{a + \\\n  b}'; after = c\n",
        "x = f'{\n  a  # é a comment\n  + b}'; after = c\n",
        "x = f'''{\n  a  # it's a comment\n  + b['''k''']}'''; after = c\n",
        "x = f'{a=} {b['k']=!r} {c != d['k']} {e['k'] == f}' 'é' f'{g:>{w}}'; after = h\n",
        "x = f'\\N{BULLET} {{a}} \\{b['k']} \\\n {c}' rf'\\N{d}'; after = e\n",
        "x = f'{'\\n'.join(a)}' b\n".replace(" b\n", "; after = b\n"),
        "x = t'{a:{b}} {c!r}'; after = d\n",
        "x = f'{(lambda: {y: 1})()['k']:{'>'}{w}}'; after = z\n",
        "type X[T: (int, str)] = list[T]; after = X\n",
        "def f[T, *Ts, **P](x: T) -> P: return x\nasync def g[T](x): y\nclass C[T = int](B): z\n",
        "type = 1; x = type\ntype(x)\ntype (x)[0] = y\nlazy = type\nlazy\n",
        "try: a\nexcept B, C: d\nexcept (E, F) as g: h\nexcept I: j\n",
        "lazy import a\nif b: lazy from c import d\nlazy from .é import (e,\n  f)\n",
    ],
)
def test_every_name_stands_where_it_stood(text):
    """In fields of strings within strings, after comments and wide characters, beside type parameters."""
    lines = text.encode().split(b"\n")
    found = [node for node in ast.walk(parse_tree(text).tree) if isinstance(node, ast.Name)]

    assert found
    for node in found:
        # The name of a `type` statement may stand where that begins.
        name = node.id.encode()
        assert lines[node.lineno - 1][node.col_offset :].startswith((name, b"type " + name))
    assert "after" not in text or "after" in {node.id for node in found}


@pytest.mark.parametrize(
    "text",
    [
        "x = f'{a['k'",
        "x = f'{a['k']} {b\ny = (\n",
        "x = f'{a['k']} {",
        "def f[T(x): pass\n",
        "type X[T = int\n",
        "lazy import\n",
        "except A, B:\n",
        "x = (" * 300 + "f'{a['k']}'",
        "x = '\0'\nlazy import a\n",
    ],
)
def test_what_no_python_reads_is_a_syntax_error_of_the_text_as_it_was(text):
    """Not of what was made of it."""
    with pytest.raises(SyntaxError) as caught:
        parse_tree(text)
    assert (caught.value.text or text).rstrip("\n") in text + "\n"
