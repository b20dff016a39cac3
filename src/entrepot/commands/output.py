"""How a command that is all ours writes and ends: no traceback for an error of the tools, a closed pipe or a full disk."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from entrepot.errors import EntrepotError


def report_errors(command: Callable[[], int]) -> int:
    """Run a command; say what went wrong, and return its exit status."""
    try:
        return int(command())
    except EntrepotError as error:
        print(f"entrepot: {error}", file=sys.stderr)
        return error.exit_status


def end_quietly(command: Callable[[], int]) -> int:
    """Run a command that is all ours; a closed pipe or Ctrl-C ends it as it ends other tools."""
    import signal  # only now: a program that is watched is spared it

    open_closed()
    try:
        try:
            return report_errors(command)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        give_up_output()  # `entrepot graph | head`
        return 128 + signal.SIGPIPE
    except OSError as error:
        # The machine's: a folder that is not there, a full disk, no permission.
        print(f"entrepot: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        if error.filename is None:
            give_up_output()
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 128 + signal.SIGINT


def print_help(text: str) -> int:
    """Print the help of a command that parses its options itself; returns the exit status."""
    return end_quietly(lambda: print(text, end="") or 0)


def open_closed() -> None:
    """Let what is written to a stream that the caller has closed (`>&-`) go nowhere: Python has None for it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for the whole process)


def give_up_output() -> None:
    """Let what is still to be written go nowhere. Python would complain once more at its end."""
    with contextlib.suppress(OSError):  # a stream that is no file, of who calls us from Python
        number = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
