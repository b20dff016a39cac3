"""Which names a module's top level binds, how, and which of them a star import takes.

Read from the tree, in the order of the text, through every block that runs at import time.
`read_bindings` gives for each name its bindings (kind, place, and for imports what is fetched),
the star imports, what can be seen of `__all__` (literals, `+=`, `append`, `extend`, `remove`,
sums with another module's `__all__`), and whether more names may come at run time (`globals()`,
`exec`, `setattr` on the module, a module `__getattr__`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from entrepot.program.conditions import (
    ALWAYS,
    CONDITIONAL,
    EAGER,
    GUARDED,
    NEVER,
    TYPING,
    Target,
    Verdict,
    join_whens,
    judge,
    judge_branch,
)
from entrepot.program.statements import is_suppress


class Binding(NamedTuple):
    """One place that binds a name at a module's top level.

    kind: "function", "class", "variable" or "import". line from 1, column in UTF-8 bytes from 0,
    end_line the last line of the statement. For an import: level, module and fetched say
    `from module import fetched` (fetched is "" for `import module`). is_type_only: under TYPE_CHECKING.
    """

    name: str
    kind: str
    line: int
    column: int
    end_line: int
    level: int = 0
    module: str = ""
    fetched: str = ""
    when: str = EAGER
    is_as: bool = False


class Bindings:
    """The names of one module's top level.

    stars: (level, module, line, column, when) of each `from module import *`. all_names: None where there is
    no `__all__`. all_from: (level, module) whose `__all__` is added to ours.
    """

    __slots__ = ("all_from", "all_line", "all_names", "is_all_known", "is_dynamic", "names", "stars")

    def __init__(self) -> None:
        self.names: dict[str, list[Binding]] = {}
        self.stars: list[tuple[int, str, int, int, str]] = []
        self.all_names: list[str] | None = None
        self.all_line = 0
        self.all_from: list[tuple[int, str]] = []
        self.is_all_known = True
        self.is_dynamic = False

    def binds(self, name: str) -> bool:
        """Does the module's own text bind the name (for a run, and without star imports)?"""
        return any(binding.when not in (TYPING, NEVER) for binding in self.names.get(name, ()))


def read_bindings(tree: ast.Module, target: Target, *, has_globals: bool = True) -> Bindings:
    """Collect what the top level of a module binds. has_globals: some function may say `global`."""
    reader = BindingsReader(target)
    reader.has_globals = has_globals
    reader.read_body(tree.body, EAGER)
    return reader.found


