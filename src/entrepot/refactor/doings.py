"""What each module-level statement does to the module's names when it runs, itself or by what it calls.

Two statements must keep their order when one changes what the other reads: a name that is bound
again, an object that is changed in place (`items.append(1)`, `table[k] = v`, `Base.size = 3`).
Calls of the file's own functions and classes are followed; what other modules do with an object
they are given is not known here.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from entrepot.program.symbols import AT_CALL, AT_IMPORT, DECLARE, DELETE, IMPORT, LOAD, STORE
from entrepot.refactor.statements import Statement, is_main_guard
from entrepot.refactor.text import SourceFile

RUN_AT_CREATION = frozenset(
    {"__init__", "__new__", "__init_subclass__", "__set_name__", "__call__", "__post_init__"}
)
_CHANGING = frozenset(
    "append add update extend insert pop popitem remove clear discard setdefault sort reverse appendleft "
    "extendleft register write writelines __setitem__ __delitem__ setattr delattr next".split()
)
# What calls none of the functions that it is given, or only much later.
_KEEPING = frozenset(
    "partial partialmethod property staticmethod classmethod wraps update_wrapper lru_cache cache cached_property "
    "singledispatch TypeVar NewType cast isinstance issubclass getattr hasattr type id super".split()
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Unit = tuple[int, str]  # a statement and the function in it; "" for what runs with the statement


@dataclass
class Doing:
    """What runs as one: the names it reads and changes, the attributes it asks for, whether it calls.

    `derives`: it makes a class from others, which runs their `__init_subclass__`.
    """

    reads: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    follows: set[str] = field(default_factory=set)  # read in a way that could call it
    calls: bool = False
    derives: bool = False


@dataclass
class _Marks:
    """Name nodes (by id) that stand in certain positions."""

    changed: set[int] = field(default_factory=set)  # what is changed in place
    called: set[int] = field(default_factory=set)  # `name()`, `name.part()`
    quiet: set[int] = field(default_factory=set)  # nothing can run because of this mention


class Doings:
    """The doings of one file's statements at import time.

    `whole` has one for each statement, with what it may call; `steps` are the names that several
    statements change; `run` are the functions that may be called while the module is initialised.
    """

    def __init__(self, file: SourceFile, statements: Sequence[Statement]) -> None:
        self.file = file
        self.statements = statements
        self.units: dict[int, dict[str, Doing]] = {}
        self.binders: dict[str, list[int]] = {}
        self.imported = {name for s in statements if s.is_import for name in s.binds}
        marks = _Marks()
        for statement in statements:
            for name in statement.binds:
                self.binders.setdefault(name, []).append(statement.index)
            self._walk(statement.node, statement.index, "", marks)
        self._read_names(marks)
        self.run: set[_Unit] = set()
        self.whole = [self._follow(statement) for statement in statements]
        counted: dict[str, int] = {}
        for statement, doing in zip(statements, self.whole, strict=True):
            for name in doing.changes | (statement.binds - self.imported):
                counted[name] = counted.get(name, 0) + 1
        self.steps = {name for name, count in counted.items() if count > 1}

    def depends(self, one: int, two: int) -> set[str]:
        """Return the names because of which two statements must keep their order."""
        first, second = self.whole[one], self.whole[two]
        found = first.changes & (second.reads | second.changes) | first.reads & second.changes
        return found & self.steps

    @cached_property
    def volatile(self) -> set[str]:
        """Names that functions of the file change whenever they are called."""
        return {
            name
            for units in self.units.values()
            for function, unit in units.items()
            for name in (unit.changes - self.imported if function else ())
        }

    def own(self, index: int) -> set[str]:
        """Return the names that a statement reads or changes itself, not by what it calls."""
        doing = self._unit((index, ""))
        return doing.reads | doing.changes

    # -- reading ---------------------------------------------------------------------------

    def _unit(self, key: _Unit) -> Doing:
        return self.units.setdefault(key[0], {}).setdefault(key[1], Doing())

    def _walk(self, node: ast.AST, index: int, function: str, marks: _Marks) -> None:
        """Note calls, attributes, and the roots of what is changed in place, unit by unit."""
        unit = self._unit((index, function))
        if isinstance(node, _FUNCTIONS):
            for decorator in getattr(node, "decorator_list", ()):
                unit.calls = True
                self._walk(decorator, index, function, marks)
            for default in [*node.args.defaults, *node.args.kw_defaults]:
                if default is not None:
                    self._walk(default, index, function, marks)
            # A lambda is taken to run with what makes it.
            inside = function or getattr(node, "name", "")
            body = node.body if isinstance(node.body, list) else [node.body]
            for part in body:
                self._walk(part, index, inside, marks)
            return
        if isinstance(node, ast.ClassDef):
            unit.calls |= bool(node.decorator_list or node.keywords)
            unit.derives |= bool(node.bases)
            marks.quiet.update(map(id, node.bases))
        elif isinstance(node, ast.ExceptHandler):
            marks.quiet.add(id(node.type))
        elif isinstance(node, ast.Call):
            unit.calls = True
            marks.called.add(id(_root_of(node.func)))
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _CHANGING:
                target = node.func if isinstance(node.func, ast.Attribute) else (node.args or [node.func])[0]
                marks.changed.add(id(_root_of(target)))
            elif name in _KEEPING:
                marks.quiet.update(id(k.value) for k in node.keywords)
                marks.quiet.update(map(id, node.args))
        elif isinstance(node, ast.Attribute):
            unit.attributes.add(node.attr)
            if id(_root_of(node)) not in marks.called:
                marks.quiet.add(id(_root_of(node)))  # asking a class or function for something runs nothing
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            marks.changed.add(id(_root_of(node)))
        for child in ast.iter_child_nodes(node):
            self._walk(child, index, function, marks)

    def _read_names(self, marks: _Marks) -> None:
        module = self.file.names.module
        for o in self.file.names.occurrences:
            if o.home is not module or o.kind in (IMPORT, DECLARE) or o.when not in (AT_IMPORT, AT_CALL):
                continue
            function = getattr(o.outer, "name", "") if o.when == AT_CALL else ""
            unit = self._unit((o.statement, function))
            if o.kind == LOAD:
                unit.reads.add(o.name)
                if id(o.node) not in marks.quiet:
                    unit.follows.add(o.name)
            if id(o.node) in marks.changed or o.kind in (STORE, DELETE):
                unit.changes.add(o.name)
            if isinstance(o.node, ast.Name) and o.kind == STORE:
                parent = self.statements[o.statement].node
                if isinstance(parent, ast.AugAssign) and parent.target is o.node:
                    unit.reads.add(o.name)

    # -- following -------------------------------------------------------------------------

    def _follow(self, statement: Statement) -> Doing:
        """Return what a statement does with all that it may call."""
        if is_main_guard(statement.node):
            return Doing()
        own = self._unit((statement.index, ""))
        changes = own.changes - self.imported
        whole = Doing(set(own.reads), changes, set(own.attributes), set(own.follows), own.calls)
        if not own.calls and not own.derives:
            return whole
        seen: set[_Unit] = {(statement.index, "")}
        size = -1
        while size != len(seen):
            size = len(seen)
            names = whole.follows if own.calls else own.reads
            reached = {i for name in names for i in self.binders.get(name, ())}
            for index in sorted(reached):
                for function, unit in self._functions_of(index).items():
                    if (index, function) not in seen and self._is_run(index, function, whole):
                        seen.add((index, function))
                        whole.reads |= unit.reads
                        whole.follows |= unit.follows
                        whole.changes |= unit.changes - self.imported
                        whole.attributes |= unit.attributes
        self.run |= seen
        return whole

    def _functions_of(self, index: int) -> dict[str, Doing]:
        """Return the functions in a definition, with "" for what runs with it; nothing for other statements."""
        return self.units.get(index, {}) if self.statements[index].is_definition else {}

    def _is_run(self, index: int, function: str, whole: Doing) -> bool:
        node = self.statements[index].node
        if isinstance(node, ast.ClassDef):
            # Of a class: what makes instances, what is asked for by name, and its bases.
            if not whole.calls:
                return function == "__init_subclass__" or not function
            return function in RUN_AT_CREATION or function in whole.attributes or not function
        return bool(function) and whole.calls


def _root_of(node: ast.AST) -> ast.AST:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node
