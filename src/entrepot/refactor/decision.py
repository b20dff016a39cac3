"""How a cut is going to be written: the imports of each module, and the references that are edited.

Values only: `cross.py` decides, `order.py` says where imports stand, `splitting.py` writes.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Crossing, Cut
from entrepot.refactor.imports import Spelling, spell


@dataclass
class Imports:
    """What one module imports from the others of the cut."""

    names: dict[str, list[str]] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    bottom: list[str] = field(default_factory=list)
    types: dict[str, list[str]] = field(default_factory=dict)
    local: dict[int, tuple[ast.AST, dict[str, list[str]], list[str]]] = field(default_factory=dict)


@dataclass
class Decision:
    """Everything that `splitting.py` needs to write."""

    cut: Cut
    imports: dict[str, Imports] = field(default_factory=dict)
    position: dict[str, int] = field(default_factory=dict)  # target -> offset in the source file
    default: dict[str, int] = field(default_factory=dict)  # target -> statement that its import follows
    in_place: list[str] = field(default_factory=list)  # targets run by a bare import, for their effects
    reexports: dict[str, list[str]] = field(default_factory=dict)
    lazy: dict[str, list[str]] = field(default_factory=dict)
    edits: list[tuple[str, int, int, str]] = field(default_factory=list)
    undeclared: list[Crossing] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    ordered: set[str] = field(default_factory=set)  # targets that must not be the first to be imported
    is_main_shared: bool = False
    is_relative: bool = False

    def of(self, key: str) -> Imports:
        return self.imports.setdefault(key, Imports())

    def package(self, key: str) -> str:
        cut = self.cut
        return cut.project.package_of(cut.path if key == STAY else cut.targets[key].path)

    def spelling(self, a: str, b: str) -> Spelling:
        """How module `a` of the cut writes module `b`."""
        return spell(self.package(a), self.cut.label(b), relative=self.is_relative)
