"""What the commands that edit have in common: their options, showing an edit, applying it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator

from entrepot.commands.progress import Progress
from entrepot.program.collection import paused_collection
from entrepot.refactor.changes import Edit
from entrepot.refactor.journal import locked
from entrepot.refactor.project import Project, find_root


def add_edit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the difference and write nothing")
    parser.add_argument(
        "--force",
        action="store_true",
        help="go on despite uncommitted changes and code known only at run time",
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="the project's folder: all that is looked at (default: the nearest above the file with .git or "
        "pyproject.toml, or that of its package)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def find_given_root(args: argparse.Namespace, given: str) -> str:
    """Return the folder of the project that a command works on."""
    if args.root:
        return str(args.root)
    if given.endswith(".py") or os.sep in given or os.path.isdir(given):
        return find_root(given)
    return find_root(os.getcwd())


def make_project(args: argparse.Namespace, given: str) -> Project:
    """Return the project that a command works on."""
    return Project(find_given_root(args, given))


@contextlib.contextmanager
def planning(project: Project) -> Iterator[None]:
    """Plan an edit: with progress on the terminal, and without the cyclic garbage collector.

    A plan is trees and values that all live to its end; the collector would go through them again
    and again for half of the time.
    """
    count = 0

    def tell(path: str) -> None:
        nonlocal count
        count += 1
        progress.detail = f"{count} files read, {os.path.basename(path)}"

    project.on_file = tell
    with Progress("Planning") as progress, paused_collection():
        yield


def carry_out(args: argparse.Namespace, given: str, plan: Callable[[Project], Edit]) -> int:
    """Plan an edit and offer it, the project locked meanwhile; return the exit status.

    The lock is taken before the first file is read: two commands at once, each planned from what
    the other is about to change, would not see each other's new text.
    """
    with contextlib.ExitStack() as stack:
        if not args.dry_run:
            stack.enter_context(locked(find_given_root(args, given)))
        project = make_project(args, given)
        with planning(project):
            edit = plan(project)
        return offer(edit, args)


def offer(edit: Edit, args: argparse.Namespace) -> int:
    """Show an edit, and apply it unless only the difference is wanted. Returns the exit status."""
    if args.format == "json":
        return _offer_json(edit, args)
    for note in edit.notes:
        print(f"note: {note}", file=sys.stderr)
    if edit.is_empty:
        print("nothing to change")
        return 0
    if args.dry_run:
        sys.stdout.write(edit.diff())
        return 0
    edit.apply(force=args.force)
    for change in edit.changes:
        if change.before == change.after:
            continue
        # As the path would be typed here: the project's folder may be far above or elsewhere.
        name = os.path.relpath(change.path)
        verb = "made" if change.before is None else "removed" if change.after is None else "changed"
        print(f"{verb:<8} {name}")
    # `entrepot undo` looks for the project around the current folder.
    where = (
        "" if find_root(os.getcwd()) == os.path.realpath(edit.root) else f" --root {shlex.quote(edit.root)}"
    )
    print(f"to take it back: entrepot undo{where}")
    return 0


def _offer_json(edit: Edit, args: argparse.Namespace) -> int:
    if not args.dry_run and not edit.is_empty:
        edit.apply(force=args.force)
    about = {
        "title": edit.title,
        "applied": not args.dry_run and not edit.is_empty,
        "files": [
            {
                "path": os.path.relpath(change.path, edit.root),
                "before": change.before is not None,
                "after": change.after is not None,
            }
            for change in edit.changes
            if change.before != change.after
        ],
        "notes": [{"text": n.text, "path": n.path, "line": n.line} for n in edit.notes],
        "diff": edit.diff(),
    }
    print(json.dumps(about, indent=2))
    return 0
