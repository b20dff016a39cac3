"""What modules take from chance while they are initialised is in each run its own, or the module is left to the run."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from entrepot.warm import eligible
from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE

# What the module `made` is, what a run prints of it, and whether it is had ready.
DRAWN = {
    "a generator": ("import random\nmine = random.Random()", "made.mine.random()", True),
    "a default of a function": (
        "import random\ndef f(r=random.Random()): return r.random()",
        "made.f()",
        True,
    ),
    "of a class derived": (
        "import random\nclass R(random.Random):\n    def seed(self, a=None, version=2):\n"
        "        self.count = getattr(self, 'count', 0) + 1\n        super().seed(a, version)\nmine = R()",
        "made.mine.random()",
        True,
    ),
    "two": (
        "from random import Random\na, b = Random(), Random()",
        "(made.a.random(), made.b.random())",
        True,
    ),
    "seeded twice": ("import random\nmine = random.Random()\nmine.seed()", "made.mine.random()", True),
    "without its module": (
        "import random, sys\nmine = random.Random()\ndel sys.modules['random']",
        "made.mine.random()",
        False,
    ),
    "one that was used": ("import random\nx = random.Random().random()", "made.x", False),
    "one that another module has used": (
        "import random\nmine = random.Random()\nimport user\nx = user.x",
        "(made.x, made.mine.random())",
        False,
    ),
    "a copy": ("import copy, random\nmine = copy.copy(random.Random())", "made.mine.random()", False),
    "as many bytes as for a generator": ("import os\nx = os.urandom(2496)", "made.x", False),
    "bytes before a generator": (
        "import os, random\nx = os.urandom(2496)\nmine = random.Random()",
        "(made.x, made.mine.random())",
        False,
    ),
    "bytes beside a generator": (
        "import os, random\nmine = random.Random()\nx = os.urandom(2496)",
        "(made.x, made.mine.random())",
        False,
    ),
}
SEEDED = {
    "by a number": "import random\nmine = random.Random(7)",
    "by a number, later": "import random\nmine = random.Random()\nmine.seed(7)",
    "by another module": "import random\nmine = random.Random()\nimport seeder\nseeder.seed(mine)",
}


@pytest.fixture
def place(tmp_path: Path):
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "user.py").write_text("import made\nx = made.mine.random()\n")
    (site / "seeder.py").write_text("def seed(generator): generator.seed('seven')\n")
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        yield place, site


def find_left(store: Stored) -> dict[str, str]:
    """Which modules are left to each run, and why."""
    _, _, said = store.run_raw("--why=json", "main.py")
    left: dict[str, str] = json.loads(said[said.index("{") :])["left"]
    return left


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("name", DRAWN)
def test_a_generator_is_of_each_run_its_own(place, name: str, is_late: bool) -> None:
    """As long as nobody had used it when the image was made; else the module is."""
    store, site = place
    source, printed, is_ready = DRAWN[name]
    (site / "made.py").write_text(source)
    begin = "def main():\n    " if is_late else "if True:\n    "
    store.write(main=f"{begin}import made\n    print({printed})\n" + ("main()\n" if is_late else ""))
    store.settle()

    seen = [store.run() for _ in range(3)]

    assert [how for how, _ in seen] == ["warm"] * 3
    assert len({outcome for _, outcome in seen}) == 3, seen
    assert ("made" not in find_left(store)) is is_ready


@pytest.mark.parametrize(
    ("name", "flags"), [("seed of a hash table", 4), ("key", 0), ("key, without waiting", 1)]
)
def test_what_must_not_be_secret_may_be_shared(place, name: str, flags: int) -> None:
    """Rust's hash tables, in most extensions written in it, take their seeds with GRND_INSECURE (getrandom(2))."""
    store, site = place
    (site / "made.py").write_text(
        "import ctypes\nx = ctypes.create_string_buffer(16)\n"
        f"taken = ctypes.CDLL(None).getrandom(x, 16, {flags})\n"
    )
    store.write(main="import made\nprint(made.taken)\n")
    store.settle()

    assert store.run() == ("warm", (0, "16\n", ""))
    assert find_left(store).get("made") == (None if flags == 4 else "takes randomness")


@pytest.mark.parametrize("name", SEEDED)
def test_a_generator_that_a_module_seeds_stays_as_it_is(place, name: str) -> None:
    """Every run has the numbers that Python has."""
    store, site = place
    (site / "made.py").write_text(SEEDED[name])
    store.write(main="import made\nprint(made.mine.random())\n")
    store.settle()

    assert store.run() == ("warm", store.plain())
    assert not find_left(store)


def test_what_the_tables_say_is_renewed_is_renewed() -> None:
    renewals = runpy.run_path(str(Path(eligible.__file__).parent / "renewal" / "resident.py"))["RENEWALS"]
    tables = (eligible.CLOCK, eligible.RANDOM, eligible.RESTLESS, eligible.IDENTITY)

    said = {name for table in tables for name, how in table.items() if how == "renewed"}

    # The other three are put right with what they are made of, or by `arrival/resident.py`.
    assert said - set(renewals) == {"numpy.random", "numpy.random._generator", "threading"}
    assert set(renewals) <= said
