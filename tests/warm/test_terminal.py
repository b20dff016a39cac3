"""Libraries that ask about the standard streams while they are imported are ready where none of these is a terminal."""

from __future__ import annotations

import json
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.warm.observation import Module, Observation
from entrepot.warm.verdict import Again, Plan, Ready, judge
from native import NEEDS_NATIVE
from stored import TELLING, Stored

pytestmark = NEEDS_NATIVE

QUESTIONS = {
    "the stream": "import sys\nx = [stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)]",
    "the descriptor": "import os\nx = os.isatty(0)",
    "its size": "import shutil\nx = shutil.get_terminal_size()",
    "its size, of stdin": "import os\ntry:\n    x = os.get_terminal_size(0).columns\nexcept OSError as e:\n    x = e.errno",
    "its settings": "import termios\ntry:\n    x = len(termios.tcgetattr(0))\nexcept termios.error as e:\n    x = e.args",
    "its name": "import os\ntry:\n    x = os.ttyname(0) > ''\nexcept OSError as e:\n    x = e.errno",
}
WORK = "def work():\n    import using\n    print(using.asking.x, using.is_by_program)\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Stored, Path]]:
    """A library that asks, and one that imports it and knows who has imported it."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "using.py").write_text("import asking\n" + TELLING)
    with Stored(tmp_path, PYTHONPATH=str(site), COLUMNS="", LINES="") as place:
        yield place, site


def run_in_terminal(store: Stored, *, plain: bool) -> tuple[int, str, str]:
    """Run the program with a terminal as stdin; the other way it has to be warm."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0), open(theirs, "rb", buffering=0) as stdin:
        if plain:
            return store.plain(stdin=stdin)
        how, outcome = store.run(stdin=stdin)
    assert how == "warm"
    return outcome


@pytest.mark.parametrize("kind", QUESTIONS)
def test_who_asks_is_ready_where_there_is_no_terminal(place, kind: str) -> None:
    """With one, the run initialises it, as Python does; and the next without has it ready again."""
    store, site = place
    (site / "asking.py").write_text(QUESTIONS[kind])
    store.write(main=WORK + "work()\n")
    store.settle()
    expected = {plain: run_in_terminal(store, plain=plain)[1] for plain in (True, False)}
    answer = store.plain()[1].rpartition(" ")[0]

    for _ in range(2):
        assert store.run() == ("warm", (0, f"{answer} False\n", ""))
        assert run_in_terminal(store, plain=False) == (0, expected[True], "")
    assert expected[False] == expected[True]
    assert expected[True].endswith("True\n")


def test_it_waits_also_where_the_program_begins_with_it(place) -> None:
    """`why` names it, and does not count it among what is left to each run."""
    store, site = place
    (site / "asking.py").write_text(QUESTIONS["the stream"])
    store.write(main="import using\nprint(using.asking.x)\n")
    store.settle()

    assert store.run() == ("warm", store.plain())
    assert run_in_terminal(store, plain=False) == run_in_terminal(store, plain=True)
    _, _, said = store.run_raw("--why=json", "main.py")
    answer = json.loads(said[said.index("{") :])
    assert answer["left"] == {}
    assert list(answer["in_terminal"]) == ["asking"]
    assert answer["waiting"] >= 2
    _, _, said = store.run_raw("--why", "main.py")
    assert "left to runs in a terminal: 1 module, and what imports them\n    asking asks what" in said


def test_a_terminal_that_the_program_opens_counts(place) -> None:
    """It is what the descriptors are when the program imports the library."""
    store, site = place
    (site / "asking.py").write_text(QUESTIONS["the descriptor"])
    store.write(
        main="import os, pty\nif os.path.exists('it'):\n    os.dup2(pty.openpty()[1], 0)\n"
        + WORK
        + "work()\n"
    )
    store.settle()
    assert store.run() == ("warm", (0, "False False\n", ""))

    (store.path / "it").touch()

    assert store.run()[1] == store.plain() == (0, "True True\n", "")


def test_the_programs_own_modules_are_left_to_it(place) -> None:
    """Also those that only import a library that asks: these are initialised in their order, not ahead of it."""
    store, site = place
    (site / "asking.py").write_text(QUESTIONS["the stream"])
    store.write(own="import sys\nx = sys.stdout.isatty()\n", shop="import using\n", main="import own, shop\n")
    store.settle()

    _, _, said = store.run_raw("--why=json", "main.py")

    left = json.loads(said[said.index("{") :])["left"]
    assert left["own"] == "asks what the standard streams are (isatty)"
    assert left["shop"] == "imports asking, which asks what the standard streams are (isatty)"
    assert run_in_terminal(store, plain=False) == run_in_terminal(store, plain=True)


def observe(**changes: object) -> Observation:
    """`asking` asks early; `user`, of a file `user.py`, imports it."""
    modules = {
        name: Module(name, "__main__", source=f"/lib/site-packages/{name}.py", finished=True)
        for name in ("asking", "user", "calm")
    }
    return Observation(
        **{"modules": modules, "edges": {"user": {"asking"}}, "disarmed": True, **changes}  # type: ignore[arg-type]
    )


def test_who_has_asked_too_early_waits_and_the_second_time_is_avoided() -> None:
    """A preparation ends, whatever a program does."""
    early = {"asking": "asks"}
    first = judge(observe(terminal_early=early), Plan())
    assert isinstance(first, Again)
    assert (first.plan.avoid, first.plan.only_late) == ({}, {"asking", "user"})
    assert set(first.plan.late) == {"asking", "user", "calm"}

    second = judge(observe(terminal_early=early), first.plan)

    assert isinstance(second, Again)
    assert set(second.plan.avoid) == {"asking", "user"}
    assert isinstance(judge(observe(terminal=early), first.plan), Ready)


@pytest.mark.parametrize("compiled", ["asking", "user"])
@pytest.mark.parametrize("when", ["terminal", "terminal_early"])
def test_extensions_do_not_ask_and_wait(compiled: str, when: str) -> None:
    """In a run with a terminal they would be initialised a second time."""
    seen = observe(**{when: {"asking": "asks"}})
    seen.modules[compiled].source = f"/lib/site-packages/{compiled}.so"

    verdict = judge(seen, Plan())

    assert isinstance(verdict, Again)
    assert set(verdict.plan.avoid) == {"asking", "user"}
