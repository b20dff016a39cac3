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
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

Chain = tuple[str, ...]

_OP = opcode.opmap
_LOADS = {_OP[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in _OP}
_LOAD_GLOBAL = _OP["LOAD_GLOBAL"]
_ATTRIBUTES = {_OP[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in _OP}
_SHIFTED_ATTRIBUTE = sys.version_info >= (3, 12)  # from 3.12 the lowest bit of LOAD_ATTR says "method"
_STORES = {_OP["STORE_NAME"], _OP["STORE_GLOBAL"]}
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
_BUILD_CLASS = _OP["LOAD_BUILD_CLASS"]

IS_FUNCTION = 0x1  # CO_OPTIMIZED: a function's code, not that of a module or class body
_INLINE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


class Import(NamedTuple):
    """An import as compiled: `from ..a import b` is level 2, module "a", names ("b",); `import a` has no names."""

    level: int
    module: str
    names: tuple[str, ...]


class Event(NamedTuple):
    """One thing that code does with names: `what` is load, store, import or code."""

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


def may_have_effects(code: CodeType) -> bool:
    """Whether running this module code may change objects that it did not make: a quick look that errs towards yes."""
    operations = code.co_code[::2]
    calls = sum(operations.count(op) for op in _EFFECTS)
    if not calls:
        return False
    classes = operations.count(_BUILD_CLASS)
    if calls > classes:
        return True
    # `class C:` is a call with two arguments; more of them are bases, whose __init_subclass__ may do anything.
    call, arguments = _OP["CALL"], code.co_code[1::2]
    return any(op == call and argument > 2 for op, argument in zip(operations, arguments, strict=True))


def replaces_entries(code: CodeType) -> bool:
    """Whether module code assigns to items or attributes, or calls `update`: entries may change where sizes do not."""
    operations = code.co_code[::2]
    return (
        any(operations.count(_OP[name]) for name in ("STORE_SUBSCR", "STORE_ATTR"))
        or "update" in code.co_names
    )


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
        and {
            new.co_name
            for old, new in zip(inner_before, inner_after, strict=False)
            if not same_behaviour(old, new)
        }
        <= returned_names(after)
    )


def returned_names(code: CodeType) -> set[str]:
    """Names of the functions inside that this one returns as they are: what they do shows when they are called, not here."""
    import dis

    found: set[str] = set()
    before, made = None, ""
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, CodeType):
            made = instruction.argval.co_name
        if instruction.opname.startswith("RETURN") and before is not None:
            if before.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE")):
                found.add(str(before.argval))
            elif before.opname in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"):
                found.add(made)
        before = instruction
    return found


class Index:
    """Where names are used in a whole program, so that a change asks only the modules it may concern.

    `loads` and `imports` give the modules whose top level loads or imports a name; `deferred` gives pairs (module,
    definition) whose functions use it. It errs towards too much: a module's old uses stay after an edit.
    """

    def __init__(self) -> None:
        self.loads: dict[str, set[str]] = {}
        self.imports: dict[str, set[str]] = {}
        self.deferred: dict[str, set[tuple[str, str]]] = {}
        self.stars: set[str] = set()
        self.relative: set[str] = (
            set()
        )  # modules with `from . import name`, which does not say the package's name
        self.known: dict[str, CodeType] = {}
        self._waiting: dict[
            str, CodeType
        ] = {}  # modules to enter when somebody asks for a name that they mention
        self._mentions: dict[str, list[str]] = {}

    def announce(self, module: str, code: CodeType) -> None:
        """Note which names a module's code mentions, which is quick; `prepare` enters its uses when one is asked for."""
        if self.known.get(module) is code or self._waiting.get(module) is code:
            return
        self._waiting[module] = code
        names: set[str] = set()
        for inner in (code, *walk_codes(code)):
            names.update(inner.co_names)
        if ("*",) in code.co_consts:
            names.add("*")
        for name in names:
            for part in name.split(".") if "." in name else (name,):
                self._mentions.setdefault(part, []).append(module)

    def prepare(self, *names: str) -> None:
        """Enter every announced module that mentions one of these names, has a star import or leaves out a package's name."""
        for name in ("*", "", *names):
            for module in self._mentions.pop(name, ()):
                code = self._waiting.get(module)
                if code is not None:
                    self.add(module, code)

    def add(self, module: str, code: CodeType) -> None:
        """Enter the uses of one module's code."""
        if self.known.get(module) is code:
            return
        self.known[module] = code
        self._waiting.pop(module, None)
        pending: list[CodeType] = []
        for event in read_events(code):
            if event.what == "load":
                for part in event.data:  # type: ignore[attr-defined]
                    self.loads.setdefault(part, set()).add(module)
            elif event.what == "import":
                wanted: Import = event.data  # type: ignore[assignment]
                for part in (*wanted.module.split("."), *wanted.names):
                    self.imports.setdefault(part, set()).add(module)
                if wanted.names == ("*",):
                    self.stars.add(module)
                if not wanted.module:
                    self.relative.add(module)
            elif event.what == "code":
                pending.append(event.data)  # type: ignore[arg-type]
            elif event.what == "store":
                for inner in pending:
                    self._add_inner(module, str(event.data), inner)
                pending = []
        for inner in pending:
            self._add_inner(module, "", inner)

    def _add_inner(self, module: str, definition: str, code: CodeType) -> None:
        if runs_at_once(code):
            for chain in eager_chains(code):
                for part in chain:
                    self.loads.setdefault(part, set()).add(module)
        use = (module, definition)
        for inner in (code, *walk_codes(code)):
            for name in inner.co_names:
                for part in name.split(".") if "." in name else (name,):
                    self.deferred.setdefault(part, set()).add(use)
