"""The graph at a level: what is a box, what is marked, where it stands."""

from itertools import combinations

import pytest

from entrepot.studio import pictures, questions
from entrepot.studio.pictures import HEIGHT, WIDTH, make_level


@pytest.fixture
def chart(draw):
    """Return a function that reads a program's chart."""

    def make(files, entry=""):
        return questions.chart(str(draw(files)), None, entry)

    return make


FILES = {
    "main.py": "import shop.cart\n",
    "shop/__init__.py": "",
    "shop/cart.py": "from shop.stock import *\n",
    "shop/stock.py": "import shop.cart\n",
    "shop/later.py": "def f():\n    import shop.stock\n",
    "lonely.py": "",
}


def test_a_package_is_one_box_until_one_goes_inside(chart):
    """Its arrows are those of the modules in it."""
    found = chart(FILES, "main.py")
    level = make_level(found)
    boxes = {box.name: box for box in level.boxes}

    assert set(boxes) == {"main", "shop", "lonely"}
    assert boxes["shop"].count == 4
    assert boxes["shop"].is_package
    assert [(level.boxes[a].name, level.boxes[b].name) for a, b, *_ in level.arrows] == [("main", "shop")]
    inside = make_level(found, "shop")
    assert {box.label for box in inside.boxes} == {"__init__", "cart", "stock", "later"}


def test_cycles_stars_and_what_is_not_reached_are_marked(chart):
    """On the boxes, and on packages that hold such."""
    level = make_level(chart(FILES, "main.py"), "shop")
    boxes = {box.label: box for box in level.boxes}

    assert bool(boxes["cart"].in_cycle) == bool(boxes["stock"].in_cycle) == True  # noqa: E712
    assert boxes["cart"].has_star
    assert not boxes["later"].is_reached
    assert boxes["stock"].is_reached
    late = [late for a, _, _, _, _, late in level.arrows if level.boxes[a].label == "later"]
    assert late == [True]
    top = {box.name: box for box in make_level(chart(FILES, "main.py")).boxes}
    assert top["shop"].in_cycle
    assert not top["lonely"].is_reached


def test_without_an_entry_everything_counts_as_reached(chart):
    """A library has none."""
    assert all(box.is_reached for box in make_level(chart(FILES)).boxes)


def test_importers_stand_above_and_no_boxes_overlap(chart):
    """For a chain, a diamond and a crowd."""
    files = {
        f"m{n}.py": "\n".join(f"import m{n + step}" for step in (1, 7, 30) if n + step < 150)
        for n in range(150)
    }
    level = make_level(chart(files), is_flat=True)

    assert len(level.boxes) == 150
    for a, b, *_ in level.arrows:
        assert level.boxes[a].y < level.boxes[b].y
    for one, two in combinations(level.boxes, 2):
        assert abs(one.x - two.x) >= WIDTH or abs(one.y - two.y) >= HEIGHT


def test_costs_add_up_in_a_package(chart):
    """What its modules took is what it took."""
    level = make_level(chart(FILES), costs={"shop.cart": 0.25, "shop.stock": 0.5})

    assert {box.name: box.cost_s for box in level.boxes}["shop"] == 0.75


def test_a_chart_of_nothing_is_drawn(chart):
    """An empty folder is no error."""
    assert make_level(chart({"readme.txt": ""})).boxes == []


def test_what_there_is_no_room_for_is_counted(chart, monkeypatch):
    """And draws no arrows."""
    monkeypatch.setattr(pictures, "MOST_BOXES", 2)
    level = make_level(chart(FILES, "main.py"), is_flat=True)

    assert len(level.boxes) == 2
    assert level.hidden == 4
    assert all(a < 2 and b < 2 for a, b, *_ in level.arrows)
