"""Programs in terminals: what they print, how they end, what they cannot do to us."""

import asyncio
import os
import resource
import signal
import sys
import time

import pytest

from entrepot.studio.runs import AHEAD_BYTES, KEPT_BYTES, Run, find_members

# On a machine that does much else.
pytestmark = pytest.mark.timeout(240)


def run(scenario):
    """Run a scenario in an event loop."""
    return asyncio.run(asyncio.wait_for(scenario(), 200))


def start(code, tmp_path, **options):
    """Start python on a code."""
    return Run([sys.executable, "-c", code], cwd=str(tmp_path), env=dict(os.environ), **options)


@pytest.mark.slow
def test_a_program_has_a_real_terminal_and_its_exit_status(tmp_path):
    """Its own controlling one, of the size that was asked for."""

    async def scenario():
        code = (
            "import os, sys; print(os.get_terminal_size(), os.isatty(0), open('/dev/tty').fileno() > 2,"
            " os.getsid(0) == os.getpid() == os.tcgetpgrp(0)); sys.exit(7)"
        )
        program = start(code, tmp_path, size=(101, 33))
        assert await program.wait() == 7
        said = program.listen(None)
        await program.close()
        return said

    assert run(scenario) == b"os.terminal_size(columns=101, lines=33) True True True\r\n"


@pytest.mark.slow
def test_typing_reaches_the_program_and_ctrl_c_interrupts_it(tmp_path):
    """As at any terminal."""

    async def scenario():
        got = bytearray()
        code = "print('name?', input())\ntry:\n    input('again?')\nexcept KeyboardInterrupt:\n    print('stopped')"
        program = start(code, tmp_path)
        program.listen(got.extend)
        program.write(b"Ada\n")
        while b"name? Ada" not in got:
            await asyncio.sleep(0.01)
        while b"again?" not in got:
            await asyncio.sleep(0.01)
        while program.is_running:
            # One that comes before the program waits for input is noticed only at the next, as at any terminal.
            program.write(b"\x03")
            await asyncio.sleep(0.3)
        assert await program.wait() == 0
        await program.close()
        return bytes(got)

    assert b"stopped" in run(scenario)


@pytest.mark.slow
def test_ctrl_c_reaches_a_program_of_a_studio_in_the_background(tmp_path):
    """A shell has those ignore it: their programs must not."""

    async def scenario():
        got = bytearray()
        program = start("print('ready')\ninput()", tmp_path)
        program.listen(got.extend)
        while b"ready" not in got:
            await asyncio.sleep(0.01)
        while program.is_running:
            program.write(b"\x03")
            await asyncio.sleep(0.3)
        await program.close()
        return bytes(got)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert b"KeyboardInterrupt" in run(scenario)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_a_program_that_prints_without_end_waits_for_the_page(tmp_path):
    """With a listener that shows nothing, little is read and little is kept."""

    async def scenario():
        got = bytearray()
        program = start("import os\nwhile True: os.write(1, b'x' * 65536)", tmp_path)
        program.listen(got.extend)
        while len(got) <= AHEAD_BYTES:
            await asyncio.sleep(0.01)
        first = len(got)
        await asyncio.sleep(0.3)
        assert len(got) == first <= AHEAD_BYTES + 2 * 65536
        program.acknowledge(first)
        while len(got) == first:
            await asyncio.sleep(0.01)
        await program.stop(patience_s=30)
        # By Ctrl-C, whether Python was started far enough to make an exception of it or not.
        assert program.status in (128 + 2, 1)
        await program.close()

    run(scenario)


@pytest.mark.slow
def test_100_mb_without_a_page_leave_the_last_of_it(tmp_path):
    """Memory does not grow with what is printed."""

    async def scenario():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        code = "import os\nfor _ in range(1600): os.write(1, b'x' * 65536)\nprint('the end')"
        program = start(code, tmp_path)
        assert await program.wait() == 0
        kept = program.listen(None)
        assert program.written_bytes > 100_000_000
        assert kept.endswith(b"the end\r\n")
        assert len(kept) <= KEPT_BYTES + 65536
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
        await program.close()

    run(scenario)


@pytest.mark.slow
def test_what_ignores_every_request_is_ended_for_good(tmp_path):
    """With the children that it started, in process groups of their own too."""

    async def scenario():
        code = (
            "import os, signal, subprocess, time\n"
            "for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n"
            "subprocess.Popen(['sleep', '1000'], process_group=0)\n"
            "print('ready')\n"
            "while True: time.sleep(1)"
        )
        got = bytearray()
        program = start(code, tmp_path)
        program.listen(got.extend)
        while b"ready" not in got:
            await asyncio.sleep(0.01)
        assert len(find_members(program.pid)) == 2
        await program.stop(patience_s=0.2)
        assert program.status == 128 + 9
        await program.close()
        ends = time.monotonic() + 5
        while find_members(program.pid) and time.monotonic() < ends:
            await asyncio.sleep(0.01)
        assert find_members(program.pid) == []

    run(scenario)


@pytest.mark.slow
def test_a_program_that_is_not_there_ends_with_127(tmp_path):
    """As a shell says it."""

    async def scenario():
        program = Run(["/no/such/program"], cwd=str(tmp_path), env={})
        assert await program.wait() == 127
        assert b"No such file" in program.listen(None)
        await program.close()

    run(scenario)


@pytest.mark.slow
def test_a_thousand_keys_for_a_program_that_reads_none_are_dropped(tmp_path):
    """Neither blocking nor growing."""

    async def scenario():
        program = start("import time; time.sleep(100)", tmp_path)
        for _ in range(1000):
            program.write(b"x" * 65536)
        await program.stop()
        await program.close()

    run(scenario)
