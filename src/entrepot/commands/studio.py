"""`entrepot studio`: a page to write, run and see the program in a folder."""

from __future__ import annotations

import argparse
import contextlib
import os
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
        return "the studio needs NiceGUI\n  to install it:  pip install 'entrepot[studio]'"


class NoFolderError(ProgramError):
    """There is no such folder. Field: `path`."""

    exit_status = 2
    path: str

    def __str__(self) -> str:
        return f"{self.path}: no such folder\n  to make one:  mkdir {self.path}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", nargs="?", default=".", metavar="DIR", help="the folder to show (default: .)"
    )
    parser.add_argument("--port", type=int, metavar="N", help="on this port (default: the last one, or any)")
    parser.add_argument("--python", metavar="PATH", help="the interpreter of the programs (default: found)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")


def main(args: argparse.Namespace) -> int:
    """Show a folder until Ctrl-C.

    Raises:
        NoFolderError, NotInstalledError, CannotServeError: it cannot be shown.
    """
    if not os.path.isdir(args.folder):
        raise NoFolderError(path=args.folder)
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
