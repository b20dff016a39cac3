"""`entrepot studio`: a page to write, run and see the program in a folder."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import webbrowser

from entrepot.errors import ProgramError, SetupError

SUMMARY = "a page to write, run and see a program"
EXAMPLES = """\
  entrepot studio                             on the program of this folder
  entrepot studio lesson --no-browser
"""


class NotInstalledError(SetupError):
    """The library that the page is made with is not there."""

    def __str__(self) -> str:
        return (
            "the studio needs NiceGUI\n"
            "  to install it:  pip install 'entrepot[studio]'  (from a copy of the repository: pip install '.[studio]')"
        )


class NoFolderError(ProgramError):
    """There is no such folder. Fields: `path`, `is_file` (there is a file of this name)."""

    exit_status = 2
    path: str
    is_file: bool

    def __str__(self) -> str:
        if self.is_file:
            folder = os.path.dirname(self.path) or "."
            return (
                f"{self.path}: this is a file\n  to show its folder:  entrepot studio {shlex.quote(folder)}"
            )
        return f"{self.path}: no such folder\n  to make one:  mkdir {shlex.quote(self.path)}"


class NoInterpreterError(SetupError):
    """There is no such interpreter. Field: `path`."""

    exit_status = 2
    path: str

    def __str__(self) -> str:
        return f"{self.path}: no interpreter that could be started\n  to choose another:  --python PATH"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", nargs="?", default=".", metavar="DIR", help="the folder to show (default: .)"
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="the port on this machine, from 1 to 65535 (default: the one used last for this folder, or any that is free)",
    )
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="the interpreter that runs the programs (default: that of .venv or venv in the folder or above it, then "
        "that of entrepot)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the page's address, and open no browser"
    )


def main(args: argparse.Namespace) -> int:
    """Show a folder until Ctrl-C.

    Raises:
        NoFolderError, NoInterpreterError, NotInstalledError, CannotServeError: it cannot be shown.
    """
    if not os.path.isdir(args.folder):
        raise NoFolderError(path=args.folder, is_file=os.path.exists(args.folder))
    if args.python and shutil.which(args.python) is None:
        raise NoInterpreterError(path=args.python)
    try:
        from entrepot.studio.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("nicegui", "uvicorn", "fastapi", "starlette"):
            raise
        raise NotInstalledError from None

    def tell(address: str) -> None:
        print(f"entrepot studio: {address}", flush=True)
        if not args.no_browser:
            webbrowser.open(address)

    # Ctrl-C is how it ends.
    with contextlib.suppress(KeyboardInterrupt):
        serve(args.folder, port=args.port, python=args.python, tell=tell)
    return 0
