"""A proposal is sensible, has no cycle, and can be applied as it is."""

from __future__ import annotations

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
