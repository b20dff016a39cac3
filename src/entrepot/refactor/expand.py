"""Replace `from module import *` by the names it brings.

Which names: in a package (its `__init__` and its modules, tests apart) all of them, so that
its namespace stays what it is. In a script or a module at top level those that the file uses,
lists in `__all__`, or that another file of the project takes from it; all again where it looks at its
names as such (`globals()`).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Sequence

from entrepot.errors import Refused
from entrepot.program.symbols import LOAD, Occurrence
from entrepot.refactor.changes import Edit, FileChange, Note
from entrepot.refactor.checks import check_result, find_undefined
from entrepot.refactor.cut import OLD_BUILTINS, find_exported
from entrepot.refactor.effects import Effects
from entrepot.refactor.exports import Exports
from entrepot.refactor.imports import delete_statement, render_from
from entrepot.refactor.loud_imports import find_loud_imports
from entrepot.refactor.module_values import find_module_values
from entrepot.refactor.project import Project
from entrepot.refactor.statements import list_statements
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import find_uses

_STAR = re.compile(rb"\bimport[ \t\\\r\n]*\*")


def plan_expand(project: Project, paths: Sequence[str]) -> Edit:
    """Return the edit that expands the star imports of files and folders.

    In a single file, a star whose names cannot be told raises Refused; in a folder it stays, and
    a note says why.
    """
    files, is_single = _find_files(project, paths)
    exports = Exports(project)
    changes: list[FileChange] = []
    notes: list[Note] = []
    for path in files:
        if is_single:
            _ = project.file(
                path
            ).names  # refuses what cannot be read, where "nothing to change" would be no answer
        if not _STAR.search(project.raw(path)):
            continue
        try:
            file = project.file(path)
            if not file.names.star_imports:
                continue
            rewriter = expand_file(project, exports, file, notes, is_strict=is_single)
        except Refused as error:
            if is_single:
                raise
            notes.append(Note(error.reason, project.show(path), error.line))
            continue
        if rewriter.changes_anything:
            changes.append(FileChange(path, file.raw, file.encode(rewriter.result())))
    edit = Edit(project.root, "expand " + " ".join(paths), tuple(changes), (), tuple(dict.fromkeys(notes)))
    check_result(project, edit)
    return edit


def _find_files(project: Project, paths: Sequence[str]) -> tuple[list[str], bool]:
    found: list[str] = []
    for given in paths:
        path = os.path.realpath(given)
        if os.path.isdir(path):
            found += [p for p in project.paths if p == path or p.startswith(path.rstrip(os.sep) + os.sep)]
        else:
            found.append(project.get_module(given))
    return list(dict.fromkeys(found)), len(paths) == 1 and not os.path.isdir(paths[0])


def expand_file(
    project: Project, exports: Exports, file: SourceFile, notes: list[Note], *, is_strict: bool
) -> Rewriter:
    """Return the replacements for the star imports of one file."""
    rewriter = Rewriter(file)
    shown = project.show(file.path)
    stars = sorted(file.names.star_imports, key=file.lines.start_of)
    brought: list[tuple[ast.ImportFrom, list[str], list[str]]] = []
    for node in stars:
        source = exports.source_of(node, file.path)
        try:
            if source is None:
                raise Refused("a relative import that leads nowhere")
            names, perhaps = exports.get(source, file.path).star_names()
        except Refused as error:
            if is_strict:
                raise Refused(error.reason, shown, node.lineno, "write the names by hand here") from None
            notes.append(Note(f"stays: {error.reason}", shown, node.lineno))
            continue
        brought.append((node, names, perhaps))
    if len(brought) == len(stars) and (lost := _find_unexplained(exports, file, brought)) is not None:
        reason = f"{lost.name} is read here, and nothing is known to bind it: a star import may"
        if is_strict:
            raise Refused(reason, shown, file.line_of(lost.start), "write the names by hand here")
        notes.append(Note(f"stays: {reason}", shown, file.line_of(lost.start)))
        return rewriter
    is_whole = _keeps_namespace(project, file) or _reads_all_names(file)
    wanted = None if is_whole else _find_wanted(project, file, [n for _, a, b in brought for n in [*a, *b]])
    for number, (node, names, perhaps) in enumerate(brought):
        _expand_one(
            project,
            exports,
            file,
            rewriter,
            notes,
            node,
            names,
            perhaps,
            wanted,
            brought[number + 1 :],
            is_strict,
        )
    return rewriter


def _find_unexplained(
    exports: Exports, file: SourceFile, brought: Iterable[tuple[ast.ImportFrom, list[str], list[str]]]
) -> Occurrence | None:
    """Return a read of a name that nobody binds and that no star import is known to bring."""
    known = {name for _, certain, perhaps in brought for name in (*certain, *perhaps)} | OLD_BUILTINS
    if os.path.basename(file.path) == "__init__.py":
        # A package's own modules become its names when they are imported.
        package = exports.name_of(file.path)
        known |= {n for n in find_undefined(file) if exports.is_there(f"{package}.{n}", file.path)}
    lost = find_undefined(file) - known
    return next(
        (o for o in file.names.occurrences if o.home is None and o.kind == LOAD and o.name in lost), None
    )


def _expand_one(
    project: Project,
    exports: Exports,
    file: SourceFile,
    rewriter: Rewriter,
    notes: list[Note],
    node: ast.ImportFrom,
    names: list[str],
    perhaps: list[str],
    wanted: set[str] | None,
    later: Sequence[tuple[ast.ImportFrom, list[str], list[str]]],
    is_strict: bool,
) -> None:
    shown = project.show(file.path)
    open_names = [name for name in perhaps if wanted is None or name in wanted]
    if open_names:
        reason = f"whether {', '.join(open_names[:5])} exists there is decided at run time"
        if is_strict:
            raise Refused(reason, shown, node.lineno, "write the names by hand here")
        notes.append(Note(f"stays: {reason}", shown, node.lineno))
        return
    kept = [name for name in names if wanted is None or name in wanted]
    if wanted is not None and node in file.tree.body:
        # A later star at the top level that brings the same name wins, if nothing reads it in between.
        for other, others, _ in later:
            if other in file.tree.body:
                kept = [n for n in kept if n not in others or _is_read_between(file, n, node, other)]
    start, end = file.lines.start_of(node), file.lines.end_of(node)
    source_text = "." * node.level + (node.module or "")
    if kept:
        indent = file.data[file.line_start(start) : start].decode()
        text = render_from(
            source_text, kept, indent=indent if not indent.strip() else "", eol=file.eol.decode()
        )
        rewriter.replace(start, end, text)
        return
    replacement, binding = _bare_import(project, exports, file, node)
    if binding and file.names.called(binding):
        reason = f"nothing of {source_text} is used, but it does something, and {binding} is a name here"
        notes.append(Note(f"stays: {reason}", shown, node.lineno))
        return
    delete_statement(rewriter, node, file.body_of(node), replacement)
    what = (
        "is imported without names, for what it does"
        if replacement
        else "brought nothing that is used: removed"
    )
    notes.append(Note(f"{source_text} {what}", shown, node.lineno))


def _is_read_between(file: SourceFile, name: str, one: ast.ImportFrom, two: ast.ImportFrom) -> bool:
    start, end = file.lines.start_of(one), file.lines.start_of(two)
    return any(
        o.name == name and start < o.start < end and o.when == "import" for o in file.names.occurrences
    )


def _bare_import(
    project: Project, exports: Exports, file: SourceFile, node: ast.ImportFrom
) -> tuple[str, str]:
    """Return the import that still runs a module none of whose names is needed, and what it binds; "" for none."""
    source = exports.source_of(node, file.path) or ""
    path = exports.locate(source, file.path)
    if path == "" or (node.level and not node.module):
        return "", ""  # nothing that is seen, or the package itself, which is there
    if path is not None and path in project:
        statements = list_statements(project.file(path))
        effects = Effects(statements, find_loud_imports(project, path))
        if not any(effects.is_loud(s.node) or s.is_import for s in statements):
            return "", ""
    if node.level and node.module:
        parent, _, last = node.module.rpartition(".")
        return f"from {'.' * node.level}{parent} import {last}  # noqa: F401", last
    return f"import {source}  # noqa: F401", source.partition(".")[0]


def _keeps_namespace(project: Project, file: SourceFile) -> bool:
    """Whether others may take anything from this file: it is part of a package and no test."""
    if project.is_package(file.path):
        return True
    if not project.package_of(file.path):
        return False
    name = os.path.basename(file.path)
    return not (
        name.startswith("test_") or name in ("__main__.py", "conftest.py") or name.endswith("_test.py")
    )


def _reads_all_names(file: SourceFile) -> bool:
    """Whether the file looks at its own names as such: which of them it uses cannot be told then."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            is_bare = not node.args and not node.keywords
            if node.func.id in ("globals", "eval", "exec") or (
                is_bare and node.func.id in ("locals", "vars", "dir")
            ):
                return True
    return False


