"""What warm runs and the keeper take: memory of the runs of one image, the keeper's memory, its wake-ups when idle.

Runs of the script that imports pandas, scikit-learn and matplotlib.pyplot wait at their end, and the kernel is asked
(`/proc/PID/smaps_rollup`): *private* is what one of eight has for itself, *proportional* what each of them adds beyond
the first, with its share of what is shared. The peer is the same of plain python. A keeper that serves this image is
left alone for ten seconds, and its context switches counted. `ratio` is against what is good enough (15 MiB, 25 MiB).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from warm_bench import SCIENCE, Bench

Row = dict[str, object]
MIB = 1 << 20
AT_ONCE = 8


def run(quick: bool) -> list[Row]:
    """Measure every row."""
    with Bench() as bench:
        bench.write(
            "waits.py",
            SCIENCE.replace("print(", "import sys\nprint(") + "sys.stdout.flush(); sys.stdin.read()\n",
        )
        program = ["waits.py"]
        bench.measure(bench.plain(program))
        bench.settle(program)
        ours = measure_runs(bench, bench.warm(program))
        plain = measure_runs(bench, bench.plain(program))
        return [
            make_memory_row("a warm run, private", ours[0], 15, 8, plain[0]),
            make_memory_row("a further warm run, proportional", ours[1], 15, 8, plain[1]),
            *measure_keeper(bench, 3 if quick else 10),
        ]


def make_memory_row(
    what: str, ours: float, bar_mib: float, goal_mib: float, plain: float | None = None
) -> Row:
    """Return the row of a number of bytes."""
    return {
        "what": what,
        "entrepot": f"{ours / MIB:.1f} MiB",
        "peer": "" if plain is None else f"{plain / MIB:.1f} MiB",
        "ratio": ours / MIB / bar_mib,
        "spread": "",
        "bar": 1.0,
        "goal": f"{goal_mib} MiB",
    }


def measure_runs(bench: Bench, command: Sequence[str]) -> tuple[float, float]:
    """Return the private bytes of one run of eight, and what each after the first adds."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        first = 0.0
        for _ in range(AT_ONCE):
            process = subprocess.Popen(
                command, cwd=bench.place, env=bench.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            processes.append(process)
            assert process.stdout
            if process.stdout.readline() != b"1\n":
                raise RuntimeError(f"{' '.join(command)} did not print what it should")
            if len(processes) == 1:
                first = sum(read_memory(process.pid)["Pss"] for process in processes)
        memories = [read_memory(process.pid) for process in processes]
        private = sorted(m["Private_Clean"] + m["Private_Dirty"] for m in memories)[AT_ONCE // 2]
        return private, (sum(m["Pss"] for m in memories) - first) / (AT_ONCE - 1)
    finally:
        for process in processes:
            process.communicate()


def read_memory(pid: int) -> dict[str, int]:
    """Return the kernel's sums over a process's memory, in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def measure_keeper(bench: Bench, seconds: float) -> list[Row]:
    """Return the rows on the keeper."""
    keeper = bench.get_keeper()
    if not keeper:
        raise RuntimeError("the keeper has ended")
    before = count_switches(keeper)
    time.sleep(seconds)
    wakes = (count_switches(keeper) - before) / seconds
    memory = read_memory(keeper)
    return [
        {
            "what": f"the keeper, idle for {seconds:g} s: wake-ups a second",
            "entrepot": f"{wakes:g}",
            "peer": "",
            "ratio": wakes,
            "spread": "",
            "bar": 0.0,
            "goal": "0",
        },
        make_memory_row("the keeper, resident", memory["Rss"], 25, 12),
        make_memory_row("the keeper, proportional", memory["Pss"], 25, 12),
    ]


def count_switches(pid: int) -> int:
    """Return how often a process has been given the processor."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row, flush=True)
