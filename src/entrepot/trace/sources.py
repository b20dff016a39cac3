"""Questions about single source files, answered from their text: where a name is bound, what else lies beside them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from os import listdir
from os.path import basename, dirname, join


def find_definition(path: str, name: str) -> int:
    """Return the line at which a file binds a name at its top level, 0 if it does not."""
    for statement in parse_file(path):
        if getattr(statement, "name", None) == name:
            return statement.lineno
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
                    return node.lineno
    return 0


def is_function(path: str, name: str) -> bool:
    """Whether a file defines a function of that name at its top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(statement, kinds) and statement.name == name for statement in parse_file(path))


def find_bindings(path: str, function: str, name: str) -> list[int]:
    """Return the lines in a function at which a name is bound, its parameters left out."""
    for node in ast.walk(ast.Module(parse_file(path), [])):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == function:
            return sorted({line for found, line in _bindings(node.body) if found == name})
    return []


def list_bound_names(path: str) -> list[str]:
    """Return every name that a file binds anywhere."""
    return list(dict.fromkeys(name for name, _ in _bindings(parse_file(path))))


def list_files_beside(path: str) -> list[tuple[str, str]]:
    """Return (module, file) for each source file in a file's folder."""
    folder = dirname(path)
    try:
        names = sorted(listdir(folder))
    except OSError:
        return []
    return [(name[:-3], join(folder, name)) for name in names if name.endswith(".py")]


def name_briefly(path: str) -> str:
    """Return a file's name without its folder."""
    return "the code of -c" if path == "<string>" else basename(path) or path


def parse_file(path: str) -> list[ast.stmt]:
    """Return a file's statements, none where it is not there or is no Python."""
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, node.lineno
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield node.name, node.lineno
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    yield (alias.asname or alias.name).partition(".")[0], node.lineno
