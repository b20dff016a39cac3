"""Threads that run while an update is made see the old program or the new one, never one that lacks what both have."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import entrepot.live as live

READERS = 4


def version(number: int) -> dict[str, str]:
    """Two modules that change in everything from one version to the next."""
    return {
        "readers_core.py": f"""
            RATE = {number}
            TABLE = {{"rate": RATE, "twice": RATE * 2}}
            def calc(x): return x * {number}
            class Shop:
                label = {number}
                def total(self): return self.label + {number}
                {"def even(self): return 1" if number % 2 == 0 else "def odd(self): return 1"}
        """,
        "readers_user.py": f"""
            from readers_core import RATE, TABLE, Shop, calc
            DERIVED = RATE * 10
            PAIR = (RATE, DERIVED)
            def use(): return calc(1) + {number}
        """,
    }


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_reader_never_misses_a_name_that_both_versions_have(draw: Callable[..., Path], monkeypatch):
    """Names of modules, attributes of classes, keys of tables, and calls, for a hundred updates, some refused."""
    root = draw(version(1))
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    live.start(paths=[str(root)])
    wrong: list[str] = []
    rounds = [0] * READERS
    over = threading.Event()
    try:
        import readers_core as core
        import readers_user as user

        shop = core.Shop()

        def read(reader: int) -> None:
            while not over.is_set():
                try:
                    rate, derived = user.PAIR
                    if derived != rate * 10:
                        wrong.append(f"a pair of two versions: {user.PAIR}")
                    core.TABLE["rate"], user.TABLE["twice"], core.RATE, user.RATE, user.DERIVED
                    core.calc(2), user.calc(3), user.use(), shop.total(), user.Shop().total(), core.Shop.label
                    if not isinstance(shop, core.Shop) or not isinstance(shop, user.Shop):
                        wrong.append("an instance without its class")
                except Exception as error:
                    wrong.append(f"{type(error).__name__}: {error}")
                rounds[reader] += 1

        threads = [threading.Thread(target=read, args=(n,)) for n in range(READERS)]
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        for thread in threads:
            thread.start()
        try:
            for number in range(2, 102):
                files = version(number)
                if number % 5 == 0:
                    files["readers_user.py"] += "            1 / 0\n"
                draw(files)
                report = live.refresh()
                assert report.ok == (number % 5 != 0), report
        finally:
            over.set()
            for thread in threads:
                thread.join()
            sys.setswitchinterval(before)

        assert min(rounds) > 10
        assert not wrong, sorted(set(wrong))[:10]
        assert (core.RATE, user.DERIVED, user.use(), shop.total()) == (101, 1010, 202, 202)
    finally:
        over.set()
        live.stop()
        for name in ("readers_core", "readers_user"):
            sys.modules.pop(name, None)


PRINTING = """
import os, sys, threading, time
from entrepot.live.staging import HeldOutput
sys.setswitchinterval(1e-5)
sys.stdout = open(os.devnull, "w")
ended = threading.Event()
def update():
    while not ended.is_set():
        HeldOutput().release(show=True)
thread = threading.Thread(target=update)
thread.start()
until = time.monotonic() + 1.5
while time.monotonic() < until:
    print("some", "words", flush=True)
ended.set()
thread.join()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="names the null device")
def test_a_thread_may_print_while_updates_come_and_go():
    """The stream that holds an update's output outlives it: `print` keeps no reference to the stream that it writes to."""
    done = subprocess.run(
        [sys.executable, "-c", PRINTING], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
