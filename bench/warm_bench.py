"""What the benchmarks of warm runs share: a venv with the libraries, a store of its own, runs measured from outside.

    with Bench() as bench:
        bench.prepare(["main.py"])
        seconds = bench.measure(bench.warm(["main.py"]))

A run is started by `posix_spawn` and waited for: what is measured is from the
start of the process to its end, and nothing of this process's own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from environments import get_python

CLIENT = Path(sys.executable).with_name("entrepot")
SCIENCE = "import pandas, sklearn.linear_model, matplotlib.pyplot\nprint(len(pandas.DataFrame({'a': [1]})))\n"
SERVICE = "import django.db.models, sqlalchemy.orm, boto3, sympy\nprint(sympy.sqrt(8))\n"
TESTS = """\
import django.db.models
import pandas


def test_frame():
    assert len(pandas.DataFrame({"a": [1, 2]})) == 2


def test_query():
    assert str(django.db.models.Q(a=1)) == "(AND: ('a', 1))"


def test_sum():
    assert pandas.Series([1, 2]).sum() == 3
"""


class Bench:
    """A folder for programs, a store, and the environment of runs in it."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="entrepot-bench-"))
        # Where stores usually lie, so that what is measured is what users get.
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.store = Path(tempfile.mkdtemp(prefix="entrepot-bench-", dir=shared))
        if CLIENT.read_bytes()[:4] != b"\x7fELF":
            raise RuntimeError(f"{CLIENT} is not the native client: install entrepot where a C compiler is")
        self.python = get_python()
        unwanted = ("ENTREPOT_", "PYTHON", "LD_", "CI")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.env = {**kept, "ENTREPOT_DIR": str(self.store), "ENTREPOT_WARM": "1"}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.rmtree(self.store, ignore_errors=True)

    def stop(self) -> None:
        """End the keeper and forget every image."""
        stop = [sys.executable, "-m", "entrepot", "warm", "stop"]
        subprocess.run(stop, env=self.env, capture_output=True, check=False)

    def write(self, name: str, text: str) -> None:
        """Write a file of a program."""
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def warm(self, arguments: Sequence[str]) -> list[str]:
        """Return the command of a run by entrepot."""
        return [str(CLIENT), "run", "--python", self.python, *arguments]

    def plain(self, arguments: Sequence[str]) -> list[str]:
        """Return the command of the same run by Python."""
        return [self.python, *arguments]

    def prepare(self, arguments: Sequence[str], wait_s: float = 120) -> None:
        """Have the image made, and what its program goes on to import learned."""
        end = time.monotonic() + wait_s
        while (state := self.ask(arguments)) != 0:
            if state == 3 or time.monotonic() > end:
                raise RuntimeError(f"no image was made of {list(arguments)}")
            time.sleep(0.05)

    def ask(self, arguments: Sequence[str]) -> int:
        """Ask for the image of a program: 0 it is there, 1 it is being made, 3 there can be none."""
        command = self.warm(["--prepare", *arguments])
        return subprocess.run(
            command, cwd=self.place, env=self.env, stdout=subprocess.DEVNULL, check=False
        ).returncode

    def why(self, arguments: Sequence[str]) -> str:
        """Return what the client says of a run that is not warm."""
        command = self.warm(["--prepare", *arguments])
        return subprocess.run(
            command, cwd=self.place, env=self.env, capture_output=True, text=True, check=False
        ).stdout.strip()

    def settle(self, arguments: Sequence[str], at_most: int = 8) -> None:
        """Run a program until the keeper has nothing more to learn from its runs."""
        self.prepare(arguments)
        for _ in range(at_most):
            before = self.list_images()
            self.measure(self.warm(arguments))
            self.wait_quiet()
            self.prepare(arguments)
            if self.list_images() == before:
                return

    def list_images(self) -> list[str]:
        """Return the names of the images in the store."""
        return sorted(path.name for path in self.store.glob("*.image"))

    def wait_quiet(self, wait_s: float = 60) -> None:
        """Wait until the keeper has nothing to do: nobody has asked, no run has left word, and nothing is being made."""
        end, quiet = time.monotonic() + wait_s, 0
        while quiet < 4 and time.monotonic() < end:
            time.sleep(0.02)
            quiet = 0 if self.is_busy() else quiet + 1

    def is_busy(self) -> bool:
        """Whether the keeper works, or is about to."""
        waiting = [*self.store.glob("requests/*"), *self.store.glob("late/*")]
        return bool(waiting or list_children(self.get_keeper()))

    def get_keeper(self) -> int:
        """Return the process id of the keeper, 0 if there is none."""
        try:
            text = (self.store / "keeper").read_text()
        except OSError:
            return 0
        return int(text) if text.isdigit() and Path(f"/proc/{text}").exists() else 0

    def measure(self, command: Sequence[str], *, quiet: bool = False) -> float:
        """Return the seconds from the start of a process to its end; `quiet`: what it says on stderr is lost."""
        null = os.open(os.devnull, os.O_RDWR)
        streams = [(os.POSIX_SPAWN_DUP2, null, number) for number in ((0, 1, 2) if quiet else (0, 1))]
        here = os.getcwd()
        os.chdir(self.place)
        try:
            started = time.perf_counter()
            child = os.posix_spawn(command[0], command, self.env, file_actions=streams)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            seconds = time.perf_counter() - started
        finally:
            os.chdir(here)
            os.close(null)
        if ended:
            raise RuntimeError(f"{' '.join(command)[:200]} ended with status {ended}")
        return seconds


def list_children(pid: int) -> list[int]:
    """Return the process ids of the children of a process's main thread."""
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def make_row(
    what: str, pairs: Sequence[tuple[float, float]], bar: float | None, goal: float | None = None
) -> dict[str, object]:
    """Return the row of a table from pairs of seconds: entrepot's and the peer's."""
    ours, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(one / two for one, two in pairs)
    return {
        "what": what,
        "entrepot": f"{ours * 1000:.1f} ms",
        "peer": f"{plain * 1000:.1f} ms",
        "ratio": statistics.median(ratios),
        "spread": f"{ratios[0]:.4f}-{ratios[-1]:.4f}, {len(ratios)} pairs",
        "bar": bar,
        "goal": goal,
    }
