"""Rename or move a module or a package: the files move, and every import follows.

Text is changed in the importers (`import shop.cart`, `from shop import cart`, `shop.cart.x`,
strings that certainly name the module) and, where a file changes its package, in its own
relative imports. Files of a package that are not Python move with it unchanged.
"""

from __future__ import annotations

import ast
import os
import re
import sys

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.program.symbols import IMPORT, Occurrence
from entrepot.refactor.changes import Edit, FileChange, Move, Note
from entrepot.refactor.checks import check_result
from entrepot.refactor.imports import make_relative
from entrepot.refactor.project import Project
from entrepot.refactor.rename import check_new_name
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import binds_itself, find_uses, is_shadowed

_LOADERS = frozenset(
    {"import_module", "__import__", "patch", "setattr", "delattr", "resolve_name", "find_spec", "run_module"}
)


def plan_rename_module(project: Project, old: str, new: str) -> Edit:
    """Return the edit that gives a module or package another dotted name."""
    for part in new.split("."):
        check_new_name(part)
    work = _Moving(project, old, new)
    work.check()
    work.collect()
    return work.edit()


class _Moving:
    def __init__(self, project: Project, old: str, new: str) -> None:
        self.project = project
        self.old = old
        self.new = new
        self.path = project.get_module(old)
        self.old = project.name_of(self.path)
        self.is_package = project.is_package(self.path)
        folder = os.path.dirname(self.path) if self.is_package else self.path[: -len(".py")]
        self.old_folder = folder
        root = folder
        for _ in self.old.split("."):
            root = os.path.dirname(root)
        self.new_folder = os.path.join(root, *new.split("."))
        self.notes: list[Note] = []
        self.rewriters: dict[str, Rewriter] = {}
        above, _, last = self.old.rpartition(".")
        package = project.find_module(above, self.path) if above else None
        # `from .total import total`: the package's name is the function, not the module.
        self.is_hidden = package is not None and binds_itself(project, package, last)

    def new_path(self, path: str) -> str:
        """Return where a file goes; itself when it stays."""
        if self.is_package:
            if path.startswith(self.old_folder + os.sep):
                return self.new_folder + path[len(self.old_folder) :]
        elif path == self.path:
            return self.new_folder + ".py"
        return path

    def check(self) -> None:
        project = self.project
        there = self.new_folder
        if self.old == self.new:
            raise Refused(f"{self.old} has this name already")
        if os.path.lexists(there + ".py") or os.path.lexists(there):
            raise Refused(f"there is a {self.new} already", project.show(there), None, "choose another name")
        if (there + os.sep).startswith(self.old_folder + os.sep) and self.is_package:
            raise Refused("a package cannot move into itself")
        parent = os.path.dirname(there)
        if "." in self.new and not os.path.isdir(parent):
            raise Refused(f"there is no package {self.new.rpartition('.')[0]}", None, None, "make it first")
        if "." not in self.new and self.new in sys.stdlib_module_names:
            raise Refused(
                f"a module called {self.new} would hide the standard library's",
                None,
                None,
                "choose another name",
            )
        if "." not in self.new and (importer := project.find_importer(self.new)):
            raise Refused(
                f"another module called {self.new} is imported here, which the renamed one would hide",
                project.show(importer[0]), importer[1],
                "choose another name, or say with --root DIR which folder the project is",
            )  # fmt: skip
        init = os.path.join(parent, "__init__.py")
        last = self.new.rpartition(".")[2]
        if init in project:
            taken = [o for o in project.file(init).names.of_module(last) if o.kind != "load"]
            if taken:
                raise Refused(
                    f"the package has a name {last} already", project.show(init),
                    project.file(init).line_of(taken[0].start), "choose another name",
                )  # fmt: skip

    def collect(self) -> None:
        words = [self.old.rpartition(".")[2]]
        paths = set(self.project.mentioning(*words))
        if self.is_package:
            paths |= {p for p in self.project.paths if p.startswith(self.old_folder + os.sep)}
        paths.add(self.path)
        for path in sorted(paths):
            try:
                file = self.project.file(path)
                file.names  # noqa: B018  (what cannot be read is refused here)
            except Refused as error:
                pattern = (
                    rb"(?m)^[ \t]*(from|import)\b.*\b"
                    + re.escape(self.old.rpartition(".")[2].encode())
                    + rb"\b"
                )
                if re.search(pattern, self.project.raw(path)) or self.new_path(path) != path:
                    raise
                self.notes.append(Note(f"not looked at: {error.reason}", self.project.show(path), error.line))
                continue
            _Follower(self, file).follow()

    def edit(self) -> Edit:
        project = self.project
        changes: list[FileChange] = []
        moves: list[Move] = []
        sources = [self.path]
        if self.is_package:
            sources = []
            for folder, folders, names in os.walk(self.old_folder):
                folders[:] = [name for name in folders if name != "__pycache__"]
                sources += [os.path.join(folder, name) for name in names if not name.endswith(".pyc")]
        elif os.path.isfile(self.path + "i"):
            sources.append(self.path + "i")
        for path in sorted(sources):
            rewriter = self.rewriters.pop(path, None)
            with open(path, "rb") as stream:
                before = stream.read()
            after = rewriter.file.encode(rewriter.result()) if rewriter is not None else before
            there = (
                self.new_path(path)
                if not path.endswith(".pyi") or self.is_package
                else self.new_folder + ".pyi"
            )
            if os.path.islink(path):
                raise Refused(f"a link, to {os.readlink(path)}", project.show(path))
            changes += [FileChange(path, before, None), FileChange(there, None, after)]
            moves.append(Move(path, there))
        for path, rewriter in sorted(self.rewriters.items()):
            if rewriter.changes_anything:
                changes.append(FileChange(path, rewriter.file.raw, rewriter.file.encode(rewriter.result())))
        entries: dict[str, str] = {}
        for path in sources:
            if path.endswith(".py"):
                was = project.name_of(path)
                entries[was + ":"] = self.new + was[len(self.old) :] + ":"
        changes += _packaging(project, entries)
        edit = Edit(
            project.root,
            f"rename {self.old} {self.new}",
            tuple(changes),
            tuple(moves),
            tuple(dict.fromkeys(self.notes)),
        )
        check_result(project, edit, *[p for p in sources if p.endswith(".py")])
        return edit


