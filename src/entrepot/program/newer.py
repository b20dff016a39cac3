"""Read syntax that is newer than the Python we run on.

`parse_tree` gives a file's tree. Where `ast` refuses the text, newer forms are rewritten into
older ones *of the same length*, so that every position stays what it was, and it is tried again:

    PEP 701  fields with quotes of the same kind, backslashes, comments   -> (field, field,)
    PEP 750  t-strings                                                    -> likewise
    PEP 695, 696  `def f[T]`, `class C[T]`, `type A[T] = x`               -> without the list; `A = x`
    PEP 758  `except A, B:`                                               -> `except A| B:`
    PEP 810  `lazy import a`, `lazy from a import b`                      -> without `lazy`

What is lost: the names of type parameters, and text between fields. Imports, definitions and
references keep their places. Lines of lazy imports are told, so that they stay lazy.
"""

from __future__ import annotations

import ast
import warnings
from typing import NamedTuple

from entrepot.program.tokens import Token, split_tokens


class Parsed(NamedTuple):
    """A tree, and the lines of `lazy` imports."""

    tree: ast.Module
    lazy_lines: frozenset[int] = frozenset()


def parse_tree(text: str) -> Parsed:
    """Parse text. Raises SyntaxError (of the text as it was), also for nesting too deep to parse."""
    try:
        return Parsed(parse_plainly(text))
    except SyntaxError as refused:
        try:
            older, lazy_lines = rewrite(text)
            if older == text:
                raise refused
            return Parsed(parse_plainly(older), lazy_lines)
        except (SyntaxError, RecursionError):
            raise refused from None


def parse_plainly(text: str) -> ast.Module:
    """Parse text that is not newer than the Python we run on. Raises SyntaxError, also for nesting too deep."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (RecursionError, MemoryError) as error:
        raise SyntaxError(f"too deeply nested to parse ({type(error).__name__})") from error
    except ValueError as error:
        raise SyntaxError(str(error)) from error


def rewrite(text: str) -> tuple[str, frozenset[int]]:
    """Return the text in older syntax, every character in its place, and the lines of lazy imports."""
    out = list(text)
    lazy: set[int] = set()
    line: list[Token] = []
    strings: list[Token] = []
    for token in split_tokens(text):
        if token.kind == "string":
            strings.append(token)
        elif strings:
            _rewrite_strings(out, text, strings)
            strings = []
        if token.kind == "newline":
            _rewrite_line(out, text, line, lazy)
            line = []
        else:
            line.append(token)
    return "".join(out), frozenset(lazy)


def _rewrite_strings(out: list[str], text: str, strings: list[Token]) -> None:
    """Turn adjacent literals into a tuple of their fields where one has fields that older Pythons refuse."""
    if not any(_is_new(text, string) for string in strings):
        return
    first, last = strings[0], strings[-1]
    spans = [span for string in strings for span in string.fields]
    if any(end >= len(text) for _, end in spans):
        return  # a literal without an end: a mistake, not newer syntax
    keep = list(out)
    # Blanks must be ASCII and as wide in bytes, or the columns of what follows would move.
    for at in range(first.start, last.end):
        if out[at] not in "\r\n":
            out[at] = " " * len(text[at].encode("utf-8", "replace"))
    for start, end in spans:
        out[start:end] = keep[start:end]
        inner = [token for token in split_tokens(text[start:end]) if token.kind == "string" and token.fields]
        for token in inner:
            moved = token._replace(
                start=token.start + start,
                end=token.end + start,
                fields=tuple((low + start, high + start) for low, high in token.fields),
            )
            _rewrite_strings(out, text, [moved])
        _drop_comments(out, text, start, end)
        # `{x=}` shows its own text; the reference is what counts.
        bare = text[start:end].rstrip()
        if bare.endswith("=") and bare[-2:] not in ("==", "!=", "<=", ">="):
            out[start + len(bare) - 1] = " "
        out[end] = ","
    out[first.start] = "("
    out[last.end - 1] = ")"
    # A line break between literals stays inside the parentheses; a backslash before it would not.


def _drop_comments(out: list[str], text: str, start: int, end: int) -> None:
    covered = start
    for token in split_tokens(text[start:end] + "\n"):
        gap = text[covered : start + token.start]
        if "#" in gap or "\\" in gap:
            for at in range(covered, min(start + token.start, end)):
                if out[at] not in "\r\n":
                    out[at] = " "
        covered = start + token.end


def _is_new(text: str, string: Token) -> bool:
    opening = text[string.start : string.start + 3].lower()
    prefix = opening[: min((opening.find(q) for q in "'\"" if q in opening), default=0)]
    if "t" in prefix:
        return True
    if not string.fields:
        return False
    body = text[string.start + len(prefix) : string.end]
    quote = body[:3] if body[:3] in ("'''", '"""') else body[:1]
    return any(
        quote in text[low:high]
        or "\\" in text[low:high]
        or "#" in text[low:high]
        or (len(quote) == 1 and "\n" in text[low:high])
        for low, high in string.fields
    )


def _rewrite_line(out: list[str], text: str, line: list[Token], lazy: set[int]) -> None:
    """Rewrite one logical line: lazy, type, type parameters, except."""
    words = [text[token.start : token.end] for token in line]
    for index, word in enumerate(words):
        begins = index == 0 or words[index - 1] in (";", ":")
        if word == "lazy" and begins and words[index + 1 : index + 2] in (["import"], ["from"]):
            out[line[index].start : line[index].end] = " " * len(word)
            lazy.add(text.count("\n", 0, line[index].start) + 1)
            # An import may not be indented by the blanks: let it begin where `lazy` did.
            after = line[index + 1]
            moved = text[after.start : after.end]
            out[line[index].start : line[index].start + len(moved)] = list(moved)
            low = max(after.start, line[index].start + len(moved))
            for at in range(low, after.end):
                out[at] = " "
        elif word == "type" and begins and index + 1 < len(line) and line[index + 1].kind == "name":
            bracket = index + 2
            end = _find_close(line, words, bracket) if words[bracket : bracket + 1] == ["["] else index + 1
            if words[end + 1 : end + 2] == ["="]:
                name = words[index + 1]
                for at in range(line[index].start, line[end].end):
                    out[at] = " " if out[at] not in "\r\n" else out[at]
                out[line[index].start : line[index].start + len(name)] = list(name)
        elif word in ("def", "class") and (index == 0 or words[index - 1] in ("async", ";", ":")):
            if words[index + 2 : index + 3] == ["["]:
                end = _find_close(line, words, index + 2)
                for at in range(line[index + 2].start, line[end].end):
                    out[at] = " "
        elif word == "except" and index == 0:
            colon = next((i for i, t in enumerate(line) if t.depth == 0 and words[i] == ":"), len(line))
            if "as" in words[:colon]:
                continue
            for token, piece in zip(line[:colon], words, strict=False):
                if piece == "," and token.depth == 0:
                    out[token.start] = "|"


def _find_close(line: list[Token], words: list[str], opening: int) -> int:
    depth = line[opening].depth
    for index in range(opening + 1, len(line)):
        if words[index] == "]" and line[index].depth == depth:
            return index
    return len(line) - 1
