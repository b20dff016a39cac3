"""Star imports of installed packages: read, never run; what is compiled counts as there, and cannot be told."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.errors import Refused
from entrepot.refactor.expand import plan_expand
from entrepot.refactor.project import Project

INSTALLED: dict[str, str | bytes] = {
    "outer/__init__.py": """
        from .inner.deep import *
        from .inner import deep as below
        try:
            from ._speed import quick
        except ImportError:
            quick = None
        try:
            from . import _missing
        except ImportError:
            has_missing = False
        try:
            from .inner import _compiled
        except ImportError:
            has_compiled = False
        try:
            import _single
        except ImportError:
            has_single = False
        raise SystemExit("it was run")
    """,
    "outer/_speed.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
    "outer/inner/__init__.py": "",
    "outer/inner/_compiled.pyd": b"MZ",
    "outer/inner/deep.py": "__all__ = ['one']\nfrom ...nowhere import x\none = 1\n",
    "_single.abi3.so": b"\x7fELF",
    "broken.py": "def",
    "perhaps.py": "try:\n    from outer._speed import quick\nexcept ImportError:\n    is_slow = 1\n",
    "bare/part.py": "",
}


@pytest.fixture
def expand(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Expand a package's `__init__.py` beside what is installed; return its text."""
    monkeypatch.syspath_prepend(str(draw(INSTALLED, "site")))
    monkeypatch.syspath_prepend("")

    def run(text: str) -> str:
        root = draw({"shop/__init__.py": text, "shop/part/only.py": "", "pyproject.toml": ""}, "project")
        edit = plan_expand(Project(str(root)), [str(root / "shop/__init__.py")])
        assert edit.changes[0].after is not None
        return edit.changes[0].after.decode()

    return run


def test_a_package_that_is_installed_is_read(expand: Callable[[str], str]) -> None:
    """Its own relative imports are followed; a part that was compiled is taken to be there."""
    node = ast.parse(expand("from outer import *\n")).body[0]
    assert isinstance(node, ast.ImportFrom)
    assert [alias.name for alias in node.names] == ["one", "inner", "below", "quick", "has_missing"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from broken import *", "syntax error"),
        ("from _single import *", "the module _single cannot be found"),
        ("from bare import *", "the module bare cannot be found"),
        ("from .part import *", "the module shop.part cannot be found"),
        ("from winreg import *", "cannot be imported here"),
        ("from perhaps import *", "whether quick, is_slow exists"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, words: str, expand: Callable[[str], str]) -> None:
    """Broken, compiled, a mere folder, or for another platform."""
    with pytest.raises(Refused, match=words):
        expand(text + "\n")


def test_a_module_that_is_named_by_no_name(draw: Callable[..., Path]) -> None:
    """A script whose name is none for a module has no importers, and gets what it uses."""
    root = draw(
        {"run-me.py": "from lib import *\nprint(one)\n", "lib.py": "one = two = 1\n", "pyproject.toml": ""}
    )
    edit = plan_expand(Project(str(root)), [str(root / "run-me.py")])
    assert [change.after for change in edit.changes] == [b"from lib import one\nprint(one)\n"]
