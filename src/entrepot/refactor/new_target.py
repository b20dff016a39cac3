"""The text of a module that is made anew: imports, then what moves, as it stood."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from entrepot.refactor.cut import Cut, Target
from entrepot.refactor.decision import Decision, Imports
from entrepot.refactor.import_lines import (
    list_import_lines,
    list_other_keys,
    list_type_lines,
    needs_others_first,
    render_copied,
)
from entrepot.refactor.statements import Statement, count_blank_lines_above
from entrepot.refactor.text import Rewriter, has_coding_line


def list_moved_blocks(cut: Cut, target: Target, moved: Rewriter) -> list[tuple[int, bytes]]:
    """Return (blank lines above, text) of each moved statement, in order."""
    file = cut.file
    blocks: list[tuple[int, bytes]] = []
    last: Statement | None = None
    for statement in cut.statements:
        if cut.place[statement.index] != target.key:
            continue
        text = moved.within(statement.start, statement.end)
        if not statement.owns_lines or not text.endswith((b"\n", b"\r")):
            text += file.eol
        gap = count_blank_lines_above(file, statement.start) if statement.owns_lines else 0
        if last is not None and last.index + 1 != statement.index:
            gap = max(gap, 1)
        if last is not None and (statement.is_definition or last.is_definition) and gap < 2:
            gap = gap if last.index + 1 == statement.index else 2
        blocks.append((gap, text))
        last = statement
    return blocks


def join_blocks(blocks: Sequence[tuple[int, bytes]], eol: bytes) -> bytes:
    pieces = []
    for number, (gap, text) in enumerate(blocks):
        pieces += [eol * gap if number else b"", text]
    return b"".join(pieces)


def write_new(decision: Decision, target: Target, imports: Imports, blocks: list[tuple[int, bytes]]) -> bytes:
    cut = decision.cut
    file = cut.file
    eol = file.eol
    body = join_blocks(blocks, eol)
    plain, typed = render_copied(decision, target, have=set())
    siblings = [
        line
        for b in list_other_keys(cut, target.key)
        for line in list_import_lines(decision, target.key, b, imports)
    ]
    typed += list_type_lines(decision, target.key, imports)
    head: list[str] = []
    if typed and not any("TYPE_CHECKING" in line for line in plain):
        plain = [*plain, "from typing import TYPE_CHECKING"]
    if siblings and needs_others_first(cut, target.key):
        siblings, plain = [*siblings, *plain], []
    if siblings and plain:
        plain = [*plain, *([""] if not plain[-1].startswith("from .") else [])]
    head += [*plain, *siblings]
    if typed:
        head += ["", "if TYPE_CHECKING:", *typed]
    future = _future_line(cut, target)
    if future:
        head = [future, *([""] if head else []), *head]
    text = b"".join(line.encode() + eol for line in head)
    if text:
        first = cut.place.index(target.key)
        text += eol * (2 if cut.statements[first].is_definition else 1)
    text += body
    bottom = [b for b in imports.bottom if b not in imports.modules]
    if bottom:
        lines = [
            f"{decision.spelling(target.key, b).statement}  # noqa: E402  (at the end: the two modules need each other)"
            for b in bottom
        ]
        text += eol * 2 + b"".join(line.encode() + eol for line in lines)
    if file.encoding not in ("utf-8", "ascii"):
        if text.isascii():
            return text
        heads = [line for line in file.data.splitlines(keepends=True)[:2] if has_coding_line(line)]
        return b"".join([*heads, text]).decode("utf-8").encode(file.encoding)
    return text


def _future_line(cut: Cut, target: Target) -> str | None:
    """`from __future__ import annotations` goes along with annotations."""
    if not cut.file.names.has_future_annotations:
        return None
    if any(has_annotations(s.node) for s in cut.statements if cut.place[s.index] == target.key):
        return "from __future__ import annotations"
    return None


def has_annotations(node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.AnnAssign)
        or (isinstance(inner, ast.arg) and inner.annotation is not None)
        or (isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.returns is not None)
        for inner in ast.walk(node)
    )
