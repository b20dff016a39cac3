"""Rename a module-level definition everywhere it is used.

The name is followed through the modules that hand it on: `from shop.cart import Basket` in
`shop/__init__.py` makes `shop.Basket` the same name, and its users are renamed too. An import
`as` another name ends the trail. Afterwards each changed file is resolved again and must have
the same shape: every occurrence in the scope it had. That is how captures are found, wherever
they come from (a local of the new name, a builtin that the file uses, a class body).
"""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Iterable, Sequence

from entrepot.errors import Refused
from entrepot.program.symbols import IMPORT, LOAD
from entrepot.refactor.changes import Edit, FileChange, Note
from entrepot.refactor.checks import check_result
from entrepot.refactor.crew import Crew, share_out
from entrepot.refactor.module_values import find_unknown_names
from entrepot.refactor.project import Project
from entrepot.refactor.rename_file import Facts, FileRenaming, Outcome
from entrepot.refactor.text import Rewriter

_Question = tuple[list[str], dict[str, list[str]]]  # the holders; file -> those it may use
PACKAGING = ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini")


def check_new_name(new: str) -> None:
    """Raise Refused for what cannot be a name."""
    if not new.isidentifier() or keyword.iskeyword(new) or "\0" in new:
        raise Refused(f"{new!r} cannot be a name")


def plan_rename_definition(project: Project, module: str, old: str, new: str, *, force: bool = False) -> Edit:
    """Return the edit that renames `old`, defined in `module`, to `new` in the whole project."""
    check_new_name(new)
    path = project.get_module(module)
    holders, notes, outcomes = _rename_everywhere(project, path, old, new, force=force)
    changes = []
    for outcome in outcomes:
        rewriter = Rewriter(project.file(outcome.path))
        rewriter.edits = outcome.edits
        if rewriter.changes_anything:
            after = rewriter.file.encode(rewriter.result())
            changes.append(FileChange(outcome.path, rewriter.file.raw, after))
    for value in sorted(find_unknown_names(project, holders), key=lambda v: (v.file.path, v.line)):
        text = f"a module that has {old} is {value.what}: it may be asked for {old!r}"
        notes.append(Note(text, project.show(value.file.path), value.line))
    names = [project.name_of(holder) for holder in holders]
    changes += list(rename_in_packaging(project, {f"{m}:{old}": f"{m}:{new}" for m in names}))
    edit = Edit(project.root, f"rename {module}:{old} {new}", tuple(changes), (), tuple(dict.fromkeys(notes)))
    same = {outcome.path for outcome in outcomes if outcome.is_same}
    check_result(project, edit, path, same=same)
    return edit


class _Share:
    """A share of the files: first tells their facts, then renames in them. Answers questions of a `Crew`."""

    def __init__(self, project: Project, paths: Sequence[str], old: str, new: str, *, force: bool) -> None:
        self.project = project
        self.paths = paths
        self.old, self.new, self.force = old, new, force
        self.files: dict[str, FileRenaming] = {}

    def answer(self, question: _Question | None) -> list[Facts] | list[Outcome]:
        if question is None:
            return [self.find_facts(path) for path in self.paths]
        holders, concerned = question
        mine = [path for path in self.paths if path in self.files and path in concerned]
        return [self.files[path].rename(holders, concerned[path]) for path in mine]

    def find_facts(self, path: str) -> Facts:
        try:
            file = FileRenaming(self.project, path, self.old, self.new, force=self.force)
            facts = file.find_facts()
            self.files[path] = file
        except Refused as error:
            facts = Facts(path)
            imports = rb"(?m)^[ \t]*(from|import)\b.*\b" + re.escape(self.old.encode()) + rb"\b"
            if re.search(imports, self.project.raw(path)):
                facts.error = error
            else:
                facts.note = Note(f"not looked at: {error.reason}", self.project.show(path), error.line)
        return facts


def _rename_everywhere(
    project: Project, path: str, old: str, new: str, *, force: bool
) -> tuple[list[str], list[Note], list[Outcome]]:
    """Return the files that have the name in their namespace, what to know, and what becomes of each file."""
    _check_defined(project, path, old)
    shares = share_out(sorted({*project.using(old), path}), lambda p: len(project.raw(p)))
    crew: Crew[_Question | None, list[Facts] | list[Outcome]] = Crew(
        shares, lambda paths: _Share(project, paths, old, new, force=force).answer
    )
    with crew:
        told = [facts for some in crew.ask([None] * len(shares)) for facts in some]
        known = {facts.path: facts for facts in told if isinstance(facts, Facts)}
        _raise_first(facts.error for _, facts in sorted(known.items()) if facts.path != path)
        holders = _find_holders(path, known)
        concerned = {
            other: [h for h in holders if h != other and facts.concerns(h, *_names_of(project, h))]
            for other, facts in known.items()
        }
        concerned = {other: some for other, some in concerned.items() if some or other in holders}
        answers = [o for some in crew.ask([(holders, concerned)] * len(shares)) for o in some]
    outcomes = sorted((o for o in answers if isinstance(o, Outcome)), key=lambda o: (o.path != path, o.path))
    _raise_first(outcome.error for outcome in outcomes)
    notes = [facts.note for _, facts in sorted(known.items()) if facts.note is not None]
    return holders, [*notes, *(note for outcome in outcomes for note in outcome.notes)], outcomes


def _check_defined(project: Project, path: str, old: str) -> None:
    file = project.file(path)
    found = file.names.of_module(old)
    if not any(o.kind != LOAD for o in found):
        raise Refused(f"there is no {old} at the top level", project.show(path))
    if all(o.kind == IMPORT for o in found if o.kind != LOAD):
        raise Refused(
            f"{old} is imported here, not defined", project.show(path), file.line_of(found[0].start),
            "rename it where it is defined",
        )  # fmt: skip


def _find_holders(path: str, known: dict[str, Facts]) -> list[str]:
    """Return the defining file and those that hand its name on, directly or not."""
    holders = [path]
    for holder in holders:
        holders += [p for p, facts in sorted(known.items()) if holder in facts.hands_on and p not in holders]
    return holders


def _names_of(project: Project, holder: str) -> tuple[list[str], str]:
    """Return the packages around a module, and its last word."""
    parts = project.name_of(holder).split(".")
    above = (project.find_module(".".join(parts[:n]), holder) for n in range(1, len(parts)))
    return [path for path in above if path is not None], parts[-1]


def _raise_first(errors: Iterable[Refused | None]) -> None:
    for error in errors:
        if error is not None:
            raise error


def rename_in_packaging(project: Project, names: dict[str, str]) -> list[FileChange]:
    """Rename entry points (`shop.cli:main`) in the project's packaging files."""
    found = []
    for marker in PACKAGING:
        path = os.path.join(project.root, marker)
        if not os.path.isfile(path) or path in project:
            continue
        with open(path, "rb") as stream:
            before = stream.read()
        after = rename_entries(before, names)
        if after != before:
            found.append(FileChange(path, before, after))
    return found


def rename_entries(text: bytes, names: dict[str, str]) -> bytes:
    """Return a packaging file's text with other entry points (`shop.cli:main`)."""
    for old, new in names.items():
        pattern = rb"(?<![\w.:])" + re.escape(old.encode()) + rb"(?![\w:])"
        text = re.sub(pattern, new.encode().replace(b"\\", b"\\\\"), text)
    return text
