"""What a joined program asks about its modules: the answers are those of files; and what `join` cannot carry."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.cli import main as run_command
from entrepot.errors import Refused
from entrepot.refactor.join import plan_join

ASKS = {
    "main.py": """
        import importlib, importlib.metadata, importlib.resources, importlib.util, inspect, io, os, pkgutil, sys
        import linecache

        sys.path.append(os.path.join(os.path.dirname(__file__), "more"))
        import extra
        import dep
        import shop, shop.cart
        import spaced.inner

        def told(act, *given, **more):
            try:
                return act(*given, **more)
            except Exception as error:
                return type(error).__name__

        here = os.path.dirname(os.path.abspath(__file__))
        place = lambda path: os.path.relpath(str(path), here)
        print(extra.NAME, dep.NAME, spaced.inner.NAME, place(shop.__file__), place(spaced.inner.__file__))
        for module in (shop, shop.cart):
            loader, name = module.__loader__, module.__name__
            print(name, loader.is_package(name), loader.get_source(name), place(loader.get_filename(name)))
            print(module.__spec__.has_location, [place(p) for p in module.__spec__.submodule_search_locations or ()])
            print(loader.get_data(module.__file__), told(loader.get_data, module.__file__ + "x"))
            print(told(loader.get_source, "missing"), eval(loader.get_code(name).co_consts[0] is not None and "1"))
        print([(m.name, m.ispkg) for m in pkgutil.iter_modules(shop.__path__, "x.")])
        print(sorted(m.name for m in pkgutil.walk_packages(shop.__path__, "shop.")))
        print(told(importlib.import_module, "shop.nothing"), importlib.util.find_spec("shop.nothing"))
        print(importlib.import_module(".late", "shop").NAME, __import__("shop.late").late.NAME)

        root = importlib.resources.files("shop")
        print(sorted(e.name for e in root.iterdir() if not e.name.startswith("__pyc")), root.is_dir(), root.is_file())
        data = root / "data" / "prices.txt"
        print(data.name, data.is_file(), data.is_dir(), data.read_text(), data.read_bytes(), place(data))
        print(data.open().read(), data.open("rb").read(), root.joinpath("data", "prices.txt").read_text(encoding="utf-8"))
        print((root / "data").is_dir(), (root / "none").is_dir(), told((root / "none").read_text))
        print(pkgutil.get_data("shop", "data/prices.txt"), importlib.resources.read_text("shop", "note.txt"))
        print(importlib.resources.is_resource("shop", "note.txt"), importlib.resources.is_resource("shop", "no"))
        print(sorted(n for n in importlib.resources.contents("shop") if not n.startswith("__pyc")))
        with importlib.resources.path("shop", "note.txt") as path:
            print(path.read_text())
        print(told(importlib.resources.files, "shop.cart") if sys.version_info < (3, 12) else "-")

        print(importlib.metadata.version("Dep.One"), importlib.metadata.metadata("dep-one")["Summary"])
        print([e.value for e in importlib.metadata.entry_points(group="deps")], told(importlib.metadata.version, "no"))
        print(inspect.getsource(shop.cart.total), linecache.getline(shop.__file__, 1), inspect.getsource(told)[:9])
        importlib.invalidate_caches()
    """,
    "shop/__init__.py": "from .cart import total\n",
    "shop/cart.py": '"""Said."""\n\n\ndef total():\n    return "\\\\" + \'\'\'x\'\'\' + """y"""\n',
    "shop/late.py": "NAME = 'late'",
    "shop/inner/__init__.py": "",
    "shop/inner/most.py": "",
    "shop/note.txt": "a note",
    "shop/data/prices.txt": "1 2 3",
    "spaced/inner.py": "NAME = __name__\n",
    "more/extra.py": "NAME = 'extra'\n",
}
INSTALLED = {
    "dep/__init__.py": "NAME = 'dep'\n\n\ndef own_tests():\n    import pytest\n",
    "dep/part.py": "import not_there_either\n",
    "dep_one-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: dep-one\nVersion: 1.2\nSummary: sums\n",
    "dep_one-1.2.dist-info/entry_points.txt": "[deps]\none = dep:NAME\n",
    "dep_one-1.2.dist-info/top_level.txt": "dep\n",
    "other-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n",
    "other-1.0.dist-info/RECORD": "other.py,,\n",
}


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.slow
def test_every_answer_is_that_of_files(
    draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Loaders, resources, metadata, sources: a joined program is told what it is told of files."""
    root = draw(ASKS, "app")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    installed = draw(INSTALLED, f"env/lib/{version}/site-packages")
    monkeypatch.setenv("VIRTUAL_ENV", str(installed.parents[2]))
    edit = plan_join(str(root / "main.py"), str(root / "out.py"))
    assert [str(note) for note in edit.notes] == []
    edit.apply()
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    said = []
    for flags, name in (((), "main.py"), (("-I",), "out.py")):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *flags, name], cwd=root, env=environment, text=True,
            capture_output=True, timeout=50, check=False,
        )  # fmt: skip
        said.append((done.returncode, done.stdout.splitlines(), done.stderr))
    assert said[1] == said[0]
    assert said[0][0] == 0


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there is no such script"),
        ({"main.py": "import (\n"}, "syntax error"),
        ({"main.py": "import bad\n", "bad.py": b"x = '\0'\n"}, "null bytes"),
        ({"main.py": "import bad\n", "bad.py": b"x = '\xe9'\n"}, "encoding declaration"),
        ({"main.py": "x = 1\n", "out.py/inner.txt": ""}, "this is a folder"),
    ],
)
def test_what_cannot_be_joined(draw: Callable[..., Path], files: dict[str, str | bytes], words: str) -> None:
    """The reason, and no file is made."""
    root = draw({"note.txt": "", **files}, "app")
    before = sorted(root.rglob("*"))
    with pytest.raises(Refused, match=words):
        plan_join(str(root / "main.py"), str(root / "out.py"))
    assert sorted(root.rglob("*")) == before


