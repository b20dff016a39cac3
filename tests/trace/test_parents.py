"""A package that is imported on behalf of a module in it comes before that module, not inside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.trace import record

pytestmark = pytest.mark.slow


def test_a_package_stands_before_the_module_that_was_asked_for(draw: Callable[..., Path]):
    """`import pack.inner.part` initialises pack, pack.inner and pack.inner.part, side by side and in this order."""
    root = draw({"main.py": "import pack.inner.part\n", "pack/__init__.py": "import colorsys\n",
                 "pack/inner/__init__.py": "", "pack/inner/part.py": ""})  # fmt: skip
    made = record("main.py", cwd=root).record

    found = [(module.name, module.parent, module.depth) for module in made.modules]
    assert found == [
        ("pack", "", 0), ("colorsys", "pack", 1), ("pack.inner", "", 0), ("pack.inner.part", "", 0),
    ]  # fmt: skip
    assert made.statements[0].modules == ("pack", "pack.inner", "pack.inner.part")


def test_a_module_that_its_package_imports_is_there_once(draw: Callable[..., Path]):
    """Asking for pack.part runs pack first; when that imports part itself, part is initialised there, and once."""
    root = draw({"main.py": "import pack.part\n", "pack/__init__.py": "from pack import part\n",
                 "pack/part.py": "import colorsys\n"})  # fmt: skip
    made = record("main.py", cwd=root).record

    assert [(module.name, module.parent) for module in made.modules] == [
        ("pack", ""), ("pack.part", "pack"), ("colorsys", "pack.part"),
    ]  # fmt: skip
    assert made.find_parents() == [-1, 0, 1]


def test_own_times_add_up_to_the_whole(draw: Callable[..., Path]):
    """The own times of all modules are the times of those that the program itself imports."""
    made = record("-c", "import email.mime.text, asyncio", cwd=draw({})).record

    whole = sum(module.wall_s for module in made.modules if not module.parent)
    assert sum(module.own_wall_s for module in made.modules) == pytest.approx(whole, rel=1e-6)
