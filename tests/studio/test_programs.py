"""Which command runs a program, which programs there are, and what is copied to begin with."""

import ast
import os
import sys
from pathlib import Path

import pytest

from entrepot.studio import examples, programs
from entrepot.studio.examples import EXAMPLES, ExampleError, copy_example, find_folder
from entrepot.studio.programs import (
    BadArgumentsError,
    Order,
    find_python,
    list_entries,
    make_environment,
    parse_arguments,
    plan_command,
    plan_why,
)
from entrepot.studio.run_board import describe_warmth


def test_entries_are_main_first_then_packages_then_scripts():
    """Modules inside of packages are no programs."""
    names = ["b.py", "main.py", "pack/__main__.py", "pack/inner.py", "src/other/__main__.py", "readme.md"]

    assert list_entries(names) == ["main.py", "-m other", "-m pack", "b.py"]


@pytest.mark.parametrize(
    ("entry", "program"),
    [
        ("main.py", ("main.py", "a b")),
        ("-m pack.tool", ("-m", "pack.tool", "a b")),
        ("-c.py", ("./-c.py", "a b")),
    ],
)
def test_an_entry_is_what_stands_behind_python(entry, program):
    """A file whose name looks like an option is none."""
    order = Order("run", entry, parse_arguments("'a b'"), "/tmp/report")

    assert order.program == program
    for kind in ("run", "live", "labels", "steps"):
        command = plan_command(Order(kind, entry, ("a b",), "/tmp/report"), "/usr/bin/python3")
        assert tuple(command[-len(program) :]) == program
        assert "/usr/bin/python3" in command
    assert plan_why(order)[-len(program) :] == list(program)


def test_arguments_that_cannot_be_read_are_refused():
    """With the reason."""
    with pytest.raises(BadArgumentsError, match="quotation"):
        parse_arguments("'a")


def test_a_virtual_environment_around_the_folder_is_used(tmp_path):
    """Else the interpreter that runs the studio."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert find_python(str(tmp_path / "deep")) == sys.executable
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    os.symlink(sys.executable, tmp_path / ".venv" / "bin" / "python")

    assert find_python(str(tmp_path / "deep" / "er")) == str(tmp_path / ".venv" / "bin" / "python")


def test_a_program_gets_the_environment_with_a_terminal():
    """Nothing of the studio's own."""
    env = make_environment({"HOME": "/h", "COLUMNS": "3", "NICEGUI_STORAGE_PATH": "x", "TERM": "dumb"})

    assert env == {"HOME": "/h", "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def test_every_example_can_be_begun_with(tmp_path):
    """The files that it names are there, and a second one replaces nothing."""
    assert find_folder() is not None
    for example in EXAMPLES:
        folder = tmp_path / example.key
        folder.mkdir()
        copy_example(example, str(folder))
        assert (folder / example.first).is_file()
        entries = list_entries(str(p.relative_to(folder)) for p in folder.rglob("*.py"))
        assert example.entry in entries
        (folder / example.first).write_text("mine")
        with pytest.raises(ExampleError):
            copy_example(example, str(folder))
        assert (folder / example.first).read_text() == "mine"


def test_an_installation_without_examples_says_so(tmp_path, monkeypatch):
    """Nothing is made."""
    monkeypatch.setattr(
        examples, "__file__", str(tmp_path / "deep" / "er" / "entrepot" / "studio" / "examples.py")
    )
    with pytest.raises(ExampleError, match="not part of this installation"):
        copy_example(EXAMPLES[0], str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_without_the_native_command_a_program_is_run_by_python(monkeypatch):
    """Cold, and otherwise the same."""
    monkeypatch.setattr(programs, "find_native", lambda: None)
    order = Order("run", "main.py", ("a",), "")
    assert plan_command(order, "/usr/bin/python3") == ["/usr/bin/python3", "main.py", "a"]


def test_the_wheel_brings_the_examples_that_are_offered():
    """What the build adds is what the studio looks for."""
    tree = ast.parse((Path(__file__).parents[2] / "hatch_build.py").read_text())
    (brought,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES"
    ]

    assert {example.folder.partition("/")[0] for example in EXAMPLES} == set(brought)


def test_warmth_is_said_in_a_few_words():
    """From what `entrepot why --format json` gives."""
    assert (
        describe_warmth({"state": "warm", "reused": 1731, "saved_s": 1.26})
        == "warm: 1,731 modules reused, 1.3 s saved"
    )
    assert describe_warmth({"state": "base", "reused": 1}) == "warm: 1 module reused"
    assert describe_warmth({"state": "warm", "reused": 0}) == "warm"
    assert describe_warmth({"state": "cold", "reused": 0}) == "cold start"
    assert describe_warmth({"state": "unknown"}) == ""
