"""Everyday mistakes: the message names the place and the way out, the status is not 0, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.commands import why

PROGRAM = {
    "main.py": "import pkg.a\nprint(pkg.a.f())\n",
    "pkg/__init__.py": "",
    "pkg/a.py": "def f(): return 1\n",
    "broken.py": "from pkg import *\ndef broken(:\n",
}
# Arguments, exit status, and what stderr must say.
MISTAKES: list[tuple[str, int, str]] = [
    ("grpah", 2, "did you mean graph?"),
    ("help", 2, "entrepot COMMAND --help"),
    ("trace -o none/x.json --format json main.py", 1, "none/x.json: No such file or directory"),
    ("trace -o pkg main.py", 1, "pkg: Is a directory"),
    ("trace --compare main.py main.py", 1, "main.py: not a record of entrepot trace"),
    ("trace --compare none main.py", 1, "none: No such file or directory\n"),
    ("trace --budget -3 main.py", 2, "is not a duration: try 300ms"),
    ("bundle main.py -o main.py", 1, "main.py: this file is of the program"),
    ("bundle main.py -o pkg/a.py", 1, "pkg/a.py: this file is of the program"),
    ("bundle main.py -o x.pyz --record main.py", 1, "main.py: not a record of entrepot trace"),
    ("bundle main.py", 2, "say with -o FILE"),
    ("bundle -o x.pyz", 2, "give a SCRIPT"),
    ("graph --python none main.py", 1, "none: no interpreter, and no virtual environment"),
    ("chain main pkg.a --python pkg", 1, "pkg: no interpreter, and no virtual environment"),
    ("check --contracts none", 2, "none: --contracts takes a folder"),
    ("check --baseline none.json", 2, "entrepot check --write-baseline"),
    ("affected", 1, "entrepot affected FILE"),
    ("expand broken.py", 1, "broken.py:2: syntax error"),
    ("split main.py", 2, "--to MODULE=NAME"),
    ("watch pkg", 2, "pkg': this is a folder"),
    ("watch none.py", 2, "none.py': No such file or directory"),
    ("watch --on-refusal", 2, "--on-refusal needs a value"),
    ("watch --wrong main.py", 2, "there is no option --wrong"),
    ("watch -m", 2, "what is to be run? give a SCRIPT or -m MODULE"),
    ("watch -c 1", 2, "-c cannot be watched"),
    ("watch --reports none/x main.py", 2, "none/x: No such file or directory"),
    ("explain --wrong main.py", 2, "there is no option --wrong"),
    ("explain --python", 2, "--python needs a value"),
    ("names pkg/a.py", 2, "give its name, as Python imports it:  pkg.a"),
    ("names ..", 2, "is not the dotted name of a module"),
    ("studio main.py", 2, "main.py: this is a file"),
    ("studio --python none", 2, "none: no interpreter"),
]


def entrepot(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return subprocess.run(
        [sys.executable, "-m", "entrepot", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize(("typed", "status", "said"), MISTAKES, ids=[typed for typed, _, _ in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_the_way_out(
    typed: str, status: int, said: str, draw: Callable[..., Path]
):
    """No traceback of our own, and the program's files are as they were."""
    folder = draw(PROGRAM)
    done = entrepot(typed.split(), folder)

    assert said in done.stderr
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert {name: (folder / name).read_text() for name in PROGRAM} == PROGRAM


def test_a_trace_that_cannot_be_written_ends_in_one_line(draw: Callable[..., Path]):
    """The program has run, and a full disk costs only what was to be told of it."""
    folder = draw({"quiet.py": "import json\n"})
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "entrepot", "trace", "quiet.py"],
            cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip

    said = "entrepot trace: standard output: No space left on device; nothing was written\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_what_does_not_compile_is_told_of_a_bundle(draw: Callable[..., Path]):
    """The bundle is made, for the file may be imported only where it can be; the maker is told."""
    folder = draw(PROGRAM)
    done = entrepot(["bundle", "broken.py", "-o", "x.pyz"], folder)

    assert done.returncode == 0
    assert "  broken.py: does not compile here" in done.stdout


