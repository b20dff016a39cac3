"""The new text of the file that is cut: what moves goes, imports come where they must stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from entrepot.program.symbols import IMPORT, LOAD
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.decision import Decision, Imports
from entrepot.refactor.import_lines import list_import_lines, list_type_lines
from entrepot.refactor.imports import find_import_place, insert_imports, remove_aliases
from entrepot.refactor.statements import (
    Statement,
    count_blank_lines_above,
    is_future,
    is_main_guard,
    skip_blank_lines,
)
from entrepot.refactor.text import Rewriter, SourceFile


def write_source(decision: Decision, rewriter: Rewriter) -> None:
    cut = decision.cut
    file = cut.file
    for run in _find_runs(cut):
        if run[0].owns_lines:
            _cut_out(cut, run, rewriter)
        else:
            _cut_from_line(cut, run[0], rewriter)
    for node, aliases in find_unused_imports(cut):
        if isinstance(node, ast.Import | ast.ImportFrom):
            remove_aliases(rewriter, node, aliases, body=file.tree.body)
        else:
            block = cut.statements[file.tree.body.index(node)]
            rewriter.delete(block.start, block.end)
    groups: dict[int, list[str]] = {}
    places: dict[int, list[str]] = {}
    imports = decision.of(STAY)
    order = sorted(
        cut.targets, key=lambda k: next((s.index for s in cut.statements if cut.place[s.index] == k), 0)
    )
    for key in order:
        lines = list_import_lines(decision, STAY, key, imports)
        if not lines:
            continue
        if key in decision.position:
            places.setdefault(decision.position[key], []).extend(lines)
        else:
            groups.setdefault(decision.default[key], []).extend(lines)
    if decision.is_main_shared:
        first = min(groups, default=None)
        shared = _share_main(cut)
        if places and (first is None or min(places) < file.lines.end_of(file.tree.body[max(first, 0)])):
            places[min(places)] = [*shared, *places[min(places)]]
        elif first is not None:
            groups[first] = [*shared, *groups[first]]
        else:
            groups[find_import_place(file)] = shared
        decision.notes.append(
            Note(
                "run as a script, the file now enters itself under its own name, so that it is not run twice",
                cut.project.show(cut.path),
            )
        )
    for behind, lines in groups.items():
        insert_imports(rewriter, list(dict.fromkeys(lines)), behind, gap=_gap_of_head(cut))
    eol = file.eol.decode()
    for at, lines in places.items():
        text = eol.join(lines) + eol
        here = next((s for s in cut.statements if s.start == at), None)
        if here is not None and here.is_definition and cut.place[here.index] == STAY:
            text += eol * count_blank_lines_above(file, at)
        missing = eol if at and not file.data[:at].endswith((b"\n", b"\r")) else ""
        rewriter.insert(at, missing + text)
    _write_types(decision, STAY, imports, rewriter)
    _write_bottom(decision, STAY, imports, rewriter)
    _write_lazy(decision, rewriter)


def _gap_of_head(cut: Cut) -> int | None:
    """Return the blank lines below the statements that the file begins with and that all move."""
    first = next((i for i, key in enumerate(cut.place) if key == STAY), None)
    if not first:
        return None
    file = cut.file
    end = cut.statements[first - 1].end
    below = skip_blank_lines(file, end)
    return max(1, file.line_of(below) - file.line_of(end)) if cut.statements[first - 1].owns_lines else None


def _share_main(cut: Cut) -> list[str]:
    indent = cut.file.indent
    return [
        'if __name__ == "__main__":  # imported back below: let that find this module, not run it again',
        f"{indent}import sys",
        f'{indent}sys.modules["{cut.name}"] = sys.modules["__main__"]',
    ]


def _write_types(decision: Decision, key: str, imports: Imports, rewriter: Rewriter) -> None:
    lines = list_type_lines(decision, key, imports)
    if not lines:
        return
    file = rewriter.file
    known = "TYPE_CHECKING" in file.names.module.bindings
    head = [] if known else ["from typing import TYPE_CHECKING", ""]
    insert_imports(rewriter, [*head, "if TYPE_CHECKING:", *lines], find_import_place(file))


def _write_bottom(decision: Decision, key: str, imports: Imports, rewriter: Rewriter) -> None:
    bottom = [b for b in imports.bottom if b not in imports.modules]
    if not bottom:
        return
    file = rewriter.file
    eol = file.eol.decode()
    lines = [
        f"{decision.spelling(key, b).statement}  # noqa: E402  (at the end: the two modules need each other)"
        for b in bottom
    ]
    text = eol.join(lines) + eol
    guard = next((n for n in file.tree.body if is_main_guard(n)), None)
    if guard is not None:
        rewriter.insert(file.line_start(file.lines.start_of(guard)), text + eol + eol)
    else:
        missing = b"" if file.data.endswith((b"\n", b"\r")) else file.eol
        rewriter.insert(len(file.data), missing + file.eol + file.eol + text.encode())


def _write_lazy(decision: Decision, rewriter: Rewriter) -> None:
    if not decision.lazy:
        return
    cut = decision.cut
    file = cut.file
    eol, indent = file.eol.decode(), file.indent
    lines = ["", "", "def __getattr__(name):"]
    lines.append(f'{indent}"""Names that have moved stay importable from here."""')
    for key, names in decision.lazy.items():
        spelling = decision.spelling(STAY, key)
        shown = ", ".join(f'"{name}"' for name in names) + ("," if len(names) == 1 else "")
        lines.append(f"{indent}if name in ({shown}):")
        lines.append(f"{indent}{indent}{spelling.statement}")
        lines.append("")
        lines.append(f"{indent}{indent}return getattr({spelling.expression}, name)")
    lines.append(f'{indent}raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")')
    guard = next((n for n in file.tree.body if is_main_guard(n)), None)
    if guard is not None:
        statement = cut.statements[file.tree.body.index(guard)]
        rewriter.insert(statement.start, eol.join([*lines[2:], "", "", ""]))
    else:
        missing = "" if file.data.endswith((b"\n", b"\r")) else eol
        rewriter.insert(len(file.data), missing + eol.join(lines) + eol)


def _cut_out(cut: Cut, run: Sequence[Statement], rewriter: Rewriter) -> None:
    """Delete statements that stand together, and the blank lines that separated them from the rest.

    What follows keeps the larger of the two gaps, above and below.
    """
    file = cut.file
    start, end = run[0].start, run[-1].end
    below = skip_blank_lines(file, end)
    above = count_blank_lines_above(file, start)
    if below >= len(file.data):
        for _ in range(above):
            start = file.line_start(start - 1)
        rewriter.delete(start, len(file.data))
    elif all(cut.place[: run[-1].index + 1]):
        rewriter.delete(start, below)  # the file began with what moves
    else:
        blank = file.line_of(below) - file.line_of(end)
        stop = end
        for _ in range(min(above, blank)):
            stop = file.line_end(stop)
        rewriter.delete(start, stop)


def _find_runs(cut: Cut) -> list[list[Statement]]:
    """Return the statements that move, those with nothing but blank lines between them together."""
    runs: list[list[Statement]] = []
    for statement in cut.statements:
        if cut.place[statement.index] == STAY:
            continue
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last.index + 1 == statement.index
            and last.owns_lines
            and statement.owns_lines
            and not cut.file.data[last.end : statement.start].strip()
        ):
            runs[-1].append(statement)
        else:
            runs.append([statement])
    return runs


def _cut_from_line(cut: Cut, statement: Statement, rewriter: Rewriter) -> None:
    """Delete a statement that shares its line with others."""
    file = cut.file
    start, end = statement.start, statement.end
    line_end = file.line_end(end - 1)
    follower = cut.statements[statement.index + 1] if statement.index + 1 < len(cut.statements) else None
    if follower is not None and follower.start < line_end:
        rewriter.delete(start, follower.start)
        return
    line_start = file.line_start(start)
    kept = [s for s in cut.statements[: statement.index] if s.end > line_start and cut.place[s.index] == STAY]
    if kept:
        # the text from the last one kept to the end of this one, minus what others already delete
        between = cut.statements[kept[-1].index + 1 : statement.index]
        begin = kept[-1].end if not between else start
        if between:
            rewriter.edits = [e for e in rewriter.edits if not kept[-1].end <= e[0] < start]
            begin = kept[-1].end
        rewriter.delete(begin, end)
    else:
        rewriter.edits = [e for e in rewriter.edits if not line_start <= e[0] < start]
        rewriter.delete(line_start, line_end)


def find_unused_imports(cut: Cut) -> list[tuple[ast.stmt, list[ast.alias]]]:
    """Return module-level imports that only what moves has used: (statement, names), all when empty."""
    file = cut.file
    if cut.project.is_package(cut.path):
        return []
    module = file.names.module
    taken = {f.alias.name for u in cut.uses for f in u.from_imports}
    taken |= {a.name for u in cut.uses for a in u.attributes}
    taken |= {s.name for u in cut.uses for s in u.strings} | {h.name for u in cut.uses for h in u.hints}
    starred = [u.file for u in cut.uses if u.stars]
    found: list[tuple[ast.stmt, list[ast.alias]]] = []
    used: dict[str, list[str]] = {}
    for occurrence in file.names.occurrences:
        if occurrence.home is module and occurrence.kind != IMPORT:
            used.setdefault(occurrence.name, []).append(cut.place[occurrence.statement])
    # Blocks first: what only they have used is unused when they go.
    for statement in sorted(cut.statements, key=lambda s: s.is_import):
        if cut.place[statement.index] != STAY or is_future(statement.node):
            continue
        gone = [
            name
            for name in statement.binds
            if STAY not in used.get(name, [STAY])
            and name not in cut.exported
            and name not in taken
            and not any(_mentions_other(file, name) for file in starred)
            and not (cut.reexport and not cut.file.path)
        ]
        node = statement.node
        if isinstance(node, ast.Import | ast.ImportFrom):
            aliases = [a for a in node.names if (a.asname or a.name.split(".")[0]) in gone]
            if aliases:
                found.append((node, aliases))
        elif gone and set(gone) == statement.binds and any(statement.index in c for c in cut.copied.values()):
            found.append((node, []))
            for occurrence in file.names.occurrences:
                if (
                    occurrence.home is module
                    and occurrence.statement == statement.index
                    and occurrence.kind == LOAD
                ):
                    used[occurrence.name].remove(STAY)
                    used[occurrence.name].append("gone")
    return found


def _mentions_other(file: SourceFile, name: str) -> bool:
    """Whether a file may mean another module's name: it has the word, and does not bind it itself."""
    if name in file.names.module.bindings:
        return False
    return re.search(rb"(?<!\w)%s(?!\w)" % re.escape(name.encode()), file.data) is not None
