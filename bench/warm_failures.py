"""What a run loses where keeper and store are no help: the time of `entrepot run` beyond plain python's, for each failure.

Runs of a small script, alternating with plain python's; the median of the differences. `ratio` is the loss against the
100 ms that are the bar. None of them may differ from the plain run in anything but time, which the tests check.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Callable

from warm_bench import Bench

Row = dict[str, object]
BAR_S = 0.1
PROGRAM = ["small.py"]


def run(quick: bool) -> list[Row]:
    """Measure each failure."""
    rows = []
    for what, arrange in FAILURES.items():
        with Bench() as bench:
            bench.write("small.py", "import json\nprint(json.dumps([1]))\n")
            bench.measure(bench.plain(PROGRAM))
            end = arrange(bench)
            try:
                rows.append(compare(bench, what, 7 if quick else 25))
            finally:
                if end is not None:
                    end()
    return rows


def compare(bench: Bench, what: str, times: int) -> Row:
    """Run both, alternating; the row of a failure."""
    ours, plain = [], []
    for _ in range(times):
        ours.append(bench.measure(bench.warm(PROGRAM)))
        plain.append(bench.measure(bench.plain(PROGRAM)))
    lost = sorted(one - two for one, two in zip(ours, plain, strict=True))
    return {
        "what": what,
        "entrepot": f"{statistics.median(ours) * 1000:.1f} ms",
        "peer": f"{statistics.median(plain) * 1000:.1f} ms",
        "ratio": max(0.0, statistics.median(lost)) / BAR_S,
        "spread": f"{lost[0] * 1000:.1f} to {lost[-1] * 1000:.1f} ms lost, {times} pairs",
        "bar": 1.0,
    }


def hang_keeper(bench: Bench) -> Callable[[], None]:
    """The keeper is stopped, and the image no longer valid."""
    bench.prepare(PROGRAM)
    bench.wait_quiet()
    keeper = bench.get_keeper()
    os.kill(keeper, signal.SIGSTOP)
    bench.write("small.py", "import json\nprint(json.dumps([2]))\n")
    return lambda: os.kill(keeper, signal.SIGKILL)


def kill_keepers(bench: Bench) -> None:
    """There is no keeper, and none can be started: its folder of requests is a file."""
    (bench.store / "requests").write_text("")


def damage_image(bench: Bench) -> None:
    """The image is garbage from its second kilobyte on; nobody makes another."""
    bench.prepare(PROGRAM)
    bench.wait_quiet()
    keeper = bench.get_keeper()
    os.kill(keeper, signal.SIGKILL)
    shutil.rmtree(bench.store / "requests")
    kill_keepers(bench)
    for path in bench.store.glob("*.image"):
        with open(path, "r+b") as file:
            file.seek(1024)
            file.write(os.urandom(4096))


def open_to_others(bench: Bench) -> None:
    """The store is open to others, and so refused."""
    bench.store.chmod(0o777)


def work_meanwhile(bench: Bench) -> Callable[[], None]:
    """The keeper is kept busy by another program's preparation, which never ends by itself."""
    bench.write("slow.py", "import slow_module\n")
    bench.write("slow_module.py", "import time\ntime.sleep(30)\n")
    bench.ask(["slow.py"])
    time.sleep(1)
    return bench.stop


FAILURES: dict[str, Callable[[Bench], Callable[[], None] | None]] = {
    "the keeper hangs": hang_keeper,
    "no keeper can be started or asked": kill_keepers,
    "the keeper is busy for long": work_meanwhile,
    "the image is damaged": damage_image,
    "the store is refused": open_to_others,
}


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row, flush=True)
