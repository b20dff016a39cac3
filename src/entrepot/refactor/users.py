"""The other files of a project follow what has moved.

Each import stays where it is and keeps its form: `from shop import total` becomes
`from basket import total` in the same place, `shop.total` becomes `basket.total` with an
`import basket` behind the `import shop`. Strings whose meaning is certain follow too; other
strings that spell a moved name are reported.
"""

from __future__ import annotations

import ast
import re

from entrepot.errors import Refused
from entrepot.program.symbols import BINDING, Occurrence
from entrepot.refactor.arrows import is_source_loud, reach
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY
from entrepot.refactor.decision import Decision
from entrepot.refactor.fstrings import keep_printed_text
from entrepot.refactor.imports import (
    Spelling,
    alias_text,
    delete_statement,
    mark_as_meant,
    remove_aliases,
    render_from,
    spell,
)
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import Attribute, FileUses, ModuleImport, NameString, is_shadowed


def rewrite_users(decision: Decision) -> dict[str, Rewriter]:
    """Return a rewriter for each other file that uses what moves."""
    cut = decision.cut
    found = {}
    paths = {target.path for target in cut.targets.values()}
    for uses in cut.uses:
        if uses.file.path in paths:
            _report(decision, uses)
            continue
        follower = _Follower(decision, uses)
        follower.follow()
        if follower.rewriter.changes_anything:
            found[uses.file.path] = follower.rewriter
        _report(decision, uses)
    return found


def _report(decision: Decision, uses: FileUses) -> None:
    """Note strings that may name what moves."""
    cut = decision.cut
    for hint in uses.hints:
        if cut.owner.get(hint.name, STAY) != STAY:
            line = uses.file.line_of(hint.start)
            key = cut.owner[hint.name]
            decision.notes.append(
                Note(
                    f"the string {hint.text!r} names what is now in {key}",
                    cut.project.show(uses.file.path),
                    line,
                )
            )


