"""What the studio's tests in a browser share."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def home(tmp_path):
    """Where a studio remembers things."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def arcade(tmp_path):
    """The arcade example in three modules."""
    folder = tmp_path / "arcade"
    shutil.copytree(EXAMPLES / "arcade" / "3_modules", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def browser(need):
    """A browser that reaches nothing but this machine."""
    need(shutil.which("chromium") is not None, "chromium")
    from browser import Browser

    with Browser() as opened:
        yield opened
        # A page that outlives its server says so.
        late = ("ERR_CONNECTION_RE", "WebSocket is already in CLOSING or CLOSED state")
        assert [said for said in opened.errors() if not any(word in said for word in late)] == []
