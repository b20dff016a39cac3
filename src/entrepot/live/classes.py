"""Classes changed in place: a class statement that runs again fills the class that is already there.

While an update runs, `class C:` in the updated module goes through `Merger.build`. For an ordinary class the body's
namespace is put into the living class: what the new body lacks goes, unchanged initialisers keep their living value,
functions keep their identity and get the new code. A metaclass with its own `__new__` (Enum, NamedTuple, ...) makes a
real class, which is then poured into the old one. Where the layout cannot change, the new class takes the place of
the old and the instances move over; where they cannot, `CannotChange` says so and the update is refused.
"""

from __future__ import annotations

import abc
import sys
import types
from collections.abc import Callable
from types import FunctionType

from entrepot.live.class_parts import (
    MADE_BY_TYPE,
    QUIET,
    REMEMBERED,
    all_subclasses,
    describe_layout,
    find_instances,
    is_plain_meta,
    leave_subclasses,
    reorder,
    restore_class,
    retarget_cells,
    same_layout,
    same_slots_hint,
    wants_slots,
)
from entrepot.live.enums import pour_enum
from entrepot.live.functions import adopt, innermost, set_code
from entrepot.live.undo import UndoLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN_META_NEW = {type.__new__, abc.ABCMeta.__new__}
_MISSING = object()


class CannotChange(Exception):
    """Python cannot make the old class into the new one."""