class _Follower:
    """Rewrites one file."""

    def __init__(self, decision: Decision, uses: FileUses) -> None:
        self.decision = decision
        self.cut = decision.cut
        self.uses = uses
        self.file = uses.file
        self.rewriter = Rewriter(uses.file)
        self.brought: set[tuple[int, str]] = set()
        # Imports of the old module whose name is still needed, for the parent that it binds: what they become.
        self.leaned_on: dict[int, str] = {}
        self.package = self.cut.project.package_of(self.file.path)

    def target_of(self, name: str) -> str:
        """Return the module a name has gone to, "" when this file's use of it stays as it is."""
        key = self.cut.owner.get(name, STAY)
        if key == STAY:
            return STAY
        if self.cut.reexport and name not in self.cut.rebound:
            return STAY
        return key

    def follow(self) -> None:
        self.follow_from_imports()
        self.follow_stars()
        rewritten: dict[int, int] = {}
        for attribute in self.uses.attributes:
            key = self.target_of(attribute.name)
            if key == STAY:
                continue
            self.follow_attribute(attribute, key)
            if attribute.importer is not None:
                marker = id(attribute.importer.occurrence)
                rewritten[marker] = rewritten.get(marker, 0) + 1
        for string in self.uses.strings:
            key = self.target_of(string.name)
            if key != STAY:
                self.follow_string(string, key)
                if string.module is not None and string.module.importer is not None:
                    marker = id(string.module.importer.occurrence)
                    rewritten[marker] = rewritten.get(marker, 0) + 1
        self.drop_unused(rewritten)

    # -- from-imports ----------------------------------------------------------------------

    def follow_from_imports(self) -> None:
        groups: dict[int, tuple[ast.ImportFrom, list[ast.stmt], dict[str, list[ast.alias]]]] = {}
        for taken in self.uses.from_imports:
            key = self.target_of(taken.alias.name)
            if key != STAY:
                group = groups.setdefault(id(taken.node), (taken.node, taken.body, {}))
                group[2].setdefault(key, []).append(taken.alias)
        for node, body, by_key in groups.values():
            self.follow_from_import(node, body, by_key)

    def follow_from_import(
        self, node: ast.ImportFrom, body: list[ast.stmt], by_key: dict[str, list[ast.alias]]
    ) -> None:
        file = self.file
        start, end = file.lines.start_of(node), file.lines.end_of(node)
        for key in by_key:
            self.check_cycle(key, node)
        indent = file.data[file.line_start(start) : start].decode()
        if indent.strip():
            indent = ""
        eol = file.eol.decode()
        gone = [alias for aliases in by_key.values() for alias in aliases]
        lines = []
        for key, aliases in by_key.items():
            source = self.spell(key, node).source
            lines.append(render_from(source, [alias_text(a) for a in aliases], indent=indent, eol=eol))
        if len(gone) == len(node.names):
            if self.must_keep_running(node):
                kept = self.bare_import()
                lines.insert(0, kept)
            if len(by_key) == 1 and len(lines) == 1:
                # Keep the statement's own layout: only the module's name changes.
                key = next(iter(by_key))
                source = self.spell(key, node).source
                at = file.data.index(b"from", start) + 4
                stop = file.data.index(b"import", _behind_module(file, node, at))
                self.rewriter.replace(at, stop, f" {source} ")
                return
            self.rewriter.replace(start, end, (eol + indent).join(lines))
            return
        remove_aliases(self.rewriter, node, gone, body=body)
        line_end = file.line_end(end - 1)
        tail = file.data[end:line_end].strip()
        if tail and not tail.startswith(b"#"):
            self.rewriter.insert(end, "; " + "; ".join(lines))
        else:
            missing = "" if file.data[:line_end].endswith((b"\n", b"\r")) else eol
            self.rewriter.insert(line_end, missing + "".join(f"{indent}{line}{eol}" for line in lines))

    def must_keep_running(self, node: ast.stmt) -> bool:
        """Whether the old module does something that is seen, and nothing else here would import it first."""
        if not is_source_loud(self.cut) and not self.decision.ordered:
            return False
        others = [m for m in self.uses.module_imports if m.node is not node]
        left = [
            f for f in self.uses.from_imports if f.node is not node and self.target_of(f.alias.name) == STAY
        ]
        return not others and not left and not self.uses.stars

    def bare_import(self) -> str:
        spelling = spell(self.package, self.cut.name, relative=self.is_relative())
        self.decision.notes.append(
            Note(
                f"{self.cut.name} stays imported, because it does something when it is imported",
                self.cut.project.show(self.file.path),
            )
        )
        return spelling.statement + "  # noqa: F401"

    def follow_stars(self) -> None:
        """A file that takes everything by star takes what moved by name."""
        for node in self.uses.stars:
            wanted: dict[str, list[str]] = {}
            module = self.file.names.module
            for name, key in self.cut.owner.items():
                if key == STAY or name.startswith("_"):
                    continue
                if name in self.cut.exported or self.is_kept_by_source(key, name):
                    continue
                used = any(o.name == name and o.home is None for o in self.file.names.occurrences)
                taken = self.is_taken_from_here(name)
                if (used or taken) and name not in module.bindings:
                    wanted.setdefault(key, []).append(name)
            for key, names in wanted.items():
                start = self.file.lines.start_of(node)
                indent = self.file.data[self.file.line_start(start) : start].decode()
                line = render_from(
                    self.spell(key, node).source, names, indent=indent, eol=self.file.eol.decode()
                )
                self.insert_behind(node, line)

    def is_kept_by_source(self, key: str, name: str) -> bool:
        """Whether the old module still has the name, because it imports it for itself."""
        imports = self.decision.of(STAY)
        return name in imports.names.get(key, ()) or name in self.decision.reexports.get(key, ())

    def is_taken_from_here(self, name: str) -> bool:
        last = self.cut.project.name_of(self.file.path).rpartition(".")[2].encode()
        for path in self.cut.project.mentioning(name):
            raw = self.cut.project.raw(path)
            if path not in (self.file.path, self.cut.path) and last in raw:
                return True
        return False

    # -- attributes ------------------------------------------------------------------------

    def follow_attribute(self, attribute: Attribute, key: str) -> None:
        occurrence = attribute.occurrence
        expression = self.bring_module(attribute.importer, key, occurrence)
        self.rewriter.replace(occurrence.start, attribute.end, f"{expression}.{attribute.name}")
        if occurrence.is_self_documenting:
            kept = keep_printed_text(self.file, occurrence.start)
            if kept is None:
                raise Refused(
                    "this f-string prints its own text", self.cut.project.show(self.file.path),
                    self.file.line_of(occurrence.start), "write the text into the string first, or use --reexport",
                )  # fmt: skip
            for start, end, new in kept:
                self.rewriter.replace(start, end, new)

    def bring_module(self, importer: ModuleImport | None, key: str, occurrence: Occurrence) -> str:
        """Make sure a module is imported beside the old one; return the expression for it."""
        if importer is None:
            importer = self.uses.module_imports[0] if self.uses.module_imports else None
        if importer is None:
            raise Refused(
                f"{self.cut.name} is reached here through another module",
                self.cut.project.show(self.file.path), self.file.line_of(occurrence.start),
                f"import {self.cut.name} directly first, or use --reexport",
            )  # fmt: skip
        node = importer.node
        self.check_cycle(key, node)
        if isinstance(node, ast.Import) and importer.alias.asname is None and "." in importer.alias.name:
            statement, expression, binding = f"import {key}", key, key.split(".")[0]
        else:
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            spelling = spell(self.package, key, relative=relative)
            statement, expression, binding = spelling.statement, spelling.expression, spelling.binding
        home = importer.occurrence.home or importer.occurrence.scope
        top_bound = binding in home.bindings and not self.binds_module(home, binding, key)
        if binding != importer.occurrence.name and (top_bound or is_shadowed(occurrence, binding, home)):
            raise Refused(
                f"a variable here is called {binding}, like the module",
                self.cut.project.show(self.file.path), self.file.line_of(occurrence.start),
                "choose another name for the module, or rename the variable",
            )  # fmt: skip
        marker = (id(node), key)
        if marker not in self.brought and not (
            binding in home.bindings and not top_bound and "." not in statement
        ):
            self.brought.add(marker)
            self.insert_behind(node, statement)
        elif binding == importer.occurrence.name and not is_bound_again(self.file, importer):
            self.leaned_on[id(importer.occurrence)] = key
        return expression

    def binds_module(self, home: object, binding: str, key: str) -> bool:
        """Whether a name here is already the module that is wanted."""
        target = self.cut.targets[key].path
        found = False
        for occurrence in self.file.names.occurrences:
            if occurrence.name != binding or occurrence.home is not home or occurrence.kind not in BINDING:
                continue
            alias = occurrence.node
            if not isinstance(alias, ast.alias):
                return False
            statement = alias.statement  # type: ignore[attr-defined]
            dotted = alias.name
            if isinstance(statement, ast.ImportFrom):
                dotted = f"{self.cut.project.resolve_from(statement, self.file.path)}.{alias.name}"
            found = True
            if self.cut.project.find_module(dotted, self.file.path) != target:
                # `import shop.cart` binds `shop`, as `import shop.basket` will.
                if (
                    isinstance(statement, ast.ImportFrom)
                    or alias.asname
                    or dotted.split(".")[0] != key.split(".")[0]
                ):
                    return False
        return found

    def insert_behind(self, node: ast.stmt, statement: str) -> None:
        file = self.file
        start, end = file.lines.start_of(node), file.lines.end_of(node)
        line_start, line_end = file.line_start(start), file.line_end(end - 1)
        indent = file.data[line_start:start].decode()
        tail = file.data[end:line_end].strip()
        if indent.strip() or (tail and not tail.startswith(b"#")):
            self.rewriter.insert(end, f"; {statement}")
            return
        eol = file.eol.decode()
        missing = "" if file.data[:line_end].endswith((b"\n", b"\r")) else eol
        self.rewriter.insert(line_end, f"{missing}{indent}{statement}{eol}")

    # -- strings ---------------------------------------------------------------------------

    def follow_string(self, string: NameString, key: str) -> None:
        if string.module is not None:
            occurrence = string.module.occurrence
            expression = self.bring_module(string.module.importer, key, occurrence)
            self.rewriter.replace(occurrence.start, string.module.end, expression)
        else:
            self.rewriter.replace(string.start, string.end, key)

    # -- the rest --------------------------------------------------------------------------

    def drop_unused(self, rewritten: dict[int, int]) -> None:
        """Remove an import of the old module that nothing here needs any more."""
        for imported in self.uses.module_imports:
            count = rewritten.get(id(imported.occurrence), 0)
            home = imported.occurrence.home
            uses = [
                o
                for o in self.file.names.occurrences
                if o.name == imported.occurrence.name and o.home is home and o.kind != "import"
            ]
            siblings = [m for m in self.uses.module_imports if m.occurrence.name == imported.occurrence.name]
            if not count or len(uses) > count or len(siblings) > 1 or self.is_taken(imported.occurrence.name):
                continue
            if self.must_keep_running(imported.node):
                mark_as_meant(self.rewriter, imported.node)
                continue
            parent = self.leaned_on.get(id(imported.occurrence))
            if parent is not None:
                # `import shop.cart` has bound `shop`, and that is where things have gone.
                start = self.file.lines.start_of(imported.alias)
                self.rewriter.replace(start, self.file.lines.end_of(imported.alias), parent)
                continue
            inserts = [e for e in self.rewriter.edits if e[0] == e[1] and self.is_behind(e[0], imported.node)]
            if len(imported.node.names) == 1 and inserts and len(inserts) == 1 and len(imported.body) >= 1:
                # The new import takes the place of the old one.
                self.rewriter.edits.remove(inserts[0])
                start, end = self.file.lines.start_of(imported.node), self.file.lines.end_of(imported.node)
                text = inserts[0][3].decode().strip().removeprefix("; ")
                self.rewriter.replace(start, end, text)
            elif inserts or len(imported.node.names) > 1:
                remove_aliases(self.rewriter, imported.node, [imported.alias], body=imported.body)
            else:
                delete_statement(self.rewriter, imported.node, imported.body)

    def is_behind(self, at: int, node: ast.stmt) -> bool:
        end = self.file.lines.end_of(node)
        return at in (end, self.file.line_end(end - 1))

    def is_taken(self, name: str) -> bool:
        """Whether another file could take the module from this one."""
        own = re.escape(self.cut.project.name_of(self.file.path).rpartition(".")[2].encode())
        if self.cut.project.is_package(self.file.path):
            return True
        word = re.escape(name.encode())
        pattern = re.compile(
            rb"\b%s\.%s\b|from[ \t]+[\w.]*\b%s[ \t]+import\b[^\n]*(?:\b%s\b|\*|\()" % (own, word, own, word)
        )
        return any(
            pattern.search(self.cut.project.raw(path))
            for path in self.cut.project.mentioning(name)
            if path not in (self.file.path, self.cut.path)
        )

    def check_cycle(self, key: str, node: ast.stmt) -> None:
        """A file must not import at its top a module that imports it at its own."""
        target = self.cut.targets[key]
        if target.file is None or node not in self.file.tree.body:
            return
        if self.file.path in reach(self.cut, target.path):
            raise Refused(
                f"{key} imports this file already, so the two would import each other",
                self.cut.project.show(self.file.path), node.lineno, "use --reexport, or another module",
            )  # fmt: skip

    def is_relative(self) -> bool:
        return any(isinstance(n, ast.ImportFrom) and n.level for n in ast.walk(self.file.tree))

    def spell(self, key: str, node: ast.ImportFrom) -> Spelling:
        return spell(self.package, key, relative=node.level > 0)


def is_bound_again(file: SourceFile, importer: ModuleImport) -> bool:
    """Whether another statement binds the name that an import binds, in the same scope."""
    own = importer.occurrence
    return any(
        one.name == own.name and one.home is own.home and one.kind in BINDING and one is not own
        for one in file.names.occurrences
    )


def _behind_module(file: SourceFile, node: ast.ImportFrom, at: int) -> int:
    """Return an offset between `from` module and `import` (a module may be called `importer`)."""
    if not node.module:
        return at
    last = node.module.rpartition(".")[2].encode()
    return file.data.index(last, at) + len(last)
