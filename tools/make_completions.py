"""Make the scripts that shells complete by: `python tools/make_completions.py`.

From the parsers, by shtab (in the dependency group `test`), into src/entrepot/commands/completions.
Commands that leave most of the line to the program have no parser: their options are read from their help.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path

import shtab

from entrepot import cli
from entrepot.commands.completion import SHELLS

FOLDER = Path(__file__).resolve().parent.parent / "src" / "entrepot" / "commands" / "completions"
OPTION = re.compile(r"^  (?:(-\w), )?(--?[\w-]+)(?:[ =](\S+))?(?:  +(.*))?$", re.MULTILINE)
# What stands behind these is a file or a folder.
FILES = {"SCRIPT", "FILE", "path", "paths", "PATH", "files", "DIR", "OUT", "OLD.json"}


def make_script(shell: str) -> str:
    """Return the script of one shell."""
    parser = argparse.ArgumentParser(prog="entrepot")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers()
    for name, module_name in cli.COMMANDS.items():
        command = importlib.import_module(module_name)
        child = commands.add_parser(name, help=command.SUMMARY)
        if hasattr(command, "main_argv"):
            add_options_of_help(child, command.HELP)
        else:
            command.add_arguments(child)
        for action in child._actions:
            if {action.metavar, action.dest} & FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell, root_prefix="_entrepot")).rstrip() + "\n"


def add_options_of_help(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the options that a help text lists, and the program."""
    found: dict[str, tuple[list[str], list[str], str]] = {}
    for short, option, value, about in OPTION.findall(text):
        # An option may be listed once for each of its values.
        names, values, _ = found.setdefault(option, ([*filter(None, [short]), option], [], about))
        values += filter(None, value.split("|"))
    for names, values, about in found.values():
        if names[-1] in ("--help", "-h"):
            continue
        if values:
            choices = values if values[0].islower() else None
            parser.add_argument(*names, metavar="|".join(values), choices=choices, help=about)
        else:
            parser.add_argument(*names, action="store_true", help=about)
    parser.add_argument("-m", metavar="MODULE", help="run a module")
    parser.add_argument("-c", metavar="CODE", help="run code")
    parser.add_argument("script", metavar="SCRIPT", nargs="?", help="the program")


def main() -> int:
    """Write the scripts that are not as they should be; return 1 if there were any."""
    stale = 0
    FOLDER.mkdir(exist_ok=True)
    for shell in SHELLS:
        path = FOLDER / shell
        wanted = make_script(shell)
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            path.write_text(wanted, encoding="utf-8")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
