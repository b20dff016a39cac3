"""What `python -v` says while importing."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from entrepot.core import verbose


@pytest.mark.parametrize(
    ("level", "printed"),
    [(0, ""), (1, "# found m\nimport 'm'\n"), (2, "# found m\nimport 'm'\n# trying m.py\n")],
)
def test_messages_are_printed_at_their_level(
    level: int, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """As comments, but for the imports themselves; `-vv` says what was tried."""
    monkeypatch.setattr(
        verbose, "sys", SimpleNamespace(flags=SimpleNamespace(verbose=level), stderr=sys.stderr)
    )

    verbose.say("found {}", "m")
    verbose.say("import {!r}", "m")
    verbose.say("trying {}", "m.py", level=2)

    assert capsys.readouterr().err == printed
