"""What an edit of one module asks of each of its statements."""

from __future__ import annotations

from textwrap import dedent

import pytest

from entrepot.live.diff import SAME, Difference, plan_nothing, plan_steps
from entrepot.live.statements import Parsed, parse_source


def parse(text: str) -> Parsed:
    return parse_source(dedent(text).encode(), "module.py")


def plan(old: str, new: str) -> Difference:
    return plan_steps(parse(old), parse(new), lambda unit: unit.binds)


def show(difference: Difference) -> list[str]:
    """Return the steps as `action  first line`, then what is removed and gone."""
    steps = [f"{step.action} {step.unit.text.splitlines()[0]}" for step in difference.steps]
    removed = [f"removed {unit.text.splitlines()[0]}" for unit in difference.removed]
    return [*steps, *removed, *(f"gone {name}" for name in sorted(difference.gone))]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("x = 1\n", "x = 1\n", ["same x = 1"], id="nothing"),
        pytest.param("x = (1)  # one\n", "x = 1\n", ["same x = 1"], id="layout and comments"),
        pytest.param("x = 1\n", "x = 2\n", ["run x = 2"], id="a value"),
        pytest.param("", "x = 2\n", ["run x = 2"], id="a new statement"),
        pytest.param("x = 1\ny = 2\n", "y = 2\n", ["same y = 2", "removed x = 1", "gone x"], id="one is removed"),
        pytest.param("x = 1\n", "z = 1\n", ["run z = 1", "removed x = 1", "gone x"], id="another name"),
        pytest.param("print(1)\n", "print(2)\n", ["run print(2)", "removed print(1)"], id="an effect"),
        pytest.param(
            "print(1)\nprint(2)\n", "print(2)\nprint(1)\n", ["same print(2)", "same print(1)"],
            id="effects in another order",
        ),
        pytest.param("def f():\n    return 1\n", "def f():\n    return 2\n", ["code def f():"], id="a body"),
        pytest.param("def f(x=1): pass\n", "def f(x=2): pass\n", ["signature def f(x=2): pass"], id="a default"),
        pytest.param("@a\ndef f(x=1): pass\n", "@b\ndef f(x=2): pass\n", ["run @b"], id="a decorator"),
        pytest.param("def f(): pass\n", "async def f(): pass\n", ["signature async def f(): pass"], id="async"),
        pytest.param(
            "def f(): pass\n", "def g(): pass\n", ["run def g(): pass", "removed def f(): pass", "gone f"], id="renamed"
        ),
        pytest.param("f = lambda: 1\n", "f = lambda: 2\n", ["run f = lambda: 2"], id="a lambda is a value"),
        pytest.param("def f(): pass\n", "class f: pass\n", ["run class f: pass"], id="another kind"),
        pytest.param(
            "class A:\n    def m(self): return 1\n", "class A:\n    def m(self): return 2\n", ["code class A:"],
            id="a method",
        ),
        pytest.param(
            "class A:\n    def m(self): return 1\n", "class A:\n    def m(self): return super().m()\n", ["run class A:"],
            id="a method that closes over its class",
        ),
        pytest.param(
            "class A:\n    class B:\n        def m(self): return 1\n    def n(self): return [1]\n",
            "class A:\n    class B:\n        def m(self): return super().m()\n    def n(self): return [1]\n",
            ["run class A:"],
            id="a method of an inner class that closes over its class",
        ),
        pytest.param(
            "x = 1\n", "from __future__ import annotations\nx = 1\n",
            ["run from __future__ import annotations", "run x = 1"],
            id="another dialect",
        ),
        pytest.param("x = 1\nx = 2\n", "x = 1\n", ["run x = 1", "removed x = 2"], id="a value loses its later binder"),
        pytest.param(
            "def f(): return 1\ndef f(): return 2\ny = 1\n", "def f(): return 1\ny = 1\n",
            ["run def f(): return 1", "same y = 1", "removed def f(): return 2"], id="a function loses its later binder",
        ),
        pytest.param(
            "def f(): return 1\ndef f(): return 2\n", "def f(): return 3\n",
            ["run def f(): return 3", "removed def f(): return 2"], id="an edited function loses its later binder",
        ),
        pytest.param(
            "class A:\n    def m(self): return 1\nclass A:\n    x = 2\n", "class A:\n    def m(self): return 3\n",
            ["run class A:", "removed class A:"], id="an edited class loses its later binder",
        ),
        pytest.param(
            "def f(): return 1\nf = f(2)\n", "f = f(2)\ndef f(): return 3\n",
            ["run f = f(2)", "run def f(): return 3"], id="an edited function changes places with a value",
        ),
        pytest.param(
            "import a\nfrom b import a\n", "import a\n", ["run import a", "removed from b import a"],
            id="an import loses its later binder",
        ),
        pytest.param("a, b = 1, 2\n", "a = 1\n", ["run a = 1", "gone b"], id="fewer names"),
        pytest.param(
            "b = 3\na, b = 1, 2\n", "b = 3\na = 1\n", ["run b = 3", "run a = 1"], id="a name that a statement binds no more"
        ),
        pytest.param("x = 1\nx = 2\n", "x = 2\nx = 1\n", ["run x = 2", "run x = 1"], id="values change places"),
        pytest.param("x = 1\ny = 2\n", "y = 2\nx = 1\n", ["same y = 2", "same x = 1"], id="two names change places"),
        pytest.param(
            "from a import x\nfrom b import x\n", "from b import x\nfrom a import x\n",
            ["same from b import x", "run from a import x"], id="imports change places: the last one counts",
        ),
        pytest.param("x = 1\ny = x\n", "y = x\nx = 1\n", ["run y = x", "same x = 1"], id="above what it reads"),
        pytest.param(
            "x = 1\nif __name__ == '__main__':\n    print(x)\n", "if __name__ == '__main__':\n    print(x)\nx = 1\n",
            ["same if __name__ == '__main__':", "same x = 1"], id="the main block above what it reads",
        ),
        pytest.param("y = x\nx = 1\n", "y = x\nx = 1\n", ["same y = x", "same x = 1"], id="still above what it reads"),
        pytest.param(
            "x = 1\nif __name__ == '__main__':\n    print(x)\n", "x = 1\nif __name__ == '__main__':\n    print(-x)\n",
            ["same x = 1", "run if __name__ == '__main__':"], id="the main block",
        ),
        pytest.param(
            "x = 1\nif __name__ == '__main__':\n    x = 2\n", "x = 1\n", ["same x = 1"], id="the main block is removed"
        ),
        pytest.param(
            "x = 1\nx = 2\nif __name__ == '__main__':\n    x = 3\n", "x = 1\nif __name__ == '__main__':\n    x = 3\n",
            ["run x = 1", "same if __name__ == '__main__':", "removed x = 2"], id="the main block runs once",
        ),
        pytest.param(
            "from a import x\nfrom b import x\nfrom c import x\n", "from c import x\nfrom a import x\nfrom b import x\n",
            ["same from c import x", "same from a import x", "run from b import x"], id="three imports change places",
        ),
        pytest.param(
            "def f(): return 1\ndef f(): return 2\n", "def f(): return 2\ndef f(): return 1\n",
            ["same def f(): return 2", "run def f(): return 1"], id="functions change places: the last one counts",
        ),
        pytest.param(
            "x = 1\nif __name__ == '__main__':\n    x = 2\n", "if __name__ == '__main__':\n    x = 2\nx = 1\n",
            ["same if __name__ == '__main__':", "same x = 1"], id="the main block changes places",
        ),
        pytest.param(
            "if __name__ == '__main__':\n    (lambda: 1)()\n", "if __name__ == '__main__':\n    (lambda: 2)()\n",
            ["run if __name__ == '__main__':"], id="a lambda in the main block",
        ),
    ],
)  # fmt: skip
def test_steps_of_an_edit(old, new, expected):
    """Statements are paired by text, meaning and names; each stays, takes new code, or runs."""
    assert show(plan(old, new)) == expected


