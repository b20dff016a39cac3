"""The new texts of the file that is cut and of the modules that take what moves.

Text is moved as it stands: whole statements with their comments, in their old order, with the
blank lines they had above them. Only references that cross the cut are edited.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT, IMPORT, LOAD, Occurrence
from entrepot.refactor.arrows import is_source_loud
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Cut, Target
from entrepot.refactor.decision import Decision, Imports
from entrepot.refactor.imports import (
    alias_text,
    find_import_place,
    insert_imports,
    make_relative,
    mark_as_meant,
    remove_aliases,
    render_from,
)
from entrepot.refactor.statements import (
    Statement,
    count_blank_lines_above,
    is_docstring,
    is_future,
    is_main_guard,
    is_type_checking,
    list_statements,
    skip_blank_lines,
)
from entrepot.refactor.text import Rewriter, SourceFile, has_coding_line
from entrepot.refactor.uses import Attribute, FileUses, is_shadowed

NOQA = "  # noqa: F401"


def write_texts(decision: Decision) -> tuple[Rewriter, dict[str, bytes]]:
    """Return the source's rewriter and, for each target, its new bytes for the disk."""
    cut = decision.cut
    moved = Rewriter(cut.file)
    stays = Rewriter(cut.file)
    for key, start, end, text in decision.edits:
        (stays if key == STAY else moved).replace(start, end, text)
    for crossing in decision.undeclared:
        _drop_declaration(
            stays if crossing.a == STAY else moved, crossing.occurrence.start, crossing.occurrence.node
        )
    for key, imports in decision.imports.items():
        _insert_local(decision, key, imports, stays if key == STAY else moved)
    texts = {key: _write_target(decision, target, moved) for key, target in cut.targets.items()}
    _write_source(decision, stays)
    return stays, texts


# -- declarations and imports inside functions ---------------------------------------------


