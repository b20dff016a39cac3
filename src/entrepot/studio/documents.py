"""The open files: what is on disk, what was typed and not saved, and what somebody else has changed since.

    text      what the editor shows
    digest    the content on disk that the text was made from
    found     the content that is on disk now

A document whose text differs from what it was made from is a draft, and drafts are written to the state
at once. When `found` is another content than `digest`, a document without a draft follows the disk;
one with a draft is in conflict until somebody chooses.

What was typed while the document followed the disk comes late, made to the text before: it becomes a draft of that text,
in conflict. So that no late change is taken for one to a later text, such a step makes the revision jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from entrepot.studio.state import Draft, State
from entrepot.studio.text import BadChanges, Form, apply_changes
from entrepot.studio.workspace import MOST_BYTES, Workspace, WorkspaceError

_JUMP = 1_000_000


@dataclass(frozen=True, slots=True)
class Before:
    """What a document was until it followed the disk: somebody may still be typing to that."""

    revision: int
    text: str
    saved: str
    digest: str


@dataclass
class Open:
    """One open file. revision: counts the changes of its text; saved: the text that `digest` stands for."""

    name: str
    kind: str
    text: str
    digest: str
    found: str
    size_bytes: int
    form: Form = field(default_factory=Form)
    saved: str = ""
    revision: int = 0
    before: Before | None = None

    @property
    def is_draft(self) -> bool:
        """Whether something was typed that is not on disk."""
        return self.kind == "text" and self.text != self.saved

    @property
    def is_conflict(self) -> bool:
        """Whether it is a draft of a content that is no longer there."""
        return self.is_draft and self.found != self.digest


class Documents:
    """All open files of a workspace."""

    def __init__(self, workspace: Workspace, state: State) -> None:
        self.workspace = workspace
        self.state = state
        self.open: dict[str, Open] = {}
        for name, draft in state.read_drafts().items():
            self._restore(name, draft)

    def _restore(self, name: str, draft: Draft) -> None:
        try:
            self.workspace.locate(name)
        except WorkspaceError:
            return
        try:
            there = self.workspace.read(name)
            found, saved, form = there.digest, there.text, there.form
        except (OSError, WorkspaceError):
            found, saved, form = "", "", Form()
        if found != draft.base:
            saved = "\0"  # not known any more: differs from every text
        self.open[name] = Open(name, "text", draft.text, draft.base, found, len(draft.text), form, saved)

    def get(self, name: str) -> Open:
        """Return a file, opened if need be. Raises WorkspaceError, OSError."""
        if name not in self.open:
            there = self.workspace.read(name)
            self.open[name] = Open(
                name,
                there.kind,
                there.text,
                there.digest,
                there.digest,
                there.size_bytes,
                there.form,
                there.text,
            )
        return self.open[name]

    def close(self, name: str) -> None:
        """Forget a file and what was typed in it."""
        self.open.pop(name, None)
        self.state.drop_draft(name)

    def change(self, name: str, revision: int, changes: Sequence[object]) -> Open:
        """Take what was typed in an editor that showed a revision. Raises BadChanges where that is not ours."""
        document = self.get(name)
        before = document.before
        if before is not None and revision == before.revision and document.kind == "text":
            text = apply_changes(before.text, changes)
            document.digest, document.saved = before.digest, before.saved
            document.before = Before(revision + 1, text, before.saved, before.digest)
            self._jump(document)
            return self.set_text(name, text)
        if document.kind != "text" or revision != document.revision:
            raise BadChanges(f"{name}: made to revision {revision}, here is {document.revision}")
        return self.set_text(name, apply_changes(document.text, changes))

    def set_text(self, name: str, text: str) -> Open:
        """Make a text the document's, as if it had been typed."""
        document = self.get(name)
        if len(text) > MOST_BYTES:
            raise WorkspaceError(name=name, reason=f"would be larger than {MOST_BYTES // 1_000_000} MB")
        document.text = text
        document.revision += 1
        if document.is_draft:
            self.state.write_draft(name, Draft(text, document.digest))
        else:
            self.state.drop_draft(name)
        return document

    def save(self, name: str) -> Open:
        """Write a document to disk. Raises ChangedError where somebody else has changed the file."""
        document = self.get(name)
        if document.kind == "text" and (document.is_draft or document.found != document.digest):
            digest = self.workspace.write(name, document.text, expected=document.digest, form=document.form)
            document.digest = document.found = digest
            document.saved = document.text
            document.size_bytes = len(document.text)
            self.state.drop_draft(name)
        return document

    def save_all(self) -> list[str]:
        """Save every draft that is in no conflict; return their names."""
        names = [
            name for name, document in self.open.items() if document.is_draft and not document.is_conflict
        ]
        for name in names:
            self.save(name)
        return names

    def look(self, name: str) -> bool:
        """Look whether the file on disk has changed, follow it if nothing was typed; return whether it had."""
        document = self.open[name]
        try:
            there = self.workspace.read(name)
        except (OSError, WorkspaceError):
            there = None
        found = there.digest if there else ""
        if found == document.found:
            return False
        document.found = found
        if not document.is_draft:
            if there is None:
                self.close(name)
            else:
                self.take_theirs(name)
        elif there is not None and there.text == document.text:
            # Somebody saved what was typed here.
            self.take_theirs(name)
        return True

    def take_theirs(self, name: str) -> None:
        """Show what is on disk instead of what was typed."""
        document = self.open[name]
        there = self.workspace.read(name)
        document.before = Before(document.revision, document.text, document.saved, document.digest)
        document.kind, document.form, document.size_bytes = there.kind, there.form, there.size_bytes
        document.digest = document.found = there.digest
        document.text = document.saved = there.text
        self._jump(document)
        self.state.drop_draft(name)

    def _jump(self, document: Open) -> None:
        document.revision = (document.revision // _JUMP + 1) * _JUMP

    def keep_mine(self, name: str) -> None:
        """Make what was typed a draft of what is on disk now, so that saving replaces it."""
        document = self.open[name]
        document.digest = document.found = self.workspace.find_digest(name)
        self.state.write_draft(name, Draft(document.text, document.digest))

    def rename(self, name: str, new: str) -> None:
        """Follow a file (or the files of a folder) that got another name."""
        for known in [n for n in self.open if n == name or n.startswith(name + "/")]:
            document = self.open.pop(known)
            document.name = new + known[len(name) :]
            self.open[document.name] = document
            self.state.drop_draft(known)
            if document.is_draft:
                self.state.write_draft(document.name, Draft(document.text, document.digest))

    def drafts(self) -> dict[str, str]:
        """Return the unsaved texts by name."""
        return {name: document.text for name, document in self.open.items() if document.is_draft}
