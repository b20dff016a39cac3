"""Who would be affected by a change: the modules that reach it, and the tests among them.

A changed file affects its module and all that import it, at any time and through parents. A file
that was removed affects those whose imports no longer lead anywhere. A `conftest.py` affects the tests of its
folder and below, for pytest loads it without an import. Files that are no modules are told, not followed.
Which files are tests is what pytest's settings say (see `test_files`).
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from entrepot.errors import SetupError
from entrepot.program.conditions import AT_RUN
from entrepot.program.graph import find_reached, invert
from entrepot.program.model import Program
from entrepot.survey.test_files import read_test_files


class GitError(SetupError):
    """Git could not say what changed. Fields: `folder`, `reason`."""

    folder: str
    reason: str

    def __str__(self) -> str:
        way_out = "to name the changed files yourself:  entrepot affected FILE ..."
        return f"git cannot tell what changed in {self.folder}: {self.reason}\n  {way_out}"


@dataclass(frozen=True)
class Affected:
    """modules: names, sorted. tests: paths of the test files among them. other: files not followed."""

    changed: list[str]
    modules: list[str]
    tests: list[str]
    other: list[str]


def list_changed_files(folder: str, revision: str) -> list[str]:
    """Return the files that differ from a revision, new and removed ones too. Raises GitError."""
    commands = [
        ["diff", "--name-only", "--no-renames", "-z", "--relative", revision, "--"],
        ["ls-files", "--others", "--exclude-standard", "-z"],
    ]
    found: set[str] = set()
    for command in commands:
        try:
            done = subprocess.run(
                ["git", "-C", folder, *command], capture_output=True, timeout=120, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GitError(folder=folder, reason=str(error)) from error
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = lines[0] if lines else f"status {done.returncode}"
            if "not a git repository" in reason.lower():
                reason = "it is in no git repository"
            raise GitError(folder=folder, reason=reason.removeprefix("fatal: "))
        found.update(os.fsdecode(part) for part in done.stdout.split(b"\0") if part)
    return sorted(os.path.join(folder, name) for name in found)


def find_affected(program: Program, files: list[str]) -> Affected:
    """Return what a change of these files affects."""
    by_path = {os.path.realpath(file.path): name for name, file in program.raw.files.items()}
    starts: set[int] = set()
    changed: list[str] = []
    other: list[str] = []
    gone: set[str] = set()
    folders: list[str] = []
    for path in files:
        name = by_path.get(os.path.realpath(path))
        if name is not None:
            starts.add(program.raw.ids[name])
            changed.append(name)
        elif path.endswith(".py") and not os.path.exists(path):
            gone.update(_name_file(program, path))
        else:
            other.append(path)
        if os.path.basename(path) == "conftest.py":
            folders.append(os.path.dirname(os.path.realpath(path)) + os.sep)
    if gone:
        changed += sorted(gone)
        starts |= _find_importers_of_missing(program, gone)
    for name, test_file in program.raw.files.items():
        if any(os.path.realpath(test_file.path).startswith(folder) for folder in folders):
            starts.add(program.raw.ids[name])
    reached = find_reached(invert(program.get_graph(AT_RUN, with_ancestors=True)), starts)
    names = sorted(program.names[number] for number in reached)
    files_of_tests = read_test_files(program.folder)
    tests = sorted(
        file.path
        for name in names
        if (file := program.raw.files.get(name)) and files_of_tests.holds(os.path.realpath(file.path))
    )
    return Affected(sorted(changed), names, tests, other)


def _name_file(program: Program, path: str) -> set[str]:
    """Return the names that a file, now removed, can have had."""
    found = set()
    for root in program.search_path.own:
        if path.startswith(root + os.sep):
            name = os.path.relpath(path, root)[:-3].replace(os.sep, ".")
            found.add(name.removesuffix(".__init__"))
    return found


def _find_importers_of_missing(program: Program, gone: set[str]) -> set[int]:
    found = set()
    for number, name in enumerate(program.names):
        for one in program.resolve_module(name):
            wanted = {one.module, *(f"{one.module}.{taken}" for taken in one.names)}
            if wanted & gone:
                found.add(number)
                break
    return found
