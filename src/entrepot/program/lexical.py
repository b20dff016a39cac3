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
from functools import lru_cache

from entrepot.program.conditions import (
    ALWAYS,
    CONDITIONAL,
    EAGER,
    GUARDED,
    LAZY,
    UNKNOWN,
    Target,
    Verdict,
    join_whens,
    judge_branch,
    judge_text,
)
from entrepot.program.statements import Names, Statement

_ESCAPE = rb"\\(?:\r\n|[\s\S])"
# A literal without fields: what stands before it is neither f nor t, with or without r.
_PLAIN = rb"(?<![fFtT])(?<![fFtT][rR])"


def _make_string(quote: bytes) -> bytes:
    """The pattern of the literals with one kind of quote, from the quote on."""
    other = b"'" if quote == b'"' else b'"'
    field = rb"\{(?:[^{}\"'\\#]++|" + other + rb"[^\"'\\\n{}]*+" + other + rb"|\{[^{}\"'\\#]*+\})++\}"
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
            + b"))*+"
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
            + b")*+"
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
            + b")*+"
            + triple,
            quote
            + b"(?!"
            + quote * 2
            + b")"
            + rb"(?:[^\\{}\n"
            + quote
            + rb"]++|\\(?:\r\n|[^{}])|\{\{|\}\}|"
            + field.replace(b"#]", rb"\n#]")
            + b")*+"
            + quote,
        ]
    )


_STRING = _make_string(b'"') + b"|" + _make_string(b"'")
_IMPORT_WORD = rb"(?:import|from|lazy)\b"
_HEADER_WORD = rb"(?:def|class|if|elif|else|try|except|finally|for|while|with|match|case|async)\b"
_CONTINUED = rb"\\\r?\n(?![ \t\f]*+" + _IMPORT_WORD + b")"


def _make_skip(words: bytes, careful: bool) -> re.Pattern[bytes]:
    """The pattern that runs to the next line beginning with one of the words.

    A careful one stops before an import that follows a colon or semicolon, too.
    """
    parts = [
        rb"[^\"'#\n\\;:]++" if careful else rb"[^\"'#\n\\]++",
        rb"\n(?![ \t\f]*+" + words + b")",
        _STRING,
        rb"#[^\n]*+",
        _CONTINUED,  # what follows a backslash is no header
    ]
    if careful:
        parts.append(rb"[;:](?!(?:[ \t\f]|\\\r?\n)*+" + _IMPORT_WORD + b")")
    return re.compile(b"(?:" + b"|".join(parts) + b")*+")


_SKIPS = {
    (blocks, careful): _make_skip(
        b"(?:" + _IMPORT_WORD + (b"|" + _HEADER_WORD if blocks else b"") + b")", careful
    )
    for blocks in (False, True)
    for careful in (False, True)
}

# A line on which an import can begin; and what shows that one stands further inside a line.
_CANDIDATE = re.compile(rb"[ \t\f]*+(?:lazy[ \t]++)?(?:import\b|from\b)")
_INLINE = re.compile(rb"[;:](?:[ \t\f]|\\\r?\n)*+" + _IMPORT_WORD)
_INDENTED = re.compile(rb"\n[ \t\f]++(?:lazy[ \t]++)?(?:import\b|from\b[^\n]*?(?:import\b|\\))")
_LONE_CR = re.compile(rb"\r(?!\n)")
_CALLS = re.compile(rb"\bimport_module[ \t]*\(|\b__import__[ \t]*\(|\b__path__\b(?=[ \t]*(?:[+.]|=[^=]))")

