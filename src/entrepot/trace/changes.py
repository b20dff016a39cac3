"""Which line changed a register of the process: a trace only sees, at some later statement, that it is another."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from entrepot.trace.records import Effect, Module, Namespace, Statement
from entrepot.trace.sources import find_change


def place_changes(
    effects: list[Effect], modules: Sequence[Module], statements: Sequence[Statement], main: Namespace | None
) -> None:
    """Give each change without a file the place that made it, as far as the sources say, and put effects in order.

    Args:
        effects: of a record; changed in place.
        modules, statements, main: of the same record.
    """
    changes = [number for number, effect in enumerate(effects) if effect.kind == "hook" and not effect.file]
    files = {module.name: module.origin for module in modules}
    mains = (statement.file for statement in statements if statement.importer == "__main__")
    files["__main__"] = main.file if main else next(mains, "")
    ends = {module.name: module.at_s + module.wall_s for module in modules}
    begun = [statement.at_s for statement in statements]
    for number in changes:
        effect = effects[number]
        file = files.get(effect.module, "")
        line = find_change(file, effect.what, effect.top_line) or effect.top_line
        # It was before the module's end, or before the statement at which it was seen: the last one, also in a function.
        later = ends.get(effect.module, effect.at_s)
        if effect.top_line and (before := bisect_right(begun, effect.at_s)):
            later = begun[before - 1]
        at_s = min(effect.at_s, math.nextafter(later, 0.0))
        effects[number] = effect._replace(file=file, line=line, top_line=line, at_s=at_s)
    effects.sort(key=lambda effect: (effect.at_s, effect.line if effect.kind == "hook" else 0))
