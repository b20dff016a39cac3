"""Which system a class is of: the way back from `__module__` to the module.

Much code finds the module of a class by its name: `sys.modules[cls.__module__]`. With several
caches a name is not enough. So a system gives each of its modules as `__name__` a string *object* of
its own: an ordinary `str`, equal to any other of that text, and not the same object. A class
statement copies the reference, so `cls.__module__` is that very object and says whose it is.

Knows strings and systems, by weak references: nothing here keeps a system alive.
"""

import sys
from _weakref import ref

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from entrepot.core.system import System

# id of a name object -> that object and its system.
_names: "dict[int, tuple[str, ref[System]]]" = {}
# A number for each system that has modules -> the system.
_systems: "dict[int, ref[System]]" = {}
_last_number = 0

# Called when the first system gets modules, and when the last one is gone (`reflection`).
on_first: "Callable[[], None] | None" = None
on_last: "Callable[[], None] | None" = None


def register(system: "System") -> int:
    """Make a system known, and return its number in this process."""
    global _last_number
    _last_number += 1
    number = _last_number
    names = system._names

    def forget(_: object) -> None:
        _systems.pop(number, None)
        for own, _twin in names.values():
            _names.pop(id(own), None)
        if not _systems and on_last is not None:
            on_last()

    _systems[number] = ref(system, forget)
    if len(_systems) == 1 and on_first is not None:
        on_first()
    return number


def get_number(system: "System") -> int:
    """Return a system's number in this process, given when it gets its first module."""
    if not system._known_as:
        system._known_as = register(system)
    return system._known_as


def get_name(system: "System", text: str) -> str:
    """Return a system's own string object for a module's name."""
    known = system._names.get(text)
    if known is not None:
        return known[0]
    number = get_number(system)
    # Interned first, and kept: `sys.intern(__name__)` must never make ours the one for all.
    twin = sys.intern(str(text))
    own = _copy(twin)
    if own is not twin:
        system._names[text] = (own, twin)
        _names[id(own)] = (own, _systems[number])
    return own


def name_spec(system: "System", spec: "Any") -> None:
    """Give the module that will be made from a spec its system's own name object."""
    if spec is not None:
        try:
            spec.name = get_name(system, spec.name)
        except AttributeError:
            # A finder's own kind of spec. Its module is known by text only.
            pass


def _copy(text: str) -> str:
    """Return another string object of the same text; the same one where Python has only one."""
    if len(text) > 1:
        return (text + ".")[:-1]
    # Slices of one character are shared; changes of case are not.
    return text.upper() if text.isupper() else text.lower()


def find_owner(name: object) -> "System | None":
    """Return the system that a name object belongs to, None for the host's."""
    known = _names.get(id(name))
    if known is None or known[0] is not name:
        return None
    return known[1]()


def find_module(name: object) -> "Any":
    """Return the module that a `__module__` means: its owner's, or the host's.

    Where the host has none of that name (a library may set `__module__` to a text), it is that of
    the only system that has; None where there is none, or several.
    """
    owner = find_owner(name)
    if owner is not None:
        module = owner.modules.get(name)  # type: ignore[call-overload]
        if module is not None:
            return module
    module = sys.modules.get(name)  # type: ignore[call-overload]
    if module is None and name not in sys.modules:
        found = [system.modules[name] for system in living() if name in system.modules]
        if len(found) == 1:
            return found[0]
    return module


def find_home(thing: "Any", qualname: str) -> "tuple[System, str] | None":
    """Return the system in whose module a class or function is to be found, with the module's name."""
    name = getattr(thing, "__module__", None)
    owner = find_owner(name)
    for system in living() if owner is None else [owner]:
        found: Any = system.modules.get(name)  # type: ignore[arg-type]
        if found is not None and follow(found, qualname) is thing:
            return system, str(name)
    return None


def follow(thing: "Any", qualname: str) -> "Any":
    """Return what a dotted name leads to from a thing; None where it leads nowhere."""
    for part in qualname.split("."):
        thing = getattr(thing, part, None)
    return thing


def living() -> "list[System]":
    """Return the systems that have modules."""
    found = [known() for known in list(_systems.values())]
    return [system for system in found if system is not None]


def get_global(number: int, module: str, qualname: str) -> "Any":
    """Return a class or function of a system of this process: what a host's pickle refers to.

    Raises:
        LookupError: the system is gone, or was another process's.
        AttributeError: the module has no such name.
    """
    system = _systems.get(number, lambda: None)()
    if system is None:
        raise LookupError(
            f"{module}.{qualname} was pickled from a System that is not in this process (any more); "
            'to get pickles that others can read: system.import_module("pickle").dumps(...)'
        )
    thing = system.import_module(module)
    for part in qualname.split("."):
        thing = getattr(thing, part)
    return thing


frames.disguise()
