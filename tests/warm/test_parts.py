"""The run after an edit of one of many own modules begins from what comes before it, and is Python's own."""

from __future__ import annotations

import time

import pytest

from entrepot.warm.images import find_images
from entrepot.warm.parts import MAX_PARTS, plan_places
from entrepot.warm.prepare import Stage
from native import NEEDS_NATIVE, WAIT_S
from stored import Stored

pytestmark = NEEDS_NATIVE

OWN = 60
MODULE = "import registry\nregistry.seen.append(__name__)\nvalue = {number}\n"
MAIN = "import registry\n{imports}print(len(registry.seen), registry.seen[-3:], m7.value, m40.value, m59.value)\n"


def draw_stages(text: str) -> list[Stage]:
    """Return stages drawn as `name: number of own modules`, one a line."""
    found = []
    for line in text.split("\n"):
        name, _, count = line.strip().partition(": ")
        if name:
            found.append(Stage(name, tuple(f"{name}{number}.py" for number in range(int(count)))))
    return found


STAGES = draw_stages("""
    json: 0
    a: 40
    b: 20
    c: 20
    d: 20
""")
STATEMENTS = {"json": 0, "a": 1, "b": 2, "c": 5, "d": 6}


@pytest.mark.parametrize(
    ("changed", "at_most", "places"),
    [
        ((), 99, [5, 2]),  # three quarters of the modules are reached in c, half in b
        (("d3.py",), 99, [6, 5, 2]),
        (("c3.py",), 99, [5, 2]),
        (("json.py",), 99, [5, 2]),
        (("a0.py",), 99, [5, 2]),  # nothing of its own comes before
        (("d3.py",), 4, [2]),  # the rest is not prepared
    ],
)  # fmt: skip
def test_places_are_before_what_was_edited_and_at_shares_of_the_whole(changed, at_most, places):
    """Before the statement that reaches a module; never before anything is done, never more than there are slots."""
    changed = [path if path != "a0.py" else "nowhere.py" for path in changed]

    assert plan_places(STAGES, STATEMENTS, frozenset(changed), at_most) == places
    assert len(places) <= MAX_PARTS


@pytest.fixture
def edited(tmp_path):
    """A program of many modules that take long, with its parts."""
    with Stored(tmp_path) as place:
        names = {f"m{number}": MODULE.format(number=number) for number in range(OWN)}
        names["m0"] = "import time\ntime.sleep(0.4)\n" + names["m0"]
        main = MAIN.format(imports="".join(f"import m{number}\n" for number in range(OWN)))
        place.write(**names, registry="seen = []\n", main=main)
        place.prepare()
        wait_for_parts(place)
        yield place


def wait_for_parts(place: Stored, places: int = 2) -> None:
    """Wait until a program has the images of its parts."""
    end = time.monotonic() + WAIT_S
    while sum(image.kind.startswith("part") for image in find_images(str(place.store))) < places:
        assert time.monotonic() < end, "no parts were made"
        time.sleep(0.05)


def test_the_run_after_an_edit_begins_before_what_was_edited(edited):
    """Modules that come before the edited one are not initialised again, the others are, in order."""
    edited.write(m40=MODULE.format(number=4000))

    how, outcome = edited.run()

    assert how.startswith("part: changed: f ")
    assert outcome == edited.plain() == (0, "60 ['m57', 'm58', 'm59'] 7 4000 59\n", "")


def test_an_edit_before_every_part_begins_before_none(edited):
    """What was initialised after the edited module does not serve."""
    edited.write(m7=MODULE.format(number=700))

    how, outcome = edited.run()

    assert not how.startswith(("part", "warm"))
    assert outcome == edited.plain() == (0, "60 ['m57', 'm58', 'm59'] 700 40 59\n", "")


def test_an_edit_of_the_program_itself_begins_before_none(edited):
    """Its own statements are what a part stopped between."""
    text = (edited.path / "main.py").read_text()
    edited.write(main="import registry\nregistry.seen.append('first')\n" + text)

    how, outcome = edited.run()

    assert not how.startswith(("part", "warm"))
    assert outcome == edited.plain() == (0, "61 ['m57', 'm58', 'm59'] 7 40 59\n", "")


def test_why_and_status_know_parts(edited):
    """`entrepot why` says how the run was, and `status` shows what is kept."""
    edited.write(m40=MODULE.format(number=4000))
    edited.run()

    kinds = {image.kind for image in find_images(str(edited.store))}

    assert {"part1", "part2"} <= kinds
    told = edited.run_raw("--why", "main.py")[2] + edited.run_raw("--why", "main.py")[2]
    assert "main.py: part (" in told
    assert "m40.py" in told
