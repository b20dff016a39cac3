"""Follow one module's top level, statement by statement: what binds a name for certain, what may.

Where it is not known which way a program goes, each way is followed by a reader of its own, and what all
of them bind is certain, what some of them bind may be there.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from entrepot.errors import Refused
from entrepot.refactor.known_values import Known, decide_test, find_known_value
from entrepot.refactor.made_names import Made
from entrepot.refactor.namespace import Namespace
from entrepot.refactor.string_lists import Lists, Strings

if TYPE_CHECKING:
    from entrepot.refactor.exports import Exports


class Reader:
    """Follows one module's top level."""

    def __init__(self, exports: Exports, path: str, made: Made) -> None:
        self.exports = exports
        self.path = path
        self.made = made
        self.namespace = Namespace()
        self.lists = Lists(self.fold_other, {*made.lists, *made.bound})
        self.modules: dict[str, str] = {}
        self.known = Known({"__name__": exports.name_of(path)}, self.has_attribute)
        self.is_trying = False  # an import that cannot be found ends what is being read
        self.is_sure = True  # whether every import that was tried is known to succeed

    def branch(self) -> Reader:
        """Return a reader that begins where this one is, for statements that may not run."""
        other = Reader(self.exports, self.path, self.made)
        there, here = other.namespace, self.namespace
        there.bound, there.maybe, there.unknown = dict(here.bound), dict(here.maybe), here.unknown
        other.lists = self.lists.branch(other.fold_other)
        other.modules, other.known.values = dict(self.modules), dict(self.known.values)
        other.is_trying = self.is_trying
        return other

    def join(self, ways: Sequence[Reader]) -> None:
        """Go on from where one of several ways has led."""
        every = {name: None for way in (self, *ways) for name in (*way.namespace.bound, *way.namespace.maybe)}
        bound = {name: None for name in every if all(name in way.namespace.bound for way in ways)}
        some = {name for way in ways for name in (*way.namespace.bound, *way.namespace.maybe)}
        self.namespace.maybe = {name: None for name in every if name in some and name not in bound}
        self.namespace.bound = bound
        for way in ways:
            self.namespace.unknown = self.namespace.unknown or way.namespace.unknown
            self.modules |= way.modules
            self.is_sure = self.is_sure and way.is_sure
        self.lists.join([way.lists for way in ways])
        values = [way.known.values for way in ways]
        same = {n: v for n, v in values[0].items() if all(n in o and o[n] == v for o in values)}
        self.known.values = same

    def has_attribute(self, module: str, name: str) -> bool | None:
        """Whether a module of the standard library that is imported here has a name; None for others."""
        source = self.modules.get(module)
        if source is None or self.exports.locate(source, self.path) != "":
            return None
        try:
            return name in self.exports.ask(source).bound
        except Refused:
            return None

    def bind(self, name: str) -> None:
        self.namespace.bound.setdefault(name)
        self.namespace.maybe.pop(name, None)
        self.known.values.pop(name, None)

    def bind_maybe(self, name: str) -> None:
        self.known.values.pop(name, None)
        if name not in self.namespace.bound:
            self.namespace.maybe.setdefault(name)

    def read_module(self, tree: ast.Module) -> Namespace:
        """Follow a whole module; return what it binds."""
        self.read(tree.body)
        found = self.namespace
        found.unknown = found.unknown or self.made.reason
        for name in sorted(self.made.bound):
            self.bind_maybe(name)  # by a function, when that is called
        exported = self.lists.by_name.get("__all__")
        if exported is not None:
            found.exported = exported.items
            if exported.items is None:
                found.unknown = "its __all__ is made at run time, or depends on a condition"
        return found

    def read(self, body: Sequence[ast.stmt]) -> bool:
        """Follow statements; return False when one of them raises for certain (an import that fails)."""
        return all(self.read_statement(node) for node in body)

    def read_statement(self, node: ast.stmt) -> bool:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr | ast.withitem | ast.keyword | ast.arguments):
                self.find_walrus(child, certain=True)
                if hasattr(node, "body"):
                    self.lists.look_at(child)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bind(node.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if self.is_trying and not self.exports.is_there(alias.name, self.path):
                    return False
                self.bind(alias.asname or alias.name.split(".")[0])
                self.modules[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            return self.read_from(node)
        elif isinstance(node, ast.If):
            return self.read_if(node)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            return self.read_try(node)  # type: ignore[arg-type]
        elif isinstance(node, ast.With):
            return self.read_with(node)
        elif isinstance(node, ast.For | ast.While):
            self.read_loop(node)
        elif isinstance(node, ast.Match):
            self.read_match(node)
        else:
            self.read_simple(node)
        return True

    # -- statements with others in them -----------------------------------------------------

    def read_loop(self, node: ast.For | ast.While) -> None:
        leaves = any(isinstance(inner, ast.Break | ast.Continue) for inner in ast.walk(node))
        items = (
            node.iter.elts
            if isinstance(node, ast.For) and isinstance(node.iter, ast.List | ast.Tuple)
            else []
        )
        runs = bool(items) and not any(isinstance(item, ast.Starred) for item in items)
        way = self.branch()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                way.known.values.pop(inner.id, None)  # what a later turn has found
        if isinstance(node, ast.For):
            way.bind_target(node.target)
        target = way.branch()
        way.read(node.body)
        self.join([way] if runs and not leaves else [way, target] if runs else [way, self.branch()])
        other = self.branch()
        other.read(node.orelse)
        self.join([self.branch(), other] if leaves else [other])

    def read_match(self, node: ast.Match) -> None:
        ways = []
        for case in node.cases:
            way = self.branch()
            for inner in ast.walk(case.pattern):
                name = getattr(inner, "name", None) or getattr(inner, "rest", None)
                if isinstance(name, str):
                    way.bind(name)
            way.read(case.body)
            ways.append(way)
        last = node.cases[-1]
        if last.guard is not None or not (
            isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        ):
            ways.append(self.branch())
        self.join(ways)

    def read_with(self, node: ast.With) -> bool:
        for item in node.items:
            if item.optional_vars is not None:
                self.bind_target(item.optional_vars)
            func = getattr(item.context_expr, "func", None)
            if getattr(func, "attr", getattr(func, "id", "")) == "suppress":
                kinds = ast.Tuple(item.context_expr.args)  # type: ignore[attr-defined]
                handler = ast.ExceptHandler(kinds, None, [ast.Pass()])
                return self.read_try(ast.Try(node.body, [handler], [], []))
        return self.read(node.body)

    def read_if(self, node: ast.If) -> bool:
        value = decide_test(node.test, self.known)
        if value is not None:
            return self.read(node.body if value else node.orelse)
        ways = [self.branch(), self.branch()]
        ended = [way.read(body) for way, body in zip(ways, (node.body, node.orelse), strict=True)]
        going = [way for way, end in zip(ways, ended, strict=True) if end]
        self.join(going or ways)
        return bool(going)

    def read_try(self, node: ast.Try) -> bool:
        inner = self.branch()
        catching = [handler for handler in node.handlers if _catches_import_error(handler)]
        inner.is_trying = bool(catching) or self.is_trying
        if not inner.read(node.body):
            inner.is_trying = self.is_trying
            self.join([inner])
            ends = bool(catching) and self.read(catching[0].body)
            return self.read(node.finalbody) and ends
        is_certain = inner.is_sure and all(self.is_safe(statement) for statement in node.body)
        ways = []
        if not is_certain:
            for handler in node.handlers:
                if not any(isinstance(statement, ast.Raise) for statement in handler.body):
                    way = self.branch()
                    way.join([self.branch(), inner.branch()])  # it may have stopped at any statement
                    way.read(handler.body)
                    ways.append(way)
        inner.is_trying, inner.is_sure = self.is_trying, self.is_sure
        if inner.read(node.orelse):
            ways.insert(0, inner)
        self.join(ways or [inner])
        return self.read(node.finalbody) and bool(ways)

    def is_safe(self, node: ast.stmt) -> bool:
        """Whether a statement cannot fail, as a call can: an import that was found, a definition, a plain value."""
        if isinstance(node, ast.Assign):
            plain = isinstance(node.value, ast.Constant)
            return plain and all(isinstance(target, ast.Name) for target in node.targets)
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Delete):
            return all(isinstance(t, ast.Name) and t.id in self.namespace.bound for t in node.targets)
        return isinstance(
            node,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass,
        )

    # -- imports ----------------------------------------------------------------------------

    def read_from(self, node: ast.ImportFrom) -> bool:
        source = self.exports.source_of(node, self.path)
        if source is None:
            if not self.is_trying:
                self.namespace.unknown = "a relative import that leads nowhere"
            return False
        if self.is_trying and not self.exports.is_there(source, self.path):
            return False
        for alias in node.names:
            if alias.name == "*":
                self.read_star(source)
                continue
            if self.is_trying:
                has_it = self.exports.has_name(source, alias.name, self.path)
                if has_it is False:
                    return False
                self.is_sure = self.is_sure and has_it is True
            self.bind(alias.asname or alias.name)
            self.modules[alias.asname or alias.name] = f"{source}.{alias.name}"
            if alias.name == "__all__":
                found = self.exports.get(source, self.path).exported
                self.lists.set(
                    alias.asname or "__all__", None if found is None else Strings(list(found), is_list=True)
                )
        if node.level == 1 and node.module and os.path.basename(self.path) == "__init__.py":
            self.bind(node.module.split(".")[0])
        return True

    def read_star(self, source: str) -> None:
        try:
            names, perhaps = self.exports.get(source, self.path).star_names()
        except Refused as error:
            self.namespace.unknown = error.reason
            return
        for name in names:
            self.bind(name)
        for name in perhaps:
            self.bind_maybe(name)

    # -- statements without others in them ----------------------------------------------------

    def read_simple(self, node: ast.stmt) -> None:
        self.lists.follow(node)
        if isinstance(node, ast.Assign):
            self.bind_values(node.targets, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.bind_values([node.target], node.value)
        elif isinstance(node, ast.AugAssign):
            self.bind_target(node.target)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    for known in (
                        self.namespace.bound,
                        self.namespace.maybe,
                        self.known.values,
                        self.lists.by_name,
                    ):
                        known.pop(target.id, None)
        elif type(node).__name__ == "TypeAlias":
            self.bind_target(node.name)  # type: ignore[attr-defined]

    def bind_values(self, targets: Sequence[ast.expr], value: ast.expr) -> None:
        known, whole = decide_test(value, self.known), find_known_value(value, self.known)
        for target in targets:
            self.bind_target(target)
            if isinstance(target, ast.Name) and target.id not in self.made.bound:
                if whole is not None or known is not None:
                    self.known.values[target.id] = known if whole is None else whole

    def bind_target(self, target: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.bind(target.id)
        elif isinstance(target, ast.Tuple | ast.List):
            for item in target.elts:
                self.bind_target(item)
        elif isinstance(target, ast.Starred):
            self.bind_target(target.value)

    def find_walrus(self, node: ast.AST, *, certain: bool) -> None:
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.NamedExpr):
            (self.bind if certain else self.bind_maybe)(node.target.id)
        certain = certain and not isinstance(node, ast.BoolOp | ast.IfExp | ast.comprehension | ast.ListComp)
        certain = certain and not isinstance(node, ast.SetComp | ast.DictComp | ast.GeneratorExp)
        for child in ast.iter_child_nodes(node):
            self.find_walrus(child, certain=certain)

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


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {k.id if isinstance(k, ast.Name) else getattr(k, "attr", "") for k in kinds}
    return bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
