"""What is asked of a folder's source: findings, arrows, names, and edits. Runs in a process of its own.

Each function takes and returns plain values. The program that was read last is kept, so that the next
question about it reads only what has changed. Unsaved texts are read from a shadow of the folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from entrepot.errors import Refused
from entrepot.program.conditions import AT_IMPORT, AT_RUN, TYPING
from entrepot.program.graph import find_cycles, find_reached
from entrepot.program.model import Program
from entrepot.refactor.changes import Edit, FileChange
from entrepot.studio.shadow import Shadow
from entrepot.studio.workspace import is_text, show
from entrepot.survey.checks import find_all
from entrepot.survey.findings import CODES, Finding
from entrepot.survey.fixes import plan_fixes
from entrepot.survey.policy import apply_policy, list_excused, read_policy

_shadows: dict[str, Shadow] = {}
_edits: dict[int, Edit] = {}
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Told:
    """A finding in a file of the workspace. related: (file, line, what). fix: whether it can be mended."""

    code: str
    title: str
    severity: str
    name: str
    line: int
    column: int
    message: str
    related: tuple[tuple[str, int, str], ...]
    is_fixable: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The modules of a program and their arrows, as numbers.

    files: of each module ("" for a namespace package). arrows: (importer, imported, is at import time, is star).
    cycles: numbers of modules that import each other at import time. reached: None where no entry is known.
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    packages: frozenset[int]
    arrows: tuple[tuple[int, int, bool, bool], ...]
    cycles: tuple[tuple[int, ...], ...]
    reached: frozenset[int] | None
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """An edit that can be applied: what it is called, its difference, the files, and what is to be known."""

    number: int
    title: str
    diff: str
    files: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def survey(root: str, python: str | None, drafts: Mapping[str, str], place: str = "") -> list[Told]:
    """Return what is wrong with the modules of a folder, as `entrepot check` tells it, notes too.

    place: a folder for the shadow in which drafts stand in the place of their files.
    """
    folder = root
    if drafts:
        shadow = _shadows.get(root) or _shadows.setdefault(root, Shadow(root, place or tempfile.mkdtemp()))
        shadow.follow(drafts)
        folder = shadow.folder
    program = Program.read(folder, python=python)
    findings, facts = find_all(program)
    policy = replace(read_policy(folder), is_all=True)
    paths = {name: module.path for name, module in program.modules.items()}
    told = apply_policy(sorted(set(findings), key=lambda f: f.sort_key), list_excused(facts, paths), policy)
    return [found for finding in told.findings if (found := _tell(finding, folder)) is not None]


def _tell(finding: Finding, folder: str) -> Told | None:
    name = _relative(finding.path, folder)
    if name is None or not is_text(name):
        return None
    related = tuple(
        (show(_relative(path, folder) or path), line, show(what)) for path, line, what in finding.related
    )
    code = CODES[finding.code]
    message = show(finding.message.replace(folder + "/", ""))
    return Told(finding.code, code.name, finding.severity, name, finding.line, finding.column, message, related,
                finding.fix is not None)  # fmt: skip


def _relative(path: str, folder: str) -> str | None:
    return path[len(folder) + 1 :] if path.startswith(folder + "/") else None


def chart(root: str, python: str | None, entry: str) -> Chart:
    """Return the modules of a folder and who imports whom; what the entry reaches, if it is one of them."""
    program = Program.read(root, python=python)
    ids = program.raw.ids
    found: dict[tuple[int, int], tuple[bool, bool]] = {}
    for number, arrows in enumerate(program.raw.arrows):
        for target, when, _, _, form, *_ in arrows:
            if when == TYPING or target == number:
                continue
            early, star = found.get((number, target), (False, False))
            found[number, target] = (early or when in AT_IMPORT, star or form == "star")
    reached = None
    start = _find_entry(program, root, entry)
    if start is not None:
        starts = [start, *program.list_parents(start)]
        reached = frozenset(find_reached(program.get_graph(AT_RUN | AT_IMPORT, with_ancestors=True), starts))
    modules = [program.modules[name] for name in program.names]
    return Chart(
        tuple(map(show, program.names)),
        tuple(show(_relative(module.path, root) or "") for module in modules),
        frozenset(ids[module.name] for module in modules if module.is_package),
        tuple((a, b, early, star) for (a, b), (early, star) in sorted(found.items())),
        tuple(tuple(cycle) for cycle in find_cycles(program.get_graph(AT_IMPORT))),
        reached,
        tuple(
            program.raw.files[name].size_bytes if name in program.raw.files else 0 for name in program.names
        ),
    )


def _find_entry(program: Program, root: str, entry: str) -> int | None:
    if entry.startswith("-m "):
        name = entry[3:].strip()
        for candidate in (f"{name}.__main__", name):
            if candidate in program.raw.ids:
                return program.raw.ids[candidate]
        return None
    for number, name in enumerate(program.names):
        if program.modules[name].path == os.path.join(root, entry):
            return number
    return None


def plan(root: str, kind: str, options: Mapping[str, Any]) -> Preview:
    """Plan an edit and keep it for `apply`. kind: "split", "move", "rename", "expand" or "fix". Raises Refused."""
    from entrepot.refactor.expand import plan_expand
    from entrepot.refactor.project import Project
    from entrepot.refactor.rename_any import plan_rename
    from entrepot.refactor.split import plan_move, plan_split

    is_forced = bool(options.get("force"))
    if kind == "fix":
        edit = _plan_fix(root, options)
    else:
        project = Project(root)
        path = os.path.join(root, str(options.get("file", "")))
        if kind == "split":
            edit = plan_split(project, path, options["to"], style=options.get("style", "names"), force=is_forced,
                              reexport=bool(options.get("reexport")))  # fmt: skip
        elif kind == "move":
            edit = plan_move(project, path, options["names"], options["to"], force=is_forced,
                             style=options.get("style", "names"))  # fmt: skip
        elif kind == "rename":
            edit = plan_rename(project, str(options["old"]), str(options["new"]), force=is_forced)
        else:
            edit = plan_expand(project, [path])
    while len(_edits) > 20:
        del _edits[next(iter(_edits))]
    number = next(_numbers)
    _edits[number] = edit
    return _preview(number, edit)


def _plan_fix(root: str, options: Mapping[str, Any]) -> Edit:
    """Plan the fix of one finding, or of all in a file (without `code`)."""
    program = Program.read(root, processes=1)
    path = os.path.join(root, str(options["file"]))
    findings = [found for found in find_all(program, processes=1)[0] if found.fix and found.path == path]
    if "code" in options:
        place = (options["code"], options["line"], options["column"])
        findings = [found for found in findings if (found.code, found.line, found.column) == place]
    if not findings:
        raise Refused(
            "the finding is not there any more", str(options["file"]), None, "look at the file again"
        )
    from entrepot.program.source import read_source

    source = read_source(path)
    text, done = plan_fixes(source.text, findings)
    with open(path, "rb") as file:
        before = file.read()
    title = f"fix {', '.join(sorted({found.code for found in done}))} in {options['file']}"
    return Edit(os.path.realpath(root), title, (FileChange(path, before, source.encode(text)),))


def _preview(number: int, edit: Edit) -> Preview:
    files = []
    for change in edit.changes:
        if change.before != change.after:
            verb = "made" if change.before is None else "removed" if change.after is None else "changed"
            files.append((os.path.relpath(change.path, edit.root), verb))
    return Preview(number, edit.title, edit.diff(), tuple(files), tuple(str(note) for note in edit.notes))


def apply(number: int, *, force: bool = False) -> tuple[str, ...]:
    """Apply a planned edit; return the files that it wrote. Raises Refused, CannotWrite."""
    edit = _edits.get(number)
    if edit is None:
        raise Refused("this preview is from an earlier start of the studio", None, None, "make it again")
    edit.apply(force=force)
    return tuple(os.path.relpath(change.path, edit.root) for change in edit.changes)


def undo(root: str) -> str:
    """Take the last edit of a folder back; return what it was. Raises Refused."""
    from entrepot.refactor.journal import undo_last

    return undo_last(os.path.realpath(root)).title


def find_last_edit(root: str) -> str:
    """Return the title of the edit that `undo` would take back, "" if there is none."""
    from entrepot.refactor.journal import find_last

    edit = find_last(os.path.realpath(root))
    return "" if edit is None else edit.title


@dataclass(frozen=True, slots=True)
class Part:
    """A definition of a file's top level, for the board: lines from 1; uses: other definitions that it names."""

    name: str
    kind: str
    line: int
    end_line: int
    uses: tuple[str, ...]


