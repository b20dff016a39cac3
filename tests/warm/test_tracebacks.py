"""Tracebacks of imports that fail: frame for frame those of Python, however the run began."""

from __future__ import annotations

from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE

MAIN = """\
import decimal, importlib, shop, sys, traceback

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        from importlib.util import spec_from_file_location
        if name == "lost":
            return spec_from_file_location(name, "/nonexistent/lost.py")

sys.meta_path.append(Finder)

def show(action):
    try:
        action()
    except BaseException:
        traceback.print_exc()

def lost(): import lost
def broken(): import broken
def raising(): import raising
def nothing(): import nothing.at.all
def below(): import pack.raising
def deep(): import deep
for action in (lost, broken, raising, nothing, below, deep): show(action)
for name in ("lost", "broken", "raising", "nothing", "pack.nothing", "pack.raising", "shop.nothing"):
    show(lambda: importlib.import_module(name))
    show(lambda: __import__(name))
"""


# How many frames stand above a module while it is initialised.
DEEP = """\
import sys
frame, depth = sys._getframe(), 0
while frame:
    frame, depth = frame.f_back, depth + 1
print(depth)
"""


@pytest.mark.parametrize("begins", ["base", "warm"])
def test_an_import_that_fails_has_pythons_frames(tmp_path: Path, begins: str) -> None:
    """Of an import statement and of `import_module`, for what is missing, cannot be read, compiled or run."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "shop.py").write_text("import decimal\n")
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        place.write(
            main=MAIN, broken="x = (", raising="import json\n1/0\n", pack__raising="1/0", pack____init__=""
        )
        if begins == "base":
            place.share("import shop, argparse, traceback, importlib.util")
        else:
            place.prepare()
            place.run()

        how, outcome = place.run()

        assert how.startswith(begins)
        assert outcome == place.plain()
        assert outcome[2].count("Traceback") > 12
