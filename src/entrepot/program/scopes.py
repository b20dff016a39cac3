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
    DECLARE,
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

_DEFINITION = re.compile(rb"(?:async[\s\\]+)?(?:def|class|type)[\s\\]+")
_AS = re.compile(rb"[\s\\)]*as[\s\\]+")
_WORD = re.compile(rb"[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*")
# Nodes with nodes below them, so what is an operator or a context is not walked into.
_PARTS = (ast.expr, ast.stmt, ast.arguments, ast.pattern, ast.excepthandler, ast.keyword, ast.match_case)
_KINDS = {ast.Load: LOAD, ast.Store: STORE, ast.Del: DELETE}
DEEPEST = 50_000  # nested expressions
# Subscripts of these names hold types wherever they stand.
_TYPING = frozenset(
    "List Dict Set FrozenSet Tuple Type Optional Union Callable Iterable Iterator Sequence Mapping "
    "MutableMapping Generator Awaitable Coroutine AsyncIterator AsyncIterable ClassVar Final Deque "
    "DefaultDict OrderedDict Counter ChainMap Annotated".split()
)


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


class _Methods(dict[type[ast.AST], Callable[[Any], object]]):
    """The walker's method for each kind of node, looked up once."""

    def __init__(self, walker: _Walker) -> None:
        self.walker = walker

    def __missing__(self, kind: type[ast.AST]) -> Callable[[Any], object]:
        name = "visit_" + kind.__name__
        found: Callable[[Any], object] = getattr(self.walker, name, self.walker.visit_children)
        self[kind] = found
        return found


class _Walker:
    """One walk over a module. Each visit_X handles one kind of node; others are walked through."""

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
        match = _WORD.match(self.lines.data, start) if start >= 0 else None
        if match is None:
            return self.record(name, -1, -1, kind, node, scope)
        return self.record(name, match.start(), match.end(), kind, node, scope)

    # -- walking ---------------------------------------------------------------------------

    def walk_module(self, tree: ast.Module) -> None:
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self.names.has_future_annotations |= any(a.name == "annotations" for a in node.names)
        for index, node in enumerate(tree.body):
            self.statement = index
            self.visit(node)

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

    def visit_Global(self, node: ast.Global) -> None:
        self._declare(node, node.names, self.scope.global_names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._declare(node, node.names, self.scope.nonlocal_names)

    def _declare(self, node: ast.Global | ast.Nonlocal, names: list[str], into: set[str]) -> None:
        words = list(_WORD.finditer(self.lines.data, self.lines.start_of(node), self.lines.end_of(node)))[1:]
        for name, word in zip(names, words, strict=False):
            into.add(self.mangle(name))
            self.record(name, word.start(), word.end(), DECLARE, node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        target = node.target
        self.record(target.id, self.lines.start_of(target), self.lines.end_of(target), STORE, node, scope)

    # -- statements ------------------------------------------------------------------------

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
        for arg in _all_arguments(args):
            start = self.lines.start_of(arg)
            self.record(arg.arg, start, start + len(arg.arg.encode()), PARAMETER, arg)
        self.around.append((self.outer, self.when))
        if self.outer is None:
            self.outer = node
        self.when = AT_CALL

    def leave_function(self) -> None:
        self.outer, self.when = self.around.pop()

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
            match = _WORD.search(self.lines.data, self.lines.start_of(parameter))
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
        for arg in _all_arguments(args):
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


def _all_arguments(args: ast.arguments) -> list[ast.arg]:
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    found.extend(arg for arg in (args.vararg, args.kwarg) if arg is not None)
    return found
