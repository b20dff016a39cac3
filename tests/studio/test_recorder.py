"""What a page calls "record": a program watched on its own terminal, its record in a file."""

import signal
import subprocess
import sys

import pytest

from entrepot.studio.programs import Order, plan_command
from entrepot.trace.records import read_record

pytestmark = pytest.mark.slow


@pytest.fixture
def walk(draw):
    """Return a function that records a program and gives the process and the file for its record."""

    def run(code, entry="main.py", arguments=(), python=sys.executable):
        root = draw({"main.py": code, "one.py": ""}, folder="root")
        report = root.parent / "report.json"
        command = plan_command(Order("steps", entry, arguments, str(report)), python)
        return subprocess.run(command, cwd=root, capture_output=True, text=True), report

    return run


def test_the_program_is_the_program_and_its_record_lies_in_the_file(walk):
    """Its output, its arguments and its exit status; not a word more."""
    ran, report = walk("import sys, one\nprint(sys.argv)\nsys.exit(3)\n", arguments=("a b",))

    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "['main.py', 'a b']\n", "")
    assert "one" in [module.name for module in read_record(str(report)).modules]


def test_death_by_a_signal_is_death_by_that_signal(walk):
    """With the record as far as it goes."""
    ran, report = walk("import os, one\nos.kill(os.getpid(), 10)\n")

    assert (ran.returncode, ran.stderr) == (-signal.SIGUSR1, "")
    assert not read_record(str(report)).is_complete


def test_an_interpreter_that_cannot_be_started_is_said_to_be_none(walk):
    """On standard error, with the status of a fault of the machine, and without a record."""
    ran, report = walk("", python="/no/such/python")

    assert ran.returncode == 1
    assert ran.stderr.startswith("entrepot: /no/such/python cannot be started: No such file or directory\n")
    assert not report.exists()
