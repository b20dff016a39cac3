"""`entrepot names`: what is in a namespace, and how a dotted name is found."""

from __future__ import annotations

import json
import sys

import pytest

from entrepot.errors import ProgramError
from entrepot.trace.names import NoSuchName, import_named, list_names, look_up, render_names, render_steps


def test_a_namespace_is_listed_by_kind_with_its_sources():
    """Own names have their line, names from elsewhere the module that defines them."""
    names = {item.name: item for item in list_names(json)}

    assert (names["dumps"].kind, names["dumps"].is_own) == ("function", True)
    assert names["dumps"].line > 0
    assert (names["JSONDecoder"].kind, names["JSONDecoder"].origin) == ("class", "json.decoder")
    assert names["codecs"].kind == "module"


def test_a_look_up_goes_through_cache_namespace_and_re_export():
    """Each step says what was asked of what; a re-exported name is followed to its definition."""
    steps = look_up("json.JSONDecoder.decode")

    assert [(step.name, step.kind) for step in steps] == [
        ("json", "module"),
        ("JSONDecoder", "class"),
        ("decode", "function"),
    ]
    assert steps[1].origin == "json.decoder"
    assert steps[1].file.endswith("decoder.py")


def test_a_name_that_is_not_there_brings_suggestions():
    """The error names where the look-up ended and what is near."""
    with pytest.raises(NoSuchName, match=r"json has no 'dump_s'") as caught:
        look_up("json.dump_s")
    assert "json.dumps" in caught.value.suggestions


def test_a_function_of_a_frozen_module_has_its_file_and_line():
    """`posixpath` is frozen into the interpreter, and its source lies in the library all the same."""
    step = look_up("posixpath.join")[-1]

    assert step.file.endswith("posixpath.py")
    assert step.line > 0


@pytest.fixture
def shop(draw, monkeypatch):
    """A package of the test's own that can be imported, and is forgotten again."""
    root = draw(
        {
            "shop_of_names/__init__.py": "from .cart import *\nimport json as j\nVAT = 19\n_hidden = 1\n",
            "shop_of_names/cart.py": """
                __all__ = ["Cart", "total"]
                class Base:
                    def add(self): ...
                class Cart(Base):
                    size = 3
                one = Cart()
                def total(): ...
            """,
            "shop_of_names/broken.py": "import nothing_of_the_kind\n",
        }
    )
    monkeypatch.syspath_prepend(str(root))
    yield import_named("shop_of_names")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_of_names"]:
        del sys.modules[name]


def test_a_namespace_reads_as_a_list_by_kind(shop):
    """Own names first, what is taken from elsewhere with its module; private ones where they are asked for."""
    lines = [line.split() for line in render_names(shop, list_names(shop)).splitlines()]

    place = shop.__file__.removesuffix("__init__.py")
    assert lines[0] == ["shop_of_names:", "5", "names"]
    assert lines[1:5] == [
        ["classes:"],
        ["Cart", f"{place}cart.py:4", "from", "shop_of_names.cart"],
        ["functions:"],
        ["total", f"{place}cart.py:7", "from", "shop_of_names.cart"],
    ]
    assert [line[0] for line in lines[5:]] == ["modules:", "cart", "j", "variables:", "VAT"]
    assert ["VAT", f"{place}__init__.py:3"] in lines
    assert "_hidden" in [item.name for item in list_names(shop, with_private=True)]


def test_a_look_up_reads_as_steps(shop):
    """Through a class to the one that it inherits from, through an object to its class, to what has no name of its own."""
    told = render_steps("shop_of_names.Cart.add", look_up("shop_of_names.Cart.add")).splitlines()
    assert told[0] == "shop_of_names.Cart.add:"
    assert told[1].startswith("  1. 'shop_of_names' in the module cache: module  (")
    assert "'Cart' in shop_of_names's namespace: class of shop_of_names.cart  (" in told[2]
    assert told[3].startswith("  3. 'add' in the class shop_of_names.cart.Base: function  (")
    assert look_up("shop_of_names.cart.one.add")[-1].origin == "shop_of_names.cart.Base"
    steps = look_up("shop_of_names.cart.one.size")
    assert (steps[-1].kind, steps[-1].file, steps[-1].line) == ("variable", "", 0)
    assert look_up("shop_of_names.j")[-1].taken_at == 2
    assert "which shop_of_names takes in line 2" in render_steps(
        "shop_of_names.j", look_up("shop_of_names.j")
    )


@pytest.mark.parametrize(
    ("dotted", "says"),
    [
        ("shop_of_names.nothing_like_it_at_all", "shop_of_names has no 'nothing_like_it_at_all'"),
        ("shop_of_names.Cart.ad", "shop_of_names.Cart has no 'ad'\n  did you mean shop_of_names.Cart.add"),
        ("shop_of_name", "the path has no 'shop_of_name'\n  did you mean shop_of_names"),
        (
            "shop_of_names.broken.x",
            "shop_of_names.broken cannot be imported: ModuleNotFoundError: No module",
        ),
    ],
)
def test_where_a_look_up_ends_is_said(shop, dotted, says):
    """With names that are near, if there are such; a module that is there and fails is another thing."""
    with pytest.raises(ProgramError) as refused:
        look_up(dotted)
    assert says in str(refused.value)
    assert ("did you mean" in str(refused.value)) == ("did you mean" in says)
