"""A proposal is sensible, has no cycle, and can be applied as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.cli import main
from entrepot.refactor.project import Project
from entrepot.refactor.split import plan_split
from entrepot.refactor.suggest import suggest_split
from entrepot.refactor.suggestion import Suggestion

SHOP = """
    import math

    class Shape:
        pass

    class SquareShape(Shape):
        def area(self):
            return square_root(4)

    class RoundShape(Shape):
        def area(self):
            return square_root(9)

    def square_root(n):
        return math.sqrt(n)

    _cart = []

    def cart_add(item):
        global _cart
        _cart = [*_cart, item]

    def cart_total():
        return len(_cart)

    def cart_clear():
        global _cart
        _cart = []

    def main():
        cart_add(SquareShape())
        print(cart_total(), RoundShape().area())
        cart_clear()

    if __name__ == "__main__":
        main()
"""


@pytest.fixture
def suggestion(draw: Callable[..., Path]) -> tuple[Project, Suggestion]:
    root = draw({"shop.py": SHOP, "pyproject.toml": ""})
    project = Project(str(root))
    return project, suggest_split(project, str(root / "shop.py"))


def test_names_that_share_state_or_a_base_stay_together(suggestion: tuple[Project, Suggestion]) -> None:
    """Who changes one global, and who derives from one class, is in one group."""
    groups = [set(group.names) for group in suggestion[1].groups]
    assert {"_cart", "cart_add", "cart_total", "cart_clear"} in groups
    assert any({"Shape", "SquareShape", "RoundShape"} <= group for group in groups)
    assert "main" in suggestion[1].stays


def test_arrows_close_no_cycle(suggestion: tuple[Project, Suggestion]) -> None:
    """Following the arrows never leads back."""
    arrows = {(a, b) for a, b, _ in suggestion[1].arrows}
    seen, todo = set(arrows), list(arrows)
    while todo:
        a, b = todo.pop()
        for c, d in arrows:
            if b == c and (a, d) not in seen:
                seen.add((a, d))
                todo.append((a, d))
    assert arrows
    assert not any(a == b for a, b in seen)


def test_the_proposal_can_be_applied(suggestion: tuple[Project, Suggestion]) -> None:
    """The groups are what `split` takes, and nothing refuses them."""
    project, proposal = suggestion
    request = {group.module: group.names for group in proposal.groups}
    edit = plan_split(project, str(Path(project.root) / "shop.py"), request)
    assert not edit.is_empty


def test_a_scripts_own_steps_stay_and_its_parts_have_plain_names(draw: Callable[..., Path]) -> None:
    """What only the script's steps use is no part to take out; a part is named after what is in it."""
    text = (Path(__file__).parents[2] / "examples/arcade/1_one_file/main.py").read_text()
    root = draw({"main.py": text, "pyproject.toml": ""})
    proposal = suggest_split(Project(str(root)), str(root / "main.py"))

    assert {group.module: set(group.names) for group in proposal.groups} == {
        "scores": {"SCORES", "get_score", "add_score", "best_player"},
        "stocks": {"PRIZES", "STOCK", "in_stock", "take", "affordable"},
    }
    assert {"player", "tickets", "prize"} <= set(proposal.stays)
    assert not proposal.command().endswith("--reexport")


def test_parts_of_a_script_hide_no_module(draw: Callable[..., Path]) -> None:
    """A part is called like no module of the standard library and like no file beside the script."""
    words = ("random", "cart")
    text = "".join(
        f"{word}_table = {{}}\ndef {word}_add(x):\n    {word}_table[x] = 1\ndef {word}_size():\n    return len({word}_table)\n"
        for word in words
    )
    root = draw({"main.py": text + "random_add(cart_size())\n", "carts.py": "", "pyproject.toml": ""})
    names = [group.module for group in suggest_split(Project(str(root)), str(root / "main.py")).groups]

    assert names
    assert "carts" not in names
    assert not set(names) & set(sys.stdlib_module_names)


