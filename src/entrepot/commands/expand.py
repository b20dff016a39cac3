"""`entrepot expand`: write out what star imports bring."""

from __future__ import annotations

import argparse

from entrepot.commands.carry_out import add_edit_arguments, carry_out

SUMMARY = "replace star imports by the names they bring"
EXAMPLES = """\
  entrepot expand main.py --dry-run
  entrepot expand src
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="+", help="files or folders")
    add_edit_arguments(parser)


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.expand import plan_expand

    return carry_out(args, args.path[0], lambda project: plan_expand(project, args.path))
