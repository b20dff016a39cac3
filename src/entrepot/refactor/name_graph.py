"""The statements of one file that bind names, who uses whom, and how strongly they belong together."""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Callable

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT
from entrepot.refactor.dynamic import MODULE_FACTS as _MODULE_FACTS
from entrepot.refactor.merging import Merging
from entrepot.refactor.statements import Statement, is_main_guard, is_only_imports
from entrepot.refactor.text import SourceFile

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_DULL = frozenset(
    "get set is has make find the of to for from with on in a an by as not and or type base default".split()
)
# Functions that a main block calls and that are the program itself, not a part of it.
_ENTRIES = frozenset(("main", "run", "cli", "app", "start"))
LARGEST = 0.12  # of the file's lines in one group
SMALLEST = 3  # names; a smaller group is left where it is


class NameGraph:
    """The statements of one file that bind names, who uses whom, and how strongly they belong together.

    A node is the number of a statement that stands for all statements merged with it.
    """

    def __init__(self, file: SourceFile, statements: list[Statement], *, is_script: bool) -> None:
        self.file = file
        self.statements = statements
        self.home: dict[str, int] = {}  # name -> node
        self.size: dict[str, float] = {}  # name -> lines
        self.node_of: dict[int, int] = {}  # statement -> node
        self.pinned: set[int] = set()
        self.rebound: set[str] = set()
        self.uses: dict[str, Counter[str]] = {}
        self.hard: set[tuple[str, str]] = set()
        self._find_nodes()
        self.names = list(self.home)
        self.arrows: dict[int, set[int]] = {node: set() for node in set(self.node_of.values())}
        self.weight: dict[tuple[int, int], float] = {}
        self._read(is_script)

    def _find_nodes(self) -> None:
        by_name: dict[str, int] = {}
        for statement in self.statements:
            index = statement.index
            repeated = statement.is_import or (
                isinstance(statement.node, ast.If | ast.Try) and is_only_imports(statement.node)
            )
            if repeated and not is_main_guard(statement.node):
                continue
            if isinstance(statement.node, ast.Delete):
                self.node_of[index] = index
                self.pinned |= {index, *(by_name[name] for name in statement.binds if name in by_name)}
                continue
            first = next((by_name[name] for name in statement.binds if name in by_name), index)
            self.node_of[index] = first
            for name in sorted(statement.binds):
                if by_name.setdefault(name, first) != first:
                    self.pinned |= {first, by_name[name]}
                self.home.setdefault(name, first)
                # A statement that binds several names is counted once.
                lines = self.file.data.count(b"\n", statement.start, statement.end)
                self.size[name] = self.size.get(name, 0) + lines / len(statement.binds)
            odd = any(name.startswith("__") or name == "_" for name in statement.binds)
            if not statement.binds or odd or is_main_guard(statement.node):
                self.pinned.add(first)

    def _read(self, is_script: bool) -> None:
        module = self.file.names.module
        users: dict[str, set[int]] = {}
        found: list[tuple[int, str]] = []
        for occurrence in self.file.names.occurrences:
            node = self.node_of.get(occurrence.statement)
            if node is None:
                continue
            if occurrence.name in _MODULE_FACTS and occurrence.home in (None, module):
                self.pinned.add(node)
            if occurrence.home is not module or occurrence.name not in self.home:
                continue
            if occurrence.kind != "load" and occurrence.scope is not module:
                self.rebound.add(occurrence.name)
            if node == self.home[occurrence.name]:
                continue
            is_entry = not is_script or occurrence.name.strip("_") in _ENTRIES
            if is_entry and is_main_guard(self.statements[occurrence.statement].node):
                self.pinned.add(self.home[occurrence.name])
            users.setdefault(occurrence.name, set()).add(node)
            found.append((node, occurrence.name))
            self.arrows[node].add(self.home[occurrence.name])
            for user in self.names_of(node)[:1]:
                self.uses.setdefault(user, Counter())[occurrence.name] += 1
                if occurrence.when == AT_IMPORT:
                    self.hard.add((user, occurrence.name))
        for (node, name), count in Counter(found).items():
            # What everybody uses says little about who belongs to whom.
            strength = min(count, 3) / (1 + len(users[name])) * 6
            self._join(node, self.home[name], strength * (4 if name in self.rebound else 1))
        for user, name in self.hard:
            self._join(self.home[user], self.home[name], 2.0)
        for one, two in itertools.pairwise(sorted(self.arrows)):
            self._join(one, two, 0.6)
        self._join_by_words()
        if is_script:
            self._pin_steps()

    def _pin_steps(self) -> None:
        """Leave the variables of a script's own steps where they are: made by calls or loops, used by no definition."""
        occurrences = [o for o in self.file.names.occurrences if o.home is self.file.names.module]
        used = {o.name for o in occurrences if self.statements[o.statement].is_definition}
        reading = {
            o.statement
            for o in occurrences
            if o.kind == "load" and o.name in self.home and self.home[o.name] != self.node_of.get(o.statement)
        }
        for statement in self.statements:
            if statement.is_definition or statement.is_import or used & statement.binds:
                continue
            node = self.node_of.get(statement.index)
            if node is not None and (
                statement.index in reading or isinstance(statement.node, ast.For | ast.While | ast.With)
            ):
                self.pinned.add(node)

    def names_of(self, node: int) -> list[str]:
        return [name for name, home in self.home.items() if home == node]

    def _join(self, one: int, two: int, strength: float) -> None:
        if one != two:
            key = (min(one, two), max(one, two))
            self.weight[key] = self.weight.get(key, 0.0) + strength

    def _join_by_words(self) -> None:
        by_word: dict[str, list[str]] = {}
        for name in self.names:
            for word in words_of(name):
                by_word.setdefault(word, []).append(name)
        for sharing in by_word.values():
            if 2 <= len(sharing) <= max(4, len(self.names) // 3):
                for one, two in itertools.combinations(sharing, 2):
                    near = abs(self.home[one] - self.home[two]) <= len(sharing) * 2
                    self._join(self.home[one], self.home[two], (4.0 if near else 1.0) / len(sharing) ** 0.5)

    # -- merging ---------------------------------------------------------------------------

    def find_clusters(self) -> list[list[str]]:
        """Return the groups of names that can go, in the order of the file."""

        merged = Merging(self.arrows, self.weight)
        merged.merge_cycles()
        merged.merge_up(self.pinned)
        merged.merge_by_gain(self._limit())
        merged.settle_small(lambda members: len(self._all_names(members)) >= SMALLEST)
        found = [self._all_names(m) for node, m in merged.members.items() if node != merged.top]
        stays = set() if merged.top is None else merged.members[merged.top]
        if not self._all_names(stays):
            entries = [n for n in merged.members if n != merged.top and not merged.is_used(n)]
            largest = max(entries, key=lambda n: self._lines(merged.members[n]), default=None)
            found = [
                names
                for names in found
                if largest is None or names != self._all_names(merged.members[largest])
            ]
        return sorted((f for f in found if len(f) >= SMALLEST), key=lambda names: self.home[names[0]])

    def find_blamed(self, clusters: list[list[str]], error: Refused) -> set[str]:
        """Return the names whose statements a refusal points at; a whole group when it names none."""
        behind = re.search(r"leave line (\d+) behind", str(error))
        lines = {int(behind[1])} if behind else {error.line or 0}
        grouped = {name for cluster in clusters for name in cluster}
        blamed: set[str] = set()
        for statement in self.statements:
            last = statement.node.end_lineno or statement.line
            if any(statement.line <= line <= last for line in lines):
                used = {
                    o.name
                    for o in self.file.names.occurrences
                    if o.statement == statement.index and o.home is self.file.names.module
                }
                blamed |= (statement.binds or used) & grouped
        words = set(re.findall(r"\w+", error.reason)) & grouped
        return blamed or words or set(clusters[-1])

    def without(self, clusters: list[list[str]], staying: set[str]) -> list[list[str]]:
        """Return what can still go when some names stay: nothing that uses them."""

        nodes = {self.home[name] for name in staying}
        while True:
            more = {node for node, used in self.arrows.items() if used & nodes} - nodes
            if not more:
                break
            nodes |= more
        left = [[name for name in cluster if self.home[name] not in nodes] for cluster in clusters]
        return [cluster for cluster in left if len(cluster) >= SMALLEST]

    def _limit(self) -> Callable[[set[int], set[int]], bool]:
        total = sum(self.size.values()) or 1

        def is_small(one: set[int], two: set[int]) -> bool:

            return self._lines(one | two) <= max(total * LARGEST, 60)

        return is_small

    def _lines(self, members: set[int]) -> float:
        return sum(self.size[name] for name, home in self.home.items() if home in members)

    def _all_names(self, members: set[int]) -> list[str]:
        return [name for name, home in self.home.items() if home in members]


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without those that say nothing."""
    found = [word.lower() for word in _WORDS.findall(name.replace("_", " "))]
    return [_make_singular(word) for word in found if word not in _DULL and len(word) > 2]


def _make_singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "siu" else word
