"""README and docs say what is so: their sessions are run, and docs/cli.md is made from the parsers.

What a code block's language means here:

    console                 a shell session: each line after `$ ` is run, what follows must come out;
                            `...` stands for anything. Blocks of a page run in order in one folder, a copy of
                            the repository's examples lies there as `examples`
    pycon                   a session of the interpreter, checked as doctest does
    python title="x.py"     a file, written into that folder
    python                  a program that must run without an exception
    anything else           is not run: a fragment of Python says `py`, a command to type `sh`
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import sys
import textwrap
from pathlib import Path

import pytest

from both_ways import run
from entrepot import cli
from markdown_blocks import Block, parse_blocks

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNNABLE = ("console", "pycon", "python")
DOCTEST = """
import doctest, sys
text = open(sys.argv[1], encoding="utf-8").read()
test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, "page", None, None)
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed > 0)
"""


def get_blocks(page: Path) -> list[Block]:
    return [block for block in parse_blocks(page.read_text(encoding="utf-8")) if block.language in RUNNABLE]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a page's blocks run."""
    shutil.copytree(
        ROOT / "examples", tmp_path / "page" / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "page"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if get_blocks(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_code_on_the_page_does_what_the_page_says(page: Path, folder: Path, tmp_path: Path):
    """Every session on a page comes out as printed, every program on it runs."""
    env = {
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "ENTREPOT_WARM": "0",
        "COLUMNS": "80",
        "TERM": "dumb",
        "NO_COLOR": "1",
    }
    for name in ("home", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    for block in get_blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "console":
            for command, expected, shown in run_session(block.text, folder, env):
                assert matches(shown, expected), f"{where}: $ {command}\n{shown}"
        elif block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, encoding="utf-8")
        else:
            script = folder / "block.py"
            script.write_text(block.text, encoding="utf-8")
            program = ["-c", DOCTEST, "block.py"] if block.language == "pycon" else ["block.py"]
            outcome = run([sys.executable, *program], cwd=folder, env=env)
            script.unlink()
            assert outcome.status == 0, f"{where}\n{outcome.text}"


def run_session(text: str, folder: Path, env: dict[str, str]) -> list[tuple[str, str, str]]:
    """Run the commands of a session in one shell; returns each with what should and what did come out."""
    parts = [part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    assert parts, "a console block begins with `$ `"
    script = "exec 2>&1\n" + "".join(f"printf '\\036'\n{command}\n" for command, _, _ in parts)
    shown = run(["bash", "-c", script], cwd=folder, env=env).text.split("\x1e")[1:]
    shown += ["(not reached)"] * (len(parts) - len(shown))
    return [(command, expected, out) for (command, _, expected), out in zip(parts, shown, strict=True)]


def matches(shown: str, expected: str) -> bool:
    """Say whether what came out is what was printed, where `...` stands for anything."""
    pattern = re.escape(expected.strip()).replace(r"\.\.\.", ".*?")
    return re.fullmatch(pattern, shown.strip(), flags=re.DOTALL) is not None


def test_dots_stand_for_anything_and_nothing_else_does():
    """The comparison is literal but for `...`."""
    assert matches("took 12 ms, a.b\n", "took ... ms, a.b")
    assert not matches("took 12 ms, axb", "took ... ms, a.b")
    assert not matches("one\ntwo", "one")


def test_page_of_the_commands_is_current():
    """docs/cli.md is made from the parsers. When this fails it has been rewritten: look at it, commit it."""
    page = ROOT / "docs" / "cli.md"
    wanted = make_cli_page()
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    if before != wanted:
        page.write_text(wanted, encoding="utf-8")
    assert before == wanted, "docs/cli.md was stale and has been rewritten"


def make_cli_page() -> str:
    """Return docs/cli.md, the same on every version of Python: nothing of argparse's own layout is in it."""
    lines = ["# Commands", "", "<!-- Made from the parsers by tests/test_docs.py; edits are lost. -->", ""]
    lines += [
        "    entrepot COMMAND ...",
        "",
        "Exit status: 0 fine, 1 findings or a refusal, 2 wrong usage.",
        "",
    ]
    for name, module_name in cli.COMMANDS.items():
        command = importlib.import_module(module_name)
        lines += [f"## entrepot {name}", "", command.SUMMARY[0].upper() + command.SUMMARY[1:] + ".", ""]
        if hasattr(command, "main_argv"):
            lines += ["```text", command.HELP.rstrip(), "```", ""]
        else:
            lines += ["```text", textwrap.dedent(command.EXAMPLES).rstrip(), "```", ""]
            lines += make_option_table(cli.make_parser(name))
    return "\n".join(lines)


def make_option_table(parser: argparse.ArgumentParser) -> list[str]:
    """Return a Markdown table of a parser's arguments, and one for each of its own commands."""
    rows: list[str] = []
    below: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                about = next((item.help for item in action._choices_actions if item.dest == name), None)
                below += [f"### {parser.prog} {name}", "", about or "", "", *make_option_table(child)]
        elif not isinstance(action, argparse._HelpAction) and action.help is not argparse.SUPPRESS:
            about = (action.help or "") % {**vars(action), "prog": parser.prog}
            rows.append(f"| `{escape(name_argument(action))}` | {escape(about)} |")
    table = ["| argument | |", "| --- | --- |", *rows, ""] if rows else []
    return table + below


def name_argument(action: argparse.Action) -> str:
    """Return an argument as it is typed: `--format text|json`."""
    metavar = action.metavar or "|".join(map(str, action.choices or [])) or action.dest.upper()
    if isinstance(metavar, tuple):
        metavar = " ".join(metavar)
    takes = "" if action.nargs == 0 else f" {metavar}"
    return ", ".join(action.option_strings) + takes if action.option_strings else metavar


def escape(text: str) -> str:
    """Return a text as it may stand in a cell."""
    return text.replace("|", "\\|")


def test_pages_link_to_pages_that_are_there():
    """No link of README or docs leads to a file that does not exist."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_steps_of_importing_have_the_names_of_their_functions():
    """docs/how-import-works.md names a function and its file for each step: core has that function there."""
    page = (ROOT / "docs" / "how-import-works.md").read_text(encoding="utf-8")
    steps = re.findall(r"`(\w+)`\s\(`(\w+\.py)`\)", page)

    assert len(steps) >= 15
    for function, file in steps:
        source = (ROOT / "src" / "entrepot" / "core" / file).read_text(encoding="utf-8")
        assert re.search(rf"^ *def {function}\(", source, flags=re.MULTILINE), f"{file} has no {function}"
