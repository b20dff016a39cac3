"""`entrepot watch` starts from the warm store: libraries come from the image, own modules are run and followed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from native import NEEDS_NATIVE, WAIT_S
from stored import BESIDE, CLIENT, Stored

pytestmark = NEEDS_NATIVE
ENTRY = ("-P", "-m", "entrepot.commands.watched")  # what the command runs

# What an image of so many modules holds is not looked at by the garbage collector.
SHOWING = """
import gc, sys, time
import asyncio, concurrent.futures, ctypes, email.mime.text, html.parser
import multiprocessing.pool, sqlite3, unittest.mock, xml.dom.minidom
import wsgiref.simple_server
import own
def is_shared(thing):
    return all(found is not thing for found in gc.get_objects())
print(is_shared(wsgiref.simple_server.WSGIServer), is_shared(own.word), flush=True)
def main():
    seen, end = "", time.monotonic() + 60
    while time.monotonic() < end and not own.is_over():
        if own.word() != seen:
            seen = own.word()
            print(seen, flush=True)
        time.sleep(0.01)
main()
"""
OWN = "import wsgiref.util\ndef word(): return 'one'\ndef is_over(): return False\n"


@contextmanager
def watch(place: Stored, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """The program while it is watched, ended in any case."""
    process = subprocess.Popen(
        [str(BESIDE), "watch", *arguments],
        executable=str(CLIENT),
        cwd=place.path,
        env={**place.env, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def run_watched(place: Stored, *arguments: str, **env: str) -> tuple[str, tuple[int, str, str]]:
    """Watch a program until it ends: how it started, and its outcome."""
    with watch(place, *arguments, **env) as process:
        out, err = process.communicate(timeout=WAIT_S)
        how, _, err = err.partition("\n")
        return how.removeprefix("entrepot: "), (process.returncode, out, err)


def wait_until_learned(place: Stored, program: str) -> None:
    """Run SHOWING until the store has learned what it imports."""
    place.prepare(*ENTRY, program)
    end = time.monotonic() + WAIT_S
    while not (ran := run_watched(place, program)[1])[1].startswith("True"):
        assert time.monotonic() < end, ran
        time.sleep(0.2)


def test_libraries_are_shared_and_own_modules_followed(tmp_path: Path):
    """A library's class is the image's; a save of an own module is applied, and a bad one refused."""
    with Stored(tmp_path) as place:
        place.write(main=SHOWING, own=OWN.replace("False", "True"))
        wait_until_learned(place, "main.py")
        place.write(own=OWN)

        with watch(place, "main.py") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stderr.readline() == "entrepot: warm\n"
            assert process.stdout.readline() == "True False\n"
            assert process.stdout.readline() == "one\n"
            place.write(own=OWN.replace("one", "two"))
            assert process.stdout.readline() == "two\n"
            place.write(own="def word(: pass\n")
            while "SyntaxError" not in process.stderr.readline():
                assert process.poll() is None
            place.write(own=OWN.replace("False", "True"))
            assert process.wait(WAIT_S) == 0


ENDS = {
    "an exit status": "import sys, json\nprint(json.dumps(sys.argv[1:]))\nsys.exit(3)\n",
    "an exit with a text": "import sys, json\nsys.exit('over')\n",
    "an exception": "import json\ndef f():\n    raise ValueError('no')\nf()\n",
    "a syntax error": "import json\ndef f(:\n",
    "a thread and atexit": (
        "import atexit, threading, time\natexit.register(print, 'bye')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
    ),
    "a signal": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
    "an interruption": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(20)\n",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_warm_start_ends_as_a_cold_one(tmp_path: Path, end: str):
    """The same output, errors and status."""
    with Stored(tmp_path) as place:
        place.write(main=ENDS[end])
        place.prepare(*ENTRY, "main.py", "a")

        warm = run_watched(place, "main.py", "a", "-b")
        cold = run_watched(place, "main.py", "a", "-b", ENTREPOT_WARM="0")

    assert warm[0] == "warm"
    assert cold[0] == "cold: as asked"
    assert warm[1] == cold[1]


def test_each_watched_program_has_an_image_of_its_own(tmp_path: Path):
    """What one program imports is not made ready for another in the same folder."""
    with Stored(tmp_path) as place:
        place.write(
            main="import json", other="import json", pack__init__="", pack__main__="print(__package__)"
        )
        place.prepare(*ENTRY, "main.py")

        hows = [run_watched(place, *words)[0] for words in (("main.py",), ("other.py",))]

    assert hows[0] == "warm"
    assert hows[1] != "warm"


def test_a_restart_is_warm_too(tmp_path: Path):
    """With `--on-refusal restart` what cannot be done in place begins again from the store."""
    slots = "class S:\n    __slots__ = ('a',)\nheld = S()\n"
    with Stored(tmp_path) as place:
        place.write(main="import slots\n" + SHOWING, own=OWN, slots=slots)
        place.prepare(*ENTRY, "--on-refusal", "restart", "main.py")

        with watch(place, "--on-refusal", "restart", "main.py") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert [process.stdout.readline() for _ in range(2)][1] == "one\n"
            pid = process.pid
            place.write(slots=slots.replace("'a',", "'a', 'b'"))
            assert [process.stdout.readline() for _ in range(2)][1] == "one\n"
            place.write(own=OWN.replace("False", "True"))
            assert process.wait(WAIT_S) == 0
            told = [line for line in process.stderr.read().splitlines() if line.startswith("entrepot: warm")]

    assert pid == process.pid
    assert len(told) == 2


def test_a_program_inside_of_an_installed_library_is_followed(tmp_path: Path):
    """What the store takes for a library is the program's own when it lies under the watched folder."""
    with Stored(tmp_path) as place:
        folder = tmp_path / "site-packages" / "tool"
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(SHOWING)
        (folder / "own.py").write_text(OWN.replace("False", "True"))
        program = "site-packages/tool/main.py"
        wait_until_learned(place, program)
        (folder / "own.py").write_text(OWN)

        with watch(place, program) as process:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["True False\n", "one\n"]
            (folder / "own.py").write_text(OWN.replace("one", "two"))
            assert process.stdout.readline() == "two\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT_S) == -signal.SIGINT
