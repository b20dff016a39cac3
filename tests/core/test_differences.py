"""Each entry of docs/differences.md has its test here, or the page names where else."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from both_ways import INSTALLED, PLAIN, run

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"


def test_every_test_that_the_page_names_is_there():
    """An entry without a test would be an excuse."""
    page = PAGE.read_text(encoding="utf-8")
    root = PAGE.parents[1]
    tests = "".join(path.read_text(encoding="utf-8") for path in (root / "tests").rglob("test_*.py"))

    for name in re.findall(r"`(test_\w+)`", page):
        assert f"def {name}(" in tests, name
    for path in re.findall(r"`(tests/[\w/.]+)`", page):
        assert (root / path).exists(), path
    assert page.count("\n## ") == len(re.findall(r"^\*Test:\*", page, flags=re.MULTILINE))


def test_errors_of_the_import_system_have_no_frames_of_it(draw):
    """Where CPython shows its import system's frames we show none, and all else is the same."""
    folder = draw(
        {
            "plain.py": "VALUE = 1\n",
            "main.py": """
                import py_compile
                with open(py_compile.compile("plain.py"), "r+b") as file:
                    file.truncate(30)
                import plain
            """,
        }
    )

    python, ours = (run([*way, "main.py"], cwd=folder).text for way in (PLAIN, INSTALLED))

    frames = [line for line in python.splitlines(keepends=True) if "<frozen importlib" in line]
    assert frames
    assert "importlib" not in ours
    assert ours == "".join(line for line in python.splitlines(keepends=True) if line not in frames)


def test_only_entrepot_itself_is_added_to_the_modules(draw):
    """The modules that a program finds under an installed System are Python's and entrepot's."""
    folder = draw({"main.py": "import sys\nprint(*sys.modules)\n"})

    python, ours = (set(run([*way, "main.py"], cwd=folder).text.split()) for way in (PLAIN, INSTALLED))

    added = {name for name in ours - python if name.partition(".")[0] != "entrepot"}
    assert added - set(sys.builtin_module_names) == set()
    assert python - ours == set()