_SPACE = rb"(?:[ \t]|\\\r?\n)"
_NAME = rb"[A-Za-z_][A-Za-z0-9_]*+"
_DOTTED = _NAME + rb"(?:\." + _NAME + b")*+"
_AS = b"(?:" + _SPACE + b"++as" + _SPACE + b"++" + _NAME + b")?+"
_END = rb"[ \t]*+(?=[;#\r\n]|\Z)"
# fmt: off
# ruff: noqa: E501
_IMPORT = re.compile(
    rb"(?:(?P<modules>import"
    + _SPACE + b"++" + _DOTTED + _AS + b"(?:" + _SPACE + b"*+," + _SPACE + b"*+" + _DOTTED + _AS + b")*+)"
    + rb"|from(?=[ \t.\\])" + _SPACE + rb"*+(?P<dots>\.[. \t]*+)?(?P<module>(?!import\b)" + _DOTTED + b")?+" + _SPACE + b"*+"
    + rb"(?<![A-Za-z0-9_])import(?![A-Za-z0-9_])" + _SPACE + b"*+(?:(?P<star>\\*)"
    + b"|(?P<names>(?<![A-Za-z0-9_])" + _NAME + _AS + b"(?:" + _SPACE + b"*+," + _SPACE + b"*+" + _NAME + _AS + b")*+)"
    + rb"|\((?P<list>(?:[^()#\"']++|#[^\n]*+)*+)\)))"
    + _END
)
# fmt: on
# From the end of one statement over blank lines and comments to one at the margin, alone on its line.
_NEXT = re.compile(
    rb"(?:(?:#[^\n]*+)?+\r?\n(?:[ \t]*+(?=[#\r\n]))?+)++(" + _IMPORT.pattern + rb")(?!;)"
).match
_DROP = re.compile(rb"#[^\n]*+|\\\r?\n")
_AFTER = re.compile(rb"[ \t]*+;[ \t]*+")
_LAZY = re.compile(rb"lazy[ \t]++(?=(?:import|from)\b)")
_MORE = re.compile(rb"(?:import|from)\b")
_LINE = re.compile(rb"[ \t\f]*+")
_WORD = re.compile(rb"(?:async[ \t]++)?[a-z]++")


def _make_balanced(depth: int) -> bytes:
    """What may stand in brackets, nested so deep."""
    inner = rb"[^\"'#()\[\]{}]++|#[^\n]*+|" + _STRING
    for _ in range(depth):
        inner = rb"[^\"'#()\[\]{}]++|#[^\n]*+|" + _STRING + rb"|[(\[{](?:" + inner + rb")*+[)\]}]"
    return rb"[(\[{](?:" + inner + rb")*+[)\]}]"


# A header up to its colon, and whether the block begins on the next line.
_HEADER = re.compile(
    rb"(?P<test>(?:[^\"'#\n\\:()\[\]{}]++|" + _STRING + b"|" + _make_balanced(3) + rb"|:=|\\\r?\n)*+):"
    rb"(?P<block>[ \t]*+(?:#[^\n]*+)?(?=\r?\n|\Z))?"
)
# Words that a test must hold to be worth parsing.
_TELLING = re.compile(
    rb"version_info|platform|TYPE_CHECKING|__name__|\bos\.name|True|False|None|implementation|\d|maxsize"
)
_DOUBTFUL = re.compile(rb"\belse\b|\blambda\b|\\")

_parsed: dict[bytes, tuple[str, int, str, Names] | None] = {}


@lru_cache(256)
def _make_handler(indent: bytes) -> re.Pattern[bytes]:
    """The pattern of the first `except` or `finally` at an indentation."""
    return re.compile(rb"\n" + indent + rb"(except|finally)\b")


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


