"""A run takes its image over while a child still decides whether it is right; the program sees nothing of that."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot import warm
from entrepot.warm.images import find_images
from native import NEEDS_NATIVE, WAIT_S
from stored import Stored

pytestmark = NEEDS_NATIVE

# What a child could leave behind. The id of an object is the same in every warm run and in no two cold ones.
TRACES = """\
import errno, os, resource, signal, sys, own
children = resource.getrusage(resource.RUSAGE_CHILDREN)
print(children.ru_utime, children.ru_stime, children.ru_maxrss, children.ru_minflt, children.ru_nvcsw)
print(os.times()[2:4], signal.getsignal(signal.SIGCHLD), signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.sigpending())
for option in (0, os.WNOHANG):
    try:
        print(os.waitpid(-1, option | 0x40000000))  # __WALL
    except ChildProcessError:
        print("no child")
print(sorted(os.listdir("/proc/self/fd")), sorted(os.environ))
if "-v" in sys.argv:
    print(id(own.TOKEN), file=sys.stderr)
"""
OWN = "TOKEN = object()\n"
# Becomes the interpreter with an image, as the client has it do; its child answers what it is told to.
CLIENT = """\
import os, sys
answer, hold = os.pipe(), os.pipe()
child = os.fork()
if not child:
    os.close(answer[0]), os.close(hold[1])
    os.write(answer[1], bytes.fromhex(sys.argv[3]))
    os.close(answer[1])
    if sys.argv[4] == "waits":
        os.read(hold[0], 1)
    os._exit(0)
os.close(answer[1]), os.close(hold[0])
os.set_inheritable(answer[0], True), os.set_inheritable(hold[1], True)
os.environ["LD_AUDIT"] = sys.argv[1]
os.environ["ENTREPOT_IMAGE"] = f"f1,{answer[0]},{hold[1]},{child}:{sys.argv[2]}"
os.execv(sys.executable, [sys.executable, "main.py", "-v"])
"""


def test_the_restorer_stands_alone(need: Callable[[object, str], None]) -> None:
    """It goes on where its library is no longer mapped: no instruction of it reads, or calls, anything beside it."""
    objdump = shutil.which("objdump")
    need(objdump, "objdump (binutils)")
    library = Path(warm.__file__).with_name("_restore.so")
    command = [str(objdump), "--disassemble", "--section=restorer", "--no-show-raw-insn", str(library)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "syscall" in found
    assert [
        line for line in found.splitlines() if "(%rip)" in line or "call  " in line.replace("syscall", "")
    ] == []


@pytest.fixture
def place(tmp_path: Path):
    """A program that tells what it sees of children."""
    with Stored(tmp_path, ENTREPOT_AHEAD="1") as place:
        place.write(main=TRACES, own=OWN)
        place.prepare()
        yield place


def find_image(place: Stored) -> tuple[str, str]:
    """Return the paths of the program's image and of what takes it over."""
    (image,) = (found for found in find_images(str(place.store)) if found.kind == "file")
    fields = (place.store / f"{image.name}.checks").read_bytes().split(b"\0")
    return image.path, next(field[1:].decode() for field in fields if field[:1] == b"s")


def set_ignored() -> None:
    """In the child, before it is executed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def set_blocked() -> None:
    """In the child, before it is executed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})


@pytest.mark.parametrize("given", [None, set_ignored, set_blocked])
def test_the_program_sees_no_child(place: Stored, given: Callable[[], None] | None) -> None:
    """No times, no signal, nothing to wait for, no descriptor, no variable, whatever SIGCHLD means to the caller."""
    commands = [
        [sys.executable, "main.py"],
        [str(place.path / "entrepot"), "run", "--python", sys.executable, "main.py"],
    ]
    (place.path / "entrepot").symlink_to(Path(sys.executable).with_name("entrepot"))

    plain, ours = (
        subprocess.run(
            command,
            cwd=place.path,
            env=place.env,
            capture_output=True,
            preexec_fn=given,
            timeout=WAIT_S,
            check=False,
        )
        for command in commands
    )

    assert (ours.returncode, ours.stdout) == (0, plain.stdout)
    assert ours.stderr == b"entrepot: warm\n"


