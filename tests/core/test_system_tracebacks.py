"""Tracebacks of what fails in a System: the program's frames only, as with the interpreter's own imports."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot import System

Draw = Callable[..., Path]

FILES = {
    "a.py": "def go():\n    import b\n",
    "b.py": "from p import c\n",
    "p/__init__.py": "",
    "p/c.py": "x = 1\nraise ValueError('deep')\n",
    "missing.py": "import nothing_here\n",
    "caught.py": "import traceback as t\ntry:\n    import b\nexcept ValueError:\n    text = t.format_exc()\n",
    "chained.py": "try:\n    import b\nexcept ValueError as e:\n    raise KeyError('later') from e\n",
    "by_name.py": "import importlib\nimportlib.import_module('b')\n",
    "finders.py": "import sys, importlib.util as util\nclass Finder:\n    @staticmethod\n"
    "    def find_spec(name, path=None, target=None):\n        if name == 'wanted':\n"
    "            return util.spec_from_file_location(name, '/x.py', loader=Loader)\n"
    "class Loader:\n    @staticmethod\n    def is_package(name):\n        raise LookupError('not known')\n"
    "sys.meta_path.insert(0, Finder)\nimport wanted\n",
    "syntax.py": "import broken\n",
    "broken.py": "x = (\n",
}


def frames_of(error: BaseException) -> list[tuple[str, int | None]]:
    return [(Path(frame.filename).name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]


def fail(system: System, action: Callable[[], object], how: str) -> BaseException:
    try:
        if how == "installed":
            with system.installed():
                action()
        else:
            action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("how", ["detached", "installed"])
def test_from_the_statement_straight_to_the_line(draw: Draw, how: str):
    """None of our frames is between the statements and the line that failed."""
    system = System(path=[draw(FILES)])
    go = system.import_module("a").go

    error = fail(system, go, how)

    assert [frame for frame in frames_of(error) if frame[0] != Path(__file__).name] == [
        ("a.py", 2),
        ("b.py", 1),
        ("c.py", 2),
    ]


@pytest.mark.parametrize("how", ["detached", "installed"])
@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("missing", ("missing.py", 1)),
        ("syntax", ("syntax.py", 1)),
        ("chained", ("chained.py", 4)),
        ("finders", ("finders.py", 10)),
    ],
)
def test_other_errors(draw: Draw, how: str, name: str, last: tuple[str, int]):
    """A module that is not there, one that does not compile, an exception raised from another or by a loader."""
    system = System(path=[draw(FILES)])

    error = fail(system, lambda: __import__(name) if how == "installed" else system.import_module(name), how)

    assert frames_of(error)[-1] == last
    everything = "".join(traceback.format_exception(error))
    assert "entrepot" not in everything.replace(str(Path(__file__).parent), "")
    assert "_bootstrap" not in everything


def test_caught_inside_a_module(draw: Draw):
    """What a module prints of an error it has caught has no frames of ours either."""
    text = System(path=[draw(FILES)]).import_module("caught").text

    assert "entrepot" not in text
    assert "importlib" not in text
    assert text.count("File ") == 3


MAIN = """
import sys
{imports}
try:
    import a
    a.go()
except ValueError:
    import traceback
    traceback.print_exc()
import {name}
"""
SYSTEM = """
from entrepot import System
system = System(path=[sys.path[0]])
system.installed().__enter__()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["b", "missing", "chained", "syntax", "by_name"])
def test_a_program_that_dies_prints_what_plain_python_prints(draw: Draw, name: str):
    """traceback.print_exc and sys.excepthook, to the letter, in a process of its own."""
    root = draw({**FILES, "main.py": ""})

    def run(imports: str) -> str:
        text = MAIN.format(imports=imports.strip().replace("\n", "; "), name=name)
        (root / "main.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "main.py"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=50)
        assert done.returncode == 1
        return done.stderr

    assert run(SYSTEM) == run("pass")