def test_the_command_shows_groups_reasons_and_what_would_do_it(
    draw: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed ends with the command that does it; for programs the same comes as JSON."""
    root = draw({"shop.py": SHOP, "pyproject.toml": ""})
    words = ["split", str(root / "shop.py"), "--root", str(root), "--suggest"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert main([*words, "--format", "json"]) == 0
    about = json.loads(capsys.readouterr().out)

    command = text.splitlines()[-1]
    assert about["command"] == command
    assert command.startswith("entrepot split shop.py --to ")
    assert "share _cart, which they change" in text
    assert "names say “cart”" in text
    assert "are built on Shape" in text
    assert "shop keeps" in text
    assert "main" in about["stays"]
    assert {group["module"] for group in about["groups"]} == {
        item.partition("=")[0] for item in command.split("--to ")[1:]
    }
    assert all(f"{a} -> {b}  {count}" in text for a, b, count in about["arrows"])


WHOLE = {
    "nothing in it": ("import os\n", None),
    "everybody needs everybody": (
        "def a(): return b()\ndef b(): return c()\ndef c(): return d()\ndef d(): return a()\n",
        None,
    ),
    "names that cannot be known": (
        SHOP + "\n    found = [name for name in globals()]\n",
        "shop.py:38: globals() is used with names that are only known at run time",
    ),
    "names that are taken away": (
        "def a(): ...\ndef b(): ...\ndef c(): ...\nx = 1\ny = 2\nx, y = y, x\ndel a, b, c\n",
        None,
    ),
}


@pytest.mark.parametrize("title", WHOLE)
def test_a_file_that_is_better_left_whole(
    title: str, draw: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, with what stands in the way."""
    text, reason = WHOLE[title]
    root = draw({"shop.py": text, "pyproject.toml": ""})
    words = ["split", str(root / "shop.py"), "--root", str(root), "--suggest"]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert "shop.py is best left whole" in said[0]
    assert [line.strip() for line in said[1:]] == ([] if reason is None else [reason])
    assert main([*words, "--format", "json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["groups"] == []
    assert about["command"] is None
    assert about["reason"] == reason


def test_what_differs_between_versions_is_called_so(draw: Callable[..., Path]) -> None:
    """Definitions under conditions go to a module called compat, and names that are taken get another."""
    parts = "".join(
        f"""
if sys.version_info >= (3, {minor}):
    def {name}_text(x):
        return {name}_bytes(x)
else:
    {name}_text = str
if sys.platform == "nothing":
    {name}_bytes = bytes
else:
    def {name}_bytes(x):
        return x
"""
        for minor, name in enumerate(("one", "two", "three"))
    )
    chain = "\n".join(f"def {name}(x):\n    return {name}_text(x)\n" for name in ("one", "two", "three"))
    root = draw({"old.py": "import sys\n" + parts + chain, "pyproject.toml": ""})
    groups = suggest_split(Project(str(root)), str(root / "old.py")).groups

    assert groups
    assert all("compat" in group.module for group in groups)
    assert len({group.module for group in groups}) == len(groups)


def test_small_groups_join_who_uses_them_or_stay(draw: Callable[..., Path]) -> None:
    """Nothing in the file has to stay, and of three families the ones of two names are no module of their own."""
    text = "".join(
        f"def {word}_{n}(x):\n    return {f'{word}_{n + 1}(x)' if n < size - 1 else 'x'}\n\n\n"
        for word, size in (("apple", 5), ("pear", 2), ("plum", 2))
        for n in range(size)
    )
    root = draw(
        {"fruit.py": text + "def use_plums(x):\n    return apple_0(plum_0(x))\n", "pyproject.toml": ""}
    )
    proposal = suggest_split(Project(str(root)), str(root / "fruit.py"))

    assert all(len(group.names) >= 3 for group in proposal.groups)
    assert {"pear_0", "pear_1"} <= set(proposal.stays)
