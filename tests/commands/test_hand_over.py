"""`python -m entrepot run` becomes the program: what it hands over to, and what it says where there is nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from entrepot.cli import main
from entrepot.commands import run


class HandedOver(Exception):
    """Instead of the process becoming another."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What the process would have become: program and arguments."""
    found: list[tuple[str, list[str]]] = []

    def note(program: str, arguments: list[str], environment: dict[bytes, bytes]) -> None:
        assert environment.items() <= os.environb.items()
        found.append((program, arguments))
        raise HandedOver

    monkeypatch.setattr(os, "execve", note)
    return found


@pytest.mark.parametrize(
    ("typed", "python", "own", "rest"),
    [
        ("main.py --cold", sys.executable, [], ["main.py", "--cold"]),
        ("--cold -O -m shop", sys.executable, ["--cold"], ["-O", "-m", "shop"]),
        ("--why=json --python=/opt/python main.py", "/opt/python", ["--why=json"], ["main.py"]),
        ("--why --python /opt/python --cold -", "/opt/python", ["--cold", "--why"], ["-"]),
        ("", sys.executable, [], []),
    ],
)
def test_our_options_are_handed_on_and_the_programs_left_alone(
    typed: str, python: str, own: list[str], rest: list[str], started: list[tuple[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    """To the native client all of them, as it knows them; to an interpreter the program's only."""
    monkeypatch.setattr(run, "find_native", lambda: "/opt/client")
    with pytest.raises(HandedOver):
        main(["run", *typed.split()])
    beside = str(Path(sys.executable).with_name("entrepot"))
    assert started.pop() == ("/opt/client", [beside, "run", "--python", python, *own, *rest])

    monkeypatch.setattr(run, "find_native", lambda: None)
    monkeypatch.setattr(sys, "stdout", None)  # closed by the caller: it is the program's so
    with pytest.raises(HandedOver):
        main(["run", *typed.split()])
    assert started.pop() == (python, [python, *rest])


@pytest.mark.parametrize("kind", ["nothing", "a folder", "no program"])
def test_an_interpreter_that_is_none_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Where the native client is not there to say it."""
    monkeypatch.setattr(run, "find_native", lambda: None)
    python = tmp_path / "python"
    if kind == "a folder":
        python.mkdir()
    elif kind == "no program":
        python.write_text("")

    assert main(["run", "--python", str(python), "main.py"]) == 1
    assert capsys.readouterr().err == (
        f"entrepot: there is no interpreter at {python}\n  to choose another:  entrepot run --python PATH ...\n"
    )
