"""The command line: find the command, let it parse its options, print what went wrong.

Each command is a module of `entrepot.commands` with

    SUMMARY: str                                     one line for `entrepot --help`
    EXAMPLES: str                                    a few lines to type, with what they do
    add_arguments(parser: ArgumentParser) -> None    its options
    main(args: Namespace) -> int                     do it, return the exit status

and one line in `COMMANDS`. A command that takes options only before a program
(`run`, `watch`: everything after the program is the program's) has `main_argv(argv)`
and HELP, its help as text, instead of the last three. Only the module of the command that was asked for is imported.

Exit statuses: 0 fine, 1 findings or a refusal, 2 wrong usage.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from entrepot import __version__
from entrepot.commands.output import end_quietly, report_errors

if TYPE_CHECKING:
    import argparse

# Command -> the module that has it, in the order of the help.
COMMANDS = {
    "run": "entrepot.commands.run",
    "warm": "entrepot.commands.warm",
    "why": "entrepot.commands.why",
    "watch": "entrepot.commands.watch",
    "graph": "entrepot.commands.graph",
    "chain": "entrepot.commands.chain",
    "affected": "entrepot.commands.affected",
    "check": "entrepot.commands.check",
    "split": "entrepot.commands.split",
    "move": "entrepot.commands.move",
    "rename": "entrepot.commands.rename",
    "expand": "entrepot.commands.expand",
    "join": "entrepot.commands.join",
    "bundle": "entrepot.commands.bundle",
    "undo": "entrepot.commands.undo",
    "trace": "entrepot.commands.trace",
    "names": "entrepot.commands.names",
    "explain": "entrepot.commands.explain",
    "studio": "entrepot.commands.studio",
    "completion": "entrepot.commands.completion",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in COMMANDS:
        command = importlib.import_module(COMMANDS[argv[0]])
        if hasattr(command, "main_argv"):
            # What interrupts it, or closes its output, is the program's to handle.
            return report_errors(lambda: command.main_argv(argv[1:]))
        return end_quietly(lambda: command.main(make_parser(argv[0]).parse_args(argv[1:])))
    return end_quietly(lambda: tell_commands(argv))


def tell_commands(argv: Sequence[str]) -> int:
    """Answer a command line that names no command: `--help`, `--version`, a slip."""
    parser = make_main_parser()
    if argv[:1] == ["help"]:
        parser.exit(2, "entrepot: for help:  entrepot --help, entrepot COMMAND --help\n")
    if argv and not argv[0].startswith("-"):
        from difflib import get_close_matches

        near = get_close_matches(argv[0], COMMANDS, n=1)
        way_out = f"did you mean {near[0]}?" if near else "entrepot --help lists the commands"
        parser.exit(2, f"entrepot: there is no command {argv[0]!r}\n  {way_out}\n")
    parser.parse_args(argv)
    parser.print_help()
    return 0 if not argv else 2


def make_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one command."""
    import argparse  # only now: commands that parse for themselves are spared it

    from entrepot.commands.parser import Parser

    command = importlib.import_module(COMMANDS[name])
    parser = Parser(
        prog=f"entrepot {name}",
        description=f"{command.SUMMARY[0].upper()}{command.SUMMARY[1:]}.",
        epilog=f"examples:\n{command.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return parser


def make_main_parser() -> argparse.ArgumentParser:
    """Return the parser of `entrepot` itself: the list of commands, `--version`."""
    import argparse

    from entrepot.commands.parser import Parser

    width = max(len(name) for name in COMMANDS)
    summaries = {name: importlib.import_module(module).SUMMARY for name, module in COMMANDS.items()}
    lines = [f"  {name:<{width}}  {summary}" for name, summary in summaries.items()]
    parser = Parser(
        prog="entrepot",
        usage="entrepot COMMAND ...",
        description="A module system for Python programs.\n\ncommands:\n" + "\n".join(lines),
        epilog="entrepot COMMAND --help says more about each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"entrepot {__version__}")
    parser.add_argument("command", nargs="?", choices=list(COMMANDS), help=argparse.SUPPRESS)
    return parser
