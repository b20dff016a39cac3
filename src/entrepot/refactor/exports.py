"""Which names `from module import *` brings, found without running the module.

A module's top level is followed statement by statement: what certainly binds a name, what may,
what deletes it. Conditions on the Python version, the platform and TYPE_CHECKING are decided,
and so is `try: import x` where x can or cannot be found. `__all__` is folded from literals,
sums, `+=`, `append`, `extend`, `remove` and other modules' `__all__`.

Modules of the standard library that are not files of the project are asked by importing them in
a fresh interpreter (`-I -S`); code of the project or of installed packages is never run.

What cannot be decided is said: names bound only perhaps are in `maybe`, and a module that
makes names at run time (`globals().update(...)`) raises Refused.
"""

from __future__ import annotations

import ast
import json
import operator
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import Refused
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile


@dataclass
class Namespace:
    """What a module's top level binds, in order. `exported` is `__all__`, None without one."""

    bound: dict[str, None] = field(default_factory=dict)
    maybe: dict[str, None] = field(default_factory=dict)
    exported: list[str] | None = None
    unknown: str | None = None  # why the names cannot be told

    def star_names(self) -> tuple[list[str], list[str]]:
        """Return the names a star import brings: certainly, perhaps."""
        if self.exported is not None:
            return list(dict.fromkeys(self.exported)), []
        certain = [name for name in self.bound if not name.startswith("_")]
        return certain, [name for name in self.maybe if not name.startswith("_") and name not in self.bound]


class Exports:
    """Answers for one project, remembering what it found."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.known: dict[str, Namespace] = {}
        self.asked: dict[str, Namespace] = {}
        self.busy: set[str] = set()
        self.outside: dict[str, SourceFile] = {}

    # -- finding ---------------------------------------------------------------------------

    def locate(self, name: str, importer: str) -> str | None:
        """Return a module's file, in the project or on `sys.path`; "" for one that must be asked; None."""
        found = self.project.find_module(name, importer)
        if found is not None:
            return found
        top = name.split(".")[0]
        if top in sys.builtin_module_names or top in sys.stdlib_module_names:
            return ""
        if self.project.has_folder(name, importer):
            return None
        for folder in sys.path:
            if not folder or not os.path.isdir(folder):
                continue
            base = os.path.join(folder, *name.split("."))
            for candidate in (os.path.join(base, "__init__.py"), base + ".py"):
                if os.path.isfile(candidate):
                    return candidate
        return None

    def file(self, path: str) -> SourceFile:
        if path in self.project:
            return self.project.file(path)
        if path not in self.outside:
            with open(path, "rb") as stream:
                self.outside[path] = SourceFile(path, stream.read())
        return self.outside[path]

    def name_of(self, path: str) -> str:
        if path in self.project:
            return self.project.name_of(path)
        parts: list[str] = []
        folder, name = os.path.split(path)
        if name != "__init__.py":
            parts.append(name[:-3])
        while os.path.isfile(os.path.join(folder, "__init__.py")):
            folder, last = os.path.split(folder)
            parts.insert(0, last)
        return ".".join(parts)

    def source_of(self, node: ast.ImportFrom, path: str) -> str | None:
        """Return the absolute name that a from-import takes from."""
        if not node.level:
            return node.module
        package = self.name_of(path)
        if os.path.basename(path) != "__init__.py":
            package = package.rpartition(".")[0]
        parts = package.split(".") if package else []
        if not parts or node.level - 1 > len(parts):
            return None
        base = parts[: len(parts) - (node.level - 1)]
        return ".".join([*base, node.module] if node.module else base)

    def get(self, name: str, importer: str) -> Namespace:
        """Return a module's namespace. Raises Refused when it cannot be told."""
        path = self.locate(name, importer)
        if path is None:
            raise Refused(f"the module {name} cannot be found")
        if path == "":
            return self.ask(name)
        return self.of_file(path)

    def of_file(self, path: str) -> Namespace:
        found = self.known.get(path)
        if found is None:
            if path in self.busy:
                return Namespace(unknown="it imports itself by star")
            self.busy.add(path)
            try:
                reader = _Reader(self, path)
                reader.read(self.file(path).tree.body, True)
                found = self.known[path] = reader.namespace
                if os.path.basename(path) == "__init__.py" and found.exported is None:
                    for name in self.find_loaded_submodules(path):
                        found.bound.setdefault(name)
            finally:
                self.busy.discard(path)
        if found.unknown is not None and found.exported is None:
            raise Refused(f"the names of {self.name_of(path)} cannot be told: {found.unknown}")
        return found

    def find_loaded_submodules(self, path: str) -> list[str]:
        """Return the submodules that a package's own initialisation loads: they become its attributes."""
        package = self.name_of(path)
        seen: set[str] = set()
        stack = [path]
        found: dict[str, None] = {}
        while stack:
            here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            try:
                tree = self.file(here).tree
            except Refused:
                continue
            for name in _import_time_modules(self, tree.body, here):
                there = self.locate(name, here)
                if not there:
                    continue
                if name.startswith(package + "."):
                    found.setdefault(name[len(package) + 1 :].split(".")[0])
                if there in self.project or name.startswith(package + "."):
                    stack.append(there)
        return list(found)

    def ask(self, name: str) -> Namespace:
        """Ask a fresh interpreter for the names of a module of the standard library."""
        if name not in self.asked:
            code = (
                "import json, sys, importlib\n"
                f"m = importlib.import_module({name!r})\n"
                "print(json.dumps([getattr(m, '__all__', None), list(vars(m))]))"
            )
            try:
                done = subprocess.run(
                    [sys.executable, "-I", "-S", "-c", code], capture_output=True, timeout=60, check=False
                )
                exported, bound = json.loads(done.stdout.decode().splitlines()[-1])
            except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
                raise Refused(
                    f"the module {name} cannot be imported here, so its names cannot be told"
                ) from None
            self.asked[name] = Namespace(dict.fromkeys(bound), {}, exported and list(exported))
        return self.asked[name]


