"""Programs in a terminal, by python, by `entrepot run` cold, and warm: the terminal is theirs.

Each test is a session in a pseudo-terminal, run in each of the three ways; the warm ones begin from an image
(WARMED_STRICT).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import terminal as terminal_support
from both_ways import PLAIN, make_environment
from native import NEEDS_NATIVE, WAIT_S
from terminal import Terminal
from warm_place import wait_until

WARMED = Path(__file__).parent.parent / "support" / "warmed.py"
COLD = (sys.executable, "-m", "entrepot", "run", "--cold")
WARM = (sys.executable, str(WARMED))
WAYS = pytest.mark.parametrize("way", [PLAIN, COLD, WARM], ids=["python", "cold", "warm"])

pytestmark = NEEDS_NATIVE


@pytest.fixture(autouse=True, scope="module")
def store(tmp_path_factory):
    """A store for this file alone; emptied with its keeper at the end."""
    path = tmp_path_factory.mktemp("store")
    path.chmod(0o700)

    def make(changes=None):
        return make_environment(
            {"ENTREPOT_DIR": str(path), "CI": None, "WARMED_STRICT": "1", **(changes or {})}
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal_support, "make_environment", make)
        yield path
    command = [sys.executable, "-m", "entrepot", "warm", "stop"]
    subprocess.run(command, env=make(), check=True, capture_output=True)


@pytest.fixture
def start(tmp_path):
    """Start a program in a terminal: `start(way, text)`; ended with the test."""
    opened = []

    def run(way, text: str, **more) -> Terminal:
        (tmp_path / "main.py").write_text(text)
        opened.append(Terminal([*way, "main.py"], cwd=tmp_path, **more))
        return opened[-1]

    yield run
    for terminal in opened:
        terminal.__exit__()


@pytest.fixture
def shell(tmp_path, need):
    """An interactive shell with job control: `shell(way, text)` starts it and gives the command to type."""
    need(shutil.which("bash"), "bash")
    opened = []

    def run(way, text: str) -> tuple[Terminal, bytes]:
        (tmp_path / "main.py").write_text(text)
        opened.append(Terminal(["bash", "--norc", "--noprofile", "-i"], cwd=tmp_path, env={"PS1": "shell> "}))
        opened[-1].wait_for(b"shell> ")
        return opened[-1], " ".join([*way, "main.py"]).encode()

    yield run
    for terminal in opened:
        terminal.__exit__()


@WAYS
def test_line_editing_and_history(start, way):
    """With readline, input() edits lines with the keys that it always has."""
    terminal = start(way, "import readline\nfor n in range(3): print('got', repr(input(f'{n}> ')))\n")
    terminal.wait_for(b"0> ")
    terminal.press(b"world\x1b[D\x1b[D\x1b[DX\x01hello \x05!\r")  # left three times, Ctrl-A, Ctrl-E
    terminal.wait_for(b"got 'hello woXrld!'")
    terminal.wait_for(b"1> ")
    terminal.press(b"\x1b[A?\r")  # the line before
    terminal.wait_for(b"got 'hello woXrld!?'")
    terminal.wait_for(b"2> ")
    terminal.press(b"wrong\x15right\r")  # Ctrl-U
    terminal.wait_for(b"got 'right'")
    assert terminal.process.wait(WAIT_S) == 0


@WAYS
def test_passwords_are_not_shown(start, way):
    """getpass asks on the terminal and shows nothing of what is typed."""
    terminal = start(
        way, "import getpass\nprint('length', len(getpass.getpass('secret? ')), getpass.getuser() != '')\n"
    )
    terminal.wait_for(b"secret? ")
    terminal.press(b"hidden\n")
    shown = terminal.wait_for(b"length 6 True")
    assert b"hidden" not in shown
    assert terminal.process.wait(WAIT_S) == 0


@WAYS
def test_debugger_works_in_a_terminal(start, way):
    """breakpoint() gives pdb's prompt, in the program's own frame."""
    terminal = start(
        way, "import pdb\ndef f(x):\n    breakpoint()\n    return x + 1\nprint('result', f(41))\n"
    )
    terminal.wait_for(b"(Pdb) ")
    terminal.press(b"p x\n")
    terminal.wait_for(b"41")
    terminal.wait_for(b"(Pdb) ")
    terminal.press(b"where\n")
    terminal.wait_for(b"main.py(5)<module>()")
    terminal.wait_for(b"(Pdb) ")
    terminal.press(b"c\n")
    terminal.wait_for(b"result 42")
    assert terminal.process.wait(WAIT_S) == 0


@WAYS
def test_curses_has_the_screen(start, way):
    """A full-screen program gets keys, its size, and the terminal back as it was."""
    code = """
