"""Follow one module's top level, statement by statement: what binds a name for certain, what may."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

from entrepot.errors import Refused
from entrepot.refactor.known_values import Known, decide_test, find_known_value
from entrepot.refactor.namespace import Namespace

if TYPE_CHECKING:
    from entrepot.refactor.exports import Exports


class Reader:
    """Follows one module's top level."""

    def __init__(self, exports: Exports, path: str) -> None:
        self.exports = exports
        self.path = path
        self.namespace = Namespace()
        self.lists: dict[str, list[str] | None] = {}
        self.modules: dict[str, str] = {}
        self.known = Known(has_attribute=self.has_attribute)
        self.is_trying = False  # an import that cannot be found ends what is being read

    def has_attribute(self, module: str, name: str) -> bool | None:
        """Whether a module of the standard library that is imported here has a name; None for others."""
        source = self.modules.get(module)
        if source is None or self.exports.locate(source, self.path) != "":
            return None
        try:
            return name in self.exports.ask(source).bound
        except Refused:
            return None

    def bind(self, name: str, certain: bool) -> None:
        if certain:
            self.namespace.bound.setdefault(name)
            self.namespace.maybe.pop(name, None)
        elif name not in self.namespace.bound:
            self.namespace.maybe.setdefault(name)

    def read(self, body: list[ast.stmt], certain: bool) -> bool:
        """Follow statements; return False when one of them raises for certain (an import that fails)."""
        return all(self.read_statement(node, certain) for node in body)

    def read_statement(self, node: ast.stmt, certain: bool) -> bool:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bind(node.name, certain)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if self.is_trying and self.exports.locate(alias.name, self.path) is None:
                    return False
                self.bind(alias.asname or alias.name.split(".")[0], certain)
                self.modules[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            return self.read_from(node, certain)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self.namespace.bound.pop(target.id, None)
                    self.namespace.maybe.pop(target.id, None)
        elif isinstance(node, ast.If):
            self.read_if(node, certain)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            self.read_try(node, certain)  # type: ignore[arg-type]
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars is not None:
                    self.bind_target(item.optional_vars, certain)
            self.read(node.body, certain)
        elif isinstance(node, ast.For | ast.While | ast.AsyncFor):
            self.read_loop(node, certain)
        elif isinstance(node, ast.Match):
            for case in node.cases:
                for inner in ast.walk(case.pattern):
                    name = getattr(inner, "name", None) or getattr(inner, "rest", None)
                    if isinstance(name, str):
                        self.bind(name, False)
                self.read(case.body, False)
        else:
            self.read_simple(node, certain)
        return True

    def read_loop(self, node: ast.For | ast.While | ast.AsyncFor, certain: bool) -> None:
        runs = (
            certain
            and isinstance(node, ast.For)
            and isinstance(node.iter, ast.List | ast.Tuple)
            and node.iter.elts
        )
        if isinstance(node, ast.For | ast.AsyncFor):
            self.bind_target(node.target, bool(runs))
        self.read(node.body, bool(runs))
        self.read(node.orelse, certain and not any(isinstance(n, ast.Break) for n in ast.walk(node)))

    def read_if(self, node: ast.If, certain: bool) -> None:
        value = decide_test(node.test, self.known)
        self.find_walrus(node.test, certain)
        if value is None and isinstance(node.test, ast.Compare):
            left = node.test.left
            if isinstance(left, ast.Name) and left.id == "__name__":
                value = False
        if value is not None:
            self.read(node.body if value else node.orelse, certain)
            return
        one, two = Reader(self.exports, self.path), Reader(self.exports, self.path)
        for reader, body in ((one, node.body), (two, node.orelse)):
            reader.lists, reader.modules = dict(self.lists), dict(self.modules)
            reader.known.values, reader.is_trying = dict(self.known.values), self.is_trying
            reader.read(body, True)
        self.merge(one, two, certain)

    def merge(self, one: Reader, two: Reader, certain: bool) -> None:
        both = one.namespace.bound.keys() & two.namespace.bound.keys()
        for reader in (one, two):
            for name in reader.namespace.bound:
                self.bind(name, certain and name in both)
            for name in reader.namespace.maybe:
                self.bind(name, False)
            self.modules |= reader.modules
            self.namespace.unknown = self.namespace.unknown or reader.namespace.unknown
        if one.namespace.exported is not None or two.namespace.exported is not None:
            if one.namespace.exported == two.namespace.exported:
                self.namespace.exported = one.namespace.exported
            else:
                self.namespace.exported = None
                self.namespace.unknown = "its __all__ depends on a condition"
        if one.lists.get("__all__") != two.lists.get("__all__"):
            self.lists["__all__"] = None
            self.namespace.exported = None
            self.namespace.unknown = "its __all__ depends on a condition"

    def read_try(self, node: ast.Try, certain: bool) -> None:
        inner = Reader(self.exports, self.path)
        inner.lists, inner.modules = dict(self.lists), dict(self.modules)
        inner.namespace.exported = self.namespace.exported
        inner.known.values, inner.is_trying = dict(self.known.values), True
        succeeds = inner.read(node.body, True)
        only_imports = all(isinstance(n, ast.Import | ast.ImportFrom) for n in node.body)
        catches = any(_catches_import_error(handler) for handler in node.handlers)
        if not succeeds and catches:
            for name in inner.namespace.bound:
                self.bind(name, certain)
            for handler in node.handlers:
                if _catches_import_error(handler):
                    self.read(handler.body, certain)
                    break
        elif only_imports or not node.handlers:
            self.read(node.body, certain)
            self.read(node.orelse, certain)
        else:
            self.lists = inner.lists
            self.modules = inner.modules
            self.namespace.exported = inner.namespace.exported
            inner.read(node.orelse, True)
            handled: set[str] | None = None
            for handler in node.handlers:
                other = Reader(self.exports, self.path)
                other.read(handler.body, True)
                stops = any(isinstance(n, ast.Raise) for n in handler.body)
                if not stops:
                    names = set(other.namespace.bound)
                    handled = names if handled is None else handled & names
                for name in other.namespace.bound:
                    self.bind(name, False)
            # A definition cannot fail; a call can.
            safe = all(
                isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for n in node.body
            )
            for name in inner.namespace.bound:
                self.bind(name, certain and (safe or handled is None or name in handled))
            for name in inner.namespace.maybe:
                self.bind(name, False)
        self.read(node.finalbody, certain)

    def read_from(self, node: ast.ImportFrom, certain: bool) -> bool:
        source = self.exports.source_of(node, self.path)
        if source is None or source == "__future__":
            for alias in node.names:
                self.bind(alias.asname or alias.name, certain)
            return source is not None or not self.is_trying
        path = self.exports.locate(source, self.path)
        if path is None and self.is_trying and not self.exports.project.has_folder(source, self.path):
            return False
        for alias in node.names:
            if alias.name == "*":
                self.read_star(source, certain)
            else:
                self.bind(alias.asname or alias.name, certain)
                self.modules[alias.asname or alias.name] = f"{source}.{alias.name}"
                if alias.name == "__all__":
                    found = self.exports.get(source, self.path).exported
                    self.lists[alias.asname or "__all__"] = None if found is None else list(found)
        if node.level == 1 and node.module and os.path.basename(self.path) == "__init__.py":
            first = node.module.split(".")[0]
            self.bind(first, certain)
        return True

    def read_star(self, source: str, certain: bool) -> None:
        try:
            names, perhaps = self.exports.get(source, self.path).star_names()
        except Refused as error:
            self.namespace.unknown = error.reason
            return
        for name in names:
            self.bind(name, certain)
        for name in perhaps:
            self.bind(name, False)

    def read_simple(self, node: ast.stmt, certain: bool) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.bind_target(target, certain)
                if isinstance(target, ast.Name):
                    self.set_list(target.id, self.fold(node.value))
                    known = decide_test(node.value, self.known)
                    whole = find_known_value(node.value, self.known)
                    self.known.values.pop(target.id, None)
                    if whole is not None or known is not None:
                        self.known.values[target.id] = known if whole is None else whole
                elif _touches_namespace(target):
                    self.namespace.unknown = "it makes names at run time"
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.bind_target(node.target, certain)
                if isinstance(node.target, ast.Name):
                    self.set_list(node.target.id, self.fold(node.value))
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Name) and node.target.id in self.lists:
                have, more = self.lists[node.target.id], self.fold(node.value)
                self.set_list(node.target.id, None if have is None or more is None else have + more)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.read_call(node.value)
        elif type(node).__name__ == "TypeAlias":
            self.bind_target(node.name, certain)  # type: ignore[attr-defined]
        for child in ast.iter_child_nodes(node):
            self.find_walrus(child, certain)

    def find_walrus(self, node: ast.AST, certain: bool) -> None:
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            return
        if isinstance(node, ast.NamedExpr):
            self.bind(node.target.id, certain)
        for child in ast.iter_child_nodes(node):
            self.find_walrus(child, certain)

    def read_call(self, call: ast.Call) -> None:
        func = call.func
        if not isinstance(func, ast.Attribute):
            return
        if _touches_namespace(func.value) and func.attr in ("update", "setdefault", "pop", "__setitem__"):
            self.namespace.unknown = "it makes names at run time"
        if not isinstance(func.value, ast.Name) or func.value.id not in self.lists:
            return
        name = func.value.id
        have = self.lists[name]
        more = self.fold(call.args[0]) if call.args and func.attr == "extend" else None
        single = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        if have is None:
            return
        if func.attr == "extend":
            self.set_list(name, None if more is None else have + more)
        elif func.attr == "append" and isinstance(single, str):
            self.set_list(name, [*have, single])
        elif func.attr == "remove" and isinstance(single, str):
            self.set_list(name, [item for item in have if item != single])
        elif func.attr == "sort":
            self.set_list(name, sorted(have))
        elif name == "__all__":
            self.set_list(name, None)

    def set_list(self, name: str, value: list[str] | None) -> None:
        self.lists[name] = value
        if name == "__all__":
            self.namespace.exported = value
            if value is None:
                self.namespace.unknown = "its __all__ is made at run time"

    def fold(self, node: ast.expr) -> list[str] | None:
        """Return the strings of a list expression, None when they cannot be told."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            found: list[str] = []
            for item in node.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    found.append(item.value)
                elif isinstance(item, ast.Starred):
                    inner = self.fold(item.value)
                    if inner is None:
                        return None
                    found += inner
                elif (
                    isinstance(item, ast.Attribute)
                    and item.attr == "__name__"
                    and isinstance(item.value, ast.Name)
                ):
                    found.append(item.value.id)
                else:
                    return None
            return found
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            one, two = self.fold(node.left), self.fold(node.right)
            return None if one is None or two is None else one + two
        if isinstance(node, ast.Name):
            value = self.lists.get(node.id)
            return None if value is None else list(value)
        if isinstance(node, ast.Attribute) and node.attr == "__all__":
            return self.fold_other(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            if node.func.id in ("list", "tuple", "sorted", "set"):
                inner = self.fold(node.args[0])
                return sorted(inner) if inner is not None and node.func.id == "sorted" else inner
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            value_node = node.func.value
            if isinstance(value_node, ast.Constant) and isinstance(value_node.value, str) and not node.args:
                return value_node.value.split()
        return None

    def fold_other(self, node: ast.expr) -> list[str] | None:
        """Return another module's `__all__`."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        candidates = [self.modules.get(".".join([node.id, *parts])), self.modules.get(node.id)]
        names = [candidates[0], ".".join([candidates[1], *parts]) if candidates[1] else None]
        if os.path.basename(self.path) == "__init__.py":
            names.append(".".join([self.exports.name_of(self.path), node.id, *parts]))
        for name in names:
            if name is None:
                continue
            try:
                found = self.exports.get(name, self.path).exported
            except Refused:
                continue
            if found is not None:
                return list(found)
        return None

    def bind_target(self, target: ast.expr, certain: bool) -> None:
        if isinstance(target, ast.Name):
            self.bind(target.id, certain)
        elif isinstance(target, ast.Tuple | ast.List):
            for item in target.elts:
                self.bind_target(item, certain)
        elif isinstance(target, ast.Starred):
            self.bind_target(target.value, certain)


def _touches_namespace(node: ast.expr) -> bool:
    """Whether an expression is `globals()`, `vars()` or an item of one."""
    if isinstance(node, ast.Subscript):
        node = node.value
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("globals", "vars", "locals")
        and not node.args
    )


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {k.id if isinstance(k, ast.Name) else getattr(k, "attr", "") for k in kinds}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
