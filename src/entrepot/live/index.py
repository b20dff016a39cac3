"""Where names are used in a whole program, so that a change asks only the modules that it may concern.

Nothing is noted while the program is imported. When an update asks for a name, its text is looked for in the kept
sources, which takes a millisecond for a thousand modules; only of the modules that mention it is the code read, once.
The answers err towards too much: what an older version of a module used stays.

Asks the tracker for sources and codes; knows no module object.
"""

from __future__ import annotations

from bisect import bisect_right
from types import CodeType

from entrepot.live.codes import (
    EXTENDED,
    IMPORTS_FROM,
    IMPORTS_NAME,
    IS_FUNCTION,
    NAMING,
    Event,
    Import,
    eager_chains,
    read_events,
    runs_at_once,
    walk_codes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from entrepot.live.tracker import Tracker

_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
Use = tuple[str, str]  # a module, and the name of a definition at its top level ("": of none)


class Uses:
    """What one module's code uses: names that its top level loads or imports, and those in each of its definitions."""

    __slots__ = ("definitions", "has_star", "imports", "is_relative", "loads")

    def __init__(self, events: Iterable[Event]) -> None:
        self.loads: set[str] = set()
        self.imports: set[str] = set()
        self.definitions: list[tuple[str, Collection[str]]] = []
        self.has_star = False
        self.is_relative = False  # `from . import name`, which does not say the package's name
        pending: list[CodeType] = []
        for event in events:
            if event.what == "load":
                self.loads.update(event.data)  # type: ignore[arg-type]
            elif event.what == "import":
                wanted: Import = event.data  # type: ignore[assignment]
                self.imports.update(wanted.module.split("."), wanted.names)
                self.has_star |= wanted.names == ("*",)
                self.is_relative |= not wanted.module
            elif event.what == "code":
                pending.append(event.data)  # type: ignore[arg-type]
            elif event.what == "store" and pending:
                for inner in pending:
                    self._add_inner(str(event.data), inner)
                pending = []
        for inner in pending:
            self._add_inner("", inner)

    @classmethod
    def of(cls, code: CodeType) -> Uses | None:
        """Read the code directly, without its events; None where something about it is unusual (as `read_events` tells all)."""
        found = cls(())
        names, consts, raw = code.co_names, code.co_consts, code.co_code
        operations, arguments = raw[::2], raw[1::2]
        inner = [value for value in consts if type(value) is CodeType]
        for value in inner:
            if value.co_name[:1] == "<":
                return None
        load = found.loads.add
        extended = 0
        for op, arg in zip(operations, arguments, strict=True):
            if extended and op:
                arg |= extended
                extended = 0
            if op == EXTENDED:
                extended = arg << 8
            elif op in NAMING:
                load(names[arg >> NAMING[op]])
            elif op == IMPORTS_NAME:
                found.imports.update(names[arg].split("."))
                found.is_relative |= not names[arg]
            elif op == IMPORTS_FROM:
                found.imports.add(names[arg])
        if ("*",) in consts:
            found.has_star = True
            found.imports.add("*")
        for value in inner:
            found._add_inner(value.co_name, value)
        return found

    def _add_inner(self, definition: str, code: CodeType) -> None:
        if not code.co_flags & IS_FUNCTION or code.co_name[:1] == "<":
            if runs_at_once(code):
                for chain in eager_chains(code):
                    self.loads.update(chain)
        names: Collection[str] = code.co_names
        if CodeType in map(type, code.co_consts):
            names = {*names, *(name for inner in walk_codes(code) for name in inner.co_names)}
        if "." in " ".join(names):  # `import a.b` in a function
            names = {part for name in names for part in name.split(".")}
        self.definitions.append((definition, names))


_NO_MODULES: frozenset[str] = frozenset()
_NOTHING = Uses(())  # of a module that is gone


class Answer:
    """Who uses one name."""

    __slots__ = ("deferred", "imports", "loads")

    def __init__(self) -> None:
        self.loads: set[str] = set()  # modules whose top level loads it
        self.imports: set[str] = set()  # modules that import it, or from a module of that name
        self.deferred: set[Use] = set()  # definitions whose functions use it

    def add(self, name: str, module: str, uses: Uses) -> None:
        """Enter what one module does with the name."""
        if name in uses.loads:
            self.loads.add(module)
        if name in uses.imports:
            self.imports.add(module)
        for definition, names in uses.definitions:
            if name in names:
                self.deferred.add((module, definition))


class Index:
    """The answers given so far, and the sources to find others."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._uses: dict[str, Uses] = {}
        self._answers: dict[str, Answer] = {}
        self._stars: set[str] | None = None
        self._known: set[str] = set()
        self._events: dict[str, tuple[CodeType, list[Event]]] = {}
        self._codes: dict[str, CodeType] = {}  # read in this update
        self._namers: dict[str, set[str]] = {}  # name -> who uses it, of the modules in `_named_in`
        self._named_in: set[str] = set()
        self._users: dict[str, set[str]] = {}  # answers of `users` in this update
        self._renewed: set[str] = set()  # modules whose new source is not among the kept ones yet
        self._text = b""
        self._starts: list[int] = []
        self._places: list[tuple[int, str]] = []

    def begin(self) -> None:
        """An update begins: modules imported since the last one are part of every answer."""
        records = self._tracker.records
        if self._known != records.keys():
            for module in records.keys() - self._known:
                self._uses.pop(module, None)
                if self._answers or self._stars is not None:
                    self._enter(module, self._uses_of(module))
            self._known = set(records)
        self._text, self._starts, self._places = b"", [], []

    def end(self) -> None:
        """An update is over: sources and codes are not needed any longer."""
        self._events.clear()
        self._codes.clear()
        self._namers.clear()
        self._named_in.clear()
        self._users.clear()
        self._renewed.clear()
        self._text, self._starts, self._places = b"", [], []

    def add(self, module: str, code: CodeType) -> None:
        """A module has a new version: what it uses comes to what the old one used."""
        uses = self._uses[module] = Uses(read_events(code))
        self._named_in.discard(module)
        self._users.clear()
        self._renewed.add(module)
        self._enter(module, uses)

    def forget(self, module: str) -> None:
        """A module's new version is not to be after all, or the module is gone."""
        self._uses.pop(module, None)

    def _enter(self, module: str, uses: Uses) -> None:
        for name, answer in self._answers.items():
            answer.add(name, module, uses)
        if self._stars is not None:
            self._note_star(module, uses)

    # -- questions ----------------------------------------------------------------------------------------------

    def loads(self, name: str) -> set[str]:
        """Modules whose top level loads a name."""
        return self._ask(name).loads

    def imports(self, name: str) -> set[str]:
        """Modules whose top level imports a name, or from a module with that name in its path."""
        return self._ask(name).imports

    def deferred(self, name: str) -> set[Use]:
        """Definitions whose functions use a name."""
        return self._ask(name).deferred

    def is_loaded(self, module: str, name: str) -> bool:
        """Whether one module's top level loads a name."""
        return name in self._uses_of(module).loads

    def users(self, name: str) -> set[str]:
        """Modules whose top level loads or imports a name, or has a star import. Not to be changed: it is kept for the update."""
        found = self._users.get(name)
        if found is None:
            found = self._users[name] = self.loads(name) | self.imports(name) | self.stars()
            for module in found - self._named_in:
                uses = self._uses_of(module)
                for used in (*uses.loads, *uses.imports, *(("",) if uses.is_relative else ())):
                    self._namers.setdefault(used, set()).add(module)
            self._named_in |= found
        return found

    def users_naming(self, name: str, other: str) -> set[str]:
        """Those of `users` of a name that load or import another one too, or leave out in an import where from."""
        users = self.users(name)
        return users & (self._namers.get(other, _NO_MODULES) | self._namers.get("", _NO_MODULES))

    def is_deferred(self, module: str, name: str) -> bool:
        """Whether functions of one module use a name."""
        return any(name in names for _, names in self._uses_of(module).definitions)

    def stars(self) -> set[str]:
        """Modules with a star import."""
        if self._stars is None:
            self._stars = self._tracker.stars & self._tracker.records.keys()
            for module, uses in self._uses.items():  # newer versions
                self._note_star(module, uses)
        return self._stars

    def _ask(self, name: str) -> Answer:
        answer = self._answers.get(name)
        if answer is None:
            answer = self._answers[name] = Answer()
            for module in {*self._mentioning(name), *self._renewed}:
                answer.add(name, module, self._uses_of(module))
        return answer

    def read(self, module: str) -> tuple[CodeType, list[Event]]:
        """Return the code of a module's present version and what it does, read once in an update."""
        found = self._events.get(module)
        if found is None:
            code = self._code_of(module)
            found = self._events[module] = (code, list(read_events(code)))
        return found

    def _code_of(self, module: str) -> CodeType:
        code = self._codes.get(module)
        if code is None:
            code = self._codes[module] = self._tracker.code_of(self._tracker.records[module])
        return code

    def _uses_of(self, module: str) -> Uses:
        uses = self._uses.get(module)
        if uses is None:
            uses = _NOTHING
            if module in self._tracker.records:
                uses = Uses.of(self._code_of(module)) or Uses(self.read(module)[1])
            self._uses[module] = uses
        return uses

    def _note_star(self, module: str, uses: Uses) -> None:
        if self._stars is not None and uses.has_star:
            self._stars.add(module)

    # -- sources ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        if self._text:
            return
        self._text = self._tracker.attic.read_all()
        spans = sorted((record.start, record.size, name) for name, record in self._tracker.records.items())
        self._starts = [start for start, _, _ in spans]
        self._places = [(start + size, name) for start, size, name in spans]

    def _module_at(self, offset: int) -> tuple[str, int]:
        """Return the module whose source has this offset ("": an old source), and where to look on."""
        index = bisect_right(self._starts, offset) - 1
        if index >= 0:
            end, name = self._places[index]
            if offset < end:
                return name, end
        following = index + 1
        return "", self._starts[following] if following < len(self._starts) else len(self._text)

    def _mentioning(self, name: str) -> list[str]:
        """Modules in whose source a name stands as a word."""
        self._read()
        if not name.isascii():
            return list(self._tracker.records)
        return self._find_modules(name.encode())

    def _find_modules(self, word: bytes) -> list[str]:
        text, found = self._text, []
        position, size = 0, len(word)
        while (position := text.find(word, position)) >= 0:
            after = position + size
            if (position and text[position - 1] in _WORD) or (after < len(text) and text[after] in _WORD):
                position = after
                continue
            module, position = self._module_at(position)
            if module:
                found.append(module)
        return found
