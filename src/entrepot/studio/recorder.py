"""Run a program watched, on our own terminal, and write its record into a file: what a page calls "record".

As `entrepot trace`, without a word of its own in the program's terminal unless something is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from entrepot.errors import EntrepotError
from entrepot.trace.atomic_write import write_text
from entrepot.trace.running import die_of, record


def main(argv: Sequence[str]) -> int:
    """Record: FILE PYTHON PROGRAM... Returns the program's exit status, or dies of its signal."""
    path, python, *program = argv
    try:
        run = record(*program, python=python)
    except EntrepotError as error:
        print(f"entrepot: {error}", file=sys.stderr)
        return error.exit_status
    write_text(path, run.record.to_json())
    if run.status < 0:
        die_of(-run.status)
    return run.status
