"""The live functions of a module are all found, whoever holds them; the garbage collector is asked where it must be."""

from __future__ import annotations

import functools
import gc
from types import FunctionType, ModuleType, SimpleNamespace

import pytest

from entrepot.live.functions import find_own_functions

HOLDERS = {
    "a name": "def f(): pass",
    "a class": """
class C:
    def f(self): pass
    @staticmethod
    def g(): pass
    @classmethod
    def h(cls): pass
""",
    "nobody": "x = 1",
    "a list": "def f(): pass\nkept = [f]\ndel f",
    "a closure": "def f():\n    def g(): return f\n    return g\nf = f()",
    "a partial": "import functools\ndef f(): pass\nf = functools.partial(f)",
    "a wrapper": "import functools\ndef f(): pass\nf = functools.lru_cache(f)",
    "a property": "class C:\n    @property\n    def f(self): pass",
    "a metaclass's class": "class M(type): pass\nclass C(metaclass=M):\n    def f(self): pass",
    "an instance": "class C: pass\nc = C()\nc.f = lambda: 0",
    "two names": "def f(): pass\ng = f",
    "a generator that runs": "def f():\n    yield\ng = f()\nnext(g)\ndel f",
    "nobody by name but another's function": "def f(): pass\nother = f\ndel f\nkept = {1: other}\ndel other",
}


def make_record(text: str) -> SimpleNamespace:
    """Return what is a record here: it and its module hold the namespace."""
    module = ModuleType("lib")
    exec(text, module.__dict__)
    return SimpleNamespace(module=module, namespace=module.__dict__)


@pytest.mark.parametrize("holder", HOLDERS)
def test_all_are_found(holder: str) -> None:
    """By name, or by asking who refers to the namespace."""
    record = make_record(HOLDERS[holder])
    expected = [
        found
        for found in gc.get_referrers(record.namespace)
        if type(found) is FunctionType and found.__globals__ is record.namespace
    ]

    assert {id(found) for found in find_own_functions(record)} == {id(found) for found in expected}


@pytest.mark.parametrize("holder", ["a name", "a class", "two names", "nobody"])
def test_the_collector_is_not_asked_where_all_holders_are_known(
    holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look at each object of the program."""
    record = make_record(HOLDERS[holder])
    monkeypatch.setattr(gc, "get_referrers", functools.partial(pytest.fail, "asked"))

    find_own_functions(record)


def test_one_who_holds_the_namespace_beside_is_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the collector is asked: it could have been one."""
    record = make_record(HOLDERS["a name"])
    beside = record.namespace
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(gc, "get_referrers", lambda *objects: asked.append(objects) or [])

    assert find_own_functions(record) == []
    assert asked == [(beside,)]