import curses
def main(screen):
    screen.addstr(2, 5, f"size {screen.getmaxyx()}"); screen.refresh()
    keys = []
    while len(keys) < 3:
        key = screen.getkey()
        keys.append(key); screen.addstr(3, 5, f"key {key!r}"); screen.refresh()
    return keys, screen.getmaxyx()
print(curses.wrapper(main))
"""
    terminal = start(way, code, columns=70, lines=20, env={"COLUMNS": None, "LINES": None})
    terminal.wait_for(b"size (20, 70)")
    terminal.press(b"a")
    terminal.wait_for(b"key 'a'")
    terminal.press(b"\x1bOA")
    terminal.wait_for(b"KEY_UP")
    terminal.resize(50, 15)
    # A signal that comes between curses' last look and its read is only seen with the next one, in any terminal.
    terminal.tell_size_until(b"['a', 'KEY_UP', 'KEY_RESIZE'], (15, 50)")
    assert terminal.process.wait(WAIT_S) == 0
    assert terminal_support.termios.tcgetattr(terminal.slave) == terminal.before


@WAYS
def test_pager_and_editor_started_by_the_program(start, way, tmp_path):
    """A child takes the terminal over, reads keys from /dev/tty, and gives it back."""
    (tmp_path / "pager").write_text(
        "#!/bin/sh\nhead -1\nprintf 'more? '\nread key </dev/tty\necho key=$key\n"
    )
    (tmp_path / "editor").write_text('#!/bin/sh\nprintf \'edit> \'\nread line\necho "$line" >>"$1"\n')
    for name in ("pager", "editor"):
        (tmp_path / name).chmod(0o755)
    code = (
        "import os, pydoc, subprocess\n"
        "pydoc.pipepager('first line\\nsecond\\n', './pager')\n"
        "subprocess.run([os.environ['EDITOR'], 'note.txt'], check=True)\n"
        "print('note', open('note.txt').read(), input('still mine? '))\n"
    )
    terminal = start(way, code, env={"EDITOR": "./editor"})
    terminal.wait_for(b"first line")
    terminal.wait_for(b"more? ")
    terminal.press(b"q\n")
    terminal.wait_for(b"key=q")
    terminal.wait_for(b"edit> ")
    terminal.press(b"written\n")
    terminal.wait_for(b"still mine? ")
    terminal.press(b"yes\n")
    terminal.wait_for(b"note written\r\n yes")
    assert terminal.process.wait(WAIT_S) == 0


@WAYS
def test_single_keys_and_modes_of_the_terminal(start, way):
    """cbreak and raw modes are set and given back; a pseudo-terminal can be made inside."""
    code = (
        "import os, pty, sys, termios, tty\n"
        "before = termios.tcgetattr(0)\ntty.setcbreak(0)\nprint('press')\nkey = os.read(0, 1)\n"
        "termios.tcsetattr(0, termios.TCSADRAIN, before)\n"
        "print('key', key, os.ttyname(0) == os.ttyname(1), os.tcgetpgrp(0) == os.getpgrp(), os.getsid(0) == os.getpid())\n"
        "print('inner', pty.spawn(['sh', '-c', 'test -t 0 && echo terminal']))\n"
    )
    terminal = start(way, code)
    terminal.wait_for(b"press")
    terminal.press(b"k")
    terminal.wait_for(b"key b'k' True True True")
    terminal.wait_for(b"terminal")
    terminal.wait_for(b"inner 0")
    assert terminal.process.wait(WAIT_S) == 0


@WAYS
def test_interrupt_reaches_the_program_and_its_children_once(start, way):
    """Ctrl-C: a child that waits ends, the program sees one KeyboardInterrupt and may go on."""
    code = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sh', '-c', 'echo child; exec sleep 100'])\n"
        "count = 0\n"
        "try: print('parent', flush=True); child.wait()\nexcept KeyboardInterrupt: count += 1\n"
        "try: time.sleep(0.3)\nexcept KeyboardInterrupt: count += 1\n"
        "print('interrupts', count, child.wait(20) in (-2, 0))\n"  # 0: the interrupt took the status away, as it may
        "try: input('again? ')\nexcept KeyboardInterrupt: print('in input')\n"
    )
    terminal = start(way, code)
    wait_until(lambda: terminal.has_shown(b"parent") and terminal.has_shown(b"child"))
    terminal.press(b"\x03")
    terminal.wait_for(b"interrupts 1 True")
    terminal.wait_for(b"again? ")
    # One that comes between the prompt and the read only counts with the next key, in any terminal.
    terminal.press_until(b"\x03", b"in input")
    assert terminal.process.wait(WAIT_S) == 0


@WAYS
def test_closed_terminal_hangs_the_program_up(start, way):
    """When the window is closed the program gets SIGHUP."""
    terminal = start(way, "import signal, time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    terminal.wait_for(b"ready")
    os.close(terminal.master)
    terminal.master = os.open(os.devnull, os.O_RDWR)
    os.close(terminal.slave)
    terminal.slave = os.dup(terminal.master)

    assert terminal.process.wait(WAIT_S) == -signal.SIGHUP


@WAYS
def test_reading_in_the_background_stops_the_job(shell, way):
    """A job in the background that reads is stopped by the terminal, and goes on in the foreground."""
    terminal, command = shell(way, "import json\nprint('line', input('what? '))\n")
    terminal.press(b"%s &\n" % command)
    terminal.wait_for(b"what? ")
    terminal.press_until(b"jobs\n", b"Stopped")
    terminal.wait_for(b"shell> ")
    terminal.press(b"fg; echo back\n")
    terminal.wait_for(b"main.py")
    terminal.press(b"at last\n")
    terminal.wait_for(b"line at last")


@WAYS
def test_stopped_job_goes_on_in_the_background(shell, way):
    """Ctrl-Z, `bg`, output meanwhile, `wait`, and the status."""
    terminal, command = shell(
        way,
        "import time, sys\nprint('begin', flush=True)\ntime.sleep(1)\nprint('end of job', flush=True)\nsys.exit(7)\n",
    )
    terminal.press(b"%s\n" % command)
    terminal.wait_for(b"begin")
    terminal.press_until(b"\x1a", b"Stopped")
    terminal.press(b"bg\n")
    terminal.wait_for(b"end of job")
    terminal.press(b"wait %1; echo status=$?\n")
    terminal.wait_for(b"status=7")


@WAYS
def test_interrupt_ends_a_loop_of_the_shell(shell, way):
    """The shell sees that the program died of SIGINT, and stops its loop too."""
    terminal, command = shell(way, "import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    terminal.press(b"for i in 1 2 3; do %s; done; echo never\n" % command)
    terminal.wait_for(b"ready")
    terminal.press(b"\x03")
    terminal.wait_for(b"KeyboardInterrupt")
    terminal.wait_for(b"shell> ")
    terminal.press(b"echo status=$?\n")
    shown = terminal.wait_for(b"status=130")
    assert b"ready" not in shown


@WAYS
def test_pipelines_of_the_shell(shell, way):
    """In the middle of a pipeline on a terminal, with a reader that leaves early."""
    terminal, command = shell(
        way,
        "import sys, json\nfor line in sys.stdin: print(line.strip() * 2, sys.stdin.isatty(), sys.stdout.isatty())\n",
    )
    terminal.press(b"yes ab | %s 2>/dev/null | head -2; echo ${PIPESTATUS[@]}\n" % command)
    terminal.wait_for(b"abab False False\r\nabab False False")
    terminal.wait_for(b"0\r\n")
