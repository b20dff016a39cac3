"""`entrepot affected`: which modules, and which tests, a change can touch."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict

from entrepot.commands.graph import add_program_arguments, read_program
from entrepot.survey.affected import find_affected, list_changed_files

SUMMARY = "which modules and tests a change can touch"
EXAMPLES = """\
  entrepot affected --since main              what a branch can touch
  entrepot affected --since main --tests | xargs -r pytest
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("files", nargs="*", help="changed files (default: those that git says have changed)")
    parser.add_argument(
        "--since",
        metavar="REV",
        help="files changed since this revision of git (default, when no files are named: HEAD)",
    )
    parser.add_argument(
        "--in", dest="path", default=".", metavar="PATH", help="the program's folder (default: .)"
    )
    parser.add_argument(
        "--tests",
        action="store_true",
        help="only the test files (as pytest's settings name them), one a line",
    )
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    add_program_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    program = read_program(args.path, args)
    files = [os.path.abspath(path) for path in args.files]
    if args.since or not files:
        files += list_changed_files(program.folder, args.since or "HEAD")
    found = find_affected(program, files)
    for path in args.files:
        if not os.path.exists(path):
            print(f"there is no file {path}: taken as removed", file=sys.stderr)
    if args.format == "json":
        print(json.dumps(asdict(found), indent=1))
        return 0
    for path in filter(os.path.exists, found.other):
        print(f"not followed (no module of the program): {os.path.relpath(path)}", file=sys.stderr)
    for line in [os.path.relpath(path) for path in found.tests] if args.tests else found.modules:
        print(line)
    return 0
