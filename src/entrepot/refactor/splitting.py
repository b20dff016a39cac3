"""The new texts of the file that is cut and of the modules that take what moves.

Text is moved as it stands: whole statements with their comments, in their old order, with the
blank lines they had above them. Only references that cross the cut are edited.
"""

from __future__ import annotations

import ast
import re

from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Crossing, Target
from entrepot.refactor.decision import Decision, Imports
from entrepot.refactor.existing_target import write_into
from entrepot.refactor.imports import make_relative, render_from
from entrepot.refactor.new_target import list_moved_blocks, write_new
from entrepot.refactor.source_text import write_source
from entrepot.refactor.statements import (
    is_docstring,
)
from entrepot.refactor.text import Rewriter

# `from .cart`, `from ..`; the dots may stand directly before `import`.
_RELATIVE = re.compile(rb"from(?:\s|\\\r?\n)*(\.[.\s]*(?:(?!import\b)[\w\x80-\xff][\w.\x80-\xff]*|(?<=\.)))")


def write_texts(decision: Decision) -> tuple[Rewriter, dict[str, bytes]]:
    """Return the source's rewriter and, for each target, its new bytes for the disk."""
    cut = decision.cut
    moved = Rewriter(cut.file)
    stays = Rewriter(cut.file)
    for key, start, end, text in decision.edits:
        (stays if key == STAY else moved).replace(start, end, text)
    undeclared: dict[int, list[Crossing]] = {}
    for crossing in decision.undeclared:
        undeclared.setdefault(id(crossing.occurrence.node), []).append(crossing)
    for together in undeclared.values():
        gone = {crossing.occurrence.start for crossing in together}
        node = together[0].occurrence.node
        _drop_declaration(stays if together[0].a == STAY else moved, node, gone)
    for key, imports in decision.imports.items():
        _insert_local(decision, key, imports, stays if key == STAY else moved)
    _follow_relative(decision, moved)
    texts = {key: _write_target(decision, target, moved) for key, target in cut.targets.items()}
    write_source(decision, stays)
    return stays, texts


def _follow_relative(decision: Decision, moved: Rewriter) -> None:
    """Rewrite relative imports inside of what goes to another package: they count from there."""
    cut = decision.cut
    here = cut.project.package_of(cut.path)
    for statement in cut.statements:
        key = cut.place[statement.index]
        if key == STAY or decision.package(key) == here:
            continue
        there = decision.package(key)
        for node in ast.walk(statement.node):
            if isinstance(node, ast.ImportFrom) and node.level:
                absolute = cut.project.resolve_from(node, cut.path)
                if absolute is None:
                    raise cut.refuse("a relative import that leads nowhere", node)
                source = make_relative(there, absolute) if there else absolute
                start = cut.file.lines.start_of(node)
                found = _RELATIVE.match(cut.file.data, start)
                assert found is not None
                space = "" if cut.file.data[found.end() : found.end() + 1] in (b" ", b"\t", b"\\") else " "
                moved.replace(found.start(1), found.end(1), source + space)


def _drop_declaration(rewriter: Rewriter, node: ast.AST, gone: set[int]) -> None:
    """Take the names at some offsets out of a `global` statement, or the statement away."""
    assert isinstance(node, ast.Global)
    file = rewriter.file
    begin, end = file.lines.start_of(node), file.lines.end_of(node)
    words = list(re.finditer(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*", file.data[begin:end]))[1:]
    left = [w.group().decode() for w in words if begin + w.start() not in gone]
    line_start, line_end = file.line_start(begin), file.line_end(end - 1)
    alone = not file.data[line_start:begin].strip() and not file.data[end:line_end].strip()
    if left:
        rewriter.replace(begin, end, "global " + ", ".join(left))
    elif alone and len(file.body_of(node)) > 1:
        rewriter.delete(line_start, line_end)
    else:
        rewriter.replace(begin, end, "pass")


def _insert_local(decision: Decision, key: str, imports: Imports, rewriter: Rewriter) -> None:
    file = rewriter.file
    for outer, names, modules in imports.local.values():
        body: list[ast.stmt] = outer.body  # type: ignore[attr-defined]
        first = body[0]
        start = file.span(first)[0]
        indent = file.data[file.line_start(start) : start].decode()
        lines = [decision.spelling(key, b).statement for b in modules]
        lines += [
            render_from(decision.spelling(key, b).source, found, indent=indent, eol=file.eol.decode())
            for b, found in names.items()
        ]
        eol = file.eol.decode()
        if is_docstring(first) and len(body) > 1:
            at = file.line_end(file.lines.end_of(first) - 1)
            if file.span(body[1])[0] < at:
                rewriter.insert(file.span(body[1])[0], "; ".join(lines) + "; ")
            else:
                rewriter.insert(at, "".join(f"{indent}{line}{eol}" for line in lines))
        else:
            rewriter.insert(file.line_start(start), "".join(f"{indent}{line}{eol}" for line in lines))
        where = getattr(outer, "name", "the main block")
        taken = [decision.cut.label(b) for b in [*modules, *names]]
        decision.notes.append(
            Note(
                f"{where} imports {', '.join(taken)} when it is called, because the two modules need each other",
                decision.cut.project.show(decision.cut.path),
                getattr(outer, "lineno", None),
            )
        )


def _write_target(decision: Decision, target: Target, moved: Rewriter) -> bytes:
    cut = decision.cut
    imports = decision.of(target.key)
    blocks = list_moved_blocks(cut, target, moved)
    if target.file is None:
        return write_new(decision, target, imports, blocks)
    return write_into(decision, target, target.file, imports, blocks)
