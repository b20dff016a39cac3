"""Which statement made which entry of the journal?

Entries of one container and the statements of one module both stand in the order in which things happened, so they are
lined up: each entry goes to a statement, never to one before that of the entry above it, such that what the statements
say (`REG.append(f)`, `TABLE["k"] = v`, a display's elements, a decorator whose function fills the container) agrees
best with what the entries are. Where order says nothing (sets, `insert(0, ...)`) each entry goes where it fits best.

Reads objects through namespaces and plain attributes only: nothing of the program runs.
"""

from __future__ import annotations

import ast
from collections import deque
from types import FunctionType, ModuleType

from entrepot.live.alignment import Candidate, align, choose_best, worth_of
from entrepot.live.codes import ADDERS, FILLERS
from entrepot.live.containers import Entry, find_containers
from entrepot.live.evidence import callee, fills, leads_to, origins_of
from entrepot.live.statements import Mark, Unit
from entrepot.live.values import peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How much each agreement or contradiction between a statement and an entry counts.
EXACT = 14  # the statement names this container and this very entry
OPEN = 6  # it names this container; what it puts there cannot be told from the text
CONTRARY = -20  # it names this container and another entry
DISPLAY = 8  # an element of the display that made the container
MOST_CELLS = (
    100_000  # larger tables of entries by statements are data, and belong to whoever made the container
)
NOBODY: Mark = ("", "", 0)
_MISSING = object()
_LOOKERS = {"get", "index", "count", "copy", "keys", "values", "items", "issubset", "issuperset", "union"}
_QUIET_CALLS = {"len", "repr", "str", "sorted", "sum", "min", "max", "list", "tuple", "dict", "set", "frozenset", "any", "all",
                "bool", "print", "iter", "next", "enumerate", "zip", "map", "filter", "reversed", "isinstance", "type", "id", "hash",
                "format", "range"}  # fmt: skip


def assign_units(entries: list[Entry], units: list[Unit], namespace: dict[str, Any]) -> None:
    """Say for each journal entry of a module which of its statements made it."""
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.unit is None:
            groups.setdefault(id(entry.container), []).append(entry)
    if not groups:
        return
    reader = _Reader(units, namespace)
    for group in groups.values():
        for entry, unit in zip(group, reader.line_up(group), strict=True):
            entry.unit = NOBODY if unit is None else unit.mark


class _Action:
    """What a statement says that it puts into a container: expressions for the key (None: none) and the value; `is_one`:
    exactly one entry each time the statement runs."""

    __slots__ = ("base", "is_one", "key", "value")

    def __init__(
        self, base: ast.expr, key: ast.expr | None = None, value: ast.expr | None = None, *, is_one: bool
    ) -> None:
        self.base = base
        self.key = key
        self.value = value
        self.is_one = is_one


class _Said:
    """What one statement says, read once."""

    __slots__ = ("actions", "called", "decorators", "passed")

    def __init__(self) -> None:
        self.actions: list[_Action] = []
        self.passed: list[ast.expr] = []  # arguments of calls whose effect is unknown
        self.called: list[ast.expr] = []
        self.decorators: list[ast.expr] = []