class BindingsReader:
    """Collects bindings, from one tree or from those of several pieces of a file one after another."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.found = Bindings()
        self.has_globals = True
        # Lines above the text of the tree.
        self.above = 0
        # `__all__` before the assignment at hand: its names, whose it has too, whether that is all.
        self.all_before: tuple[list[str], list[tuple[int, str]], bool] = [], [], True

    def bind(self, name: str, kind: str, node: ast.AST, when: str, **fetched: object) -> None:
        self.found.is_dynamic |= name == "__getattr__" and kind != "class"
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end = getattr(node, "end_lineno", line) or line
        above = self.above
        binding = Binding(name, kind, line + above, column, end + above, when=when, **fetched)  # type: ignore[arg-type]
        self.found.names.setdefault(name, []).append(binding)

    def read_body(self, body: list[ast.stmt], when: str) -> None:
        for node in body:
            self.read(node, when)

    def read(self, node: ast.stmt, when: str) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.bind(node.name, "function", node, when)
                self.read_globals(node, when)
            case ast.ClassDef():
                self.bind(node.name, "class", node, when)
                self.read_globals(node, when)
            case ast.Import():
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    self.bind(bound, "import", alias, when, module=alias.name, is_as=alias.asname is not None)
            case ast.ImportFrom():
                module = node.module or ""
                for alias in node.names:
                    if alias.name == "*":
                        place = (node.lineno + self.above, node.col_offset)
                        self.found.stars.append((node.level, module, *place, when))
                        continue
                    self.bind(
                        alias.asname or alias.name, "import", alias, when,
                        level=node.level, module=module, fetched=alias.name, is_as=alias.asname is not None,
                    )  # fmt: skip
            case ast.If():
                earlier: list[Verdict] = []
                own = judge(node.test, self.target)
                self.read_expression(node.test, when)
                self.read_body(node.body, join_whens(when, judge_branch(earlier, own)))
                self.read_body(node.orelse, join_whens(when, judge_branch([own], ALWAYS)))
            case ast.Try() | ast.TryStar():
                self.read_body(node.body, join_whens(when, GUARDED))
                for handler in node.handlers:
                    self.read_body(handler.body, join_whens(when, CONDITIONAL))
                self.read_body(node.orelse, join_whens(when, CONDITIONAL))
                self.read_body(node.finalbody, when)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.read_expression(item.context_expr, when)
                    if item.optional_vars is not None:
                        self.read_target(item.optional_vars, node, when)
                guard = GUARDED if any(is_suppress(item.context_expr) for item in node.items) else EAGER
                self.read_body(node.body, join_whens(when, guard))
            case ast.For() | ast.AsyncFor():
                self.read_target(node.target, node.target, when)
                self.read_expression(node.iter, when)
                self.read_body([*node.body, *node.orelse], join_whens(when, CONDITIONAL))
            case ast.While():
                self.read_expression(node.test, when)
                self.read_body([*node.body, *node.orelse], join_whens(when, CONDITIONAL))
            case ast.Match():
                for case in node.cases:
                    for part in ast.walk(case.pattern):
                        name = getattr(part, "name", None) or getattr(part, "rest", None)
                        if isinstance(part, (ast.MatchAs, ast.MatchStar, ast.MatchMapping)) and name:
                            self.bind(name, "variable", part, when)
                    self.read_body(case.body, join_whens(when, CONDITIONAL))
            case ast.Assign():
                self.read_expression(node.value, when)
                for target in node.targets:
                    self.read_target(target, node, when)
                    self.begin_all(target, node.value)
            case ast.AugAssign():
                self.read_expression(node.value, when)
                if isinstance(node.target, ast.Name):
                    if node.target.id == "__all__":
                        self.add_all(node.value)
                    else:
                        self.bind(node.target.id, "variable", node, when)
            case ast.AnnAssign():
                if node.value is not None:
                    self.read_expression(node.value, when)
                    self.read_target(node.target, node, when)
                    self.begin_all(node.target, node.value)
            case ast.Delete():
                for target in node.targets:
                    if isinstance(target, ast.Name) and when == EAGER:
                        self.found.names.pop(target.id, None)
                        if target.id == "__all__":
                            self.found.all_names = None
            case ast.Expr():
                self.read_all_call(node.value)
                self.read_expression(node.value, when)
            case _:
                if type(node).__name__ == "TypeAlias":
                    self.read_target(node.name, node, when)  # type: ignore[attr-defined]

    def read_target(self, target: ast.expr, statement: ast.AST, when: str) -> None:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self.bind(part.id, "variable", statement if isinstance(target, ast.Name) else part, when)

    def read_expression(self, expression: ast.expr, when: str) -> None:
        """Note walrus names, and calls that can bind names unseen."""
        if isinstance(expression, (ast.Constant, ast.Name, ast.Attribute)):
            return
        for part in ast.walk(expression):
            if isinstance(part, ast.NamedExpr):
                self.bind(part.target.id, "variable", part, when)
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                is_blind = part.func.id in ("globals", "exec", "vars", "locals")
                is_blind |= part.func.id == "setattr" and "modules" in ast.dump(part)
                self.found.is_dynamic |= is_blind

    def read_globals(self, node: ast.stmt, when: str) -> None:
        """A function that says `global x` and assigns binds x in the module."""
        if not self.has_globals:
            return
        wanted = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
        if wanted:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id in wanted:
                    self.bind(part.id, "variable", part, join_whens(when, CONDITIONAL))

    def begin_all(self, target: ast.expr, value: ast.expr) -> None:
        """Begin `__all__` anew, if that is what a value is assigned to."""
        if not isinstance(target, ast.Name) or target.id != "__all__":
            return
        found = self.found
        self.all_before = found.all_names or [], found.all_from, found.is_all_known
        found.all_names, found.all_from, found.is_all_known = [], [], True
        found.all_line = target.lineno + self.above
        self.add_all(value)

    def add_all(self, value: ast.expr) -> None:
        """Add the names of an expression to `__all__` as far as they can be seen."""
        if self.found.all_names is None:
            self.found.all_names = []
        for part in _flatten_sum(value):
            match part:
                case ast.List() | ast.Tuple():
                    for item in part.elts:
                        if isinstance(item, ast.Constant) and isinstance(item.value, str):
                            self.found.all_names.append(item.value)
                        elif isinstance(item, ast.Starred):
                            self.add_all(item.value)
                        else:
                            self.found.is_all_known = False
                case ast.Attribute(value=ast.Name() as module, attr="__all__"):
                    bound = self.found.names.get(module.id, [])
                    if bound and bound[-1].kind == "import":
                        last = bound[-1]
                        # `import a.b` binds `a`.
                        name = last.module if last.is_as else last.module.partition(".")[0]
                        name = f"{last.module}.{last.fetched}".strip(".") if last.fetched else name
                        self.found.all_from.append((last.level, name))
                    else:
                        # `from .a import x` binds `a` in a package as well.
                        self.found.all_from.append((1, module.id))
                case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "set"), args=[inner]):
                    self.add_all(inner)
                case (
                    ast.Call(func=ast.Attribute(value=inner, attr="copy"), args=[], keywords=[])
                    | ast.Subscript(value=inner, slice=ast.Slice(lower=None, upper=None, step=None))
                ):
                    self.add_all(inner)
                case ast.Name(id="__all__"):  # what it was until now
                    names, sources, is_known = self.all_before
                    self.found.all_names += names
                    self.found.all_from += sources
                    self.found.is_all_known &= is_known
                case ast.Name(id=name) if self._is_another_all(name):  # from other import __all__ as name
                    last = self.found.names[name][-1]
                    self.found.all_from.append((last.level, last.module))
                case _:
                    self.found.is_all_known = False

    def _is_another_all(self, name: str) -> bool:
        bound = self.found.names.get(name, [])
        return bool(bound) and bound[-1].kind == "import" and bound[-1].fetched == "__all__"

    def read_all_call(self, node: ast.expr) -> None:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="__all__"), attr=method), args=values):
                match method, values:
                    case "extend", [value]:
                        self.add_all(value)
                    case ("append", [ast.Constant() as value]) | ("insert", [_, ast.Constant() as value]):
                        self.add_all(ast.List([value], ast.Load()))
                    case "remove", [ast.Constant(value=name)] if self.found.all_names:
                        self.found.all_names = [known for known in self.found.all_names if known != name]
                    case "sort" | "reverse", _:
                        pass
                    case _:
                        self.found.is_all_known = False


def _flatten_sum(value: ast.expr) -> Iterator[ast.expr]:
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        yield from _flatten_sum(value.right)
        value = value.left
    yield value
