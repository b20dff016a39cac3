"""`entrepot chain`: why does one module import another? All shortest chains, with their lines."""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import pairwise

from entrepot.commands.graph import WHENS_HELP, add_program_arguments, read_program
from entrepot.program.conditions import AT_RUN, WHENS
from entrepot.program.graph import find_chains
from entrepot.survey.view import get_number

SUMMARY = "why one module imports another: all shortest chains, with lines"
EXAMPLES = """\
  entrepot chain shop.cart shop.stock         why does the one need the other?
  entrepot chain shop.cart shop.stock src --when eager
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("importer", help="the module that the chain begins with")
    parser.add_argument("imported", help="the module that it ends with")
    parser.add_argument(
        "path", nargs="?", default=".", help="a folder, or the script of a program (default: .)"
    )
    parser.add_argument(
        "--when",
        metavar="WHEN,...",
        help=f"only imports that run then: {WHENS_HELP} (default: all but typing and never)",
    )
    parser.add_argument(
        "--limit", type=int, default=100, metavar="N", help="show at most so many chains (default: 100)"
    )
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    add_program_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command; 1 where there is no chain."""
    whens = frozenset(args.when.split(",")) if args.when else AT_RUN
    if not whens <= set(WHENS) or args.limit < 1:
        wrong = "--limit takes a number from 1" if args.limit < 1 else f"--when takes {', '.join(WHENS)}"
        print(f"entrepot chain: {wrong}", file=sys.stderr)
        return 2
    program = read_program(args.path, args)
    start, end = get_number(program, args.importer), get_number(program, args.imported)
    graph = program.get_graph(whens, with_ancestors=True)
    names = program.names
    rows = []
    for chain in find_chains(graph, start, end, args.limit):
        steps = []
        for importer, imported in pairwise(chain):
            arrow = program.get_arrows(names[importer], names[imported], whens)[0]
            steps.append((arrow, program.modules[names[importer]].path))
        rows.append(steps)
    if args.format == "json":
        print(
            json.dumps(
                [[{**arrow._asdict(), "path": path} for arrow, path in steps] for steps in rows], indent=1
            )
        )
    elif not rows:
        print(f"{args.importer} does not reach {args.imported}")
    else:
        for number, steps in enumerate(rows):
            if number:
                print()
            print(args.importer)
            for arrow, path in steps:
                note = "" if arrow.when == "eager" else f", {arrow.when}"
                note += ", as a parent" if arrow.is_ancestor else ""
                print(f"  -> {arrow.imported}  ({os.path.relpath(path)}:{arrow.line}{note})")
    return 0 if rows else 1
