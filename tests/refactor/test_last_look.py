"""The last look at an edit, whatever was decided before: what would be broken is refused, with whose mistake it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.errors import Refused
from entrepot.refactor.changes import Edit, FileChange
from entrepot.refactor.checks import check_moved, check_result
from entrepot.refactor.crossings import make_cut
from entrepot.refactor.project import Project
from entrepot.refactor.split import plan_split


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"x = 1\n", b"x = (\n", r"would not compile: .* was never closed.*\n.*report this"),
        (b"x = 1\n", b"return 1\n", "would not compile: 'return' outside function"),
        (b"x = 1\n", b"x = y\n", "would not know y"),
        (None, b"x = y\n", "would not know y"),
        (b"z = y\n", b"x = y\n", None),
        (b"x = 1\n", b"from other import *\nx = y\n", None),
        (b"x = 1\n", None, None),
    ],
)
def test_a_result_that_is_broken_is_not_handed_out(
    before: bytes | None, after: bytes | None, reason: str | None, draw: Callable[..., Path]
) -> None:
    """It must compile and know all its names; what was unknown before may stay so."""
    root = draw({"other.py": "y = 1\n", **({} if before is None else {"lib.py": before})})
    project = Project(str(root))
    edit = Edit(project.root, "test", (FileChange(str(root / "lib.py"), before, after),), (), ())
    if reason is None:
        check_result(project, edit, str(root / "gone.py"))
    else:
        with pytest.raises(Refused, match=reason):
            check_result(project, edit)


def test_a_file_that_has_changed_since_is_compared_with_what_it_was(draw: Callable[..., Path]) -> None:
    """What the edit says was there before counts, not what the project holds."""
    root = draw({"lib.py": "x = 1\n"})
    project = Project(str(root))
    edit = Edit(project.root, "test", (FileChange(str(root / "lib.py"), b"x = y\n", b"z = y\n"),), (), ())
    check_result(project, edit)


def test_what_moves_must_arrive(draw: Callable[..., Path]) -> None:
    """A statement that is in no target would be lost."""
    root = draw({"lib.py": "def f():\n    return 1\n\n\ndef g():\n    return f()\n"})
    project = Project(str(root))
    path = str(root / "lib.py")
    edit = plan_split(project, path, {"parts": ["f"]})
    cut = make_cut(project, path, {"parts": ["f"]})
    check_moved(cut, edit)
    emptied = [
        FileChange(c.path, c.before, b"" if c.path.endswith("parts.py") else c.after) for c in edit.changes
    ]
    with pytest.raises(Refused, match=r"lib.py:1: f would be lost.*\n.*report this"):
        check_moved(cut, Edit(edit.root, edit.title, tuple(emptied), (), ()))


def test_a_link_is_no_target(draw: Callable[..., Path]) -> None:
    """A file is written by its own name, never through a link."""
    root = draw({"lib.py": "def f():\n    return 1\n", "tools.py": "x = 1\n"})
    (root / "linked.py").symlink_to("tools.py")
    with pytest.raises(Refused, match=r"linked.py: a link, to .*tools.py.*\n.*name the file it leads to"):
        plan_split(Project(str(root)), str(root / "lib.py"), {"linked": ["f"]})
