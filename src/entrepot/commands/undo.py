"""`entrepot undo`: take the last edit of this project back."""

from __future__ import annotations

import argparse

from entrepot.commands.carry_out import find_given_root

SUMMARY = "take the last edit of this project back, byte for byte"
EXAMPLES = """\
  entrepot undo --list
  entrepot undo
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="the project's folder (default: the nearest above this one with .git or pyproject.toml, or this one)",
    )
    parser.add_argument("--list", action="store_true", help="show the edit that would be undone, and stop")


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.journal import find_last, undo_last

    root = find_given_root(args, ".")
    if args.list:
        edit = find_last(root)
        print("nothing to undo" if edit is None else edit.title)
        return 0
    edit = undo_last(root)
    print(f"undone: {edit.title}")
    return 0
