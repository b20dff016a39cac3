"""Bytecode of a bundle depends on its source and its Python, on nothing else."""

from __future__ import annotations

import io
import marshal
import sys
from types import SimpleNamespace

import pytest

from entrepot.ship import compiler
from entrepot.ship.bytecode import compile_all

SOURCES = {
    "app/a.py": b"""
import os
LIMIT, NAMES = 3, ("read", "write", ("deep", b"x"))
class Shop:
    'A docstring.'
    def open(self, name, *, limit=LIMIT):
        def again():
            return name in {"read", "write", 1.5} or limit
        return [again() for word in NAMES if word] or (lambda: name)
assert os
""",
    "app/broken.py": b"def (\n",
    "app/deep.py": b"x = " + b"-" * 100_000 + b"1\n",
    "app/zero.py": b"x = 1\0\n",
    "app/latin.py": b"# coding: latin-1\nword = '\xe9\xe9'\n",
}


def test_whoever_compiles_the_bytes_are_the_same():
    """What else a process holds (a name interned, a constant in use) does not change how they are written."""
    made = compile_all(sys.executable, "own", SOURCES)
    held = [eval(text) for text in ("'read'", "('deep', b'x')", "'Shop.open.<locals>.again'", "'app/a.py'")]
    ours = {name: compiler.compile_one(name, source) for name, source in SOURCES.items()}

    assert {name: code for name, code in ours.items() if code} == made.codes
    assert sorted(made.codes) == ["app/a.py", "app/latin.py"]
    assert held
    space: dict[str, object] = {}
    exec(marshal.loads(ours["app/a.py"]), space)
    assert space["LIMIT"] == 3


def test_it_speaks_through_its_streams(monkeypatch: pytest.MonkeyPatch):
    """What it is given and what it gives are values that every Python reads."""
    out = io.BytesIO()
    given = marshal.dumps(list(SOURCES.items()), 2)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given)))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    limit = sys.getrecursionlimit()
    try:
        compiler.main()
    finally:
        sys.setrecursionlimit(limit)

    made = compile_all(sys.executable, "own", SOURCES)
    assert marshal.loads(out.getvalue()) == (made.tag, made.magic, [made.codes.get(name) for name in SOURCES])