class Merger:
    """Pours new class bodies into living classes during one update.

    `changed` collects, for each living class, the names of attributes that differ now.
    """

    def __init__(self, undo: UndoLog) -> None:
        self.undo = undo
        self.changed: dict[int, set[str]] = {}
        self.replaced: list[tuple[type, type]] = []  # (old, new): instances to move at commit
        self.body_names: dict[int, set[str]] = {}  # of classes whose statements run, by id
        self.is_plain: set[int] = set()  # of these, those that only their body makes

    def build(
        self,
        real: Callable[..., Any],
        living: type,
        unchanged: set[str],
        body: FunctionType,
        name: str,
        bases: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> Any:
        """Run a class body for a living class; `unchanged` are attributes whose initialiser is as before."""
        if wants_slots(living) and "__slots__" not in body.__code__.co_names:
            return real(
                body, name, *bases, **keywords
            )  # a decorator makes the slots: the finished class is poured
        resolved = types.resolve_bases(bases)
        meta, namespace, rest = types.prepare_class(name, resolved, dict(keywords))
        makes_real = (
            meta is not type(living)
            or not is_plain_meta(meta)
            or wants_slots(living)
            or not same_slots_hint(body, living)
            or any(base is object for base in living.__bases__)
            != any(base is object for base in (resolved or (object,)))
            or not self._set_bases(living, resolved)
        )
        if not makes_real:
            given = self._run_body(real, body, name, bases, namespace)
            if "__slots__" not in given:
                self._merge(living, given, unchanged, rest, meta)
                return living
        made = real(body, name, *bases, **keywords)
        if isinstance(made, type):
            return self.pour(living, made, unchanged)
        return made

    def take_methods(
        self,
        real: Callable[..., Any],
        living: type,
        names: set[str],
        body: FunctionType,
        name: str,
        bases: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> type:
        """Run a class body for methods and properties alone: the class has been made by somebody who does so once."""
        _, namespace, _ = types.prepare_class(name, types.resolve_bases(bases), dict(keywords))
        given = self._run_body(real, body, name, bases, namespace)
        before = self.snapshot(living)
        cell = given.pop("__classcell__", None)
        if cell is not None:
            cell.cell_contents = living
        for key in names:
            old, value = living.__dict__.get(key, _MISSING), given.get(key, _MISSING)
            if value is _MISSING:
                if old is not _MISSING:
                    type.__delattr__(living, key)
            elif type(old) is FunctionType and type(value) is FunctionType:
                adopt(old, value, self.undo)
            else:
                if old is not _MISSING:
                    self._hand_on(living, old, value)
                type.__setattr__(living, key, value)
        self._note_changes(living, before)
        return living

    @staticmethod
    def _run_body(
        real: Callable[..., Any],
        body: FunctionType,
        name: str,
        bases: tuple[Any, ...],
        namespace: Any,
    ) -> dict[str, Any]:
        """Return what a class body binds, without making a class of it."""
        captured: list[dict[str, Any]] = []

        def capture(_name: str, _bases: tuple[Any, ...], given: dict[str, Any], **_keywords: Any) -> object:
            captured.append(given)
            return given

        capture.__prepare__ = lambda *_args, **_keywords: namespace  # type: ignore[attr-defined]
        real(body, name, *bases, metaclass=capture)
        return captured[0]

    def pour(self, living: type, made: type, unchanged: set[str]) -> type:
        """Make a living class into one made afresh. Returns the class to use: the living one if that was possible."""
        if living is made:
            return living
        if not same_layout(living, made):
            return self._replace(living, made)
        if type(living) is not type(made):
            before = type(living)
            try:
                living.__class__ = type(made)
            except TypeError:
                return self._replace(living, made)
            self.undo.add(f"metaclass of {living.__qualname__}", setattr, living, "__class__", before)
        enums: type | tuple[()] = getattr(sys.modules.get("enum"), "EnumMeta", ())
        if isinstance(made, enums) and isinstance(living, enums):
            if not self._set_bases(living, made.__bases__):
                return self._replace(living, made)
            earlier = self.snapshot(living)
            pour_enum(living, made, self.undo)
            self._note_changes(living, earlier)
            self.changed[id(living)].add("__members__")
            return living
        bases = tuple(base for base in made.__bases__)
        if not self._set_bases(living, bases):
            return self._replace(living, made)
        given = {
            k: v
            for k, v in made.__dict__.items()
            if k not in MADE_BY_TYPE and type(v).__name__ != "member_descriptor"
        }
        for value in given.values():
            retarget_cells(value, made, living, self.undo)
        earlier = self.snapshot(living)
        self._put(living, given, unchanged)
        self._note_changes(living, earlier)
        leave_subclasses(made)
        self._refresh_abstract(living)
        return living

    def _merge(
        self, living: type, given: dict[str, Any], unchanged: set[str], keywords: dict[str, Any], meta: type
    ) -> None:
        before = self.snapshot(living)
        cell = given.pop("__classcell__", None)
        if cell is not None:
            cell.cell_contents = living
        for key in ("__init_subclass__", "__class_getitem__"):
            if isinstance(given.get(key), FunctionType):
                given[key] = classmethod(given[key])
        if isinstance(given.get("__new__"), FunctionType):
            given["__new__"] = staticmethod(given["__new__"])
        if "__eq__" in given and "__hash__" not in given:
            given["__hash__"] = None
        given.setdefault("__doc__", None)
        plain = dict(given)
        fresh = self._put(living, plain, unchanged)
        for key in fresh:
            setter = getattr(type(living.__dict__.get(key)), "__set_name__", None)
            if setter is not None:
                setter(living.__dict__[key], living, key)
        self._refresh_abstract(living)
        if meta is not type and "__init__" in {k for m in meta.__mro__[:-2] for k in m.__dict__}:
            initialise: Any = meta.__init__  # type: ignore[misc]
            initialise(living, living.__name__, living.__bases__, plain, **keywords)
        parent: Any = super(living, living)
        parent.__init_subclass__(**keywords)
        self._note_changes(living, before)

    def _put(self, living: type, given: dict[str, Any], unchanged: set[str]) -> set[str]:
        """Give a living class the attributes of a new body; returns the names that got a new object."""
        fresh = set()
        for key in list(living.__dict__):
            if key in given or key in MADE_BY_TYPE or key in REMEMBERED or self._is_run_time(living, key):
                continue
            if type(living.__dict__[key]).__name__ in ("member_descriptor", "getset_descriptor"):
                continue
            type.__delattr__(living, key)
        for key, value in given.items():
            if key in MADE_BY_TYPE or key == "__slots__" or key in ("_abc_impl",):
                continue
            old = living.__dict__.get(key, _MISSING)
            if old is value:
                continue
            if key in unchanged and old is not _MISSING:
                continue
            if (
                type(old) is FunctionType
                and type(value) is FunctionType
                and old.__module__ == value.__module__
            ):
                adopt(old, value, self.undo)
                continue
            if isinstance(old, type) and isinstance(value, type) and old.__qualname__ == value.__qualname__:
                value = self.pour(old, value, set())
            elif old is not _MISSING:
                self._hand_on(living, old, value)
            try:
                type.__setattr__(living, key, value)
            except (AttributeError, TypeError) as error:
                if key not in QUIET and key not in REMEMBERED:
                    raise CannotChange(f"class {living.__qualname__}: {error}") from None
            else:
                fresh.add(key)
        reorder(living, given)
        return fresh

    def _hand_on(self, living: type, old: object, new: object) -> None:
        """Let functions inside an old descriptor or wrapper do what those in the new one do."""
        for part in ("__func__", "fget", "fset", "fdel"):
            a, b = getattr(old, part, None), getattr(new, part, None)
            if (
                type(a) is FunctionType
                and type(b) is FunctionType
                and a.__code__.co_freevars != b.__code__.co_freevars
                and all(value is not a for value in living.__dict__.values())
            ):
                adopt(a, b, self.undo)  # a decorator came or went: who holds the old method calls the new one
                return
        before, after = innermost(old), innermost(new)
        if type(before) is FunctionType and type(after) is FunctionType and before is not after:
            if before.__code__.co_freevars == after.__code__.co_freevars:
                adopt(before, after, self.undo)
        if isinstance(old, property) and isinstance(new, property):
            for getter in ("fset", "fdel"):
                a, b = getattr(old, getter), getattr(new, getter)
                if (
                    type(a) is FunctionType
                    and type(b) is FunctionType
                    and a.__code__.co_freevars == b.__code__.co_freevars
                ):
                    set_code(a, b.__code__, self.undo)

    def _is_run_time(self, living: type, key: str) -> bool:
        """Whether an attribute was put there by the running program rather than by the class statement."""
        if key.startswith("__") and key.endswith("__"):
            # A decorator or a metaclass would have made it anew; where there is none, a statement further down did.
            is_assigned = id(living) in self.is_plain and type(living.__dict__[key]) is FunctionType
            return is_assigned and key not in self.body_names[id(living)]
        return key not in self.body_names.get(id(living), {key})

    def snapshot(self, living: type) -> dict[str, Any]:
        before = dict(living.__dict__)
        self.undo.add(f"class {living.__qualname__}", restore_class, living, before)
        return {
            k: (v, getattr(v, "__code__", None), getattr(v, "__defaults__", None)) for k, v in before.items()
        }

    def _note_changes(self, living: type, before: dict[str, Any]) -> None:
        now = {
            k: (v, getattr(v, "__code__", None), getattr(v, "__defaults__", None))
            for k, v in living.__dict__.items()
        }
        names = (
            {k for k in before.keys() | now.keys() if not _same_triple(before.get(k), now.get(k))}
            - QUIET
            - REMEMBERED
        )
        # A class inside stays the same object: what reads an attribute of it reads it through its name here.
        names |= {k for k, (v, _, _) in now.items() if isinstance(v, type) and self.changed.get(id(v))}
        self.changed.setdefault(id(living), set()).update(names)

    def _set_bases(self, living: type, bases: tuple[Any, ...]) -> bool:
        bases = bases or (object,)
        if living.__bases__ == bases:
            return True
        before = living.__bases__
        try:
            living.__bases__ = bases
        except TypeError:
            return False
        self.undo.add(f"bases of {living.__qualname__}", setattr, living, "__bases__", before)
        self.changed.setdefault(id(living), set()).add("__bases__")
        return True

    def _refresh_abstract(self, living: type) -> None:
        for cls in (living, *all_subclasses(living)):
            if isinstance(cls, abc.ABCMeta):
                before = cls.__abstractmethods__
                self.undo.add(f"abstract methods of {cls.__qualname__}", abc.update_abstractmethods, cls)
                names = {n for b in cls.__bases__ for n in getattr(b, "__abstractmethods__", ())}
                abstract = {n for n in names if getattr(getattr(cls, n, None), "__isabstractmethod__", False)}
                abstract |= {n for n, v in cls.__dict__.items() if getattr(v, "__isabstractmethod__", False)}
                if abstract != before:
                    type.__setattr__(cls, "__abstractmethods__", frozenset(abstract))

    def _replace(self, living: type, made: type) -> type:
        """The new class takes the old one's place; its instances will move."""
        if not any(old is living for old, _ in self.replaced):
            instances = find_instances(living)
            if instances and not same_layout(living, made):
                raise CannotChange(
                    f"class {living.__qualname__}: its layout ({describe_layout(living)} to {describe_layout(made)}) cannot change "
                    f"while {len(instances)} instance{'s' * (len(instances) != 1)} live{'s' * (len(instances) == 1)}; restart the program"
                )
            if instances:
                try:
                    for instance in instances:
                        instance.__class__ = made
                        self.undo.add(
                            f"class of an instance of {living.__qualname__}",
                            setattr,
                            instance,
                            "__class__",
                            living,
                        )
                except TypeError as error:
                    raise CannotChange(f"class {living.__qualname__}: {error}; restart the program") from None
            self.replaced.append((living, made))
        return made


def _same_triple(a: tuple[Any, ...] | None, b: tuple[Any, ...] | None) -> bool:
    if a is None or b is None:
        return False
    if a[1] is None and b[1] is None:
        if a[0] is b[0]:
            return True
        try:
            return type(a[0]) is type(b[0]) and type(a[0]) in _COMPARABLE and bool(a[0] == b[0])
        except Exception:
            return False
    return bool(a[1] == b[1] and a[2] == b[2])


_COMPARABLE = {int, str, float, bool, bytes, tuple, frozenset, list, dict, set, type(None), complex}
