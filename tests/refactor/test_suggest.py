"""A proposal is sensible, has no cycle, and can be applied as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
