"""`entrepot names`: a module's namespace, or the steps by which a dotted name is found."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

SUMMARY = "list a module's namespace, or show how a dotted name is looked up"
EXAMPLES = """\
  entrepot names json                         what is in the namespace of json?
  entrepot names json.decoder.JSONDecoder     how is that found, step by step?
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `entrepot names`."""
    parser.add_argument("name", metavar="MODULE | MODULE.NAME", help="the module is imported to answer")
    parser.add_argument("--private", action="store_true", help="names with a leading underscore too")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how to print it (default: text)"
    )


def main(args: argparse.Namespace) -> int:
    """Print the names of a module, or the steps to a name."""
    from entrepot.trace import names

    # As `python -m` would: modules of the current folder first.
    sys.path.insert(0, "")
    try:
        module = names.import_named(args.name)
    except ModuleNotFoundError:
        steps = names.look_up(args.name)
        if args.format == "json":
            print(json.dumps([asdict(step) for step in steps], indent=1))
        else:
            print(names.render_steps(args.name, steps), end="")
        return 0
    listed = names.list_names(module, with_private=args.private)
    if args.format == "json":
        print(json.dumps([asdict(name) for name in listed], indent=1))
    else:
        print(names.render_names(module, listed), end="")
    return 0
