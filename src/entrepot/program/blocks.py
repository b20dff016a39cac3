"""The blocks that a line of a file stands in, from the headers above it, without a parser.

Lines inside brackets can look like headers. They stand deeper than the statement that they belong
to, so the next statement drops them; where one does not, it is UNSURE and the import under it takes
a parser.

Inside a function everything runs later, so its inside is looked at only where a test might say
never: see `skips.get_skip_in_function`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

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
from entrepot.program.skips import DEEPEST_FUNCTION, get_skip_to_handler, is_opaque
from entrepot.program.strings import STRING

UNSURE = "unsure"


class Header(NamedTuple):
    """A header from its word to its colon. begins_block: the block begins on the next line. end: where to go on."""

    test: bytes
    begins_block: bool
    end: int


# The usual one.
_HEADER = re.compile(
    rb"(?P<test>(?:[^\"'#\n\\:()\[\]{}]++|\([^\"'#\n\\()\[\]{}]*+\)|:=|(?!))*+):"
    rb"(?P<block>[ \t]*+(?:#[^\n]*+)?(?=\r?\n|\Z))?"
)
# Of the others, one part: text, a string, a bracket, what ends it.
_PART = re.compile(rb"[^\"'#\n\\:()\[\]{}]++|:=|\\\r?\n|[()\[\]{}]|[:\n]|#[^\n]*+|" + STRING)
_BLOCK = re.compile(rb"[ \t]*+(?:#[^\n]*+)?(?=\r?\n|\Z)")
_CONTINUED = re.compile(rb"\\\r?\n")
_DOUBTFUL = re.compile(rb"\belse\b|\blambda\b|\\")
_SUPPRESS = re.compile(rb"\s*(?:[A-Za-z_]\w*\.)?suppress[ \t]*\([^()\[\]{}\"'#]*\)\s*")


def _match_header(data: bytes, after: int) -> Header | None:
    """Read a header from where its word ends; None where it cannot be followed."""
    usual = _HEADER.match(data, after)
    if usual is not None:
        return Header(usual["test"], usual["block"] is not None, usual.end())
    at = after
    depth = 0
    while (part := _PART.match(data, at)) is not None:
        first = data[at]
        if first in b"([{":
            depth += 1
        elif first in b")]}":
            depth -= 1
            if depth < 0:
                return None
        elif depth == 0 and first in b":#\n":
            if part[0] != b":":
                if first == 58:  # a walrus
                    at = part.end()
                    continue
                return None
            block = _BLOCK.match(data, at + 1)
            return Header(data[after:at], block is not None, block.end() if block else at + 1)
        at = part.end()
    return None


def _find_handler(data: bytes, at: int, indent: bytes) -> bytes:
    """Return the word of the first `except` or `finally` with an indentation; b"" where none is found."""
    skip = get_skip_to_handler().match
    while (found := skip(data, at)) is not None and found[2] is not None:
        if found[1] == indent:
            return bytes(found[2])
        at = found.end()
    return b""


class Blocks:
    """The stack of blocks at a place. function: the column of the `def` whose inside is not looked at, or -1."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.function = -1
        self._function_depth = 0
        # (column, when it runs)
        self._stack: list[tuple[int, str]] = []
        # Column -> the verdicts of the if/elif so far; None for another statement's branches, or in doubt UNSURE.
        self._chains: dict[int, list[Verdict] | str | None] = {}

    def leave_all(self) -> None:
        """A statement at the margin ends every block."""
        if self._stack:
            self._stack.clear()
            self.function = -1

    def _leave(self, column: int) -> None:
        """A statement at a column ends the blocks that are not further left."""
        stack = self._stack
        while stack and stack[-1][0] >= column:
            stack.pop()
        if self.function >= 0 and len(stack) < self._function_depth:
            self.function = -1

    def find_when(self, column: int) -> str | None:
        """Return when a statement at a column runs; None where that is not sure."""
        self._leave(column)
        if not self._stack:
            return EAGER if column == 0 else None
        when = EAGER
        for _, block in self._stack:
            if block == UNSURE:
                return None
            when = join_whens(when, block)
        return when

    def enter(self, data: bytes, after: int, word: bytes, indent: bytes) -> None:
        """Take in a line that begins like a header; `after` is where its word ends."""
        column = len(indent.expandtabs(8))
        if word == b"if" or word == b"elif":
            self._enter_test(data, after, word, column)
            return
        self._leave(column)
        # `def` and `class` stand in no expression: headers whatever follows, and their blocks are deeper.
        if word == b"def":
            self._enter_function(column, b"\t" not in indent)
            return
        if word == b"class":
            self._stack.append((column, EAGER))
            return
        header = _match_header(data, after)
        if header is None:
            self._stack.append((column, UNSURE))
            return
        block = self._judge(data, word, header, column, indent)
        if header.begins_block:
            self._stack.append((column, block))

    def _enter_function(self, column: int, is_plain: bool) -> None:
        self._stack.append((column, LAZY))
        if self.function < 0 and is_plain and column <= DEEPEST_FUNCTION:
            self.function, self._function_depth = column, len(self._stack)
            for inner in [known for known in self._chains if known > column]:
                del self._chains[inner]

    def _enter_test(self, data: bytes, after: int, word: bytes, column: int) -> None:
        """Take in `if` and `elif`."""
        if self.function >= 0 and column <= self.function:
            self._leave(column)
        header = _match_header(data, after)
        test = _CONTINUED.sub(b" ", header.test) if header is not None else b""
        is_clear = header is not None and not _DOUBTFUL.search(test)
        own = UNKNOWN
        if is_clear and not is_opaque(test):
            own = judge_text("(" + test.decode("utf-8", "replace") + ")", self.target)
        if self.function >= 0:
            if is_clear and own.value is None:
                return  # it runs later all the same
            self.function = -1  # from here on, look at every header
        self._leave(column)
        if not is_clear:
            self._stack.append((column, UNSURE))
            self._chains[column] = UNSURE
            return
        earlier = [] if word == b"if" else self._chains.get(column, self._get_unseen())
        if not isinstance(earlier, list):
            self._chains[column] = UNSURE
            block = UNSURE
        else:
            block = judge_branch(earlier, own)
            self._chains[column] = [*earlier, own]
        if header is not None and header.begins_block:
            self._stack.append((column, block))

    def _get_unseen(self) -> list[Verdict] | str:
        """What is known of tests that were not looked at: inside a function, that they may go either way."""
        return [UNKNOWN] if any(block == LAZY for _, block in self._stack) else UNSURE

    def _judge(self, data: bytes, word: bytes, header: Header, column: int, indent: bytes) -> str:
        """Return when the block of one header runs, or UNSURE."""
        test = header.test
        if word == b"match":
            return EAGER
        if word == b"else":
            earlier = self._chains.get(column, self._get_unseen())
            if test.strip() or earlier == UNSURE:
                return UNSURE
            return judge_branch(earlier, ALWAYS) if isinstance(earlier, list) else CONDITIONAL
        if word == b"try":
            self._chains[column] = None
            handler = _find_handler(data, header.end, indent)
            if test.strip() or not handler:
                return UNSURE
            return GUARDED if handler == b"except" else EAGER
        if word == b"finally":
            return EAGER if not test.strip() else UNSURE
        if word == b"for" or word == b"while":
            self._chains[column] = None
            return CONDITIONAL
        if word == b"with":
            if b"suppress" not in test:
                return EAGER
            return GUARDED if _SUPPRESS.fullmatch(test) else UNSURE
        return CONDITIONAL if word in (b"except", b"case") else UNSURE
