"""`entrepot run`: the run that `python` with the same arguments would have made.

The console command `entrepot` is a native program where a C compiler was there at installation
(`warm/client.c`); it does all of this for itself. This module is the same for `python -m entrepot
run` and for installations without a compiler: it finds the interpreter and hands over to it with
`exec`, so that the process, its descriptors, terminal and exit status are the program's own. Where
the native program is there, the hand-over goes to it, so that the run can be warm.

Does not know: how to start warm. Without the native program every run is cold.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from entrepot.commands.output import open_closed, print_help
from entrepot.errors import SetupError

SUMMARY = "run a program as python does, with modules that are ready"

HELP = """\
usage: entrepot run [--cold] [--why[=json]] [--label-output] [--python PATH] [OPTIONS]
                    SCRIPT | -m MODULE | -c CODE | -  [ARGS...]

Run a program as `python` with the same arguments does, with modules that are ready.

  --cold          start from nothing, as python does
  --why           say on stderr, after the run, what `entrepot why` says of it
  --label-output  write each line of output with the module and line that wrote it
                  in front (a cold run, watched as by `entrepot trace`)
  --python PATH   the interpreter (default: the one beside this command if it was
                  called by its path, otherwise the `python` that the shell would find)
  --help          this text

OPTIONS are those of python (-O -B -E -I -s -S -u -W -X ...). ENTREPOT_WARM=0: always cold.
"""


class NoInterpreter(SetupError):  # noqa: N818
    """No interpreter was found where one should be."""

    path: str

    def __str__(self) -> str:
        return f"there is no interpreter at {self.path}\n  to choose another:  entrepot run --python PATH ..."


class WrongOption(SetupError):  # noqa: N818
    """An option of `entrepot run` cannot be understood."""

    exit_status = 2
    option: str

    def __str__(self) -> str:
        return f"run: {self.option} needs a value\n  entrepot run --help"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: `arguments` are python's own."""

    arguments: tuple[str, ...]
    cold: bool = False
    why: str = ""  # the option, without its dashes
    python: str | None = None
    help: bool = False
    labels: bool = False


def parse_request(argv: Sequence[str]) -> Request:
    """Take our own options off the front; everything from the first that is not ours is python's.

    Raises:
        WrongOption: `--python` without a path.
    """
    cold = labels = False
    why = ""
    python: str | None = None
    rest = list(argv)
    while rest:
        if rest[0] == "--cold":
            cold = True
        elif rest[0] in ("--why", "--why=json"):
            why = rest[0][2:]
        elif rest[0] == "--label-output":
            labels = True
        elif rest[0] == "--help":
            return Request((), help=True)
        elif rest[0] == "--python":
            if len(rest) < 2:
                raise WrongOption(option="--python")
            python = rest.pop(1)
        elif rest[0].startswith("--python="):
            python = rest[0].partition("=")[2]
        else:
            break
        rest.pop(0)
    return Request(tuple(rest), cold, why, python, labels=labels)


def main_argv(argv: Sequence[str]) -> int:
    """Become the program. Returns only after `--help`, and with `--label-output` the program's exit status.

    Raises:
        NoInterpreter: there is nothing to start.
        WrongOption: as `parse_request`.
    """
    request = parse_request(argv)
    if request.help:
        return print_help(HELP)
    if request.labels:
        return _run_labelled(request)
    python = request.python or sys.executable
    native = find_native()
    environment = get_original_environment()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by the caller: the program gets it so
            stream.flush()
    try:
        if native is not None:
            # Called by this path: beside it the client finds the interpreter that has entrepot.
            called = os.path.join(os.path.dirname(sys.executable), "entrepot")
            os.execve(
                native, [called, "run", "--python", python, *_own(request), *request.arguments], environment
            )
        os.execve(python, [python, *request.arguments], environment)
    except OSError:
        raise NoInterpreter(path=python) from None


def _run_labelled(request: Request) -> int:
    """Run the program with its output labelled and return its exit status, or die of its signal."""
    from entrepot.trace.running import die_of, record

    open_closed()  # we are who writes
    status = record(*request.arguments, python=request.python, labels=True).status
    if status < 0:
        die_of(-status)
    return status


def _own(request: Request) -> list[str]:
    return ["--cold"] * request.cold + ([f"--{request.why}"] if request.why else [])


def find_native() -> str | None:
    """Return the native program built with this installation, if there is one."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "warm", "_client")
    return path if os.access(path, os.X_OK) else None


def get_original_environment() -> dict[bytes, bytes]:
    """Return the environment, without the LC_CTYPE that Python itself sets in the C locale (PEP 538)."""
    environment = dict(os.environb)
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read()
    except OSError:
        return environment
    if not any(item.startswith(b"LC_CTYPE=") for item in given.split(b"\0")):
        environment.pop(b"LC_CTYPE", None)
    return environment
