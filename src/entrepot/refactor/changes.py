"""An edit as a value: the files before and after, to be shown, applied and undone.

    edit = plan_split(project, "main.py", {"arcade": ["get_score"]})
    print(edit.diff())
    edit.apply()
    edit.undo()

`apply` and `undo` are in `journal.py`; here is nothing that writes.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FileChange:
    """One file before and after. None stands for "does not exist"."""

    path: str  # absolute
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True)
class Move:
    """A file that goes from one path to another (for `git mv`)."""

    before: str
    after: str


@dataclass(frozen=True)
class Note:
    """Something to know about an edit that no text was changed for, with its place."""

    text: str
    path: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.path is None else f"{self.path}:{self.line}: " if self.line else f"{self.path}: "
        return place + self.text


@dataclass(frozen=True)
class Edit:
    """A change to several files at once."""

    root: str  # the project's folder, absolute
    title: str
    changes: tuple[FileChange, ...]
    moves: tuple[Move, ...] = ()
    notes: tuple[Note, ...] = field(default=(), compare=False)

    @property
    def is_empty(self) -> bool:
        return all(change.before == change.after for change in self.changes)

    def diff(self) -> str:
        """Return the edit as a unified diff, with paths relative to the project."""
        pieces: list[str] = []
        for change in self.changes:
            name = os.path.relpath(change.path, self.root).replace(os.sep, "/")
            pieces.extend(
                difflib.unified_diff(
                    _split_lines(change.before),
                    _split_lines(change.after),
                    "/dev/null" if change.before is None else f"a/{name}",
                    "/dev/null" if change.after is None else f"b/{name}",
                )
            )
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in pieces
        )

    def apply(self, *, force: bool = False) -> None:
        """Write all files or none. Raises Refused when a file is not what it was when planned."""
        from entrepot.refactor.journal import apply_edit

        apply_edit(self, force=force)

    def undo(self) -> None:
        """Put every byte back. Raises Refused when a file has been changed since."""
        from entrepot.refactor.journal import apply_edit

        apply_edit(self.reversed(), force=True)

    def reversed(self) -> Edit:
        """Return the edit that takes this one back."""
        changes = tuple(FileChange(c.path, c.after, c.before) for c in self.changes)
        moves = tuple(Move(m.after, m.before) for m in self.moves)
        return Edit(self.root, f"undo: {self.title}", changes, moves)


def _split_lines(data: bytes | None) -> list[str]:
    if data is None:
        return []
    text = data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])