def test_a_graph_of_a_script_that_does_not_compile_says_so(draw: Callable[..., Path]):
    """What can be read of it is shown all the same."""
    done = entrepot(["graph", "broken.py"], draw(PROGRAM))

    assert done.stderr == "broken.py:2: syntax error: invalid syntax\n"
    assert done.stdout.startswith("__main__\n")


def test_an_edit_elsewhere_says_how_it_is_taken_back(draw: Callable[..., Path], tmp_path: Path):
    """`entrepot undo` looks around the current folder; where that is another project, the line says so."""
    folder = draw(PROGRAM)
    place = tmp_path / "one place"
    place.mkdir()
    done = entrepot(["join", "main.py", "-o", str(place / "one.py")], folder)

    assert (place / "one.py").exists(), done.stderr
    assert done.stdout.splitlines()[-1] == f"to take it back: entrepot undo --root '{place}'"
    assert entrepot(["undo", "--root", str(place)], folder).returncode == 0
    assert not (place / "one.py").exists()


def test_a_name_that_is_taken_is_refused_with_the_line_that_takes_it(draw: Callable[..., Path]):
    """Which import the new module would hide, and what to do where that is of another program."""
    folder = draw({**PROGRAM, "other/run.py": "import os\nimport tools\n", "main.py": "def f(): return 1\n"})
    done = entrepot(["split", "main.py", "--to", "tools=f"], folder)

    assert done.returncode == 1
    assert "other/run.py:2: another module called tools is imported here" in done.stderr
    assert "--root DIR" in done.stderr


LAYERS = '[[tool.entrepot.contracts]]\nname = "order"\ntype = "layers"\nlayers = ["main", "pkg"]\n'


def test_a_contract_on_the_rest_of_a_project_is_not_judged(draw: Callable[..., Path]):
    """One part of a project can be checked by itself; the whole is still judged."""
    folder = draw({**PROGRAM, "broken.py": "", "pyproject.toml": LAYERS, "pkg/a.py": "import main\n\nmain\n"})
    part = entrepot(["check", "pkg", "--select", "EP8"], folder)
    assert part.returncode == 0
    assert "contract 'order' is not judged: main is of the project and was not read" in part.stderr

    silent = entrepot(["check", "pkg", "--select", "EP1"], folder)
    assert silent.stderr == ""

    whole = entrepot(["check", "--select", "EP8"], folder)
    assert whole.returncode == 1
    assert "EP801 order" in whole.stdout


@pytest.mark.parametrize(
    ("written", "part", "said"),
    [
        (LAYERS.replace('"pkg"', '"pgk"'), ".", "pgk does not exist"),
        (LAYERS.replace('"main"', '"mian"'), "pkg", "mian does not exist"),
        (LAYERS.replace("layers =", "layer ="), "pkg", "a contract of type layers needs layers"),
        (LAYERS.replace('"layers"', '"layrs"'), ".", "there is no type 'layrs'"),
    ],
)
def test_a_contract_with_a_slip_is_refused_with_its_file(
    written: str, part: str, said: str, draw: Callable[..., Path]
):
    """Nothing could ever break such a contract; the file that has it is named, in a part of the project too."""
    folder = draw({**PROGRAM, "pyproject.toml": written})
    done = entrepot(["check", part], folder)

    assert done.returncode == 2
    assert f"{folder}/pyproject.toml: contract 'order': {said}" in done.stderr


def test_what_python_adds_to_its_own_environment_is_no_change(tmp_path: Path):
    """In the C locale Python sets LC_CTYPE for itself (PEP 538): a run would not have it."""
    code = "from entrepot.commands import why; print(sorted(why.find_surroundings((), '/').env))"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "['HOME', 'PATH']\n", done.stderr
    assert why.find_surroundings((), "/").env["PATH"] == os.environ["PATH"]
