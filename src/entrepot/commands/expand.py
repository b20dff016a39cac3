"""`entrepot expand`: write out what star imports bring."""

from __future__ import annotations

import argparse

from entrepot.refactor.command_line import add_edit_arguments, make_project, offer

SUMMARY = "replace star imports by the names they bring"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="+", help="files or folders")
    add_edit_arguments(parser)


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.expand import plan_expand

    return offer(plan_expand(make_project(args, args.path[0]), args.path), args)
