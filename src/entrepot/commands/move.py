"""`entrepot move`: take definitions from one module to another."""

from __future__ import annotations

import argparse

from entrepot.commands.carry_out import add_edit_arguments, carry_out
from entrepot.errors import Refused
from entrepot.refactor.changes import Edit
from entrepot.refactor.project import Project

SUMMARY = "move definitions to another module, new or existing"
EXAMPLES = """\
  entrepot move shop.cart:Basket,total shop.basket --dry-run
  entrepot move shop.cart:Basket shop.basket --reexport
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="MODULE:NAME[,NAME]", help="what moves: shop.cart:Basket,total")
    parser.add_argument("destination", metavar="DEST", help="where to: shop.basket, or a file")
    parser.add_argument(
        "--style",
        choices=("names", "module"),
        default="names",
        help="how others then import it: from module import name, or import module and module.name (default: names)",
    )
    parser.add_argument("--reexport", action="store_true", help="keep the names importable from MODULE too")
    add_edit_arguments(parser)


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.split import plan_move

    module, colon, names = args.names.rpartition(":")
    if not colon or not names.strip(", "):
        raise Refused(f"{args.names}: write MODULE:NAME,NAME")
    found = [name.strip() for name in names.split(",") if name.strip()]

    def plan(project: Project) -> Edit:
        return plan_move(
            project,
            module,
            found,
            args.destination,
            style=args.style,
            reexport=args.reexport,
            force=args.force,
        )

    return carry_out(args, module, plan)
