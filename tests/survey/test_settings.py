"""`[tool.entrepot]`: what it may say, and what is said of anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.survey.settings import SettingsError, read_settings


def test_settings_are_read(draw: Callable[..., Path]):
    """As they stand, other tools' tables left alone."""
    folder = draw(
        {
            "pyproject.toml": """
        [tool.other]
        check = 1
        [tool.entrepot.check]
        select = ["EP1"]
        [[tool.entrepot.check.suppress]]
        path = "old/**"
        codes = ["EP201"]
        reason = "goes away"
        [[tool.entrepot.contracts]]
        type = "layers"
        layers = ["a", "b"]
    """
        }
    )

    settings = read_settings(str(folder))

    assert settings["check"]["select"] == ["EP1"]
    assert settings["check"]["suppress"][0]["reason"] == "goes away"
    assert settings["contracts"][0]["layers"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[tool.entrepot.chek]\nselect = []", 1, "did you mean check?"),
        ("[tool.entrepot.check]\n\nselekt = []", 3, "did you mean select?"),
        ("[tool.entrepot]\nentirely = 'else'", 2, "there are: check, contracts"),
        ("[tool.entrepot.check]\nselect = 'EP1'", 2, "must be a list of strings, not 'EP1'"),
        ("[tool.entrepot.check]\n# here\nbaseline = 3", 3, "must be a string, not 3"),
        ("[tool.entrepot]\ncontracts = 3", 2, "must be a list of tables"),
        ("[[tool.entrepot.check.suppress]]\npath = 'a'\ncodes = ['EP1']", 1, "reason is missing"),
        (
            "[[tool.entrepot.check.suppress]]\npath = 'a'\ncodes = ['EP1']\nreason = 'r'\n"
            "[[tool.entrepot.check.suppress]]\npath = 'a'\ncodes = 'EP1'\nreason = 'r'",
            7,
            "must be a list of strings",
        ),
        ("[tool]\nentrepot = 3", 0, "must be a table"),
        ("[tool.entrepot.check\nselect = []", 1, "line 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, said: str, draw: Callable[..., Path]):
    """The place, what is wrong with it, and the nearest name that there is."""
    folder = draw({"pyproject.toml": text})

    with pytest.raises(SettingsError) as caught:
        read_settings(str(folder))

    assert caught.value.line == line
    assert said in str(caught.value)
    assert str(folder / "pyproject.toml") in str(caught.value)


def test_there_may_be_no_settings(tmp_path: Path):
    """No file, or a file without the table."""
    assert read_settings(str(tmp_path)) == {}
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert read_settings(str(tmp_path)) == {}
