"""Random programs and edits through the real command: after each edit `entrepot run` is `python`.

`ENTREPOT_STEPS=2000 pytest --run-slow tests/warm/test_random_programs_run.py` explores further.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.commands.run import find_native

STEPS = int(os.environ.get("ENTREPOT_STEPS", "8"))
SEED = int(os.environ.get("ENTREPOT_SEED", "1"))
PER_WORLD = 20


def load_programs() -> Any:
    """Return the module beside this file (tests are not a package)."""
    name = "entrepot_tests_random_programs"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("random_programs.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.mark.slow
@pytest.mark.timeout(60 + STEPS * 10)
def test_the_real_command_agrees_with_python_after_every_edit(
    tmp_path: Path, need: Callable[[object, str], None]
) -> None:
    """Output, errors, status and files written are the same, cold, warm and right after the edit."""
    native = find_native()
    need(native, "the native client (a C compiler at installation)")
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    base = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "ENTREPOT", "R_", "CI"))
    }
    base["ENTREPOT_DIR"] = str(store)
    plain = [sys.executable]
    ours = [str(native), "run", "--python", sys.executable]
    programs = load_programs()
    try:
        for number in range(0, STEPS, PER_WORLD):
            world = programs.World(tmp_path / f"w{number}", SEED * 1000 + number)
            base["ENTREPOT_AHEAD"] = str(number // PER_WORLD % 2)
            history: list[str] = []
            for _ in range(min(PER_WORLD, STEPS)):
                for wait_s in (0.04, 0.4, 0.0):
                    script = str(world.root / "main.py")
                    expected, wrote = run([*plain, script], world, base)
                    seen, wrote_too = run([*ours, script], world, base)
                    assert (seen, wrote_too) == (expected, wrote), (history[-6:], f"seed {world.seed}")
                    time.sleep(wait_s)
                history.append(world.edit())
    finally:
        stop(store, base)


def run(command: list[str], world: Any, base: dict[str, str]) -> tuple[tuple[str, str, int], int]:
    """Run a program; return what it said and how much it wrote to its log."""
    log = world.root / "log"
    before = log.stat().st_size if log.exists() else 0
    done = subprocess.run(
        command, env={**base, **world.env}, cwd=world.cwd, capture_output=True, text=True, timeout=60
    )
    after = log.stat().st_size if log.exists() else 0
    return (done.stdout, done.stderr, done.returncode), after - before


def stop(store: Path, base: dict[str, str]) -> None:
    """Leave no keeper behind."""
    command = [sys.executable, "-P", "-m", "entrepot", "warm", "stop"]
    subprocess.run(command, env=base, capture_output=True, timeout=30, check=False)
