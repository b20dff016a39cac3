"""The arrows of installed packages against the imports that running them makes; see `arrows.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ["packaging", "pluggy", "_pytest", "pygments", "unittest", "email"]


@pytest.mark.slow
def test_every_import_that_a_run_makes_is_an_arrow(tmp_path):
    """None is missing; and each eager arrow is an import that the run makes."""
    command = [sys.executable, str(Path(__file__).parent / "arrows.py"), *PACKAGES]
    environment = {**os.environ, "ENTREPOT_CACHE": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == PACKAGES, done.stdout
    assert all(int(line.split()[1]) >= 7 for line in lines[:-1]), done.stdout
    assert lines[-1].endswith(" 0 missing, 0 unseen"), done.stdout
