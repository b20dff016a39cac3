"""What is imported without need or leave, and modules that are nobody's (EP501, EP503, EP602, EP701, EP704)."""

from __future__ import annotations

import os
import sys
from bisect import bisect_left
from collections.abc import Iterator

from entrepot.program.conditions import AT_IMPORT
from entrepot.program.graph import find_reached
from entrepot.survey.findings import Finding
from entrepot.survey.state import State

_STDLIB = frozenset(sys.stdlib_module_names)
# Imported for what they do.
_EFFECTS = frozenset({"this", "antigravity", "readline", "rlcompleter", "site", "__future__"})
# Submodules that every interpreter has loaded.
_ALWAYS_LOADED = frozenset({"os.path", "collections.abc"})
# Run by a name that no import has.
_ENTRY_NAMES = frozenset(
    {"__main__", "conftest", "setup", "manage", "wsgi", "asgi", "main", "noxfile", "tasks", "conf"}
)


def check_unused(state: State) -> Iterator[Finding]:
    """Imports that neither the file nor another module uses."""
    taken: dict[str, set[str]] = {}
    for rows in state.imports.values():
        for row in rows:
            taken.setdefault(row.module, set()).update(row.names)
    for facts in state.facts.values():
        for dotted, _, _ in facts.uses:
            module, _, leaf = dotted.rpartition(".")
            taken.setdefault(module, set()).add(leaf)
    by_leaf: dict[str, set[str]] = {}
    nothing: set[str] = set()
    for module, names in taken.items():
        by_leaf.setdefault(module.rpartition(".")[2], set()).update(names)
    for name, facts in state.facts.items():
        if not facts.candidates:
            continue
        here = taken.get(name, nothing)
        alike = by_leaf.get(name.rpartition(".")[2], nothing)
        for bound, line, column, edits, where, level, module, fetched, is_partial in facts.candidates:
            if not where and (bound in here or bound in alike or "*" in here):
                continue
            what = f"{module}.{fetched}".strip(".") if fetched else module
            is_safe = _is_removable(state, name, where, level, module, fetched, is_partial)
            text = f"{bound} is imported and not used" + (f" ({what})" if what != bound else "")
            yield state.make("EP501", name, line, column, text, (), edits if is_safe else None)


def _is_removable(
    state: State, importer: str, where: str, level: int, module: str, fetched: str, is_partial: bool
) -> bool:
    """Does leaving an unused import out change nothing? is_partial: others of its names are used.

    Not where the import itself may do something, or binds a submodule that somebody else uses, and not
    for a name that the module may be handing on: one of the program's at its top level, or in a
    module made for that.
    """
    if not where and "compat" in importer.rpartition(".")[2]:
        return False
    top = module.partition(".")[0]
    if level == 0 and top in _STDLIB - _EFFECTS and top not in state.program.raw.ids:
        return is_partial or "." not in module or module in _ALWAYS_LOADED
    if not where or not fetched or not is_partial:
        return False
    source = state.absolute(importer, level, module)
    known = state.facts.get(source)
    is_submodule = f"{source}.{fetched}" in state.program.raw.ids
    return not is_submodule and known is not None and fetched in known.names


def check_private(state: State) -> Iterator[Finding]:
    """Private names taken from outside of their package."""
    for name, rows in state.imports.items():
        for row in rows:
            if row.kind != "own" or row.form not in ("from", "import"):
                continue
            if state.is_test(state.paths[name]):
                continue
            base = row.module.split(".")
            private = [(part, ".".join(base[:index])) for index, part in enumerate(base) if _is_private(part)]
            home = row.module if state.program.raw.is_package(row.module) else ".".join(base[:-1])
            private += [(one, home or row.module) for one in row.names if _is_private(one)]
            for one, owner in private:
                # A package that is private itself is its own.
                inside = owner or base[0]
                if name != inside and not name.startswith(inside + "."):
                    text = f"{one} is private to {inside}"
                    yield state.make("EP503", name, row.line, row.column, text)
                    break


def _is_private(name: str) -> bool:
    return name[0] == "_" and not name.startswith("__")


def check_init(state: State) -> Iterator[Finding]:
    """Packages whose import imports most of what is in them."""
    graph = state.program.get_graph(AT_IMPORT)
    for name, module in state.program.modules.items():
        if not module.is_package or module.kind != "source":
            continue
        # Names are sorted; "/" follows "." there.
        names = state.program.names
        inside = names[bisect_left(names, name + ".") : bisect_left(names, name + "/")]
        if len(inside) < 5:
            continue
        numbers = {state.program.raw.ids[n] for n in inside}
        own = state.program.raw.ids[name]
        if not numbers.intersection(graph[own]):
            continue
        reached = len(numbers & find_reached(graph, [own]))
        if reached * 2 > len(inside):
            text = f"importing {name} imports {reached} of the {len(inside)} modules in it"
            yield state.make("EP602", name, 1, 0, text)


def check_reach(state: State) -> Iterator[Finding]:
    """Modules that nothing imports, and packages without `__init__.py` by accident."""
    imported = {target for arrows in state.program.get_graph(with_ancestors=True) for target in arrows}
    for number, name in enumerate(state.program.names):
        module = state.program.modules[name]
        leaf = name.rpartition(".")[2]
        if module.kind == "namespace":
            yield from _check_namespace(state, name)
        elif (
            number not in imported
            and leaf not in _ENTRY_NAMES
            and not state.is_test(module.path)
            and module.path
        ):
            facts = state.facts.get(name)
            if facts and any(row[3].startswith("runs as") for row in facts.findings):
                continue
            if module.kind == "extension" or (module.is_package and _holds_tests(state, name)):
                continue  # compiled modules import one another unseen
            if not _has_main(module.path) and not (module.is_package and "." not in name):
                yield state.make("EP701", name, 1, 0, f"nothing in the program imports {name}")


def _holds_tests(state: State, package: str) -> bool:
    names = state.program.names
    inside = names[bisect_left(names, package + ".") : bisect_left(names, package + "/")]
    return any(state.is_test(state.paths[name]) for name in inside)


def _check_namespace(state: State, name: str) -> Iterator[Finding]:
    parent = name.rpartition(".")[0]
    file = state.program.raw.files.get(parent)
    if file is None or not file.is_package:
        return
    inside = [n for n in state.program.names if n.rpartition(".")[0] == name and n in state.program.raw.files]
    if inside:
        folder = state.program.raw.namespaces[name][0]
        text = f"{name} has modules and no __init__.py, inside the regular package {parent}"
        yield Finding("EP704", os.path.join(folder, ""), 1, 1, text, name)


def _has_main(path: str) -> bool:
    """Is a file also a script?"""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return False
    return data.startswith(b"#!") or b"__main__" in data
