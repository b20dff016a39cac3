"""The last look before an edit is handed out: it compiles, and nothing is newly wrong.

What is checked here was decided elsewhere; a failure is our mistake, and it is refused rather
than written.
"""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Iterable

from entrepot.errors import Refused
from entrepot.program.symbols import IMPORT, LOAD
from entrepot.refactor.changes import Edit
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile

_ALWAYS = frozenset(dir(builtins)) | {
    "__file__", "__name__", "__doc__", "__path__", "__spec__", "__loader__", "__package__", "__builtins__",
    "__annotations__", "__dict__", "__class__", "__debug__", "__cached__", "__module__", "__qualname__", "WindowsError",
}  # fmt: skip


def check_result(project: Project, edit: Edit, *sources: str, known: Iterable[str] = ()) -> None:
    """Raise Refused when a new text does not compile or has names that nobody binds any more."""
    known = set(known)
    for source in sources:
        if source in project:
            known |= find_undefined(project.file(source))
    for change in edit.changes:
        if change.after is None or change.after == change.before or not change.path.endswith(".py"):
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
        before = (
            find_undefined(SourceFile(change.path, change.before)) if change.before is not None else set()
        )
        missing = find_undefined(new) - before - known
        if missing and not new.names.star_imports:
            raise Refused(
                f"the result would not know {', '.join(sorted(missing))}", shown, None, "please report this"
            )


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