def test_what_is_left_out_is_said(draw: Callable[..., Path]) -> None:
    """Modules that are not there, do not parse, or have data that is too large; `if TYPE_CHECKING` needs nothing."""
    root = draw(
        {
            "main.py": """
                from typing import TYPE_CHECKING
                import typing

                if TYPE_CHECKING:
                    import never_there
                elif typing.TYPE_CHECKING:
                    from never_there import x
                else:
                    import real
                import missing, os.path, json, __main__
                from . import nothing
                name = "real"
                __import__(name)
                try:
                    import odd
                except SyntaxError:
                    print("odd")
            """,
            "real/__init__.py": "from .. import real\n",
            "real/big.txt": "x" * 1_000_001,
            "real/not-a-name/x.py": "",
            "odd.py": "x = (\n",
            "json/readme.txt": "",
        }
    )
    edit = plan_join(str(root / "main.py"), str(root / "out.py"))
    assert [str(note).replace(f"{root}{os.sep}", "") for note in sorted(edit.notes, key=str)] == [
        "main.py:10: missing was not found",
        "odd.py:1: carried as it is: syntax error: '(' was never closed",
        "real/big.txt: left out: larger than a megabyte",
    ]
    assert b'modules["real"]' in (edit.changes[0].after or b"")


@pytest.mark.slow
def test_a_folder_with_a_main_and_texts_of_every_kind(
    draw: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`join folder -o out` runs as the folder does, an older result is replaced, and undo gives it back."""
    root = draw(
        {
            "app/__main__.py": b"#!/usr/bin/env python3\r\n# -*- coding: latin-1 -*-\r\nimport latin, ends\r\n"
            b"print('\xe9', latin.TEXT, ends.TEXT)\r\n",
            "app/latin.py": b"# coding: latin-1\nTEXT = '\xe9'\n",
            "app/ends.py": "TEXT = r'''a''' + '''b'''",
            "out.py": "older\n",
        }
    )
    wanted = subprocess.run([sys.executable, "app"], cwd=root, capture_output=True, check=True).stdout
    assert run_command(["join", str(root / "app"), "-o", str(root / "out.py")]) == 0
    assert (root / "out.py").read_bytes().startswith(b"#!/usr/bin/env python3\n")
    found = subprocess.run(
        [sys.executable, "-I", "-S", "out.py"], cwd=root, capture_output=True, check=True
    ).stdout
    assert found == wanted
    assert run_command(["undo", "--root", str(root)]) == 0
    assert (root / "out.py").read_text() == "older\n"
    capsys.readouterr()
