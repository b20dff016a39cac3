"""Observing a module changes nothing in it, and sees what compiled code does behind Python's back."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import entrepot
from entrepot.trace.log import Event, Seen
from entrepot.trace.resident import find_kept_clock
from entrepot.warm.ahead.resident import find_mentioned
from entrepot.warm.observation import read_observation
from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE

TRACE = Path(entrepot.__file__).parent / "trace"
TELLING = """
class Asked:
    def __getattribute__(self, name):
        raise ValueError(name)
    def __getattr__(self, name):
        raise ValueError(name)
LARGE = 0xFFFFFFFFFFFFFFFFC90FDAA2 << 900
SMALL = -LARGE
asked = Asked()
nested = {"a": LARGE}
"""


@pytest.mark.parametrize("kinds", ["ys", "sy", "yo", "os", "ya"])
def test_no_later_question_hides_what_was_asked_before_an_edit(kinds: str):
    """A source is read, edited so that size and time stay, and then its stat is asked for: that is not of the text read."""

    def ask(*ctimes: int) -> str:
        seen = [Seen(1, 2, 0o100644, 0, 5, 1, ctime, 10**18) for ctime in ctimes]
        events = [Event(kind, "/p/own.py", seen=one) for kind, one in zip(kinds, seen, strict=True)]
        return read_observation(events, "/p").young

    assert ask(1, 1) == ""
    assert ask(1, 2) == "/p/own.py"


def test_a_file_that_was_not_there_at_first_and_is_edited_later_is_seen():
    """Whatever its first answer was, two others that differ are an edit."""
    seen = [
        Seen(1, 2, mode, 0, 5, 1, ctime, 10**18) for mode, ctime in ((0, 0), (0o100644, 1), (0o100644, 2))
    ]
    events = [Event(kind, "/p/own.py", seen=one) for kind, one in zip("oyy", seen, strict=True)]

    assert read_observation(events, "/p").young == "/p/own.py"


def test_looking_for_clocks_asks_no_value_anything():
    """Numbers of any size, and objects that answer every question with an exception, are passed over."""
    module = type(sys)("telling")
    exec(TELLING, module.__dict__)

    assert find_kept_clock(module, (0.0, 0.0, 0.0)) == ""


def test_a_module_with_a_large_constant_is_initialised_as_ever(tmp_path):
    """A program that takes any exception of an import for an answer gets Python's."""
    with Stored(tmp_path) as place:
        place.write(
            main="try:\n    import telling\nexcept Exception as e:\n    telling = e\nprint(telling)\n",
            telling=TELLING,
        )
        place.prepare()

        assert place.run() == ("warm", place.plain())


def test_modules_that_compiled_code_takes_from_the_cache_are_its_needs(tmp_path):
    """C code that finds a module in the interpreter's cache calls nothing that could be exchanged."""
    (tmp_path / "taking.py").write_text(
        "import ctypes\nget = ctypes.pythonapi.PyImport_GetModule\nget.restype = get.argtypes = None\n"
        "get.argtypes, get.restype = [ctypes.py_object], ctypes.py_object\ncolors = get('colorsys')\n"
    )
    code = f"""
        import sys, ctypes, colorsys
        sys.path.insert(0, {str(tmp_path)!r})
        def load(path):
            exec(open({str(TRACE)!r} + path).read(), names := {{}})
            return type(sys.implementation)(**names)
        told = []
        observer = load("/resident.py").Observer(
            lambda kind, text: told.append(kind + text),
            *[load(f"/{{part}}/resident.py") for part in ("searches", "surroundings")],
        )
        before = set(dir(type(sys.__spec__)))
        observer.arm()
        import taking
        observer.disarm()
        print("colorsys" in observer.edges["taking"], "Ccolorsys" in told)
        print(set(dir(type(sys.__spec__))) == before, taking.__spec__._initializing)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("True True\nTrue False\n", "")


def test_what_a_compiled_module_has_among_its_names_is_its_need():
    """Parts of one compiled library hand modules to each other without asking, and later look for them in the cache."""
    module = type(sys)("compiled")
    exec("import colorsys\nfrom textwrap import dedent as d\nx = 1\n", module.__dict__)

    assert {"colorsys", "textwrap"} <= find_mentioned(module)
    assert "compiled" not in find_mentioned(module)
