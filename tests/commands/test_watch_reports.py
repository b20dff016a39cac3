"""Where `entrepot watch --reports` adds what each save did: a file, a pipe, and what is neither any more."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
# Saves its own module twice, waiting for each save to be applied, and says what it runs.
PROGRAM = {
    "lib.py": "def word(): return 'one'\n",
    "main.py": """
        import os, sys, time, lib
        for word in ("two", "three"):
            with open(lib.__file__, "w") as file:
                file.write(f"def word(): return '{word}'\\n")
            end = time.monotonic() + 20
            while lib.word() != word and time.monotonic() < end:
                time.sleep(0.01)
            print(lib.word(), flush=True)
            if os.path.isfile("reports"):
                os.unlink("reports")
                os.mkdir("reports")
    """,
}

COMMAND = (sys.executable, "-B", "-m", "entrepot", "watch", "--reports", "reports", "main.py")


def watch(folder: Path) -> subprocess.CompletedProcess[str]:
    """Watch the program until it ends."""
    return subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, timeout=50)


def test_a_pipe_that_nobody_reads_holds_nothing_up(draw: Callable[..., Path]):
    """Saves are applied, the program ends, and each report that is lost is told."""
    folder = draw(PROGRAM)
    os.mkfifo(folder / "reports")

    done = watch(folder)

    assert (done.returncode, done.stdout) == (0, "two\nthree\n")
    assert done.stderr == "entrepot watch: reports: nobody reads it; a report is lost\n" * 2


def test_a_pipe_has_one_end_that_of_the_program(draw: Callable[..., Path]):
    """Who reads it gets every report, and then the end."""
    folder = draw(PROGRAM)
    os.mkfifo(folder / "reports")
    reader = os.open(folder / "reports", os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(
        COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert select.select([reader], [], [], 20)[0]  # from then on there is a writer, or was one
        os.set_blocking(reader, True)
        with open(reader, encoding="utf-8") as file:
            told = file.read()
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "two\nthree\n", "")
    assert [json.loads(line)["patched"] for line in told.splitlines()] == [["lib.word"]] * 2


def test_a_file_that_can_be_written_no_longer_is_told(draw: Callable[..., Path]):
    """What becomes of the reports is no business of the program: it goes on."""
    folder = draw(PROGRAM)

    done = watch(folder)

    assert (done.returncode, done.stdout) == (0, "two\nthree\n")
    assert {*done.stderr.splitlines()} == {"entrepot watch: reports: Is a directory; a report is lost"}
