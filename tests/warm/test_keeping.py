"""Never in the way: whatever became of store and keeper, the program runs all the same, as python would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entrepot.warm.images import find_images, get_keeper
from native import NEEDS_NATIVE
from warm_place import PROGRAM, as_python

pytestmark = NEEDS_NATIVE


def test_second_run_is_warm(place):
    """What was prepared is used, and the image counts its runs."""
    place.warm_up()

    outcome = place.run()

    assert as_python(outcome)
    assert outcome[2] == "entrepot: warm\n"
    assert [image.hits for image in find_images(str(place.store)) if image.kind == "file"] == [1]


@pytest.mark.parametrize("name", ["ENTREPOT_WARM", "CI"])
def test_one_variable_turns_it_off(place, name):
    """ENTREPOT_WARM=0, or CI without ENTREPOT_WARM=1, is a cold run that asks for nothing."""
    outcome = place.run(**{name: "0"})

    assert as_python(outcome)
    assert not place.store.exists()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_store_open_to_others_is_not_used(place, mode):
    """A store that somebody else could write is refused with a message."""
    place.store.mkdir()
    place.store.chmod(mode)

    outcome = place.run()

    assert as_python(outcome)
    assert "open to others" in outcome[2]
    assert not list(place.store.iterdir())


def test_store_that_is_a_link_is_not_used(place):
    """A symbolic link in the store's place is not followed."""
    (place.path / "elsewhere").mkdir(mode=0o700)
    place.store.symlink_to("elsewhere")

    assert as_python(place.run())
    assert not list((place.path / "elsewhere").iterdir())


def test_store_of_another_user_is_not_used(place):
    """root does not use what another user owns."""
    if os.geteuid():
        pytest.skip("needs root to make another user's folder")
    place.store.mkdir(mode=0o700)
    os.chown(place.store, 65534, 65534)

    outcome = place.run()

    assert as_python(outcome)
    assert "belongs to somebody else" in outcome[2]


def test_killed_keeper_is_replaced(place):
    """After SIGKILL to the keeper images still serve, and the next wish for one starts another."""
    place.warm_up()
    first = get_keeper(str(place.store))
    assert first
    os.kill(first, signal.SIGKILL)
    assert as_python(place.run())
    (place.path / "main.py").write_text("# changed\n" + PROGRAM)

    place.warm_up()

    assert get_keeper(str(place.store)) not in (None, first)
    assert place.run()[2] == "entrepot: warm\n"


def test_hung_keeper_delays_nobody(place):
    """A keeper that does not answer is not waited for."""
    place.warm_up()
    keeper = get_keeper(str(place.store))
    assert keeper
    os.kill(keeper, signal.SIGSTOP)
    (place.path / "main.py").write_text("# changed\n" + PROGRAM)

    assert all(as_python(place.run()) for _ in range(3))


def damage(path: Path, how: str) -> None:
    """Do something to a file of the store."""
    if how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        path.unlink()
    elif how == "garbage":
        path.write_bytes(os.urandom(9000))
    elif how == "short":
        os.truncate(path, min(5000, path.stat().st_size // 2))
    elif how == "link":
        path.unlink()
        path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("how", ["empty", "gone", "garbage", "short", "link"])
@pytest.mark.parametrize("kind", ["checks", "files", "image"])
def test_damaged_store_means_a_cold_run(place, kind, how):
    """Whatever a file of the store has become, the program runs as in python."""
    place.warm_up()
    (image,) = [image for image in find_images(str(place.store)) if image.kind == "file"]
    for path in place.store.glob(f"{image.name}.*{kind}"):
        damage(path, how)

    assert as_python(place.run())


def test_requests_that_make_no_sense_are_dropped(place):
    """Garbage among the requests neither ends the keeper nor stays."""
    place.warm_up()
    for number in range(20):
        (place.store / "requests" / f"{number:016x}").write_bytes(os.urandom(number * 50))
    (place.path / "main.py").write_text("# changed\n" + PROGRAM)

    place.warm_up()

    end = time.monotonic() + 20  # the modules that programs share are still being looked after
    while (left := list((place.store / "requests").iterdir())) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def test_stop_leaves_nothing(place):
    """`entrepot warm stop` ends the keeper and forgets every image."""
    place.warm_up()
    command = [sys.executable, "-m", "entrepot", "warm"]
    env = {**os.environ, "ENTREPOT_DIR": str(place.store)}
    status = subprocess.run([*command, "status"], env=env, capture_output=True, text=True, check=True).stdout
    assert "main.py" in status

    subprocess.run([*command, "stop"], env=env, check=True, capture_output=True)

    assert get_keeper(str(place.store)) is None
    assert [path.name for path in place.store.rglob("*") if not path.is_dir()] == []


def test_runs_do_not_see_each_other(place):
    """What one run changes in its modules, another does not find."""
    code = "import json\nprint(hasattr(json, 'mark'))\njson.mark = json.dumps = 1\n"
    (place.path / "main.py").write_text(code)
    place.warm_up()

    runs = [place.run() for _ in range(3)]

    assert runs == [(0, "False\n", "entrepot: warm\n")] * 3


def test_chance_differs_from_run_to_run(place):
    """random, uuid, secrets, tempfile give every run something else."""
    code = "import random, uuid, secrets, tempfile\nprint('x')\n"
    code += (
        "print(random.random(), uuid.uuid4(), secrets.token_hex(), next(tempfile._get_candidate_names()))\n"
    )
    (place.path / "main.py").write_text(code)
    place.warm_up()

    outcomes = [place.run() for _ in range(3)]

    assert {outcome[2] for outcome in outcomes} == {"entrepot: warm\n"}
    assert all(len(set(column)) == 3 for column in zip(*(o[1].split()[1:] for o in outcomes), strict=True))
