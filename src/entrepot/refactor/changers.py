"""Which functions and methods of a file change what they are given, and which of its names are used up by reading.

By name alone: `box.put(1)` changes `box` where some class of the file has a `put` that changes its `self`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

# What changes the object that it belongs to, or the first that it is given.
CHANGING = frozenset(
    "append add update extend insert pop popitem remove clear discard setdefault sort reverse appendleft "
    "extendleft register write writelines __setitem__ __delitem__ setattr delattr next".split()
)
CHANGING_FIRST = frozenset(
    "heappush heappop heapify heappushpop heapreplace insort insort_left insort_right setitem delitem".split()
)
_MAKING_ITERATORS = frozenset("iter map filter zip enumerate reversed open".split())
_MAKING = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def find_changers(tree: ast.Module) -> set[str]:
    """Return the names of functions and methods that change one of their parameters."""
    found: set[str] = set()
    functions = list(_list_functions(tree.body))
    changed: dict[int, set[str]] = {}  # what each changes by calls of others, to be looked up again
    while True:
        more = {
            function.name
            for function in functions
            if function.name not in found and _changes_parameters(function, found, changed)
        }
        if not more:
            return found
        found |= more


def _list_functions(body: Iterable[ast.stmt]) -> Iterable[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods that a body defines, also in a condition."""
    for node in body:
        if isinstance(node, _FUNCTIONS):
            yield node
        elif isinstance(node, ast.ClassDef | ast.If | ast.Try | ast.With):
            yield from _list_functions(
                child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)
            )


def _changes_parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef, changers: set[str], given: dict[int, set[str]]
) -> bool:
    arguments = function.args
    parameters = [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    if function.name in _MAKING:
        parameters = parameters[1:]  # that is new
    names = set(parameters)
    if not names:
        return False
    if id(function) not in given:
        # Roots of what is stored to, and for calls by the name that is called: "name:root".
        given[id(function)] = {word for node in ast.walk(function) for word in _list_touched(node)}
    return any(
        root in names and (not called or called in changers)
        for called, _, root in (word.rpartition(":") for word in given[id(function)])
    )


def _list_touched(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        root = root_of(node, through_calls=True)
        yield f":{getattr(root, 'id', '')}"
    elif isinstance(node, ast.Call):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        roots = list_given(node)
        known = called in CHANGING or called in CHANGING_FIRST
        yield from (f":{root}" if known else f"{called}:{root}" for root in roots)


def list_given(call: ast.Call) -> list[str]:
    """Return the names that a call is given, with that of the object whose method it is."""
    found = [name_of_root(call.func)] if isinstance(call.func, ast.Attribute) else []
    return [*found, *(name_of_root(a) for a in [*call.args, *(keyword.value for keyword in call.keywords)])]


def name_of_root(node: ast.AST) -> str:
    root = root_of(node)
    return root.id if isinstance(root, ast.Name) else ""


def root_of(node: ast.AST, *, through_calls: bool = False) -> ast.AST:
    """Return the first word of `a.b[c].d`; through calls: of `a.b().c` as well."""
    through = (ast.Attribute, ast.Subscript, ast.Starred, *((ast.Call,) if through_calls else ()))
    while isinstance(node, through):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def find_properties(tree: ast.Module) -> set[str]:
    """Return the names of methods with decorators: to ask for one may run it."""
    return {function.name for function in _list_functions(tree.body) if function.decorator_list}


def find_instances(body: Iterable[ast.stmt]) -> set[str]:
    """Return the names of what may be an object of one of the file's own classes, or a function's result."""
    body = list(body)
    own = {node.name for node in body if isinstance(node, (*_FUNCTIONS, ast.ClassDef))}
    found: set[str] = set()
    waiting = []  # names, and those of which one must be such an object for these to be so
    for node in _walk_top(ast.Module(body, [])):
        for target, value in _list_bound(node):
            names = {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
            inner = [value, *_walk_top(value)]
            if any(isinstance(part, ast.Call) and name_of_root(part.func) in own for part in inner):
                found |= names
            else:
                waiting.append((names, {part.id for part in inner if isinstance(part, ast.Name)}))
    while more := [names for names, needs in waiting if needs & found and not names <= found]:
        found.update(*more)
    return found


def _list_bound(node: ast.AST) -> Iterable[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, node.context_expr
    elif isinstance(node, ast.For):
        yield node.target, node.iter


def find_used_up(tree: ast.Module, changers: set[str]) -> set[str]:
    """Return the names of what a look may change: generators, `iter(x)`, objects whose operators change them."""
    making = set(_MAKING_ITERATORS)
    for node in tree.body:
        if isinstance(node, _FUNCTIONS) and any(
            isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(node)
        ):
            making.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.module == "itertools":
            making |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            methods = {inner.name for inner in node.body if isinstance(inner, _FUNCTIONS)}
            if any(name.startswith("__") for name in methods & changers):
                making.add(node.name)
    return {
        target.id
        for node in _walk_top(tree)
        if isinstance(node, ast.Assign) and _makes(node.value, making)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _walk_top(tree: ast.AST) -> Iterable[ast.AST]:
    """Yield the nodes that are in no function or class."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield from _walk_top(node)


def _makes(value: ast.expr, making: set[str]) -> bool:
    if not isinstance(value, ast.Call):
        return isinstance(value, ast.GeneratorExp)
    return getattr(value.func, "id", "") in making or name_of_root(value.func) == "itertools"
