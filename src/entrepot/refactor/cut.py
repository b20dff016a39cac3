"""A cut through one file: which statements go to which module, and what then crosses the cut.

Values only; `crossings.py` makes one, `cross.py` decides how each crossing is written, `splitting.py` writes.

The part that stays has the key "". A name belongs to the module that its binding statements go
to. An *import* of the source file is repeated wherever it is needed, so it never crosses.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from functools import cached_property

from entrepot.errors import Refused
from entrepot.program.symbols import DECLARE, Occurrence
from entrepot.refactor.doings import Doings
from entrepot.refactor.effects import Effects
from entrepot.refactor.loud_imports import find_loud_imports
from entrepot.refactor.project import Project
from entrepot.refactor.statements import (
    Statement,
    is_main_guard,
    is_only_imports,
)
from entrepot.refactor.text import SourceFile
from entrepot.refactor.uses import FileUses

STAY = ""
OLD_BUILTINS = frozenset("unicode long basestring xrange raw_input unichr reduce buffer cmp file".split())


@dataclass
class Target:
    """A module that statements go to. `file` is None where it is made anew."""

    key: str
    path: str
    names: list[str]
    file: SourceFile | None


@dataclass
class Crossing:
    """An occurrence in module `a` of a name that belongs to module `b`."""

    occurrence: Occurrence
    a: str
    b: str
    when: str
    outer: ast.AST | None

    @property
    def name(self) -> str:
        return self.occurrence.name


@dataclass
class Cut:
    """Everything known about one request before anything is decided."""

    project: Project
    path: str
    file: SourceFile
    targets: dict[str, Target]
    style: str
    reexport: bool
    force: bool
    statements: list[Statement] = field(default_factory=list)
    place: list[str] = field(default_factory=list)
    owner: dict[str, str] = field(default_factory=dict)
    rebound: dict[str, tuple[str, int]] = field(default_factory=dict)  # name -> where (path, line)
    uses: list[FileUses] = field(default_factory=list)
    copied: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # target -> statement -> names
    crossings: list[Crossing] = field(default_factory=list)
    exported: list[str] = field(default_factory=list)  # names of `__all__`
    perhaps: set[str] = field(default_factory=set)  # names that only some runs bind
    unbound: set[str] = field(default_factory=set)  # names that this Python never gets to bind

    @cached_property
    def effects(self) -> Effects:
        """What each statement does that can be seen."""
        return Effects(self.statements, find_loud_imports(self.project, self.path))

    @cached_property
    def doings(self) -> Doings:
        """What each statement does while the module is initialised."""
        return Doings(self.file, self.statements)

    @property
    def name(self) -> str:
        return self.project.name_of(self.path)

    def refuse(self, reason: str, node: ast.AST | int | None = None, way_out: str | None = None) -> Refused:
        line = node if isinstance(node, int) else getattr(node, "lineno", None)
        return Refused(reason, self.project.show(self.path), line, way_out)

    def label(self, key: str) -> str:
        return self.name if key == STAY else key

    @property
    def moved_names(self) -> list[str]:
        return [name for name, key in self.owner.items() if key != STAY]


def is_copied(cut: Cut, name: str) -> bool:
    """Whether each module that needs the name repeats the statements that bind it."""
    if cut.owner.get(name) != STAY or name in cut.rebound:
        return False
    # An import that the file takes away again when it is done is repeated all the same.
    binders = [s for s in cut.statements if name in s.binds and not isinstance(s.node, ast.Delete)]
    return bool(binders) and all(_is_repeatable(s.node, name) for s in binders)


def _is_repeatable(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.If | ast.Try) or not is_only_imports(node) or is_main_guard(node):
        return False
    if any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node)):
        return True
    return name in OLD_BUILTINS or hasattr(builtins, name)


def find_exported(file: SourceFile) -> list[str]:
    """Return the strings of the file's `__all__` assignments that are written as literals."""
    found: list[str] = []
    for node in file.tree.body:
        target: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            target = node.target
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            func = node.value.func
            target = func.value if isinstance(func, ast.Attribute) else None
        if isinstance(target, ast.Name) and target.id == "__all__":
            found += [
                n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
    return found


def is_declaration(crossing: Crossing) -> bool:
    return crossing.occurrence.kind == DECLARE
