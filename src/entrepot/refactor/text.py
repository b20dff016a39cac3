"""One source file as bytes, text and tree, and replacements at positions in it.

All positions are offsets into `data`: the text in UTF-8 without its BOM. `encode` gives the
bytes back in the file's own encoding; a file that does not survive the round trip byte for
byte is refused, because then an edit could change lines it does not mean to.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from functools import cached_property

from entrepot.errors import Refused
from entrepot.program.inner_code import Lines
from entrepot.program.scopes import resolve
from entrepot.program.symbols import Names

BOM = b"\xef\xbb\xbf"
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


class SourceFile:
    """A Python file. `raw` are its bytes on disk; `path` is absolute, or made up for a new file."""

    def __init__(self, path: str, raw: bytes) -> None:
        self.path = path
        self.raw = raw
        self.has_bom = raw.startswith(BOM)
        self.encoding = find_encoding(path, raw)
        body = raw[len(BOM) :] if self.has_bom else raw
        if self.encoding in ("utf-8", "ascii"):
            self.data = body
            try:
                body.decode(self.encoding)
            except UnicodeDecodeError as error:
                raise Refused(f"the file is not {self.encoding}: {error}", path) from None
        else:
            try:
                text = body.decode(self.encoding)
            except UnicodeDecodeError as error:
                raise Refused(f"the file is not {self.encoding}: {error}", path) from None
            if text.encode(self.encoding) != body:
                raise Refused(f"its bytes do not survive decoding as {self.encoding}", path)
            self.data = text.encode("utf-8")

    @cached_property
    def lines(self) -> Lines:
        return Lines(self.data)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises Refused for a file that Python cannot parse."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.data.decode("utf-8"))
        except SyntaxError as error:
            raise Refused(f"syntax error: {error.msg}", self.path, error.lineno, "mend it first") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise Refused(f"Python cannot read this file: {error}", self.path) from None

    @cached_property
    def names(self) -> Names:
        return resolve(self.tree, self.lines)

    @cached_property
    def _bodies(self) -> dict[int, list[ast.stmt]]:
        return {id(node): body for node, body in walk_statements(self.tree)}

    def body_of(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return the list of statements that a statement of this file stands in."""
        return self._bodies.get(id(statement), [])

    @cached_property
    def eol(self) -> bytes:
        """The line end that the file uses most; a newline for a file without any."""
        crlf = self.data.count(b"\r\n")
        lf = self.data.count(b"\n") - crlf
        cr = self.data.count(b"\r") - crlf
        best = max((lf, 2, b"\n"), (crlf, 1, b"\r\n"), (cr, 0, b"\r"))
        return best[2]

    def line_of(self, offset: int) -> int:
        return self.lines.place(offset)[0]

    def line_start(self, offset: int) -> int:
        """Return where the line around `offset` begins."""
        return self.lines.starts[self.lines.place(offset)[0] - 1]

    def line_end(self, offset: int) -> int:
        """Return the offset behind the line (and its line end) around `offset`."""
        line = self.lines.place(offset)[0]
        return self.lines.starts[line] if line < len(self.lines.starts) else len(self.data)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the offsets of a node, decorators included."""
        start = self.lines.start_of(node)
        for decorator in getattr(node, "decorator_list", ()):
            at = self.data.rfind(b"@", 0, self.lines.start_of(decorator))
            start = min(start, at)
        return start, self.lines.end_of(node)

    def encode(self, data: bytes) -> bytes:
        """Return edited `data` as bytes for the disk, with the file's BOM and encoding."""
        if self.encoding not in ("utf-8", "ascii"):
            try:
                data = data.decode("utf-8").encode(self.encoding)
            except UnicodeEncodeError as error:
                raise Refused(f"text that {self.encoding} cannot write: {error}", self.path) from None
        elif self.encoding == "ascii" and not data.isascii():
            raise Refused("text that ascii cannot write", self.path)
        return (BOM if self.has_bom else b"") + data

    @cached_property
    def indent(self) -> str:
        """The file's own indentation step: four spaces where it has none."""
        match = re.search(rb"(?m)^([ \t]+)\S", self.data)
        for node in self.tree.body:
            inner = getattr(node, "body", None)
            if isinstance(inner, list) and inner and inner[0].lineno > node.lineno:
                start = self.line_start(self.lines.start_of(inner[0]))
                return self.data[start : self.lines.start_of(inner[0])].decode() or "    "
        return match.group(1).decode() if match and b"\t" in match.group(1) else "    "


def find_encoding(path: str, raw: bytes) -> str:
    """Return the encoding of a source file (PEP 263). Raises Refused for an unknown one."""
    try:
        found = tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
    except SyntaxError as error:
        raise Refused(str(error), path) from None
    return "utf-8" if found in ("utf-8", "utf-8-sig") else found


def has_coding_line(line: bytes) -> bool:
    return _CODING.match(line) is not None


def walk_statements(tree: ast.AST) -> Iterator[tuple[ast.stmt, list[ast.stmt]]]:
    """Yield every statement with the list of statements that it stands in."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        for field_name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field_name, None)
            if isinstance(inner, list):
                for statement in inner:
                    if isinstance(statement, ast.stmt):
                        yield statement, inner
                    stack.append(statement)


class Rewriter:
    """Replacements collected for one file, then made in one go.

    Insertions at the same place keep the order in which they were asked for.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.edits: list[tuple[int, int, int, bytes]] = []

    def replace(self, start: int, end: int, text: str | bytes) -> None:
        if start < 0 or end < start:
            raise Refused("a place in this file cannot be told from its text", self.file.path)
        new = text.encode() if isinstance(text, str) else text
        if (start, end, new) not in {edit[:2] + edit[3:] for edit in self.edits if edit[0] == start}:
            self.edits.append((start, end, len(self.edits), new))

    def insert(self, at: int, text: str | bytes) -> None:
        self.edits.append((at, at, len(self.edits), text.encode() if isinstance(text, str) else text))

    def delete(self, start: int, end: int) -> None:
        self.replace(start, end, b"")

    def within(self, start: int, end: int) -> bytes:
        """Return the text between two offsets with the replacements inside it made."""
        inside = sorted(e for e in self.edits if start <= e[0] and e[1] <= end)
        data, at, pieces = self.file.data, start, []
        for begin, stop, _, new in inside:
            if begin < at:
                if begin == stop:
                    pieces.append(new)  # an insertion in the middle of what is deleted
                    continue
                line = self.file.line_of(begin)
                raise Refused("two changes meet at one place", self.file.path, line, "make them one by one")
            pieces += [data[at:begin], new]
            at = stop
        pieces.append(data[at:end])
        return b"".join(pieces)

    def result(self) -> bytes:
        """Return the whole text with the replacements made; no blank lines are left at its head."""
        data = self.within(0, len(self.file.data))
        if self.edits and not self.file.data.startswith((b"\n", b"\r")):
            data = data.lstrip(b"\r\n")
        return data

    @property
    def changes_anything(self) -> bool:
        return any(self.file.data[start:end] != new for start, end, _, new in self.edits)
