"""Propose how to split a file: groups of definitions, with reasons, never cyclic.

The statements of the file that bind names are the nodes of a graph, and who uses whom (at any
time) its arrows. Statements that need each other are one node to begin with. What uses a
name that must stay (`__version__`, a main block's own) stays too. The others are merged pair by
pair, the strongest gain in modularity first, and only where no third group stands between the
two: so the arrows between the groups never close a cycle, and the file imports the new modules
but none of them imports it back. Weight comes from references, shared rebound globals, base
classes, words in names and places near each other. A small group joins a neighbour, or stays.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT
from entrepot.refactor.cross import decide
from entrepot.refactor.crossings import make_cut
from entrepot.refactor.cut import STAY
from entrepot.refactor.dynamic import MODULE_FACTS as _MODULE_FACTS
from entrepot.refactor.project import Project
from entrepot.refactor.statements import Statement, is_main_guard, is_only_imports, list_statements
from entrepot.refactor.text import SourceFile

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_DULL = frozenset(
    "get set is has make find the of to for from with on in a an by as not and or type base default".split()
)
LARGEST = 0.3  # of the file's lines in one group
SMALLEST = 3  # names; a smaller group is left where it is


@dataclass
class Group:
    """One proposed module: its name, the names in it, its lines, why it belongs together."""

    module: str
    names: list[str]
    lines: int
    reasons: list[str]


@dataclass
class Suggestion:
    """The groups, what stays, and the arrows between the modules (who needs whom)."""

    path: str
    module: str
    groups: list[Group]
    stays: list[str]
    arrows: list[tuple[str, str, int]] = field(default_factory=list)

    def command(self) -> str:
        """Return the command that would do it."""
        parts = " ".join(f"--to {group.module}={','.join(group.names)}" for group in self.groups)
        return f"entrepot split {self.path} {parts} --reexport"


def suggest_split(project: Project, path: str) -> Suggestion:
    """Return a proposal for one file; without groups where it is better left whole."""
    file = project.file(path)
    graph = _Graph(file, list_statements(file))
    clusters = graph.find_clusters()
    shown, module = project.show(path), project.name_of(path)
    while clusters:
        groups = _name_groups(graph, clusters, module.rpartition(".")[2])
        try:
            cut = make_cut(project, path, {g.module: g.names for g in groups}, reexport=True)
            decide(cut)
        except Refused as error:
            # What stands in the way names a place or a module; without it the rest may do.
            clusters = graph.without(clusters, graph.find_blamed(clusters, error))
            continue
        counted = Counter((c.a, c.b) for c in cut.crossings)
        arrows = [(cut.label(a), cut.label(b), count) for (a, b), count in counted.most_common()]
        stays = [name for name in graph.names if cut.owner.get(name, STAY) == STAY]
        return Suggestion(shown, module, groups, stays, arrows)
    return Suggestion(shown, module, [], graph.names)


class _Graph:
    """The statements of one file that bind names, who uses whom, and how strongly they belong together.

    A node is the number of a statement that stands for all statements merged with it.
    """

    def __init__(self, file: SourceFile, statements: list[Statement]) -> None:
        self.file = file
        self.statements = statements
        self.home: dict[str, int] = {}  # name -> node
        self.size: dict[str, int] = {}  # name -> lines
        self.node_of: dict[int, int] = {}  # statement -> node
        self.pinned: set[int] = set()
        self.rebound: set[str] = set()
        self.uses: dict[str, Counter[str]] = {}
        self.hard: set[tuple[str, str]] = set()
        self._find_nodes()
        self.names = list(self.home)
        self.arrows: dict[int, set[int]] = {node: set() for node in set(self.node_of.values())}
        self.weight: dict[tuple[int, int], float] = {}
        self._read()

    def _find_nodes(self) -> None:
        by_name: dict[str, int] = {}
        for statement in self.statements:
            index = statement.index
            repeated = statement.is_import or (
                isinstance(statement.node, ast.If | ast.Try) and is_only_imports(statement.node)
            )
            if repeated and not is_main_guard(statement.node):
                continue
            first = next((by_name[name] for name in statement.binds if name in by_name), index)
            self.node_of[index] = first
            for name in sorted(statement.binds):
                if by_name.setdefault(name, first) != first:
                    self.pinned |= {first, by_name[name]}
                self.home.setdefault(name, first)
                self.size[name] = self.size.get(name, 0) + self.file.data.count(
                    b"\n", statement.start, statement.end
                )
            odd = any(name.startswith("__") or name == "_" for name in statement.binds)
            if not statement.binds or odd or is_main_guard(statement.node):
                self.pinned.add(first)

    def _read(self) -> None:
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
            if is_main_guard(self.statements[occurrence.statement].node):
                self.pinned.add(self.home[occurrence.name])  # an entry point
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
        merged = _Merging(self.arrows, self.weight)
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

    def _lines(self, members: set[int]) -> int:
        return sum(self.size[name] for name, home in self.home.items() if home in members)

    def _all_names(self, members: set[int]) -> list[str]:
        return [name for name, home in self.home.items() if home in members]


class _Merging:
    """Groups that grow by merging, with no cycle between them at any time."""

    def __init__(self, arrows: dict[int, set[int]], weight: dict[tuple[int, int], float]) -> None:
        self.arrows = {node: set(used) for node, used in arrows.items()}
        self.members = {node: {node} for node in arrows}
        self.weight: dict[int, dict[int, float]] = {node: {} for node in arrows}
        for (one, two), strength in weight.items():
            self.weight[one][two] = self.weight[two][one] = strength
        self.total = sum(weight.values()) or 1.0
        self.degree = {node: sum(near.values()) for node, near in self.weight.items()}
        self.top: int | None = None

    def merge(self, one: int, two: int) -> int:
        """Merge `two` into `one`; returns it."""
        self.members[one] |= self.members.pop(two)
        self.arrows[one] = (self.arrows[one] | self.arrows.pop(two)) - {one, two}
        for used in self.arrows.values():
            if two in used:
                used.discard(two)
                used.add(one)
        self.arrows[one].discard(one)
        self.degree[one] += self.degree.pop(two)
        for other, strength in self.weight.pop(two).items():
            self.weight[other].pop(two, None)
            if other != one:
                self.weight[one][other] = self.weight[other][one] = (
                    self.weight[one].get(other, 0.0) + strength
                )
        if self.top == two:
            self.top = one
        return one

    def reach(self, start: int) -> set[int]:
        seen: set[int] = set()
        stack = list(self.arrows[start])
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(self.arrows[node])
        return seen

    def is_used(self, node: int) -> bool:
        return any(node in used for other, used in self.arrows.items() if other != node)

    def merge_cycles(self) -> None:
        for node in list(self.members):
            if node in self.members:
                for other in [o for o in self.reach(node) if o != node]:
                    if other in self.members and node in self.members and node in self.reach(other):
                        self.merge(node, other)

    def merge_up(self, pinned: set[int]) -> None:
        """Everything that must stay, and all that uses it, is one group: the top."""
        staying = {node for node, members in self.members.items() if members & pinned}
        staying |= {node for node in self.members if self.reach(node) & staying}
        for node in sorted(staying):
            if self.top is None:
                self.top = node
            elif node in self.members:
                self.merge(self.top, node)

    def can_merge(self, one: int, two: int) -> bool:
        """Whether no third group stands between the two."""
        for start, end in ((one, two), (two, one)):
            for middle in self.arrows[start]:
                if middle not in (start, end) and end in self.reach(middle):
                    return False
        return True

    def merge_by_gain(self, is_small: Callable[[set[int], set[int]], bool]) -> None:
        banned: set[tuple[int, int]] = set()
        while True:
            found: list[tuple[float, int, int]] = []
            for one, near in self.weight.items():
                for two, strength in near.items():
                    if one < two and self.top not in (one, two) and (one, two) not in banned:
                        gain = strength / self.total - self.degree[one] * self.degree[two] / (
                            2 * self.total**2
                        )
                        if gain > 0:
                            found.append((gain, one, two))
            for _, one, two in sorted(found, reverse=True):
                if is_small(self.members[one], self.members[two]) and self.can_merge(one, two):
                    self.merge(one, two)
                    banned = {pair for pair in banned if one not in pair}
                    break
                banned.add((one, two))
            else:
                return

    def settle_small(self, is_large: Callable[[set[int]], bool]) -> None:
        """A small group that no other group uses stays; one that is used joins its strongest neighbour."""
        while True:
            small = [n for n in self.members if n != self.top and not is_large(self.members[n])]
            if not small:
                return
            loose = [
                n
                for n in small
                if not any(n in used for o, used in self.arrows.items() if o not in (n, self.top))
            ]
            if loose:
                if self.top is None:
                    self.top = loose[0]
                    continue
                self.merge(self.top, loose[0])
                continue
            node = small[0]
            others = [o for o in self.members if o not in (node, self.top) and self.can_merge(node, o)]
            near = [o for o in others if o in self.arrows[node] or node in self.arrows[o]] or others
            if not near:
                return
            self.merge(max(near, key=lambda o: self.weight[node].get(o, 0.0)), node)


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without those that say nothing."""
    found = [word.lower() for word in _WORDS.findall(name.replace("_", " "))]
    return [word for word in found if word not in _DULL and len(word) > 2]


