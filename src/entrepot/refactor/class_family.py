"""A class and the classes derived from it in the project, by their names, and whose methods a call reaches.

Classes are told apart by name only: two of one name are taken for one another, so that a caller is
careful with both.
"""

from __future__ import annotations

import ast

from entrepot.errors import Refused
from entrepot.program.symbols import BINDING
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile


class Family:
    """`members`: the classes by name, with their files; `classes`: all classes of the project."""

    def __init__(self, project: Project, top: str) -> None:
        self.classes: list[tuple[SourceFile, ast.ClassDef]] = []
        for path in project.mentioning("class "):
            try:
                file = project.file(path)
                self.classes += [(file, n) for n in ast.walk(file.tree) if isinstance(n, ast.ClassDef)]
            except Refused:
                continue
        names = {top}
        size = 0
        while size != len(names):
            size = len(names)
            for _, node in self.classes:
                if {name_of(base) for base in node.bases} & names:
                    names.add(node.name)
        self.members: dict[str, list[tuple[SourceFile, ast.ClassDef]]] = {}
        for file, node in self.classes:
            if node.name in names:
                self.members.setdefault(node.name, []).append((file, node))

    def list_members(self) -> list[tuple[SourceFile, ast.ClassDef]]:
        return [pair for pairs in self.members.values() for pair in pairs]

    def list_others(self) -> list[tuple[SourceFile, ast.ClassDef]]:
        own = {id(node) for _, node in self.list_members()}
        return [pair for pair in self.classes if id(pair[1]) not in own]

    def holds(self, file: SourceFile, node: ast.AST) -> bool:
        """Whether a node stands in one of the classes."""
        return any(
            other is file and any(inner is node for inner in ast.walk(owner))
            for other, owner in self.list_members()
        )

    def reaches(self, file: SourceFile, attribute: ast.Attribute) -> bool:
        """Whether `value.name` is certainly asked of one of the classes or of an instance."""
        value = attribute.value
        if isinstance(value, ast.Name) and value.id in ("self", "cls"):
            return self.holds(file, attribute)
        if isinstance(value, ast.Call):
            made = name_of(value.func)
            return made in self.members or (made == "super" and self.holds(file, attribute))
        if isinstance(value, ast.Attribute):
            return value.attr in self.members
        if isinstance(value, ast.Name):
            return value.id in self.members or self._is_only_made_here(file, value)
        return False

    def _is_only_made_here(self, file: SourceFile, name: ast.Name) -> bool:
        """Whether all that binds a variable, in the scope it belongs to, is `name = Class(...)`."""
        start = file.lines.start_of(name)
        everywhere = file.names.called(name.id)
        home = next((o.home for o in everywhere if o.start == start), None)
        binders = [o for o in everywhere if o.kind in BINDING and (o.home or o.scope) is home]
        made = {
            id(target)
            for node in ast.walk(file.tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and name_of(node.value.func) in self.members
            for target in node.targets
        }
        return home is not None and bool(binders) and all(id(o.node) in made for o in binders)


def is_of_module(file: SourceFile, attribute: ast.Attribute) -> bool:
    """Whether `value.name` certainly asks a module, not an object."""
    root = attribute.value
    if not isinstance(root, ast.Name):
        return False
    return any(
        o.kind == "import" and isinstance(o.node, ast.alias) and isinstance(o.node.statement, ast.Import)  # type: ignore[attr-defined]
        for o in file.names.called(root.id)
    )


def name_of(node: ast.expr) -> str:
    """Return the last word of a name or an attribute, "" for anything else."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
