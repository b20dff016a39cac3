"""The steps of a record, and the picture at each of them."""

import os
from pathlib import Path

import pytest

from entrepot.studio.telling import find_definitions, make_steps
from entrepot.trace.records import Record

pytestmark = pytest.mark.slow


@pytest.fixture
def walk(draw, tmp_path):
    """Return a function that runs a program watched and gives its steps."""

    def make(files, *command):
        from entrepot.trace import record

        root = draw(files)
        traced = record(*(command or ("main.py",)), cwd=str(root)).record
        # There and back: what a page reads comes from a file.
        traced = Record.from_json(traced.to_json())
        main = str(root / command[0]) if command and command[0].endswith(".py") else str(root / "main.py")
        return make_steps(
            traced, main, lambda path: path.startswith(f"{root}/"), lambda path: Path(path).read_text()
        )

    return make


def list_kinds(steps):
    """Return the kinds of the steps, in order."""
    return [step.kind for step in steps.steps]


def find_rows(drawing, module):
    """Return the names in a module's box."""
    return {row["name"]: row for box in drawing["modules"] if box["name"] == module for row in box["rows"]}


def test_an_import_is_told_in_the_words_of_the_language(walk):
    """Reached, searched, found, compiled, entered, executed, finished, bound."""
    steps = walk({"main.py": "import arcade\n", "arcade.py": "def get_score(): pass\nSCORES = {}\n"})

    assert list_kinds(steps) == [
        "start", "statement", "search", "found", "compile", "cache", "execute", "finish", "bind", "end"
    ]  # fmt: skip


def test_the_second_import_is_answered_by_the_cache(walk):
    """Nothing is searched, compiled or run."""
    steps = walk({"main.py": "import one\nimport one as again\n", "one.py": ""})

    assert list_kinds(steps)[-4:] == ["statement", "cached", "bind", "end"]
    assert "'again'" in steps.steps[-2].text


def test_namespaces_grow_as_the_lines_are_reached(walk):
    """At an import inside a module, what stands above it is there and what stands below is not."""
    steps = walk(
        {
            "main.py": "BEFORE = 1\nimport one\nAFTER = 2\n",
            "one.py": "def above(): pass\nimport two\ndef below(): pass\n",
            "two.py": "",
        }
    )
    at = next(n for n, s in enumerate(steps.steps) if s.kind == "execute" and s.module == "two")
    drawing = steps.draw(at)

    assert set(find_rows(drawing, "one")) == {"above"}
    assert set(find_rows(drawing, "__main__")) == {"BEFORE"}
    assert [item["module"] for item in drawing["stack"]] == ["__main__", "one", "two"]
    last = steps.draw(len(steps.steps) - 1)
    assert set(find_rows(last, "one")) == {"above", "two", "below"}
    assert find_rows(last, "one")["two"]["target"] == "two"
    assert set(find_rows(last, "__main__")) == {"BEFORE", "one", "AFTER"}
    assert last["stack"] == []


def test_every_step_can_be_drawn_and_back_is_the_same_as_forward(walk):
    """The picture belongs to the step, not to the way there."""
    steps = walk({"main.py": "from pack.inner import f, g as h\nimport json\n", "pack/__init__.py": "", "pack/inner.py": """
        def f(): pass
        def g(): pass
    """})  # fmt: skip
    forward = [steps.draw(number) for number in range(len(steps.steps))]
    back = [steps.draw(number) for number in reversed(range(len(steps.steps)))]

    assert forward == back[::-1]
    rows = find_rows(forward[-1], "__main__")
    assert rows["h"]["target"] == "pack.inner"
    assert find_rows(forward[-1], "pack")["inner"]["kind"] == "module"
    assert forward[-1]["others"] > 0


def test_a_submodule_is_bound_in_its_parent(walk):
    """Language reference 5.4.2."""
    steps = walk({"main.py": "import pack.inner\n", "pack/__init__.py": "", "pack/inner.py": ""})

    assert "The module is bound in its parent: pack has the name 'inner' now." in [
        s.text for s in steps.steps
    ]


def test_a_star_import_brings_what_all_says(walk):
    """And without `__all__` the public names."""
    steps = walk(
        {
            "main.py": "from chosen import *\nfrom free import *\n",
            "chosen.py": "__all__ = ['a']\na = b = 1\n",
            "free.py": "c = _d = 1\n",
        }
    )

    assert set(find_rows(steps.draw(len(steps.steps) - 1), "__main__")) == {"a", "c"}


