"""`check`: the exact words and places of what is seldom met; `graph` cut down to a part."""

from __future__ import annotations

import json

import pytest

from entrepot.cli import main


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


TOLD = {
    "a star whose names are made at run time": (
        {"a.py": "from b import *\n", "b.py": "__all__ = make()\n"},
        "EP201", [("a.py", 1, "star import of b: what it brings is not known")],
    ),
    "a star for types only says nothing": (
        {"a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import *\n", "b.py": "x = 1\n"},
        "EP201", [],
    ),
    "a star that hides a builtin": (
        {"a.py": "from b import *\n", "b.py": "def open():\n    pass\n"},
        "EP202", [("a.py", 1, "star import of b hides the builtin open")],
    ),
    "a star over a definition of the file": (
        {"a.py": "def x():\n    pass\n\n\nfrom b import *\n", "b.py": "x = 1\n"},
        "EP202", [("a.py", 5, "")],
    ),
    "a name twice in __all__": (
        {"a.py": "x = 1\n__all__ = ['x', 'x']\n"}, "EP703", [("a.py", 2, "__all__ names x twice")],
    ),
    "beside a script that imports it": (
        {"tools/run.py": "import random\n", "tools/random.py": ""},
        "EP301", [("random.py", 1, "random.py hides the standard library's random")],
    ),
    "in a package it hides nothing": (
        {"p/__init__.py": "", "p/run.py": "from . import random\n", "p/random.py": ""}, "EP301", [],
    ),
    "a submodule that does not exist": (
        {"p/__init__.py": "", "p/q.py": "", "a.py": "import p.q.r\nimport p.other.x\n"},
        "EP401", [("a.py", 1, "p.q.r does not exist; p.q does, without r"),
                  ("a.py", 2, "p.other.x does not exist; p does, without other")],
    ),
    "a private name in a test": (
        {"p/__init__.py": "", "p/_q.py": "x = 1\n", "tests/test_a.py": "from p._q import x\n"}, "EP503", [],
    ),
    "a script that nothing imports": (
        {"a.py": "#!/usr/bin/env python3\nprint(1)\n", "b.py": "if __name__ == '__main__':\n    pass\n", "c.py": ""},
        "EP701", [("c.py", 1, "nothing in the program imports c")],
    ),
    "a folder that holds no module itself": (
        {"n/q/r.py": "", "p/__init__.py": "", "p/empty/q/r.py": ""},
        "EP704", [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "code", "wanted"), TOLD.values(), ids=TOLD)
def test_what_is_told(draw, capsys, files, code, wanted):
    """File, line and words."""
    main(["check", str(draw(files)), "--select", code, "--format", "json"])
    rows = json.loads(capsys.readouterr().out)
    found = [(row["path"].rpartition("/")[2], row["line"], row["message"]) for row in rows]
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    assert all(want[2] in row[2] for want, row in zip(wanted, found, strict=True)), found


CONTRACT = """
    [importlinter]
    root_package = shop
    include_external_packages = True
    [importlinter:contract:1]
    name = apart
    type = {kind}
    {rest}
"""


@pytest.mark.parametrize(
    ("kind", "rest", "status", "words"),
    [
        ("forbidden", "source_modules = shop.cart\n    forbidden_modules = json", 1, "shop.stock -> json"),
        ("forbidden", "source_modules = shop.stock\n    forbidden_modules = json", 1, "must not meet"),
        ("forbidden", "source_modules = shop.other\n    forbidden_modules = json", 0, ""),
        ("forbidden", "source_modules = shop.stock\n    forbidden_modules = marshal\n    ignore_imports = no",
         0, ""),
        ("forbidden", "source_modules = shop.cart\n    forbidden_modules = json\n    allow_indirect_imports = True", 0, ""),
        ("layers", "layers =\n        shop.cart | shop.stock : shop.other", 2, "independent (|) or not (:)"),
        ("layers", "layers =\n        shop.cart\n        (shop.cart)", 2, "shop.cart stands in the layers twice"),
    ],
)  # fmt: skip
def test_contracts_on_what_is_outside_and_wrong_ones(draw, capsys, kind, rest, status, words):
    """A chain to a module of others breaks `forbidden`; a contract that says nothing is wrong usage."""
    root = draw(
        {
            "shop/__init__.py": "", "shop/cart.py": "import shop.stock\n", "shop/stock.py": "import json.decoder\n",
            "shop/other.py": "", ".importlinter": CONTRACT.format(kind=kind, rest=rest),
        }
    )  # fmt: skip
    assert main(["check", str(root), "--select", "EP801"]) == status
    said = capsys.readouterr()
    assert words in said.out + said.err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--focus", "shop.cart"], {"main", "shop.cart", "shop.stock"}),
        (["--focus", "shop"], {"main", "shop", "shop.cart", "shop.stock"}),
        (["--reached-from", "shop.cart"], {"shop", "shop.cart", "shop.stock"}),
        (["--reached-from", "shop.stock", "--focus", "shop.cart"], {"shop.stock"}),
        (["--when", "lazy", "--focus", "main"], {"main"}),
        (["--depth", "1"], {"main", "lone", "shop"}),
    ],
)
def test_a_part_of_the_graph(draw, capsys, options, names):
    """The neighbours of a module, what one reaches, what is imported at some time."""
    root = draw(
        {
            "shop/__init__.py": "", "shop/cart.py": "from shop import stock\n", "shop/stock.py": "",
            "main.py": "import shop.cart\n", "lone.py": "",
        }
    )  # fmt: skip
    assert main(["graph", str(root), "--format", "json", *options]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)["modules"]} == names


def test_the_focus_is_not_there(draw, capsys):
    """A name that is no module is refused, with the nearest one."""
    root = draw({"shop/__init__.py": "", "shop/cart.py": ""})
    assert main(["graph", str(root), "--focus", "shop.carts"]) != 0
    assert "did you mean shop.cart" in capsys.readouterr().err
