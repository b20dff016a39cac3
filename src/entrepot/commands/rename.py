"""`entrepot rename`: a definition, a parameter, a module or a package."""

from __future__ import annotations

import argparse

from entrepot.commands.carry_out import add_edit_arguments, carry_out

SUMMARY = "rename a definition, a parameter, a module or a package everywhere"
EXAMPLES = """\
  entrepot rename shop.cart:Basket Cart       a definition
  entrepot rename 'shop.cart:total(price)' cost   a parameter
  entrepot rename shop.cart shop.trolley      a module: its file moves too
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "old", metavar="OLD", help="shop.cart:Basket, shop.cart:total(price), or the module shop.cart"
    )
    parser.add_argument("new", metavar="NEW", help="the new name: Cart, cost, shop.trolley")
    add_edit_arguments(parser)


def main(args: argparse.Namespace) -> int:
    from entrepot.refactor.rename_any import plan_rename

    module = args.old.partition(":")[0]
    return carry_out(args, module, lambda project: plan_rename(project, args.old, args.new, force=args.force))
