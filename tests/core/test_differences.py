"""Each entry of docs/differences.md has its test here, or the page names where else."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import pytest

import entrepot
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
    assert page.count("\n## ") == len(re.findall(r"^\*Tests?:\*", page, flags=re.MULTILINE))


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

    # From 3.13 on the interpreter loads linecache for -c, by which the System is installed here.
    added = {name for name in ours - python if name.partition(".")[0] not in ("entrepot", "linecache")}
    assert added - set(sys.builtin_module_names) == set()
    assert python - ours == set()


def test_warnings_about_a_program_name_its_own_line(draw):
    """A module that warns its importer, and a package that contradicts itself, are reported as by Python."""
    folder = draw(
        {
            "main.py": "import old\nimport p.m\n",
            "old.py": "import warnings\nwarnings.warn('old is old', DeprecationWarning, stacklevel=2)\n",
            "p/__init__.py": "",
            "p/m.py": "__package__ = 'q'\nimport q\nfrom . import x\n",
            "q/__init__.py": "x = 1\n",
        }
    )

    python, ours = (
        run([way[0], "-Walways", *way[1:], "main.py"], cwd=folder).text for way in (PLAIN, INSTALLED)
    )

    assert "main.py:1: DeprecationWarning: old is old" in python
    assert "m.py:3: " in python
    assert ours == python


def test_a_namespace_package_of_a_system_is_shown_by_its_loader(draw):
    """The host's repr and pickle know importlib's classes only."""
    system = entrepot.System(path=[str(draw({"n/m.py": "class C: pass\n"}))])
    package, module = system.import_module("n"), system.import_module("n.m")

    assert "NamespaceLoader object at" in repr(package)
    with pytest.raises(pickle.PicklingError, match="not the same object"):
        pickle.dumps(module.__spec__)
    assert pickle.loads(pickle.dumps(module.C)) is module.C
