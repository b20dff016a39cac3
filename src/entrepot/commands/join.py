"""`entrepot join`: a script and its modules as one file."""

from __future__ import annotations

import argparse

from entrepot.commands.carry_out import offer
from entrepot.commands.progress import Progress

SUMMARY = "join a script and the modules it needs into one file that runs alone"
EXAMPLES = """\
  entrepot join main.py -o one.py
  python -I -S one.py
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("script", metavar="SCRIPT", help="the program's script (a folder: its __main__.py)")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="DIR",
        help="look for modules in this folder too; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the difference and write nothing")
    parser.add_argument("--force", action="store_true", help="go on despite uncommitted changes in git")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.join import plan_join

    with Progress(f"Joining {args.script}"):
        edit = plan_join(args.script, args.output, paths=args.path)
    return offer(edit, args)
