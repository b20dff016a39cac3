"""The commands warm and why, on a store with a real image."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.cli import main
from entrepot.commands import warm
from native import NEEDS_NATIVE
from warm_place import Place, wait_until

pytestmark = NEEDS_NATIVE
Shown = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A folder, the current one, with a program and a store that is the commands' too."""
    made = Place(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENTREPOT_DIR", str(made.store))
    yield made
    made.stop()


@pytest.mark.slow
def test_what_is_kept_is_shown_explained_forgotten_and_ended(place: Place, capsys: Shown):
    """From the first run to `warm stop`: each command says what is so, and what is left then is nothing."""
    place.warm_up()
    assert place.run()[2] == "entrepot: warm\n"

    assert main(["warm", "status", "--format", "json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["store"], status["keeper"]) == (str(place.store), place.get_keeper())
    [image] = [row for row in status["images"] if row["kind"] == "file"]
    assert image["program"].startswith("main.py")
    assert image["hits"] == 1
    assert image["memory_bytes"] > 0
    assert main(["warm", "status"]) == 0
    head, titles, *rows = capsys.readouterr().out.splitlines()
    assert head == f"{place.store}, keeper is process {place.get_keeper()}"
    assert titles.split() == ["modules", "MiB", "age", "idle", "hits", "program"]
    assert rows[-1].startswith(f"{len(status['images'])} images, ")
    for info in place.store.glob("*.info"):
        info.write_text('{"modules": 1e999}')
    assert main(["warm", "status", "--format", "json"]) == 0
    assert {row["modules"] for row in json.loads(capsys.readouterr().out)["images"]} == {0}

    for words in (["why", "main.py", "a"], ["why"]):
        assert main(words) == 0, words
        assert "main.py: warm" in capsys.readouterr().out
    assert main(["why", "--format", "json", "main.py", "a"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "warm"
    for words, name in ((["-m", "main", "a"], "main"), (["-c", "1"], "1"), (["other.py"], "other.py")):
        assert main(["why", *words]) == 1
        assert capsys.readouterr().out.startswith(f"{name}: unknown")

    assert main(["warm", "forget", "no such program"]) == 1
    assert main(["warm", "forget", "main.py"]) == 0
    assert capsys.readouterr().out == "forgot 0 images\nforgot 1 image\n"
    assert main(["why", "main.py", "a"]) == 1

    keeper = place.get_keeper()
    assert main(["warm", "stop"]) == 0
    assert capsys.readouterr().out.endswith("stopped\n")
    wait_until(lambda: keeper not in place.find_processes())
    assert [path for path in place.store.rglob("*") if path.is_file()] == []
    assert main(["warm", "status"]) == 0
    assert capsys.readouterr().out == f"{place.store}, keeper not running\nnothing is kept\n"


@pytest.mark.slow
@pytest.mark.parametrize("after_ms", range(0, 600, 40))
def test_a_stop_while_an_image_is_made_leaves_nothing(place: Place, capsys: Shown, after_ms: int):
    """Whatever the keeper has others do at that moment: no file, no process."""
    place.run()
    time.sleep(after_ms / 1000)

    assert main(["warm", "stop"]) == 0

    assert capsys.readouterr().out == "stopped\n"
    time.sleep(0.3)
    wait_until(lambda: not place.find_processes())
    # Where the keeper had not begun when it was looked for, it has found nothing to do.
    assert {path.name for path in place.store.rglob("*") if path.is_file()} <= {"keeper"}


@pytest.mark.slow
def test_a_keeper_that_hangs_is_ended_all_the_same(place: Place, capsys: Shown):
    """`warm stop` asks first, waits, and does not leave it behind."""
    place.warm_up()
    keeper = place.get_keeper()
    os.kill(keeper, signal.SIGSTOP)
    wait_until(lambda: "(stopped)" in Path(f"/proc/{keeper}/status").read_text())

    assert main(["warm", "stop"]) == 0
    assert capsys.readouterr() == ("stopped\n", "")
    wait_until(lambda: keeper not in place.find_processes())


def test_without_a_store_the_answers_have_the_same_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
):
    """Nothing has been run yet: there is nothing to show, to forget or to end, and `why` says that."""
    monkeypatch.setenv("ENTREPOT_DIR", str(tmp_path / "none"))

    assert main(["warm", "status", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"store": None, "keeper": None, "images": []}
    for words in (["status"], ["forget"], ["stop"]):
        assert main(["warm", *words]) == 0
        assert capsys.readouterr().out == "nothing is kept\n"
    for words, name in (["main.py"], "main.py"), ([], "the last run"):
        assert main(["why", *words]) == 1
        assert capsys.readouterr().out.startswith(f"{name}: unknown, there is no store yet")


@pytest.mark.parametrize(("age_s", "shown"), [(59, "59 s"), (60, "1 min"), (3600, "1 h"), (172800, "2 d")])
def test_ages_are_told_in_their_largest_unit(age_s: float, shown: str):
    """A column of a table, for people."""
    assert warm.format_time(age_s) == shown
