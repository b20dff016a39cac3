"""The scenarios of importing in this folder's pages: CPython, entrepot and the page must agree.

README.md beside this file says how a page is written.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from both_ways import INSTALLED, PLAIN, Outcome, run
from markdown_blocks import Block, parse_blocks

HERE = Path(__file__).parent
PAGES = sorted(path for path in HERE.glob("*.md") if path.name != "README.md")
UNDERLINE = re.compile(r"^\s+[~^]+[~^ ]*$\n?", re.MULTILINE)
# Frames of the import system itself, where CPython leaves them in: they name its functions, lines and file.
INNER = re.compile(r'^  File "<frozen (importlib\.\w+|zipimport)>".*\n', re.MULTILINE)
VERSION = re.compile(r"On 3\.(\d+)(\+?):")
COMMAND = re.compile(r"^Run: `python (.+)`$", re.MULTILINE)


@dataclass
class Scenario:
    """One program of a page."""

    name: str
    options: list[str] = field(default_factory=list)  # of the interpreter
    script: list[str] = field(default_factory=lambda: ["main.py"])  # and its arguments
    files: dict[str, str] = field(default_factory=dict)
    expected: list[Block] = field(default_factory=list)


def read_scenarios(path: Path) -> list[Scenario]:
    """Return the programs of a page: one for each second-level heading."""
    text = path.read_text(encoding="utf-8")
    scenarios: dict[str, Scenario] = {}
    for block in parse_blocks(text):
        scenario = scenarios.setdefault(block.heading, Scenario(block.heading))
        if block.title:
            scenario.files[block.title] = block.text
        elif block.language == "text":
            scenario.expected.append(block)
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if command := COMMAND.search(section):
            scenario = scenarios[section.splitlines()[0].strip()]
            words = shlex.split(command[1])
            first = next(i for i, word in enumerate(words) if word == "-c" or word.endswith(".py"))
            scenario.options, scenario.script = words[:first], words[first:]
    return list(scenarios.values())


def find_expected(scenario: Scenario) -> Block:
    """Return the block that holds for this version of Python: the last one that says so."""
    found = None
    for block in scenario.expected:
        version = VERSION.search(block.before)
        here = sys.version_info.minor
        if version is None or here == int(version[1]) or (version[2] and here > int(version[1])):
            found = block
    assert found, f"{scenario.name}: the page does not say what comes out"
    return found


def write_files(scenario: Scenario, folder: Path) -> None:
    """Lay a program out."""
    for name, text in scenario.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def run_scenario(scenario: Scenario, folder: Path, way: tuple[str, ...] = PLAIN) -> Outcome:
    """Run a program that has been laid out."""
    python, *rest = way
    return run([python, *scenario.options, *rest, *scenario.script], cwd=folder)


def without_inner_frames(text: str) -> str:
    """Return a traceback without the frames of the import system, which are not the same in both runs."""
    return INNER.sub("", text)


def show(outcome: Outcome, folder: Path) -> str:
    """Return what came out as a page shows it."""
    text = UNDERLINE.sub("", without_inner_frames(outcome.text))
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    if outcome.status not in (0, 1):
        text += f"exit status {outcome.status}\n"
    return text


SCENARIOS = [(path.stem, scenario) for path in PAGES for scenario in read_scenarios(path)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario", [s for _, s in SCENARIOS], ids=[f"{page}: {s.name}" for page, s in SCENARIOS]
)
def test_program_imports_as_in_cpython(scenario: Scenario, tmp_path: Path):
    """A program comes out the same under CPython and an installed System, and as its page says."""
    plain, installed = tmp_path / "a" / "program", tmp_path / "b" / "program"
    for folder in (plain, installed):
        folder.mkdir(parents=True)
        write_files(scenario, folder)

    by_python = run_scenario(scenario, plain)
    by_entrepot = run_scenario(scenario, installed, INSTALLED)

    ours = without_inner_frames(by_entrepot.text).replace(str(installed), str(plain))
    assert ours == without_inner_frames(by_python.text)
    assert by_entrepot.status == by_python.status
    assert show(by_python, plain) == find_expected(scenario).text


def test_there_are_scenarios_of_everything():
    """The pages are found, their programs have names of their own."""
    names = [f"{page}: {scenario.name}" for page, scenario in SCENARIOS]

    assert len(names) >= 60
    assert len(names) == len(set(names))


def rewrite_pages() -> None:
    """Put what plain Python prints now into the blocks that hold for this version."""
    for path in PAGES:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        # From the end, so that the line numbers of the blocks above stay right.
        for scenario in reversed(read_scenarios(path)):
            with tempfile.TemporaryDirectory() as root:
                folder = Path(root, "program")
                folder.mkdir()
                write_files(scenario, folder)
                shown = show(run_scenario(scenario, folder), folder)
            block = find_expected(scenario)
            if shown != block.text:
                print(f"{path.name}:{block.line}: {scenario.name}")
                lines[block.line : block.line + block.text.count("\n")] = [shown]
        path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    rewrite_pages()
