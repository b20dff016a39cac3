"""`entrepot graph`: who imports whom, as text, Mermaid, dot, JSON or a page."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable

from entrepot.commands.progress import Progress
from entrepot.program.conditions import AT_IMPORT, AT_RUN, WHENS
from entrepot.program.graph import find_reached
from entrepot.program.model import Program
from entrepot.survey.render import render_arrows_json, render_dot, render_json, render_mermaid, render_text
from entrepot.trace.atomic_write import write_text

SUMMARY = "who imports whom, and when"
EXAMPLES = """\
  entrepot graph                              who imports whom below this folder
  entrepot graph main.py --format html -o graph.html
  entrepot graph src --focus shop.cart --depth 2
"""
WHENS_HELP = (
    "eager (as the importer is imported), guarded (in a try), conditional (in an if or a loop), lazy (in a function), "
    "main (under `if __name__ == '__main__'`), typing (under `if TYPE_CHECKING`), never (not on this Python)"
)
_DRAW = {"text": render_text, "mermaid": render_mermaid, "dot": render_dot, "json": render_json}


def add_program_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that reads a program."""
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="interpreter or virtual environment of the program (default: .venv or venv beside or above it, then "
        "the active one, then that of entrepot)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="parse every file, to tell every syntax error (slower)"
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="read every file anew, and keep nothing for the next time"
    )


def read_program(path: str, args: argparse.Namespace) -> Program:
    """Read a program as the options say, and tell on stderr what could not be read."""
    with Progress(f"Reading {os.path.basename(os.path.abspath(path))}"):
        return Program.read(path, python=args.python, is_strict=args.strict, is_kept=not args.no_cache)


def tell_problems(program: Program) -> None:
    """Say on stderr what the answer does not know."""
    for problem in program.problems[:20]:
        print(f"{os.path.relpath(problem.path)}:{problem.line}: {problem.message}", file=sys.stderr)
    if len(program.problems) > 20:
        print(f"... and {len(program.problems) - 20} more problems", file=sys.stderr)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "path", nargs="?", default=".", help="a folder, or the script of a program (default: .)"
    )
    parser.add_argument(
        "--format", choices=[*_DRAW, "html"], default="text", help="html: a page (default: text)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: standard output)")
    parser.add_argument(
        "--depth",
        type=int,
        metavar="N",
        help="show no more than the first N parts of a name: with 1, shop.cart and shop.stock are shop",
    )
    parser.add_argument("--packages", action="store_true", help="show packages instead of their modules")
    parser.add_argument("--focus", metavar="MODULE", help="only a module or package and its neighbours")
    parser.add_argument(
        "--reached-from", metavar="MODULE", help="only what this module imports, directly or not"
    )
    parser.add_argument(
        "--external",
        action="store_true",
        help="modules of the standard library and of installed packages too",
    )
    parser.add_argument(
        "--ancestors",
        action="store_true",
        help="arrows to the parents of what is imported too: `import a.b` runs a",
    )
    parser.add_argument(
        "--when", metavar="WHEN,...", help=f"only imports that run then: {WHENS_HELP} (default: all)"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--metrics",
        action="store_true",
        help="instead: for each package its modules, how many import it and are imported, its instability, and how "
        "many of its modules are in cycles",
    )
    instead.add_argument(
        "--unreached",
        metavar="MODULE,...",
        help="instead: the modules that none of these imports, directly or not",
    )
    add_program_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    whens = args.when.split(",") if args.when else WHENS
    if wrong := _find_wrong(args, whens):
        print(f"entrepot graph: {wrong}", file=sys.stderr)
        return 2
    program = read_program(args.path, args)
    if args.format != "json":
        tell_problems(program)
    if args.metrics:
        text = _print_metrics(program, args.format)
    elif args.unreached:
        text = _print_unreached(program, args.unreached.split(","), args.format)
    elif args.format == "json" and not _is_folded(args):
        text = "\n".join(render_arrows_json(program))
    else:
        from entrepot.survey.view import make_view  # not for the whole graph, which is asked for most

        view = make_view(
            program,
            depth=args.depth,
            focus=args.focus,
            reached_from=args.reached_from,
            is_external=args.external,
            is_packages=args.packages,
            with_ancestors=args.ancestors,
            whens=whens,
        )
        if args.format == "html":
            from entrepot.survey.page import render_page

            text = render_page(view, os.path.basename(os.path.abspath(args.path)))
        else:
            text = "\n".join(_DRAW[args.format](view))
    if args.output:
        write_text(args.output, text + "\n")
    else:
        print(text)
    return 0


def _find_wrong(args: argparse.Namespace, whens: Iterable[str]) -> str:
    """Return what is wrong with the options, as far as a parser cannot tell; empty: nothing."""
    if not set(whens) <= set(WHENS):
        return f"--when takes {', '.join(WHENS)}"
    if args.depth is not None and args.depth < 1:
        return "--depth takes a number from 1"
    if (args.metrics or args.unreached) and args.format not in ("text", "json"):
        return "--metrics and --unreached are told as text or json"
    return ""


def _is_folded(args: argparse.Namespace) -> bool:
    return bool(args.depth or args.packages or args.focus or args.reached_from or args.external or args.when)


def _print_metrics(program: Program, form: str) -> str:
    from dataclasses import asdict

    from entrepot.survey.metrics import measure_packages

    rows = measure_packages(program)
    if form == "json":
        return json.dumps([asdict(row) for row in rows], indent=1)
    lines = [f"{'package':<40} modules importers imported instability in cycles"]
    lines += [
        f"{row.package:<40} {row.modules:>7} {row.importers:>9} {row.imported:>8} "
        f"{row.instability:>11.3f} {row.in_cycles:>9}"
        for row in rows
    ]
    return "\n".join(lines)


def _print_unreached(program: Program, entries: list[str], form: str) -> str:
    from entrepot.survey.view import get_number

    starts = [get_number(program, name) for name in entries]
    starts += [parent for start in list(starts) for parent in program.list_parents(start)]
    reached = find_reached(program.get_graph(AT_RUN | AT_IMPORT, with_ancestors=True), starts)
    names = [name for number, name in enumerate(program.names) if number not in reached]
    return json.dumps(names, indent=1) if form == "json" else "\n".join(names)