def _drop_declaration(rewriter: Rewriter, start: int, node: ast.AST) -> None:
    """Take one name out of a `global` statement, or the statement away."""
    assert isinstance(node, ast.Global)
    file = rewriter.file
    begin, end = file.lines.start_of(node), file.lines.end_of(node)
    gone: set[int] = rewriter.__dict__.setdefault("undeclared", {}).setdefault(begin, set())
    gone.add(start)
    rewriter.edits = [e for e in rewriter.edits if e[0] != begin or e[1] < end]
    words = list(re.finditer(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*", file.data[begin:end]))[1:]
    left = [w.group().decode() for w in words if begin + w.start() not in gone]
    if left:
        rewriter.replace(begin, end, "global " + ", ".join(left))
        return
    line_start, line_end = file.line_start(begin), file.line_end(end - 1)
    alone = not file.data[line_start:begin].strip() and not file.data[end:line_end].strip()
    body = file.body_of(node)
    if alone and len(body) > 1:
        rewriter.edits.append((line_start, line_end, begin, b""))
        rewriter.edits = [e for e in rewriter.edits if not (e[0] == begin and e[1] == end)]
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


# -- the source ----------------------------------------------------------------------------


def _write_source(decision: Decision, rewriter: Rewriter) -> None:
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
        lines = _lines_for(decision, STAY, key, imports)
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


def _lines_for(decision: Decision, a: str, b: str, imports: Imports) -> list[str]:
    """Return the import lines by which module `a` takes module `b`."""
    spelling = decision.spelling(a, b)
    eol = decision.cut.file.eol.decode()
    lines = []
    if b in imports.modules or (a == STAY and b in decision.in_place and b not in imports.names):
        lines.append(spelling.statement)
    names = list(imports.names.get(b, []))
    extra = [n for n in decision.reexports.get(b, []) if n not in names] if a == STAY else []
    if names or extra:
        target = decision.cut.targets.get(b)
        order = {name: number for number, name in enumerate(target.names)} if target else {}
        everything = sorted([*names, *extra], key=lambda n: (order.get(n, len(order)), n))
        line = render_from(spelling.source, everything, eol=eol)
        if any(n not in decision.cut.exported for n in extra):
            head, sep, tail = line.partition(eol)
            line = head + NOQA + sep + tail
        lines.append(line)
    if (
        a == STAY
        and b in decision.in_place
        and not names
        and spelling.statement in lines
        and b not in imports.modules
    ):
        lines = [line + NOQA if line == spelling.statement else line for line in lines]
    return lines


def _share_main(cut: Cut) -> list[str]:
    indent = cut.file.indent
    return [
        'if __name__ == "__main__":  # imported back below: let that find this module, not run it again',
        f"{indent}import sys",
        f'{indent}sys.modules["{cut.name}"] = sys.modules["__main__"]',
    ]


def _write_types(decision: Decision, key: str, imports: Imports, rewriter: Rewriter) -> None:
    lines = _type_lines(decision, key, imports)
    if not lines:
        return
    file = rewriter.file
    known = "TYPE_CHECKING" in file.names.module.bindings
    head = [] if known else ["from typing import TYPE_CHECKING", ""]
    insert_imports(rewriter, [*head, "if TYPE_CHECKING:", *lines], find_import_place(file))


def _type_lines(decision: Decision, key: str, imports: Imports) -> list[str]:
    indent = decision.cut.file.indent
    covered = imports.names
    found = []
    for b, names in imports.types.items():
        left = [name for name in names if name not in covered.get(b, ())]
        if left:
            source = decision.spelling(key, b).source
            found.append(
                indent + render_from(source, left, indent=indent, eol=decision.cut.file.eol.decode())
            )
    return found


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


# -- the targets ---------------------------------------------------------------------------


def _write_target(decision: Decision, target: Target, moved: Rewriter) -> bytes:
    cut = decision.cut
    imports = decision.of(target.key)
    blocks = _moved_blocks(cut, target, moved)
    if target.file is None:
        return _write_new(decision, target, imports, blocks)
    return _write_into(decision, target, target.file, imports, blocks)


def _moved_blocks(cut: Cut, target: Target, moved: Rewriter) -> list[tuple[int, bytes]]:
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


def _join(blocks: Sequence[tuple[int, bytes]], eol: bytes) -> bytes:
    pieces = []
    for number, (gap, text) in enumerate(blocks):
        pieces += [eol * gap if number else b"", text]
    return b"".join(pieces)


def _write_new(
    decision: Decision, target: Target, imports: Imports, blocks: list[tuple[int, bytes]]
) -> bytes:
    cut = decision.cut
    file = cut.file
    eol = file.eol
    body = _join(blocks, eol)
    plain, typed = render_copied(decision, target, have=set())
    siblings = [
        line for b in _all_keys(cut, target.key) for line in _lines_for(decision, target.key, b, imports)
    ]
    typed += _type_lines(decision, target.key, imports)
    head: list[str] = []
    if typed and not any("TYPE_CHECKING" in line for line in plain):
        plain = [*plain, "from typing import TYPE_CHECKING"]
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


def _all_keys(cut: Cut, key: str) -> list[str]:
    return [k for k in (STAY, *cut.targets) if k != key]


def _future_line(cut: Cut, target: Target) -> str | None:
    """`from __future__ import annotations` goes along with annotations."""
    if not cut.file.names.has_future_annotations:
        return None
    if any(_has_annotations(s.node) for s in cut.statements if cut.place[s.index] == target.key):
        return "from __future__ import annotations"
    return None


def _has_annotations(node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.AnnAssign)
        or (isinstance(inner, ast.arg) and inner.annotation is not None)
        or (isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.returns is not None)
        for inner in ast.walk(node)
    )


def render_copied(decision: Decision, target: Target, have: set[str]) -> tuple[list[str], list[str]]:
    """Return the lines of repeated imports, and those that go under `if TYPE_CHECKING:`."""
    cut = decision.cut
    plain: list[str] = []
    typed: list[str] = []
    last: Statement | None = None
    eol = cut.file.eol.decode()
    for index, names in sorted(cut.copied.get(target.key, {}).items()):
        statement = cut.statements[index]
        node = statement.node
        wanted = names - have
        if not wanted:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines = _copy_import_lines(decision, target, node, wanted, "")
            if not lines:
                continue
            text = cut.file.data
            gap = last is not None and b"\n\n" in text[last.end - 1 : statement.start].replace(b"\r\n", b"\n")
            plain += ["", *lines] if gap and plain else lines
            last = statement
        elif is_type_checking(node):
            indent = cut.file.indent
            for inner in node.body:  # type: ignore[attr-defined]
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    typed += [indent + x for x in _copy_import_lines(decision, target, inner, wanted, indent)]
        else:
            _check_relative(cut, target, node)
            text = cut.file.data[statement.start : statement.end]
            plain += text.decode().rstrip("\r\n").replace(eol, "\n").split("\n")
            last = statement
    return plain, typed


def _copy_import_lines(
    decision: Decision, target: Target, node: ast.Import | ast.ImportFrom, wanted: set[str], indent: str
) -> list[str]:
    cut = decision.cut
    aliases = [a for a in node.names if (a.asname or a.name.split(".")[0]) in wanted]
    eol = cut.file.eol.decode()
    if node.names[0].name == "*":
        aliases = [ast.alias(name) for name in sorted(wanted)]  # what is needed of a star, by name
    if not aliases:
        return []
    here, there = cut.project.package_of(cut.path), decision.package(target.key)
    is_whole = len(aliases) == len(node.names) and node.names[0].name != "*"
    if is_whole and not indent and (here == there or not getattr(node, "level", 0)):
        start, end = cut.file.lines.start_of(node), cut.file.lines.end_of(node)
        rest = cut.file.data[end : cut.file.line_end(end - 1)]
        if rest.strip().startswith(b"#"):
            end += len(rest.rstrip(b"\r\n"))
        return cut.file.data[start:end].decode().split(eol)
    if isinstance(node, ast.Import):
        return [f"import {', '.join(alias_text(a) for a in aliases)}"]
    source = "." * node.level + (node.module or "")
    if node.level and here != there:
        absolute = cut.project.resolve_from(node, cut.path)
        if absolute is None:
            raise cut.refuse("a relative import that leads nowhere", node)
        source = make_relative(there, absolute) if there else absolute
    return render_from(source, [alias_text(a) for a in aliases], indent=indent, eol=eol).split(eol)


def _check_relative(cut: Cut, target: Target, node: ast.AST) -> None:
    package = cut.project.package_of(target.path)
    if package != cut.project.package_of(cut.path):
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom) and inner.level:
                raise cut.refuse(
                    "a relative import in a block that would have to be repeated elsewhere", inner
                )