def _packaging(project: Project, names: dict[str, str]) -> list[FileChange]:
    found: list[FileChange] = []
    for marker in ("pyproject.toml", "setup.cfg"):
        path = os.path.join(project.root, marker)
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as stream:
            before = stream.read()
        after = before
        for old, new in names.items():
            after = re.sub(rb"(?<![\w.])" + re.escape(old.encode()) + rb"(?=[A-Za-z_])", new.encode(), after)
        if after != before:
            found.append(FileChange(path, before, after))
    return found


class _Follower:
    """Rewrites one file's references to the module, and its own relative imports when it moves."""

    def __init__(self, work: _Moving, file: SourceFile) -> None:
        self.work = work
        self.project = work.project
        self.file = file
        self.old, self.new = work.old, work.new
        self.rewriter = Rewriter(file)
        self.package = work.project.package_of(file.path)
        self.new_package = (
            self.moved_name(self.package) if work.new_path(file.path) != file.path else self.package
        )
        if work.new_path(file.path) != file.path and not work.is_package:
            self.new_package = self.new.rpartition(".")[0]
        self.renamed: dict[tuple[int, str], str] = {}

    def moved_name(self, name: str) -> str:
        """Return a dotted name after the move."""
        if name == self.old or name.startswith(self.old + "."):
            return self.new + name[len(self.old) :]
        return name

    def is_moved(self, name: str) -> bool:
        return (name == self.old or name.startswith(self.old + ".")) and (
            self.project.find_module(name, self.file.path) is not None
            or self.project.has_folder(name, self.file.path)
            or self.project.find_module(name.rpartition(".")[0], self.file.path) is not None
        )

    def follow(self) -> None:
        plain: list[Occurrence] = []
        for occurrence in self.file.names.occurrences:
            if occurrence.kind == IMPORT and isinstance(occurrence.node, ast.alias):
                statement = occurrence.node.statement  # type: ignore[attr-defined]
                if isinstance(statement, ast.Import):
                    self.follow_import(occurrence, occurrence.node, plain)
        seen = set()
        for node in ast.walk(self.file.tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in seen:
                seen.add(id(node))
                self.follow_from(node)
        self.follow_names(plain)
        self.follow_strings()
        if self.rewriter.changes_anything:
            self.work.rewriters[self.file.path] = self.rewriter

    def follow_import(self, occurrence: Occurrence, alias: ast.alias, plain: list[Occurrence]) -> None:
        if not self.is_moved(alias.name):
            return
        start = self.file.lines.start_of(alias)
        name = self.moved_name(alias.name)
        self.rewriter.replace(start, start + len(alias.name.encode()), name)
        if alias.asname is None:
            plain.append(occurrence)

    def follow_from(self, node: ast.ImportFrom) -> None:
        source = self.project.resolve_from(node, self.file.path)
        if source is None:
            return
        file = self.file
        start = file.lines.start_of(node)
        # What is taken may be the module itself: `from shop import cart`.
        taken = [a for a in node.names if f"{source}.{a.name}" == self.old and not self.work.is_hidden]
        new_source = self.moved_name(source) if self.is_moved(source) else source
        if taken:
            self.follow_taken(node, source, taken)
            if len(node.names) == len(taken) and self.new.rpartition(".")[0] != source:
                return
        moved_self = self.new_package != self.package and node.level > 0
        if new_source == source and not moved_self:
            return
        if node.level:
            if new_source != source and self.new_package != self.package:
                relative = make_relative(self.new_package, new_source)
                if relative == "." * node.level + (node.module or ""):
                    return
            text = make_relative(self.new_package, new_source) if self.new_package else new_source
        else:
            text = new_source
        at = file.data.index(b"from", start) + 4
        stop = file.lines.start_of(node.names[0]) if node.names[0].name != "*" else file.lines.end_of(node)
        stop = file.data.rindex(b"import", at, stop)
        self.rewriter.replace(at, stop, f" {text} ")

    def follow_taken(self, node: ast.ImportFrom, source: str, taken: list[ast.alias]) -> None:
        parent, _, last = self.new.rpartition(".")
        file = self.file
        if parent != source:
            if len(node.names) > 1:
                raise Refused(
                    f"{self.old} is imported together with others", self.project.show(file.path), node.lineno,
                    "give it an import of its own first",
                )  # fmt: skip
            start, end = file.lines.start_of(node), file.lines.end_of(node)
            alias = taken[0]
            name = alias.asname or (alias.name if alias.name != last and self.is_handed_on(alias) else "")
            rest = f" as {name}" if name else ""
            text = f"from {parent} import {last}{rest}" if parent else f"import {last}{rest}"
            if node.level and self.new_package and parent:
                text = f"from {make_relative(self.new_package, parent)} import {last}{rest}"
            self.rewriter.replace(start, end, text)
        for alias in taken:
            start = file.lines.start_of(alias)
            is_kept = alias.asname is None and alias.name != last and self.is_handed_on(alias)
            if parent == source:
                kept = f"{last} as {alias.name}" if is_kept else last
                self.rewriter.replace(start, start + len(alias.name.encode()), kept)
            if alias.asname is None and alias.name != last and not is_kept:
                self.rename_binding(alias, last)

    def is_handed_on(self, alias: ast.alias) -> bool:
        """Whether another file takes the module, under its name here, from this one."""
        binding = next(o for o in self.file.names.occurrences if o.node is alias)
        if (binding.home or binding.scope) is not self.file.names.module:
            return False
        return any(
            any(taken.alias.name == alias.name for taken in uses.from_imports)
            or (
                not self.project.is_package(self.file.path)
                and any(asked.name == alias.name for asked in uses.attributes)
            )
            or (uses.stars and any(o.home is None for o in uses.file.names.called(alias.name)))
            for uses in find_uses(self.project, self.file.path)
        )

    def rename_binding(self, alias: ast.alias, last: str) -> None:
        """Rename the uses of `cart` behind `from shop import cart`."""
        binding = next(o for o in self.file.names.occurrences if o.node is alias)
        home = binding.home or binding.scope
        taken = [o for o in self.file.names.occurrences if o.name == last and o.home is home]
        if taken:
            raise Refused(
                f"there is a {last} already", self.project.show(self.file.path), self.file.line_of(taken[0].start),
                "choose another name, or rename that first",
            )  # fmt: skip
        for occurrence in self.file.names.occurrences:
            if occurrence.name != alias.name or occurrence.home is not home or occurrence.kind == IMPORT:
                continue
            if is_shadowed(occurrence, last, home):
                raise Refused(
                    f"{last} is a variable here", self.project.show(self.file.path),
                    self.file.line_of(occurrence.start), "choose another name, or rename the variable first",
                )  # fmt: skip
            self.rewriter.replace(occurrence.start, occurrence.end, last)
        self.renamed[(id(home), alias.name)] = last
        if self.project.is_package(self.file.path) or self.file.names.module is home:
            self.rename_exported(alias.name, last)

    def rename_exported(self, old: str, new: str) -> None:
        for node in self.file.tree.body:
            if not any(isinstance(o, ast.Name) and o.id == "__all__" for o in ast.walk(node)):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and inner.value == old:
                    body = find_string_body(self.file.lines, inner)
                    if body is not None:
                        self.rewriter.replace(*body, new)

    def follow_names(self, plain: list[Occurrence]) -> None:
        """Rewrite the uses behind `import shop.cart` (the chain) and attributes of packages (`shop.cart`)."""
        old_parts, new_parts = self.old.split("."), self.new.split(".")
        bound: dict[tuple[int, str], str] = {}
        for occurrence in self.file.names.occurrences:
            if occurrence.kind != IMPORT or not isinstance(occurrence.node, ast.alias):
                continue
            alias = occurrence.node
            statement = alias.statement  # type: ignore[attr-defined]
            if isinstance(statement, ast.Import):
                dotted = alias.name if alias.asname else alias.name.split(".")[0]
            else:
                source = self.project.resolve_from(statement, self.file.path)
                dotted = f"{source}.{alias.name}"
            bound[(id(occurrence.home or occurrence.scope), occurrence.name)] = dotted
        for occurrence in self.file.names.occurrences:
            if occurrence.kind == IMPORT or occurrence.home is None:
                continue
            dotted_start = bound.get((id(occurrence.home), occurrence.name))
            if dotted_start is None:
                continue
            have = dotted_start.split(".")
            if len(have) >= len(old_parts):
                if have == old_parts and len(old_parts) == 1 and self.is_plain(occurrence, plain):
                    self.check_shadow(occurrence, new_parts[0])
                    self.rewriter.replace(occurrence.start, occurrence.end, self.new)
                continue
            if old_parts[: len(have)] != have:
                continue
            need = old_parts[len(have) :]
            links = occurrence.chain[: len(need)]
            if [link[0] for link in links] != need or self.work.is_hidden:
                continue
            if new_parts[: len(have)] == have:
                rest = new_parts[len(have) :]
                self.rewriter.replace(links[0][1], links[-1][2], ".".join(rest))
            elif self.is_plain(occurrence, plain):
                self.check_shadow(occurrence, new_parts[0])
                self.rewriter.replace(occurrence.start, links[-1][2], self.new)
            else:
                raise Refused(
                    f"{self.old} is reached here through {dotted_start}", self.project.show(self.file.path),
                    self.file.line_of(occurrence.start), f"write `import {self.old}` first",
                )  # fmt: skip

    def is_plain(self, occurrence: Occurrence, plain: list[Occurrence]) -> bool:
        return any(p.name == occurrence.name and (p.home or p.scope) is occurrence.home for p in plain)

    def check_shadow(self, occurrence: Occurrence, name: str) -> None:
        home = occurrence.home
        assert home is not None
        if name == occurrence.name:
            return
        clash = [
            o for o in self.file.names.occurrences if o.name == name and o.home is home and o.kind != IMPORT
        ]
        if is_shadowed(occurrence, name, home) or clash:
            raise Refused(
                f"{name} is a variable here", self.project.show(self.file.path), self.file.line_of(occurrence.start),
                "choose another name, or rename the variable first",
            )  # fmt: skip

    def follow_strings(self) -> None:
        certain: set[int] = set()
        for node in ast.walk(self.file.tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if called in _LOADERS:
                    self.follow_string(node.args[0], certain)
            elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                if isinstance(node.value, ast.Attribute) and node.value.attr == "modules":
                    self.follow_string(node.slice, certain)
        for node in ast.walk(self.file.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in certain:
                if "." in self.old and (node.value == self.old or node.value.startswith(self.old + ".")):
                    self.work.notes.append(
                        Note(
                            f"the string {node.value!r} may name it",
                            self.project.show(self.file.path),
                            node.lineno,
                        )
                    )

    def follow_string(self, node: ast.Constant, certain: set[int]) -> None:
        text = node.value
        if not isinstance(text, str) or not (text == self.old or text.startswith(self.old + ".")):
            return
        body = find_string_body(self.file.lines, node)
        if body is not None:
            certain.add(id(node))
            self.rewriter.replace(body[0], body[0] + len(self.old.encode()), self.new)
