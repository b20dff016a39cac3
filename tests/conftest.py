"""What all tests share: `--run-slow`, how a missing tool is treated, and a program drawn as text."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow too")


# Fixtures and files of the tests that act on a screen.
SCREEN_FIXTURES = {"browser", "shell"}
SCREEN_FILES = {"test_run_terminal.py", "test_progress.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SCREEN_FILES or SCREEN_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.screen)
    if config.getoption("--run-slow"):
        return
    skip = pytest.mark.skip(reason="slow: --run-slow runs it")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture
def need() -> Callable[[object, str], None]:
    """Skip where something is absent, except in CI: there nothing may skip silently.

    `need(shutil.which("tmux"), "tmux")` returns when the first argument is true.
    """

    def check(present: object, what: str) -> None:
        if present:
            return
        if os.environ.get("ENTREPOT_REQUIRE_ALL"):
            pytest.fail(f"{what} is required in CI and was not found")
        pytest.skip(f"{what} not found")

    return check


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., Path]:
    """Write a program drawn as a mapping of file names to texts; returns its folder.

    `draw({"main.py": "import a", "a.py": "x = 1"})`. Texts are dedented; bytes are written as they are.
    """

    def write(files: dict[str, str | bytes], folder: str = ".") -> Path:
        root = tmp_path / folder
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return root

    return write
