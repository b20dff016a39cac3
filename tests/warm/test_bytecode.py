"""Bytecode that preparing an image writes, or leaves to be written, never stands for another text."""

from __future__ import annotations

import os
import time
from pathlib import Path

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE


def find_bytecode(place: Stored) -> list[str]:
    """Return which of the program's modules have bytecode."""
    return sorted(path.name.partition(".")[0] for path in place.path.glob("__pycache__/*.pyc"))


def test_an_edit_in_the_second_of_the_last_one_is_seen(tmp_path: Path) -> None:
    """Of the same size. Plain python sees it as well: nothing has run the text before but what prepares."""
    with Stored(tmp_path, PYTHONDONTWRITEBYTECODE="") as place:
        place.write(first="", main="import own\nprint(own.x)")
        place.prepare("first.py")  # the keeper is there
        for number in range(40):
            time.sleep(1 - time.time() % 1)
            second = int(time.time())
            place.write(own=f"x = 1{number:04}0")
            place.prepare()
            place.write(own=f"x = 1{number:04}1")
            if os.stat(place.path / "own.py").st_mtime // 1 == second:
                break

        outcomes = [place.run()[1], place.plain()]

        assert outcomes == [(0, f"1{number:04}1\n", "")] * 2


def test_an_edit_that_keeps_size_and_time_is_seen_while_bytecode_is_made(tmp_path: Path) -> None:
    """The source is read, and compiled for a second or two; then the bytecode is not written."""
    with Stored(tmp_path, PYTHONDONTWRITEBYTECODE="") as place:
        filler = "".join(
            f"def f{number}(a, b={number}): return [a + b * {number} for c in b]\n"
            for number in range(25_000)
        )
        place.write(first="", main="import own\nprint(own.x)", own="x = 1\n" + filler)
        place.prepare("first.py")  # the keeper is there
        own = place.path / "own.py"
        before = own.stat()
        time.sleep(2.2)
        place.run_raw("--prepare", "main.py")
        time.sleep(0.7)
        assert find_bytecode(place) == []

        place.write(own="x = 2\n" + filler)
        os.utime(own, ns=(before.st_atime_ns, before.st_mtime_ns))
        place.prepare()

        assert [place.run()[1], place.plain()] == [(0, "2\n", "")] * 2


def test_only_older_modules_get_bytecode_by_preparing(tmp_path: Path) -> None:
    """A run that asked for the image has written the bytecode of all of them, as a rule."""
    with Stored(tmp_path, PYTHONDONTWRITEBYTECODE="") as place:
        place.write(old="x = 1", new="x = 2", main="import old, new\nprint(old.x + new.x)")
        time.sleep(2.2)
        place.write(new="x = 2")
        place.prepare()

        assert find_bytecode(place) == ["old"]
        assert place.run() == ("warm", (0, "3\n", ""))
        why = place.run_raw("--why", "main.py")[2]
        assert "reused: 2 modules" in why, why


def test_bytecode_that_comes_later_is_no_change(tmp_path: Path) -> None:
    """It is made from the source, which counts; also where there was no folder for it."""
    with Stored(tmp_path, PYTHONDONTWRITEBYTECODE="") as place:
        place.write(
            own="x = 1", pack____init__="", pack__part="y = 2", main="import own, pack.part\nprint(own.x)"
        )
        place.prepare()
        assert place.plain() == (0, "1\n", "")
        assert find_bytecode(place) == ["own"]

        assert place.run() == ("warm", (0, "1\n", ""))
        place.write(own="x = 30")
        assert place.run()[1] == (0, "30\n", "")


def test_bytecode_that_is_altered_or_gone_is_seen_as_python_sees_it(tmp_path: Path) -> None:
    """Where it was there when the image was made."""
    with Stored(tmp_path, PYTHONDONTWRITEBYTECODE="") as place:
        place.write(own="x = 1", main="import own\nprint(own.x)")
        place.plain()
        place.prepare()
        (bytecode,) = place.path.glob("__pycache__/own.*.pyc")
        data = bytecode.read_bytes()
        for written in (b"", data[:8], data[:16], data, None):
            if written is None:
                bytecode.unlink()
            else:
                bytecode.write_bytes(written)

            assert place.run()[1] == place.plain()
