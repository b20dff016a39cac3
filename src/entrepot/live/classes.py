"""Classes changed in place: a class statement that runs again fills the class that is already there.

While an update runs, `class C:` in the updated module goes through `Merger.build`. For an ordinary class the body's
namespace is put into the living class: what the new body lacks goes, unchanged initialisers keep their living value,
functions keep their identity and get the new code. A metaclass with its own `__new__` (Enum, NamedTuple, ...) makes a
real class, which is then poured into the old one. Where the layout cannot change, the new class takes the place of
the old and the instances move over; where they cannot, `CannotChange` says so and the update is refused.
"""

from __future__ import annotations

import abc
import ast
import gc
import sys
import types
from collections.abc import Callable
from types import FunctionType

from entrepot.live.functions import adopt, innermost, set_code
from entrepot.live.undo import UndoLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Made by the interpreter for each class; not part of what a body says.
_BUILTIN = {"__dict__", "__weakref__"}
_QUIET = {"__firstlineno__", "__static_attributes__", "__module__", "__qualname__"}
# What an in-place class remembers that no body gives.
_REMEMBERED = {
    "__abstractmethods__",
    "_abc_impl",
    "__subclasshook__",
    "_abc_registry",
    "__parameters__",
    "__orig_bases__",
}
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
        self.pending_docs: list[object] = []

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
        if _wants_slots(living) and "__slots__" not in body.__code__.co_names:
            return real(
                body, name, *bases, **keywords
            )  # a decorator makes the slots: the finished class is poured
        resolved = types.resolve_bases(bases)
        meta, namespace, rest = types.prepare_class(name, resolved, dict(keywords))
        makes_real = (
            meta is not type(living)
            or not _is_plain(meta)
            or _wants_slots(living)
            or not _same_slots_hint(body, living)
            or any(base is object for base in living.__bases__)
            != any(base is object for base in (resolved or (object,)))
        )
        if not makes_real:
            captured: list[dict[str, Any]] = []

            def capture(
                _name: str, _bases: tuple[Any, ...], given: dict[str, Any], **_keywords: Any
            ) -> object:
                captured.append(given)
                return given

            capture.__prepare__ = lambda *_args, **_keywords: namespace  # type: ignore[attr-defined]
            real(body, name, *bases, metaclass=capture)
            given = captured[0]
            if "__slots__" not in given:
                if not self._set_bases(living, resolved):
                    raise CannotChange(
                        f"class {living.__qualname__}: its bases cannot become {resolved!r} in place"
                    )
                self._merge(living, given, unchanged, rest, meta)
                return living
        made = real(body, name, *bases, **keywords)
        if isinstance(made, type):
            return self.pour(living, made, unchanged)
        return made

    def pour(self, living: type, made: type, unchanged: set[str]) -> type:
        """Make a living class into one made afresh. Returns the class to use: the living one if that was possible."""
        if living is made:
            return living
        if not _same_layout(living, made):
            return self._replace(living, made)
        if type(living) is not type(made):
            before = type(living)
            try:
                living.__class__ = type(made)
            except TypeError:
                return self._replace(living, made)
            self.undo.add(f"metaclass of {living.__qualname__}", setattr, living, "__class__", before)
        enums: Any = getattr(sys.modules.get("enum"), "EnumMeta", ())
        if isinstance(made, enums) and isinstance(living, enums):
            if not self._set_bases(living, made.__bases__):
                return self._replace(living, made)
            self._pour_enum(living, made)
            return living
        bases = tuple(base for base in made.__bases__)
        if not self._set_bases(living, bases):
            return self._replace(living, made)
        given = {
            k: v
            for k, v in made.__dict__.items()
            if k not in _BUILTIN and type(v).__name__ != "member_descriptor"
        }
        for value in given.values():
            _retarget_cells(value, made, living, self.undo)
        before = self._snapshot(living)
        self._put(living, given, unchanged)
        self._note_changes(living, before)
        _leave_subclasses(made)
        self._refresh_abstract(living)
        return living

    def _merge(
        self, living: type, given: dict[str, Any], unchanged: set[str], keywords: dict[str, Any], meta: type
    ) -> None:
        before = self._snapshot(living)
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
            meta.__init__(living, living.__name__, living.__bases__, plain, **keywords)
        super(living, living).__init_subclass__(**keywords)
        self._note_changes(living, before)

    def _put(self, living: type, given: dict[str, Any], unchanged: set[str]) -> set[str]:
        """Give a living class the attributes of a new body; returns the names that got a new object."""
        fresh = set()
        for key in list(living.__dict__):
            if key in given or key in _BUILTIN or key in _REMEMBERED or self._is_run_time(living, key):
                continue
            if type(living.__dict__[key]).__name__ in ("member_descriptor", "getset_descriptor"):
                continue
            type.__delattr__(living, key)
        for key, value in given.items():
            if key in _BUILTIN or key == "__slots__" or key in ("_abc_impl",):
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
                self._hand_on(old, value)
            try:
                type.__setattr__(living, key, value)
            except (AttributeError, TypeError) as error:
                if key not in _QUIET and key not in _REMEMBERED:
                    raise CannotChange(f"class {living.__qualname__}: {error}") from None
            else:
                fresh.add(key)
        return fresh

    def _hand_on(self, old: object, new: object) -> None:
        """Let functions inside an old descriptor or wrapper do what those in the new one do."""
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
            return False
        return key not in self.body_names.get(id(living), {key})

    body_names: dict[int, set[str]] = {}

    def _snapshot(self, living: type) -> dict[str, Any]:
        before = dict(living.__dict__)
        self.undo.add(f"class {living.__qualname__}", _restore_class, living, before)
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
            - _QUIET
            - _REMEMBERED
        )
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
        for cls in (living, *_all_subclasses(living)):
            if isinstance(cls, abc.ABCMeta):
                before = cls.__abstractmethods__
                self.undo.add(f"abstract methods of {cls.__qualname__}", abc.update_abstractmethods, cls)
                names = {n for b in cls.__bases__ for n in getattr(b, "__abstractmethods__", ())}
                abstract = {n for n in names if getattr(getattr(cls, n, None), "__isabstractmethod__", False)}
                abstract |= {n for n, v in cls.__dict__.items() if getattr(v, "__isabstractmethod__", False)}
                if abstract != before:
                    type.__setattr__(cls, "__abstractmethods__", frozenset(abstract))

    def _pour_enum(self, living: Any, made: Any) -> None:
        before = self._snapshot(living)
        old_members = dict(living._member_map_)
        tables = {
            t: (living.__dict__[t], _copy(living.__dict__[t]))
            for t in ("_member_map_", "_value2member_map_", "_member_names_")
        }
        for table, content in tables.values():
            self.undo.add("members", _refill, table, content)
        members: dict[str, Any] = {}
        by_new: dict[int, Any] = {}
        for name, member in made._member_map_.items():
            canonical = by_new.get(id(member))
            old = old_members.get(name)
            if canonical is not None:
                members[name] = canonical
                continue
            if old is not None and _same_payload(old, member):
                for attribute in ("_value_", "_sort_order_", "_name_"):
                    if attribute in member.__dict__:
                        self.undo.add(
                            "a member", old.__dict__.__setitem__, attribute, old.__dict__.get(attribute)
                        )
                        old.__dict__[attribute] = member.__dict__[attribute]
                for attribute, value in member.__dict__.items():
                    if not attribute.startswith("_") and old.__dict__.get(attribute) is not value:
                        self.undo.add(
                            "a member", old.__dict__.__setitem__, attribute, old.__dict__.get(attribute)
                        )
                        old.__dict__[attribute] = value
                if old.__dict__.get("__objclass__") is not None:
                    old.__dict__["__objclass__"] = living
                members[name] = by_new[id(member)] = old
            else:
                object.__setattr__(member, "__class__", living)
                member.__dict__["__objclass__"] = living
                members[name] = by_new[id(member)] = member
        for name in list(living.__dict__):
            if name not in made.__dict__ and name not in _BUILTIN and name not in _REMEMBERED:
                type.__delattr__(living, name)
        for name, value in list(made.__dict__.items()):
            if name in _BUILTIN or name in tables:
                continue
            if name in members and not isinstance(value, property | types.DynamicClassAttribute):
                value = members[name]
            elif (
                type(value) is FunctionType
                and type(living.__dict__.get(name)) is FunctionType
                and value.__module__ == living.__module__
            ):
                _retarget_cells(value, made, living, self.undo)
                adopt(living.__dict__[name], value, self.undo)
                continue
            elif hasattr(value, "member") and name in members:  # enum.property with its member, from 3.12
                value.member = members[name]
                value.clsname = living.__name__
            try:
                type.__setattr__(living, name, value)
            except (AttributeError, TypeError):
                continue
        _refill(living._member_map_, members)
        _refill(living._member_names_, made._member_names_)
        _refill(
            living._value2member_map_,
            {value: by_new[id(m)] for value, m in made._value2member_map_.items() if id(m) in by_new},
        )
        self._note_changes(living, before)
        self.changed[id(living)].add("__members__")

    def _replace(self, living: type, made: type) -> type:
        """The new class takes the old one's place; its instances will move."""
        if not any(old is living for old, _ in self.replaced):
            instances = find_instances(living)
            if instances and not _same_layout(living, made):
                raise CannotChange(
                    f"class {living.__qualname__}: its layout ({_layout(living)} to {_layout(made)}) cannot change "
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
    return a[1] == b[1] and a[2] == b[2]


_COMPARABLE = {int, str, float, bool, bytes, tuple, frozenset, list, dict, set, type(None), complex}


def _copy(table: Any) -> Any:
    return dict(table) if isinstance(table, dict) else list(table)


def _refill(table: Any, content: Any) -> None:
    content = _copy(content)
    table.clear()
    if isinstance(table, dict):
        table.update(content)
    else:
        table.extend(content)


def _same_payload(old: Any, new: Any) -> bool:
    """Whether an old member can become the new one: its int or str part, which is fixed, must agree."""
    for kind in (int, str, float, bytes, tuple):
        if isinstance(old, kind) or isinstance(new, kind):
            return isinstance(old, kind) and isinstance(new, kind) and bool(kind.__eq__(old, new))
    return True


def _restore_class(living: type, before: dict[str, Any]) -> None:
    for key in list(living.__dict__):
        if key not in before:
            type.__delattr__(living, key)
    for key, value in before.items():
        if key not in _BUILTIN and living.__dict__.get(key, _MISSING) is not value:
            try:
                type.__setattr__(living, key, value)
            except (AttributeError, TypeError):
                continue


def _is_plain(meta: type) -> bool:
    """Whether a metaclass makes classes as `type` does, so that a body can be poured in by itself."""
    for cls in meta.__mro__:
        if cls is type or cls is object or cls is abc.ABCMeta:
            continue
        if cls.__module__ == "typing":
            continue
        if "__new__" in cls.__dict__ or "__call__" in cls.__dict__ or "__prepare__" in cls.__dict__:
            return False
    return meta.__module__ != "typing" or meta.__name__ == "_ProtocolMeta"


def _wants_slots(living: type) -> bool:
    return "__slots__" in living.__dict__


def _same_slots_hint(body: FunctionType, living: type) -> bool:
    return ("__slots__" in body.__code__.co_names) == ("__slots__" in living.__dict__)


def _layout(cls: type) -> str:
    if cls.__dictoffset__:
        return "attributes in a dictionary"
    slots = [
        k
        for c in reversed(cls.__mro__)
        for k, v in c.__dict__.items()
        if type(v).__name__ == "member_descriptor"
    ]
    return f"slots {', '.join(slots) or '(none)'}"


def _same_layout(a: type, b: type) -> bool:
    def members(cls: type) -> list[str]:
        return sorted(k for k, v in cls.__dict__.items() if type(v).__name__ == "member_descriptor")

    return (
        a.__basicsize__ == b.__basicsize__
        and a.__itemsize__ == b.__itemsize__
        and members(a) == members(b)
        and a.__dictoffset__ == b.__dictoffset__
        and a.__weakrefoffset__ == b.__weakrefoffset__
    )


def find_instances(cls: type) -> list[Any]:
    """Return the living direct instances of a class (those that the garbage collector knows)."""
    return [item for item in gc.get_referrers(cls) if type(item) is cls]


def _all_subclasses(cls: type) -> list[type]:
    found: list[type] = []
    stack = type.__subclasses__(cls)
    while stack:
        sub = stack.pop()
        if sub not in found:
            found.append(sub)
            stack += type.__subclasses__(sub)
    return found


def _retarget_cells(value: object, made: type, living: type, undo: UndoLog) -> None:
    """`__class__` cells of methods made for a throw-away class must hold the living one."""
    del undo  # the cells belong to objects that nobody has yet
    parts = [value, innermost(value)]
    parts += (
        [getattr(value, name, None) for name in ("fget", "fset", "fdel")]
        if isinstance(value, property)
        else []
    )
    for part in parts:
        for cell in getattr(part, "__closure__", None) or ():
            try:
                if cell.cell_contents is made:
                    cell.cell_contents = living
            except ValueError:
                continue


class _Nobody:
    """The parent of classes that were only made to be poured into another."""


def _leave_subclasses(made: type) -> None:
    """Take a throw-away class out of its bases' `__subclasses__()`."""
    try:
        made.__bases__ = (_Nobody,)
    except TypeError:
        gc.collect() if sys.getrefcount(made) < 8 else None


def find_class_nodes(tree: ast.Module, qualname: str) -> list[ast.ClassDef]:
    """Return the class statements with this qualified name: several where branches have one each."""
    nodes: list[ast.AST] = [tree]
    for part in qualname.split("."):
        nodes = [
            n for node in nodes for n in ast.walk(node) if isinstance(n, ast.ClassDef) and n.name == part
        ]
    return [node for node in nodes if isinstance(node, ast.ClassDef)]


def begins_at(node: ast.ClassDef, line: int) -> bool:
    """Whether a class statement, with its decorators, begins on this line."""
    return min([node.lineno, *(item.lineno for item in node.decorator_list)]) == line


def body_statements(node: ast.ClassDef) -> dict[str, list[str]]:
    """Return for each name that a class body binds the statements that bind it (position-free)."""
    found: dict[str, list[str]] = {}
    for statement in node.body:
        names = _bound_by(statement)
        text = ast.dump(statement)
        for name in names:
            found.setdefault(name, []).append(text)
    return found


def _bound_by(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).partition(".")[0] for a in statement.names}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def names_read(statement_text: str) -> set[str]:
    """Names loaded by a dumped statement (for deciding whether an initialiser reads what changed)."""
    found = set()
    for part in statement_text.split("Name(id='")[1:]:
        name, _, rest = part.partition("'")
        if rest.startswith(", ctx=Load())"):
            found.add(name)
    return found
