"""Propose how to split a file: groups of definitions, with reasons, never cyclic.

The definitions and constants of the file are the nodes of a graph; who uses whom gives its
edges, heavier between names that share a rebound global, a base class, or a word in their names
and a place near each other. Communities come from greedy merging by modularity. Names that
most groups use (helpers, constants, exceptions) form a group of their own below the others; a
file's entry points stay. Groups that would need each other while they are initialised are merged,
so what is proposed can be applied as it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT
from entrepot.refactor.cut import STAY, make_cut
from entrepot.refactor.project import Project
from entrepot.refactor.statements import Statement, is_main_guard, list_statements
from entrepot.refactor.text import SourceFile

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_DULL = frozenset("get set is has make find the of to for from with on in a an by as not and or type base default".split())
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
    statements = list_statements(file)
    graph = _Graph(file, statements)
    clusters = graph.find_clusters()
    shown, module = project.show(path), project.name_of(path)
    while True:
        groups = _name_groups(graph, clusters, module.rpartition(".")[2])
        if not groups:
            return Suggestion(shown, module, [], graph.names)
        try:
            cut = make_cut(project, path, {g.module: g.names for g in groups}, reexport=True, force=True)
            from entrepot.refactor.cross import decide

            decide(cut)
        except Refused as error:
            smaller = _drop_blamed(clusters, groups, error)
            if smaller is None:
                return Suggestion(shown, module, [], graph.names)
            clusters = smaller
            continue
        counted = Counter((c.a, c.b) for c in cut.crossings)
        arrows = [(cut.label(a), cut.label(b), count) for (a, b), count in counted.most_common()]
        stays = [name for name in graph.names if cut.owner.get(name, STAY) == STAY]
        return Suggestion(shown, module, groups, stays, arrows)


def _drop_blamed(clusters: list[set[str]], groups: list[Group], error: Refused) -> list[set[str]] | None:
    """Return the clusters without what a refusal names: the names stay, or the cluster goes."""
    text = str(error)
    blamed = {g.module for g in groups if re.search(rf"\b{re.escape(g.module)}\b", text)}
    words = set(re.findall(r"\w+", text))
    for group in groups:
        if group.module in blamed or not blamed:
            for cluster in clusters:
                if set(group.names) <= cluster:
                    less = cluster - words
                    rest = [c for c in clusters if c is not cluster]
                    if SMALLEST <= len(less) < len(cluster):
                        return [*rest, less]
                    return rest or None
    return clusters[:-1] or None


class _Graph:
    """The names of one file that could move, and how strongly they belong together."""

    def __init__(self, file: SourceFile, statements: list[Statement]) -> None:
        self.file = file
        self.statements = statements
        self.home: dict[str, int] = {}
        self.size: dict[str, int] = {}
        for statement in statements:
            movable = statement.is_definition or type(statement.node).__name__ in ("Assign", "AnnAssign")
            if not movable or is_main_guard(statement.node) or len(statement.binds) != 1:
                continue
            (name,) = statement.binds
            if name.startswith("__") or name == "_":
                continue
            self.home.setdefault(name, statement.index)
            self.size[name] = self.size.get(name, 0) + file.data.count(b"\n", statement.start, statement.end)
        self.names = list(self.home)
        self.uses: dict[str, Counter[str]] = {name: Counter() for name in self.names}
        self.weight: Counter[tuple[str, str]] = Counter()
        self.hard: set[tuple[str, str]] = set()
        self.rebound: set[str] = set()
        self._read()

    def _read(self) -> None:
        module = self.file.names.module
        owner = {index: name for name, index in self.home.items()}
        users: dict[str, set[str]] = {}
        for occurrence in self.file.names.occurrences:
            if occurrence.home is not module or occurrence.name not in self.home:
                continue
            user = owner.get(occurrence.statement)
            if occurrence.kind != "load" and occurrence.scope is not module:
                self.rebound.add(occurrence.name)
            if user is None or user == occurrence.name:
                continue
            self.uses[user][occurrence.name] += 1
            users.setdefault(occurrence.name, set()).add(user)
            if occurrence.when == AT_IMPORT:
                self.hard.add((user, occurrence.name))
        self.users = users
        for user, used in self.uses.items():
            for name, count in used.items():
                # What everybody uses says little about who belongs to whom.
                strength = min(count, 3) / (1 + len(users[name])) * 6
                if (user, name) in self.hard:
                    strength *= 2
                if name in self.rebound:
                    strength *= 4
                self._join(user, name, strength)
        for one, two in zip(self.names, self.names[1:], strict=False):
            self._join(one, two, 0.6)
        self._join_by_words()

    def _join(self, one: str, two: str, strength: float) -> None:
        if one != two:
            key = (one, two) if one < two else (two, one)
            self.weight[key] += strength  # type: ignore[assignment]

    def _join_by_words(self) -> None:
        by_word: dict[str, list[str]] = {}
        for name in self.names:
            for word in words_of(name):
                by_word.setdefault(word, []).append(name)
        for sharing in by_word.values():
            if 2 <= len(sharing) <= max(4, len(self.names) // 3):
                for number, one in enumerate(sharing):
                    for two in sharing[number + 1 :]:
                        near = abs(self.home[one] - self.home[two]) <= len(sharing) * 2
                        self._join(one, two, (4.0 if near else 1.0) / len(sharing) ** 0.5)

    def find_clusters(self) -> list[set[str]]:
        """Return communities of names: greedy merging while modularity grows, then cut to size."""
        total = sum(self.weight.values()) or 1.0
        degree: Counter[str] = Counter()
        links: dict[str, dict[str, float]] = {name: {} for name in self.names}
        for (one, two), strength in self.weight.items():
            degree[one] += strength  # type: ignore[assignment]
            degree[two] += strength  # type: ignore[assignment]
            links[one][two] = links[one].get(two, 0.0) + strength
            links[two][one] = links[two].get(one, 0.0) + strength
        members = {name: {name} for name in self.names}
        while True:
            best, pair = 1e-9, None
            for one, near in links.items():
                for two, strength in near.items():
                    if one < two:
                        gain = strength / total - degree[one] * degree[two] / (2 * total * total)
                        if gain > best:
                            best, pair = gain, (one, two)
            if pair is None:
                break
            one, two = pair
            members[one] |= members.pop(two)
            degree[one] += degree.pop(two)
            for other, strength in links.pop(two).items():
                links[other].pop(two, None)
                if other != one:
                    links[one][other] = links[one].get(other, 0.0) + strength
                    links[other][one] = links[one][other]
            links[one].pop(one, None)
        found = [cluster for cluster in members.values() if len(cluster) >= SMALLEST]
        return self._leave_the_heart(found)

    def _leave_the_heart(self, clusters: list[set[str]]) -> list[set[str]]:
        """The cluster with the largest definition that the others lean on stays in the file."""
        if len(clusters) < 2:
            return []
        heart = max(clusters, key=lambda c: sum(self.size[n] for n in c))
        return sorted((c for c in clusters if c is not heart), key=lambda c: min(self.home[n] for n in c))


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, without those that say nothing."""
    found = [word.lower() for word in _WORDS.findall(name.replace("_", " "))]
    return [word for word in found if word not in _DULL and len(word) > 2]


