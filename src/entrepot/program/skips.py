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

# Each column has a pattern of its own, which takes a while to compile: functions deeper than this are rare.
DEEPEST_FUNCTION = 4
# Words without which a test is never known from its text.
_TELLING = rb"(?:version_info|platform|TYPE_CHECKING|__name__|os\.name|implementation|maxsize)\b"
# How an operand begins that may be known: a constant, an empty tuple.
_KNOWN = rb"[\s(\\]*(?:[\"'0-9.+~)-]|[A-Za-z]{1,2}[\"']|(?:True|False|None)\b)"
_BEFORE = rb"(?:\b(?:and|or)\b|(?<!\bis )\bnot\b)"
_IS_KNOWN = re.compile(rb"(?:\A|" + _BEFORE + b")" + _KNOWN + rb"|\b" + _TELLING)
# A test with no such operand and no such word, and a header that surely ends with its line: one word after the other.
_OPAQUE_LINE = (
    rb"(?!"
    + _KNOWN
    + rb")(?:(?!"
    + _BEFORE
    + _KNOWN
    + rb"|"
    + _TELLING
    + rb"|lambda\b)\w++|[^\n\w\[{]++|(?!))*+(?<=:)\r?\n"
)


def is_opaque(test: bytes) -> bool:
    """Is a test one that may go either way whatever the target is?"""
    return _IS_KNOWN.search(test) is None


def _make_skip(stops: bytes, careful: bool) -> re.Pattern[bytes]:
    """The pattern that runs to the next line that begins with what `stops` matches.

    A careful one stops before an import that follows a colon or semicolon, too.
    """
    plain = rb"[^\"'#\n\\;:]" if careful else rb"[^\"'#\n\\]"
    parts = [
        # With what follows on the line, for that costs less than another turn.
        rb"\n(?!" + stops + b")" + plain + b"*+",
        plain + b"++",
        STRING,
        rb"#[^\n]*+",
        _CONTINUED,  # what follows a backslash is no header
    ]
    if careful:
        parts.append(rb"[;:](?!(?:[ \t\f]|\\\r?\n|(?!))*+" + IMPORT_WORD + b")")
    line = rb"(?:\n([ \t\f]*+)(?=[a-z])(?:async[ \t]++)?([a-z]++))?"
    return re.compile(b"(?:" + b"|".join(parts) + b"|(?!))*+" + line)


@lru_cache(64)
def get_skip(*, has_blocks: bool, careful: bool) -> re.Pattern[bytes]:
    """The pattern that runs to the next import, or to the next header of a block too."""
    words = b"(?:" + IMPORT_WORD + b"|" + _HEADER_WORD + b")" if has_blocks else IMPORT_WORD
    return _make_skip(_SPACE + words, careful)


@lru_cache(64)
def get_skip_in_function(column: int, *, careful: bool) -> re.Pattern[bytes]:
    """The pattern for the inside of a function whose `def` is indented by so many spaces.

    Everything there runs later, whatever blocks it is in, unless a test says never. So it stops at
    imports, at headers that stand no deeper than the `def`, and at tests that may tell something. Not at
    another `def` beside the first: its inside runs later, too.
    """
    beside = rb"(?!(?<=\n {%d})(?:async[ \t]++)?def\b)" % column
    end = b" {0,%d}+" % column + beside + _HEADER_WORD
    tabbed = rb" *+[\t\f]" + _SPACE + _HEADER_WORD
    test = rb"(?:el)?if\b(?!" + _OPAQUE_LINE + b")"
    stops = _SPACE + b"(?:" + IMPORT_WORD + b"|" + test + b")|" + end + b"|" + tabbed
    return _make_skip(b"(?:" + stops + b")", careful)


@lru_cache(1)
def get_skip_to_handler() -> re.Pattern[bytes]:
    """The pattern that runs to the next `except` or `finally`."""
    return _make_skip(_SPACE + rb"(?:except|finally)\b", False)
