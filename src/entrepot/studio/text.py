"""Bytes of a file and the text in an editor, there and back without changing what was not edited.

An editor knows lines and nothing of BOMs, encodings or line ends: they are kept in a `Form` and put
back. Positions in an editor are UTF-16 code units (ECMA-262, 6.1.4).

Does not know: line ends that are mixed within one file. All become the most frequent one.
"""

from __future__ import annotations

import codecs
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, replace


class NotText(ValueError):  # noqa: N818
    """Bytes that are no text in an encoding that is known."""


class BadChanges(ValueError):  # noqa: N818
    """Changes that do not fit the text that they are for."""


@dataclass(frozen=True, slots=True)
class Form:
    """encoding: a codec's name; bom: bytes in front; line_end: "\\n", "\\r\\n" or "\\r"."""

    encoding: str = "utf-8"
    bom: bytes = b""
    line_end: str = "\n"


def decode(data: bytes, *, is_python: bool = False) -> tuple[str, Form]:
    """Return the text, with "\\n" for every line end, and its form. Raises NotText."""
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    body = data[len(bom) :]
    encoding = "utf-8"
    if is_python and not bom:
        encoding = _find_declared(body)
    if b"\0" in body:
        raise NotText("it has zero bytes")
    try:
        text = body.decode(encoding)
    except (UnicodeError, LookupError):
        raise NotText("its bytes are no text") from None
    crlf = text.count("\r\n")
    counts = {"\n": text.count("\n") - crlf, "\r\n": crlf, "\r": text.count("\r") - crlf}
    line_end = max(counts, key=lambda end: counts[end])
    form = Form(encoding, bom, line_end if counts[line_end] else "\n")
    return text.replace("\r\n", "\n").replace("\r", "\n"), form


def follow_declaration(text: str, form: Form) -> Form:
    """Return the form in which Python reads a text as it is: somebody may have written another encoding into it."""
    return form if form.bom else replace(form, encoding=_find_declared(text.encode("utf-8", "surrogatepass")))


def _find_declared(body: bytes) -> str:
    try:
        return tokenize.detect_encoding(io.BytesIO(body).readline)[0]
    except (SyntaxError, UnicodeError):
        return "utf-8"


def encode(text: str, form: Form) -> bytes:
    """Return the bytes of a text in a form. Raises UnicodeEncodeError."""
    return form.bom + text.replace("\n", form.line_end).encode(form.encoding)


def apply_changes(text: str, changes: Sequence[object]) -> str:
    """Return a text after the changes that an editor made (CodeMirror's `ChangeSet.toJSON`).

    A number keeps so many units; a list says how many to take out and the lines to put there.

    Raises:
        BadChanges: they were made to another text.
    """
    units = text.encode("utf-16-le", "surrogatepass")
    made: list[bytes] = []
    at = 0
    for change in changes:
        if isinstance(change, int) and not isinstance(change, bool) and change >= 0:
            made.append(units[at : at + 2 * change])
            at += 2 * change
        elif isinstance(change, list) and change and isinstance(change[0], int) and change[0] >= 0:
            lines = change[1:]
            if not all(isinstance(line, str) for line in lines):
                raise BadChanges(f"no lines: {lines!r:.80}")
            made.append("\n".join(lines).encode("utf-16-le", "surrogatepass"))
            at += 2 * change[0]
        else:
            raise BadChanges(f"no change: {change!r:.80}")
    if at != len(units):
        raise BadChanges(f"they are for a text of {at // 2} units, not of {len(units) // 2}")
    # A lone surrogate, which no file can hold, becomes a question mark.
    return b"".join(made).decode("utf-16-le", "surrogatepass").encode("utf-8", "replace").decode()
