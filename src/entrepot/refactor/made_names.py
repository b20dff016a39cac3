"""What a module's functions, and code that is put together at run time, may do to its names.

Looked for in the whole text, before its top level is followed: a function may be called while the module is initialised.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from entrepot.refactor.statements import is_main_guard
from entrepot.refactor.text import SourceFile

# What is given a list, or a mapping of names, and leaves it as it is.
READERS = frozenset(
    "len print sorted list tuple set frozenset dict min max any all iter enumerate isinstance str repr type zip map "
    "filter eval id vars dir".split()
)
_READING = frozenset("get keys items values copy __contains__ __getitem__ __iter__ __len__".split())
CHANGING = frozenset(
    "append extend insert remove pop clear sort reverse update add __setitem__ __iadd__".split()
)
# A file without any of these words does none of it.
_WORDS = (b"global", b"__all__", b"vars", b"locals", b"exec", b"__name__")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass
class Made:
    """`reason`: why the names cannot be told. `lists`, `bound`: what functions change in place and bind."""

    reason: str | None = None
    lists: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)


def find_made(file: SourceFile) -> Made:
    """Return what can happen to the names of a module besides what its statements say."""
    made = Made()
    if not any(word in file.data for word in _WORDS):
        return made
    tree, has_lists = file.tree, b"__all__" in file.data
    modules = {
        node.targets[0].id
        for node in (ast.walk(tree) if b"modules" in file.data else ())
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_itself(node.value)
    }
    stack: list[tuple[ast.AST, ast.AST, bool]] = [(node, tree, False) for node in tree.body]
    while stack:
        node, parent, inside = stack.pop()
        if isinstance(node, ast.stmt) and not inside and is_main_guard(node):
            continue
        if isinstance(node, _FUNCTIONS):
            if getattr(node, "name", "") == "__getattr__":
                continue  # what it keeps, it keeps when it has been asked
            inside = True
        if inside and isinstance(node, ast.Global):
            made.bound.update(node.names)
        if inside and has_lists:
            made.lists.update(list_changed(node))
        if _makes_names(node, parent, modules, inside=inside):
            made.reason = "it makes names at run time"
        stack += [(child, node, inside) for child in ast.iter_child_nodes(node)]
    return made


def list_changed(node: ast.AST) -> list[str]:
    """Return the names whose objects one node changes in place, or gives away to be changed."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        found.append(node.value)
    elif isinstance(node, ast.Call):
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in CHANGING:
                found.append(node.func.value)
            elif node.func.attr != "join":
                found += given
        elif not (isinstance(node.func, ast.Name) and node.func.id in READERS):
            found += given
    return [inner.id for inner in found if isinstance(inner, ast.Name)]


def _is_itself(node: ast.AST) -> bool:
    """Whether an expression is `sys.modules[__name__]`."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "modules"
        and isinstance(node.slice, ast.Name)
        and node.slice.id == "__name__"
    )


def _makes_names(node: ast.AST, parent: ast.AST, modules: set[str], *, inside: bool) -> bool:
    """Whether a node binds names of the module in a way that its text does not tell."""
    if (isinstance(node, ast.Name) and node.id in modules and isinstance(node.ctx, ast.Load)) or _is_itself(
        node
    ):
        if isinstance(parent, ast.Attribute):
            return not isinstance(parent.ctx, ast.Load) or parent.attr == "__dict__"
        is_set = (
            isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "setattr"
        )
        return is_set or isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    if node.func.id == "exec":
        return not inside and len(node.args) == 1
    if node.func.id != "globals" and (inside or node.args or node.func.id not in ("vars", "locals")):
        return False
    if isinstance(parent, ast.Subscript):
        return not isinstance(parent.ctx, ast.Load)
    if isinstance(parent, ast.Attribute):
        return parent.attr not in _READING
    if isinstance(parent, ast.Call):
        return not (isinstance(parent.func, ast.Name) and parent.func.id in READERS)
    is_read = ast.Compare | ast.For | ast.comprehension | ast.keyword | ast.BinOp | ast.BoolOp | ast.Expr
    return not (isinstance(parent, is_read) and getattr(parent, "arg", None) is None)
