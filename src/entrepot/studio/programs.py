"""Which command runs a program, and how: as it is, followed live, labelled, or watched for its steps.

An entry is what stands behind `python`: "main.py", or "-m package".
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import entrepot
from entrepot.errors import ProgramError

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(entrepot.__file__)))
# Through `-c`, because entrepot need not be installed where the program's interpreter is.
_BRING = (
    "import sys; {root!r} in sys.path or sys.path.append({root!r}); "
    "from {module} import main; sys.exit(main(sys.argv[1:]))"
)
KINDS = {
    "run": "Run, with modules that are ready",
    "live": "Run, and follow what is saved",
    "labels": "Run, and say who wrote each line",
}


class BadArgumentsError(ProgramError):
    """A line of arguments that cannot be taken apart. Fields: `line`, `reason`."""

    line: str
    reason: str

    def __str__(self) -> str:
        return f"the arguments {self.line!r} cannot be read: {self.reason}"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: kind ("run", "live", "labels", "steps"), entry and its arguments.

    report: where a live run writes what it reloaded, or where the record of the steps goes.
    """

    kind: str
    entry: str
    arguments: tuple[str, ...] = ()
    report: str = ""

    @property
    def program(self) -> tuple[str, ...]:
        """Return what `python` would be given."""
        if self.entry.startswith("-m "):
            return ("-m", self.entry[3:].strip(), *self.arguments)
        # Not to be taken for an option.
        entry = f"./{self.entry}" if self.entry.startswith("-") else self.entry
        return (entry, *self.arguments)


def parse_arguments(line: str) -> tuple[str, ...]:
    """Take a command line's words apart, as a shell does. Raises BadArgumentsError."""
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise BadArgumentsError(line=line, reason=str(error).lower()) from None


def plan_command(order: Order, python: str) -> list[str]:
    """Return the command that carries out an order with an interpreter."""
    native = find_native()
    if order.kind == "run":
        if native:
            return [native, "run", "--python", python, *order.program]
        return [python, *order.program]
    if order.kind == "live":
        options = ["--reports", order.report] if order.report else []
        return [*_bring(python, "entrepot.cli"), "watch", *options, *order.program]
    if order.kind == "labels":
        return [
            *_bring(sys.executable, "entrepot.cli"),
            "run",
            "--label-output",
            "--python",
            python,
            *order.program,
        ]
    return [*_bring(sys.executable, "entrepot.studio.recorder"), order.report, python, *order.program]


def _bring(python: str, module: str) -> list[str]:
    return [python, "-c", _BRING.format(root=_ROOT, module=module)]


def plan_why(order: Order) -> list[str]:
    """Return the command that tells how many modules the last run had ready."""
    options = ["-m", order.program[1]] if order.entry.startswith("-m ") else [order.program[0]]
    rest = order.program[2:] if order.entry.startswith("-m ") else order.program[1:]
    return [*_bring(sys.executable, "entrepot.cli"), "why", "--format", "json", *options, *rest]


def make_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program in a terminal."""
    env = {
        name: value for name, value in given.items() if not name.startswith(("NICEGUI", "ENTREPOT_STUDIO"))
    }
    for name in ("COLUMNS", "LINES", "TERM_PROGRAM"):
        env.pop(name, None)
    return {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def find_native() -> str | None:
    """Return the native command, where this installation has one."""
    path = os.path.join(os.path.dirname(os.path.abspath(entrepot.__file__)), "warm", "_client")
    return path if os.access(path, os.X_OK) else None


def find_python(folder: str) -> str:
    """Return the interpreter for a folder's programs: of the virtual environment in it or above it, else ours."""
    here = os.path.abspath(folder)
    while True:
        for name in (".venv", "venv"):
            python = os.path.join(here, name, "bin", "python")
            if os.path.isfile(os.path.join(here, name, "pyvenv.cfg")) and os.access(python, os.X_OK):
                return python
        above = os.path.dirname(here)
        if above == here:
            return sys.executable
        here = above


def list_entries(names: Iterable[str]) -> list[str]:
    """Return what among these files may be run: main.py first, then packages, then the scripts beside it."""
    files = set(names)
    packages = sorted(
        name.removesuffix("/__main__.py").removeprefix("src/").replace("/", ".")
        for name in files
        if name.endswith("/__main__.py")
    )
    scripts = sorted(name for name in files if name.endswith(".py") and "/" not in name and name != "main.py")
    first = ["main.py"] if "main.py" in files else []
    return [*first, *(f"-m {name}" for name in packages), *scripts]
