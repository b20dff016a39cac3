"""The story of real programs: who binds what, what is found where, and how imports and programs end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from entrepot.trace import record
from entrepot.trace.story import tell_story

pytestmark = pytest.mark.slow

Tell = Callable[..., list[str]]


@pytest.fixture
def tell(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Return a function that runs a program of these files and gives its story, the first two lines left out."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def run(files: dict[str, str | bytes], *command: str, own_only: bool = True) -> list[str]:
        made = record(*command or ("main.py",), cwd=draw(files)).record
        return tell_story(made, own_only=own_only).splitlines()[2:]

    return run


NEW = "compiled, because there was no bytecode of it yet; the bytecode is kept in __pycache__"


def test_names_are_bound_where_the_statement_stands(tell: Tell):
    """An import in a function binds a name of the function, one in a class a name of the class, `global` the module's."""
    told = tell(
        {
            "main.py": """
                class Game:
                    import one
                def late():
                    import pack.two as t
                    from pack import two, two as zwei
                    import pack.two
                    global one
                    import one
                    return __import__("one")
                late()
                from pack.two import *
            """,
            "one.py": "",
            "pack/__init__.py": "",
            "pack/two.py": "",
        }
    )

    assert [line.partition(". ")[0].rstrip(".") + "." for line in told if line.startswith("main.py")] == [
        "main.py line 2, in the class Game, imports one.",
        "main.py line 4, in late(), imports pack.two.",
        "main.py line 5, in late(), imports two and two from pack.",
        "main.py line 6, in late(), imports pack.two.",
        "main.py line 8, in late(), imports one.",
        "main.py line 9, in late(), calls __import__ for one.",
        "main.py line 11 imports all public names from pack.two.",
    ]
    cached = "It is in the module cache: nothing is run."
    for end in (
        "one is now in the module cache. Game's name 'one' is bound to it. Execution goes on after main.py line 2.",
        "pack and pack.two are now in the module cache. late()'s name 't' is bound to it. "
        "Execution goes back to main.py line 5.",
        f"{cached} late() reaches it through its name 'pack'.",
        f"{cached} __main__'s name 'one' is bound to it.",
        f"calls __import__ for one. {cached}",
        f"{cached} Its public names become names of __main__ too.",
    ):
        assert [line for line in told if line.endswith(end)], (end, told)


def test_dots_circles_and_folders_are_told_as_what_they_are(tell: Tell):
    """Relative names are made absolute, a half-made module is said to be one, a namespace package has nothing to run."""
    told = tell(
        {
            "main.py": "import pack.inner.leaf\nimport space.there\n",
            "pack/__init__.py": "from .inner import leaf\nfrom pack import inner\n",
            "pack/inner/__init__.py": "",
            "pack/inner/leaf.py": "from .. import inner\nfrom ..inner import __name__ as called\n",
            "space/there.py": "X = 1\nclass A: pass\nclass B: pass\n",
        }
    )

    leaf = "    pack/inner/leaf.py"
    assert told[:7] == [
        "main.py line 1 imports pack.inner.leaf.",
        f"  pack is not in the module cache. Found pack/__init__.py; {NEW}. It is run.",
        "  pack/__init__.py line 1 imports leaf from pack.inner (written .inner).",
        f"    pack.inner is not in the module cache. Found pack/inner/__init__.py; {NEW}. It is run.",
        f"    pack.inner.leaf is not in the module cache. Found pack/inner/leaf.py; {NEW}. Running it defines 1 variable.",
        f"{leaf} line 1 imports inner from pack (written ..). pack is in the module cache, but only half made: "
        "it is still being run. pack.inner.leaf's name 'inner' is bound to what pack calls so.",
        f"{leaf} line 2 imports __name__ from pack.inner (written ..inner). It is in the module cache: nothing is run. "
        "pack.inner.leaf's name 'called' is bound to what pack.inner calls '__name__'.",
    ]
    # Its own import of a part of itself is no half-made module.
    assert (
        "  pack/__init__.py line 2 imports inner from pack. It is in the module cache: nothing is run. "
        "pack's name 'inner' is bound to what pack calls so." in told
    )
    assert told[-5:-1] == [
        "main.py line 2 imports space.there.",
        "  space is not in the module cache. Found a folder without __init__.py: a namespace package. "
        "There is nothing to run.",
        f"  space.there is not in the module cache. Found space/there.py; {NEW}. "
        "Running it defines 2 classes and 1 variable.",
        "space and space.there are now in the module cache. __main__ reaches it through its name 'space'. "
        "Execution goes on after main.py line 2.",
    ]


def test_what_fails_is_told_with_where_it_was_looked_for(tell: Tell):
    """A module that is nowhere, one that ends in an error, and the error that ends the program."""
    told = tell(
        {
            "main.py": "try:\n    import nowhere\nexcept ImportError:\n    pass\nimport broken\n",
            "broken.py": "assert False\n",
        }
    )

    assert told[1].startswith(
        "  nowhere is not in the module cache. It was looked for in the folder of main.py, "
    )
    assert told[1].endswith(" and not found: ModuleNotFoundError: No module named 'nowhere'.")
    assert told[2:] == [
        "The import in main.py line 2 has failed.",
        "main.py line 5 imports broken.",
        "  broken is not in the module cache. Running it ends in an error: AssertionError.",
        "The import in main.py line 5 has failed.",
        "The program ends with an error that nobody caught: AssertionError.",
        "The exit status is 1.",
    ]


