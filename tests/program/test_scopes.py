"""The scope resolver agrees with CPython's own symbol table, and its positions are the text's."""

from __future__ import annotations

import ast
import os
import symtable
import sysconfig
import unicodedata
from pathlib import Path

import pytest

from entrepot.program.inner_code import Lines
from entrepot.program.scopes import resolve
from entrepot.program.symbols import Names

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
FILES = [
    "dataclasses.py",
    "typing.py",
    "functools.py",
    "enum.py",
    "inspect.py",
    "asyncio/tasks.py",
    "json/encoder.py",
]


def names_of(source: str) -> Names:
    data = source.encode()
    return resolve(ast.parse(source), Lines(data))


def check_positions(source: str) -> None:
    data = source.encode()
    for occurrence in names_of(source).occurrences:
        text = unicodedata.normalize("NFKC", data[occurrence.start : occurrence.end].decode())
        assert occurrence.name == text or occurrence.name.endswith(text), occurrence


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nprint(f'{x} é {x!r:>{x}} {{x}} {x=}' f'{x}')",
        'x = 1\ny = f"""é\n{x +\n x} {"a" if x else f"{x}"}"""',
        "é = 1\nprint('ü', f'é{é}', é)",
        "try:\n    pass\nexcept (ValueError, OSError) as error:\n    print(error)",
        "async  def  f(a, *b, c=1, **d): return a, b, c, d\nclass  C ( f ): pass",
        "match x:\n    case {'a': a, **rest}: pass\n    case [b, *c]: pass\n    case C(d, e=f) as g: pass",
        "import a.b.c, d as e\nfrom f import (g, h as i)",
        "def f():\n    global a, bb\n    def g():\n        nonlocal_ = 1\n    return a",
        "def f(x: 'list[A]' = 1, y: \"B | None\" = None) -> 'C': pass",
    ],
)
def test_positions_are_those_of_the_name(source: str) -> None:
    """What stands at an occurrence's position is its name, inside f-strings and strings too."""
    check_positions(source)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_homes_agree_with_the_symbol_table(name: str) -> None:
    """For each function, the names that CPython finds global are those found here, in real modules."""
    source = (LIBRARY / name).read_text(encoding="utf-8")
    check_positions(source)
    found = names_of(source)
    ours: dict[tuple[str, int], dict[str, bool]] = {}
    for occurrence in found.occurrences:
        scope = occurrence.scope
        if scope.kind == "function" and not occurrence.in_string and isinstance(scope.node, ast.FunctionDef):
            is_global = occurrence.home in (None, found.module)
            first = min([scope.node.lineno, *(d.lineno for d in scope.node.decorator_list)])
            ours.setdefault((scope.name, first), {})[occurrence.name] = is_global
            ours.setdefault((scope.name, scope.node.lineno), {})[occurrence.name] = is_global
    compared = 0
    tables = [symtable.symtable(source, name, "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        mine = ours.get((table.get_name(), table.get_lineno()))
        if (
            table.get_type()
            not in (
                "function",
                symtable.SymbolTableType.FUNCTION if hasattr(symtable, "SymbolTableType") else "function",
            )
            or mine is None
        ):
            continue
        for symbol in table.get_symbols():
            if symbol.get_name() in mine and symbol.is_referenced():
                compared += 1
                assert mine[symbol.get_name()] == symbol.is_global(), (table.get_name(), symbol.get_name())
    assert compared > 20
    assert os.path.isfile(LIBRARY / name)


def test_a_class_body_reads_outside_until_it_binds() -> None:
    """`x = x` in a class takes the outer x (language reference 4.2.2)."""
    found = names_of("x = 1\nclass C:\n    x = x\n    y = x\n    def m(self): return x")
    homes = [
        (o.kind, o.home.kind if o.home else None)
        for o in sorted(found.occurrences, key=lambda o: o.start)
        if o.name == "x"
    ]
    assert homes == [
        ("store", "module"),
        ("store", "class"),
        ("load", "module"),
        ("load", "class"),
        ("load", "module"),
    ]


def test_a_walrus_in_a_comprehension_binds_outside() -> None:
    """PEP 572: the target belongs to the scope around the comprehension."""
    found = names_of("def f(a):\n    return [y for x in a if (y := x)], y")
    assert {o.home.kind for o in found.occurrences if o.name == "y" and o.home} == {"function"}


def test_private_names_are_mangled() -> None:
    """`__x` in a class is `_C__x`, as the language reference says (6.2.1)."""
    found = names_of("_C__x = 1\nclass C:\n    def m(self): return __x")
    assert [o.name for o in found.of_module("_C__x")] == ["_C__x", "_C__x"]


def test_when_python_gets_there() -> None:
    """Decorators and defaults run at import, bodies at the call, postponed annotations never."""
    found = names_of("from __future__ import annotations\n@a\ndef f(x: b = c) -> d: return e")
    when = {o.name: o.when for o in found.occurrences}
    assert (when["a"], when["b"], when["c"], when["d"], when["e"]) == (
        "import",
        "annotation",
        "import",
        "annotation",
        "call",
    )
