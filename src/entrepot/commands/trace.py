"""`entrepot trace`: run a program and show what its imports did."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from entrepot.errors import ProgramError

SUMMARY = "run a program and show what it imported, when, why, and what that did"
FORMATS = ("tree", "story", "json", "mermaid", "graph", "html")


class BadRecord(ProgramError):  # noqa: N818
    """A file that was to be a record and is not."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.reason}\n  a record is made by:  entrepot trace --format json -o FILE SCRIPT"
        )


HELP = """\
usage: entrepot trace [OPTIONS] SCRIPT | -m MODULE | -c CODE  [ARGS...]

Run a program and show what it imported, when, why, and what that did.

  --format FORMAT       tree (default), story, json, mermaid, graph or html
  -o, --out FILE        write it to a file (default: stdout, after the program's own output)
  --sort order|time     tree: as it happened (default), or slowest first
  --min-ms MS           tree: leave out what took less
  --cached              tree: count the imports answered from the cache
  --all                 story and mermaid: also what installed modules did
  --output              instead: label each line of output with who wrote it
  --compare OLD.json    show what changed since an earlier record
  --budget 300ms        exit with status 1 when imports took longer
  --max-modules N       exit with status 1 when more modules were initialised
  --python PATH         the interpreter to run it with
  -h, --help            this text

Options come before the program; the program's own follow it. The exit status is the program's.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of what stands before the program."""
    parser = argparse.ArgumentParser(
        prog="entrepot trace", usage=HELP.splitlines()[0].removeprefix("usage: ")
    )
    parser.add_argument("--format", choices=FORMATS, default="tree")
    parser.add_argument("-o", "--out")
    parser.add_argument("--sort", choices=("order", "time"), default="order")
    parser.add_argument("--min-ms", type=float, default=0.0)
    parser.add_argument("--cached", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--output", action="store_true")
    parser.add_argument("--compare")
    parser.add_argument("--budget", type=parse_duration)
    parser.add_argument("--max-modules", type=int)
    parser.add_argument("--python")
    return parser


def main_argv(argv: Sequence[str]) -> int:
    """Run `entrepot trace` with its arguments and return the exit status: the program's, or 1."""
    own, program = split_arguments(list(argv))
    if "-h" in own or "--help" in own:
        print(HELP, end="")
        return 0
    parser = make_parser()
    args = parser.parse_args(own)
    if not program:
        parser.error("what is to be run? give a SCRIPT, -m MODULE or -c CODE")
    from entrepot.trace.records import Record
    from entrepot.trace.running import record

    old = None
    if args.compare:
        try:
            old = Record.from_json(Path(args.compare).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadRecord(path=args.compare, reason=str(error)) from None
    run = record(*program, python=args.python, labels=args.output)
    if not args.output or args.out:
        write(render(run.record, old, args), args)
    from entrepot.trace.comparison import find_over_budget

    over = find_over_budget(run.record, budget_s=args.budget, max_modules=args.max_modules)
    for sentence in over:
        print(f"entrepot trace: {sentence}", file=sys.stderr)
    if run.status < 0:
        from entrepot.trace.running import die_of

        die_of(-run.status)
    return run.status or (1 if over else 0)


def split_arguments(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return our options, and the program with its interpreter options and arguments."""
    with_value = {
        "--format",
        "-o",
        "--out",
        "--sort",
        "--min-ms",
        "--compare",
        "--budget",
        "--max-modules",
        "--python",
    }
    flags = {"--cached", "--all", "--output", "-h", "--help"}
    at = 0
    while at < len(argv):
        word = argv[at]
        if word == "--":
            return argv[:at], argv[at + 1 :]
        if word in with_value:
            at += 2
        elif word in flags or (word.startswith("--") and word.partition("=")[0] in with_value):
            at += 1
        elif word.startswith("--"):
            # Not ours and not python's: let the parser say so.
            return argv[: at + 1], argv[at + 1 :]
        else:
            break
    return argv[:at], argv[at:]


def render(record: object, old: object, args: argparse.Namespace) -> str:
    """Return a record in the format that was asked for."""
    from entrepot.trace import comparison, mermaid, page, story, tree
    from entrepot.trace.records import Record

    assert isinstance(record, Record)
    if isinstance(old, Record):
        return comparison.render_difference(comparison.compare(old, record))
    if args.format == "json":
        # On one line, so that it can be told from what the program wrote before it.
        return record.to_json(indent=1 if args.out else None) + "\n"
    if args.format == "story":
        return story.tell_story(record, own_only=not args.all)
    if args.format == "mermaid":
        return mermaid.draw_namespaces(record, own_only=not args.all)
    if args.format == "graph":
        return mermaid.draw_graph(record)
    if args.format == "html":
        return page.render_page(record)
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 160
    return tree.render_tree(
        record,
        width=width,
        by_time=args.sort == "time",
        shows_cached=args.cached,
        at_least_s=args.min_ms / 1e3,
    )


def write(text: str, args: argparse.Namespace) -> None:
    """Write what was rendered: to the file asked for, else to stdout behind the program's own output.

    A page is of no use on a terminal: there it goes into a file.
    """
    target = args.out or ("trace.html" if args.format == "html" and sys.stdout.isatty() else None)
    if target is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from entrepot.trace.atomic_write import write_text

    write_text(target, text)
    print(f"entrepot trace: {target}", file=sys.stderr)


def parse_duration(text: str) -> float:
    """Return seconds from "300ms", "1.5s" or a number of seconds."""
    try:
        if text.endswith("ms"):
            return float(text[:-2]) / 1e3
        return float(text.removesuffix("s"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: try 300ms or 1.5s") from None