def _name_groups(graph: _Graph, clusters: Iterable[set[str]], module: str) -> list[Group]:
    groups: list[Group] = []
    taken = {module}
    for cluster in clusters:
        names = sorted(cluster, key=lambda n: graph.home[n])
        counted = Counter(word for name in names for word in set(words_of(name)))
        common = [(word, count) for word, count in counted.most_common(3) if count >= max(2, len(names) // 4)]
        word = common[0][0] if common else max(names, key=lambda n: graph.size[n]).strip("_").lower()
        plural = word if word.endswith("s") else word + "s"
        name = plural if common else word
        name = f"{module}_{name}" if "." not in module else name
        while name in taken:
            name += "_more"
        taken.add(name)
        groups.append(Group(name, names, sum(graph.size[n] for n in names), _reasons(graph, cluster, common)))
    return groups


def _reasons(graph: _Graph, cluster: set[str], common: list[tuple[str, int]]) -> list[str]:
    found = []
    inside = sum(count for u in cluster for n, count in graph.uses[u].items() if n in cluster)
    outward = sum(count for u in cluster for n, count in graph.uses[u].items() if n not in cluster)
    inward = sum(count for u, used in graph.uses.items() if u not in cluster for n, count in used.items() if n in cluster)
    found.append(f"use each other {inside} times; use the rest {outward} times, and are used by it {inward} times")
    if common:
        found.append(", ".join(f"{count} names say “{word}”" for word, count in common[:2]))
    shared = sorted(graph.rebound & cluster)
    if shared:
        found.append(f"share {', '.join(shared)}, which they change")
    bases = sorted({n for u in cluster for n in graph.uses[u] if n in cluster and (u, n) in graph.hard})
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
