"""Import statements inside a System's modules: each form, at any time, resolves in that system."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot import System

Draw = Callable[..., Path]


@pytest.fixture
def system(draw: Draw) -> System:
    root = draw(
        {
            "shop/__init__.py": "__all__ = ['cart']",
            "shop/cart.py": "from . import stock\nfrom .stock import things as goods\nimport shop.stock as s",
            "shop/stock.py": "things = ['a']",
            "late.py": """
                def plain():
                    import shop.stock
                    return shop.stock
                def by_name():
                    import importlib
                    return importlib.import_module("shop.stock")
                def by_function():
                    return __import__("shop.stock", fromlist=["things"])
                def star():
                    namespace = {}
                    exec("from shop import *", namespace)
                    return namespace["cart"].stock
                def evaluated():
                    return eval("__import__('shop.stock').stock")
                def from_cache():
                    import sys
                    import shop.stock
                    return sys.modules["shop.stock"]
                def by_util():
                    import importlib.util, sys
                    spec = importlib.util.find_spec("shop.stock")
                    import shop.stock
                    assert spec.origin == shop.stock.__file__
                    return shop.stock
                def generated():
                    return next((lambda: (yield __import__("shop").stock))())
                class Late:
                    @property
                    def stock(self):
                        from shop import stock
                        return stock
                def in_method():
                    import shop.stock
                    return Late().stock
            """,
        }
    )
    return System(path=[str(root)])


FORMS = ["plain", "by_name", "by_function", "star", "evaluated", "from_cache", "by_util", "in_method"]


@pytest.mark.parametrize("form", FORMS)
def test_a_statement_run_later_resolves_in_the_system(system: System, form: str):
    """Whenever and by whatever form it is run, and the host's cache stays as it is."""
    late = system.import_module("late")

    assert getattr(late, form)() is system.modules["shop.stock"]
    assert "shop" not in sys.modules


@pytest.mark.parametrize("form", FORMS)
def test_also_after_the_system_was_installed(system: System, form: str):
    """A module imported while the system was the interpreter's belongs to it ever after."""
    with system.installed():
        import late  # type: ignore[import-not-found]
    assert "late" not in sys.modules

    assert getattr(late, form)() is system.modules["shop.stock"]
    assert "shop" not in sys.modules


@pytest.mark.parametrize("form", FORMS)
def test_also_while_it_is_installed(system: System, form: str):
    """A module imported before finds the same modules while the system is the interpreter's."""
    late = system.import_module("late")
    with system.installed():
        found = getattr(late, form)()

    assert found is system.modules["shop.stock"]


def test_relative_imports_and_aliases(system: System):
    """`from . import`, `from .x import y as z`, `import a.b as c`."""
    cart = system.import_module("shop.cart")

    assert cart.goods == ["a"]
    assert cart.s is cart.stock is system.modules["shop.stock"]
    assert system.import_module(".cart", "shop") is cart


def test_a_submodule_is_bound_in_its_parent(system: System):
    """Importing shop.cart sets `cart` on shop (5.4.2)."""
    cart = system.import_module("shop.cart")

    assert system.modules["shop"].cart is cart


@pytest.mark.parametrize(
    "statement", ["from . import b", "from pack import b", "import pack.b as b", "from pack import b, c"]
)
def test_a_cycle_finds_the_submodule_that_is_not_bound_yet(draw: Draw, statement: str):
    """As the interpreter, which then looks in its module cache, the statement finds it in the system's."""
    root = draw(
        {
            "pack/__init__.py": "",
            "pack/a.py": f"{statement}\nx = b",
            "pack/b.py": "import pack.c\nfrom pack.a import x\ny = 1",
            "pack/c.py": "",
        }
    )
    system = System(path=[str(root)])

    package = system.import_module("pack.b")

    assert package.x is package
    assert system.modules["pack.a"].b is package


