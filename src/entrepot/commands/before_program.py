"""Options that stand before a program: what follows it is the program's own, whatever it looks like.

    values, program = parse_options("explain", USAGE, {"--python": ("python", str)}, argv)

By hand: `argparse` alone would take a tenth of the time that a small program's trace may cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from entrepot.errors import ProgramError

# Option -> under which name its value is returned, and what makes it of a text (None: it is there or not).
Options = Mapping[str, tuple[str, Callable[[str], object] | None]]
NO_PROGRAM = "what is to be run? give a SCRIPT, -m MODULE or -c CODE"


class WrongUsage(ProgramError):  # noqa: N818
    """The command line cannot be understood. Fields: `command`, `usage`, `reason` (str)."""

    exit_status = 2
    command: str
    usage: str
    reason: str

    def __str__(self) -> str:
        return f"{self.command}: {self.reason}\n  {self.usage}"


def parse_options(
    command: str, usage: str, options: Options, argv: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the options, and what follows them.

    Options end at the first word that is none of ours and does not begin with two dashes (`-m` and `-X` are Python's), or
    behind `--`. What makes a value raises ValueError with a text that goes on where the value ends.

    Raises:
        WrongUsage: an option is not known, lacks its value, or has one that makes no sense, or needless.
    """
    values: dict[str, Any] = {}
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        name, has_value, text = rest[0].partition("=") if rest[0].startswith("--") else (rest[0], "", "")
        if name == "--":
            return values, rest[1:]
        if name not in options:
            if name.startswith("--"):
                reason = f"there is no option {name}; entrepot {command} --help"
                raise WrongUsage(command=command, usage=usage, reason=reason)
            break
        del rest[0]
        field, make = options[name]
        if make is None:
            if has_value:
                raise WrongUsage(command=command, usage=usage, reason=f"{name} takes no value")
            values[field] = True
            continue
        if not has_value:
            if not rest:
                raise WrongUsage(command=command, usage=usage, reason=f"{name} needs a value")
            text = rest.pop(0)
        try:
            values[field] = make(text)
        except ValueError as error:
            reason = str(error) if make not in (int, float) else "is not a number"
            raise WrongUsage(command=command, usage=usage, reason=f"{name}: {text!r} {reason}") from None
    return values, rest


def parse_choice(kind: str, *choices: str) -> Callable[[str], str]:
    """Return what makes a value of one of these words; `kind`: what they are, as in "format"."""

    def choose(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is no {kind}: there are {', '.join(choices[:-1])} and {choices[-1]}")
        return text

    return choose
