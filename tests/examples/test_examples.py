"""The programs of examples/: each prints the same under python and under entrepot, and what its page says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from both_ways import ENTREPOT, INSTALLED, PLAIN, run

EXAMPLES = Path(__file__).parents[2] / "examples"

# Folder, what follows `python`, the lines that it must print (in this order, others between), exit status.
PRINTS = "arcade/5_prints_when_imported"
PROGRAMS = [
    ("arcade/1_one_file", ["main.py"], ["Linus leads with 5490 points: 274 tickets"], 0),
    ("arcade/2_name_error", ["main.py"], ["the arcade opens", "name 'add_score' is not defined"], 1),
    ("arcade/3_modules", ["main.py"], ["Linus leads with 5490 points: 274 tickets"], 0),
    (
        "arcade/4_same_names",
        ["main.py"],
        ["arcade.report():    2 players", "it comes from:      inventory"],
        0,
    ),
    (PRINTS, ["main.py"], ["counting prizes...", "main begins", "main ends"], 0),
    (PRINTS, ["inventory.py"], ["counting prizes...", "checking the inventory by itself"], 0),
    ("mygame", ["game.py", "--watch"], ["5 : 3 after 407 ticks"], 0),
    ("mygame/package", ["-m", "mygame", "--watch"], ["5 : 3 after 407 ticks"], 0),
    ("mygame/package", ["tour.py"], ["star brought: ['Game', 'draw_game', 'mygame', 'play', 'watch']"], 0),
    ("shared_data", ["main.py"], ["cheapest silk: (113, 'silk 15837')", "one object: True", "made once"], 0),
]
IDS = ["/".join([folder, *arguments]) for folder, arguments, _, _ in PROGRAMS]


@pytest.fixture
def folder_of(tmp_path: Path):
    """A copy of an example, so that no bytecode is left in the repository."""

    def copy(folder: str) -> Path:
        return Path(shutil.copytree(EXAMPLES / folder, tmp_path / folder))

    return copy


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "arguments", "lines", "status"), PROGRAMS, ids=IDS)
def test_example_runs_the_same_everywhere(folder_of, folder, arguments, lines, status):
    """An example ends alike under python, `entrepot run`, and an installed System."""
    cwd = folder_of(folder)

    plain = run([*PLAIN, *arguments], cwd=cwd)

    assert plain.status == status, plain.text
    assert [line for line in lines if line in plain.text] == lines
    assert run([*ENTREPOT, *arguments], cwd=cwd) == plain
    if arguments[0] != "-m":
        assert run([*INSTALLED, *arguments], cwd=cwd) == plain


def test_splitting_the_arcade_changes_nothing_it_prints(folder_of):
    """Step 3 of the arcade prints what step 1 printed."""
    one = run([*PLAIN, "main.py"], cwd=folder_of("arcade/1_one_file"))
    split = run([*PLAIN, "main.py"], cwd=folder_of("arcade/3_modules"))

    assert one == split


def test_package_version_of_the_game_differs_in_its_imports_only():
    """The package is the two-module game with relative imports: nobody has to keep two games in step."""
    plain, package = EXAMPLES / "mygame", EXAMPLES / "mygame" / "package" / "mygame"

    def rules(path: Path) -> str:
        code = path.read_text().split('"""', 2)[2]
        return code.split("\n\nif __name__")[0].rstrip().replace("from . import draw", "import draw")

    assert (plain / "draw.py").read_text() == (package / "draw.py").read_text()
    assert rules(plain / "game.py") == rules(package / "game.py")
