"""What takes over a second says so on a terminal, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from terminal import Terminal

SLOW = """
import os, sys, time
from entrepot.commands.progress import Progress
with Progress("Counting") as progress:
    progress.detail = "sheep"
    end = time.monotonic() + float(sys.argv[1])
    if os.fork() == 0:
        time.sleep(1.3); os._exit(0)
    os.wait()
    while time.monotonic() < end: pass
print("done", flush=True)
"""


@pytest.mark.slow
def test_slow_work_is_told_on_a_terminal_and_wiped(tmp_path: Path):
    """The line comes after a second, says what and how long, and is gone in the end."""
    with Terminal([sys.executable, "-c", SLOW, "1.6"], cwd=tmp_path) as terminal:
        terminal.wait_for(b"Counting: sheep (1 s)")
        shown = terminal.wait_for(b"done")
        assert terminal.process.wait(20) == 0
    assert shown.rpartition(b"\r\x1b[K")[2].startswith(b"done")


@pytest.mark.slow
def test_nothing_is_told_where_no_terminal_is():
    """In a pipe there is only the answer."""
    run = subprocess.run([sys.executable, "-c", SLOW, "1.6"], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("done\n", "")


@pytest.mark.slow
def test_quick_work_is_not_told_on_a_terminal(tmp_path: Path):
    """There is only the answer there, and no timer is left to interrupt what follows."""
    (tmp_path / "main.py").write_text("import json\n")
    with Terminal([sys.executable, "-m", "entrepot", "graph"], cwd=tmp_path) as terminal:
        shown = terminal.wait_for(b"main")
        assert terminal.process.wait(20) == 0
    assert b"\x1b" not in shown


@pytest.mark.slow
def test_work_goes_on_where_the_terminal_has_gone():
    """Who closes the window does not end by it what was told to go on."""
    outer, inner = os.openpty()
    command = [sys.executable, "-c", SLOW, "1.6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=inner, text=True) as process:
        os.close(inner)
        shown = b""
        while b"sheep" not in shown:
            shown += os.read(outer, 1000)
        os.close(outer)
        assert process.communicate(timeout=20)[0] == "done\n"
    assert process.returncode == 0
