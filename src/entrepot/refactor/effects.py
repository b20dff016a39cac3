"""Which module-level statements do more than define: what an order of initialisation can show.

A statement is *loud* when running it earlier or later could be seen: it prints, reads, writes,
or changes an object that another statement made. Calls of the file's own functions and classes
are followed. Calls into other modules are taken as quiet unless their names say otherwise
(print, open, write, append, ...); this is an estimate and errs on the quiet side for them.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable

from entrepot.refactor.changers import find_instances, name_of_root, root_of
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

_PLAIN_DECORATORS = frozenset(
    "property staticmethod classmethod functools dataclass dataclasses contextlib contextmanager asynccontextmanager "
    "wraps lru_cache cache cached_property total_ordering singledispatch typing overload final abc abstractmethod "
    "enum unique attr attrs define frozen".split()
)


class Effects:
    """What the statements of one file do when they run."""

    def __init__(self, statements: Iterable[Statement], loud_imports: Container[str] = ()) -> None:
        self.loud_imports = loud_imports  # functions of other modules, as the file calls them
        self.functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.methods: dict[str, list[ast.FunctionDef]] = {}  # of all classes
        statements = list(statements)
        self.instances = find_instances(statement.node for statement in statements)
        for statement in statements:
            node = statement.node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        self.methods.setdefault(inner.name, []).append(inner)
        self._busy: set[str] = set()

    def is_loud(self, node: ast.stmt) -> bool:
        """Whether it could be seen when this statement ran at another time."""
        if is_main_guard(node) or is_docstring(node) or is_type_checking(node):
            return False
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
            return False
        return any(self._is_loud_part(part) for part in _walk_import_time(node))

    def is_loud_name(self, name: str) -> bool:
        """Whether a call of one of the file's functions or classes could be seen."""
        return self._is_loud_function(name)

    def is_active(self, node: ast.stmt) -> bool:
        """Whether it could be missed if this statement did not run: it is loud, or hands something to others."""
        if self.is_loud(node):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return not isinstance(node.value.func, ast.Name) or node.value.func.id not in self.functions
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return False
        # A decorator of another module may keep what it is given: a route, a command, a fixture.
        roots = {getattr(root_of(d, through_calls=True), "id", "") for d in node.decorator_list}
        return bool(roots - self.functions.keys() - self.classes.keys() - _PLAIN_DECORATORS)

    def _is_loud_part(self, part: ast.AST) -> bool:
        if isinstance(part, ast.Call):
            return self._is_loud_call(part.func)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Load):
            return self._is_loud_method(part.attr, part, is_property=True)
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

    def _is_loud_call(self, func: ast.expr, *, decorator: bool = False, is_followed: bool = True) -> bool:
        if isinstance(func, ast.Name | ast.Attribute) and ast.unparse(func) in self.loud_imports:
            return True
        if isinstance(func, ast.Name):
            if func.id in _LOUD_CALLS:
                return True
            is_own = func.id in self.functions or func.id in self.classes
            return self._is_loud_function(func.id) or (
                is_followed and not is_own and self._is_loud_method("__call__", func)
            )
        if isinstance(func, ast.Attribute):
            is_loud = func.attr in _LOUD_METHODS and not (decorator and func.attr == "register")
            return is_loud or (is_followed and self._is_loud_method(func.attr, func))
        if isinstance(func, ast.Call):
            return self._is_loud_call(func.func, is_followed=is_followed)
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

    def _is_loud_method(self, name: str, of: ast.expr, *, is_property: bool = False) -> bool:
        """Whether some class has a loud method of this name, and an object may be one of it."""
        root = name_of_root(of)
        if not (root in self.instances or root in self.classes or root in ("self", "cls")):
            return False
        found = [m for m in self.methods.get(name, ()) if m.decorator_list or not is_property]
        mark = f".{name}"
        if not found or mark in self._busy:
            return False
        self._busy.add(mark)
        try:
            return any(self._is_loud_body(method) for method in found)
        finally:
            self._busy.discard(mark)

    def _is_loud_body(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        local = {arg.arg for arg in [*function.args.args, *function.args.kwonlyargs]}
        made = {
            target.id
            for inner in ast.walk(function)
            if isinstance(inner, ast.Assign)
            for target in inner.targets
            if isinstance(target, ast.Name)
        }
        at_once = {id(inner) for part in function.body for inner in _walk_import_time(part)}
        for inner in ast.walk(function):
            if isinstance(inner, ast.Global):
                return True
            if isinstance(inner, ast.Call):
                func = inner.func
                root = root_of(func, through_calls=True)
                # A function inside may be called later or never: only what is plain to see counts in it.
                is_followed = id(inner) in at_once
                if isinstance(func, ast.Attribute) and isinstance(root, ast.Name) and root.id in made | local:
                    if is_followed and root.id in ("self", "cls") and self._is_loud_method(func.attr, root):
                        return True
                    continue
                if self._is_loud_call(func, is_followed=is_followed):
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
