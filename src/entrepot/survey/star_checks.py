"""Star imports and `__all__` (EP201, EP202, EP702, EP703)."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from entrepot.program.bindings import Binding
from entrepot.program.conditions import AT_IMPORT, NEVER, TYPING
from entrepot.program.origins import find_origin
from entrepot.survey.findings import Finding
from entrepot.survey.state import State

_BUILTIN_NAMES = frozenset(name for name in dir(builtins) if name[0] != "_")


def check_stars(state: State) -> Iterator[Finding]:
    """Star imports: what they bring, hide and fight over."""
    for name, facts in state.facts.items():
        before: dict[str, tuple[str, int]] = {}
        for level, source, line, column, when in facts.stars:
            if when in (TYPING, NEVER):
                continue
            target = state.absolute(name, level, source)
            brought, known = state.list_star(target)
            if not brought:
                yield state.make(
                    "EP201", name, line, column, f"star import of {target}: what it brings is not known"
                )
                continue
            shown = sorted(brought)
            sample = ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
            tail = "" if known else ", perhaps more"
            count = f"{len(shown)} name{'s' if len(shown) != 1 else ''}"
            yield state.make(
                "EP201", name, line, column, f"star import of {target} brings {count}: {sample}{tail}"
            )
            bindings = state.program.modules[name].bindings()
            for one in shown:
                earlier = [b for b in bindings.names.get(one, ()) if b.line < line and b.when in AT_IMPORT]
                if earlier and not _is_the_same(state, name, earlier[-1], target, one):
                    text = f"star import of {target} hides {one}, bound in line {earlier[-1].line}"
                    yield state.make("EP202", name, line, column, text)
                if (
                    one in before
                    and before[one][0] != target
                    and not state.is_same(before[one][0], target, one)
                ):
                    other, place = before[one]
                    text = f"star imports of {other} (line {place}) and {target} both bring {one}"
                    yield state.make("EP202", name, line, column, text)
                elif one in _BUILTIN_NAMES and not earlier:
                    yield state.make(
                        "EP202", name, line, column, f"star import of {target} hides the builtin {one}"
                    )
                before[one] = (target, line)


def _is_the_same(state: State, importer: str, earlier: Binding, target: str, name: str) -> bool:
    """Does an earlier import bind a name to what the star import of a module brings under it?"""
    if earlier.kind != "import":
        return False
    source = state.absolute(importer, earlier.level, earlier.module)
    if earlier.fetched:
        origin = find_origin(state.program, earlier.fetched, source)
    else:
        origin = source if earlier.is_as else source.partition(".")[0]
    return origin == find_origin(state.program, name, target)


def check_all(state: State) -> Iterator[Finding]:
    """`__all__` that is missing where somebody star-imports, or wrong."""
    starred: dict[str, tuple[str, int]] = {}
    for name, rows in state.imports.items():
        for row in rows:
            if row.form == "star" and row.kind == "own" and row.names == ("*",):
                starred.setdefault(row.module, (name, row.line))
    for name, facts in state.facts.items():
        if facts.all_names is None:
            if name in starred:
                by, line = starred[name]
                text = f"{name} has no __all__, and {by} (line {line}) imports all of it"
                yield state.make("EP702", name, 1, 0, text)
            continue
        names, known = state.get_names(name)
        doubles = {one for one in facts.all_names if facts.all_names.count(one) > 1}
        for one in sorted(doubles):
            yield state.make("EP703", name, facts.all_line, 0, f"__all__ names {one} twice")
        for one in dict.fromkeys(facts.all_names):
            if known and one not in names and f"{name}.{one}" not in state.program.raw.ids:
                yield state.make(
                    "EP703", name, facts.all_line, 0, f"__all__ names {one}, which {name} does not have"
                )
