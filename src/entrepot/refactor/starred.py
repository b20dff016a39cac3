"""Names that a star import of the file brings, where what moves needs them: imported there by name."""

from __future__ import annotations

import ast
import builtins

from entrepot.errors import Refused
from entrepot.program.symbols import LOAD
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.exports import Exports


def copy_starred(cut: Cut) -> None:
    """Note in `cut.copied` which star imports each target needs names of. Raises Refused where that cannot be told."""
    names = cut.file.names
    if not names.star_imports:
        return
    brought, unsure = _find_brought(cut)
    for occurrence in names.occurrences:
        key, name = cut.place[occurrence.statement], occurrence.name
        if key == STAY or occurrence.home is not None or occurrence.kind != LOAD:
            continue
        if name in brought:
            cut.copied.setdefault(key, {}).setdefault(brought[name], set()).add(name)
        elif unsure is not None and not hasattr(builtins, name):
            raise cut.refuse(
                f"whether {name} comes from `from {unsure.module or '.'} import *` cannot be told",
                cut.file.line_of(occurrence.start),
                f"expand line {unsure.lineno} first: entrepot expand {cut.project.show(cut.path)}",
            )


def _find_brought(cut: Cut) -> tuple[dict[str, int], ast.ImportFrom | None]:
    """Return which statement brings each name (the last one wins), and a star that cannot be told."""
    exports = Exports(cut.project)
    brought: dict[str, int] = {}
    unsure: ast.ImportFrom | None = None
    tops = {id(statement.node): statement.index for statement in cut.statements}
    for node in cut.file.names.star_imports:
        source = exports.source_of(node, cut.path)
        try:
            if source is None or id(node) not in tops:
                raise Refused("a star import that only some runs make")
            found, perhaps = exports.get(source, cut.path).star_names()
        except Refused:
            unsure = node
            continue
        if perhaps:
            unsure = node
        brought.update(dict.fromkeys(found, tops[id(node)]))
    return brought, unsure