def test_a_cycle_through_a_longer_chain(draw: Draw):
    """`import a.b.c as d` where neither b nor c is bound yet."""
    root = draw(
        {
            "a/__init__.py": "",
            "a/b/__init__.py": "import a.b.c",
            "a/b/c.py": "import a.b.c as me\nx = me",
        }
    )
    system = System(path=[str(root)])

    module = system.import_module("a.b.c")

    assert module.x is module


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"a.py": "import nothing_here"}, "a"),
        ({"a.py": "from sys import nothing_here"}, "a"),
        ({"a.py": "from . import x"}, "a"),
        ({"a.py": "import b", "b.py": "from a import x"}, "a"),
        ({"a.py": "import b", "b.py": "import a; a.x"}, "a"),
        ({"p/__init__.py": "from . import nothing_here"}, "p"),
        ({"p/__init__.py": "from .. import x"}, "p"),
        ({"p/__init__.py": "from p import q", "p/q.py": "from p import q, zzz"}, "p"),
        ({"a.py": "import b.c", "b.py": ""}, "a"),
        ({"a.py": "from b import *", "b.py": "__all__ = ['zzz']"}, "a"),
        ({"a.py": "import sys; sys.modules['b'] = None; import b"}, "a"),
        ({"a.py": "x = ("}, "a"),
        ({}, "nothing_here"),
        ({}, "json.nothing_here"),
    ],
)
def test_errors_read_as_the_interpreters(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], name: str
):
    """Type, text, `name` and `path` of what goes wrong are those of CPython."""
    import importlib

    root = draw(files)
    monkeypatch.syspath_prepend(str(root))
    before = set(sys.modules)
    with pytest.raises(Exception) as plain:
        importlib.import_module(name)
    for new in set(sys.modules) - before:
        del sys.modules[new]

    with pytest.raises(Exception) as ours:
        System(path=[str(root)]).import_module(name)

    def look(error: BaseException) -> tuple[object, ...]:
        return type(error), str(error), getattr(error, "name", None), getattr(error, "path", None)

    assert look(ours.value) == look(plain.value)


def test_reload_keeps_the_object_and_its_names(draw: Draw):
    """The same module object, old names kept, new ones set, and its functions stay the system's."""
    root = draw({"a.py": "old = 1\nv = 1", "b.py": "x = 'b'"})
    system = System(path=[str(root)])
    module = system.import_module("a")
    (root / "a.py").write_text("v = 22\ndef late():\n    import b\n    return b\n", encoding="utf-8")

    again = system.reload(module)

    assert again is module
    assert (module.old, module.v) == (1, 22)
    assert module.late() is system.modules["b"]
    assert system.import_module("importlib").reload(module) is module


def test_reload_of_another_systems_module_is_refused(draw: Draw):
    """A module that is not in the system's cache: CPython's error."""
    root = str(draw({"a.py": ""}))
    one, two = System(path=[root]), System(path=[root])

    with pytest.raises(ImportError, match=r"module a not in sys\.modules"):
        two.reload(one.import_module("a"))


def test_a_failed_module_leaves_the_cache(draw: Draw):
    """It is gone, what it imported stays, and the next try runs it again."""
    root = draw({"a.py": "import b\nraise ValueError('no')", "b.py": ""})
    system = System(path=[str(root)])

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            system.import_module("a")

    assert "a" not in system.modules
    assert "b" in system.modules


def test_a_module_may_put_another_in_its_place(draw: Draw):
    """What `sys.modules[__name__]` is at its end is what was imported."""
    root = draw({"a.py": "import sys\nclass Mine: x = 5\nsys.modules[__name__] = Mine()", "b.py": "import a"})
    system = System(path=[str(root)])

    assert system.import_module("b").a.x == 5


def test_find_spec_asks_the_system(system: System):
    """`find_spec` imports parents only, and is None for what nobody knows."""
    spec = system.find_spec("shop.stock")

    assert spec.origin.endswith("stock.py")
    assert "shop" in system.modules
    assert "shop.stock" not in system.modules
    assert system.find_spec("nothing_here") is None
