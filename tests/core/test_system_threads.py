"""Many threads in several Systems: each module once for each system, no deadlock, nothing half made."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from entrepot import System

Draw = Callable[..., Path]


def run_threads(*works: Callable[[], Any], timeout_s: float = 40) -> list[Any]:
    """Run functions at once; return what each returned, or raised."""
    results: list[Any] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def run(number: int) -> None:
        barrier.wait(timeout_s)
        try:
            results[number] = works[number]()
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout_s)
        assert not thread.is_alive(), "a thread hangs"
    return results


def test_a_module_is_run_once_for_each_system(draw: Draw):
    """Sixteen threads import one slow module of two systems: all get one object of their system."""
    root = draw(
        {"slow.py": "import time\ntime.sleep(0.02)\nimport counts\ncounts.runs += 1", "counts.py": "runs = 0"}
    )
    systems = [System(path=[root]) for _ in range(2)]

    found = run_threads(*[lambda s=s: s.import_module("slow") for s in systems * 8])

    assert {id(module) for module in found} == {id(system.modules["slow"]) for system in systems}
    assert [system.modules["counts"].runs for system in systems] == [1, 1]


def test_nobody_sees_a_half_made_module(draw: Draw):
    """Who did not begin it waits for its end."""
    root = draw({"slow.py": "import time\ntime.sleep(0.02)\nend = True"})
    system = System(path=[root])

    found = run_threads(*[lambda: system.import_module("slow").end for _ in range(8)])

    assert found == [True] * 8


def test_two_threads_in_a_cycle_do_not_wait_for_ever(draw: Draw):
    """Two modules that import each other, begun from both ends at once, in two systems."""
    root = draw(
        {
            "a.py": "import time\ntime.sleep(0.01)\nimport b\nx = 1",
            "b.py": "import time\ntime.sleep(0.01)\nimport a\ny = 1",
        }
    )
    for _ in range(5):
        systems = [System(path=[root]) for _ in range(2)]

        found = run_threads(*[lambda s=s, n=n: s.import_module(n) for s in systems for n in "ab"])

        assert not [error for error in found if isinstance(error, BaseException)]
        assert all((s.modules["a"].x, s.modules["b"].y) == (1, 1) for s in systems)


def test_a_cycle_over_two_systems(draw: Draw):
    """A module of one system that imports into another, whose module imports into the first."""
    root = draw(
        {
            "one.py": "import time, sys\ntime.sleep(0.01)\nsys.links['two'].import_module('two')\nx = 1",
            "two.py": "import time, sys\ntime.sleep(0.01)\nsys.links['one'].import_module('one')\nx = 1",
        }
    )
    links = sys.__dict__["links"] = {name: System(path=[root]) for name in ("one", "two")}
    try:
        found = run_threads(*[lambda n=n: links[n].import_module(n).x for n in links])
    finally:
        del sys.__dict__["links"]

    assert found == [1, 1]


def test_a_failing_module_fails_for_everybody(draw: Draw):
    """Each thread gets the error, and the cache stays clean."""
    root = draw({"bad.py": "import time\ntime.sleep(0.01)\n1 / 0"})
    system = System(path=[root])

    found = run_threads(*[lambda: system.import_module("bad") for _ in range(6)])

    assert {type(error) for error in found} == {ZeroDivisionError}
    assert "bad" not in system.modules


def test_many_threads_many_modules_many_systems(draw: Draw):
    """A package of modules that import each other and shared ones, from many threads in many systems."""
    names = [f"m{n}" for n in range(12)]
    files = {
        f"pack/{name}.py": f"import json\nfrom pack import m{(n * 5 + 3) % 12} as other\nname = __name__"
        for n, name in enumerate(names)
    }
    root = draw({**files, "pack/__init__.py": ""})
    systems = [System(path=[root]) for _ in range(3)]

    found = run_threads(
        *[
            lambda s=s, k=k: [s.import_module(f"pack.{names[(n * 7 + k) % 12]}").name for n in range(12)]
            for s in systems
            for k in range(4)
        ]
    )

    assert not [error for error in found if isinstance(error, BaseException)]
    for system in systems:
        assert all(system.modules[f"pack.{name}"].other.name for name in names)


def test_threads_import_while_another_system_is_installed(draw: Draw):
    """One system is installed and removed again and again; threads go on importing into others."""
    root = draw({f"m{n}.py": f"import string, json\nx = {n}" for n in range(20)})
    host = System(path=[root])
    others = [System(path=[root]) for _ in range(2)]

    def install() -> int:
        for n in range(20):
            with host.installed():
                __import__(f"m{n}")
        return 0

    found = run_threads(
        install, *[lambda s=s: sum(s.import_module(f"m{n}").x for n in range(20)) for s in others]
    )

    assert found == [0, 190, 190]
    assert all(system.modules["m3"] is not host.modules["m3"] for system in others)
    assert "m3" not in sys.modules
