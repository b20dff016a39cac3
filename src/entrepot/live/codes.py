"""What compiled code says: the names it loads, stores and imports, and which code replaces which.

Bytecode is read instead of syntax trees because it is there already when a module has been imported, because the
compiler has settled every question of scope, and because reading it is ten times as fast. A *chain* is a dotted
name as the code loads it, `("shop", "tax", "RATE")`; an import inside a function gives a chain whose first part is
`"@module"`.

Knows code objects only: never a module, never a file. Does not see names made at run time (`getattr`, `vars()`).
"""

from __future__ import annotations

import opcode
import sys
from collections import namedtuple
from collections.abc import Iterator
from types import CodeType

Chain = tuple[str, ...]

_OP = opcode.opmap
_LOADS = {_OP[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in _OP}
_LOAD_GLOBAL, _STORE_GLOBAL = _OP["LOAD_GLOBAL"], _OP["STORE_GLOBAL"]
_ATTRIBUTES = {_OP[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in _OP}
_SHIFTED_ATTRIBUTE = sys.version_info >= (3, 12)  # from 3.12 the lowest bit of LOAD_ATTR says "method"
_STORES = {_OP["STORE_NAME"], _OP["STORE_GLOBAL"]}
_DELETES = {_OP["DELETE_NAME"], _OP["DELETE_GLOBAL"]}
_IMPORT_NAME, _IMPORT_FROM = _OP["IMPORT_NAME"], _OP["IMPORT_FROM"]
_LOAD_CONST, _EXTENDED = _OP["LOAD_CONST"], _OP["EXTENDED_ARG"]
_CONSTS = {_LOAD_CONST} | ({_OP["RETURN_CONST"]} if "RETURN_CONST" in _OP else set())
# Between a name and its attribute these say nothing.
_TRANSPARENT = {0, _EXTENDED, *(_OP[name] for name in ("PUSH_NULL", "CACHE") if name in _OP)}
_EFFECTS = {
    _OP[name]
    for name in (
        "CALL",
        "CALL_FUNCTION_EX",
        "CALL_KW",
        "STORE_SUBSCR",
        "DELETE_SUBSCR",
        "STORE_ATTR",
        "DELETE_ATTR",
        "STORE_SLICE",
    )
    if name in _OP
}
_CALL, _STORE_SUBSCR, _STORE_ATTR = _OP["CALL"], _OP["STORE_SUBSCR"], _OP["STORE_ATTR"]
_UNPACKING = [(op, bytes((_LOAD_CONST, op))) for op in (_OP["LIST_EXTEND"], _OP["SET_UPDATE"])]
_OTHER_EFFECTS = frozenset(
    (_OP["FOR_ITER"], _OP["DICT_UPDATE"], *(_EFFECTS - {_CALL, _STORE_SUBSCR, _STORE_ATTR}))
)
_BUILD_CLASS = _OP["LOAD_BUILD_CLASS"]
_NOT_OTHER = bytes({*range(256)} - _OTHER_EFFECTS)
_QUIET = bytes({*range(256)} - _EFFECTS - _OTHER_EFFECTS - {_BUILD_CLASS, *(op for op, _ in _UNPACKING)})

# For a look at which names code loads, without more: operations that load one, and how far their argument is shifted.
NAMING = {
    **dict.fromkeys(_LOADS | {_OP["DELETE_NAME"], _OP["DELETE_GLOBAL"]}, 0),
    _LOAD_GLOBAL: 1,
    **dict.fromkeys(_ATTRIBUTES, int(_SHIFTED_ATTRIBUTE)),
}
EXTENDED, IMPORTS_NAME, IMPORTS_FROM = _EXTENDED, _IMPORT_NAME, _IMPORT_FROM

_RETURN_VALUE = _OP["RETURN_VALUE"]
_MAKERS = {_OP[name] for name in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE") if name in _OP}
_LOCAL_LOADS = {
    op for name, op in _OP.items() if name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF", "LOAD_CLOSURE")
}

IS_FUNCTION = 0x1  # CO_OPTIMIZED: a function's code, not that of a module or class body
_INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


# Methods that put something into a list, dict or set; of some it is told what.
ADDERS = frozenset(("append", "add", "appendleft", "insert", "setdefault", "__setitem__"))
FILLERS = frozenset(("extend", "update", "extendleft", "__iadd__"))
CHANGERS = (
    ADDERS | FILLERS | {"heappush", "insort", "register", "setattr", "pop", "remove", "discard", "clear"}
)


class Import(namedtuple("Import", ("level", "module", "names"))):
    """An import as compiled: `from ..a import b` is level 2, module "a", names ("b",); `import a` has no names."""

    __slots__ = ()
    level: int
    module: str
    names: tuple[str, ...]


class Event(namedtuple("Event", ("line", "what", "data"))):
    """One thing that code does with names: `what` is load, store, import, code or effect."""

    __slots__ = ()
    line: int
    what: str
    data: object


def read_events(code: CodeType) -> Iterator[Event]:
    """Yield what this code itself (not the code inside it) does with names, in order."""
    names, consts, raw = code.co_names, code.co_consts, code.co_code
    lines = _lines_of(code)
    chain: list[str] | None = None
    recent: list[object] = []
    extended = 0
    line = code.co_firstlineno
    for offset in range(0, len(raw), 2):
        op = raw[offset]
        if op == 0:
            continue
        arg = raw[offset + 1] | extended
        if op == _EXTENDED:
            extended = arg << 8
            continue
        extended = 0
        if chain is not None:
            if op in _ATTRIBUTES:
                chain.append(names[arg >> 1 if _SHIFTED_ATTRIBUTE else arg])
                continue
            if op in _TRANSPARENT:
                continue
            yield Event(line, "load", tuple(chain))
            chain = None
        line = lines[offset]
        if op in _CONSTS:
            value = consts[arg]
            recent.append(value)
            if isinstance(value, CodeType):
                yield Event(line, "code", value)
        elif op in _LOADS:
            chain = [names[arg]]
        elif op == _LOAD_GLOBAL:
            chain = [names[arg >> 1]]
        elif op in _STORES:
            yield Event(line, "store", names[arg])
        elif op in _DELETES:  # needs the name and says what becomes of it
            yield Event(line, "load", (names[arg],))
            yield Event(line, "store", names[arg])
        elif op == _IMPORT_NAME:
            level, wanted = recent[-2], recent[-1]
            found = wanted if isinstance(wanted, tuple) else ()
            yield Event(line, "import", Import(level if isinstance(level, int) else 0, names[arg], found))
        elif op in _EFFECTS:
            yield Event(line, "effect", None)
    if chain is not None:
        yield Event(line, "load", tuple(chain))


def _lines_of(code: CodeType) -> list[int]:
    lines = [code.co_firstlineno] * (len(code.co_code) + 2)
    for start, end, line in code.co_lines():
        if line is not None:
            for offset in range(start, end, 2):
                lines[offset] = line
    return lines


def inner_codes(code: CodeType) -> list[CodeType]:
    """Return the code objects directly inside this one, in the order of the source."""
    return [value for value in code.co_consts if isinstance(value, CodeType)]


def walk_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield every code object inside this one, however deep."""
    for inner in inner_codes(code):
        yield inner
        yield from walk_codes(inner)


def runs_at_once(code: CodeType) -> bool:
    """Whether the code runs where it stands (class bodies and comprehensions), unlike a function's."""
    return not code.co_flags & IS_FUNCTION or code.co_name in _INLINE or code.co_name.startswith("<generic")


def eager_chains(code: CodeType) -> set[Chain]:
    """Return what this code loads when it runs, with class bodies and comprehensions inside it."""
    found: set[Chain] = set()
    for event in read_events(code):
        if event.what == "load":
            found.add(event.data)  # type: ignore[arg-type]
        elif event.what == "code" and runs_at_once(event.data):  # type: ignore[arg-type]
            found |= eager_chains(event.data)  # type: ignore[arg-type]
        elif event.what == "import" and code.co_flags & IS_FUNCTION:
            found |= _import_chains(event.data)  # type: ignore[arg-type]
    return found


def all_chains(code: CodeType) -> set[Chain]:
    """Return what this code and all code inside it loads."""
    found = eager_chains(code)
    for inner in walk_codes(code):
        found |= eager_chains(inner)
    return found


def _import_chains(wanted: Import) -> set[Chain]:
    head = "@" + "." * wanted.level + wanted.module
    return {(head, name) for name in wanted.names} or {(head,)}


NOTHING, ADDS, REPLACES = 0, 1, 2


def effects_of(code: CodeType) -> int:
    """What running this module code may do to objects that it did not make: NOTHING, ADDS entries, or REPLACES some (where
    sizes do not tell). A quick look that errs towards more."""
    # What `co_code` is made from: asking for that would keep a copy of it for good.
    raw = code._co_code_adaptive  # type: ignore[attr-defined]
    operations = raw[::2]
    telling = operations.translate(None, _QUIET)
    if not telling:
        return NOTHING
    count = telling.count
    if count(_STORE_SUBSCR) or count(_STORE_ATTR) or "update" in code.co_names:
        return REPLACES
    calls = count(_CALL)
    if calls != count(_BUILD_CLASS) or telling.translate(None, _NOT_OTHER):
        return ADDS
    # Constants are put into a new list or set; anything else is asked for its elements, which may do anything.
    for op, constant in _UNPACKING:
        if (unpacked := count(op)) and unpacked != operations.count(constant):
            return ADDS
    # `class C:` is a call with two arguments; more of them are bases, whose __init_subclass__ may do anything.
    place = -1
    for _ in range(calls):
        place = operations.index(_CALL, place + 1)
        if raw[2 * place + 1] > 2:
            return ADDS
    return NOTHING


def globals_set(code: CodeType) -> set[str]:
    """Names of globals that a function, or a function inside it, binds."""
    found: set[str] = set()
    for inner in (code, *walk_codes(code)):
        operations, extended = inner.co_code, 0
        if not inner.co_flags & IS_FUNCTION or _STORE_GLOBAL not in operations[::2]:
            continue
        for offset in range(0, len(operations), 2):
            op, arg = operations[offset], operations[offset + 1] | extended
            extended = arg << 8 if op == _EXTENDED else 0
            if op == _STORE_GLOBAL:
                found.add(inner.co_names[arg])
    return found


def same_behaviour(before: CodeType, after: CodeType) -> bool:
    """Whether two codes do the same: equal but for line numbers."""
    return (
        before.co_code == after.co_code
        and before.co_names == after.co_names
        and before.co_varnames == after.co_varnames
        and before.co_freevars == after.co_freevars
        and before.co_cellvars == after.co_cellvars
        and before.co_flags == after.co_flags
        and before.co_argcount == after.co_argcount
        and len(before.co_consts) == len(after.co_consts)
        and all(map(_same_constant, before.co_consts, after.co_consts))
    )


def _same_constant(before: object, after: object) -> bool:
    if isinstance(before, CodeType) and isinstance(after, CodeType):
        return before.co_name == after.co_name and same_behaviour(before, after)
    return type(before) is type(after) and repr(before) == repr(after)


def same_outside(before: CodeType, after: CodeType) -> bool:
    """Whether two functions do the same apart from what functions inside them do when they are called."""
    inner_before, inner_after = inner_codes(before), inner_codes(after)
    return (
        before.co_code == after.co_code
        and before.co_names == after.co_names
        and [code.co_freevars for code in inner_before] == [code.co_freevars for code in inner_after]
        and [c for c in map(repr, before.co_consts) if "<code object" not in c]
        == [c for c in map(repr, after.co_consts) if "<code object" not in c]
        and not any(runs_at_once(code) for code in inner_after)
        and (not after.co_flags & IS_FUNCTION or _changed_inner(before, after) <= returned_names(after))
    )


def _changed_inner(before: CodeType, after: CodeType) -> set[str]:
    pairs = zip(inner_codes(before), inner_codes(after), strict=False)
    return {new.co_name for old, new in pairs if not same_behaviour(old, new)}


def returned_names(code: CodeType) -> set[str]:
    """Names of the functions inside that this one returns as they are: what they do shows when they are called, not here."""
    found: set[str] = set()
    operations, arguments = code.co_code[::2], code.co_code[1::2]
    names = (
        *code.co_varnames,
        *(n for n in code.co_cellvars if n not in code.co_varnames),
        *code.co_freevars,
    )
    made, before = "", 0
    for place, op in enumerate(operations):
        if op in _TRANSPARENT:
            continue
        if op == _LOAD_CONST and isinstance(value := code.co_consts[arguments[place]], CodeType):
            made = value.co_name
        if op == _RETURN_VALUE:
            if operations[before] in _LOCAL_LOADS and arguments[before] < len(names):
                found.add(names[arguments[before]])
            elif operations[before] in _MAKERS:
                found.add(made)
        before = place
    return found
