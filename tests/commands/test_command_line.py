"""The command line as a whole: help that is true, completion, pipes, wrong usage."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from both_ways import restore_keys
from entrepot import cli
from entrepot.commands import completion

ROOT = Path(__file__).parents[2]
PARSED = [
    name for name, module in cli.COMMANDS.items() if not hasattr(importlib.import_module(module), "main_argv")
]


def entrepot(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "entrepot", *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]):
    """It ends well, and begins with how the command is used."""
    try:
        status: Any = cli.main([name, "--help"])
    except SystemExit as end:
        status = end.code

    assert status == 0
    assert capsys.readouterr().out.startswith(f"usage: entrepot {name}")


@pytest.mark.parametrize("name", PARSED)
def test_the_examples_of_a_command_are_commands(name: str):
    """What the help says to type is understood by the parser."""
    examples = importlib.import_module(cli.COMMANDS[name]).EXAMPLES
    lines = [line.split("   ")[0].strip() for line in textwrap.dedent(examples).splitlines()]
    commands = [line.split("$(")[-1].split("<(")[-1].rstrip(")") for line in lines if "entrepot " in line]
    parsed = [shlex.split(re.split(r" [>|] ", command)[0]) for command in commands]

    assert parsed
    for command in parsed:
        assert command[0] == "entrepot"
        if command[1] == name:
            cli.make_parser(name).parse_args(command[2:])
        else:
            assert command[1] in cli.COMMANDS


def test_completion_scripts_are_current():
    """They are made from the parsers. When this fails they have been made anew: look at them, commit them."""
    pytest.importorskip("shtab")
    script = ROOT / "tools" / "make_completions.py"
    spec = importlib.util.spec_from_file_location("make_completions", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.main() == 0, "src/entrepot/commands/completions were stale and have been made anew"


BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p entrepot | sed "s/.*-F \\([^ ]*\\).*/\\1/")
$function entrepot "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
echo "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("entrepot ch", "chain check"),
        ("entrepot check --sel", "--select"),
        ("entrepot check --format s", "sarif"),
        ("entrepot watch --on-refusal r", "restart"),
        ("entrepot warm s", "status stop"),
        ("entrepot completion z", "zsh"),
    ],
)
def test_bash_completes(typed: str, offered: str, tmp_path: Path):
    """A shell that has read the script offers commands, options and their values."""
    script = tmp_path / "completion"
    script.write_text(completion.get_script("bash"))
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", str(script), *typed.split(" ")],
        capture_output=True, text=True, timeout=20, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip

    assert done.stdout.split() == offered.split(), done.stderr


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(draw: Callable[..., Path]):
    """`entrepot graph | head -1` says nothing of a broken pipe."""
    folder = draw({f"m{number}.py": "import m0" for number in range(5000)})
    command = f"{shlex.quote(sys.executable)} -m entrepot graph --no-cache | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "141"


def test_what_cannot_be_written_is_said_in_one_line(draw: Callable[..., Path]):
    """A folder that is not there, a full disk: status 1, no traceback."""
    folder = draw({"a.py": ""})
    done = entrepot("graph", "-o", "none/graph.txt", folder=folder)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No such file or directory" in done.stderr

    for place in ("graph -o", "check --write-baseline --baseline"):
        done = entrepot(*place.split(), "/dev/full", folder=folder)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "entrepot: /dev/full: No space left on device\n"

    command = f"{shlex.quote(sys.executable)} -m entrepot graph --no-cache > /dev/full"
    full = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (full.returncode, full.stderr) == (1, "entrepot: standard output: No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize("is_buffered", [True, False])
@pytest.mark.parametrize(
    ("typed", "is_program"),
    [("graph", False), ("--help", False), ("--version", False), ("run --help", False), ("trace a.py", True)],
)
def test_an_output_that_takes_nothing_is_no_traceback(
    typed: str, is_program: bool, is_buffered: bool, draw: Callable[..., Path]
):
    """Closed by the caller: there is nobody to tell. Full, or left by its reader: as it is for other tools."""
    folder = draw({"a.py": ""})
    full = "trace: standard output: No space left on device; nothing was written" if is_program else (
        "standard output: No space left on device"
    )  # fmt: skip
    name = "entrepot " if is_program else "entrepot: "
    for output, status, said in ((">&-", 0, ""), ("> /dev/full", 1, f"{name}{full}\n"), ("| true", 141, "")):
        python = shlex.quote(sys.executable) + ("" if is_buffered else " -u")
        command = f"{python} -m entrepot {typed} {output}; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)

        assert (done.returncode, done.stderr) == (status, said), output


@pytest.mark.slow
def test_an_interruption_ends_a_command_as_other_tools_do(draw: Callable[..., Path]):
    """Status 130 and no traceback, whatever was going on."""
    folder = draw(
        {"waits.py": "import sys, time\nprint('begun', file=sys.stderr, flush=True)\ntime.sleep(60)\n"}
    )
    with subprocess.Popen(
        [sys.executable, "-m", "entrepot", "names", "waits"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=restore_keys,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (130, "", "\n")


@pytest.mark.parametrize(
    "arguments", [["chek"], ["check", "--fromat", "json"], ["graph", "--format", "nope"]]
)
def test_wrong_usage_is_status_2_and_names_the_words(arguments: list[str], tmp_path: Path):
    """The word that was not understood is in the message, on stderr."""
    done = entrepot(*arguments, folder=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert arguments[-1] in done.stderr or arguments[1] in done.stderr


def test_a_folder_that_is_not_there_is_said_in_one_line(tmp_path: Path):
    """No traceback: what, and where."""
    for command in (
        ["graph", "nowhere"],
        ["check", "nowhere"],
        ["expand", "nowhere"],
        ["join", "nowhere.py", "-o", "x"],
    ):
        done = entrepot(*command, folder=tmp_path)

        assert done.returncode in (1, 2), command
        assert "nowhere" in done.stderr, command
        assert "Traceback" not in done.stderr, command
