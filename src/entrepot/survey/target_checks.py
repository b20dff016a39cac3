"""Imports that lead nowhere, and submodules used without an import (EP401 to EP404)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from entrepot.program.conditions import AT_IMPORT, AT_RUN, LAZY, NEVER, TYPING
from entrepot.program.graph import find_reached
from entrepot.program.model import Import
from entrepot.survey.findings import Finding
from entrepot.survey.state import State

_STDLIB = frozenset(sys.stdlib_module_names)


def check_resolution(state: State) -> Iterator[Finding]:
    """Imports of what is not there."""
    absent: dict[str, bool] = {}
    for name, rows in state.imports.items():
        guarded = state.facts[name].guarded
        for row in rows:
            if row.when == NEVER or row.line in guarded:
                continue
            if row.kind == "beyond":
                text = f"{row.module or '.' * row.level} leads beyond the top level package of {name}"
                yield state.make("EP402", name, row.line, row.column, text)
            elif row.kind == "missing":
                yield state.make("EP401", name, row.line, row.column, _describe_missing(state, row))
            elif row.kind == "outside" and row.when in AT_RUN:
                top = row.module.partition(".")[0]
                if top not in absent:
                    absent[top] = top not in _STDLIB and state.program.find_outside(top) is None
                if absent[top]:
                    text = f"{top} is not on the search path: not installed, or misspelt"
                    yield state.make("EP401", name, row.line, row.column, text, group=top)


def _describe_missing(state: State, row: Import) -> str:
    have = row.module
    while have and have not in state.program.raw.ids:
        have = have.rpartition(".")[0]
    part = row.module[len(have) + 1 :].partition(".")[0]
    return f"{row.module} does not exist; {have} does, without {part}"


def check_names(state: State) -> Iterator[Finding]:
    """Names taken from modules of the program that do not have them."""
    for name, rows in state.imports.items():
        guarded = state.facts[name].guarded
        for row in rows:
            if row.kind != "own" or row.form != "from" or row.when in (NEVER, TYPING) or row.line in guarded:
                continue
            target = state.program.modules[row.module]
            if target.kind != "source" or row.is_unsure or target.name == name:
                continue
            names, known = state.get_names(row.module)
            for one in row.names:
                if not known or one in names or f"{row.module}.{one}" in state.program.raw.ids:
                    continue
                if row.module.rpartition(".")[2] == one:
                    continue  # the target is the submodule itself
                yield state.make("EP404", name, row.line, row.column, f"{row.module} has no name {one}")


def check_uses(state: State) -> Iterator[Finding]:
    """`import a` and then `a.b`, where nothing that runs before has imported a.b."""
    ids = state.program.raw.ids
    graph = state.program.get_graph(AT_IMPORT | {LAZY}, with_ancestors=True)
    for name, facts in state.facts.items():
        rows = [row for row in state.imports[name] if row.form == "import" and row.kind == "own"]
        roots = {row.module.partition(".")[0] for row in rows}
        if not roots:
            continue
        reached: set[int] | None = None
        for dotted, line, column in facts.uses:
            parts = dotted.split(".")
            if parts[0] not in roots:
                continue
            for end in range(2, len(parts) + 1):
                submodule = ".".join(parts[:end])
                if submodule not in ids:
                    break
                parent_names = state.get_names(".".join(parts[: end - 1]))
                if parts[end - 1] in parent_names[0] or not parent_names[1]:
                    continue
                if reached is None:
                    reached = find_reached(graph, [ids[name]])
                if ids[submodule] not in reached:
                    text = f"{submodule} is used, but nothing that runs before imports it"
                    yield state.make("EP403", name, line, column, text)
                    break
