"""Modules that hide others (EP301, EP303)."""

from __future__ import annotations

import filecmp
import os
import sys
from collections.abc import Iterable, Iterator

from entrepot.survey.findings import Finding
from entrepot.survey.state import State

_STDLIB = frozenset(sys.stdlib_module_names)


def check_shadows(state: State) -> Iterator[Finding]:
    """Modules with the name of a standard or installed one."""
    stdlib = state.program.search_path.stdlib
    for name, module in state.program.modules.items():
        if module.kind == "namespace" or name == "__main__" or _is_in(module.path, stdlib):
            continue
        path = module.path
        parent, _, leaf = name.rpartition(".")
        if parent:
            # Below a package it hides nothing; beside a script it does when that is run.
            if leaf not in _STDLIB or parent in state.program.raw.files:
                continue
            beside = [n for n in state.imports if n.rpartition(".")[0] == parent and n != name]
            scripts = [n for n in beside if any(row.module == name for row in state.imports[n])]
            if scripts:
                text = f"{os.path.basename(path)} hides the standard library's {leaf} from {scripts[0]}"
                yield state.make("EP301", name, 1, 0, text)
            continue
        if name in _STDLIB:
            others = [
                n
                for n, rows in state.imports.items()
                if any(r.module.partition(".")[0] == name for r in rows)
            ]
            who = f"; imported by {others[0]}" if others else ""
            yield state.make(
                "EP301", name, 1, 0, f"{os.path.basename(path)} hides the standard library's {name}{who}"
            )
        else:
            places = [
                place
                for place in state.program.search_path.site
                if place not in state.program.search_path.own
            ]
            other = _find_in(places, name)
            if other and not _is_same_project(path, other):
                yield state.make(
                    "EP303", name, 1, 0, f"{os.path.basename(path)} hides the installed {name} ({other})"
                )


def _find_in(folders: list[str], name: str) -> str:
    for folder in folders:
        for candidate in (os.path.join(folder, name, "__init__.py"), os.path.join(folder, f"{name}.py")):
            if os.path.isfile(candidate):
                return candidate
    return ""


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(folder + os.sep) for folder in folders) and "site-packages" not in path


def _is_same_project(path: str, other: str) -> bool:
    """Is an installed module the one at `path`, or a copy of it that was installed from there?"""
    if os.path.realpath(other) == os.path.realpath(path):
        return True
    if not all(os.path.basename(one).startswith("__init__.") for one in (path, other)):
        return os.path.basename(path) == os.path.basename(other) and filecmp.cmp(path, other, shallow=False)
    here, there = (set(os.listdir(os.path.dirname(one))) - {"__pycache__"} for one in (path, other))
    return 2 * len(here & there) > max(len(here), len(there))
