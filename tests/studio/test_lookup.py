"""How a dotted name is found, step by step."""

import pytest

from entrepot.studio import questions
from entrepot.studio.lookup import MOST_NAMES


@pytest.fixture
def root(draw):
    """A folder with three modules."""
    return draw(
        {
            "main.py": "import json\nimport arcade\nprint(arcade.get_score())\n",
            "arcade.py": "SCORES = [1]\n\n\ndef get_score():\n    return SCORES[0]\n",
            "other.py": "def get_score():\n    return 2\n",
        },
        folder="root",
    )


def ask(root, name, **options):
    """Look a name up as written in main.py."""
    given = {"file": "main.py", "text": None, "line": 0, "entry": "main.py", **options}
    return questions.look_up_name(str(root), None, name, **given)


def test_a_dotted_name_is_found_in_two_steps(root):
    """First in the importer's namespace, then in the module's; the other of the same name stands apart."""
    answer = ask(root, "arcade.get_score")

    assert [(s.place, s.kind, s.path, s.line) for s in answer.steps] == [
        ("__main__'s namespace", "module", "main.py", 2),
        ("arcade's namespace", "function", "arcade.py", 4),
    ]
    assert answer.is_found
    assert answer.others == (("other", "function", "other.py", 1),)
    lit = {
        (box["name"], row["name"])
        for box in answer.drawing["modules"]
        for row in box["rows"]
        if row["is_lit"]
    }
    assert lit == {("__main__", "arcade"), ("arcade", "get_score")}


def test_local_names_builtins_and_what_nobody_has(root):
    """As the language looks them up: functions, the module, the builtins."""
    text = "total = 0\ndef f(price):\n    tax = price\n    return tax + total + len([]) + nothing\n"
    text += "class C:\n    size = 1\n    other = size\n"

    def first(name, line):
        return ask(root, name, text=text, line=line).steps[0]

    assert first("tax", 4).place == "the function f"
    assert (first("price", 3).place, first("price", 3).line) == ("the function f", 2)
    assert first("len", 4).place == "the builtins"
    assert first("nothing", 4).kind == "missing"
    assert first("size", 7).place == "the class C"


def test_names_are_followed_through_imports(draw):
    """From-imports, `as`, stars, re-exports, submodules, relative imports."""
    root = draw(
        {
            "main.py": "from pack import f as g, sub\nfrom pack.star import *\nimport pack.sub as s\nimport json\n",
            "pack/__init__.py": "from .inner import f\nfrom . import sub\n",
            "pack/inner.py": "def f(): pass\n",
            "pack/sub.py": "VALUE = 1\n",
            "pack/star.py": "brought = 1\n_not = 2\n",
        }
    )

    def last(name):
        return ask(root, name).steps[-1]

    assert "what pack.inner has under the name 'f'" in last("g").text
    assert (last("sub.VALUE").kind, last("sub.VALUE").path) == ("variable", "pack/sub.py")
    assert (last("s.VALUE").kind, last("s.VALUE").path) == ("variable", "pack/sub.py")
    assert "what pack.star has under the name 'brought'" in last("brought").text
    assert last("_not").kind == "missing"
    assert last("json").kind == "module"
    assert last("pack.inner.f").line == 1
    assert (last("pack.nothing").kind, last("nothing").text) == (
        "missing",
        "__main__'s namespace has no 'nothing', and neither have the builtins.",
    )


def test_names_that_lead_away_or_round_have_an_end(draw):
    """Out of the program, to a module under another name, and in a circle of imports that nobody defines."""
    root = draw(
        {
            "main.py": "from json import dumps\nfrom pack import tools, inner, t\nfrom one import ring\n",
            "pack/__init__.py": "import pack.inner\nimport pack.inner as t\nimport pack.tools\n",
            "pack/tools.py": "USED = 1\n",
            "pack/inner.py": "DEEP = 1\n",
            "one.py": "from two import ring\n",
            "two.py": "from one import ring\n",
        }
    )

    assert (
        ask(root, "dumps").steps[-1].text.startswith("'dumps' in __main__'s namespace is what json has under")
    )
    assert [step.text for step in ask(root, "t.DEEP").steps] == [
        "'t' in __main__'s namespace is the module pack.inner, bound by the import in line 2.",
        "'DEEP' in pack.inner's namespace is a variable, defined in line 1.",
    ]
    assert ask(root, "tools.USED").steps[-1].path == "pack/tools.py"
    assert ask(root, "pack.inner.DEEP").is_found
    assert ask(root, "ring").steps[-1].kind == "imported"


def test_a_text_that_cannot_be_read_and_a_file_of_no_module(root):
    """The module's own names are looked through all the same; who is no module has the builtins."""
    assert ask(root, "arcade", text="def f(:\n", line=1).steps[0].kind == "module"
    answer = ask(root, "len", file="notes.txt", text="len", line=1)
    assert [step.place for step in answer.steps] == ["the builtins"]
    assert answer.drawing == {"modules": [], "hidden": 0}
    assert ask(root, "...").steps == ()


def test_a_name_among_many_is_drawn(root):
    """A picture has so many rows, and the one that was asked for."""
    (root / "other.py").write_text("".join(f"x{number} = 1\n" for number in range(MOST_NAMES + 9)))
    answer = ask(root, f"other.x{MOST_NAMES + 8}", module="other")
    (box,) = [box for box in answer.drawing["modules"] if box["name"] == "other"]

    assert len(box["rows"]) == MOST_NAMES + 1
    assert [row["name"] for row in box["rows"] if row["is_lit"]] == [f"x{MOST_NAMES + 8}"]