# -- a target that exists ------------------------------------------------------------------


def _write_into(
    decision: Decision, target: Target, file: SourceFile, imports: Imports, blocks: list[tuple[int, bytes]]
) -> bytes:
    """Add what moves to an existing module: its text unchanged but for imports and the new block."""
    cut = decision.cut
    rewriter = Rewriter(file)
    own = _take_back_uses(decision, target, rewriter)
    bound = file.names.module.bindings - own
    have = _check_clashes(decision, target, file, imports, bound)
    _check_future(cut, target, file)
    repeated, typed = render_copied(decision, target, have=have)
    siblings = [
        line for b in _all_keys(cut, target.key) for line in _lines_for(decision, target.key, b, imports)
    ]
    typed += _type_lines(decision, target.key, imports)
    lines = [line for line in [*repeated, *siblings] if line]
    if typed:
        if "TYPE_CHECKING" not in bound:
            lines.append("from typing import TYPE_CHECKING")
        lines += ["if TYPE_CHECKING:", *typed]
    insert_imports(rewriter, lines, find_import_place(file))
    text = _join(blocks, cut.file.eol)
    if cut.file.eol != file.eol:
        text = text.replace(cut.file.eol, file.eol)
    eol = file.eol
    statements = list_statements(file)
    first_use = _find_first_use(cut, file, set(target.names))
    guard = next((s.index for s in statements if is_main_guard(s.node)), None)
    place = min((i for i in (first_use, guard) if i is not None), default=None)
    if place is not None:
        rewriter.insert(statements[place].start, text + eol * 2)
    elif not file.data.strip():
        rewriter.insert(len(file.data), text)
    else:
        ending = b"" if file.data.endswith((b"\n", b"\r")) else eol
        existing = len(file.data) - len(file.data.rstrip(b"\r\n"))
        extra = max(0, 2 - max(0, file.data[len(file.data) - existing :].count(b"\n") - 1)) if existing else 2
        rewriter.insert(len(file.data), ending + eol * extra + text)
    bottom = [b for b in imports.bottom if b not in imports.modules]
    if bottom:
        tail = "".join(
            f"{decision.spelling(target.key, b).statement}  # noqa: E402  (at the end: the two modules need each other)\n"
            for b in bottom
        )
        rewriter.insert(len(file.data), eol * 2 + tail.encode().replace(b"\n", eol))
    return file.encode(rewriter.result())


