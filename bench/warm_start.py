"""`entrepot run` against plain python: whole runs, alternating, from the start of the process to its end.

Each row is the median of the ratios of pairs. A program's image is made, and what the program goes on to import is
learned, before its row begins; the rows on an edit and on the first run say what they measure. The peer is plain
python of the same venv, into which the libraries are installed by the benchmark.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from warm_bench import SCIENCE, SERVICE, TESTS, Bench, make_row

Row = dict[str, object]

# One of the thousand: what a module of an application usually has.
MODULE = '''\
"""Orders of department NUMBER."""

from __future__ import annotations

import enum
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import own0
import ownOTHER

logger = logging.getLogger(__name__)
CODE = re.compile(r"(?P<shop>[A-Z]{2})-(?P<number>[0-9]+)-NUMBER")
RATES = {"none": 0.0, "reduced": 0.07, "full": 0.19}


class State(enum.Enum):
    """How far an order has come."""

    OPEN = "open"
    PAID = "paid"
    SENT = "sent"


@dataclass(frozen=True)
class Line:
    """An article, so many of it."""

    article: str
    price: float
    count: int = 1
    rate: str = "full"
    tags: tuple[str, ...] = field(default=())

    def total(self) -> float:
        """Return the price with tax."""
        return self.price * self.count * (1 + RATES[self.rate])


class ShopNUMBER:
    """Orders, in the order in which they came."""

    def __init__(self, lines: Iterable[Line], state: State = State.OPEN) -> None:
        self.lines = list(lines)
        self.state = state

    def total(self) -> float:
        """Return the sum of all lines."""
        return sum(line.total() for line in self.lines)

    def pay(self) -> None:
        """Note the payment."""
        logger.info("paid %s", self.total())
        self.state = State.PAID

    @property
    def is_open(self) -> bool:
        """Whether it is still to be paid."""
        return self.state is State.OPEN


def parse_code(text: str) -> tuple[str, int]:
    """Return shop and number of a code."""
    match = CODE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match["shop"], int(match["number"])
'''


def run(quick: bool) -> list[Row]:
    """Measure every row."""
    times = 5 if quick else 9
    with Bench() as bench:
        return [
            compare_program(
                bench, "pandas, scikit-learn, matplotlib.pyplot", SCIENCE, times, 1 / 100, 1 / 200
            ),
            compare_program(bench, "django, sqlalchemy.orm, boto3, sympy", SERVICE, times, 1 / 60, 1 / 100),
            compare(bench, "-c pass", ["-c", "pass"], times * 5, 1.0, 0.5),
            *compare_own(bench, times),
            compare_tests(bench, times),
            compare_first(bench, times),
            compare_throughput(bench, quick),
        ]


def compare(
    bench: Bench, what: str, arguments: list[str], times: int, bar: float | None, goal: float | None
) -> Row:
    """Run both ways, alternating."""
    bench.measure(bench.plain(arguments))  # what a first run writes (bytecode, lists of fonts) is there
    bench.settle(arguments)
    pairs = [
        (bench.measure(bench.warm(arguments)), bench.measure(bench.plain(arguments))) for _ in range(times)
    ]
    row = make_row(what, pairs, bar, goal)
    return row if bench.ask(arguments) == 0 else {**row, "what": f"{what} (not warm: {bench.why(arguments)})"}


def compare_program(bench: Bench, what: str, text: str, times: int, bar: float, goal: float) -> Row:
    """A script that imports libraries."""
    name = f"program{len(list(bench.place.iterdir()))}.py"
    bench.write(name, text)
    return compare(bench, f"script importing {what}", [name], times, bar, goal)


def compare_own(bench: Bench, times: int) -> list[Row]:
    """A program of 1,000 modules of its own (see MODULE): unchanged, and after an edit of one."""
    for number in range(1000):
        text = MODULE.replace("NUMBER", str(number)).replace("OTHER", str(number * 7 % max(number, 1)))
        bench.write(f"own/own{number}.py", text)
    imports = "".join(f"import own{number}\n" for number in range(1000))
    bench.write("own/main.py", imports + "print(own7.Shop7([]).total())\n")
    program = ["own/main.py"]
    rows = [compare(bench, "program of 1,000 own modules, unchanged", program, times, 1 / 40, 1 / 100)]
    first, second = [], []
    for edit in range(max(3, times // 2)):
        with open(bench.place / "own" / "own500.py", "a", encoding="utf-8") as file:
            file.write(f"# edit {edit}\n")
        edited = bench.measure(bench.warm(program))
        bench.prepare(program)
        bench.wait_quiet()
        again = bench.measure(bench.warm(program))
        plain = bench.measure(bench.plain(program))
        first.append((edited, plain))
        second.append((again, plain))
    rows.append(make_row("the same, the run after an edit of one module", first, 1 / 1.5, 1 / 3))
    rows.append(make_row("the same, the run after that", second, 1 / 40, None))
    return rows


def compare_tests(bench: Bench, times: int) -> Row:
    """`-m pytest` on tests that import django and pandas: everything is imported inside pytest's run."""
    bench.write("three/pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
    bench.write("three/test_three.py", TESTS)  # alone in a folder: pytest walks through all that is beside
    arguments = ["-m", "pytest", "-q", "three"]
    return compare(bench, "-m pytest, three tests on django and pandas", arguments, times, 1 / 8, 1 / 15)


def compare_first(bench: Bench, times: int) -> Row:
    """The first run ever: the store is empty and no keeper runs."""
    bench.write("first.py", SERVICE)
    pairs = []
    for _ in range(max(3, times // 2)):
        bench.stop()
        first = bench.measure(bench.warm(["first.py"]))
        bench.stop()
        pairs.append((first, bench.measure(bench.plain(["first.py"]))))
    return make_row("first run ever, cold (django, ...)", pairs, 1.10, 1.03)


def compare_throughput(bench: Bench, quick: bool) -> Row:
    """200 runs, 8 at a time; plain python makes 24 in that way, and both are given for one run."""
    bench.write("many.py", SERVICE)
    bench.settle(["many.py"])
    pairs = []
    for _ in range(1 if quick else 2):
        ours = run_many(bench, bench.warm(["many.py"]), 200) / 200
        pairs.append(
            (ours, run_many(bench, bench.plain(["many.py"]), 16 if quick else 24) / (16 if quick else 24))
        )
    return make_row("throughput: 200 runs, 8 at a time (django, ...), for one run", pairs, 1 / 20, 1 / 50)


def run_many(bench: Bench, command: list[str], count: int, at_once: int = 8) -> float:
    """Return the seconds that so many runs take."""
    started, begun = time.perf_counter(), 0
    running: set[int] = set()
    null = os.open(os.devnull, os.O_RDWR)
    here = os.getcwd()
    os.chdir(bench.place)
    try:
        while begun < count or running:
            while begun < count and len(running) < at_once:
                actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1)]
                running.add(os.posix_spawn(command[0], command, bench.env, file_actions=actions))
                begun += 1
            pid, status = os.wait()
            if status:
                raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
            running.discard(pid)
    finally:
        os.chdir(here)
        os.close(null)
    return time.perf_counter() - started


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row, flush=True)
