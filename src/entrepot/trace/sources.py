"""Questions about single source files, answered from their text: where a name is bound, what else lies beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from os import listdir
from os.path import basename, dirname, join


def find_definition(path: str, name: str) -> int:
    """Return the line at which a file binds a name at its top level, 0 if it does not."""
    for statement in parse_file(path):
        if getattr(statement, "name", None) == name:
            return statement.lineno
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
                    return node.lineno
    return 0


def is_function(path: str, name: str) -> bool:
    """Whether a file defines a function of that name at its top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(statement, kinds) and statement.name == name for statement in parse_file(path))


def find_bindings(path: str, function: str, name: str) -> list[int]:
    """Return the lines in a function at which a name is bound, its parameters left out."""
    for node in ast.walk(ast.Module(parse_file(path), [])):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == function:
            return sorted({line for found, line in _bindings(node.body) if found == name})
    return []


def find_holders(path: str, name: str) -> list[tuple[str, bool, int]]:
    """Return where functions and classes of a file bind a name: name, whether it is a class, line."""
    found = []
    for node in ast.walk(ast.Module(parse_file(path), [])):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            lines = [line for bound, line in _own_bindings(node.body) if bound == name]
            if not isinstance(node, ast.ClassDef):
                parameters = [part for part in ast.walk(node.args) if isinstance(part, ast.arg)]
                lines += [part.lineno for part in parameters if part.arg == name]
            if lines:
                found.append((node.name, isinstance(node, ast.ClassDef), min(lines)))
    return found


def find_at_top(path: str, name: str) -> int:
    """Return the line at which a file's top level first binds a name, 0 if it does not or deletes it again."""
    body = parse_file(path)
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, ast.Delete) and name in [getattr(target, "id", "") for target in node.targets]:
            return 0
    return min((line for bound, line in _own_bindings(body) if bound == name), default=0)


def _own_bindings(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    """Yield what a body binds in its own namespace, that of no function or comprehension in it."""
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], node.lineno
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, node.lineno
            stack += ast.iter_child_nodes(node)


# Registers of the process, and what changes them where that is not what they are called.
_CHANGED_BY = {
    "sys.path": ("sys.path", "site.addsitedir"),
    "warnings.filters": (
        "warnings.filters",
        "warnings.filterwarnings",
        "warnings.simplefilter",
        "warnings.resetwarnings",
    ),
    "gc.get_threshold": ("gc.set_threshold",),
    "gc.isenabled": ("gc.enable", "gc.disable"),
    "gc.get_freeze_count": ("gc.freeze", "gc.unfreeze"),
    "gc.get_debug": ("gc.set_debug",),
    "socket.getdefaulttimeout": ("socket.setdefaulttimeout",),
    "threading.gettrace": ("threading.settrace",),
    "threading.getprofile": ("threading.setprofile",),
    "faulthandler.is_enabled": ("faulthandler.enable", "faulthandler.disable"),
    "tracemalloc.is_tracing": ("tracemalloc.start", "tracemalloc.stop"),
}


def find_change(path: str, what: str, before: int) -> int:
    """Return the line at which a file changes a register of the process ("sys.path", "signal.signal(SIGTERM)").

    The last such line up to `before` (0: of the whole file); 0 where none can be seen. In a library the words are looked
    for, not the syntax: a program has hundreds of those files, and parsing them takes longer than all else.
    """
    what = what.partition("(")[0]
    wanted = _CHANGED_BY.get(what, (what,))
    if "/lib/python3" in path:
        return _find_words(path, wanted, before)
    body = parse_file(path)
    names: dict[str, str] = {}
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def is_wanted(node: ast.expr | None) -> bool:
        text = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        first, dot, rest = text.partition(".")
        return names.get(first, first) + dot + rest in wanted

    lines = [0]
    for node in ast.walk(ast.Module(body, [])):
        changed: list[ast.expr] = []
        if isinstance(node, ast.Call):
            changed = [node.func]
            if isinstance(node.func, ast.Attribute):
                changed.append(node.func.value)  # sys.path.append(...)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            changed = node.decorator_list
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            changed = [node, node.value]
        lines += [expression.lineno for expression in changed if is_wanted(expression)]
    return max(line for line in lines if not before or line <= before)


def _find_words(path: str, words: tuple[str, ...], before: int) -> int:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return 0
    line = 0
    for found in re.finditer(rb"\b(?:%s)\b" % b"|".join(re.escape(word.encode()) for word in words), data):
        number = data.count(b"\n", 0, found.start()) + 1
        is_code = not re.search(rb"[#\"']", data[data.rfind(b"\n", 0, found.start()) + 1 : found.start()])
        if is_code and (not before or number <= before):
            line = number
    return line


def list_bound_names(path: str) -> list[str]:
    """Return every name that a file binds anywhere."""
    return list(dict.fromkeys(name for name, _ in _bindings(parse_file(path))))


def list_renamed(body: list[ast.stmt]) -> dict[int, dict[str, str]]:
    """Return, by the lines of import statements, what they write before `as` and the name behind it."""
    found: dict[int, dict[str, str]] = {}
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            renamed = {alias.name: alias.asname for alias in node.names if alias.asname}
            found.setdefault(node.lineno, {}).update(renamed)
    return found


def name_holder(body: list[ast.stmt], line: int, function: str, names: Iterable[str] = ()) -> str:
    """Return whose names a statement at a line binds: a function or a class, in words; "" where they are the module's.

    function: the qualified name of the code that the statement stands in, as a record has it; names: those it binds.
    """
    scopes = [
        node
        for node in ast.walk(ast.Module(body, []))  # outer ones first
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and node.name == function.rpartition(".")[2]
        and node.lineno <= line <= (node.end_lineno or 0)
    ]
    scope = scopes[-1] if scopes else None
    if isinstance(scope, ast.ClassDef):
        return f"the class {function}"
    bound = set(names)
    if scope and bound:
        for node in ast.walk(scope):
            if isinstance(node, ast.Global) and bound <= set(node.names):
                return ""
    return f"{function}()" if function else ""


def list_files_beside(path: str) -> list[tuple[str, str]]:
    """Return (module, file) for each source file in a file's folder."""
    folder = dirname(path)
    try:
        names = sorted(listdir(folder))
    except OSError:
        return []
    return [(name[:-3], join(folder, name)) for name in names if name.endswith(".py")]


def name_briefly(path: str) -> str:
    """Return a file's name without its folder."""
    return "the code of -c" if path == "<string>" else basename(path) or path


def parse_file(path: str) -> list[ast.stmt]:
    """Return a file's statements, none where it is not there or is no Python."""
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, node.lineno
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield node.name, node.lineno
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    yield (alias.asname or alias.name).partition(".")[0], node.lineno
