"""graph, chain, affected: what is printed and returned."""

# ruff: noqa: E501 (programs drawn in a line)
from __future__ import annotations

import json
import subprocess

import pytest

from entrepot.cli import main


@pytest.fixture
def shop(draw, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))
    return draw({"shop/__init__.py": "", "shop/cart.py": "from shop import stock\n", "shop/stock.py": "import json\n",
                 "main.py": "import shop.cart\n", "lone.py": "", "tests/test_cart.py": "def test():\n    import shop.cart\n"})  # fmt: skip


def test_chains_have_their_lines(shop, capsys):
    """Each step of a chain has its file and line; no chain is status 1."""
    assert main(["chain", "main", "shop.stock", str(shop)]) == 0
    out = capsys.readouterr().out
    assert "-> shop.cart" in out
    assert "cart.py:1" in out
    assert main(["chain", "lone", "main", str(shop)]) == 1
    assert main(["chain", "main", "shop.stok", str(shop)]) == 1
    assert "did you mean shop.stock" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "json", "html"])
def test_graph_in_every_format(shop, capsys, form):
    """Every format holds the modules."""
    assert main(["graph", str(shop), "--format", form, "--external", "--packages"]) == 0
    out = capsys.readouterr().out
    assert "shop" in out
    assert "json" in out
    if form == "json":
        assert {row["name"] for row in json.loads(out)["modules"]} >= {"shop", "json"}


def test_graph_as_json_has_both_layers(shop, capsys):
    """Targets and parents, with statement, place and time."""
    assert main(["graph", str(shop), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["arrows"]
    assert {(r["importer"], r["imported"], r["ancestor"]) for r in rows if r["importer"] == "main"} == {
        ("main", "shop.cart", False), ("main", "shop", True)}  # fmt: skip


def test_what_nothing_reaches(shop, capsys):
    """The modules that no entry point reaches, one a line."""
    assert main(["graph", str(shop), "--unreached", "main"]) == 0
    assert capsys.readouterr().out.split() == ["lone", "tests", "tests.test_cart"]


def test_affected_tests_are_those_that_reach_the_change(shop, capsys, need):
    """Files for pytest, one a line; git tells what changed, removed files too."""

    def git(*words):
        subprocess.run(["git", "-C", str(shop), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True, capture_output=True)  # fmt: skip

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    (shop / "shop/stock.py").write_text("import csv\n")
    assert main(["affected", "--in", str(shop), "--tests"]) == 0
    assert capsys.readouterr().out.strip().endswith("tests/test_cart.py")
    (shop / "shop/stock.py").unlink()
    assert main(["affected", "--in", str(shop), "--since", "HEAD", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "shop.stock" in found["changed"]
    assert "shop.cart" in found["modules"]


def test_metrics_of_packages(shop, capsys):
    """Size and coupling of each package."""
    assert main(["graph", str(shop), "--metrics", "--format", "json"]) == 0
    rows = {row["package"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["shop"]["modules"] == 3
    assert rows["shop"]["importers"] == 2
