"""`entrepot trace`: run a program and show what its imports did."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from entrepot.commands.before_program import NO_PROGRAM, Options, WrongUsage, parse_choice, parse_options
from entrepot.commands.output import give_up_output, open_closed, print_help

if TYPE_CHECKING:
    from entrepot.trace.records import Record

SUMMARY = "run a program and show what it imported, when, why, and what that did"
FORMATS = ("tree", "story", "json", "mermaid", "graph", "html")
USAGE = "usage: entrepot trace [OPTIONS] SCRIPT | -m MODULE | -c CODE  [ARGS...]"
HELP = f"""{USAGE}

Run a program and show what it imported, when, why, and what that did.

  --format FORMAT       tree (default), story, json, mermaid, graph or html
  -o, --out FILE        write it to a file (default: stdout, after the program's own output)
  --sort order|time     tree: as it happened (default), or slowest first
  --min-ms MS           tree: leave out what took less than so many milliseconds (default: 0)
  --cached              tree: count the imports answered from the cache
  --all                 story and mermaid: also what installed modules did
  --output              instead: write each line of output with the module and line that wrote it in front
                        (--label-output, as for run, is the same)
  --compare FILE        instead: what changed since the record in FILE, made with --format json -o FILE
  --budget TIME         exit with status 1 when imports took longer, such as 300ms, 1.5s or 2 (seconds)
  --max-modules N       exit with status 1 when more modules were initialised
  --python PATH         the interpreter to run it with (default: as `entrepot run`)
  -h, --help            this text

Options come before the program; the program's own follow it. The exit status is the program's.

examples:
  entrepot trace --sort time --min-ms 10 main.py        the slowest imports first
  entrepot trace --format html -o trace.html main.py    all of it as a page
  entrepot trace --budget 300ms -m shop --version       a line for CI
"""


def parse_duration(text: str) -> float:
    """Return seconds from "300ms", "1.5s" or a number of seconds."""
    try:
        seconds = float(text[:-2]) / 1e3 if text.endswith("ms") else float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise ValueError("is not a duration: try 300ms or 1.5s")
    return seconds


# Each sets a field of `Settings`.
OPTIONS: Options = {
    "--format": ("format", parse_choice("format", *FORMATS)),
    "-o": ("out", str),
    "--out": ("out", str),
    "--sort": ("sort", parse_choice("order", "order", "time")),
    "--min-ms": ("min_ms", float),
    "--cached": ("cached", None),
    "--all": ("all", None),
    "--output": ("labels", None),
    "--label-output": ("labels", None),
    "--compare": ("compare", str),
    "--budget": ("budget_s", parse_duration),
    "--max-modules": ("max_modules", int),
    "--python": ("python", str),
    "-h": ("help", None),
    "--help": ("help", None),
}


class Settings(NamedTuple):
    """What stands before the program."""

    format: str = "tree"
    out: str | None = None
    sort: str = "order"
    min_ms: float = 0.0
    cached: bool = False
    all: bool = False
    labels: bool = False
    compare: str | None = None
    budget_s: float | None = None
    max_modules: int | None = None
    python: str | None = None
    help: bool = False


def main_argv(argv: Sequence[str]) -> int:
    """Run `entrepot trace` with its arguments and return the exit status: the program's, or 1."""
    values, program = parse_options("trace", USAGE, OPTIONS, argv)
    options = Settings(**values)
    if options.help:
        return print_help(HELP)
    if not program:
        raise WrongUsage(command="trace", usage=USAGE, reason=NO_PROGRAM)
    import gc

    # This process makes many small values, none of which goes before its end.
    gc.disable()
    from entrepot.trace.records import read_record
    from entrepot.trace.running import record

    if options.labels:
        open_closed()  # we are who writes
    old = read_record(options.compare) if options.compare else None
    shows_all = options.format in ("json", "html") or options.all
    run = record(
        *program, python=options.python, labels=options.labels, details="all" if shows_all else "own"
    )
    status = run.status
    if not options.labels or options.out:
        try:
            write(render(run.record, old, options), options)
        except BrokenPipeError:
            give_up_output()  # `entrepot trace main.py | head`
            status = status or 128 + signal.SIGPIPE
        except OSError as error:
            # The program has run: its status stays. Only what was to be told of it is lost.
            place = options.out or error.filename or "standard output"
            print(f"entrepot trace: {place}: {error.strerror or error}; nothing was written", file=sys.stderr)
            if error.filename is None and options.out is None:
                give_up_output()
            status = status or 1
    is_over = check_budget(run.record, options)
    if status < 0:
        from entrepot.trace.running import die_of

        die_of(-status)
    return status or int(is_over)


def check_budget(record: Record, options: Settings) -> bool:
    """Say on stderr where a run was over its budget, and return whether it was."""
    if options.budget_s is None and options.max_modules is None:
        return False
    from entrepot.trace.comparison import find_over_budget

    over = find_over_budget(record, budget_s=options.budget_s, max_modules=options.max_modules)
    for sentence in over:
        print(f"entrepot trace: {sentence}", file=sys.stderr)
    return bool(over)


def render(record: Record, old: Record | None, options: Settings) -> str:
    """Return a record in the format that was asked for."""
    if old is not None:
        from entrepot.trace import comparison

        return comparison.render_difference(comparison.compare(old, record))
    if options.format == "json":
        # On one line, so that it can be told from what the program wrote before it.
        return record.to_json(indent=1 if options.out else None) + "\n"
    if options.format == "story":
        from entrepot.trace.story import tell_story

        return tell_story(record, own_only=not options.all)
    if options.format in ("mermaid", "graph"):
        from entrepot.trace import mermaid

        if options.format == "graph":
            return mermaid.draw_graph(record)
        return mermaid.draw_namespaces(record, own_only=not options.all)
    if options.format == "html":
        from entrepot.trace.page import render_page

        return render_page(record)
    from entrepot.trace.tree import render_tree

    return render_tree(
        record,
        width=find_width(),
        by_time=options.sort == "time",
        shows_cached=options.cached,
        at_least_s=options.min_ms / 1e3,
    )


def find_width() -> int:
    """Return the columns of the terminal, 160 where stdout is none."""
    if not is_terminal():
        return 160
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size(1).columns
    except ValueError:
        return os.get_terminal_size(1).columns


def is_terminal() -> bool:
    """Whether somebody looks at stdout (None: the caller has closed it)."""
    return sys.stdout is not None and sys.stdout.isatty()


def write(text: str, options: Settings) -> None:
    """Write what was rendered: to the file asked for, else to stdout behind the program's own output.

    A page is of no use on a terminal: there it goes into a file.
    """
    target = options.out or ("trace.html" if options.format == "html" and is_terminal() else None)
    if target is None:
        print(text, end="", flush=True)
        return
    from entrepot.trace.atomic_write import write_text

    write_text(target, text)
    print(f"entrepot trace: {target}", file=sys.stderr)
