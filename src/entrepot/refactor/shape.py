"""Whether a renamed file still means the same: every name in the scope it had before.

Where the new name stood nowhere in the file, it can capture nothing and nothing can capture it:
then it is enough that of each scope's name all occurrences were renamed or none.

Otherwise the occurrences of both texts are paired in order. Each pair must have the same kind,
stand in the same scope and belong to the same one (or to none), with at most the names
exchanged. A capture anywhere breaks a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from entrepot.errors import Refused
from entrepot.program.symbols import Scope
from entrepot.refactor.changes import Edit, FileChange, Note
from entrepot.refactor.checks import check_result
from entrepot.refactor.project import Project
from entrepot.refactor.text import Rewriter, SourceFile


def is_plainly_same(rewriter: Rewriter, old: str, new: str) -> bool:
    """Whether renaming `old` to `new` by these replacements certainly changes no meaning in the file."""
    names = rewriter.file.names
    if names.called(new) or old.startswith("__") or new.startswith("__"):
        return False  # names that a class mangles are told apart by the thorough look
    renamed = {edit[0] for edit in rewriter.edits}
    whole: dict[int, bool] = {}
    for occurrence in names.called(old):
        is_renamed = occurrence.start in renamed
        if whole.setdefault(id(occurrence.home), is_renamed) != is_renamed:
            return False
    return True


def make_renaming(
    project: Project,
    title: str,
    rewriters: Mapping[str, Rewriter],
    old: str,
    new: str,
    notes: Iterable[Note],
) -> Edit:
    """Return the edit that puts a name in another's place, path by path, each text compared. Raises Refused."""
    changes = []
    for path, rewriter in sorted(rewriters.items()):
        if rewriter.changes_anything:
            after = rewriter.file.encode(rewriter.result())
            check_same_shape(project, rewriter.file, SourceFile(path, after), old, new)
            changes.append(FileChange(path, rewriter.file.raw, after))
    edit = Edit(project.root, title, tuple(changes), (), tuple(dict.fromkeys(notes)))
    check_result(project, edit)
    return edit


def check_same_shape(project: Project, before: SourceFile, after: SourceFile, old: str, new: str) -> None:
    """Raise Refused when a renaming made a name mean something else."""
    first, second = before.names.occurrences, after.names.occurrences
    shown = project.show(before.path)
    if len(first) != len(second):
        raise Refused(f"renaming {old} to {new} would change what this file says", shown)
    scopes: dict[int, Scope | None] = {}
    names: dict[tuple[int, str], str] = {}  # a name of a scope -> what it is called now
    back: dict[tuple[int, str], str] = {}
    for one, two in zip(first, second, strict=True):
        if (
            one.kind != two.kind
            or not _agree(scopes, one.scope, two.scope)
            or not _agree(scopes, one.home, two.home)
        ):
            what = two.name if two.name == new else one.name
            raise Refused(
                f"{what} would mean something else here", shown, before.line_of(max(one.start, 0)),
                f"choose another name than {new}, or rename the other {new} first",
            )  # fmt: skip
        if one.home is not None and two.home is not None:
            now = names.setdefault((id(one.home), one.name), two.name)
            was = back.setdefault((id(two.home), two.name), one.name)
            if now != two.name or was != one.name:
                raise Refused(
                    f"{two.name} would mean something else here", shown, before.line_of(max(one.start, 0)),
                    f"choose another name than {new}, or rename the other {new} first",
                )  # fmt: skip
        if one.home is None and one.name != two.name and one.name != old:
            raise Refused(f"{one.name} would be lost", shown, before.line_of(max(one.start, 0)))


def _agree(scopes: dict[int, Scope | None], one: Scope | None, two: Scope | None) -> bool:
    if one is None or two is None:
        return one is two
    return scopes.setdefault(id(one), two) is two
