"""Fixtures for what the warm store knows: a small warm interpreter that forks."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from warm_place import Place

_PATH = Path(__file__).with_name("forked.py")


def load_forked() -> Any:
    """Return the module beside this file (tests are not a package)."""
    name = "entrepot_tests_forked"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _PATH)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A program and an empty store; no keeper is left."""
    place = Place(tmp_path)
    yield place
    place.stop()


@pytest.fixture(scope="session")
def observer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The observer's native half, compiled."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        if os.environ.get("ENTREPOT_REQUIRE_ALL"):
            pytest.fail("a C compiler is required in CI and was not found")
        pytest.skip("a C compiler not found")
    return str(load_forked().build_observer(str(tmp_path_factory.mktemp("observe"))))


@pytest.fixture
def warm(draw: Callable[..., Path], observer: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Give a warm program drawn as files: `warm({"main.py": ..., ...})`. Files older than a tick."""
    made: list[Any] = []

    def make(files: dict[str, str | bytes], env: dict[str, str] | None = None, cwd: str = "") -> Any:
        root = draw(files, "program")
        for path in [root, *root.rglob("*")]:
            os.utime(path, (1_600_000_000, 1_600_000_000))
        folder = tmp_path / f"out{len(made)}"
        folder.mkdir()
        base = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
        program = load_forked().Warm(
            str(root / "main.py"), observer, str(folder), env={**base, **(env or {})}, cwd=cwd or str(root)
        )
        made.append(program)
        return program

    yield make
    for program in made:
        program.close()
