"""Modules that a small program imports late are learned from its runs, and ready in the next."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stored import NEEDS_CLIENT, WAIT_S, Stored

pytestmark = [pytest.mark.slow, pytest.mark.skipif(NEEDS_CLIENT, reason="native parts not built")]

LATE = "def work():\n    import sqlite3, slow\n    print(sqlite3.sqlite_version > '3', slow.x)\n"
ENDS = {
    "returns": "work()",
    "sys.exit": "import sys\nwork()\nsys.exit(3)",
    "raises": "work()\nraise ValueError('x')",
    "a message": "work()\nraise SystemExit('so')",
}


def learn(place: Stored, *arguments: str) -> None:
    """Run until what a run imports is all in the image."""
    end = time.monotonic() + WAIT_S
    place.prepare(*arguments)
    before = -1
    while (waiting := count_waiting(place)) == 0 or waiting != before:
        before = waiting
        place.run(*arguments)
        time.sleep(0.5)
        assert time.monotonic() < end, "nothing was learned"


def count_waiting(place: Stored) -> int:
    """Return how many modules wait in images of programs."""
    found = 0
    for path in place.store.glob("*.record"):
        checks = path.with_suffix(".checks")
        if checks.exists() and b"\1base\1" not in checks.read_bytes():
            found += path.with_suffix(".info").read_text().count('\n  "')
    return found


@pytest.fixture
def place(tmp_path: Path):
    """A distribution that notes each time that it is initialised, by being slow."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "slow.py").write_text("import time\nfor _ in range(3_000_000): pass\nx = 1\n")
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        yield place


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["script", "-m", "-c"])
def test_what_functions_import_is_ready_in_a_later_run(place, kind, end):
    """However the program ends, and whatever kind it is; the outcome stays Python's."""
    text = LATE + ENDS[end]
    place.write(main=text)
    arguments = {"script": ("main.py",), "-m": ("-m", "main"), "-c": ("-c", text)}[kind]

    learn(place, *arguments)
    started = time.monotonic()
    how, outcome = place.run(*arguments)
    took_s = time.monotonic() - started

    assert how == "warm"
    assert outcome == place.plain(*arguments)
    assert took_s < 0.3  # the distribution was not initialised


def test_a_module_read_by_pytest_is_ready_in_a_later_run(place):
    """All imports happen inside of pytest's run; tests are collected anew each time."""
    place.write(test_it="import slow\n\ndef test_x():\n    assert slow.x == 1\n")
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header")

    learn(place, *arguments)
    passed = place.run(*arguments)
    place.write(test_it="import slow\n\ndef test_x():\n    assert slow.x == 22\n")
    failed = place.run(*arguments)

    assert (passed[0], passed[1][0]) == ("warm", 0)
    assert failed[1][0] == 1
