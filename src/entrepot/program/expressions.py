"""The names in expressions: a walker over `ast` that notes each occurrence, with its position and scope.

Comprehensions, lambdas, walrus, f-strings, annotations (also as text) and patterns: all that can stand inside a
statement. The statements are `scopes`', which walks a module with this.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any

from entrepot.program.inner_code import (
    Lines,
    is_self_documenting,
    parse_annotation,
    repair_fstring,
)
from entrepot.program.symbols import (
    AT_CALL,
    AT_IMPORT,
    DEFINE,
    DELETE,
    IMPORT,
    LOAD,
    NEVER,
    PARAMETER,
    STORE,
    Names,
    Occurrence,
    Scope,
)

WORD = re.compile(rb"[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*")
# Nodes with nodes below them, so what is an operator or a context is not walked into.
_PARTS = (ast.expr, ast.stmt, ast.arguments, ast.pattern, ast.excepthandler, ast.keyword, ast.match_case)
_KINDS = {ast.Load: LOAD, ast.Store: STORE, ast.Del: DELETE}
# Subscripts of these names hold types wherever they stand.
_TYPING = frozenset(
    "List Dict Set FrozenSet Tuple Type Optional Union Callable Iterable Iterator Sequence Mapping "
    "MutableMapping Generator Awaitable Coroutine AsyncIterator AsyncIterable ClassVar Final Deque "
    "DefaultDict OrderedDict Counter ChainMap Annotated".split()
)


class _Methods(dict[type[ast.AST], Callable[[Any], object]]):
    """The walker's method for each kind of node, looked up once."""

    def __init__(self, walker: ExpressionWalker) -> None:
        self.walker = walker

    def __missing__(self, kind: type[ast.AST]) -> Callable[[Any], object]:
        name = "visit_" + kind.__name__
        found: Callable[[Any], object] = getattr(self.walker, name, self.walker.visit_children)
        self[kind] = found
        return found


