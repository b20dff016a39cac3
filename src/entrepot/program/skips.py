"""The patterns that run over a file's bytes to the next line that matters.

Each is one possessive pattern over strings, comments and everything else. It stops before a line
that begins with one of some words, and its groups are that line's indentation and word; or, without
groups, at the end of the data or at something that it cannot follow.
"""

from __future__ import annotations

import re
from functools import lru_cache

from entrepot.program.strings import STRING

IMPORT_WORD = rb"(?:import|from|lazy)\b"
_HEADER_WORD = rb"(?:def|class|if|elif|else|try|except|finally|for|while|with|match|case|async)\b"
_SPACE = rb"[ \t\f]*+"
_CONTINUED = rb"\\\r?\n(?!" + _SPACE + IMPORT_WORD + b")"

# Words without which a test is never known from its text.
_TELLING = rb"(?:version_info|platform|TYPE_CHECKING|__name__|\bos\.name|\b(?:True|False|None)\b|implementation|maxsize)"
# A test whose first operand is an unknown name, without a constant that could decide an `and` or `or`.
_CONSTANT = rb"[\"'0-9]|\.\.\.|(?<![\w)\]}])\(\)"
_OPAQUE = (
    rb"[ \t]++(?:not[ \t]++)?+(?=[A-Za-z_])(?![A-Za-z]{0,2}[\"'])(?![^\n]*" + _TELLING + rb")"
    rb"(?![^\n]*\b(?:and|or)\b[^\n]*(?:" + _CONSTANT + rb"))(?![^\n]*(?:" + _CONSTANT + rb")[^\n]*\b(?:and|or)\b)"
)  # fmt: skip
_IS_OPAQUE = re.compile(_OPAQUE + rb"[^\n]*+\Z")
# Such a test whose header surely ends with its line.
_OPAQUE_LINE = _OPAQUE + rb"(?![^\n]*\blambda\b)[^\n\[{]*+(?<=:)\r?\n"


def is_opaque(test: bytes) -> bool:
    """Is a test, on one line, one that may go either way whatever the target is?"""
    return _IS_OPAQUE.match(test) is not None


def _make_skip(stops: bytes, careful: bool) -> re.Pattern[bytes]:
    """The pattern that runs to the next line that begins with what `stops` matches.

    A careful one stops before an import that follows a colon or semicolon, too.
    """
    parts = [
        rb"[^\"'#\n\\;:]++" if careful else rb"[^\"'#\n\\]++",
        rb"\n(?!" + stops + b")",
        STRING,
        rb"#[^\n]*+",
        _CONTINUED,  # what follows a backslash is no header
    ]
    if careful:
        parts.append(rb"[;:](?!(?:[ \t\f]|\\\r?\n)*+" + IMPORT_WORD + b")")
    line = rb"(?:\n([ \t\f]*+)(?=[a-z])(?:async[ \t]++)?([a-z]++))?"
    return re.compile(b"(?:" + b"|".join(parts) + b")*+" + line)


@lru_cache(64)
def get_skip(*, has_blocks: bool, careful: bool) -> re.Pattern[bytes]:
    """The pattern that runs to the next import, or to the next header of a block too."""
    words = b"(?:" + IMPORT_WORD + b"|" + _HEADER_WORD + b")" if has_blocks else IMPORT_WORD
    return _make_skip(_SPACE + words, careful)


@lru_cache(64)
def get_skip_in_function(column: int, *, careful: bool) -> re.Pattern[bytes]:
    """The pattern for the inside of a function whose `def` is indented by so many spaces.

    Everything there runs later, whatever blocks it is in, unless a test says never. So it stops at
    imports, at headers that stand no deeper than the `def`, and at tests that may tell something.
    """
    end = b" {0,%d}+" % column + _HEADER_WORD
    tabbed = rb" *+[\t\f]" + _SPACE + _HEADER_WORD
    test = _SPACE + rb"(?:el)?if\b(?!" + _OPAQUE_LINE + b")"
    return _make_skip(
        b"(?:" + _SPACE + IMPORT_WORD + b"|" + end + b"|" + tabbed + b"|" + test + b")", careful
    )


@lru_cache(256)
def get_skip_to_handler(indent: bytes) -> re.Pattern[bytes]:
    """The pattern that runs to the first `except` or `finally` with an indentation."""
    return _make_skip(indent + rb"(?:except|finally)\b", False)
