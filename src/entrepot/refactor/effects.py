"""Which module-level statements do more than define: what an order of initialisation can show.

A statement is *loud* when running it earlier or later could be seen: it prints, reads, writes,
or changes an object that another statement made. Calls of the file's own functions and classes
are followed. Calls into other modules are taken as quiet unless their names say otherwise
(print, open, write, append, ...); this is an estimate and errs on the quiet side for them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from entrepot.refactor.statements import Statement, is_docstring, is_main_guard, is_type_checking

_LOUD_CALLS = frozenset(
    {"print", "input", "open", "exec", "eval", "next", "setattr", "delattr", "exit", "quit"}
)
_LOUD_METHODS = frozenset(
    "write writelines append add update extend insert pop popitem remove clear discard setdefault register "
    "connect start run sleep time perf_counter monotonic random randint choice shuffle seed read readline "
    "basicConfig addHandler setLevel mkdir makedirs unlink system call check_call check_output Popen "
    "info debug warning error critical exception warn".split()
)


class Effects:
    """What the statements of one file do when they run."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        for statement in statements:
            node = statement.node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
        self._busy: set[str] = set()

    def is_loud(self, node: ast.stmt) -> bool:
        """Whether it could be seen when this statement ran at another time."""
        if is_main_guard(node) or is_docstring(node) or is_type_checking(node):
            return False
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
            return False
        return any(self._is_loud_part(part) for part in _walk_import_time(node))

    def _is_loud_part(self, part: ast.AST) -> bool:
        if isinstance(part, ast.Call):
            return self._is_loud_call(part.func)
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if any(
                not isinstance(d, ast.Call) and self._is_loud_call(d, decorator=True)
                for d in part.decorator_list
            ):
                return True
            return isinstance(part, ast.ClassDef) and any(self._registers(base) for base in part.bases)
        if isinstance(part, ast.Assign):
            return any(isinstance(t, ast.Subscript | ast.Attribute) for t in part.targets)
        if isinstance(part, ast.AugAssign):
            return not isinstance(part.value, ast.Constant)
        return isinstance(part, ast.Delete | ast.Raise | ast.With | ast.While)

    def _is_loud_call(self, func: ast.expr, *, decorator: bool = False) -> bool:
        if isinstance(func, ast.Name):
            if func.id in _LOUD_CALLS:
                return True
            return self._is_loud_function(func.id)
        if isinstance(func, ast.Attribute):
            return func.attr in _LOUD_METHODS and not (decorator and func.attr == "register")
        if isinstance(func, ast.Call):
            return self._is_loud_call(func.func)
        return False

    def _is_loud_function(self, name: str) -> bool:
        if name in self._busy:
            return False
        self._busy.add(name)
        try:
            if name in self.classes:
                return self._is_loud_class(self.classes[name])
            bodies = self.functions.get(name, ())
            return any(self._is_loud_body(body) for body in bodies)
        finally:
            self._busy.discard(name)

    def _is_loud_body(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        local = {arg.arg for arg in [*function.args.args, *function.args.kwonlyargs]}
        made = {
            target.id
            for inner in ast.walk(function)
            if isinstance(inner, ast.Assign)
            for target in inner.targets
            if isinstance(target, ast.Name)
        }
        for inner in ast.walk(function):
            if isinstance(inner, ast.Global):
                return True
            if isinstance(inner, ast.Call):
                func = inner.func
                root: ast.expr = func
                while isinstance(root, ast.Attribute):
                    root = root.value
                if isinstance(func, ast.Attribute) and isinstance(root, ast.Name) and root.id in made | local:
                    continue
                if self._is_loud_call(func):
                    return True
            if isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
                if isinstance(inner.value, ast.Name) and inner.value.id not in made | local:
                    return True
        return False

    def _is_loud_class(self, node: ast.ClassDef) -> bool:
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name in ("__init__", "__new__", "__post_init__"):
                if self._is_loud_body(inner):
                    return True
        return any(isinstance(b, ast.Name) and self._is_loud_function(b.id) for b in node.bases)

    def _registers(self, base: ast.expr) -> bool:
        """Whether deriving from `base` runs code that changes something (`__init_subclass__`, metaclass)."""
        if not isinstance(base, ast.Name) or base.id not in self.classes:
            return False
        node = self.classes[base.id]
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init_subclass__":
                return True
        for keyword in node.keywords:
            if keyword.arg == "metaclass" and isinstance(keyword.value, ast.Name):
                meta = self.classes.get(keyword.value.id)
                if meta is not None and any(
                    isinstance(i, ast.FunctionDef) and i.name in ("__new__", "__init__", "__prepare__")
                    for i in meta.body
                ):
                    return True
        return any(self._registers(around) for around in node.bases)


def _walk_import_time(node: ast.AST) -> Iterable[ast.AST]:
    """Yield the nodes that run when the statement runs: not the bodies of functions."""
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            stack.extend(part.decorator_list)
            stack.extend(d for d in [*part.args.defaults, *part.args.kw_defaults] if d is not None)
        elif not isinstance(part, ast.Lambda):
            stack.extend(ast.iter_child_nodes(part))
