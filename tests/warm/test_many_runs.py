"""Runs of one image know nothing of each other, however many there are at once, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from entrepot.warm.images import find_images
from native import NEEDS_NATIVE
from warm_place import Place, as_python, wait_until

pytestmark = NEEDS_NATIVE


ALONE = """
import json, os, random, secrets, sys, tempfile, uuid
import decimal, logging, registry
print("x", end="")
with open(sys.argv[1] + ".txt", "w") as file:
    file.write(sys.argv[1])
registry.SEEN.append(sys.argv[1])
decimal.getcontext().prec = 3
os.environ["MARK"] = sys.argv[1]
logging.getLogger().addHandler(logging.NullHandler())
json.dumps.__kwdefaults__["indent"] = 1
sys.modules["left by " + sys.argv[1]] = registry
with tempfile.NamedTemporaryFile() as file:
    name = file.name
chance = [random.random(), random.randrange(2**62), str(uuid.uuid4()), str(uuid.uuid1()), secrets.token_hex(),
          name, random.SystemRandom().random(), os.urandom(8).hex(), os.getpid()]
left = [name for name in sys.modules if name.startswith("left")]
sys.stdout.write("\\n" + repr((sys.argv[1:], os.environ.get("GIVEN"), sys.stdin.read(), registry.SEEN,
                             len(logging.root.handlers), left, os.path.basename(os.getcwd()))) + "\\n")
print(*chance)
"""


def test_fifty_runs_at_once_are_independent(place):
    """Each has its own arguments, environment, input, directory, chance, and state of modules."""
    (place.path / "registry.py").write_text("SEEN = []\n")
    (place.path / "main.py").write_text(ALONE)
    place.warm_up("main.py")
    processes = []
    for number in range(50):
        env = place.get_env(GIVEN=str(number))
        process = subprocess.Popen(
            place.get_command("main.py", str(number), "x" * number),
            cwd=place.path, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)

    outcomes = [
        process.communicate(f"input {number}", timeout=50) for number, process in enumerate(processes)
    ]

    assert {err for _, err in outcomes} == {"entrepot: warm\n"}
    for number, (out, _) in enumerate(outcomes):
        mark, seen, _ = out.splitlines()
        assert mark == "x"
        assert seen == repr(
            (
                [str(number), "x" * number],
                str(number),
                f"input {number}",
                [str(number)],
                1,
                [f"left by {number}"],
                place.path.name,
            )
        )
        assert (place.path / f"{number}.txt").read_text() == str(number)
    columns = list(zip(*(out.splitlines()[2].split() for out, _ in outcomes), strict=True))
    assert len(columns) == 9
    assert all(len(set(column)) == 50 for column in columns)


def test_numpys_chance_differs_from_run_to_run(place, need):
    """The global generator of numpy, and one made of it, are seeded anew."""
    command = [place.get_command()[3], "-c", "import numpy"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("numpy is not installed here")
    (place.path / "main.py").write_text(
        "import numpy as np\nprint(np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand())\n"
    )
    place.warm_up("main.py")

    outcomes = [place.run("main.py") for _ in range(3)]

    assert {outcome[2] for outcome in outcomes} == {"entrepot: warm\n"}
    assert all(
        len(set(column)) == 3 for column in zip(*(outcome[1].split() for outcome in outcomes), strict=True)
    )


@pytest.mark.parametrize("after_ms", [0, 1, 2, 4, 6, 8, 12, 20, 40])
def test_killed_run_leaves_nothing(place, after_ms):
    """SIGKILL at any moment of a run ends it, and the next is as if nothing had been."""
    place.warm_up()
    for _ in range(3):
        process = subprocess.Popen(
            place.get_command(),
            cwd=place.path,
            env=place.get_env(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(after_ms / 1000)
        process.kill()
        assert process.wait(10) in (-signal.SIGKILL, 2)
    assert as_python(place.run())
    assert place.run()[2] == "entrepot: warm\n"
    keeper = place.get_keeper()
    wait_until(lambda: set(place.find_processes()) <= {keeper})


def test_runs_are_warm_wherever_the_kernel_puts_their_stack(place):
    """The addresses of an image are fixed, and those of a new process are drawn: one in 300 had something in the way."""
    (place.path / "own.py").write_text("TOKEN = object()\n")
    (place.path / "main.py").write_text("import own\nprint(id(own.TOKEN))\n")
    place.warm_up()

    assert len({place.run()[1] for _ in range(500)}) == 1


def test_an_image_that_is_renewed_meanwhile_is_taken_all_the_same(place):
    """A client that has read which image there is finds it gone: another one stands there already."""
    place.warm_up()
    wake = os.open(
        place.store / "wake", os.O_RDWR | os.O_NONBLOCK
    )  # clients find somebody to call, and no keeper
    os.kill(place.get_keeper(), signal.SIGKILL)
    (image,) = (found for found in find_images(str(place.store)) if found.kind == "file")
    checks, over = place.store / f"{image.name}.checks", threading.Event()
    (files,) = (field[1:].decode() for field in checks.read_bytes().split(b"\0")[1:] if field[:1] == b"f")

    def renew() -> None:
        """As the keeper does: the new files, what names them, then the old ones go."""
        before = [image.path, str(place.store / files)]
        for number in range(100_000):
            after = [str(place.store / f"{image.name}.{number}{ending}") for ending in (".image", ".files")]
            text = checks.read_bytes()
            for old, new in zip(before, after, strict=True):
                os.link(old, new)
                text = text.replace(os.path.basename(old).encode(), os.path.basename(new).encode())
            (place.store / "new").write_bytes(text)
            os.replace(place.store / "new", checks)
            for old in before:
                os.unlink(old)
            before = after
            if over.wait(0.01):
                return

    renewer = threading.Thread(target=renew)
    renewer.start()
    try:
        outcomes = [place.run() for _ in range(150)]
    finally:
        over.set()
        renewer.join()
        os.close(wake)

    assert all(as_python(outcome) for outcome in outcomes)
    assert {outcome[2] for outcome in outcomes} == {"entrepot: warm\n"}


def test_killed_runs_children_are_left_to_init_as_ever(place):
    """A child outlives a killed program, warm as in python; what the program held is given back."""
    (place.path / "main.py").write_text(
        "import json, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '30'])\nprint(json.dumps(child.pid), flush=True)\ntime.sleep(30)\n"
    )
    place.warm_up("main.py")
    process = subprocess.Popen(
        place.get_command("main.py"),
        cwd=place.path,
        env=place.get_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    child = json.loads(process.stdout.readline())
    process.kill()
    process.wait(10)
    process.stdout.close()

    assert Path(f"/proc/{child}/comm").read_text() == "sleep\n"
    os.kill(child, signal.SIGKILL)


def test_many_runs_leave_nothing_behind(place):
    """A hundred runs: no process, no file but the count of hits, no larger store."""
    place.warm_up()
    place.run()
    wait_until(
        lambda: place.find_processes() == [place.get_keeper()]
    )  # the shared modules' image is made too
    before = measure_store(place)
    temporary = place.path / "temporary"
    temporary.mkdir()

    assert all(as_python(place.run(TMPDIR=str(temporary))) for _ in range(100))

    assert measure_store(place) == before
    assert not os.listdir(temporary)
    assert len(place.find_processes()) == 1


def measure_store(place: Place) -> dict[str, int]:
    """Return the blocks of each file but those in which runs note which pages they touched."""
    paths = [
        path for path in place.store.rglob("*") if path.is_file() and path.suffix not in (".seen", ".hot")
    ]
    return {path.name: path.stat().st_blocks for path in paths}
