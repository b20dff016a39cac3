"""What the checks share: the program, the facts of its files, the names that modules have."""

from __future__ import annotations

from collections.abc import Iterable

from entrepot.program.bindings import Bindings
from entrepot.program.model import Program
from entrepot.program.origins import find_origin
from entrepot.program.resolve import get_absolute
from entrepot.survey.facts import read_all_facts
from entrepot.survey.findings import Finding, Fix
from entrepot.survey.local import unpack_bindings
from entrepot.survey.test_files import read_test_files

_GIVEN = frozenset(
    {
        "__name__",
        "__file__",
        "__doc__",
        "__package__",
        "__path__",
        "__spec__",
        "__loader__",
        "__dict__",
        "__builtins__",
    }
)


class State:
    """A program with the facts of its files, and what several checks ask of it."""

    def __init__(self, program: Program, *, is_kept: bool = True, processes: int = 2) -> None:
        self.program = program
        self.facts = read_all_facts(program, is_kept=is_kept, processes=processes)
        program.raw.find_known_bindings = self._find_bindings
        self.paths = {name: module.path for name, module in program.modules.items()}
        self.imports = {
            name: module.imports() for name, module in program.modules.items() if module.kind == "source"
        }
        self._names: dict[str, tuple[frozenset[str], bool]] = {}
        self.is_test = read_test_files(program.folder).is_named_so

    def _find_bindings(self, name: str) -> Bindings | None:
        facts = self.facts.get(name)
        return unpack_bindings(facts) if facts is not None else None

    def make(
        self,
        code: str,
        module: str,
        line: int,
        column: int,
        message: str,
        related: Iterable[tuple[str, int, str]] = (),
        edits: object = None,
        group: str = "",
    ) -> Finding:
        """Return a finding in a module; columns come from 0."""
        fix = Fix(tuple((int(a), int(b), str(c)) for a, b, c in edits)) if isinstance(edits, list) else None
        return Finding(
            code, self.paths.get(module, ""), line, column + 1, message, module, tuple(related), fix, group
        )

    def get_names(self, module: str) -> tuple[frozenset[str], bool]:
        """Return the names that a module has after its import, and whether they are all known."""
        if module in self._names:
            return self._names[module]
        self._names[module] = (frozenset(), False)  # while it is worked out: stars may go in circles
        facts = self.facts.get(module)
        if facts is None:
            return self._names[module]
        names = set(facts.names) | _GIVEN
        known = not facts.is_dynamic
        for level, source, _, _, _ in facts.stars:
            brought = self.list_star(self.absolute(module, level, source))
            names |= brought[0]
            known = known and brought[1]
        self._names[module] = (frozenset(names), known)
        return self._names[module]

    def absolute(self, module: str, level: int, source: str) -> str:
        return get_absolute(module, self.program.raw.is_package(module), level, source) or ""

    def list_star(self, module: str) -> tuple[frozenset[str], bool]:
        """Return what a star import of a module brings, and whether that is all."""
        facts = self.facts.get(module)
        if facts is None:
            return frozenset(), False
        brought = self.program.list_star_names(module)
        if facts.all_names is not None:
            return brought or frozenset(facts.all_names), facts.all_known
        known = self.get_names(module)[1]
        return brought or frozenset(), known

    def is_same(self, first: str, second: str, name: str) -> bool:
        """Is a name of two modules one thing, defined in one place?"""
        return find_origin(self.program, name, first) == find_origin(self.program, name, second)