class _Reader:
    """Looks at the statements of one module."""

    def __init__(self, units: list[Unit], namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.units = units
        self.makers = {name: unit for unit in units for name in unit.binds}
        self.effective = [
            u for u in units if u.has_effects or u.is_decorated or u.kind in ("class", "other", "main")
        ]
        self._said: dict[int, _Said] = {}
        self._homes: dict[int, list[Unit]] = {}  # the statements that made a container, or gave it its name
        for name, value in namespace.items():
            if name in self.makers and isinstance(value, list | dict | set | deque):
                binders = [unit for unit in units if name in unit.binds]
                made = [unit for unit in binders if unit.kind == "assign"] or binders[-1:]
                self._homes.setdefault(id(value), []).extend(made)
        for name, value in namespace.items():
            maker = self.makers.get(name)
            if isinstance(value, type) and maker is not None and maker.kind in ("class", "other"):
                for container in find_containers({name: value}, value.__module__):
                    self._homes.setdefault(id(container), [maker])

    # -- lining up ----------------------------------------------------------------------------------------------

    def line_up(self, entries: list[Entry]) -> list[Unit | None]:
        """Return the statement of each of one container's entries."""
        container = entries[0].container
        homes = self._homes.get(id(container), [])
        home = homes[-1] if homes else None
        units = [*self.effective, *(unit for unit in homes if unit not in self.effective)]
        units.sort(key=lambda unit: unit.first)
        if len(entries) * len(units) > MOST_CELLS:
            return [home] * len(entries)
        origins = [origins_of((entry.key, entry.value), self.namespace) for entry in entries]
        found = [self._candidate(unit, entries, origins, is_home=unit in homes) for unit in units]
        candidates = [c for c in found if c is not None]
        if not candidates:
            return [home] * len(entries)
        in_order = align(candidates, len(entries))
        freely = choose_best(candidates, len(entries))
        if isinstance(container, set) or worth_of(candidates, freely) > worth_of(candidates, in_order):
            in_order = freely
        return [None if index is None else candidates[index].unit for index in in_order]

    def _candidate(
        self, unit: Unit, entries: list[Entry], origins: list[tuple[set[int], set[str]]], *, is_home: bool
    ) -> Candidate | None:
        container = entries[0].container
        said = self.read(unit)
        direct = [a for a in said.actions if self.value_of(a.base) is container]
        fills = is_home or bool(direct) or self._reaches(unit, said, container)
        fits = []
        for entry, (lines, objects) in zip(entries, origins, strict=True):
            fit = 4 * any(unit.first <= line <= unit.last for line in lines)
            fit += 3 * any(self.makers.get(name) is unit for name in objects)
            fit += 2 * any(chain[0] in objects for chain in unit.eager)
            fit += 2 * _is_constant(entry.key, unit) + _is_constant(entry.value, unit)
            fit += 3 * fills
            if direct:
                fit += max(self._agreement(action, entry) for action in direct)
            if is_home:
                fit += self._display_fit(unit, entry)
            fits.append(fit)
        if not fills and not (unit.has_effects or unit.is_decorated or unit.kind in ("class", "main")):
            return None
        if not fills and self._only_reads(unit, said):
            return None
        surely = sum(action.is_one for action in direct)
        calls_more = bool(said.called) and self._reaches(unit, said, container)
        is_open = is_home or not direct or calls_more or any(not action.is_one for action in direct)
        if not direct and not is_home:  # one for each: a class may have many such methods
            surely = sum(self._calls_filler([decorator], container) for decorator in said.decorators)
        return Candidate(unit, fits, surely, is_open=is_open)

    def _only_reads(self, unit: Unit, said: _Said) -> bool:
        """Whether nothing that the statement calls can fill a container of the program."""
        quiet = not (said.called or said.actions or said.passed or said.decorators)
        return unit.kind in ("assign", "other") and quiet

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, unit: Unit) -> _Said:
        """Return what a statement says that it does."""
        said = self._said.get(id(unit))
        if said is None:
            said = self._said[id(unit)] = _Said()
            if unit.has_effects or unit.is_decorated:
                try:
                    for node in unit.tree.body:
                        self._read_node(node, said, once=True)
                except SyntaxError:  # a unit that shares lines in an unusual way
                    pass
        return said

    def _read_node(self, node: ast.AST, said: _Said, *, once: bool) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                said.decorators += node.decorator_list
                for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
                    self._read_node(part, said, once=once)
                return
            case ast.Lambda():
                return
            case ast.ClassDef():
                said.decorators += node.decorator_list
                said.called += node.bases
            case (
                ast.For()
                | ast.AsyncFor()
                | ast.While()
                | ast.If()
                | ast.Try()
                | ast.comprehension()
                | ast.Match()
            ):
                once = False
            case (
                ast.ListComp()
                | ast.SetComp()
                | ast.DictComp()
                | ast.GeneratorExp()
                | ast.IfExp()
                | ast.BoolOp()
            ):
                once = False
            case ast.Call():
                self._read_call(node, said, once=once)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Subscript):
                        is_one = once and not isinstance(node, ast.AugAssign | ast.AnnAssign)
                        said.actions.append(_Action(target.value, target.slice, node.value, is_one=is_one))
                    elif isinstance(node, ast.AugAssign):
                        said.actions.append(_Action(target, None, None, is_one=False))
        for child in ast.iter_child_nodes(node):
            self._read_node(child, said, once=once)

    def _read_call(self, node: ast.Call, said: _Said, *, once: bool) -> None:
        function = node.func
        if (
            isinstance(function, ast.Name)
            and function.id in _QUIET_CALLS
            and function.id not in self.namespace
        ):
            return
        if isinstance(function, ast.Attribute):
            base = function.value
            if function.attr in ADDERS and node.args:
                key = node.args[0] if function.attr in ("setdefault", "__setitem__") else None
                value = node.args[-1] if key is None or len(node.args) > 1 else None
                said.actions.append(_Action(base, key, value, is_one=once))
            elif function.attr in FILLERS:
                said.actions.append(_Action(base, None, None, is_one=False))
            if isinstance(self.value_of(base), list | dict | set | deque):
                if function.attr not in ADDERS | FILLERS | _LOOKERS:
                    said.actions.append(_Action(base, None, None, is_one=False))
                return
        said.called.append(function)
        said.passed += [*node.args, *(keyword.value for keyword in node.keywords)]

    def value_of(self, node: ast.expr | None) -> Any:
        """Return what a name, dotted name or constant stands for now, or a mark that it cannot be told."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.namespace.get(node.id, _MISSING)
            case ast.Attribute():
                value = self.value_of(node.value)
                attributes = peek(value, "__dict__") if value is not _MISSING else None
                if isinstance(value, type):
                    return next(
                        (c.__dict__[node.attr] for c in value.__mro__ if node.attr in c.__dict__), _MISSING
                    )
                if isinstance(attributes, dict):
                    if node.attr in attributes:
                        return attributes[node.attr]
                    return next(
                        (c.__dict__[node.attr] for c in type(value).__mro__ if node.attr in c.__dict__),
                        _MISSING,
                    )
            case ast.Subscript():
                value, key = self.value_of(node.value), self.value_of(node.slice)
                if type(value) in (list, dict, tuple) and isinstance(key, str | int):
                    try:
                        return value[key]
                    except (KeyError, IndexError):
                        return _MISSING
            case ast.Call(func=ast.Attribute(attr="setdefault") as function, args=[key, *_]):
                return self.value_of(ast.Subscript(function.value, key, ast.Load()))
        return _MISSING

    def _agreement(self, action: _Action, entry: Entry) -> int:
        """How well an action on the entry's container agrees with the entry."""
        fit = OPEN
        pairs = [(action.value, entry.value)]
        if isinstance(entry.container, dict) and action.key is not None:
            pairs.append((action.key, entry.key))
        for node, actual in pairs:
            if isinstance(node, ast.Lambda):
                is_it = isinstance(actual, FunctionType) and actual.__code__.co_firstlineno == node.lineno
                fit += EXACT - OPEN if is_it else CONTRARY
                continue
            said = self.value_of(node)
            if said is _MISSING:
                continue
            if said is actual or (
                type(said) is type(actual) and isinstance(said, str | int | float | bytes) and said == actual
            ):
                fit += EXACT - OPEN
            elif isinstance(node, ast.Constant):
                fit += CONTRARY
            else:  # a name may have been bound again since
                fit -= OPEN
        return fit

    def _display_fit(self, unit: Unit, entry: Entry) -> int:
        """How well an entry agrees with the display that made its container."""
        display = getattr(unit.tree.body[0], "value", None)
        if isinstance(display, ast.Dict):
            keys = [self.value_of(key) for key in display.keys]
            if any(key is _MISSING for key in keys):
                return 1
            return (
                DISPLAY
                if entry.key in [k for k in keys if _is_plain(k)] or any(k is entry.key for k in keys)
                else CONTRARY
            )
        if isinstance(display, ast.List | ast.Set | ast.Tuple):
            items = [self.value_of(item) for item in display.elts]
            if any(item is entry.value or (_is_plain(item) and item == entry.value) for item in items):
                return DISPLAY
            return 3 if any(item is _MISSING for item in items) else CONTRARY
        if isinstance(display, ast.ListComp | ast.SetComp | ast.DictComp):
            return 3
        if isinstance(display, ast.Call):
            return 3 if display.args or display.keywords else -2
        return 0

    def _reaches(self, unit: Unit, said: _Said, container: object) -> bool:
        """Whether a statement calls something whose code names the container, or hands the container on."""
        if any(leads_to(chain, self.namespace, container) for chain in unit.eager) and (
            said.passed or said.actions
        ):
            handed = {ast.dump(node) for node in said.passed}
            if handed and any(self.value_of(node) is container for node in said.passed):
                return True
        called = [*said.decorators, *said.called]
        if self._calls_filler(called, container):
            return True
        if called and all(isinstance(self.value_of(callee(node)), FunctionType) for node in called):
            return False  # all that it calls is known, and fills something else
        owners = (self.namespace.get(chain[0]) for chain in unit.eager)
        return any(
            not isinstance(owner, ModuleType)
            and any(part is container for part in peek(owner, "__dict__", {}).values())
            for owner in owners
        )

    def _calls_filler(self, called: list[ast.expr], container: object) -> bool:
        for node in called:
            value = self.value_of(callee(node))
            owner = self.value_of(node.value) if isinstance(node, ast.Attribute) else value
            if value is not _MISSING and fills(value, owner, container):
                return True
        return False


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bytes | None)


def _is_constant(value: object, unit: Unit) -> bool:
    if isinstance(value, str) and value in unit.binds:
        return True
    return isinstance(value, str | int | float | bytes) and any(
        type(c) is type(value) and c == value for c in unit.constants
    )
