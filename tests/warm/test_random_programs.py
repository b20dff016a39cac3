"""Random programs, random edits: after each one the warm run is Python's run.

`ENTREPOT_STEPS=5000 pytest --run-slow tests/warm/test_random_programs.py` explores further;
`ENTREPOT_SEED=7` begins elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

STEPS = int(os.environ.get("ENTREPOT_STEPS", "60"))
SEED = int(os.environ.get("ENTREPOT_SEED", "1"))
PER_WORLD = 30  # edits of one program


def load(name: str) -> Any:
    """Return a module beside this file (tests are not a package)."""
    full = f"entrepot_tests_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


@pytest.mark.slow
@pytest.mark.timeout(30 + STEPS * 3)
def test_warm_runs_agree_with_python_after_every_edit(observer: str, tmp_path: Path) -> None:
    """No difference in output, errors, status or files, whatever is edited, over many steps."""
    forked, programs = load("forked"), load("random_programs")
    base = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "ENTREPOT", "R_"))}
    served = 0
    for number in range(0, STEPS, PER_WORLD):
        world = programs.World(tmp_path / f"w{number}", SEED * 1000 + number)
        out = tmp_path / f"out{number}"
        out.mkdir()
        program = forked.Warm(str(world.root / "main.py"), observer, str(out), env={**base, **world.env})
        history = []
        try:
            for _ in range(min(PER_WORLD, STEPS)):
                program.env, program.cwd = {**base, **world.env}, world.cwd
                for _again in range(2):
                    before = read_log(world.root)
                    plain = program.run_cold()
                    written = read_log(world.root) - before
                    seen = program.run()
                    served += seen.warm
                    what = (history[-6:], seen.why, program.notes[-3:], f"seed {world.seed}")
                    assert (seen.out, seen.err, seen.status) == (plain.out, plain.err, plain.status), what
                    assert read_log(world.root) - before == 2 * written, what
                    time.sleep(0.035)
                    if program.record is None and not program.never:
                        program.prepare()
                history.append(world.edit())
        finally:
            program.close()
    assert served > STEPS / 4, "too few runs were warm for this to say anything"


def read_log(root: Path) -> int:
    """Return how often modules have written to the log."""
    path = root / "log"
    return path.stat().st_size if path.exists() else 0
