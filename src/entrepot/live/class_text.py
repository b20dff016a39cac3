"""What the text of a class statement says: which statements of its body bind which names, and what they read.

Pure: syntax trees in, values out.
"""

from __future__ import annotations

import ast


def find_class_nodes(tree: ast.Module, qualname: str) -> list[ast.ClassDef]:
    """Return the class statements with this qualified name: several where branches have one each."""
    nodes: list[ast.AST] = [tree]
    for part in qualname.split("."):
        nodes = [
            n for node in nodes for n in ast.walk(node) if isinstance(n, ast.ClassDef) and n.name == part
        ]
    return [node for node in nodes if isinstance(node, ast.ClassDef)]


def begins_at(node: ast.ClassDef, line: int) -> bool:
    """Whether a class statement, with its decorators, begins on this line."""
    return min([node.lineno, *(item.lineno for item in node.decorator_list)]) == line


def body_statements(node: ast.ClassDef) -> dict[str, list[str]]:
    """Return for each name that a class body binds the statements that bind it (position-free)."""
    found: dict[str, list[str]] = {}
    for statement in node.body:
        names = _bound_by(statement)
        text = ast.dump(statement)
        for name in names:
            found.setdefault(name, []).append(text)
    return found


_PLAIN_DECORATORS = {"property", "staticmethod", "classmethod"}
_MAKING = {"__init__", "__new__", "__init_subclass__", "__class_getitem__", "__set_name__"}


def plain_methods(node: ast.ClassDef) -> set[str]:
    """Return the names that a class body binds by nothing but methods and properties, which no metaclass looks at."""
    found, others = set(), set(_MAKING)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and all(
            (isinstance(d, ast.Name) and d.id in _PLAIN_DECORATORS)
            or (isinstance(d, ast.Attribute) and d.attr in ("setter", "getter", "deleter"))
            for d in statement.decorator_list
        ):
            found.add(statement.name)
        else:
            others |= _bound_by(statement)
    return found - others


def same_head(old: ast.ClassDef, new: ast.ClassDef) -> bool:
    """Whether two class statements have the same bases, keywords and decorators."""
    parts = [[*n.bases, *n.keywords, *n.decorator_list] for n in (old, new)]
    return list(map(ast.dump, parts[0])) == list(map(ast.dump, parts[1]))


def names_bound(node: ast.ClassDef) -> set[str]:
    """Return the names that a class body gives a value: not those that it only annotates."""
    has_value = (s for s in node.body if not isinstance(s, ast.AnnAssign) or s.value is not None)
    return {name for statement in has_value for name in _bound_by(statement)}


def _bound_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).partition(".")[0] for a in statement.names}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def heads_read(node: ast.ClassDef) -> set[str]:
    """Names that the defaults and decorators of a class's methods read."""
    found = set()
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [
                *statement.args.defaults,
                *filter(None, statement.args.kw_defaults),
                *statement.decorator_list,
            ]
            found |= {n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)}
    return found


def names_read(statement_text: str) -> set[str]:
    """Names loaded by a dumped statement (for deciding whether an initialiser reads what changed)."""
    found = set()
    for part in statement_text.split("Name(id='")[1:]:
        name, _, rest = part.partition("'")
        if rest.startswith(", ctx=Load())"):
            found.add(name)
    return found
