"""`entrepot explain` says about an error what a person would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def explain(root: Path, *command: str) -> str:
    """Return what `entrepot explain` adds to a program's stderr."""
    run = subprocess.run(
        [sys.executable, "-m", "entrepot", "explain", "--", *command],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    return run.stderr.partition("\nentrepot: ")[2].strip()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"main.py": "print(get_score())\n", "arcade.py": "x = 1\n\n\ndef get_score():\n    return 1\n"},
            "get_score is defined in arcade.py:4, which main.py never imports: "
            "add `import arcade` and call arcade.get_score()",
        ),
        (
            {"main.py": "import arcade\n\nprint(get_score())\n", "arcade.py": "def get_score(): ...\n"},
            "get_score is defined in arcade.py:1; main.py imports arcade (line 1), so it is arcade.get_score() here",
        ),
        (
            {"main.py": "print(json.dumps({}))\n"},
            "json is a module of the standard library that main.py never imports: add `import json`",
        ),
        (
            {"main.py": "total = 1\nprint(totl)\n"},
            "main.py:2: there is no 'totl' here; did you mean 'total'?",
        ),
        (
            {"main.py": "import arcade\narcade.get_scor()\n", "arcade.py": "def get_score(): ...\n"},
            "arcade (arcade.py) has no 'get_scor'; did you mean 'get_score'?",
        ),
        (
            {"main.py": "import pack\npack.part\n", "pack/__init__.py": "", "pack/part.py": ""},
            "pack.part is a submodule, and nothing has imported it: add `import pack.part`",
        ),
        (
            {"main.py": "import arcad\n", "arcade.py": ""},
            "did you mean 'arcade'?",
        ),
        (
            {"main.py": "from collections import OrderdDict\n"},
            "collections has no 'OrderdDict'; did you mean 'OrderedDict'?",
        ),
        (
            {"main.py": "print(sqrt(2))\n"},
            "sqrt is in the standard module math: add `from math import sqrt`",
        ),
        (
            {"main.py": "import collections\nwords = defaultdict(list)\n"},
            "defaultdict is in collections, which main.py imports: it is collections.defaultdict here",
        ),
        (
            {"main.py": "print(jsn.dumps(1))\n"},
            "there is no 'jsn' here; did you mean the module json, with `import json`?",
        ),
        (
            {"main.py": "import arcade\nprint(get_scor())\n", "arcade.py": "def get_score(): ...\n"},
            "there is no 'get_scor' here; did you mean arcade.get_score?",
        ),
        (
            {"main.py": "from arcade import other\narcade.get_score()\n", "arcade.py": "other = 1\n"},
            "main.py line 1 takes other from arcade and binds no name 'arcade': "
            "use them without `arcade.`, or add `import arcade`",
        ),
        (
            {"main.py": "import arcade as a\narcade.get_score()\n", "arcade.py": ""},
            "main.py line 1 imports arcade as a, so its name is a here",
        ),
        (
            {
                "main.py": "from arcade import *\nget_score()\n",
                "arcade.py": "__all__ = []\ndef get_score(): ...\n",
            },
            "does not bring it: the __all__ of arcade does not list it.\n  Add `from arcade import get_score`",
        ),
        (
            {"main.py": "from arcade import *\n_secret()\n", "arcade.py": "def _secret(): ...\n"},
            "does not bring it: star imports leave out names that begin with an underscore",
        ),
        (
            {"main.py": "print(lenght([]))\n"},
            "there is no 'lenght' here; did you mean 'len'?",
        ),
        (
            {"main.py": "import os.paths\n"},
            "did you mean 'os.path'?",
        ),
        (
            {"main.py": "import yaml_nobody_has\n"},
            "-m pip install yaml_nobody_has",
        ),
        (
            {"main.py": "import a, b\na.two\n", "a.py": "one = 1\n", "b.py": "\ntwo = 2\n"},
            "a (a.py) has no 'two', but b has (b.py:1)",
        ),
        (
            {"main.py": "total = 0\ndef add():\n    print(total)\n    total = 1\nadd()\n"},
            "write `global total` first in add() if the total of the module is meant",
        ),
        (
            {"main.py": "def add(points):\n    total = points\n\nadd(1)\nprint(total)\n"},
            "total is bound in add() at main.py:2, and is a name of that function alone:\n  return it from there",
        ),
        (
            {"main.py": "def add(points): pass\n\ndef show():\n    [points for _ in '1']\n\nshow()\n"},
            "points is bound in add() at main.py:1, and is a name of that function alone",
        ),
        (
            {"main.py": "def load():\n    import arcade\n\nload()\narcade.play()\n", "arcade.py": ""},
            "arcade is bound in load() at main.py:2, and is a name of that function alone",
        ),
        (
            {
                "main.py": "class Game:\n    lives = 3\n    def play(self):\n        print(lives)\n\nGame().play()\n"
            },
            "lives is bound in the class Game at main.py:2, and is a name of that class:\n"
            "  write self.lives in its methods, Game.lives elsewhere",
        ),
        (
            {"main.py": "def show():\n    print(total)\n\nshow()\nif True:\n    total = 1\n"},
            "total is bound at main.py:6, which has not been run when line 2 needs it",
        ),
        (
            {
                "main.py": "import arcade\nplay()\n",
                "arcade.py": "import games\n",
                "games.py": "x = 1\ndef play(): ...\n",
            },
            "play is defined in games.py:2, which main.py never imports: add `import games` and call games.play()",
        ),
        (
            {"main.py": "datetime.now()\n"},
            "add `import datetime` (its class datetime is then datetime.datetime)",
        ),
        (
            {"main.py": "import pack\npack.nothing\n", "pack/__init__.py": "_x = one = 1\n"},
            "pack (__init__.py) has no 'nothing'; it has one",
        ),
        (
            {"main.py": "import pack.nothing\n", "pack/__init__.py": "", "pack/some.py": ""},
            "main.py:1 imports 'pack.nothing', and no folder of the path has it",
        ),
        (
            {"main.py": "import pack.nothing\n", "pack/__init__.py": "", "pack/some.py": ""},
            ": pack has no module of that name",
        ),
        (
            {"main.py": "import fractions\nfractions.Fraction\n", "fractions.py": "x = 1\n"},
            "fractions.py is named like the standard module 'fractions' and hides it",
        ),
    ],
)
def test_the_explanation(files: dict[str, str], says: str, draw: Callable[..., Path]):
    """Each mistake is named with the files, lines and names of the program at hand."""
    assert says in explain(draw(files), "main.py")


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\ndel x\nx\n",
        "import json\njson.zzzzzzzz\n",
        "raise ModuleNotFoundError('not this')\n",
        "def f(x):\n    del x\n    x\nf(1)\n",
        "qqqqzzzz\n",
    ],
)
def test_where_there_is_nothing_to_add_that_is_said(text: str, draw: Callable[..., Path]):
    """Python has said it: a name that was deleted, an error that a program raises by hand."""
    assert explain(draw({"main.py": text}), "main.py").startswith("nothing to add to this ")


