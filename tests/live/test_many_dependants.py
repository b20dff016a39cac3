"""Many modules that take the same names from one module follow it together."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import entrepot.live as live

NUMBER = 40


def test_a_constant_that_many_modules_take_by_the_same_name_settles(draw: Callable[..., Path], monkeypatch):
    """Every importer computes its values again, once."""
    user = "from many_core import RATE\nDERIVED = RATE * 2\nMADE = []\nMADE.append(DERIVED)\n"
    names = [f"many_{i}" for i in range(NUMBER)]
    root = draw({"many_core.py": "RATE = 1\n", **{f"{name}.py": user for name in names}})
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    live.start(paths=[str(root)])
    try:
        users = [importlib.import_module(name) for name in names]
        (root / "many_core.py").write_text("RATE = 5\n")
        report = live.refresh()

        assert report.ok, report
        assert {(user.RATE, user.DERIVED, *user.MADE) for user in users} == {(5, 10, 10)}
    finally:
        live.stop()
        for name in ("many_core", *names):
            sys.modules.pop(name, None)


def test_a_new_entry_comes_after_those_of_other_modules(draw: Callable[..., Path], monkeypatch):
    """All entries of a fresh start are there; between modules they stand in the order in which they were made."""
    root = draw(
        {
            "order_core.py": "TABLE = {}\nTABLE['core'] = 1\n",
            "order_user.py": "import order_core\norder_core.TABLE['user'] = 1\n",
        }
    )
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    live.start(paths=[str(root)])
    try:
        importlib.import_module("order_user")
        core = sys.modules["order_core"]
        (root / "order_core.py").write_text("TABLE = {}\nTABLE['core'] = 1\nTABLE['more'] = 1\n")
        report = live.refresh()

        assert report.ok, report
        assert sorted(core.TABLE) == ["core", "more", "user"]
        assert [key for key in core.TABLE if key != "user"] == ["core", "more"]
    finally:
        live.stop()
        for name in ("order_core", "order_user"):
            sys.modules.pop(name, None)
