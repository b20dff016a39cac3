"""What each module-level statement does to the module's names when it runs, itself or by what it calls.

Two statements must keep their order when one changes what the other reads: a name that is bound
again, an object that is changed in place (`items.append(1)`, `table[k] = v`, `Base.size = 3`).
Calls of the file's own functions and classes are followed, methods by their names alone; what other modules
do with an object they are given is not known here. Of an imported module what is stored in it counts
(`os.environ["X"] = "1"`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from entrepot.program.symbols import AT_CALL, AT_IMPORT, DECLARE, DELETE, IMPORT, LOAD, STORE
from entrepot.refactor.changers import (
    CHANGING,
    CHANGING_FIRST,
    find_changers,
    find_instances,
    find_properties,
    find_used_up,
    name_of_root,
    root_of,
)
from entrepot.refactor.reaches import Reaches
from entrepot.refactor.statements import Statement
from entrepot.refactor.text import SourceFile

# What calls none of the functions that it is given, or only much later.
_KEEPING = frozenset(
    "partial partialmethod property staticmethod classmethod wraps update_wrapper lru_cache cache cached_property "
    "singledispatch TypeVar NewType cast isinstance issubclass getattr hasattr type id super".split()
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass
class Doing:
    """What runs as one: the names it reads and changes, the attributes it asks for, whether it calls.

    An attribute of what may be an object of one of the file's classes is in `attributes` with a dot as well; `own`
    are those of `self`.

    `derives`: it makes a class from others, which runs their `__init_subclass__`.
    """

    reads: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    follows: set[str] = field(default_factory=set)  # read in a way that could call it
    calls: bool = False
    derives: bool = False


@dataclass
class _Marks:
    """Name nodes (by id) that stand in certain positions."""

    changed: set[int] = field(default_factory=set)  # what is changed in place
    deep: set[int] = field(default_factory=set)  # what counts of imported modules as well
    called: set[int] = field(default_factory=set)  # `name()`, `name.part()`
    quiet: set[int] = field(default_factory=set)  # nothing can run because of this mention


class Doings:
    """The doings of one file's statements at import time, with all that they may call.

    `reads`, `changes`: for each statement the names, as sets of bits (`mask` and `names_in` go back and
    forth); `steps`: the names that several statements change; `volatile`: those that functions change
    whenever they are called; `run`: the functions that may be called while the module is initialised.
    """

    def __init__(self, file: SourceFile, statements: Sequence[Statement]) -> None:
        self.file = file
        self.statements = statements
        self.units: dict[int, dict[str, Doing]] = {}
        self.binders: dict[str, list[int]] = {}
        self.classes = {s.node.name for s in statements if isinstance(s.node, ast.ClassDef)}
        self.changers = find_changers(file.tree)
        self.kept = {
            target.id
            for s in statements
            if isinstance(s.node, ast.Assign) and isinstance(s.node.value, ast.Call)
            for target in s.node.targets
            if isinstance(target, ast.Name)
        }
        self.instances = find_instances(file.tree.body)
        self.properties = find_properties(file.tree)
        self.used_up = find_used_up(file.tree, self.changers)
        self.imported = {name for s in statements if s.is_import for name in s.binds}
        marks = _Marks()
        for statement in statements:
            for name in statement.binds:
                self.binders.setdefault(name, []).append(statement.index)
            self._walk(statement.node, statement.index, "", marks)
        self._read_names(marks)
        self.bits = {name: 1 << number for number, name in enumerate(self._list_names())}
        reaches = Reaches(self)
        self.run = reaches.run
        found = [reaches.follow(statement) for statement in statements]
        self.reads, self.changes = [reads for reads, _ in found], [changes for _, changes in found]
        self.steps = self._find_steps()
        functions = (u for units in self.units.values() for function, u in units.items() if function)
        self.volatile = {name for unit in functions for name in unit.changes}

    def _list_names(self) -> list[str]:
        found = dict.fromkeys(self.binders)
        for units in self.units.values():
            for unit in units.values():
                found.update(dict.fromkeys(sorted(unit.reads | unit.changes)))
        return list(found)

    def _find_steps(self) -> list[str]:
        once = twice = 0
        for statement, changes in zip(self.statements, self.changes, strict=True):
            changed = changes | self.mask(statement.binds - self.imported)
            twice |= once & changed
            once |= changed
        return self.names_in(twice | once & self.mask(self.imported))

    def mask(self, names: Iterable[str]) -> int:
        """Return names as a set of bits."""
        found = 0
        for name in names:
            found |= self.bits.get(name, 0)
        return found

    def names_in(self, mask: int) -> list[str]:
        """Return the names of a set of bits."""
        return [name for name, bit in self.bits.items() if bit & mask] if mask else []

    def own(self, index: int) -> int:
        """Return the names that a statement reads or changes itself, not by what it calls."""
        doing = self.get_unit(index, "")
        return self.mask(doing.reads | doing.changes)

    def get_unit(self, index: int, function: str) -> Doing:
        return self.units.setdefault(index, {}).setdefault(function, Doing())

    # -- reading ---------------------------------------------------------------------------

    def _walk(self, node: ast.AST, index: int, function: str, marks: _Marks) -> None:
        """Note calls, attributes, and the roots of what is changed in place, unit by unit."""
        unit = self.get_unit(index, function)
        if isinstance(node, _FUNCTIONS):
            for decorator in getattr(node, "decorator_list", ()):
                unit.calls = True
                # `@app.route("/")`: the object keeps what it is given.
                root = root_of(decorator, through_calls=True)
                if isinstance(root, ast.Name) and root is not decorator and root.id in self.kept:
                    marks.changed.add(id(root))
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
            marks.called.add(id(root_of(node.func)))
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CHANGING:
                target = node.func if isinstance(node.func, ast.Attribute) else (node.args or [node.func])[0]
                marks.changed.add(id(root_of(target)))
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Attribute):
                    marks.deep.add(id(root_of(target)))
            given = [*node.args, *(k.value for k in node.keywords)]
            if name in self.changers:
                marks.changed.update(id(root_of(part)) for part in given)
                # `Base.put(self, x)` does not change the class; a class method may.
                if name_of_root(node.func) not in self.classes or name in self.properties:
                    marks.changed.add(id(root_of(node.func)))
            # A method that is handed over may be called at once.
            marks.changed.update(
                id(root_of(part)) for part in given if getattr(part, "attr", "") in self.changers
            )
            if name in CHANGING_FIRST:
                marks.changed.update(id(root_of(part)) for part in given[:1])
            if name in _KEEPING:
                marks.quiet.update(id(k.value) for k in node.keywords)
                marks.quiet.update(map(id, node.args))
        elif isinstance(node, ast.Attribute):
            unit.attributes.add(node.attr)
            root = root_of(node)
            if isinstance(root, ast.Name) and root.id in self.instances:
                unit.attributes.add(f".{node.attr}")
            elif function and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                unit.own.add(node.attr)
            if node.attr in self.changers & self.properties:
                marks.changed.add(id(root_of(node)))
            if id(root_of(node)) not in marks.called:
                marks.quiet.add(id(root_of(node)))  # asking a class or function for something runs nothing
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root = root_of(node, through_calls=True)
            marks.changed.add(id(root))
            marks.deep.add(id(root))
        for child in ast.iter_child_nodes(node):
            self._walk(child, index, function, marks)

    def _read_names(self, marks: _Marks) -> None:
        module = self.file.names.module
        for o in self.file.names.occurrences:
            if o.home is not module or o.kind in (IMPORT, DECLARE) or o.when not in (AT_IMPORT, AT_CALL):
                continue
            function = getattr(o.outer, "name", "") if o.when == AT_CALL else ""
            unit = self.get_unit(o.statement, function)
            if o.kind == LOAD:
                unit.reads.add(o.name)
                if id(o.node) not in marks.quiet:
                    unit.follows.add(o.name)
            if o.name in self.imported:
                is_changed = id(o.node) in marks.deep
            else:
                is_read_up = o.kind == LOAD and o.name in self.used_up
                is_changed = id(o.node) in marks.changed or o.kind in (STORE, DELETE) or is_read_up
            if is_changed:
                unit.changes.add(o.name)
            if isinstance(o.node, ast.Name) and o.kind == STORE:
                parent = self.statements[o.statement].node
                if isinstance(parent, ast.AugAssign) and parent.target is o.node:
                    unit.reads.add(o.name)
