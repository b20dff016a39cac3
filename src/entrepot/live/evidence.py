"""What objects tell of who put them where: the code that fills a container, the definitions that an entry refers to."""

from __future__ import annotations

import ast
import opcode
from collections import deque
from types import CodeType, FunctionType, MethodType, ModuleType

from entrepot.live.codes import CHANGERS, Chain, walk_codes
from entrepot.live.values import peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STORES = [opcode.opmap[n] for n in ("STORE_SUBSCR", "BINARY_OP", "CALL_FUNCTION_EX") if n in opcode.opmap]


def callee(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def fills(value: Any, owner: Any, container: object, depth: int = 0) -> bool:
    """Whether a function's code (or a class's methods) names the container, as a global or an attribute of its owner, and
    does something that may add to it."""
    for _ in range(4):
        inner = peek(value, "__wrapped__") or peek(value, "__func__")
        if inner is None:
            break
        value = inner
    if isinstance(value, FunctionType):
        codes = (value.__code__, *walk_codes(value.__code__))
        names = {name for code in codes for name in code.co_names}
        adds = bool(names & CHANGERS) or any(op in code.co_code[::2] for code in codes for op in _STORES)
        for name in names:
            found = value.__globals__.get(name)
            if found is container and adds:
                return True
            if depth < 2 and isinstance(found, FunctionType) and fills(found, found, container, depth + 1):
                return True
            method = getattr(type(owner), name, None) if found is None and depth < 2 else None
            if isinstance(method, FunctionType) and method is not value:
                if fills(method, owner, container, depth + 1):
                    return True
        if not adds:
            return False
        for cell in value.__closure__ or ():
            try:
                if cell.cell_contents is container:
                    return True
            except ValueError:
                continue
        classes: tuple[type, ...] = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
        places = [owner, *classes]
        return any(peek(place, "__dict__", {}).get(name) is container for place in places for name in names)
    if isinstance(value, type):
        for method in ("__init_subclass__", "__init__", "__new__", "__set_name__", "__call__"):
            for cls in (*value.__mro__, *type(value).__mro__):  # type: ignore[misc]
                made = cls.__dict__.get(method)
                made = getattr(made, "__func__", made)
                if isinstance(made, FunctionType) and fills(made, value, container, depth):
                    return True
    return False


def leads_to(chain: Chain, namespace: dict[str, Any], container: object) -> bool:
    """Whether a dotted name (or its beginning) is this container; looks at plain attributes only."""
    value = namespace.get(chain[0])
    for part in chain[1:]:
        if value is container:
            return True
        attributes = peek(value, "__dict__")
        value = attributes.get(part) if isinstance(attributes, dict) else None
    return value is container


def origins_of(roots: tuple[object, ...], namespace: dict[str, Any]) -> tuple[set[int], set[str]]:
    """Lines of the functions, and names of the module's objects, that an entry refers to."""
    lines: set[int] = set()
    names_by_id = {
        id(v): n
        for n, v in namespace.items()
        if isinstance(v, FunctionType | type) or peek(v, "__dict__") is not None
    }
    names: set[str] = set()
    stack = [(root, 0) for root in roots]
    seen: set[int] = set()
    while stack and len(seen) < 200:
        value, depth = stack.pop()
        if id(value) in seen or depth > 4 or value is None:
            continue
        seen.add(id(value))
        if id(value) in names_by_id and not isinstance(value, ModuleType):
            names.add(names_by_id[id(value)])
        if isinstance(value, FunctionType):
            if value.__globals__ is namespace:
                lines.add(value.__code__.co_firstlineno)
            for cell in value.__closure__ or ():
                try:
                    stack.append((cell.cell_contents, depth + 1))
                except ValueError:
                    continue
            stack.append((getattr(value, "__wrapped__", None), depth + 1))
        elif isinstance(value, CodeType):
            if value.co_filename == namespace.get("__file__"):
                lines.add(value.co_firstlineno)
        elif isinstance(value, MethodType):
            stack += [(value.__func__, depth + 1), (value.__self__, depth + 1)]
        elif isinstance(value, type):
            if value.__module__ == namespace.get("__name__"):
                names.add(value.__qualname__.partition(".")[0])
        elif isinstance(value, list | tuple | set | deque):
            stack += [(item, depth + 1) for item in list(value)[:50]]
        elif isinstance(value, dict):
            stack += [(item, depth + 1) for item in list(value.values())[:50]]
        elif peek(value, "func") is not None and peek(value, "args") is not None:
            stack += [(peek(value, "func"), depth + 1), (peek(value, "args"), depth + 1)]
        elif not isinstance(value, str | int | float | bytes | ModuleType):
            stack += [(item, depth + 2) for item in list(peek(value, "__dict__", {}).values())[:20]]
    return lines, names
