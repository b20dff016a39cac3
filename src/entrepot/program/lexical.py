"""Find the import statements of a file without parsing it.

One possessive pattern runs over strings, comments and everything else, up to the last line on
which an import can stand, and stops only before lines that begin like an import. Inside
brackets no text can be a whole import statement, so brackets need no counting. Where an
indented import follows, it stops before block headers as well (`def`, `if`, `try`, ...), which
gives the blocks that the import stands in.

It never guesses. Whatever it is not sure of (an f-string with quotes in its fields, an import
after a colon, form feeds, names that are not ASCII, a header that it cannot follow) makes
`scan_lexically` return None, and the caller parses the file.

Costs about a twelfth of `ast`. Knows bytes only: the caller has checked that they decode.
"""

from __future__ import annotations

import re

from entrepot.program.blocks import Blocks
from entrepot.program.conditions import EAGER, LAZY, Target
from entrepot.program.skips import get_skip, get_skip_in_function
from entrepot.program.statements import Names, Statement

# A line on which an import can begin; and what shows that one stands further inside a line.
_CANDIDATE = re.compile(rb"[ \t\f]*+(?:lazy[ \t]++)?(?:import\b|from\b)")
# (After a backslash it may: one that does not only costs time.)
_INLINE = re.compile(rb"[;:][ \t\f]*+(?:import\b|from\b|lazy\b|\\)")
_BLANKS = b" \t\f"
_LONE_CR = re.compile(rb"\r(?!\n)")

_SPACE = rb"(?:[ \t]|\\\r?\n|(?!))"
_NAME = rb"[A-Za-z_][A-Za-z0-9_]*+"
_DOTTED = _NAME + rb"(?:\." + _NAME + b"|(?!))*+"
_AS = b"(?:" + _SPACE + b"++as" + _SPACE + b"++" + _NAME + b"|(?!))?+"
_END = rb"[ \t]*+(?=[;#\r\n]|\Z)"
# fmt: off
# ruff: noqa: E501
_IMPORT = re.compile(
    rb"(?:(?P<modules>import"
    + _SPACE + b"++" + _DOTTED + _AS + b"(?:" + _SPACE + b"*+," + _SPACE + b"*+" + _DOTTED + _AS + b"|(?!))*+)"
    + rb"|from(?=[ \t.\\])" + _SPACE + rb"*+(?P<dots>\.[. \t]*+)?(?P<module>(?!import\b)" + _DOTTED + b"|(?!))?+" + _SPACE + b"*+"
    + rb"(?<![A-Za-z0-9_])import(?![A-Za-z0-9_])" + _SPACE + b"*+(?:(?P<star>\\*)"
    + b"|(?P<names>(?<![A-Za-z0-9_])" + _NAME + _AS + b"(?:" + _SPACE + b"*+," + _SPACE + b"*+" + _NAME + _AS + b"|(?!))*+)"
    + rb"|\((?P<list>(?:[^()#\"']++|#[^\n]*+|(?!))*+)\)))"
    + _END
)
# fmt: on
# From the end of one statement over blank lines and comments to one at the margin, alone on its line.
_NEXT = re.compile(
    rb"(?:(?:#[^\n]*+|(?!))?+\r?\n(?:[ \t]*+(?=[#\r\n])|(?!))?+|(?!))++(" + _IMPORT.pattern + rb")(?!;)"
).match
_DROP = re.compile(rb"#[^\n]*+|\\\r?\n")
_AFTER = re.compile(rb"[ \t]*+;[ \t]*+")
_LAZY = re.compile(rb"lazy[ \t]++(?=(?:import|from)\b)")
_MORE = re.compile(rb"(?:import|from)\b")
_NEWLINE = 10


_parsed: dict[bytes, tuple[str, int, str, Names] | None] = {}
# Whole lines at the margin that are one statement each, ready for use; () for an empty line. Most of a
# program's import lines stand in many of its files.
_lines: dict[bytes, tuple[str, int, str, Names, str] | tuple[()]] = {b"": (), b"\r": ()}
_MOST_REMEMBERED = 100_000


def find_last_candidate(data: bytes) -> int:
    """Return where the last line begins on which an import can stand; -1 where there is none."""
    end = len(data)
    while (at := data.rfind(b"import", 0, end)) >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        if _CANDIDATE.match(data, start) or (start > 1 and data[start - 2 : start - 1] in (b"\\", b"\r")):
            # After a backslash the statement began further up; one line back is still before the end.
            return start
        if _INLINE.search(data, start, at + 8):
            return start
        end = start
    return -1


def _find_kinds(data: bytes, end: int) -> tuple[bool, bool]:
    """Return whether imports up to `end` may be indented, and whether one may stand further inside a line.

    True where in doubt: that costs only time.
    """
    find, rfind = data.find, data.rfind
    is_indented = is_inside = False
    at = find(b"import", 0, end + 8)
    while at >= 0:
        start = rfind(b"\n", 0, at) + 1
        if start < at:
            if data[start - 2 : start - 1] == b"\\" or data[start - 3 : start - 1] == b"\\\r":
                return True, True
            if data[start] in _BLANKS:
                is_indented = is_indented or _CANDIDATE.match(data, start) is not None
            is_inside = is_inside or _INLINE.search(data, start, at + 7) is not None
            if is_indented and is_inside:
                break
        at = find(b"import", at + 6, end + 8)
    return is_indented, is_inside