def _name_groups(graph: _Graph, clusters: Iterable[list[str]], module: str) -> list[Group]:
    groups: list[Group] = []
    taken = {module}
    for cluster in clusters:
        names = list(cluster)
        counted = Counter(word for name in names for word in set(words_of(name)))
        common = [(word, count) for word, count in counted.most_common(3) if count >= max(2, len(names) // 4)]
        word = common[0][0] if common else max(names, key=lambda n: graph.size[n]).strip("_").lower()
        conditional = {n for s in graph.statements if isinstance(s.node, ast.If | ast.Try) for n in s.binds}
        if len(conditional & set(names)) * 2 > len(names):
            word, common = "compat", [("compat", 0)]  # what differs from one Python to another
        plural = word if word == "compat" or word.endswith("s") else word + "s"
        name = plural if common else word
        name = f"{module}_{name}" if "." not in module else name
        while name in taken:
            name += "_more"
        taken.add(name)
        groups.append(
            Group(name, names, sum(graph.size[n] for n in names), _reasons(graph, set(cluster), common))
        )
    return groups


def _reasons(graph: _Graph, cluster: set[str], common: list[tuple[str, int]]) -> list[str]:
    found = []
    inside = sum(count for u in cluster for n, count in graph.uses.get(u, {}).items() if n in cluster)
    outward = sum(count for u in cluster for n, count in graph.uses.get(u, {}).items() if n not in cluster)
    inward = sum(
        count
        for u, used in graph.uses.items()
        if u not in cluster
        for n, count in used.items()
        if n in cluster
    )
    found.append(
        f"use each other {inside} times; use the rest {outward} times, and are used by it {inward} times"
    )
    if common and common[0][1]:
        found.append(", ".join(f"{count} names say “{word}”" for word, count in common[:2]))
    shared = sorted(graph.rebound & cluster)
    if shared:
        found.append(f"share {', '.join(shared)}, which they change")
    bases = sorted({name for user, name in graph.hard if user in cluster and name in cluster})
    if bases:
        found.append(f"are built on {', '.join(bases[:4])}")
    return found


def print_suggestion(suggestion: Suggestion, form: str = "text") -> int:
    """Print a proposal; returns the exit status."""
    if form == "json":
        about = {
            "module": suggestion.module,
            "groups": [vars(group) for group in suggestion.groups],
            "stays": suggestion.stays,
            "arrows": suggestion.arrows,
            "command": suggestion.command() if suggestion.groups else None,
        }
        print(json.dumps(about, indent=2))
        return 0
    if not suggestion.groups:
        print(f"{suggestion.path} is best left whole: no group of names can be taken out of it")
        return 0
    for group in suggestion.groups:
        print(f"{group.module}  ({len(group.names)} names, {group.lines} lines)")
        for reason in group.reasons:
            print(f"    {reason}")
        print(_wrap(group.names, "      "))
    print(f"{suggestion.module} keeps  ({len(suggestion.stays)} names)")
    print(_wrap(suggestion.stays, "      "))
    print("arrows between the modules (importer, imported, references)")
    for a, b, count in suggestion.arrows:
        print(f"    {a} -> {b}  {count}")
    print(f"\n{suggestion.command()}")
    return 0


def _wrap(names: Iterable[str], indent: str) -> str:
    import textwrap

    return textwrap.fill(" ".join(names), 100, initial_indent=indent, subsequent_indent=indent)
