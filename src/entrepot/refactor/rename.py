"""Rename a module-level definition everywhere it is used.

The name is followed through the modules that hand it on: `from shop.cart import Basket` in
`shop/__init__.py` makes `shop.Basket` the same name, and its users are renamed too. An import
`as` another name ends the trail. Afterwards each changed file is resolved again and must have
the same shape: every occurrence in the scope it had. That is how captures are found, wherever
they come from (a local of the new name, a builtin that the file uses, a class body).
"""

from __future__ import annotations

import ast
import keyword
import os
import re

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.program.symbols import IMPORT, LOAD
from entrepot.refactor.changes import Edit, FileChange, Note
from entrepot.refactor.checks import check_result
from entrepot.refactor.cut import find_exported
from entrepot.refactor.fstrings import keep_printed_text
from entrepot.refactor.project import Project
from entrepot.refactor.shape import check_same_shape, is_plainly_same
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import FileUses, find_uses_in

PACKAGING = ("pyproject.toml", "setup.cfg", "setup.py", "tox.ini")


def check_new_name(new: str) -> None:
    """Raise Refused for what cannot be a name."""
    if not new.isidentifier() or keyword.iskeyword(new) or "\0" in new:
        raise Refused(f"{new!r} cannot be a name")


def plan_rename_definition(project: Project, module: str, old: str, new: str, *, force: bool = False) -> Edit:
    """Return the edit that renames `old`, defined in `module`, to `new` in the whole project."""
    check_new_name(new)
    path = project.get_module(module)
    work = _Renaming(project, path, old, new, force=force)
    work.collect()
    changes = []
    same: set[str] = set()
    for other, rewriter in sorted(work.rewriters.items()):
        if rewriter.changes_anything:
            after = rewriter.file.encode(rewriter.result())
            if is_plainly_same(rewriter, old, new):
                same.add(other)
            else:
                check_same_shape(project, rewriter.file, SourceFile(other, after), old, new)
            changes.append(FileChange(other, rewriter.file.raw, after))
    changes += list(rename_in_packaging(project, {f"{m}:{old}": f"{m}:{new}" for m in work.modules()}))
    edit = Edit(
        project.root, f"rename {module}:{old} {new}", tuple(changes), (), tuple(dict.fromkeys(work.notes))
    )
    check_result(project, edit, path, same=same)
    return edit


