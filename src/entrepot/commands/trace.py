"""`entrepot trace`: run a program and show what its imports did."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from entrepot.errors import ProgramError

if TYPE_CHECKING:
    from entrepot.trace.records import Record

SUMMARY = "run a program and show what it imported, when, why, and what that did"
FORMATS = ("tree", "story", "json", "mermaid", "graph", "html")


HELP = """\
usage: entrepot trace [OPTIONS] SCRIPT | -m MODULE | -c CODE  [ARGS...]

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


def parse_format(text: str) -> str:
    """Return a format's name."""
    if text not in FORMATS:
        raise ValueError(f"is no format: there are {', '.join(FORMATS)}")
    return text


def parse_order(text: str) -> str:
    """Return what the tree is sorted by."""
    if text not in ("order", "time"):
        raise ValueError("is no order: there are order and time")
    return text


# Option -> the field of `Options` that it sets, and what makes its value (None: it is there or not).
OPTIONS: dict[str, tuple[str, Callable[[str], object] | None]] = {
    "--format": ("format", parse_format),
    "-o": ("out", str),
    "--out": ("out", str),
    "--sort": ("sort", parse_order),
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


class Options(NamedTuple):
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


class WrongUsage(ProgramError):  # noqa: N818
    """The command line cannot be understood."""

    exit_status = 2
    reason: str

    def __str__(self) -> str:
        return f"trace: {self.reason}\n  {HELP.splitlines()[0]}"


def parse_options(argv: Sequence[str]) -> tuple[Options, list[str]]:
    """Return our options, and the program with its interpreter's options and its arguments.

    By hand: `argparse` alone would take a tenth of the time that a small program's trace may cost.

    Raises:
        WrongUsage: an option is not known, lacks its value, or has one that makes no sense.
    """
    values: dict[str, Any] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        name, has_value, text = rest[0].partition("=") if rest[0].startswith("--") else (rest[0], "", "")
        if name == "--":
            return Options(**values), rest[1:]
        if name not in OPTIONS:
            if name.startswith("--"):
                raise WrongUsage(reason=f"there is no option {name}; entrepot trace --help")
            break  # python's own: -m, -c, -X ...
        del rest[0]
        field, make = OPTIONS[name]
        if make is None:
            values[field] = True
            continue
        if not has_value:
            if not rest:
                raise WrongUsage(reason=f"{name} needs a value")
            text = rest.pop(0)
        try:
            values[field] = make(text)
        except ValueError as error:
            reason = str(error) if make not in (int, float) else "is not a number"
            raise WrongUsage(reason=f"{name}: {text!r} {reason}") from None
    return Options(**values), rest


def main_argv(argv: Sequence[str]) -> int:
    """Run `entrepot trace` with its arguments and return the exit status: the program's, or 1."""
    options, program = parse_options(argv)
    if options.help:
        print(HELP, end="")
        return 0
    if not program:
        raise WrongUsage(reason="what is to be run? give a SCRIPT, -m MODULE or -c CODE")
    import gc

    # This process makes many small values, none of which goes before its end.
    gc.disable()
    from entrepot.trace.records import read_record
    from entrepot.trace.running import record

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
            from entrepot.commands.output import give_up_output

            give_up_output()  # `entrepot trace main.py | head`
            status = status or 128 + signal.SIGPIPE
        except OSError as error:
            # The program has run: its status stays. Only what was to be told of it is lost.
            place = options.out or error.filename or "standard output"
            print(f"entrepot trace: {place}: {error.strerror or error}; nothing was written", file=sys.stderr)
            if error.filename is None and options.out is None:
                from entrepot.commands.output import give_up_output

                give_up_output()
            status = status or 1
    is_over = check_budget(run.record, options)
    if status < 0:
        from entrepot.trace.running import die_of

        die_of(-status)
    return status or int(is_over)


def check_budget(record: Record, options: Options) -> bool:
    """Say on stderr where a run was over its budget, and return whether it was."""
    if options.budget_s is None and options.max_modules is None:
        return False
    from entrepot.trace.comparison import find_over_budget

    over = find_over_budget(record, budget_s=options.budget_s, max_modules=options.max_modules)
    for sentence in over:
        print(f"entrepot trace: {sentence}", file=sys.stderr)
    return bool(over)


def render(record: Record, old: Record | None, options: Options) -> str:
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
    if not sys.stdout.isatty():
        return 160
    try:
        return int(os.environ.get("COLUMNS", "")) or os.get_terminal_size(1).columns
    except ValueError:
        return os.get_terminal_size(1).columns


def write(text: str, options: Options) -> None:
    """Write what was rendered: to the file asked for, else to stdout behind the program's own output.

    A page is of no use on a terminal: there it goes into a file.
    """
    target = options.out or ("trace.html" if options.format == "html" and sys.stdout.isatty() else None)
    if target is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from entrepot.trace.atomic_write import write_text

    write_text(target, text)
    print(f"entrepot trace: {target}", file=sys.stderr)