def test_moved_lines_are_no_new_behaviour():
    """A body that only moved within its function takes its new line numbers, and nobody is told."""
    moved, edited = (
        plan("def f():\n    return 1\n", new).steps[0]
        for new in ("def f():\n    # why\n    return 1\n", "def f():\n    return 2\n")
    )
    assert [moved.action, moved.has_new_behaviour] == ["same", False]
    assert [edited.action, edited.has_new_behaviour] == ["code", True]
    assert plan("def f(x=1): pass\n", "def f(x=2): pass\n").steps[0].has_new_behaviour


def test_a_pair_is_the_same_statement():
    """The counterpart of a statement is the one with its text, where there are several of its name."""
    old = parse("x = 1\nx = 2\nx = 3\n")
    difference = plan_steps(old, parse("x = 4\nx = 3\nx = 2\n"), lambda unit: unit.binds)

    assert [step.old and step.old.text.strip() for step in difference.steps] == ["x = 1", "x = 3", "x = 2"]
    assert [step.is_moved for step in difference.steps] == [True, True, True]
    assert not any(step.is_moved for step in plan_steps(old, old, lambda unit: unit.binds).steps)


def test_a_class_is_compared_with_the_definition_that_lives():
    """Where the last of several definitions goes, the one that is left is compared with that one."""
    old = "class A:\n    x = 1\nclass A:\n    x = 2\nclass A:\n    x = 3\nclass B: pass\n"
    (step,) = (step for step in plan(old, "class A:\n    x = 1\n").steps)

    assert step.old is not None
    assert "x = 3" in step.old.text


