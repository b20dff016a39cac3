"""The pattern of string literals in a file's bytes.

In all patterns of this folder a group that repeats possessively ends with an alternative that matches nothing,
`(?!)`: before 3.11.5 Python goes on, where the others have failed, from wherever the last of them got to; this one sends
it back.

Where what is inside an f-string takes thought (quotes, backslashes or comments in its fields), the
pattern does not match, and whoever uses it stops there.
"""

from __future__ import annotations

_ESCAPE = rb"\\(?:\r\n|[\s\S])"
# A literal without fields: what stands before it is neither f nor t, with or without r.
_PLAIN = rb"(?<![fFtT])(?<![fFtT][rR])"


def _make_string(quote: bytes) -> bytes:
    """The pattern of the literals with one kind of quote, from the quote on."""
    other = b"'" if quote == b'"' else b'"'
    field = rb"\{(?:[^{}\"'\\#]++|" + other + rb"[^\"'\\\n{}]*+" + other + rb"|\{[^{}\"'\\#]*+\}|(?!))++\}"
    triple = quote * 3
    return b"|".join(
        [
            _PLAIN
            + triple
            + rb"(?:[^\\"
            + quote
            + rb"]++|"
            + _ESCAPE
            + b"|"
            + quote
            + b"(?!"
            + quote * 2
            + b")|(?!))*+"
            + triple,
            _PLAIN
            + quote
            + b"(?!"
            + quote * 2
            + b")"
            + rb"(?:[^\\\n"
            + quote
            + rb"]++|"
            + _ESCAPE
            + b"|(?!))*+"
            + quote,
            # With fields: only such as need no thought.
            triple
            + rb"(?:[^\\{}"
            + quote
            + rb"]++|\\(?:\r\n|[^{}])|"
            + quote
            + b"(?!"
            + quote * 2
            + rb")|\{\{|\}\}|"
            + field
            + b"|(?!))*+"
            + triple,
            quote
            + b"(?!"
            + quote * 2
            + b")"
            + rb"(?:[^\\{}\n"
            + quote
            + rb"]++|\\(?:\r\n|[^{}])|\{\{|\}\}|"
            + field.replace(b"#]", rb"\n#]")
            + b"|(?!))*+"
            + quote,
        ]
    )


STRING = _make_string(b'"') + b"|" + _make_string(b"'")
