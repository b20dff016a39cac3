"""`entrepot run -m pytest` after each save: what plain Python says each time, whatever the warm store had before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

FIRST = {
    "shop.py": "RATE = 2\ndef price(n): return n * RATE\n",
    "conftest.py": "import pytest\n@pytest.fixture\ndef amount(): return 3\n",
    "test_shop.py": "import shop\ndef test_price(amount): assert shop.price(amount) == 6\n",
}
EDITS = [
    {"shop.py": "RATE = 3\ndef price(n): return n * RATE\n"},
    {"test_shop.py": "import shop\ndef test_price(amount): assert shop.price(amount) == 9\n"},
    {"conftest.py": "import pytest\n@pytest.fixture\ndef amount(): return 4\n"},
    {
        "test_shop.py": "import shop\ndef test_price(amount): assert shop.price(amount) == 12\ndef test_two(): pass\n"
    },
    {"shop.py": "RATE = 3\ndef price(n): return n * RATE +\n"},
    {"shop.py": "RATE = 3\ndef price(n): return n * RATE\n"},
]


def ask(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run the tests; returns the exit status and what was printed, without times and addresses."""
    options = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--tb=line"]
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, re.sub(r"\d+\.\d+s|0x[0-9a-f]+", "", done.stdout + done.stderr)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_run_of_the_tests_is_a_fresh_start(tmp_path: Path):
    """After edits of the program, the tests and the fixtures, a syntax error and its cure, and with nothing changed."""
    folder = tmp_path / "project"
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONDONTWRITEBYTECODE")}
    environment |= {"HOME": str(tmp_path), "ENTREPOT_DIR": str(tmp_path / "warm")}
    entrepot = [sys.executable, "-m", "entrepot"]
    try:
        for number, edit in enumerate([FIRST, {}, *EDITS]):
            for name, text in edit.items():
                (folder / name).write_text(text)
            mine = ask([*entrepot, "run"], folder, environment)
            assert mine == ask([sys.executable], folder, environment), number
            time.sleep(0.3)
    finally:
        subprocess.run([*entrepot, "warm", "stop"], env=environment, capture_output=True, check=False)
