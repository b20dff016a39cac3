"""The last look before an edit is handed out: it compiles, and nothing is newly wrong.

What is checked here was decided elsewhere; a failure is our mistake, and it is refused rather
than written.
"""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Container, Iterable

from entrepot.errors import Refused
from entrepot.program.symbols import IMPORT, LOAD
from entrepot.refactor.changes import Edit, FileChange
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile

_ALWAYS = frozenset(dir(builtins)) | {
    "__file__", "__name__", "__doc__", "__path__", "__spec__", "__loader__", "__package__", "__builtins__",
    "__annotations__", "__dict__", "__class__", "__debug__", "__cached__", "__module__", "__qualname__", "WindowsError",
}  # fmt: skip


def check_result(
    project: Project, edit: Edit, *sources: str, known: Iterable[str] = (), same: Container[str] = ()
) -> None:
    """Raise Refused when a new text does not compile or has names that nobody binds any more.

    `same` are paths where one name was put in the place of another and nothing can have changed its
    meaning (`shape.is_plainly_same`): these are not looked at again.
    """
    known = set(known)
    for source in sources:
        if source in project:
            known |= find_undefined(project.file(source))
    for change in edit.changes:
        if change.after is None or change.after == change.before or not change.path.endswith(".py"):
            continue
        if change.path in same:
            continue
        new = SourceFile(change.path, change.after)
        shown = project.show(change.path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(new.data.decode("utf-8"), change.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise Refused(
                f"the result would not compile: {error}", shown, None, "please report this"
            ) from None
        before = find_undefined(_old_file(project, change)) if change.before is not None else set()
        missing = find_undefined(new) - before - known
        if missing and not new.names.star_imports:
            raise Refused(
                f"the result would not know {', '.join(sorted(missing))}", shown, None, "please report this"
            )


def _old_file(project: Project, change: FileChange) -> SourceFile:
    """Return the file before the change, resolved already where the project has it."""
    assert change.before is not None
    if change.path in project and project.raw(change.path) == change.before:
        return project.file(change.path)
    return SourceFile(change.path, change.before)


def find_undefined(file: SourceFile) -> set[str]:
    """Return the names that a file reads and nobody binds."""
    return {
        o.name
        for o in file.names.occurrences
        if o.home is None and o.kind == LOAD and o.name not in _ALWAYS and not o.in_string
    }


def find_unused(file: SourceFile) -> set[str]:
    """Return the names that a file's module-level imports bind and nothing in it reads."""
    module = file.names.module
    bound = {o.name for o in file.names.occurrences if o.kind == IMPORT and o.home is module}
    read = {o.name for o in file.names.occurrences if o.kind != IMPORT and o.home is module}
    return bound - read


def check_moved(cut: Cut, edit: Edit) -> None:
    """Raise Refused unless every statement that moved stands whole in exactly one target."""
    after = {
        change.path: SourceFile(change.path, change.after)
        for change in edit.changes
        if change.after is not None
    }
    for statement in cut.statements:
        key = cut.place[statement.index]
        if key == STAY:
            continue
        there = after[cut.targets[key].path]
        missing = statement.binds - there.names.module.bindings
        if missing:
            raise Refused(
                f"{', '.join(sorted(missing))} would be lost", cut.project.show(cut.path), statement.line,
                "please report this",
            )  # fmt: skip
