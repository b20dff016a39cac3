"""What a statement reads and changes by way of the file's own functions and classes that it calls.

A function does what it does itself and what the functions do that it follows: worked out once for
all of them together, groups that call each other as one, with names as bits of a number. Of a class, what
makes instances is run where the class is reached, with the methods whose names are asked for; of an object that may
be one of the file's classes, the methods of any class that are called so.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.refactor.statements import Statement, is_main_guard

if TYPE_CHECKING:
    from entrepot.refactor.doings import Doings

RUN_AT_CREATION = frozenset(
    {"__init__", "__new__", "__init_subclass__", "__set_name__", "__call__", "__post_init__"}
)
Unit = tuple[int, str]  # a statement and the function in it; "" for what runs with the statement


@dataclass
class _Reach:
    """What is done in all: sets of bits for names, attributes, and the units that run."""

    reads: int = 0
    changes: int = 0
    follows: int = 0
    attributes: int = 0
    units: int = 0

    def add(self, other: _Reach) -> None:
        self.reads |= other.reads
        self.changes |= other.changes
        self.follows |= other.follows
        self.attributes |= other.attributes
        self.units |= other.units


class Reaches:
    """Answers for one file. `run`: the units that some statement may run."""

    def __init__(self, doings: Doings) -> None:
        self.doings = doings
        self.units: list[Unit] = [
            (index, function) for index, units in doings.units.items() for function in units
        ]
        self.numbers = {unit: number for number, unit in enumerate(self.units)}
        words = {a for units in doings.units.values() for u in units.values() for a in u.attributes}
        self.attributes = {word: 1 << number for number, word in enumerate(sorted(words))}
        self.functions: dict[str, list[int]] = {}  # name -> the units that a call of it runs
        self.classes: dict[str, list[int]] = {}  # name -> all units of the class
        for name, binders in doings.binders.items():
            for index in binders:
                self._sort_units(name, index)
        self.class_mask = doings.mask(self.classes)
        self.methods: dict[str, list[int]] = {}  # name -> the units of all classes that are called so
        for units in self.classes.values():
            for number in units:
                if self.units[number][1]:
                    self.methods.setdefault(self.units[number][1], []).append(number)
        self.properties = {name: self.methods[name] for name in doings.properties & self.methods.keys()}
        self.whole: list[_Reach] = [self._make_own(unit) for unit in self.units]
        self._close()
        self.ran = 0

    def _sort_units(self, name: str, index: int) -> None:
        statement = self.doings.statements[index]
        if not statement.is_definition:
            return
        units = [self.numbers[index, function] for function in self.doings.units.get(index, {})]
        if isinstance(statement.node, ast.ClassDef):
            self.classes.setdefault(name, []).extend(units)
        else:
            self.functions.setdefault(name, []).extend(n for n in units if self.units[n][1])

    @property
    def run(self) -> _Run:
        return _Run(self)

    def _make_own(self, unit: Unit) -> _Reach:
        doing, mask = self.doings.get_unit(*unit), self.doings.mask
        attributes = 0
        for word in doing.attributes:
            attributes |= self.attributes[word]
        bit = 1 << self.numbers[unit]
        return _Reach(mask(doing.reads), mask(doing.changes), mask(doing.follows), attributes, bit)

    def _close(self) -> None:
        """Give each unit what the functions do that it follows, directly or not (Tarjan's components)."""
        order: dict[int, int] = {}
        lowest: dict[int, int] = {}
        waiting: list[int] = []
        is_waiting: set[int] = set()
        after = [self._called(number) for number in range(len(self.units))]
        for root in range(len(self.units)):
            if root in order:
                continue
            stack = [(root, 0)]
            while stack:
                node, at = stack.pop()
                if at == 0:
                    order[node] = lowest[node] = len(order)
                    waiting.append(node)
                    is_waiting.add(node)
                for position in range(at, len(after[node])):
                    other = after[node][position]
                    if other not in order:
                        stack += [(node, position + 1), (other, 0)]
                        break
                    if other in is_waiting:
                        lowest[node] = min(lowest[node], order[other])
                else:
                    if lowest[node] == order[node]:
                        self._merge(node, waiting, is_waiting, after)
                    if stack:
                        above = stack[-1][0]
                        lowest[above] = min(lowest[above], lowest[node])

    def _merge(self, node: int, waiting: list[int], is_waiting: set[int], after: list[list[int]]) -> None:
        """Close one group of units that reach each other; those behind it are closed already."""
        group: list[int] = []
        while not group or group[-1] != node:
            group.append(waiting.pop())
            is_waiting.discard(group[-1])
        together = _Reach()
        for member in group:
            together.add(self.whole[member])
            for other in after[member]:
                together.add(self.whole[other])
        for member in group:
            self.whole[member] = together

    def _called(self, number: int) -> list[int]:
        unit = self.units[number]
        if not unit[1]:
            return []  # a statement's own part: what it calls depends on the statement
        doing = self.doings.get_unit(*unit)
        found = [n for name in sorted(doing.follows) for n in self.functions.get(name, ())]
        # Of `self`: a method of the class, or of one that the file has for a base.
        classes = [unit[0], *(self.units[n][0] for n in self._find_bases(unit[0]))] if doing.own else []
        asked = {(index, name) for index in classes for name in doing.own}
        return found + sorted(self.numbers[other] for other in asked & self.numbers.keys())

    def _find_bases(self, index: int) -> list[int]:
        """Return a unit of each of the file's classes that the class at a statement derives from."""
        found: list[int] = []
        todo = [index]
        while todo:
            node = self.doings.statements[todo.pop()].node
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                for number in self.classes.get(getattr(base, "id", ""), ())[:1]:
                    if number not in found:
                        found.append(number)
                        todo.append(self.units[number][0])
        return found

    # -- statements ------------------------------------------------------------------------

    def follow(self, statement: Statement) -> tuple[int, int]:
        """Return the names that a statement reads and changes with all that it may call."""
        if is_main_guard(statement.node):
            return 0, 0
        own = self.doings.get_unit(statement.index, "")
        whole = _Reach()
        whole.add(self._make_own((statement.index, "")))
        if own.calls:
            for name in own.follows:
                for number in self.functions.get(name, ()):
                    whole.add(self.whole[number])
            self._add_classes(whole, self.methods)
        else:
            if own.attributes & self.properties.keys():
                self._add_classes(whole, self.properties)
            if own.derives:
                self._add_hooks(whole, own.reads)
        self.ran |= whole.units
        return whole.reads, whole.changes

    def _add_classes(self, whole: _Reach, methods: dict[str, list[int]]) -> None:
        """Add what the classes do that are reached, until nothing more is."""
        seen = (-1, -1)
        while (whole.follows & self.class_mask, whole.attributes) != seen:
            seen = (whole.follows & self.class_mask, whole.attributes)
            for name, numbers in methods.items():
                if whole.attributes & self.attributes.get(f".{name}", 0):
                    for number in numbers:
                        whole.add(self.whole[number])  # of whatever class the object is
            for name in self.doings.names_in(whole.follows & self.class_mask):
                for number in self.classes[name]:
                    function = self.units[number][1]
                    is_asked = whole.attributes & self.attributes.get(function, 0)
                    if not function or function in RUN_AT_CREATION or is_asked:
                        whole.add(self.whole[number])
                        if not function:
                            self._add_functions_of(whole, number)

    def _add_functions_of(self, whole: _Reach, number: int) -> None:
        for name in self.doings.get_unit(*self.units[number]).follows:
            for called in self.functions.get(name, ()):
                whole.add(self.whole[called])

    def _add_hooks(self, whole: _Reach, bases: set[str]) -> None:
        """Deriving runs the `__init_subclass__` of the classes above."""
        todo, seen = sorted(bases & self.classes.keys()), set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for number in self.classes[name]:
                index, function = self.units[number]
                if function == "__init_subclass__":
                    whole.add(self.whole[number])
                elif not function:
                    todo += sorted(self.doings.get_unit(index, "").reads & self.classes.keys())


class _Run:
    """The units that some statement may run, asked with `in`."""

    def __init__(self, reaches: Reaches) -> None:
        self.reaches = reaches

    def __contains__(self, unit: Unit) -> bool:
        number = self.reaches.numbers.get(unit)
        return number is not None and bool(self.reaches.ran >> number & 1)