def counterparts(old: str, new: str) -> list[str | None]:
    """Return the text that each statement of the new version is compared with."""
    return [step.old and step.old.text.strip() for step in plan(old, new).steps]


def test_a_class_that_is_defined_again():
    """The definition that lives is compared with the one that lived, any other with its own."""
    one, two, three = "class A: x = 1\n", "class A: x = 2\n", "class A: x = 3\n"

    assert counterparts(one, one + two) == [one.strip(), one.strip()]
    assert counterparts(one, three + one) == [None, one.strip()]
    assert counterparts(one + two, two + one) == [two.strip(), one.strip()]
    assert counterparts("A = 1\n" + one + two, one + two) == [one.strip(), two.strip()]
    assert counterparts(one, one + "def A(): pass\n") == [one.strip(), None]


def test_statements_of_one_kind_are_pairs_before_those_of_one_name():
    """A value and a function of the same name, both edited, and in another order."""
    old, new = "def f(): return 1\nf = 3\n", "f = 4\ndef f(): return 2\n"
    main = "if __name__ == '__main__': print({})\n"

    assert counterparts(old, new) == ["f = 3", "def f(): return 1"]
    assert counterparts(main.format(1), main.format(2)) == [main.format(1).strip()]


def test_code_that_does_the_same_is_no_new_behaviour():
    """What the compiler makes the same of is taken over, and nobody is told."""
    step = plan("def f():\n    return 2\n", "def f():\n    return 1 + 1\n").steps[0]

    assert [step.action, step.has_new_behaviour] == ["code", False]


def test_star_imports_bind_what_they_bring():
    """A star import that changes places with another binder of one of its names is run again, and so is that one."""
    old, new = "from a import *\nx = 1\n", "x = 1\nfrom a import *\n"

    def binds(unit):
        return frozenset({"x"}) if "*" in unit.text else unit.binds

    assert show(plan(old, new)) == ["same x = 1", "same from a import *"]
    assert show(plan_steps(parse(old), parse(new), binds)) == ["run x = 1", "run from a import *"]


def test_nothing_is_planned_for_the_same_text():
    """A module that others make run again has its statements paired with themselves."""
    difference = plan_nothing(parse("x = 1\nprint(x)\n"))

    assert [(step.unit is step.old, step.action) for step in difference.steps] == [(True, SAME)] * 2
    assert (list(difference.removed), difference.gone) == ([], frozenset())
