"""Functions changed in place: new code, new defaults, or a way on to another function.

A function object is what every reference in the program leads to, so it is the object that changes and never the
reference. The live functions of a module are those whose globals are its namespace; the garbage collector knows them.
"""

from __future__ import annotations

import functools
import gc
import opcode
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CellType, CodeType, FunctionType

from entrepot.live.codes import walk_codes
from entrepot.live.undo import UndoLog
from entrepot.live.values import is_immutable, peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.record import Record

_CO_ITERABLE_COROUTINE = 0x100
_STORES = (opcode.opmap["STORE_DEREF"], opcode.opmap["DELETE_DEREF"])
_CACHE = type(functools.lru_cache(lambda: None))


def find_functions(namespaces: Iterable[dict[str, Any]]) -> list[FunctionType]:
    """Return the live functions with these globals."""
    wanted = list(namespaces)
    if not wanted:
        return []
    ids = {id(namespace) for namespace in wanted}
    return [f for f in gc.get_referrers(*wanted) if type(f) is FunctionType and id(f.__globals__) in ids]


def find_own_functions(record: Record) -> list[FunctionType]:
    """Return the live functions of a module.

    Asking the garbage collector means looking at every object of the program. That is spared where those that can be found
    by name are, with the module and the record, all who hold the namespace.
    """
    found = {id(function): function for function in _list_named(record.namespace)}
    if _count_references(record.namespace) - _OVERHEAD == len(found) + 2:
        return list(found.values())
    return find_functions([record.namespace])


def _list_named(namespace: dict[str, Any]) -> Iterator[FunctionType]:
    for value in list(namespace.values()):
        for part in (value, *vars(value).values()) if type(value) is type else (value,):
            function = getattr(part, "__func__", None) if type(part) in (staticmethod, classmethod) else part
            if type(function) is FunctionType and function.__globals__ is namespace:
                yield function


def _count_references(namespace: dict[str, Any]) -> int:
    return sys.getrefcount(namespace)


class _Probe:
    """An object that alone holds a namespace."""

    __slots__ = ("namespace",)

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {}


_PROBE = _Probe()
_OVERHEAD = _count_references(_PROBE.namespace) - 1  # of counting itself, in this version of Python

CodeKey = tuple[str, int]


def table_of(code: CodeType) -> dict[CodeKey, list[CodeType]]:
    """Index the codes inside a module's code by qualified name and line."""
    table: dict[CodeKey, list[CodeType]] = {}
    for inner in walk_codes(code):
        table.setdefault((inner.co_qualname, inner.co_firstlineno), []).append(inner)
    return table


def find_in(table: dict[CodeKey, list[CodeType]], code: CodeType) -> CodeType | None:
    """Return the table's code for a live function's code (the same text, perhaps compiled on another occasion)."""
    found = table.get((code.co_qualname, code.co_firstlineno), [])
    for candidate in found:
        if candidate is code or candidate == code:
            return candidate
    return found[0] if found else None


def set_code(function: FunctionType, code: CodeType, undo: UndoLog) -> None:
    """Give a function new code; free variables must agree."""
    before = function.__code__
    if before is code:
        return
    if before.co_flags & _CO_ITERABLE_COROUTINE:  # types.coroutine had replaced the code
        code = code.replace(co_flags=code.co_flags | _CO_ITERABLE_COROUTINE)
    old_doc, new_doc = _doc_of(before), _doc_of(code)
    undo.add(f"code of {function.__qualname__}", setattr, function, "__code__", before)
    function.__code__ = code
    if old_doc != new_doc and function.__doc__ == old_doc:
        undo.add(f"docstring of {function.__qualname__}", setattr, function, "__doc__", old_doc)
        function.__doc__ = new_doc


def _doc_of(code: CodeType) -> str | None:
    first = code.co_consts[0] if code.co_consts else None
    if sys.version_info >= (3, 14) and not code.co_flags & 0x4000000:  # CO_HAS_DOCSTRING
        return None
    return first if isinstance(first, str) else None


_PARTS = (
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__doc__",
    "__name__",
    "__qualname__",
    "__module__",
)


def adopt(old: FunctionType, new: FunctionType, undo: UndoLog) -> None:
    """Make the old function object into the new one."""
    if old is new:
        return
    if len(old.__code__.co_freevars) != len(new.__code__.co_freevars) or not _adopt_cells(old, new, undo):
        forward(old, new, undo)
        return
    set_code(old, new.__code__, undo)
    parts = _PARTS + (("__type_params__",) if hasattr(new, "__type_params__") else ())
    for part in parts:
        before, after = getattr(old, part), getattr(new, part)
        if before is not after:
            undo.add(f"{part} of {old.__qualname__}", setattr, old, part, before)
            setattr(old, part, after)
    for key, value in list(new.__dict__.items()):
        if key in old.__dict__:
            undo.add(f"attribute {key}", old.__dict__.__setitem__, key, old.__dict__[key])
        else:
            undo.add(f"attribute {key}", old.__dict__.pop, key, None)
        old.__dict__[key] = value


