"""What all tests share: `--run-slow`, how a missing tool is treated, and a program drawn as text."""

from __future__ import annotations

import faulthandler
import os
import tempfile
import textwrap
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Tests are of the same runs everywhere: with CI set they are cold, and these two change how Python writes.
for name in ("CI", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
    os.environ.pop(name, None)

# Once a test is over its time limit, how long it has to clean up. Then its process says where every thread stands and
# ends: pytest-timeout stops what a test does once, and nothing would stop a clean-up that waits for ever.
CLEAN_UP_S = 120
# Standard error as it was before a test's was captured.
STDERR = pytest.StashKey[int]()
# What tests would leave in the home directory of whoever runs them: it is gone when they end.
REMAINS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


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


def pytest_configure(config: pytest.Config) -> None:
    remains = config.stash[REMAINS] = tempfile.TemporaryDirectory(
        prefix="entrepot-tests-", ignore_cleanup_errors=True
    )
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    # What pip has fetched before stays of use.
    os.environ.setdefault("PIP_CACHE_DIR", os.path.expanduser("~/.cache/pip"))
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        os.environ[name] = os.path.join(remains.name, name.lower())
    os.environ["HISTFILE"] = os.devnull  # of a shell in a terminal
    os.environ["IPYTHONDIR"] = os.path.join(remains.name, "ipython")
    capturing = config.pluginmanager.getplugin("capturemanager")
    with capturing.global_and_fixture_disabled():
        config.stash[STDERR] = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[STDERR])
    config.stash[REMAINS].cleanup()


@contextmanager
def _ended_in_time(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("timeout")
    limit_s = float(marker.args[0] if marker is not None else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(limit_s + CLEAN_UP_S, exit=True, file=item.config.stash[STDERR])
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """No test hangs for ever: the run goes on without the process that does."""
    with _ended_in_time(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with _ended_in_time(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with _ended_in_time(item):
        return (yield)


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
