"""Names: relative ones made absolute, and the words in which bad requests are refused."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core import names
from outcome import outcome

PARTS = st.lists(st.sampled_from(["a", "b", "_c", "dé"]), min_size=1, max_size=4)


class TestResolveRelative:
    """5.7 Package relative imports: one dot is the package, each more a parent of it."""

    @given(PARTS, PARTS, st.integers(1, 6))
    def test_agrees_with_importlib_for_any_names(self, package: list[str], name: list[str], level: int):
        """Every relative name means what `importlib.util.resolve_name` says, or fails in its words."""
        # [5.7 leading dots]
        ours = outcome(names.resolve_relative, ".".join(name), ".".join(package), level)

        assert ours == outcome(importlib.util.resolve_name, "." * level + ".".join(name), ".".join(package))

    def test_dots_alone_mean_the_package(self):
        """`from .. import x` imports the parent package itself."""
        # [5.7 leading dots]
        assert names.resolve_relative("", "a.b", 2) == "a"

    @given(st.text("aX.", max_size=6))
    def test_leading_dots_are_counted(self, name: str):
        """The dots in front, and the name behind them."""
        bare, level = names.split_dots(name)

        assert "." * level + bare == name
        assert not bare.startswith(".")


class Spec:
    """As much of a spec as the search for a package looks at."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent


NAMESPACES: list[Any] = [
    {"__package__": "p", "__spec__": Spec("p"), "__name__": "p.m"},
    {"__package__": "q", "__spec__": Spec("p"), "__name__": "p.m"},
    {"__package__": "p", "__spec__": None},
    {"__package__": None, "__spec__": Spec("p")},
    {"__package__": None, "__spec__": None, "__name__": "p.m"},
    {"__name__": "p", "__path__": []},
    {"__name__": "m"},
    {"__package__": ""},
    {},
]


class TestFindPackage:
    """5.5 (`__package__`) and PEP 366: where relative imports of a namespace start."""

    @pytest.mark.parametrize("namespace", NAMESPACES)
    def test_agrees_with_importlib(self, namespace: dict[str, Any]):
        """`importlib.__import__` finds the same package, with the same warnings."""
        # [PEP 366 fallback]
        from importlib import _bootstrap

        theirs = outcome(_bootstrap._calc___package__, namespace)  # type: ignore[attr-defined]

        assert outcome(names.find_package, namespace, 1) == theirs

    @pytest.mark.parametrize("level", [1, 2])
    @pytest.mark.parametrize(
        "namespace",
        [
            *NAMESPACES,
            None,
            3,
            {"__package__": 1},
            {"__package__": None, "__spec__": Spec(1)},
            {"__name__": 1},
        ],
    )
    def test_a_statement_is_refused_in_the_words_of_the_interpreter(self, namespace: Any, level: int):
        """The C code behind the statement has words of its own; a system's statements use them."""
        # [5.7 statement]
        if namespace is None:
            theirs = outcome(lambda: __import__("nosuch", level=level))
        else:
            theirs = outcome(lambda: __import__("nosuch", namespace, None, ["x"], level))
        ours = outcome(names.resolve_in_statement, "nosuch", namespace, level, 1)

        assert ours[2] == theirs[2]
        if ours[0] == "value":
            # Resolved: the interpreter went on and found nothing.
            assert theirs[0] is ModuleNotFoundError
        else:
            assert ours[:2] == theirs[:2]


@pytest.mark.parametrize("namespace", [NAMESPACES[1], NAMESPACES[4]])
@pytest.mark.parametrize("above", [1, 2])
@pytest.mark.parametrize("is_statement", [False, True])
def test_a_warning_is_told_at_the_line_that_imports(namespace: Any, above: int, is_statement: bool):
    """As many frames above as was asked for."""

    # [PEP 366 fallback]
    def find() -> None:
        if is_statement:
            names.resolve_in_statement("x", namespace, 1, above)
        else:
            names.find_package(namespace, above)

    def import_it() -> None:
        find()

    with pytest.warns() as told:
        import_it()

    lines = {line for _, _, line in (find, import_it)[above - 1].__code__.co_lines()}
    assert (told[0].filename, told[0].lineno in lines) == (__file__, True)


@pytest.mark.parametrize(
    ("name", "package", "level"),
    [(3, None, 0), ("a", None, -1), ("a", None, 1), ("a", 3, 1), ("a", "", 1), ("", None, 0)],
)
def test_requests_are_refused_in_importlibs_words(name: Any, package: Any, level: int):
    """What no statement could ask for fails as `importlib.import_module` does."""
    # [5.2 searching]
    from importlib import _bootstrap

    theirs = outcome(_bootstrap._sanity_check, name, package, level)  # type: ignore[attr-defined]

    assert outcome(names.check_request, name, package, level) == theirs
    assert theirs[0] is not None