def test_a_module_that_fails_leaves_the_cache(walk):
    """And the end says what it was."""
    steps = walk(
        {
            "main.py": "try:\n    import bad\nexcept ZeroDivisionError:\n    pass\nimport missing\n",
            "bad.py": "1 / 0\n",
        }
    )
    last = steps.draw(len(steps.steps) - 1)

    assert [item["name"] for item in last["cache"]] == ["__main__"]
    kinds = list_kinds(steps)
    assert kinds[-1] == "end"
    assert kinds.count("error") >= 2
    assert any("missing was not found" in step.text for step in steps.steps)


def test_an_error_is_explained_where_there_is_something_to_say(walk):
    """As `entrepot explain` says it."""
    steps = walk({"main.py": "get_score()\n", "arcade.py": "def get_score(): pass\n"})

    assert "explain" in list_kinds(steps)
    assert "arcade.get_score()" in next(s.text for s in steps.steps if s.kind == "explain")


def test_relative_imports_name_the_module_that_they_mean(walk):
    """Dots are counted from the package, also one that is `__init__` itself."""
    steps = walk(
        {
            "main.py": "import pack.sub.leaf\n",
            "pack/__init__.py": "from . import other\n",
            "pack/other.py": "x = 1\n",
            "pack/sub/__init__.py": "from ..other import x\n",
            "pack/sub/leaf.py": "from ...pack import other\n" if False else "from .. import other\n",
        }
    )
    bound = [s.text for s in steps.steps if s.kind in ("bind", "cached")]

    assert any("what pack.other has" in text for text in bound)
    assert any("pack is in the module cache" in text for text in bound)


def test_conditions_and_deletions_are_as_they_were_in_the_run(walk):
    """Names of branches not taken are not shown at the end."""
    steps = walk(
        {
            "main.py": "import one\n",
            "one.py": "if 1 > 2:\n    no = 1\nelse:\n    yes = 1\ngone = 2\ndel gone\n",
        }
    )

    assert set(find_rows(steps.draw(len(steps.steps) - 1), "one")) == {"yes"}


def test_definitions_stand_at_the_line_that_has_bound_them():
    """The last line of a function, so that an import inside it comes before its name."""
    import ast

    tree = ast.parse("def f():\n    pass\nfor i in x:\n    a, b = 1, 2\nwith y as z:\n    c = 1\n")

    found = {(d.name, d.line) for d in find_definitions(tree.body)}
    assert {("f", 2), ("a", 4), ("b", 4), ("c", 6)} <= found


def test_the_examples_can_be_walked(walk, tmp_path):
    """Each of the arcade's steps, and the package."""
    from entrepot.studio.examples import EXAMPLES, copy_example

    for example in EXAMPLES:
        if example.key == "game":
            continue  # it plays until somebody stops it
        folder = tmp_path / example.key
        folder.mkdir()
        names = copy_example(example, str(folder))
        assert example.first in names
        from entrepot.trace import record

        program = ["tour.py"] if example.key == "package" else [example.entry]
        traced = record(*program, cwd=str(folder), env={**os.environ, "TERM": "dumb"}).record
        steps = make_steps(
            traced,
            str(folder / program[0]),
            lambda p, f=folder: p.startswith(f"{f}/"),
            lambda p: Path(p).read_text(),
        )
        for number in range(len(steps.steps)):
            steps.draw(number)
        assert steps.steps[-1].kind == "end"


def test_names_are_bound_where_the_statement_stands(walk):
    """A function's and a class's are not the module's, those that a function calls global are."""
    steps = walk(
        {
            "main.py": """
                class Game:
                    import one
                def late():
                    global two
                    import one, two
                late()
                import space.there
            """,
            "one.py": "",
            "two.py": "",
            "space/there.py": "",
        }
    )
    said = [step.text for step in steps.steps]

    assert "main.py line 2, in the class Game: import one" in said
    assert (
        "Execution goes back to main.py line 2: the name 'one' of the class Game is bound to the module one."
        in said
    )
    assert "The name 'one' of late() is bound to the module one." in said
    assert set(find_rows(steps.draw(len(steps.steps) - 1), "__main__")) == {"Game", "late", "two", "space"}
    # A namespace package has nothing to run.
    kinds = [step.kind for step in steps.steps if step.module == "space"]
    assert kinds == ["found", "cache", "finish"]
