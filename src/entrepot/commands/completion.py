"""`entrepot completion`: what a shell needs to complete the command line."""

from __future__ import annotations

import argparse
from importlib.resources import files

SUMMARY = "print what a shell needs to complete commands and options"
EXAMPLES = """\
  source <(entrepot completion bash)                         in ~/.bashrc
  entrepot completion zsh > ~/.zfunc/_entrepot               with ~/.zfunc in fpath
  entrepot completion fish > ~/.config/fish/completions/entrepot.fish
"""
SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `entrepot completion`."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def main(args: argparse.Namespace) -> int:
    """Print the shell's script."""
    print(get_script(args.shell), end="")
    return 0


def get_script(shell: str) -> str:
    """Return a shell's script, which tools/make_completions.py has made from the parsers."""
    return (files("entrepot.commands") / "completions" / shell).read_text(encoding="utf-8")