class ExpressionWalker:
    """Notes names. Each visit_X handles one kind of node; others are walked through."""

    def __init__(self, lines: Lines, tree: ast.Module) -> None:
        self.lines = lines
        self.module = Scope("module", "", tree, None)
        self.names = Names(self.module)
        # (occurrence, whether names of the class body it stands in count)
        self.pending: list[tuple[Occurrence, bool]] = []
        self.scope = self.module
        self.statement = 0
        self.outer: ast.AST | None = None
        self.when = AT_IMPORT
        self.class_name: list[str] = []
        self.around: list[tuple[ast.AST | None, str]] = []
        self.methods = _Methods(self)

    # -- recording -------------------------------------------------------------------------

    def mangle(self, name: str) -> str:
        if self.class_name and name.startswith("__") and not name.endswith("__"):
            owner = self.class_name[-1].lstrip("_")
            return f"_{owner}{name}" if owner else name
        return name

    def record(
        self, name: str, start: int, end: int, kind: str, node: ast.AST, scope: Scope | None = None
    ) -> Occurrence:
        scope = scope or self.scope
        name = self.mangle(name)
        found = Occurrence(name, start, end, kind, scope, node, self.statement, self.outer, self.when)
        visible = True
        if kind in (STORE, DELETE, DEFINE, IMPORT, PARAMETER):
            scope.bindings.add(name)
            if name in scope.global_names:
                self.module.bindings.add(name)
        elif scope.kind == "class" and kind == LOAD:
            visible = name in scope.bindings
        self.names.occurrences.append(found)
        self.pending.append((found, visible))
        return found

    def record_text(
        self, name: str, start: int, kind: str, node: ast.AST, scope: Scope | None = None
    ) -> Occurrence:
        """Record a name that `ast` gives no position for; the text at `start` must be it."""
        match = WORD.match(self.lines.data, start) if start >= 0 else None
        if match is None:
            return self.record(name, -1, -1, kind, node, scope)
        return self.record(name, match.start(), match.end(), kind, node, scope)

    # -- walking ---------------------------------------------------------------------------

    def visit(self, node: ast.AST | None) -> None:
        if node is not None:
            self.methods[type(node)](node)

    def visit_children(self, node: ast.AST) -> None:
        methods = self.methods
        for field in node._fields:
            child = getattr(node, field, None)
            if isinstance(child, list):
                for item in child:
                    if isinstance(item, ast.AST):
                        methods[type(item)](item)
            elif isinstance(child, _PARTS):
                methods[type(child)](child)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.names.strings.append(node)

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            self.visit(node)

    # -- names -----------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> Occurrence:
        start = self.lines.starts[node.lineno - 1] + node.col_offset
        # A name is one word on one line.
        end = start + (node.end_col_offset or 0) - node.col_offset
        return self.record(node.id, start, end, _KINDS[type(node.ctx)], node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain: list[ast.Attribute] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            chain.append(inner)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.visit(inner)
            return
        found = self.visit_Name(inner)
        found.chain_kind = _KINDS[type(node.ctx)]
        for part in reversed(chain):
            end = self.lines.end_of(part)
            length = len(part.attr.encode())
            found.chain.append((part.attr, end - length, end))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        target = node.target
        self.record(target.id, self.lines.start_of(target), self.lines.end_of(target), STORE, node, scope)

    # -- functions -------------------------------------------------------------------------

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_defaults(node.args)
        before = self.scope
        self.enter_function(node, "<lambda>", node.args)
        self.visit(node.body)
        self.leave_function()
        self.scope = before

    def visit_defaults(self, args: ast.arguments) -> None:
        self.visit_all(args.defaults)
        self.visit_all(args.kw_defaults)

    def enter_function(self, node: ast.AST, name: str, args: ast.arguments) -> None:
        self.scope = Scope("function", name, node, self.scope)
        for arg in list_arguments(args):
            start = self.lines.start_of(arg)
            self.record(arg.arg, start, start + len(arg.arg.encode()), PARAMETER, arg)
        self.around.append((self.outer, self.when))
        if self.outer is None:
            self.outer = node
        self.when = AT_CALL

    def leave_function(self) -> None:
        self.outer, self.when = self.around.pop()

    # -- expressions -----------------------------------------------------------------------

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehension(node, [node.elt], node.generators)

    visit_SetComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node, [node.key, node.value], node.generators)

    def _comprehension(
        self, node: ast.AST, elements: list[ast.expr], generators: list[ast.comprehension]
    ) -> None:
        # The first iterable is evaluated outside (language reference 6.2.4).
        self.visit(generators[0].iter)
        before = self.scope
        self.scope = Scope("comprehension", "<comprehension>", node, before)
        for number, generator in enumerate(generators):
            if number:
                self.visit(generator.iter)
            self.visit(generator.target)
            self.visit_all(generator.ifs)
        self.visit_all(elements)
        self.scope = before

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        repair_fstring(node, self.lines)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                count = len(self.names.occurrences)
                self.visit(part.value)
                if is_self_documenting(self.lines, part.value):
                    span = (self.lines.start_of(part.value), self.lines.end_of(part.value))
                    self.names.printed.append(span)
                    for found in self.names.occurrences[count:]:
                        found.is_self_documenting = True
                if isinstance(part.format_spec, ast.JoinedStr):
                    part.format_spec.is_repaired = True  # type: ignore[attr-defined]
                    self.visit_JoinedStr(part.format_spec)

    def visit_Call(self, node: ast.Call) -> None:
        self.names.calls.append(node)
        self.visit(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for number, argument in enumerate(node.args):
            if last == "cast" and number == 0 and isinstance(argument, ast.Constant):
                self.visit_annotation(argument)
            else:
                self.visit(argument)
        for keyword in node.keywords:
            if last == "TypeVar" and keyword.arg == "bound" and isinstance(keyword.value, ast.Constant):
                self.visit_annotation(keyword.value)
            else:
                self.visit(keyword.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.names.subscripts.append(node)
        self.visit(node.value)
        last = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if last in _TYPING:
            self._type_arguments(node)
        else:
            self.visit(node.slice)

    def _type_arguments(self, node: ast.Subscript) -> None:
        last = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if last == "Literal":
            self.visit(node.slice)
        elif last == "Annotated" and isinstance(node.slice, ast.Tuple):
            self._annotation(node.slice.elts[0])
            self.visit_all(node.slice.elts[1:])
        else:
            self._annotation(node.slice)

    # -- annotations -----------------------------------------------------------------------

    def visit_annotations_of(self, args: ast.arguments) -> None:
        for arg in list_arguments(args):
            self.visit_annotation(arg.annotation)

    def visit_annotation(self, node: ast.expr | None, *, never: bool = False) -> None:
        if node is None:
            return
        when = self.when
        if never or self.names.has_future_annotations:
            self.when = NEVER
        self._annotation(node)
        self.when = when

    def _annotation(self, node: ast.expr) -> None:
        """Walk a type: strings in it are code."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            inner = parse_annotation(self.lines, node)
            if inner is not None:
                when, self.when = self.when, NEVER
                count = len(self.names.occurrences)
                self._annotation(inner)
                for found in self.names.occurrences[count:]:
                    found.in_string = True
                self.when = when
            else:
                self.names.strings.append(node)
        elif isinstance(node, ast.Subscript):
            self.visit(node.value)
            self._type_arguments(node)
        elif isinstance(node, ast.BinOp | ast.Tuple | ast.List):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self._annotation(child)
        else:
            self.visit(node)

    # -- match -----------------------------------------------------------------------------

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.visit(node.pattern)
        if node.name is not None:
            self._capture(node, node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name is not None:
            self._capture(node, node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.visit_all(node.keys)
        self.visit_all(node.patterns)
        if node.rest is not None:
            start, end = self.lines.start_of(node), self.lines.end_of(node)
            stars = [m.end() for m in re.finditer(rb"\*\*[\s\\]*", self.lines.data[start:end])]
            self.record_text(node.rest, start + stars[-1] if stars else -1, STORE, node)

    def _capture(self, node: ast.AST, name: str) -> None:
        end = self.lines.end_of(node)
        self.record_text(name, end - len(name.encode()), STORE, node)


def list_arguments(args: ast.arguments) -> list[ast.arg]:
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    found.extend(arg for arg in (args.vararg, args.kwarg) if arg is not None)
    return found
