"""Rename one definition in one file: what the file knows of the name, and its replacements."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.program.symbols import IMPORT, LOAD
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import find_exported
from entrepot.refactor.fstrings import keep_printed_text
from entrepot.refactor.project import Project
from entrepot.refactor.shape import check_same_shape, is_plainly_same
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import FileUses, find_uses_in


@dataclass
class Facts:
    """What a file has to do with a name, whoever defines it. Modules are their files.

    sources: taken from by name or star. hands_on: those of them whose name is this file's own then.
    imported: imported as modules. has_attribute: the name stands behind a dot. texts: strings with it.
    """

    path: str
    sources: set[str] = field(default_factory=set)
    hands_on: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    has_attribute: bool = False
    texts: str = ""
    note: Note | None = None  # why the file was not looked at
    error: Refused | None = None

    def concerns(self, holder: str, above: Sequence[str], last: str) -> bool:
        """Whether the file could use the name as one of `holder`: a quick look, before the thorough one.

        above: the packages around the holder, through which it is reached too; last: its last word.
        """
        if holder in self.sources:
            return True
        if self.has_attribute and (holder in self.imported or any(a in self.imported for a in above)):
            return True
        return last in self.texts


@dataclass
class Outcome:
    """What renaming does to a file. is_same: certainly nothing else changed its meaning."""

    path: str
    edits: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    is_same: bool = False
    error: Refused | None = None


class FileRenaming:
    """Renames in one file. Raises Refused where it cannot be read."""

    def __init__(self, project: Project, path: str, old: str, new: str, *, force: bool) -> None:
        self.project = project
        self.file = project.file(path)
        self.shown = project.show(path)
        self.old, self.new, self.force = old, new, force
        self.file.names  # noqa: B018  (what cannot be read is refused here)
        self.rewriter = Rewriter(self.file)
        self.notes: list[Note] = []
        self.holders: Container[str] = ()
        self.uses: dict[str, FileUses] = {}
        self.seen_scopes: set[int] = set()

    # -- what it has to do with the name ---------------------------------------------------

    def find_facts(self) -> Facts:
        facts = Facts(self.file.path)
        names, find = self.file.names, self.project.find_module
        for node in names.imports:
            if isinstance(node, ast.ImportFrom):
                source = self.project.resolve_from(node, self.file.path)
                if source is None:
                    continue
                found = find(source, self.file.path)
                if found is not None and any(alias.name in (self.old, "*") for alias in node.names):
                    facts.sources.add(found)
                taken = (find(f"{source}.{a.name}", self.file.path) for a in node.names)
                facts.imported |= {path for path in taken if path is not None}
            else:
                for alias in node.names:
                    parts = alias.name.split(".")
                    steps = (find(".".join(parts[:n]), self.file.path) for n in range(1, len(parts) + 1))
                    facts.imported |= {path for path in steps if path is not None}
        texts = [text for node in names.strings if self.old in (text := str(node.value)).split(".")]
        facts.texts = "\n".join(texts)
        facts.has_attribute = bool(texts) or (
            b"." in self.file.data and any(link[0] == self.old for o in names.occurrences for link in o.chain)
        )
        facts.hands_on = {source for source in facts.sources if self.hands_on(source)}
        return facts

    def uses_of(self, holder: str) -> FileUses:
        if holder not in self.uses:
            self.uses[holder] = find_uses_in(self.project, self.file, holder)
        return self.uses[holder]

    def hands_on(self, source: str) -> bool:
        """Whether the name of another module is a name of this one as well."""
        uses, module = self.uses_of(source), self.file.names.module
        if uses.stars and self.old not in module.bindings:
            return True
        return any(
            taken.alias.name == self.old
            and taken.alias.asname is None
            and (taken.occurrence.home or taken.occurrence.scope) is module
            for taken in uses.from_imports
        )

    # -- renaming --------------------------------------------------------------------------

    def rename(self, holders: Container[str], concerned: Sequence[str]) -> Outcome:
        """Rename in this file; `holders` are all files whose namespace has the name."""
        self.holders = holders
        outcome = Outcome(self.file.path, self.rewriter.edits, self.notes)
        try:
            if self.file.path in holders:
                self.rename_in_holder()
            for holder in concerned:
                self.rename_uses(self.uses_of(holder))
            if self.rewriter.changes_anything:
                outcome.is_same = is_plainly_same(self.rewriter, self.old, self.new)
                if not outcome.is_same:
                    after = SourceFile(self.file.path, self.file.encode(self.rewriter.result()))
                    check_same_shape(self.project, self.file, after, self.old, self.new)
        except Refused as error:
            outcome.error = error
        return outcome

    def rename_in_holder(self) -> None:
        module = self.file.names.module
        taken = [o for o in self.file.names.called(self.new) if o.home is module and o.kind != LOAD]
        if taken:
            raise Refused(
                f"there is a {self.new} already", self.shown, self.file.line_of(taken[0].start),
                "choose another name, or rename that first",
            )  # fmt: skip
        self.rename_scope(id(module))
        self.rename_exported()
        self.check_dynamic()

    def rename_uses(self, uses: FileUses) -> None:
        """Rename what the file uses of one holder."""
        file = self.file
        for taken in uses.from_imports:
            if taken.alias.name != self.old:
                continue
            start = file.lines.start_of(taken.alias)
            self.replace_name(start, start + len(self.old.encode()))
            home = taken.occurrence.home or taken.occurrence.scope
            if taken.alias.asname is None and home is not file.names.module:
                self.rename_scope(id(home))
        for attribute in uses.attributes:
            if attribute.name == self.old:
                _, start, end = attribute.occurrence.chain[attribute.index]
                self.replace_name(start, end)
                if attribute.occurrence.is_self_documenting:
                    self.keep_printed(start)
        for string in uses.strings:
            if string.name == self.old:
                self.rewriter.replace(string.name_start, string.name_end, self.new)
        for hint in uses.hints:
            if hint.name == self.old:
                line = file.line_of(hint.start)
                self.notes.append(Note(f"the string {hint.text!r} names it", self.shown, line))
        if uses.stars and self.old not in file.names.module.bindings:
            self.rename_starred()

    def rename_scope(self, scope: int) -> None:
        """Rename every occurrence that belongs to one scope."""
        if scope in self.seen_scopes:
            return
        self.seen_scopes.add(scope)
        file = self.file
        for occurrence in file.names.called(self.old):
            if id(occurrence.home) == scope:
                if occurrence.kind == IMPORT and self.is_other_import(occurrence.node):
                    continue
                self.replace_name(occurrence.start, occurrence.end)
                if occurrence.is_self_documenting:
                    self.keep_printed(occurrence.start)

    def keep_printed(self, offset: int) -> None:
        """Let an f-string that prints its own text go on printing the old one."""
        kept = keep_printed_text(self.file, offset)
        if kept is None:
            raise Refused(
                "this f-string prints its own text", self.shown, self.file.line_of(offset),
                "write the text into the string first",
            )  # fmt: skip
        for start, end, new in kept:
            self.rewriter.replace(start, end, new)

    def is_other_import(self, alias: ast.AST) -> bool:
        """Whether an import binds the name but takes it from somewhere that keeps its own."""
        assert isinstance(alias, ast.alias)
        file = self.file
        statement = alias.statement  # type: ignore[attr-defined]
        if isinstance(statement, ast.Import) or alias.asname is not None:
            if alias.asname == self.old:
                return False
            if isinstance(statement, ast.Import):
                start, end = file.lines.start_of(alias), file.lines.end_of(alias)
                if "." not in alias.name:
                    self.rewriter.replace(start, end, f"{alias.name} as {self.new}")
            return True
        source = self.project.resolve_from(statement, file.path)
        found = self.project.find_module(source, file.path) if source else None
        if found is not None and found in self.holders:
            return False
        start, end = file.lines.start_of(alias), file.lines.end_of(alias)
        self.rewriter.replace(start, end, f"{alias.name} as {self.new}")
        return True

    def replace_name(self, start: int, end: int) -> None:
        file = self.file
        if start < 0:
            raise Refused("a place of the name cannot be told from the text", self.shown)
        if file.data[start:end].decode() != self.old:
            raise Refused(
                "the name is written in another way here", self.shown, file.line_of(start),
                "write it plainly first",
            )  # fmt: skip
        self.rewriter.replace(start, end, self.new)

    def rename_exported(self) -> None:
        """`__all__` spells names as strings."""
        file = self.file
        if self.old not in find_exported(file):
            return
        for node in file.tree.body:
            targets = [o for o in ast.walk(node) if isinstance(o, ast.Name) and o.id == "__all__"]
            if not targets or not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and inner.value == self.old:
                    body = find_string_body(file.lines, inner)
                    if body is not None:
                        self.rewriter.replace(*body, self.new)

    def check_dynamic(self) -> None:
        """Names looked up by string: rename the certain ones, refuse or report the others."""
        file, shown = self.file, self.shown
        for subscript in file.names.subscripts:
            if _is_globals(subscript.value):
                self.rename_key(subscript.slice)
        for node in file.names.calls:
            if isinstance(node.func, ast.Attribute) and _is_globals(node.func.value):
                if node.args and node.func.attr in ("get", "pop", "setdefault"):
                    self.rename_key(node.args[0])
            elif isinstance(node.func, ast.Name) and node.func.id in ("exec", "eval"):
                if not node.args or self.force:
                    continue
                text = node.args[0]
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    if re.search(rf"\b{re.escape(self.old)}\b", text.value):
                        raise Refused(
                            f"code in a string uses {self.old}",
                            shown,
                            node.lineno,
                            "change it by hand, then use --force",
                        )
                elif len(node.args) == 1:
                    self.notes.append(
                        Note(f"{node.func.id} of code that may use {self.old}", shown, node.lineno)
                    )

    def rename_key(self, key: ast.expr) -> None:
        if isinstance(key, ast.Constant) and key.value == self.old:
            body = find_string_body(self.file.lines, key)
            if body is not None:
                self.rewriter.replace(*body, self.new)
                return
        if (
            isinstance(key, ast.BinOp)
            and isinstance(key.left, ast.Constant)
            and isinstance(key.left.value, str)
        ):
            if not self.old.startswith(key.left.value):
                return
        if not isinstance(key, ast.Constant) and not self.force:
            raise Refused(
                "globals() is used with names that are only known at run time", self.shown,
                key.lineno, f"use --force if none of them is {self.old}",
            )  # fmt: skip

    def rename_starred(self) -> None:
        """Uses of a name that a star import brings."""
        file = self.file
        for occurrence in file.names.called(self.old):
            if occurrence.home is None:
                self.replace_name(occurrence.start, occurrence.end)
        clash = [o for o in file.names.called(self.new) if o.home in (None, file.names.module)]
        if clash:
            raise Refused(
                f"a star import would bring {self.new} here, where it means something else",
                self.shown, file.line_of(clash[0].start), "choose another name",
            )  # fmt: skip
        self.rename_exported()


def _is_globals(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals"