def test_modules_that_are_no_source_are_told_as_what_they_are(tell: Tell):
    """Built in, frozen, a library of machine code, made by a loader of the program's own; stale bytecode is told so."""
    told = tell(
        {
            "main.py": """
                import os, sys
                from importlib.machinery import ModuleSpec
                class Maker:
                    def find_spec(name, path=None, target=None):
                        return ModuleSpec(name, Maker) if name == "made" else None
                    def create_module(spec): return None
                    def exec_module(module): module.answer = 42
                sys.meta_path.append(Maker)
                import made
                import _symtable, __phello__, _statistics
                exec("import old")
                import late
            """,
            "old.py": "",
            f"__pycache__/old.{sys.implementation.cache_tag}.pyc": "old",
            "late.py": "",
            f"__pycache__/late.{sys.implementation.cache_tag}.pyc": MAGIC_NUMBER + bytes(12),
        }
    )

    found = [line.partition("module cache. ")[2] for line in told if " is not in the module cache. " in line]
    assert "It has no file: Maker makes it. Running it defines 1 variable." in found
    for begins in (
        "It is built into the interpreter. Running it defines 1 function and ",
        "It is frozen into the interpreter. Running it defines ",
        "Found _statistics, a library of machine code in the standard library. Running it defines ",
        "Found old.py beside main.py; compiled, because its bytecode was made by another version of Python; ",
        "Found late.py beside main.py; compiled, because its bytecode was older than the file; ",
    ):
        assert [text for text in found if text.startswith(begins)], (begins, found)
    assert "code given to exec() line 1 imports old." in told
    # A statement of several goes on with its next module.
    assert [
        line
        for line in told
        if line.endswith("'_statistics' is bound to it. Execution goes on after main.py line 10.")
    ]


def test_what_modules_do_is_told_in_words(tell: Tell):
    """Files, handlers, variables and output, each at the line that does it."""
    told = tell(
        {
            "main.py": """
                import atexit, os, signal, sys
                with open("data.txt", "w") as file:
                    file.write("y")
                print(open("data.txt").read() * 100)
                atexit.register(print, end="")
                signal.signal(signal.SIGUSR1, signal.SIG_IGN)
                sys.path.append("more")
                os.environ["PLACE"] = "here"
                def go():
                    import extra
                go()
            """,
            "input.txt": "",
            "more/extra.py": """
                import os
                open("input.txt").close()
                os.environ.get("A"), os.environ.get("B")
                print("extra")
            """,
        }
    )

    done = [
        line.strip()
        for line in told
        if line.lstrip().startswith(("main.py", "more")) and " imports " not in line
    ]
    # A change of a register is seen at the next import, and told before it, wherever that stands.
    begins = next(
        number for number, line in enumerate(told) if line.startswith("main.py line 10, in go(), imports")
    )
    assert max(number for number, line in enumerate(told) if line.startswith("main.py line 7 ")) < begins
    assert sorted(done) == [
        "main.py line 2 writes to the file data.txt.",
        "main.py line 4 writes '" + "y" * 79 + "…'.",
        "main.py line 5 registers a function to be called when the program ends.",
        "main.py line 6 sets what is to happen on the signal SIGUSR1.",
        "main.py line 7 changes sys.path for the whole program.",
        "main.py line 8 sets the environment variable PLACE=here.",
        "more/extra.py line 2 reads the file input.txt.",
        "more/extra.py line 3 reads A, B from the environment.",
        "more/extra.py line 4 writes 'extra'.",
    ]


@pytest.mark.parametrize(
    ("command", "words", "first"),
    [
        (("-c", "import one"), "the code of -c", "the code of -c line 1 imports one."),
        (("-X", "utf8", "-B", "-m", "one"), "the module one", "one.py line 1 imports two."),
        (("-W", "ignore", "-"), "what comes on standard input", "<stdin> line 1 imports two."),
    ],
)
def test_the_program_is_named_as_it_was_given(
    draw: Callable[..., Path], command: tuple[str, ...], words: str, first: str
):
    """Code, a module or standard input, options left out."""
    root = draw({"one.py": "import two\n", "two.py": ""})
    stdin = os.dup(0)
    with (root / "one.py").open() as file:
        os.dup2(file.fileno(), 0)
    try:
        told = tell_story(record(*command, cwd=root).record).splitlines()
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)

    assert (told[1], told[2], told[-1]) == (
        f"It runs {words} as the module __main__.",
        first,
        "The exit status is 0.",
    )


def test_all_of_it_tells_of_the_library_too(tell: Tell):
    """With `--all`, what the standard library goes on to import is told as well, and how it is found."""
    told = tell({"main.py": "import colorsys, wave\n"}, own_only=False)

    assert [line for line in told if line.startswith("  wave.py line ")]