def scan_lexically(data: bytes, target: Target) -> list[Statement] | None:
    """Return the import statements of a file's bytes, in order, or None where it takes a parser."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if (b"import_module" in data or b"__import__" in data or b"__path__" in data) and _CALLS.search(data):
        return None
    last = find_last_candidate(data)
    if last < 0:
        return []
    if b"\r" in data and _LONE_CR.search(data):
        return None
    # A line break in front, so that the first line begins like the others; lines then count from it.
    data = b"\n" + data
    if len(_parsed) > 100_000:
        _parsed.clear()
    last += 1
    blocks = _INDENTED.search(data, 0, last + 256) is not None
    end = data.find(b"\n", last)
    if end < 0:
        end = len(data)
    careful = _INLINE.search(data, 0, end) is not None
    skip = _SKIPS[blocks, careful].match
    scope = _Blocks(target)
    statements: list[Statement] = []
    at = 0
    counted = line = 0
    while True:
        match = _NEXT(data, at)
        if match is not None:
            # The usual line; blocks end at the margin.
            text = match[1]
            if text in _parsed:
                parsed = _parsed[text]
            else:
                parsed = _parsed[text] = _parse(match)
            if parsed is None:
                return None
            begin = match.start(1)
            line += data.count(b"\n", counted, begin)
            counted = begin
            scope.leave_all()
            statements.append((line, 0, *parsed, EAGER))
            at = match.end()
            continue
        stop = skip(data, at).end()  # type: ignore[union-attr]
        if stop >= end:
            return statements
        if data[stop] != 10:
            return None
        begin = _LINE.match(data, stop + 1).end()  # type: ignore[union-attr]
        indent = data[stop + 1 : begin]
        if b"\f" in indent:
            return None
        line += data.count(b"\n", counted, begin)
        counted = begin
        word = _WORD.match(data, begin)[0]  # type: ignore[index]
        if word not in (b"import", b"from", b"lazy"):
            at = scope.enter(data, begin, word, indent)
            continue
        column = len(indent.expandtabs(8))
        when = scope.find_when(column)
        lazy_end = begin
        if word == b"lazy":
            ahead = _LAZY.match(data, begin)
            if ahead is None:  # some name called lazy
                at = begin
                continue
            lazy_end = ahead.end()
        if when is None:
            return None
        start = begin
        while True:
            match = _IMPORT.match(data, max(start, lazy_end))
            if match is None:
                return None
            text = match[0]
            if text in _parsed:
                parsed = _parsed[text]
            else:
                parsed = _parse(match)
                _parsed[text] = parsed
            if parsed is None:
                return None
            statement_when = LAZY if lazy_end > start and when == EAGER else when
            place = len(indent) + start - begin
            statements.append((line, place, *parsed, statement_when))
            at = match.end()
            if data[at : at + 1] != b";":
                break
            more = _AFTER.match(data, at)
            assert more is not None
            start = more.end()
            if not _MORE.match(data, start):
                if data[start : start + 4] == b"lazy" or data[start : start + 1] == b"\\":
                    return None
                at = start
                break
            if b"\n" in text:
                return None  # the second statement is on another line than the first


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


class _Blocks:
    """The blocks that the text is in, by indentation.

    Lines inside brackets can look like headers. They stand deeper than the statement that they
    belong to, so the next statement drops them; where one does not, it is UNSURE and the import
    under it takes a parser.
    """

    UNSURE = "unsure"

    def __init__(self, target: Target) -> None:
        self.target = target
        self.stack: list[tuple[int, str]] = []
        # Column -> the verdicts of the if/elif so far, or None for another statement's branches.
        self.chains: dict[int, list[Verdict] | None] = {}

    def leave_all(self) -> None:
        """A statement at the margin ends every block."""
        if self.stack:
            self.stack.clear()

    def find_when(self, column: int) -> str | None:
        """Return when a statement at a column runs; None where that is not sure."""
        stack = self.stack
        while stack and stack[-1][0] >= column:
            stack.pop()
        if not stack:
            return EAGER if column == 0 else None
        when = EAGER
        for _, block in stack:
            if block == self.UNSURE:
                return None
            when = join_whens(when, block)
        return when

    def enter(self, data: bytes, begin: int, word: bytes, indent: bytes) -> int:
        """Take in a line that begins like a header; return where to go on."""
        column = len(indent.expandtabs(8))
        stack = self.stack
        while stack and stack[-1][0] >= column:
            stack.pop()
        after = begin + len(word)
        header = _HEADER.match(data, after)
        if header is None:
            stack.append((column, self.UNSURE))
            return after
        block = self.judge(data, word.split()[-1], header, column, indent)
        if header["block"] is not None:
            stack.append((column, block))
        # From the first character again: the line may hold a string that the pattern must see.
        return after

    def judge(self, data: bytes, word: bytes, header: re.Match[bytes], column: int, indent: bytes) -> str:
        """Return when the block of one header runs, or UNSURE."""
        test = header["test"]
        if word == b"def":
            return LAZY
        if word == b"class":
            return EAGER
        if word in (b"if", b"elif"):
            earlier = [] if word == b"if" else self.chains.get(column)
            if earlier is None or _DOUBTFUL.search(test):
                self.chains[column] = None
                return self.UNSURE
            own = UNKNOWN
            if _TELLING.search(test):
                own = judge_text("(" + test.decode("utf-8", "replace") + ")", self.target)
            when = judge_branch(earlier, own)
            self.chains[column] = [*earlier, own]
            return when
        if word == b"else":
            if test.strip():
                return self.UNSURE
            if column not in self.chains:
                return self.UNSURE
            earlier = self.chains[column]
            return CONDITIONAL if earlier is None else judge_branch(earlier, ALWAYS)
        if word == b"try":
            self.chains[column] = None
            if test.strip():
                return self.UNSURE
            end = _make_handler(indent).search(data, header.end())
            return GUARDED if end and end[1] == b"except" else self.UNSURE
        if word == b"except":
            return CONDITIONAL
        if word == b"finally":
            return EAGER if not test.strip() else self.UNSURE
        if word in (b"for", b"while"):
            self.chains[column] = None
            return CONDITIONAL
        if word == b"with":
            return GUARDED if b"suppress" in test and re.search(rb"\bsuppress\s*\(", test) else EAGER
        if word == b"case":
            return CONDITIONAL
        if word == b"match":
            return EAGER
        return self.UNSURE
