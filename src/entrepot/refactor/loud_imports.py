"""Which functions that a file takes from other modules of the project do something that is seen when they are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from entrepot.errors import Refused
from entrepot.refactor.effects import Effects
from entrepot.refactor.project import Project
from entrepot.refactor.statements import list_statements


def find_loud_imports(project: Project, path: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return what loud functions are called in a file: `register`, `other.register`."""
    if path in seen or len(seen) > 3:
        return set()
    return set(_list_loud(project, path, seen | {path}))


def _list_loud(project: Project, path: str, seen: frozenset[str]) -> Iterator[str]:
    for node in project.file(path).tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                there = project.find_module(alias.name, path)
                if there is not None:
                    yield from (f"{alias.asname or alias.name}.{n}" for n in _find_loud(project, there, seen))
        elif isinstance(node, ast.ImportFrom):
            source = project.resolve_from(node, path)
            there = None if source is None else project.find_module(source, path)
            loud = _find_loud(project, there, seen) if there is not None else set()
            for alias in node.names:
                if alias.name in loud:
                    yield alias.asname or alias.name
                module = None if source is None else project.find_module(f"{source}.{alias.name}", path)
                if module is not None:
                    yield from (
                        f"{alias.asname or alias.name}.{n}" for n in _find_loud(project, module, seen)
                    )


def _find_loud(project: Project, path: str, seen: frozenset[str]) -> set[str]:
    """Return the functions and classes of a module that are loud when they are called."""
    try:
        statements = list_statements(project.file(path))
        effects = Effects(statements, find_loud_imports(project, path, seen))
    except Refused:
        return set()
    return {name for name in (*effects.functions, *effects.classes) if effects.is_loud_name(name)}
