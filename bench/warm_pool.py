"""A pool of eight workers whose main module imports pandas: from its making until each worker has answered.

`entrepot.warm.get_context()` against `multiprocessing.get_context("spawn")` in one program, alternating, each pool ended
before the next is made. The image of the workers is made before (`prepare`).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from warm_bench import Bench, make_row

PROGRAM = """\
import json
import multiprocessing
import sys
import time

import pandas


def answer(barrier, queue):
    barrier.wait()
    queue.put(len(pandas.DataFrame({"a": [1]})))


def measure(context):
    barrier, queue = context.Barrier(8), context.SimpleQueue()
    started = time.perf_counter()
    workers = [context.Process(target=answer, args=(barrier, queue)) for _ in range(8)]
    for worker in workers:
        worker.start()
    assert [queue.get() for _ in workers] == [1] * 8
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return seconds


if __name__ == "__main__":
    import entrepot.warm

    warm, spawn = entrepot.warm.get_context(), multiprocessing.get_context("spawn")
    if not warm.prepare():
        sys.exit("no image was made")
    measure(warm)
    print(json.dumps([(measure(warm), measure(spawn)) for _ in range(int(sys.argv[1]))]))
"""


def run(quick: bool) -> list[dict[str, object]]:
    """Measure both, alternating."""
    with Bench() as bench:
        bench.write("pool.py", PROGRAM)
        (site,) = [path for path in sys.path if path.endswith("site-packages")][:1]
        # The interpreter that has entrepot, and the libraries of the venv that has pandas.
        libraries = json.loads(
            subprocess.check_output(
                [bench.python, "-c", "import json, site; print(json.dumps(site.getsitepackages()))"]
            )
        )
        env = {**bench.env, "PYTHONPATH": ":".join([*libraries, site])}
        command = [sys.executable, "pool.py", str(3 if quick else 7)]
        pairs = json.loads(subprocess.check_output(command, cwd=bench.place, env=env))
        ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        row = make_row("8 workers with pandas, all have answered", pairs, 1 / 20)
        return [{**row, "entrepot": f"{ours * 1000:.0f} ms", "peer": f"{theirs * 1000:.0f} ms (spawn)"}]


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row, flush=True)