def read_namespace(exports: Exports, path: str) -> Namespace:
    """Return what a file's top level binds, whatever its `__all__` says; no error where it cannot be told."""
    reader = _Reader(exports, path)
    reader.read(exports.file(path).tree.body, True)
    return reader.namespace


def _import_time_modules(exports: Exports, body: list[ast.stmt], path: str) -> list[str]:
    found: list[str] = []
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                found += [".".join(parts[: count + 1]) for count in range(len(parts))]
        elif isinstance(node, ast.ImportFrom):
            source = exports.source_of(node, path)
            if source is not None:
                found.append(source)
                found += [f"{source}.{alias.name}" for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            if isinstance(node, ast.If) and decide_test(node.test) is False:
                found += _import_time_modules(exports, node.orelse, path)
                continue
            for name in ("body", "orelse", "finalbody"):
                found += _import_time_modules(exports, getattr(node, name, []), path)
            for handler in getattr(node, "handlers", ()):
                found += _import_time_modules(exports, handler.body, path)
    return found


Values = dict[str, object]  # names of constants that are known


def decide_test(test: ast.expr, values: Values | None = None) -> bool | None:
    """Return what a condition is on this Python and platform, None when that cannot be told."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = decide_test(test.operand, values)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        decided = [decide_test(value, values) for value in test.values]
        stop = isinstance(test.op, ast.Or)
        if stop in decided:
            return stop
        return None if None in decided else not stop
    if isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING":
        return False
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
        value = _known_value(test.func.value, values)
        if isinstance(value, str) and test.args and isinstance(test.args[0], ast.Constant):
            return value.startswith(str(test.args[0].value))
        return None
    known = _known_value(test, values)
    return None if known is None else bool(known)


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, two: one in two,
    ast.NotIn: lambda one, two: one not in two,
}
_FACTS: dict[tuple[str, str], object] = {
    ("sys", "version_info"): tuple(sys.version_info),
    ("sys", "platform"): sys.platform,
    ("sys", "maxsize"): sys.maxsize,
    ("sys", "byteorder"): sys.byteorder,
    ("os", "name"): os.name,
}


def _known_value(node: ast.expr, values: Values | None = None) -> Any:
    """Return the value of a literal or of a fact about this Python, None when it cannot be told."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id == "__name__":
            return "the module's own name"
        return {"TYPE_CHECKING": False, "__debug__": True, **(values or {})}.get(node.id)
    if isinstance(node, ast.Tuple):
        items = [_known_value(item, values) for item in node.elts]
        return None if None in items else tuple(items)
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and (node.value.id, node.attr) in _FACTS:
            return _FACTS[node.value.id, node.attr]
        if node.attr in ("major", "minor"):
            inner = _known_value(node.value, values)
            return inner[0 if node.attr == "major" else 1] if isinstance(inner, tuple) else None
        return None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "tuple"
        and node.args
    ):
        inner = _known_value(node.args[0], values)
        return inner if isinstance(inner, tuple) else None
    try:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            one, two = _known_value(node.left, values), _known_value(node.comparators[0], values)
            compare = _COMPARISONS.get(type(node.ops[0]))
            return None if one is None or two is None or compare is None else compare(one, two)
        if isinstance(node, ast.Subscript):
            inner = _known_value(node.value, values)
            if isinstance(inner, tuple | str):
                return inner[_slice_of(node.slice)]
    except (TypeError, IndexError, ValueError):
        return None
    return None


def _slice_of(node: ast.expr) -> Any:
    """Return a literal subscript as an int or a slice; raises ValueError for another."""
    if isinstance(node, ast.Slice):
        return slice(
            *(
                None if part is None else ast.literal_eval(part)
                for part in (node.lower, node.upper, node.step)
            )
        )
    return ast.literal_eval(node)


class _Reader:
    """Follows one module's top level."""

    def __init__(self, exports: Exports, path: str) -> None:
        self.exports = exports
        self.path = path
        self.namespace = Namespace()
        self.lists: dict[str, list[str] | None] = {}
        self.modules: dict[str, str] = {}
        self.values: Values = {}
        self.is_trying = False  # an import that cannot be found ends what is being read

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
        value = decide_test(node.test, self.values)
        self.find_walrus(node.test, certain)
        if value is None and isinstance(node.test, ast.Compare):
            left = node.test.left
            if isinstance(left, ast.Name) and left.id == "__name__":
                value = False
        if value is not None:
            self.read(node.body if value else node.orelse, certain)
            return
        one, two = _Reader(self.exports, self.path), _Reader(self.exports, self.path)
        for reader, body in ((one, node.body), (two, node.orelse)):
            reader.lists, reader.modules = dict(self.lists), dict(self.modules)
            reader.values, reader.is_trying = dict(self.values), self.is_trying
            reader.read(body, True)
        self.merge(one, two, certain)

    def merge(self, one: _Reader, two: _Reader, certain: bool) -> None:
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
        inner = _Reader(self.exports, self.path)
        inner.lists, inner.modules = dict(self.lists), dict(self.modules)
        inner.namespace.exported = self.namespace.exported
        inner.values, inner.is_trying = dict(self.values), True
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
                other = _Reader(self.exports, self.path)
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
                    known = decide_test(node.value, self.values)
                    whole = _known_value(node.value, self.values)
                    self.values.pop(target.id, None)
                    if whole is not None or known is not None:
                        self.values[target.id] = known if whole is None else whole
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