def list_parts(root: str, name: str) -> list[Part]:
    """Return what a file defines at its top level, in order, and who needs whom. Raises SyntaxError."""
    import ast

    from entrepot.program.inner_code import Lines
    from entrepot.program.scopes import resolve
    from entrepot.program.source import read_source

    source = read_source(os.path.join(root, name))
    tree = ast.parse(source.text)
    names = resolve(tree, Lines(source.text.encode()))
    spans: dict[str, tuple[str, int, int]] = {}
    for node in tree.body:
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            spans[node.name] = ("function", node.lineno, end)
        elif isinstance(node, ast.ClassDef):
            spans[node.name] = ("class", node.lineno, end)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and not target.id.startswith("__"):
                    spans.setdefault(target.id, ("variable", node.lineno, end))
    by_statement = {line: name for name, (_, line, _) in spans.items()}
    used: dict[str, set[str]] = {name: set() for name in spans}
    for occurrence in names.occurrences:
        if occurrence.home is not names.module or occurrence.name not in spans:
            continue
        user = by_statement.get(tree.body[occurrence.statement].lineno)
        if user and user != occurrence.name:
            used[user].add(occurrence.name)
    return [Part(name, *span, tuple(sorted(used[name]))) for name, span in spans.items()]


def suggest(root: str, name: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return a proposal for splitting a file: (module, its names, the reasons)."""
    from entrepot.refactor.project import Project
    from entrepot.refactor.suggest import suggest_split

    proposal = suggest_split(Project(root), os.path.join(root, name))
    return [(group.module, tuple(group.names), tuple(group.reasons)) for group in proposal.groups]


def prepare() -> None:
    """Be imported, so that the first question is answered at once."""


def check_text(name: str, text: str) -> list[Told]:
    """Return what can be said of one file's text alone, at once: what it does not import is not looked at."""
    from entrepot.program.conditions import Target
    from entrepot.program.source import SourceError, parse_source
    from entrepot.survey.local import read_facts

    try:
        source = parse_source(text.encode("utf-8", "surrogatepass"), name)
        rows = read_facts(source, Target(), name.endswith("__init__.py")).findings
    except SourceError as error:
        rows = [["EP001", error.line, 0, error.reason, None]]
    except SyntaxError as error:
        rows = [
            ["EP001", error.lineno or 1, max(0, (error.offset or 1) - 1), f"syntax error: {error.msg}", None]
        ]
    except RecursionError:
        rows = []
    found = []
    for code, line, column, message, edits in rows:
        row = CODES[code]
        found.append(Told(code, row.name, row.severity, name, line, column + 1, message, (), bool(edits)))
    return found


def look_up_name(
    root: str,
    python: str | None,
    asked: str,
    file: str,
    text: str | None,
    line: int,
    module: str = "",
    entry: str = "",
) -> Any:
    """Return the steps to a dotted name as written in a file or module (`lookup.Answer`), names of files for paths."""
    from entrepot.studio.lookup import look_up

    program = Program.read(root, python=python, processes=1)
    path = os.path.join(root, file)
    start = _find_entry(program, root, entry)
    main = program.names[start] if start is not None else ""
    module = main if module == "__main__" else module
    module = module or next((name for name, known in program.modules.items() if known.path == path), "")
    answer = look_up(program, asked, module, text=text, line=line, main=main)
    steps = tuple(replace(step, path=_relative(step.path, root) or "") for step in answer.steps)
    others = tuple(
        (name, kind, _relative(path, root) or "", line) for name, kind, path, line in answer.others
    )
    return replace(answer, steps=steps, others=others)
