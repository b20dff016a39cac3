"""What changed so far in an update, and which statements that concerns.

A fact says of one name of one module: its *value* is another object, it is *gone*, its *behaviour* changed (a function
whose code, or whose callees' code or data, changed), or its *shape* (a class with other attributes). Facts spread
through names that function bodies read, by the index, and are checked against the objects that the names lead to.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType, ModuleType

from entrepot.live.codes import CHANGERS, Chain, Import, inner_codes, returned_names, walk_codes
from entrepot.live.functions import innermost
from entrepot.live.index import Index
from entrepot.live.record import Record
from entrepot.live.statements import Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VALUE, GONE, BEHAVIOUR, SHAPE = "value", "gone", "behaviour", "shape"
# Names of modules themselves (appeared, gone) stand under this name.
MODULE = ""
# Ways to import a module whose name the source does not tell.
_IMPORTERS = ("import_module", "__import__")


class Fact:
    """One change. `attributes` are those of a class that differ; `at_call` says that calling it directly (not what it returned) differs."""

    __slots__ = ("at_call", "attributes", "is_content", "kind", "module", "name", "number")

    def __init__(
        self, module: str, name: str, kind: str, attributes: set[str] | None = None, *, at_call: bool = False
    ) -> None:
        self.module = module
        self.name = name
        self.kind = kind
        self.attributes = set() if attributes is None else attributes
        self.at_call = at_call
        self.number = 0  # in the order of entry
        self.is_content = False  # a container is the same and has other entries


class Reason:
    """Why a statement is concerned."""

    __slots__ = ("chain", "fact", "is_value")

    def __init__(self, fact: Fact, chain: Chain, is_value: bool) -> None:
        self.fact = fact
        self.chain = chain
        self.is_value = is_value


class Facts:
    """The facts of one update."""

    def __init__(self, records: dict[str, Record], index: Index) -> None:
        self.records = records
        self.index = index
        self.table: dict[tuple[str, str], Fact] = {}
        self.by_object: dict[int, Fact] = {}
        self.alive: list[object] = []  # objects in by_object must not be freed and their ids used again
        self.queue: list[Fact] = []
        self._held: dict[int, set[str]] | None = (
            None  # ids of module objects -> who holds them; made when wanted
        )
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.by_namespace: dict[int, str] = {id(record.namespace): name for name, record in records.items()}

    def namespace(self, module: str) -> dict[str, Any]:
        """Return a module's namespace as staged, or as it is."""
        found = self.namespaces.get(module)
        return found if found is not None else self.records[module].namespace

    def object_of(self, fact: Fact) -> object:
        """Return what the name that a fact is about stands for."""
        return self.namespace(fact.module).get(fact.name) if fact.module in self.records else None

    def add(self, fact: Fact, *objects: object) -> None:
        """Enter a fact and what follows for functions that use the name."""
        known = self.table.get((fact.module, fact.name))
        if known is not None:
            strongest = (
                VALUE
                if VALUE in (known.kind, fact.kind)
                else known.kind
                if known.kind != BEHAVIOUR
                else fact.kind
            )
            if (
                known.kind == strongest
                and fact.attributes <= known.attributes
                and (known.at_call or not fact.at_call)
                and fact.kind not in (VALUE, GONE)
            ):
                return
            fact.kind = fact.kind if fact.kind in (GONE, VALUE) else strongest
            fact.attributes |= known.attributes
            fact.at_call |= known.at_call
        fact.number = len(self.queue) + 1
        self.table[fact.module, fact.name] = fact
        for value in objects:
            if value is not None and not isinstance(value, int | str | float | bool | bytes):
                self.by_object[id(value)] = fact
                self.alive.append(value)
        self.queue.append(fact)
        for module, definition in tuple(self.index.deferred(fact.name)) if fact.name else ():
            if (
                definition
                and (module, definition) != (fact.module, fact.name)
                and self._concerns(module, fact)
            ):
                self._spread(module, definition, fact)

    def _spread(self, module: str, definition: str, fact: Fact) -> None:
        known = self.table.get((module, definition))
        value = self.namespace(module).get(definition)
        code = getattr(innermost(value), "__code__", None)
        if fact.is_content and code is not None and not CHANGERS.isdisjoint(code.co_names):
            return  # it fills the container: what it does is the same
        at_call = code is None or fact.name in code.co_names or _calls_inner(code, fact.name)
        attributes = methods_using(value, fact.name) if isinstance(value, type) else set()
        if known is not None and (known.at_call or not at_call) and attributes <= known.attributes:
            return
        self.add(Fact(module, definition, BEHAVIOUR, attributes, at_call=at_call), value)

    def _concerns(self, module: str, fact: Fact) -> bool:
        """Whether a name used in functions of `module` can be the fact's."""
        if module == fact.module:
            return True
        if module not in self.records or fact.module not in self.records:
            return False
        mine, theirs = self.namespace(module), self.records[fact.module].namespace
        if fact.name in mine:
            value = mine[fact.name]
            if (
                value is theirs.get(fact.name)
                or value is self.namespace(fact.module).get(fact.name)
                or id(value) in self.by_object
            ):
                return True
        tail = fact.module.rpartition(".")[2]
        for value in mine.values():
            if type(value) is ModuleType or isinstance(value, ModuleType):
                name = value.__name__
                if name == fact.module or fact.module.startswith(name + "."):
                    return True
        return self.index.is_deferred(module, tail)

    def candidates(self, fact: Fact) -> set[str]:
        """Return the modules whose top level may be concerned by a fact."""
        tail = fact.module.rpartition(".")[2]
        if fact.name == "__getattr__":
            return self.index.loads(tail) | self.index.imports(tail) | self._holders(fact.module)
        if fact.kind not in (VALUE, GONE):
            return self.index.loads(fact.name) | self._aliases(fact)
        if fact.name == MODULE:
            found = self.index.loads(tail) | self.index.imports(tail)
        else:
            # Who neither names nor holds the module has the name from somebody else, who will say so.
            known = self._holders(fact.module) | {fact.module}
            found = (known & self.index.users(fact.name)) | self.index.users_naming(fact.name, tail)
            # `getattr(module, name)`, `vars(module)`: by a module that holds it, or a package that it is in.
            parts = fact.module.split(".")
            for length in range(1, len(parts) + 1):
                holders = self._holders(".".join(parts[:length]))
                found.update(m for m in holders if m not in found and self.index.is_loaded(m, tail))
        for importer in _IMPORTERS:
            for module in self.index.loads(importer):
                if module in self.records and fact.module in self.records[module].children:
                    found.add(module)
        return found

    def _holders(self, module: str) -> set[str]:
        """Modules with this module object in their namespace, under whatever name."""
        if self._held is None:
            self._held = {}
            is_module: dict[type, bool] = {}  # a class answers once: there are tens of thousands of values
            for name, record in self.records.items():
                for value in record.namespace.values():
                    kind = type(value)
                    if kind not in is_module:
                        is_module[kind] = issubclass(kind, ModuleType)
                    if is_module[kind]:
                        self._held.setdefault(id(value), set()).add(name)
        wanted = self.records.get(module)
        return self._held.get(id(wanted.module), set()) if wanted is not None else set()

    def _aliases(self, fact: Fact) -> set[str]:
        """Modules that import the name: they may use it under another one (`import f as g`)."""
        found = set()
        value = self.namespace(fact.module).get(fact.name)
        for module in self.index.imports(fact.name):
            record = self.records.get(module)
            if record is not None and record.namespace.get(fact.name) is not value:
                found.add(module)
        return found

    def reasons(self, module: str, unit: Unit) -> list[Reason]:
        """Return why running this unit again might give something else."""
        if not self.table:
            return []
        found: list[Reason] = []
        for chain in unit.eager:
            found += self._resolve(module, chain)
        for wanted in unit.imports:
            found += self._import_reasons(module, unit.binds, wanted)
        if unit.lists_names:
            found += [
                Reason(f, (n,), True)
                for (m, n), f in self.table.items()
                if m == module and n not in unit.binds and f.kind in (VALUE, GONE)
            ]
        if any(part in _IMPORTERS for chain in unit.eager for part in chain):
            children = self.records[module].children
            found += [
                Reason(f, (m, n), True)
                for (m, n), f in self.table.items()
                if m in children and f.kind in (VALUE, GONE)
            ]
        return found

    def _resolve(self, module: str, chain: Chain) -> list[Reason]:
        if chain[0].startswith("@"):
            return self._import_reasons(module, frozenset(chain), Import(0, chain[0][1:], chain[1:]))
        found: list[Reason] = []
        fact = self.table.get((module, chain[0]))
        if fact is not None:
            found.append(_reason(fact, chain, 1))
        value = self.namespace(module).get(chain[0])
        position = 1
        while isinstance(value, ModuleType):
            name = value.__name__
            if name not in self.records or self.records[name].module is not value:
                if position >= len(chain):
                    break
                value = value.__dict__.get(chain[position])  # a namespace package, or somebody else's
                position += 1
                continue
            if position >= len(chain):
                found += [
                    Reason(f, chain, f.kind in (VALUE, GONE)) for (m, _), f in self.table.items() if m == name
                ]
                return found
            fact = self.table.get((name, chain[position]))
            if fact is not None:
                found.append(_reason(fact, chain, position + 1))
            elif made := self._dynamic(name, chain[position]):
                found.append(Reason(made, chain, True))
            value = self.namespace(name).get(chain[position])
            position += 1
        found += [
            _reason(f, chain, position) for f in self.origins(value) if all(f is not r.fact for r in found)
        ]
        return found

    def origins(self, value: object, depth: int = 0) -> list[Fact]:
        """Return facts on the function or class that an object is, wraps, or is an instance of."""
        if value is None or depth > 3:
            return []
        kind = type(value)
        if kind in (int, str, float, bool, bytes):
            return []
        known = self.by_object.get(id(value))
        if known is not None:
            return [known]
        found: list[Fact] = []
        if kind is FunctionType:
            found += self._named(self.by_namespace.get(id(value.__globals__)), value.__qualname__)  # type: ignore[attr-defined]
            for cell in value.__closure__ or ():  # type: ignore[attr-defined]
                try:
                    content = cell.cell_contents
                except ValueError:
                    continue
                if callable(content):
                    found += self.origins(content, depth + 1)
        elif isinstance(value, type):
            for cls in value.__mro__:
                found += self._named(cls.__module__, cls.__qualname__)
        elif isinstance(value, MethodType):
            found += self.origins(value.__func__, depth + 1) + self.origins(value.__self__, depth + 1)
        elif kind in (list, tuple, set, frozenset, dict):
            contained: Any = value
            items = list(contained.values() if kind is dict else contained)[:50]
            for item in items:
                if callable(item):
                    found += self.origins(item, depth + 1)
        else:
            inner = innermost(value)
            if inner is not value:
                found += self.origins(inner, depth + 1)
            if kind.__module__ in self.records:
                found += self.origins(kind, depth + 1)
        return found

    def _named(self, module: str | None, qualname: str) -> list[Fact]:
        fact = self.table.get((module or "", qualname.partition(".")[0]))
        return [fact] if fact is not None and fact.kind in (BEHAVIOUR, SHAPE) else []

    def _import_reasons(self, module: str, binds: frozenset[str], wanted: Import) -> list[Reason]:
        name = absolute(self.records[module], wanted) if not wanted.module.startswith(".") else None
        if name is None:
            return []
        found = []
        whole = self.table.get((name, MODULE))
        if whole is not None:
            found.append(Reason(whole, (name,), True))
        for part in wanted.names:
            if part == "*":
                found += [
                    Reason(f, (name, n), True)
                    for (m, n), f in self.table.items()
                    if m == name and n and f.kind in (VALUE, GONE)
                ]
                continue
            for key in ((name, part), (f"{name}.{part}" if name else part, MODULE)):
                fact = self.table.get(key)
                if fact is None and part not in binds and name in self.records:  # handed on by that module
                    fact = self.by_object.get(id(self.namespace(name).get(part)))
                    if fact is not None and fact.kind in (VALUE, GONE):
                        continue
                if fact is not None and fact.kind in (VALUE, GONE):
                    found.append(Reason(fact, (name, part), True))
                elif fact is None and key[0] == name and (made := self._dynamic(name, part)):
                    found.append(Reason(made, (name, part), True))
                elif fact is not None and part not in binds:  # under another name here, which others may use
                    found.append(Reason(fact, (name, part), False))
        return found

    def _dynamic(self, module: str, name: str) -> Fact | None:
        """The fact of a module's `__getattr__` (PEP 562), where that is who gives the name."""
        fact = self.table.get((module, "__getattr__"))
        return fact if fact is not None and name not in self.namespace(module) else None


