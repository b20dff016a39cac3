"""Real packages follow random edits; ENTREPOT_LIVE_PACKAGES names others, ENTREPOT_LIVE_STEPS sets how many edits."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGES = os.environ.get("ENTREPOT_LIVE_PACKAGES", "click flask markupsafe").split()
STEPS = int(os.environ.get("ENTREPOT_LIVE_STEPS", "8"))
SEED = os.environ.get("ENTREPOT_LIVE_SEED", "1")
PROGRAM = Path(__file__).with_name("real_packages.py")


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * STEPS)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_real_package_follows_random_edits(package: str, need: Callable[[object, str], None]):
    """After each edit every module looks as in a fresh start."""
    if importlib.util.find_spec(package) is None:
        need(None, package)

    done = subprocess.run(
        [sys.executable, str(PROGRAM), package, SEED, str(STEPS)],
        capture_output=True,
        text=True,
        timeout=100 + 20 * STEPS,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"{package} " in done.stderr, "nothing was edited"
