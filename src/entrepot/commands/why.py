"""`entrepot why`: why the last run of a program was warm or cold, and what the next would be."""

from __future__ import annotations

import argparse
import os
import resource
import time

from entrepot.commands.run import find_native, get_original_environment
from entrepot.warm.client import NO_NATIVE
from entrepot.warm.fingerprint import Surroundings
from entrepot.warm.lookup import Entry, find_base, find_programs, find_store
from entrepot.warm.rights import read_rights
from entrepot.warm.why import Answer, find_answer

SUMMARY = "say why the last run of a program was warm or cold"
EXAMPLES = """\
  entrepot why main.py          was the last run of main.py warm, and if not, why not?
  entrepot why -m pytest        the same for a module
  entrepot why                  the same for whatever was run last
"""
NOTHING = "the last run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-m", dest="module", metavar="MODULE", help="the module that was run as a program")
    parser.add_argument("-c", dest="code", metavar="CODE", help="the code that was run as a program")
    parser.add_argument("--name", help=argparse.SUPPRESS)  # of its files in the store: `run --why` knows it
    parser.add_argument(
        "script", nargs="?", metavar="SCRIPT", help="the program (default: what was run last)"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="its arguments")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: text")


def main(args: argparse.Namespace) -> int:
    """Print the answer; 0 when the next run would be warm, 1 otherwise."""
    kind, entry = find_program(args)
    arguments = tuple(args.arguments)
    if kind not in ("file", "") and args.script is not None:
        arguments = (args.script, *arguments)
    if arguments[:1] == ("--",) and args.name:
        arguments = arguments[1:]
    answer = ask(kind, entry, arguments, name=args.name or "")
    print(answer.to_json() if args.format == "json" else answer.to_text())
    return 0 if answer.next_state == "warm" else 1


def find_program(args: argparse.Namespace) -> tuple[str, str]:
    """Return the kind of the program that was named, and its name; both empty when none was."""
    if args.module is not None:
        return "module", args.module
    if args.code is not None:
        return "command", args.code
    return ("file", args.script) if args.script is not None else ("", "")


def ask(kind: str, entry: str, arguments: tuple[str, ...] = (), *, name: str = "") -> Answer:
    """Answer for a program, as it would be run now.

    Args:
        kind: file, module or command; empty: for whatever was run last, in the directory where that was.
        entry: its path, name or code.
        arguments: those of the run that is asked about.
        name: of its files in the store, if known.
    """
    cwd = os.getcwd()
    store = find_store()
    if find_native() is None:
        return Answer(entry or NOTHING, "cold", NO_NATIVE.removeprefix("cold: "), next_state="cold")
    if store is None:
        return Answer(
            entry or NOTHING,
            "unknown",
            "there is no store yet: nothing was run with `entrepot run`",
            next_state="cold",
        )
    here = Entry(name, "", "", kind, (), entry, cwd)
    known = next((one for one in find_programs(store) if is_asked_for(one, here)), None)
    if known is None:
        return find_answer(entry or NOTHING, store, name or "-", find_surroundings(arguments, cwd))
    folder = cwd if kind else known.cwd or cwd
    run, base = find_surroundings(arguments, folder), find_base(store, known)
    return find_answer(entry or describe(known), store, known.name, run, base)


def is_asked_for(known: Entry, asked: Entry) -> bool:
    """Whether a program of the store is the one that is asked about: by its files, else by what it is, else any."""
    if asked.name:
        return known.name == asked.name
    if not asked.kind:
        return True
    is_here = asked.kind == "file" or known.cwd == asked.cwd
    return known.kind == asked.kind and known.path == asked.path and is_here


def describe(program: Entry) -> str:
    """Return what a program is called where nobody has named it."""
    before = {"module": "-m ", "command": "-c ", "watch": "watch "}.get(program.kind, "")
    return before + program.path or "stdin"


def find_surroundings(arguments: tuple[str, ...], cwd: str) -> Surroundings:
    """Return what a run started now would bring with it."""
    limits = {number: resource.getrlimit(number) for number in range(16)}
    given = {os.fsdecode(name): os.fsdecode(value) for name, value in get_original_environment().items()}
    return Surroundings(
        env={name: value for name, value in given.items() if not name.startswith("ENTREPOT_")},
        cwd=cwd,
        argv=arguments,
        limits=limits,
        affinity=tuple(sorted(os.sched_getaffinity(0))),
        host=os.uname().nodename,
        day=time.strftime("%Y-%m-%d"),
        rights=read_rights(),
    )
