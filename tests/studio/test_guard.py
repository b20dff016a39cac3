"""The guard: when its input ends, what it was told to look after is gone, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from entrepot.studio.guard import kill_session

pytestmark = pytest.mark.slow

SLEEP = "import time; print(flush=True); time.sleep(600)"


@pytest.fixture
def start():
    """Return a function that starts a process that sleeps, in a session of its own, and ends what is left of them."""
    started = []

    def begin(code="", *, start_new_session=True):
        command = [sys.executable, "-c", f"{code}\n{SLEEP}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=start_new_session)
        started.append(process)
        process.stdout.readline()
        return process

    yield begin
    for process in started:
        kill_session(process.pid)
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def told(tmp_path):
    """A guard that runs, whose input a test writes and closes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "entrepot.studio.guard"], stdin=subprocess.PIPE, cwd="/"
    )

    def tell(*lines):
        process.stdin.write(b"".join(os.fsencode(line) + b"\n" for line in lines))
        process.stdin.flush()

    process.tell = tell
    yield process
    process.kill()
    process.wait()
    process.stdin.close()


def test_what_it_was_told_of_ends_with_its_input(told, start, tmp_path):
    """Sessions whole, processes that lead none, folders with any name; what is done is left alone."""
    leader = start()
    # As what a shell starts in the background: of the session, in a group of its own.
    family = start(
        f"import subprocess; subprocess.Popen([{sys.executable!r}, '-c', {SLEEP!r}], process_group=0)"
    )
    lone, spared = start(start_new_session=False), start()
    folder = tmp_path / os.fsdecode(b"\xff left behind")
    (folder / "inner").mkdir(parents=True)
    told.tell(
        f"session {leader.pid}",
        f"session {family.pid}",
        f"process {lone.pid}",
        f"session {spared.pid}",
        f"folder {folder}",
        "folder /no/such/folder",
        f"done {spared.pid}",
        # Numbers of no process.
        "session 5000000",
        "process 5000001",
        "done 5000002",
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What ends a studio and all around it does not end its guard.
        told.send_signal(number)
    told.stdin.close()

    assert told.wait(30) == 0
    assert [process.wait(5) for process in (leader, family, lone)] == [-signal.SIGKILL] * 3
    assert family.stdout.read().strip() == b""  # nobody has it open: the child is gone too
    assert spared.poll() is None
    assert not folder.exists()
