"""The example programs that come with entrepot, to begin with in an empty folder.

There is one copy of them: `examples/` of the repository, which a wheel holds as `entrepot/studio/examples/`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from entrepot.errors import ProgramError


@dataclass(frozen=True, slots=True)
class Example:
    """A program to begin with. folder: in the examples; entry: what Run runs; first: the file to open."""

    key: str
    title: str
    about: str
    folder: str
    entry: str
    first: str


EXAMPLES = (
    Example("arcade", "Arcade, in one file", "Scores and prizes in one main.py: the program to split.", "arcade/1_one_file",
            "main.py", "main.py"),
    Example("broken", "Arcade, with a mistake", "Split into modules, and a name is not found. Find out why.",
            "arcade/2_name_error", "main.py", "main.py"),
    Example("modules", "Arcade, in modules", "The same in three files that import each other.", "arcade/3_modules",
            "main.py", "main.py"),
    Example("same", "Two of one name", "Both modules have a function of the same name.", "arcade/4_same_names", "main.py",
            "main.py"),
    Example("game", "A game", "Two modules that draw a game of ball in the terminal.", "mygame", "game.py", "game.py"),
    Example("package", "A package", "The game as a package, run with -m.", "mygame/package", "-m mygame", "tour.py"),
)  # fmt: skip


class ExampleError(ProgramError):
    """An example cannot be put into a folder. Field: `reason`."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def find_folder() -> str | None:
    """Return where the examples lie, or None where this installation has none."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = (os.path.join(here, "examples"), os.path.join(here, "..", "..", "..", "examples"))
    return next((os.path.normpath(p) for p in places if os.path.isdir(os.path.join(p, "arcade"))), None)


def copy_example(example: Example, target: str) -> list[str]:
    """Copy an example into a folder and return its files. Raises ExampleError rather than replace anything."""
    folder = find_folder()
    if folder is None:
        raise ExampleError(reason="the examples are not part of this installation")
    source = os.path.join(folder, *example.folder.split("/"))
    # The package lies beside the two modules that it is made of.
    without = {"__pycache__", *(["package"] if example.key == "game" else [])}
    names = []
    for around, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name not in without)
        names += [os.path.relpath(os.path.join(around, name), source) for name in sorted(files)]
    taken = [name for name in names if os.path.lexists(os.path.join(target, name))]
    if taken:
        raise ExampleError(reason=f"{taken[0]} is there already: an example replaces nothing")
    for name in names:
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        shutil.copyfile(os.path.join(source, name), os.path.join(target, name))
    return names