def _find_wanted(project: Project, file: SourceFile, names: Iterable[str]) -> set[str]:
    """Return those of the names that the file uses or that others take from it."""
    brought = set(names)
    module = file.names.module
    used = {
        o.name
        for o in file.names.occurrences
        if o.name in brought and o.home in (None, module) and o.kind == "load"
    }
    used |= {
        o.name
        for o in file.names.occurrences
        if o.name in brought and o.home in (None, module) and o.kind in ("declare", "delete")
    }
    used |= brought & set(find_exported(file))
    used -= _always_own(file, used)
    others = find_uses(project, file.path)
    for uses in others:
        used |= {f.alias.name for f in uses.from_imports} & brought
        used |= {a.name for a in uses.attributes} & brought
        used |= {s.name for s in uses.strings} & brought
        if uses.stars:
            names_there = {o.name for o in uses.file.names.occurrences if o.home is None}
            used |= brought & names_there
            used |= brought & _taken_further(project, uses.file, brought)
    for value in find_module_values(project, file.path, others):
        used |= brought if value.name is None else brought & {value.name}
    return used


def _taken_further(project: Project, file: SourceFile, brought: set[str]) -> set[str]:
    """Return what may be taken from a file that has taken all, and from those that take all of that."""
    found: set[str] = set()
    seen: set[str] = set()
    todo = [file.path]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for uses in find_uses(project, path):
            found |= _words(uses.file) & brought
            if uses.stars:
                todo.append(uses.file.path)
    return found


