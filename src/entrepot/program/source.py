"""A source file as Python reads it: its bytes, its text, and the way between positions in both.

Python decides how to decode a file from its first two lines (PEP 263: a byte order mark, a
`coding` comment, else UTF-8), ends a line at `\\n`, `\\r\\n` or a lone `\\r`, and refuses null bytes.
`Source` keeps the bytes, so whoever changes a part of the text gives every other byte back, and
it tells places in three ways:

    offset            characters from the start of `text`
    line, column      line from 1, column from 0, both in characters
    line, utf8 column what `ast` gives: the column counted in UTF-8 bytes

Knows nothing of syntax. A file that cannot be read or decoded is a `SourceError`.
"""

from __future__ import annotations

import codecs
import os
import re
from bisect import bisect_right
from functools import cached_property

from entrepot.errors import ProgramError

BOM = codecs.BOM_UTF8
# What counts as a coding comment (PEP 263), and what may stand above one.
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?$")
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_TEXT_NEWLINE = re.compile(r"\r\n|\r|\n")
# No source file of a person is larger; reading one by mistake must not fill the memory.
LARGEST_BYTES = 256 * 1024 * 1024


def has_cookie(data: bytes) -> bool:
    """May one of the first two lines name an encoding?"""
    end = data.find(b"\n", data.find(b"\n") + 1)
    return b"coding" in data[: end if end >= 0 else len(data)]


class SourceError(ProgramError):
    """A file that Python could not take as source text.

    Fields: `path` (str), `line` (int, 1 where the whole file is meant), `reason` (str, a clause).
    """

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


class Source:
    """The text of one file. Make one with `read_source` or `parse_source`.

    path: as given. data: the file's bytes. text: `data` decoded, with the newlines it has, without
    the byte order mark. encoding: the codec's name as Python has it ("utf-8", "iso-8859-1", ...).
    has_bom: whether the file begins with a UTF-8 byte order mark.
    """

    def __init__(self, path: str, data: bytes, text: str, encoding: str, has_bom: bool) -> None:
        self.path = path
        self.data = data
        self.text = text
        self.encoding = encoding
        self.has_bom = has_bom

    @cached_property
    def newline(self) -> str:
        """The line end that the file has most often; `"\\n"` where it has none."""
        ends = _TEXT_NEWLINE.findall(self.text)
        return max(("\n", "\r\n", "\r"), key=ends.count) if ends else "\n"

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset at which each line begins; `line_starts[0] == 0`."""
        return [0, *(match.end() for match in _TEXT_NEWLINE.finditer(self.text))]

    @property
    def line_count(self) -> int:
        """How many lines there are, the one after a last newline included."""
        return len(self.line_starts)

    def get_line(self, line: int) -> str:
        """Return one line (from 1) with its line end. Raises IndexError where there is none."""
        if not 1 <= line <= len(self.line_starts):
            raise IndexError(line)
        end = self.line_starts[line] if line < len(self.line_starts) else len(self.text)
        return self.text[self.line_starts[line - 1] : end]

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line (from 1) and a column counted in characters (from 0)."""
        return self.line_starts[line - 1] + column

    def offset_of_utf8(self, line: int, utf8_column: int) -> int:
        """Return the offset of a place as `ast` gives it: `lineno` and `col_offset`."""
        start = self.line_starts[line - 1]
        text = self.get_line(line)
        if text.isascii():
            return start + utf8_column
        return start + len(text.encode("utf-8", "surrogatepass")[:utf8_column].decode("utf-8", "ignore"))

    def position(self, offset: int) -> tuple[int, int]:
        """Return the line (from 1) and the column in characters (from 0) of an offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1]

    def utf8_position(self, offset: int) -> tuple[int, int]:
        """Return line and column as `ast` would give them (`lineno`, `col_offset`)."""
        line, column = self.position(offset)
        start = self.line_starts[line - 1]
        return line, len(self.text[start : start + column].encode("utf-8", "surrogatepass"))

    def encode(self, text: str) -> bytes:
        """Return the bytes of another text for this file: same codec, same byte order mark.

        Raises UnicodeEncodeError where the codec has no such character.
        """
        return (BOM if self.has_bom else b"") + text.encode(self.encoding)


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read a file. Raises SourceError (a directory, no permission, not decodable, too large)."""
    path = os.fspath(path)
    return parse_source(read_bytes(path), path)