def test_a_circular_import_names_the_two_lines(draw: Callable[..., Path]):
    """The line that began the circle and the line that needed too much are both said."""
    root = draw(
        {
            "main.py": "import a\n",
            "a.py": "from b import g\ndef f(): ...\n",
            "b.py": "x = 1\nfrom a import f\ndef g(): ...\n",
        }
    )
    text = explain(root, "main.py")

    assert "a.py:1 begins to import b while a is half made" in text
    assert "b.py:2 already needs 'f' of a" in text


def test_a_longer_circle_names_everyone_in_it(draw: Callable[..., Path]):
    """Three modules in a circle: the chain, the line where it began, and the line that needed too much."""
    root = draw(
        {
            "main.py": "import a\n",
            "a.py": "import b\nx = 1\n",
            "b.py": "import c\n",
            "c.py": "\nfrom a import x\n",
        }
    )
    text = explain(root, "main.py")

    assert "a -> b -> c -> a: these import each other in a circle" in text
    assert "a.py:1 begins to import b while a is half made" in text
    assert "c.py:1 already needs 'x' of a" in text


def test_a_module_of_a_package_run_as_a_script(draw: Callable[..., Path]):
    """A relative import without a package leads to `python -m`."""
    root = draw({"pack/__init__.py": "", "pack/tool.py": "from . import other\n", "pack/other.py": ""})

    assert "python -m pack.tool" in explain(root, "pack/tool.py")