def _find_first_use(cut: Cut, file: SourceFile, names: set[str]) -> int | None:
    """Return the statement of a target that first needs what comes to it, or runs code of the source."""
    module = file.names.module
    found = {
        o.statement
        for name in names
        for o in file.names.called(name)
        if o.home is module and o.kind == LOAD and o.when == AT_IMPORT
    }
    for uses in cut.uses:
        if uses.file is file:
            found |= {a.occurrence.statement for a in uses.attributes if a.occurrence.when == AT_IMPORT}
            for taken in uses.from_imports:
                bound = file.names.called(taken.occurrence.name)
                found |= {
                    o.statement for o in bound if o.home is module and o.kind == LOAD and o.when == AT_IMPORT
                }
    return min(found, default=None)


def _take_back_uses(decision: Decision, target: Target, rewriter: Rewriter) -> set[str]:
    """Remove the target's imports of what is now its own; return these names."""
    cut = decision.cut
    own: set[str] = set()
    for uses in cut.uses:
        if uses.file is not target.file:
            continue
        gone: dict[int, tuple[ast.ImportFrom, list[ast.alias], list[ast.stmt]]] = {}
        for taken in uses.from_imports:
            if cut.owner.get(taken.alias.name) != target.key:
                continue
            if taken.alias.asname not in (None, taken.alias.name):
                raise Refused(
                    f"{taken.alias.name} is imported here as {taken.alias.asname}",
                    cut.project.show(target.path), taken.node.lineno, "import it under its own name first",
                )  # fmt: skip
            gone.setdefault(id(taken.node), (taken.node, [], taken.body))[1].append(taken.alias)
            own.add(taken.alias.name)
        for node, aliases, body in gone.values():
            remove_aliases(rewriter, node, aliases, body=body)
        back = [a for a in uses.attributes if cut.owner.get(a.name) == target.key]
        for attribute in back:
            _check_own_use(decision, target, attribute)
            rewriter.replace(attribute.occurrence.start, attribute.end, attribute.name)
        _follow_own_strings(decision, target, rewriter, uses)
        drop_unused_modules(decision, target, rewriter, uses, [a.occurrence for a in back])
    return own


def _check_own_use(decision: Decision, target: Target, attribute: Attribute) -> None:
    """Raise Refused where `source.name` cannot become `name` in the module that it moves to."""
    cut, file = decision.cut, target.file
    assert file is not None
    occurrence = attribute.occurrence
    if attribute.is_rebinding and occurrence.scope is not file.names.module:
        raise Refused(
            f"{attribute.name} is bound here through its module, and would become a local",
            cut.project.show(target.path), file.line_of(occurrence.start),
            f"let {cut.name} bind it in a function of its own first",
        )  # fmt: skip
    if is_shadowed(occurrence, attribute.name, file.names.module):
        raise Refused(
            f"{attribute.name} is a variable here", cut.project.show(target.path),
            file.line_of(occurrence.start), "rename the variable first",
        )  # fmt: skip


def _follow_own_strings(decision: Decision, target: Target, rewriter: Rewriter, uses: FileUses) -> None:
    """Rewrite dotted strings in the target that name what comes to it; refuse others."""
    cut = decision.cut
    for string in uses.strings:
        if cut.owner.get(string.name) != target.key:
            continue
        if string.module is None:
            rewriter.replace(string.start, string.end, target.key)
        elif not cut.reexport:
            raise Refused(
                f"{string.name} is asked for by a string in the module that it moves to",
                cut.project.show(target.path), string.line, "write the name itself first, or use --reexport",
            )  # fmt: skip


