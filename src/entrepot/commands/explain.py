"""`entrepot explain -- SCRIPT`: run a program, and say what a person would about its error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

SUMMARY = "run a program and, when it ends in an error about names or imports, say what is wrong"
_USAGE = "usage: entrepot explain [--python PATH] [--] (SCRIPT | -m MODULE | -c CODE) [ARGS...]"
HELP = f"""{_USAGE}

{SUMMARY[0].upper()}{SUMMARY[1:]}.

  --python PATH   the interpreter to run it with (default: as `entrepot run`)
  -h, --help      this text

The exit status is the program's.

examples:
  entrepot explain main.py
  entrepot explain -m shop --list
"""


def main_argv(argv: Sequence[str]) -> int:
    """Run the program, print the explanation on stderr, and return the program's exit status."""
    if argv and argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    program, python, wrong = list(argv), None, ""
    while program and program[0].startswith("--") and not wrong:
        option = program.pop(0)
        if option == "--":
            break
        name, has_value, value = option.partition("=")
        if name != "--python":
            wrong = f"there is no option {option}"
        elif has_value or program:
            python = value if has_value else program.pop(0)
        else:
            wrong = "--python needs a value"
    if not (program or wrong):
        wrong = "what is to be run? give a SCRIPT, -m MODULE or -c CODE"
    if wrong:
        print(f"{_USAGE}\nentrepot explain: {wrong}", file=sys.stderr)
        return 2
    from entrepot.trace.explain import explain
    from entrepot.trace.running import die_of, record

    run = record(*program, python=python)
    text = explain(run.record)
    if text:
        print(f"\nentrepot: {text}", file=sys.stderr)
    elif run.record.failure:
        print(f"\nentrepot: nothing to add to this {run.record.failure.kind}.", file=sys.stderr)
    if run.status < 0:
        die_of(-run.status)
    return run.status