def read_regular(path: str, size_bytes: int) -> bytes:
    """Return the bytes of a file that was regular and so large a moment ago. Raises SourceError.

    Asks the system less often than `read_bytes`, which takes over where the file is not what it was.
    """
    if size_bytes <= LARGEST_BYTES:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                data = os.read(descriptor, size_bytes + 1)
            finally:
                os.close(descriptor)
            if len(data) == size_bytes:
                return data
        except (OSError, ValueError):
            pass
    return read_bytes(path)


def read_bytes(path: str) -> bytes:
    """Return a regular file's bytes. Raises SourceError; never waits on a pipe or a device."""
    try:
        # A pipe must not be waited for: O_NONBLOCK opens it, and fstat then says what it is.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if status.st_mode & 0o170000 != 0o100000:
                raise SourceError(path=path, line=1, reason="is not a regular file")
            if status.st_size > LARGEST_BYTES:
                raise SourceError(path=path, line=1, reason=f"is larger than {LARGEST_BYTES} bytes")
            parts = []
            left = status.st_size
            # A read may give less than was asked for; what is added meanwhile belongs to the next reading.
            while left > 0 and (part := os.read(descriptor, left)):
                parts.append(part)
                left -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(path=path, line=1, reason=f"cannot be read: {reason}") from error


def parse_source(data: bytes, path: str = "<string>") -> Source:
    """Decode bytes as Python would decode a source file. Raises SourceError."""
    encoding, has_bom = find_encoding(data, path)
    body = data[len(BOM) :] if has_bom else data
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + len(_NEWLINE.findall(body[: error.start]))
        byte = body[error.start : error.start + 1].hex()
        raise SourceError(
            path=path,
            line=line,
            reason=f"byte 0x{byte} is not {encoding} (and no other encoding is declared)"
            if encoding == "utf-8"
            else f"byte 0x{byte} is not {encoding}, the declared encoding",
        ) from error
    except Exception as error:  # codecs raise what they like
        raise SourceError(path=path, line=1, reason=f"cannot be decoded as {encoding}: {error}") from error
    if "\0" in text:
        line = 1 + len(_TEXT_NEWLINE.findall(text[: text.index("\0")]))
        raise SourceError(path=path, line=line, reason="source code cannot contain null bytes")
    return Source(path, data, text, encoding, has_bom)


def find_encoding(data: bytes, path: str = "<string>") -> tuple[str, bool]:
    """Return the codec's name and whether there is a byte order mark (PEP 263).

    Raises SourceError where the comment names no codec that gives text, or contradicts the mark.
    """
    has_bom = data.startswith(BOM)
    start = len(BOM) if has_bom else 0
    for number in (1, 2):
        match = _NEWLINE.search(data, start)
        line = data[start : match.start()] if match else data[start:]
        cookie = _COOKIE.match(line)
        if cookie:
            return _get_codec(cookie[1].decode("latin-1"), has_bom, path, number), has_bom
        if not match or not _BLANK.match(line):
            break
        start = match.end()
    return "utf-8", has_bom


def _get_codec(declared: str, has_bom: bool, path: str, line: int) -> str:
    """Return the normal name of a declared encoding. Raises SourceError."""
    plain = declared[:12].lower().replace("_", "-")
    if plain == "utf-8" or plain.startswith("utf-8-"):
        return "utf-8"
    if has_bom:
        reason = f"declares {declared}, but begins with a UTF-8 byte order mark"
        raise SourceError(path=path, line=line, reason=reason)
    if plain in ("latin-1", "iso-8859-1", "iso-latin-1") or plain.startswith(
        ("latin-1-", "iso-8859-1-", "iso-latin-1-")
    ):
        return "iso-8859-1"
    try:
        codec = codecs.lookup(declared)
    except (LookupError, ValueError) as error:
        raise SourceError(path=path, line=line, reason=f"unknown encoding: {declared}") from error
    if not getattr(codec, "_is_text_encoding", True):
        raise SourceError(path=path, line=line, reason=f"{declared} is not a text encoding")
    return codec.name
