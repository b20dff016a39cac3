"""What a program does at its end is what its sources say then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import entrepot.live as live
sys.path.insert(0, sys.argv[1])
live.start(paths=[sys.argv[1]])
import leaving
path = leaving.__file__
with open(path) as file:
    text = file.read()
with open(path, "w") as file:
    file.write(text.replace("atexit.register(bye, 2)\\n", ""))
report = live.refresh()
assert report.ok, report
"""
LEAVING = """
import atexit
def bye(number): print("bye", number)
atexit.register(bye, 1)
atexit.register(bye, 2)
atexit.register(bye, number=3)
"""


def test_one_of_several_calls_of_a_function_is_taken_out(tmp_path: Path):
    """The others stay, with their arguments."""
    (tmp_path / "leaving.py").write_text(LEAVING)

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout == "bye 3\nbye 1\n"
