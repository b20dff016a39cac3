"""Checks a table against its schema: the command line of frictionless, as a script."""

from frictionless.console import console

console()
