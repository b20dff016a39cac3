"""Which scope each name belongs to: a resolver over `ast`, with positions.

`resolve(tree, lines)` walks a module once and returns its `Names`. The rules are those of the
language reference's chapter 4.2 (naming and binding), PEP 227, 572 (walrus), 634 (match) and
695 (type parameters). String annotations are parsed and their names are occurrences too.

What it does not know: names bound by `exec`, by `globals()[...]` and by star imports (these
have `home` None, like builtins). In a class body a name that the body also binds belongs to the
class from its first binding on, and to the scopes around it before.
"""

from __future__ import annotations

import ast
import re
import sys

from entrepot.program.expressions import WORD, ExpressionWalker
from entrepot.program.inner_code import Lines
from entrepot.program.symbols import (
    AT_CALL,
    DECLARE,
    DEFINE,
    IMPORT,
    STORE,
    Names,
    Scope,
)

_DEFINITION = re.compile(rb"(?:async[\s\\]+)?(?:def|class|type)[\s\\]+")
_AS = re.compile(rb"[\s\\)]*as[\s\\]+")
DEEPEST = 50_000  # nested expressions


def resolve(tree: ast.Module, lines: Lines) -> Names:
    """Return the occurrences of all names of a module, each with its home scope.

    `tree` may be changed: nodes inside f-strings get their true positions.
    """
    walker = _Walker(lines, tree)
    # Sums of a thousand terms are nested a thousand deep; Python frames take none of the C stack.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEPEST))
    try:
        walker.walk_module(tree)
    finally:
        sys.setrecursionlimit(limit)
    for occurrence, visible in walker.pending:
        if occurrence.home is None:
            occurrence.home = _find_home(occurrence.name, occurrence.scope, skip_class=not visible)
    return walker.names


def _find_home(name: str, scope: Scope, *, skip_class: bool) -> Scope | None:
    """Return the scope that binds `name` as seen from `scope`, or None."""
    start = scope
    for around in scope.chain():
        if around.kind == "class" and (around is not start or skip_class):
            # Only the class body itself and its type parameters see its names (PEP 695).
            if not (start.kind == "types" and start.parent is around):
                continue
        if name in around.global_names:
            break
        if name in around.nonlocal_names:
            continue
        if name in around.bindings and around.kind != "module":
            return around
    top = list(scope.chain())[-1]
    return top if name in top.bindings else None


class _Walker(ExpressionWalker):
    """One walk over a module, statement by statement."""

    def walk_module(self, tree: ast.Module) -> None:
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self.names.has_future_annotations |= any(a.name == "annotations" for a in node.names)
        for index, node in enumerate(tree.body):
            self.statement = index
            self.visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._declare(node, node.names, self.scope.global_names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._declare(node, node.names, self.scope.nonlocal_names)

    def _declare(self, node: ast.Global | ast.Nonlocal, names: list[str], into: set[str]) -> None:
        words = list(WORD.finditer(self.lines.data, self.lines.start_of(node), self.lines.end_of(node)))[1:]
        for name, word in zip(names, words, strict=False):
            into.add(self.mangle(name))
            self.record(name, word.start(), word.end(), DECLARE, node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        self.visit_all(node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        in_function = self.scope.kind not in ("module", "class")
        self.visit_annotation(node.annotation, never=in_function)
        self.visit(node.value)
        if isinstance(node.target, ast.Name) and node.value is None and not in_function:
            # A bare annotation binds nothing at run time, but makes the name this scope's own.
            self.visit_Name(node.target)
        else:
            self.visit(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        self.visit_all(node.body)
        self.visit_all(node.orelse)

    visit_AsyncFor = visit_For

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.visit(node.type)
        if node.name is not None and node.type is not None:
            match = _AS.match(self.lines.data, self.lines.end_of(node.type))
            self.record_text(node.name, match.end() if match else -1, STORE, node)
        self.visit_all(node.body)

    def visit_Import(self, node: ast.Import) -> None:
        self.names.imports.append(node)
        for alias in node.names:
            self._import(alias, alias.name.split(".")[0], node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.names.imports.append(node)
        for alias in node.names:
            if alias.name == "*":
                self.names.star_imports.append(node)
            else:
                self._import(alias, alias.name, node)

    def _import(self, alias: ast.alias, bound: str, statement: ast.Import | ast.ImportFrom) -> None:
        start, end = self.lines.start_of(alias), self.lines.end_of(alias)
        if alias.asname is not None:
            self.record(alias.asname, end - len(alias.asname.encode()), end, IMPORT, alias)
        else:
            self.record(bound, start, start + len(bound.encode()), IMPORT, alias)
        alias.statement = statement  # type: ignore[attr-defined]

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_all(node.decorator_list)
        self.visit_defaults(node.args)
        match = _DEFINITION.match(self.lines.data, self.lines.start_of(node))
        name_at = match.end() if match else -1
        before = self.scope
        self.enter_types(node)
        self.visit_annotations_of(node.args)
        self.visit_annotation(node.returns)
        self.enter_function(node, node.name, node.args)
        self.visit_all(node.body)
        self.leave_function()
        self.scope = before
        self.record_text(node.name, name_at, DEFINE, node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all(node.decorator_list)
        match = _DEFINITION.match(self.lines.data, self.lines.start_of(node))
        name_at = match.end() if match else -1
        before = self.scope
        self.enter_types(node)
        self.visit_all(node.bases)
        self.visit_all(keyword.value for keyword in node.keywords)
        self.scope = Scope("class", node.name, node, self.scope)
        self.class_name.append(node.name)
        self.visit_all(node.body)
        self.class_name.pop()
        self.scope = before
        self.record_text(node.name, name_at, DEFINE, node)

    def enter_types(self, node: ast.AST) -> None:
        """Open the scope of type parameters (PEP 695), if the definition has any."""
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return
        self.scope = Scope("types", getattr(node, "name", ""), node, self.scope)
        for parameter in parameters:
            match = WORD.search(self.lines.data, self.lines.start_of(parameter))
            self.record_text(parameter.name, match.start() if match else -1, STORE, parameter)
        when, self.when = self.when, AT_CALL
        for parameter in parameters:
            self.visit(getattr(parameter, "bound", None))
            self.visit(getattr(parameter, "default_value", None))
        self.when = when

    def visit_TypeAlias(self, node: ast.AST) -> None:
        before = self.scope
        self.enter_types(node)
        when, self.when = self.when, AT_CALL
        self.visit(node.value)  # type: ignore[attr-defined]
        self.when = when
        self.scope = before
        self.visit(node.name)  # type: ignore[attr-defined]