def drop_unused_modules(
    decision: Decision, target: Target, rewriter: Rewriter, uses: FileUses, gone: Sequence[Occurrence]
) -> None:
    """Remove the target's plain imports of the source when all their uses are gone."""
    cut, file = decision.cut, uses.file
    own = decision.of(target.key)
    stays = any(cut.owner.get(f.alias.name) != target.key for f in uses.from_imports)
    is_needed = (is_source_loud(cut) or target.key in decision.ordered) and not (
        stays or STAY in own.names or STAY in own.modules
    )
    for imported in uses.module_imports:
        name, home = imported.occurrence.name, imported.occurrence.home
        others = [o for o in file.names.called(name) if o.home is home and o is not imported.occurrence]
        if not others or not all(o in gone for o in others):
            continue
        if is_needed:
            mark_as_meant(rewriter, imported.node)
        else:
            remove_aliases(rewriter, imported.node, [imported.alias], body=imported.body)


def _check_clashes(
    decision: Decision, target: Target, file: SourceFile, imports: Imports, bound: set[str]
) -> set[str]:
    """Raise Refused where a name means something else in the target; return what it has already."""
    cut = decision.cut
    for statement in cut.statements:
        if cut.place[statement.index] != target.key:
            continue
        for name in sorted(statement.binds & bound):
            line = file.line_of(file.names.of_module(name)[0].start)
            raise Refused(
                f"{target.key} has a {name} already",
                cut.project.show(target.path),
                line,
                "rename one of them first",
            )
    have: set[str] = set()
    for index, names in cut.copied.get(target.key, {}).items():
        for name in sorted(names & bound):
            if _imports_the_same(decision, target, cut.statements[index].node, name, file):
                have.add(name)
            else:
                line = file.line_of(file.names.of_module(name)[0].start)
                raise Refused(
                    f"{name} means something else in {target.key} than where it comes from",
                    cut.project.show(target.path), line, "rename one of them first",
                )  # fmt: skip
    for b, needed in list(imports.names.items()):
        for name in sorted(set(needed) & bound):
            if any(f.alias.name == name for u in cut.uses if u.file is file for f in u.from_imports):
                imports.names[b] = [n for n in imports.names[b] if n != name]
                continue
            line = file.line_of(file.names.of_module(name)[0].start)
            raise Refused(
                f"{name} means something else in {target.key} than where it comes from",
                cut.project.show(target.path), line, "rename one of them first",
            )  # fmt: skip
    return have


def _imports_the_same(
    decision: Decision, target: Target, node: ast.stmt, name: str, file: SourceFile
) -> bool:
    project = decision.cut.project

    def meaning(path: str, node: ast.AST) -> set[str]:
        found = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                found |= {
                    f"{a.name} as {a.asname}"
                    for a in inner.names
                    if (a.asname or a.name.split(".")[0]) == name
                }
            elif isinstance(inner, ast.ImportFrom):
                source = project.resolve_from(inner, path)
                found |= {f"{source}:{a.name}" for a in inner.names if (a.asname or a.name) == name}
        return found

    here = meaning(decision.cut.path, node)
    there: set[str] = set()
    for statement in list_statements(file):
        if name in statement.binds:
            found = meaning(target.path, statement.node)
            if not found:
                return False
            there |= found
    return here <= there


def _check_future(cut: Cut, target: Target, file: SourceFile) -> None:
    """Annotations are evaluated or not by the module they are in; both must agree where it can be seen."""
    if cut.file.names.has_future_annotations == file.names.has_future_annotations:
        return
    for statement in cut.statements:
        if cut.place[statement.index] == target.key and _has_annotations(statement.node):
            if cut.file.names.has_future_annotations:
                raise cut.refuse(
                    f"its annotations are not evaluated here, and would be in {target.key}",
                    statement.node,
                    f"add `from __future__ import annotations` to {target.key} first",
                )