def methods_using(cls: type, name: str) -> set[str]:
    """Names of a class's own methods whose code names something."""
    found = set()
    for key, value in list(cls.__dict__.items()):
        code = getattr(innermost(value), "__code__", None)
        if code is not None and any(name in c.co_names for c in (code, *walk_codes(code))):
            found.add(key)
    return found


def _calls_inner(code: CodeType, name: str) -> bool:
    """Whether functions inside this one use a name, and are not what it returns."""
    users = {
        inner.co_name
        for inner in inner_codes(code)
        if any(name in c.co_names for c in (inner, *walk_codes(inner)))
    }
    return bool(users) and not users & returned_names(code)


def _reason(fact: Fact, chain: Chain, position: int) -> Reason:
    is_value = fact.kind in (VALUE, GONE)
    if fact.kind == SHAPE and position < len(chain) and chain[position] in fact.attributes:
        is_value = True
    return Reason(fact, chain, is_value)


def absolute(record: Record, wanted: Import) -> str | None:
    """Return the absolute name of an imported module (PEP 328)."""
    if wanted.level == 0:
        return wanted.module
    package = record.namespace.get("__package__") or ""
    parts = package.split(".")
    if wanted.level > len(parts) or not package:
        return None
    base = ".".join(parts[: len(parts) - wanted.level + 1])
    return f"{base}.{wanted.module}" if wanted.module else base