def test_an_edit_is_seen_at_once(place: Stored) -> None:
    """The image is taken over, and given back: for another one, or for none."""
    place.write(own=OWN + "import sys\nprint('edited', file=sys.stderr)\n")

    how, outcome = place.run()

    assert how.startswith(("base: changed", "part: changed", "cold: changed"))
    assert outcome == place.plain()


def take_over(place: Stored, answer: bytes, child: str = "waits", image: str = "") -> tuple[int, str, str]:
    """Become the program with such an answer; return status, output and errors."""
    path, library = find_image(place)
    command = [sys.executable, "-S", "-c", CLIENT, library, image or path, answer.hex(), child]
    return place._run(command, {})


@pytest.mark.parametrize("child", ["waits", "is gone"])
def test_every_answer_ends_in_the_right_run(place: Stored, child: str) -> None:
    """As guessed: warm. Another image: that one. Nothing, less than all, or nonsense: cold. Never a hang.

    One that is gone before its time (killed) has its times counted, as any child that is waited for.
    """
    path, library = find_image(place)
    other = os.path.join(place.store, "other.image")
    os.link(path, other)
    good = f"LD_AUDIT={library}\0ENTREPOT_IMAGE=f1:{other}\0".encode()
    status, out, token = take_over(place, b"g", child)
    cold_tokens = {
        take_over(place, answer, child)[2] for answer in (b"", b"\0", b"x", good[:20], b"A" * 60_000)
    }

    assert status == 0
    assert take_over(place, good, child)[2] == take_over(place, b"g", child)[2] == token
    assert token not in cold_tokens
    assert len(cold_tokens) == 5
    if child == "waits":
        # Less than all of two variables is none: the program sees no piece of them.
        assert take_over(place, good[:20])[1] == take_over(place, good[:-5])[1] == out
        assert take_over(place, good)[1] == out == place.plain("main.py", "-v")[1]


@pytest.mark.parametrize("damage", ["gone", "empty", "a pipe", "a folder", "garbage"])
def test_a_guess_that_comes_to_nothing_is_a_run_as_answered(place: Stored, damage: str) -> None:
    """The guessed image cannot be had by now: what was answered counts, and without an answer the run is cold."""
    path, library = find_image(place)
    broken = place.path / "broken.image"
    if damage == "a pipe":
        os.mkfifo(broken)
    elif damage == "a folder":
        broken.mkdir()
    elif damage != "gone":
        broken.write_bytes(b"" if damage == "empty" else os.urandom(100_000))
    good = f"LD_AUDIT={library}\0ENTREPOT_IMAGE=f1:{path}\0".encode()
    _, out, token = take_over(place, b"g")

    tokens = {take_over(place, answer, image=str(broken))[1:] for answer in (b"g", b"\0", b"")}

    assert take_over(place, good, image=str(broken)) == (0, out, token)
    assert {seen for seen, _ in tokens} == {out}
    assert token not in {seen for _, seen in tokens}


@pytest.mark.parametrize("who", ["program", "child"])
def test_killed_while_it_is_decided(place: Stored, who: str) -> None:
    """Whichever is killed, nothing is left; without the child the run is cold."""
    stopped = CLIENT.replace(
        "    os.write(answer[1]",
        "    open('deciding', 'w').write(str(os.getpid()))\n    __import__('time').sleep(60)\n    os.write(answer[1]",
    )
    path, library = find_image(place)
    with subprocess.Popen(
        [sys.executable, "-S", "-c", stopped, library, path, b"g".hex(), "waits"],
        cwd=place.path, env=place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        end = time.monotonic() + WAIT_S
        while not (place.path / "deciding").exists() or not (place.path / "deciding").read_text():
            assert time.monotonic() < end
            time.sleep(0.01)
        child = int((place.path / "deciding").read_text())
        os.kill(child if who == "child" else run.pid, signal.SIGKILL)
        if who == "program":
            assert run.wait(WAIT_S) == -signal.SIGKILL
            os.kill(child, signal.SIGKILL)  # it would only have slept on
            return
        out, err = run.communicate(timeout=WAIT_S)

    assert (run.returncode, out.splitlines()[2:]) == (0, place.plain("main.py", "-v")[1].splitlines()[2:])
    assert err != take_over(place, b"g")[2]
