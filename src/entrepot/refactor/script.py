"""A file that is run must not be imported back: it would run twice, with two copies of its state."""

from __future__ import annotations

import os

from entrepot.program.symbols import NEVER
from entrepot.refactor.arrows import is_source_loud, needed_with
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.decision import Decision
from entrepot.refactor.statements import is_main_guard


def check_script(cut: Cut, decision: Decision) -> None:
    """Raise Refused where what moves would import a script back; note where a script shares itself."""
    back = [c for c in cut.crossings if c.a != STAY and c.b == STAY and c.when != NEVER]
    if not back:
        return
    has_guard = any(is_main_guard(s.node) for s in cut.statements)
    is_imported = any(u.from_imports or u.module_imports or u.stars for u in cut.uses)
    base = os.path.basename(cut.path)
    is_loud = is_source_loud(cut)
    in_package = bool(cut.project.package_of(cut.path))
    is_imported = is_imported or in_package or _is_packaged(cut)
    if base != "__main__.py" and (is_imported or cut.reexport or cut.exported):
        # What nothing is seen to import, and does something by itself, may be run as well.
        decision.is_main_shared = has_guard or (is_loud and not is_imported)
        return
    if not has_guard and not is_loud and base != "__main__.py":
        return
    names = sorted(needed_with(cut, [c.name for c in back]))
    crossing = back[0]
    keys = sorted({c.a for c in back})
    along = ",".join(names)
    raise cut.refuse(
        f"{base} runs as a script, so {', '.join(keys)} cannot import it back for {', '.join(sorted({c.name for c in back}))}",
        cut.file.line_of(crossing.occurrence.start),
        f"move along what is needed: --to {crossing.a}={along}",
    )


def _is_packaged(cut: Cut) -> bool:
    """Whether the project's packaging files name the module."""
    for marker in ("setup.py", "setup.cfg", "pyproject.toml"):
        path = os.path.join(cut.project.root, marker)
        if os.path.isfile(path) and path != cut.path:
            with open(path, "rb") as stream:
                if cut.name.rpartition(".")[2].encode() in stream.read():
                    return True
    return False
