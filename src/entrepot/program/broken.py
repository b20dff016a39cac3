"""Find the import statements of a file that cannot be parsed.

Works line by line on tokens, keeps the blocks by indentation, and takes every whole import
statement that it meets. A mistake in one line leaves the other lines readable.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

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
from entrepot.program.source import Source
from entrepot.program.statements import Scan, Statement
from entrepot.program.tokens import Token, split_tokens

_HEADERS = {
    "def",
    "class",
    "if",
    "elif",
    "else",
    "try",
    "except",
    "finally",
    "for",
    "while",
    "with",
    "match",
    "case",
}


def scan_broken(source: Source, target: Target) -> Scan:
    """Collect the imports of text that has mistakes."""
    text = source.text
    statements: list[Statement] = []
    stack: list[tuple[int, str]] = []
    chains: dict[int, list[Verdict]] = {}
    line: list[Token] = []
    for token in split_tokens(text):
        if token.kind != "newline":
            line.append(token)
            continue
        if not line:
            continue
        words = [text[part.start : part.end] for part in line]
        begin = source.line_starts[bisect_right(source.line_starts, line[0].start) - 1]
        column = len(text[begin : line[0].start].expandtabs(8))
        while stack and stack[-1][0] >= column:
            stack.pop()
        when = EAGER
        for _, block in stack:
            when = join_whens(when, block)
        word = words[1] if words[0] == "async" and len(words) > 1 else words[0]
        rest = 0
        if word in _HEADERS:
            colon = next((i for i, part in enumerate(line) if part.depth == 0 and words[i] == ":"), -1)
            if colon > 0:
                test = text[line[0].end : line[colon].start]
                block = _judge(word, test, column, chains, target)
                if colon == len(line) - 1:
                    stack.append((column, block))
                when = join_whens(when, block)
                rest = colon + 1
        for low, high in _split_statements(words, rest):
            statement = _parse(source, line[low:high], words[low:high], when)
            if statement:
                statements.append(statement)
        line = []
    return Scan(tuple(statements))


def _split_statements(words: list[str], start: int) -> list[tuple[int, int]]:
    ends = [index for index in range(start, len(words)) if words[index] == ";"]
    return list(zip([start, *(end + 1 for end in ends)], [*ends, len(words)], strict=True))


def _judge(word: str, test: str, column: int, chains: dict[int, list[Verdict]], target: Target) -> str:
    match word:
        case "def":
            return LAZY
        case "if" | "elif":
            own = judge_text(f"({test})", target)
            earlier = chains.get(column, []) if word == "elif" else []
            chains[column] = [*earlier, own]
            return judge_branch(earlier, own)
        case "else":
            return judge_branch(chains.get(column, [UNKNOWN]), ALWAYS)
        case "try":
            chains[column] = [UNKNOWN]
            return GUARDED
        case "for" | "while":
            chains[column] = [UNKNOWN]
            return CONDITIONAL
        case "except" | "case":
            return CONDITIONAL
        case "with":
            return GUARDED if "suppress(" in test else EAGER
    return EAGER


def _parse(source: Source, line: list[Token], words: list[str], when: str) -> Statement | None:
    if not words:
        return None
    place = source.utf8_position(line[0].start)
    if words[0] == "lazy" and words[1:2] and words[1] in ("import", "from"):
        words = words[1:]
        when = LAZY if when == EAGER else when
    # Identifiers are compared in their normal form (language reference, 2.3).
    words = [word if word.isascii() else unicodedata.normalize("NFKC", word) for word in words]
    if words[0] == "import":
        names = _parse_names(words[1:])
        return (*place, "import", 0, "", names, when) if names else None
    if words[0] != "from" or "import" not in words:
        return None
    middle = words.index("import")
    level = sum(word.count(".") for word in words[1:middle] if not word.strip("."))
    dots = 0
    while dots < middle - 1 and not words[1 + dots].strip("."):
        dots += 1
    level = sum(len(word) for word in words[1 : 1 + dots])
    module = "".join(words[1 + dots : middle])
    if not all(part.isidentifier() for part in module.split(".")) and (module or not level):
        return None
    after = [word for word in words[middle + 1 :] if word not in "()"]
    if after == ["*"]:
        return (*place, "star", level, module, (("*", None),), when)
    names = _parse_names(after)
    return (*place, "from", level, module, names, when) if names else None


def _parse_names(words: list[str]) -> tuple[tuple[str, str | None], ...]:
    names: list[tuple[str, str | None]] = []
    part: list[str] = []
    for word in [*words, ","]:
        if word != ",":
            part.append(word)
            continue
        if part:
            bound = part[-1] if len(part) > 2 and part[-2] == "as" else None
            name = "".join(part[:-2] if bound else part)
            if not all(piece.isidentifier() for piece in name.split(".")):
                return ()
            names.append((name, bound))
        part = []
    return tuple(names)
