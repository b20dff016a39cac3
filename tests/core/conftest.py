"""A program drawn as text, and an importer over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core.modules import Importer
from own_importer import make_importer


@pytest.fixture
def program(draw: Callable[..., Path]) -> Callable[[dict[str, Any]], Importer]:
    """Return an importer over the folder of a program drawn as a mapping of file names to texts."""
    return lambda files: make_importer(draw(files))