def _words(file: SourceFile) -> set[str]:
    found = {o.name for o in file.names.occurrences}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


def _always_own(file: SourceFile, names: set[str]) -> set[str]:
    """Return names that the file certainly defines itself before it first reads them."""
    found = set()
    module = file.names.module
    last_star = max((file.lines.end_of(node) for node in file.names.star_imports), default=0)
    for name in names:
        mine = [o for o in file.names.occurrences if o.name == name and o.home is module]
        binders = [
            o
            for o in mine
            if o.scope is module
            and o.kind in ("define", "store", "import")
            and o.start > last_star
            and isinstance(
                file.tree.body[o.statement],
                ast.FunctionDef | ast.ClassDef | ast.Assign | ast.Import | ast.ImportFrom,
            )
        ]
        if not binders:
            continue
        first = min(file.lines.end_of(file.tree.body[o.statement]) for o in binders)
        own_start = min(file.lines.start_of(file.tree.body[o.statement]) for o in binders)
        reads = [o for o in mine if o.kind == "load" and o.when == "import" and o.start < first]
        calls = [o for o in mine if o.kind == "load" and o.when == "call" and o.start < own_start]
        if not reads and not (calls and _calls_before(file, own_start)):
            found.add(name)
    return found


def _calls_before(file: SourceFile, offset: int) -> bool:
    """Whether something could be called before an offset."""
    before = [node for node in file.tree.body if file.lines.start_of(node) < offset]
    return any(
        getattr(node, "decorator_list", None)
        or (
            not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and any(isinstance(inner, ast.Call) for inner in ast.walk(node))
        )
        for node in before
    )
