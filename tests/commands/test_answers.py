"""What each command answers: every form of output, and what it says instead of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.cli import main

PROGRAM = {
    "main.py": "import shop.cart\n\n\ndef late():\n    import shop.stock\n\n    return shop\n",
    "shop/__init__.py": "",
    "shop/cart.py": "from shop import stock\n\nTOTAL = stock.RATE\n",
    "shop/stock.py": "RATE = 2\n",
    "lone.py": "",
}


@pytest.fixture
def program(draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's folder, the current one."""
    folder = draw({**PROGRAM, "pyproject.toml": ""}, "program")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`ask("chain", "main", "shop")` gives the status, what was answered, and what was said beside it."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(list(words))
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return run


def test_without_a_command_there_is_the_list_of_commands(ask):
    """The same as `--help` gives; it is no mistake, and a line that only seems to name one is."""
    status, out, _ = ask()
    assert status == 0
    assert out == ask("--help")[1]
    assert ask("--")[0] == 2


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("graph --when never,soon", "--when takes eager, guarded"),
        ("graph --when eager --depth 0", "--depth takes a number from 1"),
        ("graph --metrics --format html", "--metrics and --unreached are told as text or json"),
        ("graph --metrics --unreached main", "--unreached: not allowed with argument --metrics"),
        ("chain main shop --when soon", "--when takes eager, guarded"),
        ("chain main shop --limit 0", "--limit takes a number from 1"),
        ("check --select EP1,XX", "--select: XX: no such code"),
        ("check --ignore ep1", "--ignore: ep1: no such code"),
        ("trace --cached=no main.py", "--cached takes no value"),
        ("trace --format=page main.py", "'page' is no format: there are tree, story, json"),
        ("trace --budget soon main.py", "'soon' is not a duration"),
        ("trace --max-modules many main.py", "'many' is not a number"),
        ("run --python", "run: --python needs a value"),
        ("bundle --verify a b c", "--verify takes FILE and perhaps SHA256"),
    ],
)
def test_options_that_make_no_sense_are_status_2(
    ask: Callable[..., tuple[int, str, str]], typed: str, said: str
):
    """Nothing is answered; the option and what it takes are said."""
    status, out, err = ask(*typed.split())

    assert (status, out) == (2, "")
    assert said in err


def test_a_chain_has_its_places_in_text_and_json(ask, program):
    """Several chains stand apart; an import that is not eager is said to be what it is."""
    (program / "main.py").write_text("import shop.cart, lone\nif shop:\n    import b\n")
    (program / "lone.py").write_text("import shop.stock\n")

    assert ask("chain", "main", "shop.stock")[1] == (
        "main\n  -> lone  (main.py:1)\n  -> shop.stock  (lone.py:1)\n\n"
        "main\n  -> shop.cart  (main.py:1)\n  -> shop.stock  (shop/cart.py:1)\n"
    )
    chains = json.loads(ask("chain", "main", "shop.stock", "--format", "json", "--limit", "1")[1])
    assert [(step["imported"], step["path"], step["line"]) for step in chains[0]] == [
        ("lone", str(program / "main.py"), 1),
        ("shop.stock", str(program / "lone.py"), 1),
    ]
    assert ask("chain", "lone", "shop")[1] == "lone\n  -> shop  (lone.py:1, as a parent)\n"
    assert ask("chain", "lone", "main", "--format", "json")[:2] == (1, "[]\n")


def test_what_a_change_can_touch_is_told_for_files_that_are_named(ask, program):
    """A removed file counts as a change; one that is no module of the program is said not to be followed."""
    (program / "notes.txt").write_text("")

    status, out, err = ask("affected", "shop/stock.py", "gone.py", "notes.txt")
    assert (status, out.split()) == (0, ["main", "shop.cart", "shop.stock"])
    assert err.splitlines() == [
        "there is no file gone.py: taken as removed",
        "not followed (no module of the program): notes.txt",
    ]
    found = json.loads(ask("affected", "--format", "json", "shop/stock.py", "notes.txt")[1])
    assert found["changed"] == ["shop.stock"]
    assert found["other"] == [str(program / "notes.txt")]


def test_the_graph_is_told_of_many_broken_files_in_few_lines(ask, program):
    """Twenty places, and how many more there are."""
    for number in range(23):
        (program / f"broken_{number:02}.py").write_text("def (\n")

    status, out, err = ask("graph", "--strict")
    assert status == 0
    assert "shop.cart" in out
    assert err.splitlines()[0] == "broken_00.py:1: syntax error: invalid syntax"
    assert err.splitlines()[20:] == ["... and 3 more problems"]


def test_measures_and_what_nothing_reaches_as_text_and_json(ask, program):
    """The same rows in both forms, and on a line of their own in a file."""
    assert [row.split()[:2] for row in ask("graph", "--metrics")[1].splitlines()[1:]] == [
        ["lone", "1"], ["main", "1"], ["shop", "3"],
    ]  # fmt: skip
    assert json.loads(ask("graph", "--unreached", "shop.cart,main", "--format", "json")[1]) == ["lone"]
    assert ask("graph", "--unreached", "main", "-o", "found.txt")[:2] == (0, "")
    assert (program / "found.txt").read_text() == "lone\n"


