"""Whether the files of a program are still the same ones after an edit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from entrepot.ship.collect import collect
from entrepot.ship.reach import find_entry
from entrepot.ship.same_files import Files

PROGRAM = {"main.py": "import calc\nfrom shop import cart\n", "calc.py": "RATE = 2\n", "shop/__init__.py": "",
           "shop/cart.py": "", "shop/table.txt": "one", "spare.py": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("calc.py", "# a line more\nRATE = 3\n", True),
        ("calc.py", "import spare\nRATE = 3\n", False),
        ("calc.py", "RATE = __file__\n", False),
        ("calc.py", "RATE = __import__(NAME)\n", False),
        ("main.py", "import calc\n", False),
        ("main.py", "\nfrom shop import cart\nimport calc\n", False),
        ("shop/table.txt", "two", True),
        ("shop/new.txt", "new", False),
        ("json.py", "", False),
        ("shop/cart.py", "def (\n", True),
        (None, "", True),
    ],
)
def test_only_edits_that_leave_the_imports_leave_the_files(draw, file, text, expected):
    """The files are the same while folders list the same names and edited modules import the same."""
    root = draw(PROGRAM)
    files = Files(collect(find_entry(str(root / "main.py"), None)))
    before = {path: Path(path).read_bytes() for path in files.signatures}
    if file is not None:
        (root / file).write_text(text)
        os.utime(root / file, (1, 1))

    assert files.are_same(before.get) == expected


@pytest.mark.parametrize("is_before", [True, False], ids=["before they were looked at", "after"])
def test_files_that_are_gone_are_others(draw, is_before):
    """Removed with their folder, whenever: what makes up the program has to be found anew."""
    root = draw(PROGRAM)
    contents = collect(find_entry(str(root / "main.py"), None))
    before = {item.file: item.read() for item in contents.files.values()}
    if is_before:
        shutil.rmtree(root / "shop")
    files = Files(contents)
    shutil.rmtree(root / "shop", ignore_errors=True)

    assert not files.are_same(before.get)
