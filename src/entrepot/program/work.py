"""What a module does while it is imported, beyond defining: prints, reads, uses the network, starts, waits, loops.

Known by the names of what is called, as far as the module's imports show them; what its own
functions do when they are called at the top level is not followed.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from entrepot.program.bindings import Bindings
from entrepot.program.conditions import Target, judge
from entrepot.program.nodes import list_children, read_chain

# ruff: noqa: E501 (tables)
# Calls that do work: dotted name -> what. A trailing dot stands for all below it.
_WORK = {
    "print": "prints", "input": "waits for input", "open": "opens a file", "exec": "runs text as code",
    "time.sleep": "sleeps", "os.system": "starts a process", "subprocess.": "starts a process",
    "requests.": "uses the network", "urllib.request.": "uses the network", "urllib.request.urlopen": "uses the network",
    "http.client.": "uses the network", "socket.create_connection": "uses the network", "socket.socket": "opens a socket",
    "httpx.get": "uses the network", "httpx.post": "uses the network", "httpx.Client": "opens a client",
    "os.listdir": "lists a folder", "os.walk": "lists a folder", "os.scandir": "lists a folder", "glob.glob": "lists a folder",
    "os.makedirs": "makes folders", "os.mkdir": "makes a folder", "os.remove": "removes a file", "os.chdir": "changes the folder",
    "shutil.": "changes files", "os.fork": "starts a process", "signal.signal": "installs a signal handler",
    "logging.basicConfig": "configures logging", "asyncio.run": "runs an event loop", "sys.exit": "ends the program",
    "exit": "ends the program", "quit": "ends the program", "sys.stdout.write": "prints", "sys.stderr.write": "prints",
    "random.seed": "seeds the random generator", "sys.setrecursionlimit": "changes the interpreter",
    "sqlite3.connect": "opens a database", "multiprocessing.Pool": "starts processes",
}  # fmt: skip
_PATH_WORK = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "iterdir", "rglob", "unlink"}


class Work(NamedTuple):
    """One place. line from 1, column from 0 in UTF-8 bytes; what: a verb ("prints"); message: a clause."""

    line: int
    column: int
    what: str
    message: str


def find_work(tree: ast.Module, bindings: Bindings, target: Target) -> list[Work]:
    """Return the calls and loops that do work while a module is imported by a target, by place."""
    found: list[Work] = []
    full = {}
    for name, several in bindings.names.items():
        last = several[0]
        if last.kind == "import":
            full[name] = (
                f"{last.module}.{last.fetched}" if last.fetched else last.module if last.is_as else name
            )
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            stack += getattr(node, "decorator_list", ())
            continue
        if isinstance(node, ast.If):
            verdict = judge(node.test, target)
            if verdict.value is not None or verdict.is_main:
                stack += node.body if verdict.value else node.orelse
                continue
        if isinstance(node, (ast.While, ast.For, ast.AsyncFor)):
            if isinstance(node, ast.While) or _is_long(node.iter):
                found.append(Work(node.lineno, node.col_offset, "loops", "a loop runs at import time"))
        elif isinstance(node, ast.Call):
            what = _describe_call(node, full, bindings)
            if what:
                message = f"{what} at import time: {ast.unparse(node.func)}()"
                found.append(Work(node.lineno, node.col_offset, what, message))
        stack += list_children(node)
    return sorted(found)


def _is_long(iterable: ast.expr) -> bool:
    """Does a loop go over a range of a thousand or more?"""
    if not (
        isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name) and iterable.func.id == "range"
    ):
        return False
    return any(
        isinstance(argument, ast.Constant) and isinstance(argument.value, int) and argument.value >= 1000
        for argument in iterable.args
    )


def _describe_call(node: ast.Call, full: dict[str, str], bindings: Bindings) -> str:
    value, parts = read_chain(node.func)
    if isinstance(value, ast.Name):
        if value.id in bindings.names and value.id not in full:
            return "starts a thread" if parts == ["start"] and _is_thread(value.id) else ""
        name = ".".join([full.get(value.id, value.id), *parts])
        if name in _WORK:
            return _WORK[name]
        head, _, leaf = name.rpartition(".")
        if head and f"{head}." in _WORK:
            return "" if leaf[0].isupper() and leaf not in ("Popen", "Session") else _WORK[f"{head}."]
        if leaf in _PATH_WORK and "Path" in head:
            return "uses files"
    elif isinstance(value, ast.Call) and parts:
        inner = value.func
        name = (
            inner.attr
            if isinstance(inner, ast.Attribute)
            else inner.id
            if isinstance(inner, ast.Name)
            else ""
        )
        if name in ("Thread", "Timer", "Process") and parts[-1] == "start":
            return "starts a thread" if name != "Process" else "starts a process"
        if name == "Path" and parts[-1] in _PATH_WORK:
            return "uses files"
    return ""


def _is_thread(name: str) -> bool:
    return "thread" in name.lower() or "timer" in name.lower() or "worker" in name.lower()
