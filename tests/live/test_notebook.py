"""`%load_ext entrepot` in a real Jupyter kernel: edits are in before each cell."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Notebook:
    """A kernel of its own, asked cell by cell."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import start_new_kernel

        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.manager, self.client = start_new_kernel(
            kernel_name="python3", cwd=str(folder), env=environment, startup_timeout=60
        )

    def run(self, code: str) -> str:
        """Run a cell; return what it printed, its value, or its error's name."""
        found: list[str] = []

        def note(message: dict[str, dict[str, object]]) -> None:
            content = message["content"]
            kind = message["msg_type"]
            if kind == "stream" and content["name"] == "stdout":
                found.append(str(content["text"]))
            elif kind == "execute_result":
                found.append(str(content["data"]["text/plain"]))  # type: ignore[index]
            elif kind == "error":
                found.append(str(content["ename"]))

        self.client.execute_interactive(textwrap.dedent(code), timeout=60, output_hook=note)
        return "".join(found)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def notebook(
    draw: Callable[..., Path], need: Callable[[object, str], None]
) -> Iterator[Callable[..., Notebook]]:
    """Write a program and open a notebook beside it."""
    for name in ("jupyter_client", "ipykernel"):
        try:
            __import__(name)
        except ImportError:
            need(None, name)
    opened: list[Notebook] = []

    def start(files: dict[str, str]) -> Notebook:
        opened.append(Notebook(draw(files)))
        opened[-1].run("%load_ext entrepot")
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_names_taken_into_a_notebook_follow(notebook: Callable[..., Notebook], tmp_path: Path):
    """Functions, classes with their instances, constants, aliases, modules; what the notebook made itself stays."""
    book = notebook({
        "shop.py": "RATE = 2\nTABLE = {'a': 1}\ndef price(n): return n * RATE\n"
        "class Cart:\n    def total(self): return 'old'\n",
    })  # fmt: skip
    book.run(
        "import shop\nfrom shop import price, Cart, RATE, TABLE as table\ncart, mine = Cart(), [1]\nheld = price\n"
    )
    assert book.run("price(10), cart.total(), RATE, table") == "(20, 'old', 2, {'a': 1})"

    (tmp_path / "shop.py").write_text(
        "RATE = 3\nTABLE = {'b': 2}\ndef price(n): return n * RATE + 1\nclass Cart:\n    def total(self): return 'new'\n"
    )
    told = book.run("price(10), cart.total(), RATE, table, held is price, isinstance(cart, Cart), mine")

    assert told.endswith("(31, 'new', 3, {'b': 2}, True, True, [1])")
    assert told.startswith("shop: ran ")


def test_an_edit_with_an_error_is_told_and_changes_nothing(notebook: Callable[..., Notebook], tmp_path: Path):
    """The cell still runs, on the old program; the next good edit is in."""
    book = notebook({"calc.py": "def f(): return 1\n"})
    book.run("from calc import f")

    (tmp_path / "calc.py").write_text("def f(: return 2\n")
    told = book.run("f()")
    assert told.endswith("1")
    assert "calc.py:1: SyntaxError" in told

    (tmp_path / "calc.py").write_text("def f(): return 3\n")
    assert book.run("f()").endswith("3")
    assert book.run("f()") == "3"


def test_modules_shows_what_is_followed(notebook: Callable[..., Notebook]):
    """Names and files; unloading ends it."""
    book = notebook({"one.py": "", "two.py": ""})
    book.run("import one, two")

    lines = book.run("%modules").splitlines()

    assert [line.split()[0] for line in lines] == ["one", "two"]
    assert lines[0].endswith("one.py")
    assert book.run("%unload_ext entrepot\nimport sys\n'entrepot' in str(sys.meta_path)") == "False"