class _Renaming:
    """Collects the replacements for one name. `holders` are the files whose namespace has it."""

    def __init__(self, project: Project, path: str, old: str, new: str, *, force: bool) -> None:
        self.project = project
        self.path = path
        self.old = old
        self.new = new
        self.force = force
        self.holders: list[str] = []
        self.rewriters: dict[str, Rewriter] = {}
        self.notes: list[Note] = []
        self.facts: dict[str, tuple[set[str], bool, set[str], str]] = {}
        self.seen_scopes: set[tuple[str, int]] = set()

    def modules(self) -> list[str]:
        return [self.project.name_of(path) for path in self.holders]

    def rewriter(self, file: SourceFile) -> Rewriter:
        return self.rewriters.setdefault(file.path, Rewriter(file))

    def collect(self) -> None:
        file = self.project.file(self.path)
        found = file.names.of_module(self.old)
        if not any(o.kind != LOAD for o in found):
            raise Refused(f"there is no {self.old} at the top level", self.project.show(self.path))
        if all(o.kind == IMPORT for o in found if o.kind != LOAD):
            raise Refused(
                f"{self.old} is imported here, not defined", self.project.show(self.path),
                file.line_of(found[0].start), "rename it where it is defined",
            )  # fmt: skip
        todo = [self.path]
        while todo:
            path = todo.pop()
            if path in self.holders:
                continue
            self.holders.append(path)
            self.rename_in_holder(self.project.file(path))
            for other in self.project.using(self.old):
                if other != path:
                    todo += self.rename_in_user(other, path)

    # -- a module that has the name --------------------------------------------------------

    def rename_in_holder(self, file: SourceFile) -> None:
        module = file.names.module
        shown = self.project.show(file.path)
        taken = [o for o in file.names.called(self.new) if o.home is module and o.kind != LOAD]
        if taken:
            line = file.line_of(taken[0].start)
            raise Refused(
                f"there is a {self.new} already", shown, line, "choose another name, or rename that first"
            )
        self.rename_scope(file, id(module))
        self.rename_exported(file)
        self.check_dynamic(file)

    def rename_scope(self, file: SourceFile, scope: int) -> None:
        """Rename every occurrence that belongs to one scope."""
        if (file.path, scope) in self.seen_scopes:
            return
        self.seen_scopes.add((file.path, scope))
        for occurrence in file.names.called(self.old):
            if id(occurrence.home) == scope:
                if occurrence.kind == IMPORT and self.is_other_import(file, occurrence.node):
                    continue
                self.replace_name(file, occurrence.start, occurrence.end)
                if occurrence.is_self_documenting:
                    self.keep_printed(file, occurrence.start)

    def keep_printed(self, file: SourceFile, offset: int) -> None:
        """Let an f-string that prints its own text go on printing the old one."""
        kept = keep_printed_text(file, offset)
        if kept is None:
            raise Refused(
                "this f-string prints its own text", self.project.show(file.path), file.line_of(offset),
                "write the text into the string first",
            )  # fmt: skip
        for start, end, new in kept:
            self.rewriter(file).replace(start, end, new)

    def is_other_import(self, file: SourceFile, alias: ast.AST) -> bool:
        """Whether an import binds the name but takes it from somewhere that keeps its own."""
        assert isinstance(alias, ast.alias)
        statement = alias.statement  # type: ignore[attr-defined]
        if isinstance(statement, ast.Import) or alias.asname is not None:
            if alias.asname == self.old:
                return False
            if isinstance(statement, ast.Import):
                rewriter = self.rewriter(file)
                start, end = file.lines.start_of(alias), file.lines.end_of(alias)
                if "." not in alias.name:
                    rewriter.replace(start, end, f"{alias.name} as {self.new}")
            return True
        source = self.project.resolve_from(statement, file.path)
        found = self.project.find_module(source, file.path) if source else None
        if found is not None and (found in self.holders or self.has_name(found)):
            return False
        start, end = file.lines.start_of(alias), file.lines.end_of(alias)
        self.rewriter(file).replace(start, end, f"{alias.name} as {self.new}")
        return True

    def has_name(self, path: str) -> bool:
        """Whether a module takes the name from one that is being renamed (found later in the walk)."""
        file = self.project.file(path)
        for occurrence in file.names.of_module(self.old):
            if occurrence.kind == IMPORT and isinstance(occurrence.node, ast.alias):
                statement = occurrence.node.statement  # type: ignore[attr-defined]
                if isinstance(statement, ast.ImportFrom) and occurrence.node.name == self.old:
                    source = self.project.resolve_from(statement, path)
                    found = self.project.find_module(source, path) if source else None
                    if found in self.holders:
                        return True
        return False

    def replace_name(self, file: SourceFile, start: int, end: int) -> None:
        if start < 0:
            raise Refused("a place of the name cannot be told from the text", self.project.show(file.path))
        if file.data[start:end].decode() != self.old:
            raise Refused(
                "the name is written in another way here", self.project.show(file.path), file.line_of(start),
                "write it plainly first",
            )  # fmt: skip
        self.rewriter(file).replace(start, end, self.new)

    def rename_exported(self, file: SourceFile) -> None:
        """`__all__` spells names as strings."""
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
                        self.rewriter(file).replace(*body, self.new)

    def check_dynamic(self, file: SourceFile) -> None:
        """Names looked up by string: rename the certain ones, refuse or report the others."""
        shown = self.project.show(file.path)
        for subscript in file.names.subscripts:
            if _is_globals(subscript.value):
                self.rename_key(file, subscript.slice)
        for node in file.names.calls:
            if isinstance(node.func, ast.Attribute) and _is_globals(node.func.value):
                if node.args and node.func.attr in ("get", "pop", "setdefault"):
                    self.rename_key(file, node.args[0])
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

    def rename_key(self, file: SourceFile, key: ast.expr) -> None:
        if isinstance(key, ast.Constant) and key.value == self.old:
            body = find_string_body(file.lines, key)
            if body is not None:
                self.rewriter(file).replace(*body, self.new)
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
                "globals() is used with names that are only known at run time", self.project.show(file.path),
                key.lineno, f"use --force if none of them is {self.old}",
            )  # fmt: skip

    # -- a file that uses it ---------------------------------------------------------------

    def rename_in_user(self, path: str, holder: str) -> list[str]:
        """Rename the uses in one file; return the file when it hands the name on."""
        try:
            file = self.project.file(path)
            if not self.concerns(file, holder):
                return []
            uses = find_uses_in(self.project, file, holder)
        except Refused as error:
            if re.search(
                rb"(?m)^[ \t]*(from|import)\b.*\b" + re.escape(self.old.encode()) + rb"\b",
                self.project.raw(path),
            ):
                raise
            self.notes.append(Note(f"not looked at: {error.reason}", self.project.show(path), error.line))
            return []
        hands_on = False
        for taken in uses.from_imports:
            if taken.alias.name != self.old:
                continue
            start = file.lines.start_of(taken.alias)
            self.replace_name(file, start, start + len(self.old.encode()))
            if taken.alias.asname is None:
                home = taken.occurrence.home or taken.occurrence.scope
                if home is file.names.module:
                    hands_on = True
                else:
                    self.rename_scope(file, id(home))
        for attribute in uses.attributes:
            if attribute.name == self.old:
                _, start, end = attribute.occurrence.chain[attribute.index]
                self.replace_name(file, start, end)
                if attribute.occurrence.is_self_documenting:
                    self.keep_printed(file, start)
        for string in uses.strings:
            if string.name == self.old:
                self.rewriter(file).replace(string.name_start, string.name_end, self.new)
        for hint in uses.hints:
            if hint.name == self.old:
                self.notes.append(
                    Note(
                        f"the string {hint.text!r} names it",
                        self.project.show(path),
                        file.line_of(hint.start),
                    )
                )
        hands_on |= self.rename_starred(file, uses)
        return [path] if hands_on else []

    def concerns(self, file: SourceFile, holder: str) -> bool:
        """Whether a file could use the name as one of `holder`: a quick look, before the thorough one."""
        facts = self.facts.get(file.path)
        if facts is None:
            facts = self.facts[file.path] = self.find_facts(file)
        sources, has_attribute, imported, text = facts
        if holder in sources:
            return True
        if not has_attribute:
            return False
        return holder in imported or self.project.name_of(holder).rpartition(".")[2] in text

    def find_facts(self, file: SourceFile) -> tuple[set[str], bool, set[str], str]:
        """Return where the file takes the name (or everything) from, whether it has it as an attribute
        or in a string, the modules it imports, and those strings."""
        sources: set[str] = set()
        imported: set[str] = set()
        find = self.project.find_module
        for node in file.names.imports:
            if isinstance(node, ast.ImportFrom):
                source = self.project.resolve_from(node, file.path)
                if source is None:
                    continue
                found = find(source, file.path)
                if found is not None and any(alias.name in (self.old, "*") for alias in node.names):
                    sources.add(found)
                imported |= {
                    p for a in node.names if (p := find(f"{source}.{a.name}", file.path)) is not None
                }
            else:
                for alias in node.names:
                    parts = alias.name.split(".")
                    for count in range(1, len(parts) + 1):
                        there = find(".".join(parts[:count]), file.path)
                        if there is not None:
                            imported.add(there)
        texts = [text for node in file.names.strings if self.old in (text := str(node.value)).split(".")]
        has_attribute = b"." + self.old.encode() in file.data and any(
            link[0] == self.old for o in file.names.occurrences for link in o.chain
        )
        return sources, has_attribute or bool(texts), imported, "\n".join(texts)

    def rename_starred(self, file: SourceFile, uses: FileUses) -> bool:
        """Uses of a name that a star import brings."""
        if not uses.stars:
            return False
        if self.old in file.names.module.bindings:
            return False
        unbound = [o for o in file.names.occurrences if o.name == self.old and o.home is None]
        for occurrence in unbound:
            self.replace_name(file, occurrence.start, occurrence.end)
        clash = [
            o for o in file.names.occurrences if o.name == self.new and o.home in (None, file.names.module)
        ]
        if clash:
            raise Refused(
                f"a star import would bring {self.new} here, where it means something else",
                self.project.show(file.path), file.line_of(clash[0].start), "choose another name",
            )  # fmt: skip
        self.rename_exported(file)
        return file.path not in self.holders


def _is_globals(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals"


def rename_in_packaging(project: Project, names: dict[str, str]) -> list[FileChange]:
    """Rename entry points (`shop.cli:main`) in the project's packaging files."""
    found = []
    for marker in PACKAGING:
        path = os.path.join(project.root, marker)
        if not os.path.isfile(path) or path in project:
            continue
        with open(path, "rb") as stream:
            before = stream.read()
        after = before
        for old, new in names.items():
            pattern = rb"(?<![\w.:])" + re.escape(old.encode()) + rb"(?![\w:])"
            after = re.sub(pattern, new.encode().replace(b"\\", b"\\\\"), after)
        if after != before:
            found.append(FileChange(path, before, after))
    return found
