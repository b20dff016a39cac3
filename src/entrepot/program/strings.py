"""The pattern of string literals in a file's bytes.

In all patterns of this folder a group that repeats possessively ends with an alternative that matches nothing,
`(?!)`: before 3.11.5 Python goes on, where the others have failed, from wherever the last of them got to; this one sends
it back.

Where what is inside an f-string takes thought (quotes, backslashes or comments in its fields), the
pattern does not match, and whoever uses it stops there.
"""

from __future__ import annotations

_ESCAPE = rb"\\(?:\r\n|[\s\S])"


def _make_string(quote: bytes) -> bytes:
    """The pattern of the literals with one kind of quote, from the quote on.

    It begins with the quote itself, for a pattern tries an alternative that begins with a character only there.
    """
    other = b"'" if quote == b'"' else b'"'
    two = quote * 2
    lone = quote + b"(?!" + two + b")"
    field = rb"\{(?:[^{}\"'\\#]++|" + other + rb"[^\"'\\\n{}]*+" + other + rb"|\{[^{}\"'\\#]*+\}|(?!))++\}"
    # A literal without fields: what stands before it is neither f nor t, with or without r.
    plain = b"(?<![fFtT]" + quote + b")(?<![fFtT][rR]" + quote + b")"
    plain_triple = two + rb"(?:[^\\" + quote + b"]++|" + _ESCAPE + b"|" + lone + b"|(?!))*+" + two + quote
    plain_single = rb"(?:[^\\\n" + quote + b"]++|" + _ESCAPE + b"|(?!))*+" + quote
    # With fields: only such as need no thought.
    triple = rb"(?:[^\\{}" + quote + rb"]++|\\(?:\r\n|[^{}])|" + lone + rb"|\{\{|\}\}|" + field + b"|(?!))*+"
    single = (
        rb"(?:[^\\{}\n"
        + quote
        + rb"]++|\\(?:\r\n|[^{}])|\{\{|\}\}|"
        + field.replace(b"#]", rb"\n#]")
        + b"|(?!))*+"
    )
    lone_ahead = b"(?!" + two + b")"
    return (
        quote + b"(?:" + plain + b"(?:" + plain_triple + b"|" + lone_ahead + plain_single + b")"
        b"|" + two + triple + two + quote + b"|" + lone_ahead + single + quote + b")"
    )  # fmt: skip


STRING = _make_string(b'"') + b"|" + _make_string(b"'")