def test_checks_can_be_listed_left_out_and_kept_silent(ask, program):
    """`--codes` is a table; `--ignore` leaves a code out; notes for a pull request are nothing where nothing is found."""
    assert ask("check", "--codes")[1].splitlines()[0].startswith("EP001  error")
    (program / "lone.py").write_text("import json\n")
    assert "EP501" in ask("check")[1]
    assert ask("check", "--ignore", "EP5,")[:2] == (0, "All checks passed!\n")
    (program / "lone.py").write_text("")
    assert ask("check", "--format", "github") == (0, "", "")


def test_the_settings_are_those_of_the_repository(ask, draw, monkeypatch):
    """A pyproject.toml above the folder that has `.git` is another project's."""
    ignoring = '[tool.entrepot.check]\nignore = ["EP501"]\n'
    folder = draw({"pyproject.toml": ignoring, "inner/.git/HEAD": "", "inner/sub/lone.py": "import json\n"})
    monkeypatch.chdir(folder / "inner" / "sub")
    assert "EP501" in ask("check")[1]

    (folder / "inner" / "pyproject.toml").write_text(ignoring)
    assert ask("check")[:2] == (0, "All checks passed!\n")


def test_a_suggestion_that_there_is_none(ask, program):
    """`split --suggest` writes nothing, in both forms."""
    assert ask("split", "main.py", "--suggest")[:2] == (
        0,
        "main.py is best left whole: no group of names can be taken out of it\n",
    )
    assert json.loads(ask("split", "main.py", "--suggest", "--format", "json")[1])["groups"] == []


def test_an_edit_is_shown_made_and_taken_back(ask, program):
    """A dry run is a difference and changes nothing; JSON says the same; `undo --list` names what `undo` takes back."""
    move = ("move", "shop.stock:RATE", "shop.rates")
    before = {path: path.read_bytes() for path in program.rglob("*.py")}

    status, out, _ = ask(*move, "--dry-run")
    assert status == 0
    assert "+++ b/shop/rates.py" in out
    told = json.loads(ask(*move, "--dry-run", "--format", "json")[1])
    assert (told["applied"], told["diff"]) == (False, out)
    assert {path: path.read_bytes() for path in program.rglob("*.py")} == before
    assert ask("undo", "--list")[:2] == (0, "nothing to undo\n")

    told = json.loads(ask(*move, "--format", "json")[1])
    assert told["applied"]
    assert {"path": "shop/rates.py", "before": False, "after": True} in told["files"]
    assert (program / "shop/rates.py").read_text() == "RATE = 2\n"
    listed = ask("undo", "--list")[1]
    assert listed == told["title"] + "\n"
    assert ask("undo")[:2] == (0, f"undone: {listed}")
    assert {path: path.read_bytes() for path in program.rglob("*.py")} == before

    assert ask("expand", "main.py")[:2] == (0, "nothing to change\n")
    assert json.loads(ask("expand", "main.py", "--format", "json")[1])["applied"] is False
    status, _, err = ask("move", "shop.stock", "shop.rates")
    assert status == 1
    assert "shop.stock: write MODULE:NAME,NAME" in err


def test_a_name_is_followed_in_json_and_a_namespace_listed_in_text(ask):
    """The steps are the same in both forms; names that begin with an underscore are listed when asked for."""
    steps = json.loads(ask("names", "json.decoder.JSONDecoder", "--format", "json")[1])
    assert [step["name"] for step in steps] == ["json", "decoder", "JSONDecoder"]

    shown = ask("names", "json")[1]
    assert "  dumps" in shown
    assert "_default_encoder" not in shown
    assert "_default_encoder" in ask("names", "json", "--private")[1]


def test_a_module_that_ends_the_program_is_said_to(ask, program, monkeypatch):
    """`sys.exit` at the top of a script that was meant to be run: an answer, not silence."""
    monkeypatch.syspath_prepend(program)
    (program / "ends_at_import.py").write_text("import sys\nsys.exit(0)\n")

    status, out, err = ask("names", "ends_at_import")
    assert (status, out) == (1, "")
    assert "ends_at_import cannot be imported: SystemExit: 0" in err
    assert "ends_at_import.py:2" in err


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("pass", 0, ""),
        ("raise LookupError('x')", 1, "\nentrepot: nothing to add to this LookupError.\n"),
        ("print(lonely)", 1, "\nentrepot: lonely.py:1: there is no 'lonely' here"),
    ],
)
def test_an_error_of_which_there_is_nothing_to_say(ask, program, text, status, said):
    """`explain` does not keep silent about what it has looked at, and says nothing of what is well."""
    (program / "lonely.py").write_text(text + "\n")

    answered = ask("explain", "lonely.py")
    assert answered[:2] == (status, "")
    assert answered[2].startswith(said) if said else answered[2] == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_each_shell_is_printed(ask, shell):
    """It names the commands."""
    status, out, _ = ask("completion", shell)
    assert status == 0
    assert "affected" in out
