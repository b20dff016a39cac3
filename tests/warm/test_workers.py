"""Workers from the warm store: what a program does with them is what it does with spawn's, warm and cold."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from warm_place import Place

pytestmark = NEEDS_NATIVE

HEAD = """
import sys
import json
import multiprocessing
import concurrent.futures
import decimal
import os
import signal
import time
import traceback

def square(n):
    return n * n

"""
TAIL = """

if __name__ == "__main__":
    kind = sys.argv[1]
    if kind == "spawn":
        context = multiprocessing.get_context("spawn")
    else:
        import entrepot.warm
        context = entrepot.warm.get_context()
        if kind == "warm":
            assert context.prepare(40), "no image was made"
        if kind == "without":
            import entrepot.warm.workers
            entrepot.warm.workers.CLIENT = "/nowhere"
    main(context)
"""
PROGRAMS = {
    "results": """
        def main(context):
            with context.Pool(3) as pool:
                print(pool.map(square, range(20)), pool.apply(decimal.Decimal, ("1.5",)))
                print(sorted(pool.imap_unordered(square, range(50), 7))[-3:])
        """,
    "exceptions": """
        def fail(n):
            raise ValueError(f"to the letter {n}")
        def main(context):
            with context.Pool(2) as pool:
                try:
                    pool.map(fail, [3])
                except ValueError as error:
                    print(error, type(error.__cause__).__name__)
                    print(error.__cause__)
        """,
    "initializer": """
        STATE = []
        def begin(*values):
            STATE.extend(values)
        def look(_):
            return list(STATE)
        def main(context):
            with context.Pool(2, begin, (1, "b")) as pool:
                print(pool.map(look, range(4)))
        """,
    "a few tasks for each child": """
        def who(_):
            return os.getpid()
        def main(context):
            with context.Pool(2, maxtasksperchild=2) as pool:
                pids = pool.map(who, range(8), 1)
            print(len(set(pids)) >= 4, all(pids.count(pid) <= 2 for pid in pids))
        """,
    "killed": """
        def die(_):
            os.kill(os.getpid(), signal.SIGKILL)
        def main(context):
            process = context.Process(target=die, args=(1,), name="victim")
            process.start(); process.join()
            print(process.exitcode, process.name)
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
                try:
                    print(pool.submit(die, 1).result())
                except concurrent.futures.process.BrokenProcessPool as error:
                    print(error)
        """,
    "terminated": """
        def wait(event):
            event.set(); time.sleep(100)
        def main(context):
            event = context.Event()
            process = context.Process(target=wait, args=(event,), daemon=True)
            process.start(); event.wait(); print(process.is_alive())
            process.terminate(); process.join(); print(process.exitcode, process.is_alive())
        """,
    "exit statuses": """
        def leave(how):
            if how == "raise": raise KeyError(how)
            if how == "_exit": os._exit(9)
            sys.exit(how)
        def main(context):
            for how in (0, 3, None, "words", "raise", "_exit"):
                process = context.Process(target=leave, args=(how,), name="P")
                process.start(); process.join()
                print(how, process.exitcode, flush=True)
        """,
    "surroundings": """
        def look(_):
            import multiprocessing.process
            process = multiprocessing.current_process()
            return [__name__, sys.argv, os.getcwd(), os.environ.get("SET"), sys.path[0], process.name, process.daemon,
                    os.getppid() == multiprocessing.parent_process().pid, process.authkey == bytes(KEY), sys.stdin.read(),
                    sorted(name for name in sys.modules if "entrepot" in name), sys.flags.optimize,
                    sys.modules["__main__"] is sys.modules["__mp_main__"]]
        KEY = multiprocessing.current_process().authkey
        def main(context):
            os.environ["SET"] = "by the program"
            os.chdir("/")
            with context.Pool(1) as pool:
                print(json.dumps(pool.map(look, [1])))
        """,
    "queues, locks, pipes, values": """
        def work(queue, lock, value, end, barrier):
            with lock:
                value.value += 1
            queue.put(multiprocessing.current_process().name)
            barrier.wait()
            end.send([1, 2]); end.close()
        def main(context):
            queue, lock, value, barrier = context.Queue(), context.Lock(), context.Value("i", 5), context.Barrier(2)
            ours, theirs = context.Pipe()
            given = (queue, lock, value, theirs, barrier)
            workers = [context.Process(target=work, args=given, name=f"W{n}") for n in range(2)]
            for worker in workers: worker.start()
            print(sorted(queue.get(timeout=20) for _ in workers))
            for worker in workers: worker.join()
            print(value.value, ours.recv(), ours.recv())
        """,
    "shared memory and a manager": """
        from multiprocessing import shared_memory
        def write(name, shared):
            block = shared_memory.SharedMemory(name=name)
            block.buf[0] = 77
            block.close()
            shared["seen"] = True
        def main(context):
            block = shared_memory.SharedMemory(create=True, size=100)
            with context.Manager() as manager:
                shared = manager.dict()
                process = context.Process(target=write, args=(block.name, shared))
                process.start(); process.join()
                print(block.buf[0], dict(shared), process.exitcode)
            block.close(); block.unlink()
        """,
    "workers of workers": """
        def outer(n):
            import entrepot.warm
            inner = entrepot.warm.get_context() if WARM else multiprocessing.get_context("spawn")
            process = inner.Process(target=print, args=("inner", n), kwargs={"flush": True})
            process.start(); process.join()
            return process.exitcode
        WARM = sys.argv[1] != "spawn"
        def main(context):
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                print(pool.submit(outer, 4).result())
        """,
    "output at exit": """
        import atexit
        def work():
            atexit.register(print, "never: workers leave by os._exit")
            sys.stdout.write("unflushed")
        def main(context):
            process = context.Process(target=work)
            process.start(); process.join(); print(process.exitcode)
        """,
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    """A folder and an empty store; no keeper is left."""
    place = Place(tmp_path)
    yield place
    place.stop()


@pytest.mark.parametrize("kind", ["warm", "cold", "without"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_workers_do_what_spawns_do(place, name, kind):
    """Every use has the results of `spawn`, whether the workers are warm, cold, or there is no native client."""
    (place.path / "main.py").write_text(HEAD + textwrap.dedent(PROGRAMS[name]) + TAIL)
    env = {"ENTREPOT_LOG": "0", "ENTREPOT_WARM": "0" if kind == "cold" else "1"}

    expected = place.call([sys.executable, "main.py", "spawn"], **env)
    outcome = place.call([sys.executable, "main.py", kind], **env)

    assert expected[0] == 0, expected
    assert (outcome[0], outcome[1].replace(f'"{kind}"', '"spawn"'), outcome[2]) == expected


def test_workers_are_warm_from_the_second_time_on(place):
    """Without `prepare` the first workers are cold, and later ones are not."""
    (place.path / "main.py").write_text(
        HEAD + "def main(context):\n    print(context.Pool(2).map(square, [3]))\n" + TAIL
    )
    command = [sys.executable, "main.py", "x"]
    first = place.call(command, ENTREPOT_WARM="1")
    assert "entrepot: cold: there is no image yet" in first[2]

    place.call([sys.executable, "main.py", "warm"], ENTREPOT_WARM="1")

    assert place.call(command, ENTREPOT_WARM="1")[1:] == ("[9]\n", "entrepot: warm\n" * 2)


def test_modules_of_the_main_program_are_in_the_image(place):
    """What main imports, directly and through its own modules, is ready in a worker, and nothing else is."""
    (place.path / "own").mkdir()
    (place.path / "own" / "__init__.py").write_text("from . import inner\n")
    (place.path / "own" / "inner.py").write_text(
        "import fractions\ntry:\n    import calendar\nexcept ImportError: pass\n"
    )
    (place.path / "main.py").write_text(
        "import own, sys\nfrom xml import dom\nimport entrepot.warm.workers as workers\n"
        "if __name__ == '__main__':\n    import argparse\n    print(workers.make_text())\n"
    )

    status, text, _ = place.call([sys.executable, "main.py"])

    assert status == 0
    imported = [line.removeprefix("import ") for line in text.splitlines() if line.startswith("import ")]
    assert {"fractions", "calendar", "xml", "xml.dom"} <= set(imported)
    assert not {"own", "own.inner", "argparse"} & set(imported)


def test_context_is_fetched_when_asked_for():
    """`import entrepot.warm` brings nothing of multiprocessing into a program."""
    code = "import sys, entrepot.warm; print('multiprocessing' in sys.modules, entrepot.warm.get_context())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd())

    assert done.stdout.startswith("False <")
