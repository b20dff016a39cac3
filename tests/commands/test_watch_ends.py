"""A program under `entrepot watch` ends as it does under Python."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ENDS = {
    "its last line": "import lib\nprint(lib.x)",
    "an exit status": "import sys\nsys.exit(3)",
    "an exit without a status": "import sys\nsys.exit()",
    "an exit with a text": "import sys\nsys.exit('over')",
    "an exit with something else": "raise SystemExit([1, 2])",
    "an exception": "def f():\n    raise ValueError('no')\nf()",
    "an exception in a module": "import bad",
    "a file that is not there": "open('none.txt')",
    "a syntax error": "def f(:\n    pass",
    "a syntax error in a module": "import wrong",
    "a thread that goes on, and atexit": (
        "import atexit, threading, time\natexit.register(print, 'bye')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nprint('end')"
    ),
    "an interruption": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('never')",
}
MODULES = {"lib.py": "x = 1\n", "bad.py": "def f():\n    return 1 / 0\nf()\n", "wrong.py": "x = (\n"}


# What Python's own code for `-m` adds to a traceback.
OF_RUNPY = re.compile(r'  File "<frozen runpy>.*\n')


@pytest.mark.parametrize(
    ("end", "typed"),
    [
        *((end, "main.py a") for end in ENDS),
        *(
            (end, "-m main a")
            for end in ("an exit with a text", "an exception", "a syntax error in a module")
        ),
    ],
)
def test_it_ends_as_under_python(end: str, typed: str, draw: Callable[..., Path]):
    """The same output, the same text on standard error, the same status or signal."""
    folder = draw({**MODULES, "main.py": ENDS[end] + "\n"})
    told = []
    for command in ([sys.executable], [sys.executable, "-m", "entrepot", "watch"]):
        done = subprocess.run(
            [*command, *typed.split()], cwd=folder, capture_output=True, text=True, timeout=50
        )
        told.append((done.returncode, done.stdout, OF_RUNPY.sub("", done.stderr)))

    assert told[1] == told[0]
