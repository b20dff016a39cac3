"""`entrepot explain -- SCRIPT`: run a program, and say what a person would about its error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from entrepot.commands.before_program import NO_PROGRAM, WrongUsage, parse_options
from entrepot.commands.output import print_help

SUMMARY = "run a program and, when it ends in an error about names or imports, say what is wrong"
USAGE = "usage: entrepot explain [--python PATH] [--] (SCRIPT | -m MODULE | -c CODE) [ARGS...]"
HELP = f"""{USAGE}

{SUMMARY[0].upper()}{SUMMARY[1:]}.

  --python PATH   the interpreter to run it with (default: as `entrepot run`)
  -h, --help      this text

The exit status is the program's.

examples:
  entrepot explain main.py
  entrepot explain -m shop --list
"""
OPTIONS = {"--python": ("python", str), "-h": ("help", None), "--help": ("help", None)}


def main_argv(argv: Sequence[str]) -> int:
    """Run the program, print the explanation on stderr, and return the program's exit status."""
    options, program = parse_options("explain", USAGE, OPTIONS, argv)
    if options.get("help"):
        return print_help(HELP)
    if not program:
        raise WrongUsage(command="explain", usage=USAGE, reason=NO_PROGRAM)
    from entrepot.trace.explain import explain
    from entrepot.trace.running import die_of, record

    run = record(*program, python=options.get("python"))
    text = explain(run.record)
    if text:
        print(f"\nentrepot: {text}", file=sys.stderr)
    elif run.record.failure:
        print(f"\nentrepot: nothing to add to this {run.record.failure.kind}.", file=sys.stderr)
    if run.status < 0:
        die_of(-run.status)
    return run.status
