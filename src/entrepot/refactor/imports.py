"""Import statements as text: how one module names another, adding and removing names.

Everything here works on a `Rewriter`; nothing decides whether an import is needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entrepot.refactor.statements import is_docstring, is_future
from entrepot.refactor.text import Rewriter, SourceFile

WIDTH = 88


@dataclass(frozen=True)
class Spelling:
    """How one module writes another: `import {x}`, `from {source} import {x}`, `{expression}.name`."""

    source: str  # behind `from`
    statement: str  # the statement that brings the module itself
    expression: str  # the module, after that statement
    binding: str  # the name that the statement binds


def spell(importer_package: str, name: str, *, relative: bool) -> Spelling:
    """Say how a module of `importer_package` ("" for top level) names the module `name`."""
    parent, _, last = name.rpartition(".")
    if not parent:
        return Spelling(name, f"import {name}", name, name)
    if relative and importer_package and importer_package.split(".")[0] == name.split(".")[0]:
        source = make_relative(importer_package, name)
        above = make_relative(importer_package, parent)
        return Spelling(source, f"from {above} import {last}", last, last)
    return Spelling(name, f"from {parent} import {last}", last, last)


def make_relative(package: str, name: str) -> str:
    """Return `name` as a relative import of a module in `package` writes it: `.cart`, `..`."""
    here, there = package.split("."), name.split(".")
    common = 0
    while common < min(len(here), len(there)) and here[common] == there[common]:
        common += 1
    if common == 0:
        return name
    return "." * (len(here) - common + 1) + ".".join(there[common:])


def resolve_from(node: ast.ImportFrom, package: str) -> str | None:
    """Return the absolute name that a from-import in a package takes from, or None above the package."""
    if not node.level:
        return node.module
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return None
    base = parts[: len(parts) - (node.level - 1)]
    return ".".join([*base, node.module] if node.module else base)


def render_from(
    source: str, names: Sequence[str], *, indent: str = "", eol: str = "\n", width: int = WIDTH
) -> str:
    """Return `from source import names` (without a line end), wrapped in parentheses when long."""
    line = f"from {source} import {', '.join(names)}"
    if len(indent) + len(line) <= width or len(names) == 1:
        return line
    rows: list[str] = []
    row = f"{indent}    "
    for name in names:
        piece = f"{name}, "
        if len(row) + len(piece.rstrip()) > width and row.strip():
            rows.append(row.rstrip())
            row = f"{indent}    "
        row += piece
    rows.append(row.rstrip())
    return eol.join([f"from {source} import (", *rows, f"{indent})"])


def alias_text(alias: ast.alias) -> str:
    return alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"


def remove_aliases(
    rewriter: Rewriter,
    node: ast.Import | ast.ImportFrom,
    gone: Iterable[ast.alias],
    *,
    body: Sequence[ast.stmt],
) -> None:
    """Remove names from an import statement; the statement itself when none is left.

    `body` is the list of statements it stands in: an emptied block gets `pass`.
    """
    going = set(map(id, gone))
    left = [alias for alias in node.names if id(alias) not in going]
    if not left:
        delete_statement(rewriter, node, body)
        return
    last = node.names.index(left[-1])
    for number, alias in enumerate(node.names[:last]):
        if id(alias) in going:
            _remove_alias(rewriter, alias, node.names[number + 1])
    if node.names[last + 1 :]:
        _remove_last_aliases(rewriter, left[-1], node.names[last + 1 :])


def _remove_alias(rewriter: Rewriter, alias: ast.alias, following: ast.alias) -> None:
    """Remove a name with its comma and what separates it from the next; on a line of its own, the line."""
    file = rewriter.file
    start, end = file.lines.start_of(alias), file.lines.end_of(alias)
    stop = file.lines.start_of(following)
    line_start = file.line_start(start)
    comma_line_end = file.line_end(file.data.index(b",", end))
    if not file.data[line_start:start].strip() and comma_line_end <= stop:
        rewriter.delete(line_start, comma_line_end)
    else:
        rewriter.delete(start, stop)


def _remove_last_aliases(rewriter: Rewriter, kept: ast.alias, gone: Sequence[ast.alias]) -> None:
    """Remove the names at the end of a list: their lines, or the text behind the last name that stays."""
    file = rewriter.file
    start, end = file.lines.start_of(gone[0]), file.lines.end_of(gone[-1])
    line_start, line_end = file.line_start(start), file.line_end(end)
    tail = file.data[end:line_end].strip().lstrip(b", \t")
    own_lines = not file.data[line_start:start].strip() and line_start >= file.lines.end_of(kept)
    if own_lines and (not tail or tail.startswith(b"#")):
        rewriter.delete(line_start, line_end)
    else:
        rewriter.delete(file.lines.end_of(kept), end)


def mark_as_meant(rewriter: Rewriter, node: ast.stmt) -> None:
    """Tell linters that an import without a use is meant, unless its line says something already."""
    file = rewriter.file
    end = file.lines.end_of(node)
    if not file.data[end : file.line_end(end - 1)].strip():
        rewriter.insert(end, "  # noqa: F401")


def delete_statement(
    rewriter: Rewriter, node: ast.stmt, body: Sequence[ast.stmt], replacement: str = ""
) -> None:
    """Delete a statement with its lines (or only its own part of a shared line)."""
    file = rewriter.file
    start, end = file.lines.start_of(node), file.lines.end_of(node)
    if replacement:
        rewriter.replace(start, end, replacement)
        return
    if len(body) == 1 and body is not file.tree.body:
        rewriter.replace(start, end, "pass")
        return
    line_start, line_end = file.line_start(start), file.line_end(max(start, end - 1))
    before, after = file.data[line_start:start].rstrip(), file.data[end:line_end]
    if after.lstrip().startswith(b";"):
        end += after.index(b";") + 1
        following = end + len(file.data[end:line_end]) - len(file.data[end:line_end].lstrip(b" \t"))
        after = file.data[following:line_end]
        if after.strip() and not after.startswith(b"#"):
            rewriter.delete(start, following)
            return
    if before.endswith(b";"):
        rewriter.delete(line_start + len(before) - 1, end)
    else:
        rewriter.delete(line_start, line_end)


def find_import_place(file: SourceFile, before_statement: int | None = None) -> int:
    """Return the index of the module-level statement behind which new imports go; -1 for the top.

    That is the last import before the first definition: what comes before it (`sys.path`, a
    version check) stays before the new import too.
    """
    best = -1
    for index, node in enumerate(file.tree.body):
        if before_statement is not None and index >= before_statement:
            break
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            break
        if (
            isinstance(node, ast.Import | ast.ImportFrom)
            or (is_docstring(node) and index == 0)
            or (isinstance(node, ast.If | ast.Try) and _imports_inside(node))
        ):
            best = index
    return best


def _imports_inside(node: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in getattr(node, "body", ()))


def insert_imports(rewriter: Rewriter, lines: Sequence[str], behind: int, *, gap: int | None = None) -> None:
    """Insert import lines behind a module-level statement (-1: at the top of the file).

    `gap` is the number of blank lines below them at the top (default: by what follows).
    """
    if not lines:
        return
    file = rewriter.file
    eol = file.eol.decode()
    text = "".join(line + eol for line in lines)
    body = file.tree.body
    if behind >= 0:
        node = body[behind]
        end = file.lines.end_of(node)
        at = file.line_end(max(end - 1, 0))
        if behind + 1 < len(body) and file.span(body[behind + 1])[0] < at:
            rewriter.insert(end, "; " + "; ".join(lines))  # a shared line
            return
        missing = "" if file.data[:at].endswith((b"\n", b"\r")) else eol
        if is_docstring(node) or is_future(node):
            text = eol + text
        following = file.data[at:]
        if following.strip() and not following.startswith((b"\n", b"\r")):
            if not (behind + 1 < len(body) and isinstance(body[behind + 1], ast.Import | ast.ImportFrom)):
                text += eol
        rewriter.insert(at, missing + text)
        return
    if not body:
        rewriter.insert(len(file.data), text)
        return
    at = find_top(file)
    if gap is None:
        gap = 2 if isinstance(body[0], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else 1
    rewriter.insert(at, text + ("" if isinstance(body[0], ast.Import | ast.ImportFrom) else eol * gap))


def find_top(file: SourceFile) -> int:
    """Return the offset behind `#!`, coding line and a header comment that stands alone."""
    first = file.span(file.tree.body[0])[0]
    at, best = 0, 0
    while at < first:
        stop = file.line_end(at)
        line = file.data[at:stop].strip()
        if not line or (file.line_of(at) <= 2 and (line.startswith(b"#!") or b"coding" in line)):
            best = stop
        at = stop
    return min(best, file.line_start(first))


def uses_relative(file: SourceFile, package: str, *, others: Iterable[SourceFile] = ()) -> bool:
    """Whether a file of a package writes its own package's modules as relative imports."""
    if not package:
        return False
    for candidate in (file, *others):
        for node in ast.walk(candidate.tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                return True
            top = package.split(".")[0]
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == top:
                return False
            if isinstance(node, ast.Import) and any(a.name.split(".")[0] == top for a in node.names):
                return False
    return True