def scan_lexically(data: bytes, target: Target) -> list[Statement] | None:
    """Return the import statements of a file's bytes, in order, or None where it takes a parser."""
    last = find_last_candidate(data)
    if last < 0:
        return []
    if b"\r" in data and _LONE_CR.search(data):
        return None
    _forget()
    # A line break in front, so that the first line begins like the others; lines then count from it.
    data = b"\n" + data
    last += 1
    end = data.find(b"\n", last)
    if end < 0:
        end = len(data)
    has_blocks, careful = _find_kinds(data, end)
    skip = get_skip(has_blocks=has_blocks, careful=careful).match
    blocks = Blocks(target)
    statements: list[Statement] = []
    count = data.count
    at = counted = line = 0
    while at < end:
        if data[at] == _NEWLINE:
            line += count(b"\n", counted, at + 1)
            known = len(statements)
            line, counted = _read_known_lines(data, at + 1, line, statements)
            at = counted - 1
            if len(statements) > known:
                blocks.leave_all()
            if at >= end:
                break
        match = _NEXT(data, at)
        if match is not None:
            # The usual line; blocks end at the margin.
            parsed = _recall(match, 1)
            if parsed is None:
                return None
            begin = match.start(1)
            line += count(b"\n", counted, begin)
            counted = begin
            blocks.leave_all()
            statements.append((line, 0, *parsed, EAGER))
            at = match.end()
            if data[at : at + 1] == b"\n" and b"\n" not in match[1]:
                _lines[match[1]] = (*parsed, EAGER)
            continue
        function = blocks.function
        match = (skip if function < 0 else get_skip_in_function(function, careful=careful).match)(data, at)
        assert match is not None
        indent, word = match[1], match[2]
        if word is None:
            return statements if match.end() >= end else None
        begin = match.start(1) + len(indent)
        if match.start(1) > end:
            return statements
        if b"\f" in indent:
            return None
        if word != b"import" and word != b"from" and word != b"lazy":
            at = match.end()
            blocks.enter(data, at, word, indent)
            continue
        line += count(b"\n", counted, begin)
        counted = begin
        if word == b"lazy" and not _LAZY.match(data, begin):  # some name called lazy
            at = begin
            continue
        when = blocks.find_when(len(indent.expandtabs(8)))
        after = _read_line(data, begin, line, len(indent), when, statements) if when is not None else -1
        if after < 0:
            return None
        at = after
    return statements


def _read_known_lines(data: bytes, begin: int, line: int, statements: list[Statement]) -> tuple[int, int]:
    """Read lines that were met before, from the one that begins at `begin`; return where and which the next is."""
    find, recall = data.find, _lines.get
    while (stop := find(b"\n", begin)) >= 0 and (known := recall(data[begin:stop])) is not None:
        if known:
            statements.append((line, 0, *known))
        line += 1
        begin = stop + 1
    return line, begin


def _read_line(
    data: bytes, begin: int, line: int, column: int, when: str, statements: list[Statement]
) -> int:
    """Read the statements of one line, the first of which is an import; return where to go on, or -1."""
    start = begin
    lazy = _LAZY.match(data, begin)
    while True:
        match = _IMPORT.match(data, lazy.end() if lazy else start)
        parsed = _recall(match, 0) if match is not None else None
        if match is None or parsed is None:
            return -1
        statement_when = LAZY if lazy and when == EAGER else when
        lazy = None
        statements.append((line, column + start - begin, *parsed, statement_when))
        at = match.end()
        if data[at : at + 1] != b";":
            return at
        start = _AFTER.match(data, at).end()  # type: ignore[union-attr]
        if not _MORE.match(data, start):
            return -1 if data[start : start + 4] == b"lazy" or data[start : start + 1] == b"\\" else start
        if b"\n" in match[0]:
            return -1  # the second statement is on another line than the first


def _recall(match: re.Match[bytes], group: int) -> tuple[str, int, str, Names] | None:
    """Return what a matched statement says, from memory where its text was met before."""
    text = match[group]
    if text in _parsed:
        return _parsed[text]
    parsed = _parsed[text] = _parse(match)
    return parsed


def _forget() -> None:
    """Keep what is remembered of other files from growing without bound."""
    if len(_parsed) > _MOST_REMEMBERED:
        _parsed.clear()
    if len(_lines) > _MOST_REMEMBERED:
        _lines.clear()
        _lines.update({b"": (), b"\r": ()})


def _parse(match: re.Match[bytes]) -> tuple[str, int, str, Names] | None:
    """Turn a matched statement into form, level, module and names; None where in doubt."""
    if match["modules"] is not None:
        names = _split(match["modules"][6:])
        if names is None or any(not _KEYWORDS.isdisjoint(name.split(".")) for name, _ in names):
            return None
        return "import", 0, "", names
    level = match["dots"].count(b".") if match["dots"] else 0
    module = (match["module"] or b"").decode()
    if not (level or module) or not _KEYWORDS.isdisjoint(module.split(".")):
        return None
    if match["star"]:
        return "star", level, module, (("*", None),)
    text = match["names"] if match["names"] is not None else match["list"]
    names = _split(text)
    if names is None or any("." in name for name, _ in names):
        return None
    return ("from", level, module, names)


# None of these can be a name in a statement; where one stands, the text is something else.
_KEYWORDS = frozenset({"import", "from", "as", "if", "in", "is", "for", "yield", "else", "and", "or", "not"})


def _split(text: bytes) -> Names | None:
    """Split a list of names, each perhaps with `as`; None where it is anything else."""
    if not text.isascii():
        return None
    if b"#" in text or b"\\" in text:
        text = _DROP.sub(b" ", text)
    names: list[tuple[str, str | None]] = []
    parts = text.decode().split(",")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        words = part.split()
        if len(words) == 1:
            name, bound = words[0], None
        elif len(words) == 3 and words[1] == "as" and words[2].isidentifier() and words[2] not in _KEYWORDS:
            name, bound = words[0], words[2]
        else:
            return None
        if name in _KEYWORDS or not name.replace(".", "").isidentifier():
            return None
        names.append((name, bound))
    return tuple(names) or None
