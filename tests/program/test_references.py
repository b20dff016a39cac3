"""Where names are used, across modules, and what modules do while they are imported."""

from __future__ import annotations

import os
import sysconfig

import pytest

from entrepot.program.model import Program
from entrepot.program.newer import parse_tree
from entrepot.program.references import read_references

SHOP = {
    "shop/__init__.py": "from .cart import total\nfrom . import stock\n",
    "shop/cart.py": "def total(): return 1\n\ndef double(): return total() * 2\n",
    "shop/stock.py": "from .cart import *\nleft = total()\n",
    "shop/total.py": "",
    "use.py": (
        "import shop\nimport shop.cart as c\nfrom shop import total as t\n"
        "def f(x: 'shop.total'):\n    from shop.cart import total\n    return total, t\n"
        "c.total = None\nshop.total()\nf'{c.total!r}'\ntotal = 3\n"
    ),
    "other.py": "total = 1\nprint(total)\n",
}


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


def show(program: Program, name: str) -> list[tuple[str, str, int, str]]:
    return [(r.module, r.name, r.line, r.kind) for r in program.find_references(name)]


def test_every_use_of_a_name_is_found_through_re_exports(draw):
    """Stars, aliases, attributes, imports in functions, annotations in strings; and no other module's name."""
    program = Program.read(draw(SHOP))
    expected = [
        ("shop", "total", 1, "import"),
        ("shop.cart", "total", 1, "define"),
        ("shop.cart", "total", 3, "load"),
        ("shop.stock", "total", 2, "load"),
        ("use", "t", 3, "import"),
        ("use", "shop.total", 4, "load"),
        ("use", "total", 5, "import"),
        ("use", "total", 6, "load"),
        ("use", "t", 6, "load"),
        ("use", "c.total", 7, "store"),
        ("use", "shop.total", 8, "load"),
        ("use", "c.total", 9, "load"),
    ]
    assert show(program, "shop.cart.total") == expected
    assert show(program, "shop.total") == expected  # the function, not the submodule beside it
    assert program.find_origin("shop.total") == "shop.cart.total"
    assert {module for module, *_ in show(program, "other.total")} == {"other"}


def test_references_are_kept_until_the_file_changes(draw):
    """A second program reads no tree again; an edit is seen."""
    root = draw(SHOP)
    for path in root.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    first = show(Program.read(root), "shop.cart.total")
    program = Program.read(root)
    assert show(program, "shop.cart.total") == first
    assert not program.trees

    (root / "other.py").write_text("from shop import total\n")
    assert ("other", "total", 1, "import") in show(Program.read(root), "shop.cart.total")


def test_a_reference_says_when_and_where_it_belongs(draw):
    """At import, at a call, in an annotation; of the module, of a function by an import, or a builtin."""
    root = draw(
        {
            "m.py": "import os\ndef f(x: 'os.PathLike'):\n    import json\n    return json, len(os.sep)\ny = os.sep\n"
        }
    )
    found = {
        (r.name, r.line): (r.when, r.home, r.target) for r in Program.read(root).modules["m"].references()
    }
    assert found["os.PathLike", 2] == ("annotation", "module", "os.PathLike")
    assert found["json", 4] == ("call", "function", "json")
    assert found["len", 4] == ("call", "", "")
    assert found["os.sep", 5] == ("import", "module", "os.sep")


def test_work_at_import_is_told_with_its_place(draw):
    """What is called at the top level and does more than define."""
    root = draw(
        {
            "m.py": "import subprocess as s\nprint(1)\ndef f():\n    print(2)\ns.run(['x'])\n",
            "broken.py": "x = (\n",
        }
    )
    program = Program.read(root)
    assert [(w.line, w.what) for w in program.modules["m"].work()] == [(2, "prints"), (5, "starts a process")]
    assert program.modules["broken"].references() == []


def test_names_that_go_round_are_followed_out_of_the_circle(draw):
    """A package star-imports a module that takes a name of the package: the name is where it was first defined."""
    root = draw({
        "p/__init__.py": "from .misc import *\nfrom .union import *\n",
        "p/misc.py": "def groups(): ...\n",
        "p/union.py": "from p import groups\nfrom p import round\nfrom .union import round\n",
    })  # fmt: skip
    program = Program.read(root)
    assert program.find_origin("p.union.groups") == program.find_origin("p.groups") == "p.misc.groups"
    assert program.find_origin("p.round")  # an end, though nobody defines it


@pytest.mark.slow
def test_every_reference_stands_where_it_says():
    """On the standard library, the text at each place begins with the name."""
    folder = sysconfig.get_path("stdlib")
    count = 0
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py") and name < "m":
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            lines = text.encode().split(b"\n")
            for used, line, column, *_ in read_references(parse_tree(text).tree, text):
                first = used.partition(".")[0].encode()
                assert lines[line - 1][column:].startswith(first) or first.startswith(b"_")  # mangled
                count += 1
    assert count > 10_000
