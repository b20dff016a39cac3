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
import json
import keyword
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from entrepot.errors import Refused
from entrepot.refactor.cross import decide
from entrepot.refactor.crossings import make_cut
from entrepot.refactor.cut import STAY
from entrepot.refactor.name_graph import NameGraph, words_of
from entrepot.refactor.project import Project
from entrepot.refactor.statements import list_statements
from entrepot.refactor.suggestion import Group, Suggestion

# What files are called that are run, not imported.
_SCRIPTS = frozenset(("main", "__main__", "app", "run", "cli", "script", "program", "game"))


def suggest_split(project: Project, path: str) -> Suggestion:
    """Return a proposal for one file; without groups where it is better left whole."""
    file = project.file(path)
    shown, module = project.show(path), project.name_of(path)
    is_script = os.path.basename(path).removesuffix(".py") in _SCRIPTS and not project.is_imported(module)
    graph = NameGraph(file, list_statements(file), is_script=is_script)
    clusters = graph.find_clusters()
    reason: str | None = None
    while clusters:
        groups = _name_groups(
            graph, clusters, module.rpartition(".")[2], _make_check(project, path, is_script)
        )
        try:
            cut = make_cut(project, path, {g.module: g.names for g in groups}, reexport=not is_script)
            decide(cut)
        except Refused as error:
            # What stands in the way names a place or a module; without it the rest may do.
            reason = str(error).partition("; nothing was changed")[0]
            clusters = graph.without(clusters, graph.find_blamed(clusters, error))
            continue
        counted = Counter((c.a, c.b) for c in cut.crossings)
        arrows = [(cut.label(a), cut.label(b), count) for (a, b), count in counted.most_common()]
        stays = [name for name in graph.names if cut.owner.get(name, STAY) == STAY]
        return Suggestion(shown, module, groups, stays, arrows, not is_script)
    return Suggestion(shown, module, [], graph.names, reason=reason)


def _make_check(project: Project, path: str, is_script: bool) -> Callable[[str], bool]:
    """Return what says whether a name without the file's own in front can be a module beside it: a script's parts."""
    folder = os.path.dirname(path)

    def is_free(name: str) -> bool:
        beside = os.path.join(folder, name)
        return is_script and not (
            name in sys.stdlib_module_names
            or keyword.iskeyword(name)
            or beside + ".py" in project
            or os.path.exists(beside)
            or project.find_module(name, path)
        )

    return is_free


def _name_groups(
    graph: NameGraph, clusters: Iterable[list[str]], module: str, is_free: Callable[[str], bool]
) -> list[Group]:
    groups: list[Group] = []
    taken = {module}
    for cluster in clusters:
        names = list(cluster)
        common = _find_common_words(graph, names)
        word = common[0][0] if common else max(names, key=lambda n: graph.size[n]).strip("_").lower()
        conditional = {n for s in graph.statements if isinstance(s.node, ast.If | ast.Try) for n in s.binds}
        if len(conditional & set(names)) * 2 > len(names):
            word, common = "compat", [("compat", 0)]  # what differs from one Python to another
        plural = word if word == "compat" or word.endswith("s") else _make_plural(word)
        name = plural if common else word
        if name in graph.home or name in taken or not is_free(name):
            name = f"{module}_{name}"
        while name in taken:
            name += "_more"
        taken.add(name)
        groups.append(
            Group(
                name, names, round(sum(graph.size[n] for n in names)), _reasons(graph, set(cluster), common)
            )
        )
    return groups


def _make_plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + "s"


def _find_common_words(graph: NameGraph, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the words that many names share and how many do; of equal ones first what has more lines."""
    sharing: dict[str, list[str]] = {}
    for name in names:
        for word in dict.fromkeys(words_of(name)):
            sharing.setdefault(word, []).append(name)
    order = sorted(
        sharing, key=lambda word: (-len(sharing[word]), -sum(graph.size[n] for n in sharing[word]), word)
    )
    enough = max(2, len(names) // 4)
    return [(word, len(sharing[word])) for word in order[:3] if len(sharing[word]) >= enough]


def _reasons(graph: NameGraph, cluster: set[str], common: list[tuple[str, int]]) -> list[str]:
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


def describe(suggestion: Suggestion) -> str:
    """Return a proposal as text for people, with the command that would do it."""
    if not suggestion.groups:
        whole = f"{suggestion.path} is best left whole: no group of names can be taken out of it"
        return whole if suggestion.reason is None else f"{whole}\n  {suggestion.reason}"
    lines: list[str] = []
    for group in suggestion.groups:
        lines.append(f"{group.module}  ({len(group.names)} names, {group.lines} lines)")
        lines += [f"    {reason}" for reason in group.reasons]
        lines.append(_wrap(group.names, "      "))
    lines.append(f"{suggestion.module} keeps  ({len(suggestion.stays)} names)")
    lines.append(_wrap(suggestion.stays, "      "))
    lines.append("arrows between the modules (importer, imported, references)")
    lines += [f"    {a} -> {b}  {count}" for a, b, count in suggestion.arrows]
    return "\n".join([*lines, "", suggestion.command()])


def as_json(suggestion: Suggestion) -> str:
    """Return a proposal for programs."""
    about = {
        "module": suggestion.module,
        "groups": [vars(group) for group in suggestion.groups],
        "stays": suggestion.stays,
        "arrows": suggestion.arrows,
        "command": suggestion.command() if suggestion.groups else None,
        "reason": suggestion.reason,
    }
    return json.dumps(about, indent=2)


def _wrap(names: Iterable[str], indent: str) -> str:
    return textwrap.fill(" ".join(names), 100, initial_indent=indent, subsequent_indent=indent)
