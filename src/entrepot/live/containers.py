"""Which statement put which entry into which list, dict or set: the journal of import-time registrations.

The program's containers (in module namespaces, class attributes, attributes of instances of its classes, one level
of nesting further) are registered when their module has run. While a module's top level runs, sizes are compared,
which costs microseconds; where one changed, the new entries are noted under that module. An update finds the statement
(`attribution`); entries made during an update are known exactly.

Run-time entries are never in the journal, so they stay. Does not see containers that only C code or closures hold.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, deque
from operator import is_
from types import BuiltinFunctionType, FunctionType, ModuleType

from entrepot.live.codes import REPLACES
from entrepot.live.values import peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.record import Record
    from entrepot.live.statements import Mark

KINDS: tuple[type, ...] = (list, dict, set, deque, defaultdict, OrderedDict)
_KIND_SET = frozenset(KINDS)
_NEVER = frozenset(
    (
        FunctionType,
        BuiltinFunctionType,
        ModuleType,
        str,
        int,
        float,
        bool,
        bytes,
        tuple,
        frozenset,
        complex,
        type(None),
    )
)
LARGE = 4096  # entries; a larger container is data, not a registry
_MISSING = object()


class Entry:
    """One thing that a top level added: `key` is None in lists and sets."""

    __slots__ = ("before", "container", "is_own", "key", "unit", "value")

    def __init__(
        self, container: Any, key: object, value: object, before: object = _MISSING, *, is_own: bool = False
    ) -> None:
        self.container = container
        self.key = key
        self.value: Any = value
        self.before = before  # what the key held, if it held anything
        self.is_own = is_own  # the container belongs to the same module
        self.unit: Mark | None = None  # the statement that made it, once somebody asked

    def is_live(self) -> bool:
        """Whether the entry is still there."""
        if isinstance(self.container, dict):
            return self.container.get(self.key, _MISSING) is self.value
        if isinstance(self.container, set):
            return self.value in self.container
        return any(item is self.value for item in self.container)

    def withdraw(self) -> int | None:
        """Take the entry back; returns the index it had in a list."""
        container = self.container
        if not self.is_live():
            return None
        if isinstance(container, dict):
            if self.before is not _MISSING:
                container[self.key] = self.before
            else:
                del container[self.key]
        elif isinstance(container, set):
            container.discard(self.value)
        else:
            index = max(i for i, item in enumerate(container) if item is self.value)
            del container[index]
            return index
        return None


def copy_of(container: Any) -> Any:
    """Return a plain shallow copy (a defaultdict's stays free of its factory)."""
    if isinstance(container, dict):
        return dict(container)
    return set(container) if isinstance(container, set) else list(container)


def restore(container: Any, content: Any) -> None:
    """Put a shallow copy's content back, in place."""
    container.clear()
    if isinstance(container, dict | set):
        container.update(content)
    else:
        container.extend(content)


def differs(container: Any, content: Any) -> bool:
    """Whether a container has other entries (by identity), or another order, than the copy."""
    if len(container) != len(content):
        return True
    if isinstance(container, dict):
        return not (all(map(is_, container, content)) and all(map(is_, container.values(), content.values())))
    if isinstance(container, set):
        return bool(container != content)
    return not all(map(is_, container, content))


def find_new(container: Any, content: Any, *, is_own: bool = False) -> list[Entry]:
    """Return what a container has that its earlier copy had not."""
    if isinstance(container, dict):
        return [
            Entry(container, key, value, content.get(key, _MISSING), is_own=is_own)
            for key, value in list(container.items())
            if content.get(key, _MISSING) is not value
        ]
    if isinstance(container, set):
        return [Entry(container, None, value, is_own=is_own) for value in container - content]
    seen: dict[int, int] = {}
    for value in content:
        seen[id(value)] = seen.get(id(value), 0) + 1
    found = []
    for value in container:
        if seen.get(id(value), 0):
            seen[id(value)] -= 1
        else:
            found.append(Entry(container, None, value, is_own=is_own))
    return found


class Containers:
    """The registered containers, each with a copy of its content as last noted."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.sizes: list[int] = []
        self.copies: list[Any] = []
        self.owners: list[str] = []
        # The content that imports gave, without what the running program did; None: not known.
        self.bases: list[Any] = []
        self.waiting: list[Record] = []  # modules that have run and fill nothing
        self.place: dict[int, int] = {}
        self.attributes: set[int] = set()  # ids of the registered instances' own dictionaries

    def settle(self, stack: list[Record]) -> None:
        """The last module of the stack is about to run and may fill what is there: look at it as it is now."""
        self._take_in_waiting()
        for record in stack[:-1]:
            if len(record.namespace) != record.depth_seen:
                # Only what is new: a module that imports a thousand others comes here a thousand times.
                self.register(record, skip=record.depth_seen)
                record.depth_seen = len(record.namespace)
        for record in reversed(stack[:-1]):
            if record.effects:
                self.note(record)
                return

    def finish(self, record: Record, stack: list[Record]) -> None:
        """A module has run. Those that cannot fill anything wait until the code of one that can goes on, or begins."""
        if record.effects:
            self.register(record)
            self.note(record)
        else:
            self.waiting.append(record)
        if stack and stack[-1].effects:
            self._take_in_waiting()

    def _take_in_waiting(self) -> None:
        waiting, self.waiting = self.waiting, []
        for record in waiting:
            self.register(record)

    def register(self, record: Record, *, skip: int = 0) -> None:
        """Take in the containers that a module has now; `skip` names from the first have been looked at.

        What is in them came from the module's own top level, which has just run or still runs."""
        for container in find_containers(record.namespace, record.name, self.attributes, skip=skip):
            if id(container) in self.place or len(container) > LARGE:
                continue
            self.add(container, record.name)
            if container and record.effects and id(container) not in self.attributes:
                nothing: Any = (
                    {} if isinstance(container, dict) else set() if isinstance(container, set) else []
                )
                record.entries += find_new(container, nothing, is_own=True)

    def take_in(self, namespace: dict[str, Any], owner: str, *, is_known: bool) -> None:
        """Register containers without journal; `is_known`: they are now as their statement made them."""
        for container in find_containers(namespace, owner, self.attributes):
            if id(container) not in self.place and len(container) <= LARGE:
                self.add(container, owner)
                if not is_known:
                    self.bases[-1] = None

    def is_as_made(self, container: Any) -> bool:
        """Whether a registered container is what imports made of it; False where that is not known."""
        place = self.place.get(id(container))
        if place is None or self.bases[place] is None:
            return False
        return not differs(container, self.bases[place])

    def add(self, container: Any, owner: str) -> None:
        """Register one container with its present content."""
        self.place[id(container)] = len(self.objects)
        self.objects.append(container)
        self.sizes.append(len(container))
        self.copies.append(copy_of(container))
        self.bases.append(self.copies[-1])
        self.owners.append(owner)

    def note(self, record: Record) -> None:
        """Write down under this module what changed since the last note."""
        if record.effects == REPLACES:
            entries = self.find_all_changes()
            for entry in entries:
                place = self.place.get(id(entry.container))
                entry.is_own = place is not None and self.owners[place] == record.name
        else:
            entries = self.find_changes(record.name)
        if entries:
            record.entries += entries

    def find_changes(self, owner: str) -> list[Entry]:
        """Return entries made since the last look, and look again from here."""
        if "logging" in sys.modules:
            self._add_logging()
        sizes = [*map(len, self.objects)]
        if sizes == self.sizes:
            return []
        found: list[Entry] = []
        for index, (now, before) in enumerate(zip(sizes, [*self.sizes], strict=True)):
            if now == before:
                continue
            container = self.objects[index]
            is_own = self.owners[index] == owner
            new = find_new(container, self.copies[index], is_own=is_own)
            self.copies[index] = self.bases[index] = copy_of(container)
            self.sizes[index] = now
            for entry in new:
                if type(entry.value) in _KIND_SET and id(entry.value) not in self.place:
                    # A list made for its first entry: what matters is what is in it.
                    self.add(entry.value, self.owners[index])
                    found += find_new(entry.value, {} if isinstance(entry.value, dict) else [], is_own=is_own)
            found += new
        return found

    def look_again(self) -> None:
        """Forget what changed at run time: entries from here on are somebody's."""
        for index, container in enumerate(self.objects):
            if differs(container, self.copies[index]):
                self.copies[index] = copy_of(container)
        self.sizes = [*map(len, self.objects)]

    def find_all_changes(self) -> list[Entry]:
        """As find_changes, but sees replaced entries of the same size too (slower: for updates)."""
        found: list[Entry] = []
        for index, container in enumerate(self.objects):
            if differs(container, self.copies[index]):
                found += find_new(container, self.copies[index])
                self.copies[index] = copy_of(container)
                self.sizes[index] = len(container)
        values: list[Any] = [entry.value for entry in found]
        for value in values:
            if type(value) in _KIND_SET and id(value) not in self.place and len(value) <= LARGE:
                self.add(value, "")
                found += find_new(value, {} if isinstance(value, dict) else [])
        return found

    def _add_logging(self) -> None:
        logging = sys.modules["logging"]
        root = getattr(logging, "root", None)
        if root is None:
            return
        for logger in (root, *root.manager.loggerDict.values()):
            for part in (getattr(logger, "handlers", None), getattr(logger, "filters", None)):
                if type(part) is list and id(part) not in self.place:
                    self.add(part, "logging")
                    if (
                        part and self.objects[:-1]
                    ):  # a logger that is new to us: its first handlers are somebody's
                        self.copies[-1], self.sizes[-1] = [], 0


def find_containers(
    namespace: dict[str, Any], module_name: str, belongings: set[int] | None = None, *, skip: int = 0
) -> list[Any]:
    """Return containers reachable from a namespace: values, class attributes, instances' attributes, one level below.

    Ids of instances' own dictionaries are added to `belongings`.
    """
    found: list[Any] = []
    items = list(namespace.items())
    for name, value in items[skip:] if skip else items:
        kind = type(value)
        if kind in _NEVER or (name[:2] == "__" and name != "__all__"):
            continue
        if kind in _KIND_SET:
            _add_with_inner(value, found)
        elif isinstance(value, type):
            if value.__module__ == module_name:
                for key, attribute in list(value.__dict__.items()):
                    # `__dataclass_fields__`, an enum's `_member_map_`: the class's own works
                    if type(attribute) in _KIND_SET and not (key[0] == key[-1] == "_"):
                        _add_with_inner(attribute, found)
        elif kind.__module__ != "builtins" and kind.__module__ in sys.modules:
            attributes = peek(value, "__dict__")
            if type(attributes) is dict and not kind.__module__.startswith(("importlib", "_frozen")):
                found.append(attributes)
                if belongings is not None:
                    belongings.add(id(attributes))
                for attribute in list(attributes.values()):
                    if type(attribute) in _KIND_SET:
                        _add_with_inner(attribute, found)
                    elif type(attribute) not in _NEVER:
                        _add_of_part(attribute, found)
    return found


def _add_of_part(part: Any, found: list[Any]) -> None:
    """The containers of an object that an object of the program is made of: an application's router has the routes."""
    kind = type(part)
    if kind.__module__ in ("builtins", "functools", "threading", "weakref", "types", "_thread"):
        return
    attributes = peek(part, "__dict__")
    if type(attributes) is dict:
        found += [value for value in attributes.values() if type(value) in _KIND_SET]


def _add_with_inner(container: Any, found: list[Any]) -> None:
    found.append(container)
    if 0 < len(container) <= LARGE:
        inner = list(container.values()) if isinstance(container, dict) else container
        for value in inner:
            if type(value) in _KIND_SET:
                found.append(value)
