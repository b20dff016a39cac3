"""One import statement, as a plain tuple that the scanners make and the store keeps.

    (line, column, form, level, module, names, when)

    line, column  where the statement begins: line from 1, column from 0 in UTF-8 bytes, as in `ast`
    form          "import", "from", "star", or "call" (`import_module("x")`, `__import__("x")`)
    level         how many leading dots
    module        "a.b" of `from a.b import c` or of a call; "" for `import` and `from . import`
    names         ((name, name it is bound to or None), ...); of "import" the dotted modules
    when          see `conditions`

A tuple because a large program has a hundred thousand of them, and marshal keeps tuples fast.
`Scan` is what one file gives: its statements, the problems met, and the calls that cannot be followed.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from typing import NamedTuple

from entrepot.program.conditions import (
    ALWAYS,
    CONDITIONAL,
    EAGER,
    GUARDED,
    LAZY,
    Target,
    Verdict,
    join_whens,
    judge,
    judge_branch,
)

# Raised whenever a file could be scanned differently: what was kept by another version is not used.
SCANNER_VERSION = 4

Names = tuple[tuple[str, str | None], ...]
Statement = tuple[int, int, str, int, str, Names, str]


class Scan(NamedTuple):
    """What the import scanner found in one file."""

    statements: tuple[Statement, ...]
    # (line, column, sentence): why the file, or a part of it, could not be read.
    problems: tuple[tuple[int, int, str], ...] = ()
    # (line, column, what): imports whose name only running can tell, and changed `__path__`s.
    unfollowed: tuple[tuple[int, int, str], ...] = ()


def scan_tree(tree: ast.Module, target: Target, *, call_lines: list[int] | None = None) -> Scan:
    """Collect the imports of a parsed file, in the order of the text.

    call_lines: the lines on which calls that import, or changes of `__path__`, can stand; None for all.
    """
    return _Collector(target, call_lines).collect(tree)


def scan_calls(tree: ast.Module, target: Target, call_lines: list[int]) -> Scan:
    """Collect the calls on some lines (sorted), and changes of `__path__` there, but no import statements.

    The file must not define an `import_module` of its own.
    """
    found = _CallCollector(target, call_lines).collect(tree)
    return found._replace(statements=tuple(s for s in found.statements if s[2] == "call"))


class _Collector:
    """Walks statements (never into expressions, except for calls) and knows when each runs."""

    def __init__(self, target: Target, call_lines: list[int] | None) -> None:
        self.target = target
        self.call_lines = call_lines
        self.statements: list[Statement] = []
        self.unfollowed: list[tuple[int, int, str]] = []
        self.calls: list[tuple[ast.Call, str, str]] = []
        self.own_import_module = False
        self.imported_import_module = False

    def collect(self, tree: ast.Module) -> Scan:
        self.visit_body(tree.body, EAGER)
        if self.calls:
            self.add_calls()
        self.statements.sort(key=lambda statement: statement[:2])
        return Scan(tuple(self.statements), (), tuple(sorted(self.unfollowed)))

    def visit_body(self, body: list[ast.stmt], when: str) -> None:
        for node in body:
            self.visit(node, when)

    def visit(self, node: ast.stmt, when: str) -> None:
        match node:
            case ast.Import():
                names = tuple((alias.name, alias.asname) for alias in node.names)
                when = LAZY if getattr(node, "is_lazy", 0) and when == EAGER else when
                self.statements.append((node.lineno, node.col_offset, "import", 0, "", names, when))
            case ast.ImportFrom():
                names = tuple((alias.name, alias.asname) for alias in node.names)
                form = "star" if names[0][0] == "*" else "from"
                when = LAZY if getattr(node, "is_lazy", 0) and when == EAGER else when
                if node.module == "importlib" and any(name == "import_module" for name, _ in names):
                    self.imported_import_module = True
                place = (node.lineno, node.col_offset)
                self.statements.append((*place, form, node.level, node.module or "", names, when))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if node.name == "import_module":
                    self.own_import_module = True
                for expression in (*node.decorator_list, node.args, node.returns):
                    if expression is not None:
                        self.look_for_calls(expression, when)
                self.visit_body(node.body, join_whens(when, LAZY))
            case ast.ClassDef():
                for part in (*node.decorator_list, *node.bases, *node.keywords):
                    self.look_for_calls(part, when)
                self.visit_body(node.body, when)
            case ast.If():
                self.visit_if(node, when)
            case ast.Try() | ast.TryStar():
                guard = GUARDED if node.handlers else EAGER
                self.visit_body(node.body, join_whens(when, guard))
                for handler in node.handlers:
                    self.visit_body(handler.body, join_whens(when, CONDITIONAL))
                self.visit_body(node.orelse, join_whens(when, CONDITIONAL))
                self.visit_body(node.finalbody, when)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.look_for_calls(item.context_expr, when)
                guard = GUARDED if any(is_suppress(item.context_expr) for item in node.items) else EAGER
                self.visit_body(node.body, join_whens(when, guard))
            case ast.For() | ast.AsyncFor() | ast.While():
                self.look_for_calls(node.iter if not isinstance(node, ast.While) else node.test, when)
                self.visit_body(node.body, join_whens(when, CONDITIONAL))
                self.visit_body(node.orelse, join_whens(when, CONDITIONAL))
            case ast.Match():
                self.look_for_calls(node.subject, when)
                for case in node.cases:
                    self.visit_body(case.body, join_whens(when, CONDITIONAL))
            case _:
                self.look_for_calls(node, when)

    def visit_if(self, node: ast.If, when: str) -> None:
        earlier: list[Verdict] = []
        while True:
            self.look_for_calls(node.test, when)
            own = judge(node.test, self.target)
            self.visit_body(node.body, join_whens(when, judge_branch(earlier, own)))
            earlier.append(own)
            # `elif` is an If alone in the else branch; so is `else: if`, which comes to the same.
            if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
                break
            node = node.orelse[0]
        self.visit_body(node.orelse, join_whens(when, judge_branch(earlier, ALWAYS)))

    def look_for_calls(self, node: ast.AST, when: str) -> None:
        """Note calls of `import_module` and `__import__`, and changes of `__path__`."""
        if self.call_lines is not None:
            first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
            if not self.call_lines:
                return
            if (
                first is not None
                and last is not None
                and not any(first <= n <= last for n in self.call_lines)
            ):
                return
        # A stack of our own: expressions may be nested deeper than Python's.
        stack: list[tuple[ast.AST, str]] = [(node, when)]
        while stack:
            part, part_when = stack.pop()
            if isinstance(part, ast.Call):
                name = _get_call_name(part.func)
                if name:
                    self.calls.append((part, name, part_when))
            elif isinstance(part, ast.Lambda):
                part_when = join_whens(part_when, LAZY)
            elif (
                isinstance(part, ast.Name)
                and part.id == "__path__"
                # An assignment, or a bare call such as `__path__.append(...)`.
                and (isinstance(part.ctx, ast.Store) or isinstance(node, (ast.Expr, ast.AugAssign)))
            ):
                self.unfollowed.append((part.lineno, part.col_offset, "__path__ is changed"))
            stack.extend((child, part_when) for child in ast.iter_child_nodes(part))

    def add_calls(self) -> None:
        """Turn the calls that name a module into statements, and say which cannot be followed."""
        for call, name, when in self.calls:
            bare = isinstance(call.func, ast.Name)
            if (
                name == "import_module"
                and bare
                and self.own_import_module
                and not self.imported_import_module
            ):
                continue
            place = (call.lineno, call.col_offset)
            wanted = call.args[0] if call.args else _get_keyword(call, "name")
            if wanted is None:
                continue
            if not (isinstance(wanted, ast.Constant) and isinstance(wanted.value, str)):
                self.unfollowed.append((*place, f"{name}() of a computed name"))
                continue
            level, module = _split_relative(wanted.value)
            if name == "__import__":
                given = call.args[4] if len(call.args) > 4 else _get_keyword(call, "level")
                if given is not None and not (
                    isinstance(given, ast.Constant) and isinstance(given.value, int)
                ):
                    self.unfollowed.append((*place, "__import__() of a computed level"))
                    continue
                if isinstance(given, ast.Constant) and isinstance(given.value, int):
                    level = given.value
            elif level:
                package = call.args[1] if len(call.args) > 1 else _get_keyword(call, "package")
                if isinstance(package, ast.Constant) and isinstance(package.value, str):
                    module = _join_relative(package.value, level, module)
                    level = 0
                elif not (isinstance(package, ast.Name) and package.id in ("__package__", "__name__")):
                    self.unfollowed.append((*place, f"{name}() relative to a computed package"))
                    continue
                elif package.id == "__name__":
                    # Relative to the module itself taken as a package: right inside an __init__ only.
                    level = -level
            self.statements.append((*place, "call", level, module, (), when))


class _CallCollector(_Collector):
    """Goes only into statements that stand on the lines of calls."""

    def visit_body(self, body: list[ast.stmt], when: str) -> None:
        lines = self.call_lines or []
        for node in body:
            decorators = getattr(node, "decorator_list", None)
            first = decorators[0].lineno if decorators else node.lineno
            at = bisect_left(lines, first)
            if at < len(lines) and lines[at] <= (node.end_lineno or node.lineno):
                self.visit(node, when)


def is_suppress(node: ast.expr) -> bool:
    """Is this `suppress(...)` or `contextlib.suppress(...)`?"""
    if not isinstance(node, ast.Call):
        return False
    name = node.func
    return (isinstance(name, ast.Name) and name.id == "suppress") or (
        isinstance(name, ast.Attribute) and name.attr == "suppress"
    )


def _get_call_name(function: ast.expr) -> str:
    if isinstance(function, ast.Name) and function.id in ("import_module", "__import__"):
        return function.id
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        if function.attr == "import_module" and "import" in function.value.id:
            return "import_module"
        if function.attr == "__import__" and function.value.id == "builtins":
            return "__import__"
    return ""


def _get_keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _split_relative(name: str) -> tuple[int, str]:
    module = name.lstrip(".")
    return len(name) - len(module), module


def _join_relative(package: str, level: int, module: str) -> str:
    parts = package.split(".")
    parts = parts[: len(parts) - level + 1]
    return ".".join([*parts, module] if module else parts)