def _adopt_cells(old: FunctionType, new: FunctionType, undo: UndoLog) -> bool:
    """Let the old function's cells hold what the new one's hold."""
    names_old, names_new = old.__code__.co_freevars, new.__code__.co_freevars
    if names_old != names_new:
        return False
    for mine, other in zip(old.__closure__ or (), new.__closure__ or (), strict=True):
        if mine is other:
            continue
        try:
            value = other.cell_contents
        except ValueError:
            continue
        if value is new:
            continue  # a recursive closure
        _set_cell(mine, value, undo)
    return True


def _set_cell(cell: CellType, value: object, undo: UndoLog) -> None:
    try:
        before = cell.cell_contents
    except ValueError:
        undo.add("a closure's cell", delattr, cell, "cell_contents")
    else:
        if before is value:
            return
        undo.add("a closure's cell", setattr, cell, "cell_contents", before)
    cell.cell_contents = value


def forward(old: FunctionType, new: Callable[..., object], undo: UndoLog) -> None:
    """Make the old function call the new one: for objects that code alone cannot make the same."""
    free = old.__code__.co_freevars
    lines = [f"def outer({', '.join(free)}):", "    def stub(*args, **kwargs):"]
    lines += (
        [f"        if 0: ({', '.join(free)},)"] if free else []
    )  # never run; it makes the same free variables
    lines += ["        return 'entrepot target'(*args, **kwargs)", "    return stub"]
    outer = compile("\n".join(lines), "<entrepot.live>", "exec")
    stub = next(code for code in walk_codes(outer) if code.co_name == "stub")
    consts = tuple(new if value == "entrepot target" else value for value in stub.co_consts)
    stub = stub.replace(co_consts=consts, co_name=old.__name__)
    undo.add(f"code of {old.__qualname__}", setattr, old, "__code__", old.__code__)
    undo.add(f"defaults of {old.__qualname__}", setattr, old, "__defaults__", old.__defaults__)
    undo.add(f"defaults of {old.__qualname__}", setattr, old, "__kwdefaults__", old.__kwdefaults__)
    attributes = dict(old.__dict__)
    undo.add(f"attributes of {old.__qualname__}", old.__dict__.update, attributes)
    undo.add(f"attributes of {old.__qualname__}", old.__dict__.clear)  # goes first: the log runs backwards
    old.__code__ = stub
    old.__defaults__ = old.__kwdefaults__ = None
    old.__dict__["__wrapped__"] = new


def repoint(function: FunctionType, namespace: dict[str, Any]) -> None:
    """Give a function other globals.

    Python has no way to do this, so the pointer is written: `func_globals` is the first field after the object's
    head in every version supported (checked by `can_repoint`). The references are counted by hand.
    """
    import ctypes

    field = ctypes.c_void_p.from_address(id(function) + object.__basicsize__)
    before = function.__globals__
    if field.value != id(before):
        raise RuntimeError("functions are laid out unlike any Python that entrepot knows")
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(namespace))
    field.value = id(namespace)
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(before))
    function.__code__ = (
        function.__code__
    )  # the interpreter forgets what it had specialised for the old globals


def can_repoint() -> bool:
    """Whether `repoint` works in this interpreter."""
    try:
        function = FunctionType(compile("value", "<check>", "eval"), {"value": 1})
        repoint(function, {"value": 2})
        return bool(function() == 2)
    except Exception:
        return False


def caches_around(value: object) -> list[Any]:
    """Return the lru_caches in a chain of wrappers."""
    found = []
    for _ in range(20):
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        if type(value) is _CACHE:
            found.append(value)
        value = peek(value, "__wrapped__")
        if value is None:
            break
    return found


def keeps_only_data(function: FunctionType) -> bool:
    """Whether a closure holds immutable values only and never binds them anew: making it again loses nothing."""
    if not function.__closure__:
        return False
    if any(
        op in code.co_code[::2]
        for code in (function.__code__, *walk_codes(function.__code__))
        for op in _STORES
    ):
        return False
    try:
        return all(is_immutable(cell.cell_contents) for cell in function.__closure__)
    except ValueError:
        return False


def innermost(value: object) -> object:
    """Follow `__wrapped__`, `func`, `__func__` and property getters down to a function."""
    for _ in range(20):
        for name in ("__wrapped__", "__func__", "func", "fget"):
            inner = peek(value, name) if not isinstance(value, type) else None
            if inner is not None and inner is not value:
                value = inner
                break
        else:
            return value
    return value
