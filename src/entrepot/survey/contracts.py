"""Contracts on imports, as import-linter has them.

layers, forbidden and independence hold for chains: an indirect import breaks them too
(`allow_indirect_imports` for forbidden). Imports under TYPE_CHECKING do not count when
`exclude_type_checking_imports` says so, for all or for one contract; arrows to parents count only
if `count_parents` is set. `ignore_imports` takes single arrows out: `a.b -> c.d`, `*` for one
part of a name, `**` for any number. A module that a contract names and that is not there is an error,
for a contract with a misspelt name would be kept for ever; only where a part of a project is read, a contract
on the rest of it cannot be judged.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from entrepot.program.conditions import TYPING, WHENS
from entrepot.program.graph import find_cycles
from entrepot.program.model import Program
from entrepot.survey.contract_files import Contract, ContractError, get_list, is_true

# What a contract of each kind must say: without it nothing could ever break it.
_NEEDED = {
    "layers": ("layers",),
    "forbidden": ("source_modules", "forbidden_modules"),
    "independence": ("modules",),
    "protected": ("protected_modules",),
}
# How deep acyclic_siblings looks if it does not say.
_DEPTH = 10


class NotReadError(ContractError):
    """A contract on a module of the project that is not of the part that was read. Field: `module`."""

    module: str


@dataclass(frozen=True)
class Broken:
    """A forbidden chain: the names from importer to imported, the line of each step, and the contract."""

    contract: str
    chain: tuple[str, ...]
    lines: tuple[int, ...]
    reason: str


class ContractChecker:
    """Checks contracts against one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = program.names

    def check(self, contract: Contract) -> list[Broken]:
        """Return what breaks a contract.

        Raises:
            NotReadError: it is about more of the project than was read.
            ContractError: its kind is not known, it lacks something, or names a module that is not there.
        """
        options = contract.options
        for needed in _NEEDED.get(contract.kind, ()):
            if not get_list(options.get(needed)):
                raise self._refuse(contract, f"a contract of type {contract.kind} needs {needed}")
        whens = set(WHENS)
        if is_true(options.get("exclude_type_checking_imports", False)):
            whens.discard(TYPING)
        graph = self._make_graph(whens, options)
        match contract.kind:
            case "layers":
                return list(self._check_layers(contract, graph, whens))
            case "forbidden":
                return list(self._check_forbidden(contract, graph, whens))
            case "independence":
                modules = self._expand(get_list(options.get("modules")))
                self._require(contract, modules)
                pairs = [(a, b) for a in modules for b in modules if a != b]
                return list(self._find_chains(contract, graph, pairs, whens, "must not know of each other"))
            case "protected":
                return list(self._check_protected(contract, graph, whens))
            case "acyclic_siblings" | "acyclic":
                return list(self._check_acyclic(contract, graph, whens))
        known = "layers, forbidden, independence, protected, acyclic_siblings"
        raise self._refuse(contract, f"there is no type {contract.kind!r}; known are {known}")

    def _make_graph(self, whens: set[str], options: dict[str, Any]) -> list[set[int]]:
        parents = is_true(options.get("count_parents", False))
        graph = [set(targets) for targets in self.program.get_graph(whens, with_ancestors=parents)]
        for line in get_list(options.get("ignore_imports")):
            left, arrow, right = line.partition("->")
            if not arrow:
                continue
            importers, targets = _compile(left.strip()), _compile(right.strip())
            for number, name in enumerate(self.names):
                if importers.fullmatch(name):
                    graph[number] = {t for t in graph[number] if not targets.fullmatch(self.names[t])}
        return graph

    def _expand(self, patterns: Iterable[str], *, must_exist: bool = False) -> list[str]:
        """Return the modules that patterns stand for. must_exist: raise ContractError where one stands for none."""
        found: list[str] = []
        for pattern in patterns:
            if "*" in pattern:
                match = _compile(pattern)
                several = [name for name in self.names if match.fullmatch(name)]
            else:
                several = [pattern] if not must_exist or pattern in self.program.raw.ids else []
            if must_exist and not several:
                raise ContractError(
                    path=self.program.folder, reason=f"a contract names {pattern}, which does not exist"
                )
            found += several
        return list(dict.fromkeys(found))

    def _refuse(self, contract: Contract, reason: str) -> ContractError:
        place = contract.path or self.program.folder
        return ContractError(path=place, reason=f"contract {contract.name!r}: {reason}")

    def _is_elsewhere(self, contract: Contract, name: str) -> bool:
        """Say whether a module that was not read is one of the project that the contract stands in."""
        project = os.path.dirname(contract.path)
        is_whole = self.program.entry is None and os.path.realpath(project) == os.path.realpath(
            self.program.folder
        )
        if not contract.path or is_whole:
            return False
        parts = name.split(".")
        return any(
            os.path.isdir(path) or os.path.isfile(f"{path}.py")
            for path in (os.path.join(project, *above, *parts) for above in ((), ("src",)))
        )

    def _require(self, contract: Contract, names: Iterable[str]) -> None:
        """Raise ContractError for a name that is no module."""
        for name in names:
            if name not in self.program.raw.ids:
                error = self._refuse(contract, f"{name} does not exist")
                if self._is_elsewhere(contract, name):
                    raise NotReadError(path=error.path, reason=error.reason, module=name)
                raise error

    def _members(self, name: str, *, as_package: bool = True) -> set[int]:
        """Return the numbers of a module and, as a package, of what is in it."""
        ids = self.program.raw.ids
        found = {ids[name]} if name in ids else set()
        if as_package:
            # Names are sorted; "/" follows "." there.
            found.update(range(bisect_left(self.names, name + "."), bisect_left(self.names, name + "/")))
        return found

    def _find_chains(
        self,
        contract: Contract,
        graph: list[set[int]],
        pairs: Iterable[tuple[str, str]],
        whens: set[str],
        reason: str,
        *,
        is_direct: bool = False,
        avoid: Iterable[str] = (),
        as_packages: bool = True,
    ) -> Iterator[Broken]:
        """Give a shortest chain for each pair of packages (importer, imported) that has one."""
        avoided = {number for name in avoid for number in self._members(name)}
        for importer, imported in pairs:
            starts = self._members(importer, as_package=as_packages)
            ends = self._members(imported, as_package=as_packages)
            if starts & ends:
                continue
            chain = self._search(graph, starts, ends, is_direct, avoided - starts - ends)
            if chain:
                yield self._describe(contract, chain, whens, f"{importer} and {imported} {reason}")

    def _search(
        self, graph: list[set[int]], starts: set[int], ends: set[int], is_direct: bool, avoided: set[int]
    ) -> list[int]:
        before: dict[int, int] = dict.fromkeys(starts, -1)
        layer = sorted(starts)
        while layer:
            following = []
            for node in layer:
                for target in sorted(graph[node]):
                    if target in ends:
                        chain = [target]
                        while node >= 0:
                            chain.append(node)
                            node = before[node]
                        return chain[::-1]
                    if target not in before and target not in avoided:
                        before[target] = node
                        following.append(target)
            if is_direct:
                return []
            layer = following
        return []

    def _describe(self, contract: Contract, chain: list[int], whens: set[str], reason: str) -> Broken:
        names = tuple(self.names[number] for number in chain)
        lines = []
        for importer, imported in pairwise(names):
            arrows = self.program.get_arrows(importer, imported, whens)
            lines.append(arrows[0].line if arrows else 1)
        return Broken(contract.name, names, tuple(lines), reason)

    def _check_layers(self, contract: Contract, graph: list[set[int]], whens: set[str]) -> Iterator[Broken]:
        options = contract.options
        lines = get_list(options.get("layers"))
        rows, optional = self._parse_layers(contract, lines)
        containers = self._expand(get_list(options.get("containers"))) or [""]
        for container in containers:
            layers = []
            for row, is_independent in rows:
                names = [f"{container}.{name}" if container else name for name in row]
                self._require(
                    contract, [name for name in names if name.removeprefix(f"{container}.") not in optional]
                )
                layers.append(([name for name in names if self._members(name)], is_independent))
            everything = [name for names, _ in layers for name in names]
            for index, (lower, is_independent) in enumerate(layers):
                higher = [name for names, _ in layers[:index] for name in names]
                for name in lower:
                    for above in higher:
                        # Through a third layer the chain is that layer's fault; do not tell it twice.
                        others = [one for one in everything if one not in (name, above)]
                        yield from self._find_chains(
                            contract,
                            graph,
                            [(name, above)],
                            whens,
                            f"(layer {name} is below {above})",
                            avoid=others,
                        )
                    if is_independent:
                        pairs = [(name, other) for other in lower if other != name]
                        yield from self._find_chains(contract, graph, pairs, whens, "are independent layers")
            if is_true(options.get("exhaustive", False)) and container:
                ignored = set(get_list(options.get("exhaustive_ignores")))
                listed = {name.removeprefix(container + ".") for row, _ in rows for name in row}
                for name in self.names:
                    leaf = name.removeprefix(container + ".")
                    if name.startswith(container + ".") and "." not in leaf and leaf not in listed | ignored:
                        yield Broken(contract.name, (name,), (), f"{name} has no place among the layers")

    def _parse_layers(
        self, contract: Contract, lines: list[str]
    ) -> tuple[list[tuple[list[str], bool]], set[str]]:
        """Read the layers, each with whether it is independent, and which names are optional.

        `a`, `(a)` optional, `a | b` independent of each other, `a : b` not.
        """
        rows = []
        optional = set()
        seen: set[str] = set()
        for line in lines:
            if "|" in line and ":" in line:
                raise self._refuse(contract, f"a layer is independent (|) or not (:): {line}")
            names = []
            for part in re.split(r"[|:]", line):
                name = part.strip()
                if name.startswith("(") and name.endswith(")"):
                    name = name[1:-1].strip()
                    optional.add(name)
                if name in seen:
                    raise self._refuse(contract, f"{name} stands in the layers twice")
                seen.add(name)
                names.append(name)
            rows.append((names, ":" not in line))
        if is_true(contract.options.get("exhaustive", False)) and not contract.options.get("containers"):
            raise self._refuse(contract, "exhaustive needs containers")
        return rows, optional

    def _check_forbidden(
        self, contract: Contract, graph: list[set[int]], whens: set[str]
    ) -> Iterator[Broken]:
        options = contract.options
        sources = self._expand(get_list(options.get("source_modules")))
        forbidden = self._expand(get_list(options.get("forbidden_modules")))
        inside = [name for name in forbidden if name.partition(".")[0] in self.program.raw.ids]
        self._require(contract, [*sources, *inside])
        pairs = [(source, name) for source in sources for name in inside]
        is_direct = is_true(options.get("allow_indirect_imports", False))
        yield from self._find_chains(
            contract,
            graph,
            pairs,
            whens,
            "must not meet",
            is_direct=is_direct,
            as_packages=is_true(options.get("as_packages", True)),
        )
        outside = {name for name in forbidden if name not in inside}
        if outside:
            yield from self._check_outside(contract, graph, sources, outside, whens, is_direct)

    def _check_outside(
        self,
        contract: Contract,
        graph: list[set[int]],
        sources: list[str],
        outside: set[str],
        whens: set[str],
        is_direct: bool,
    ) -> Iterator[Broken]:
        """Modules that are not the program's: who imports them, and who reaches those."""
        importers: dict[str, dict[int, int]] = {}
        for number, name in enumerate(self.names):
            for row in self.program.resolve_module(name):
                if row.kind == "outside" and row.when in whens:
                    for wanted in outside:
                        if row.module == wanted or row.module.startswith(wanted + "."):
                            importers.setdefault(wanted, {}).setdefault(number, row.line)
        for wanted, places in importers.items():
            for source in sources:
                members = self._members(source)
                direct = sorted(members & places.keys())
                chain = [direct[0]] if direct else []
                if not chain and not is_direct:
                    chain = self._search(graph, members, set(places), False, set())
                if chain:
                    broken = self._describe(contract, chain, whens, f"{source} and {wanted} must not meet")
                    lines = (*broken.lines, places[chain[-1]])
                    yield Broken(contract.name, (*broken.chain, wanted), lines, broken.reason)

    def _check_protected(
        self, contract: Contract, graph: list[set[int]], whens: set[str]
    ) -> Iterator[Broken]:
        options = contract.options
        as_packages = is_true(options.get("as_packages", True))
        protected = self._expand(get_list(options.get("protected_modules")))
        may: set[int] = set()
        for name in self._expand(get_list(options.get("allowed_importers"))):
            may |= self._members(name, as_package=as_packages)
        for name in protected:
            # What is protected together may import each other only inside of one package.
            inside = self._members(name, as_package=as_packages)
            for number, targets in enumerate(graph):
                if number not in may and number not in inside:
                    for target in sorted(targets & inside):
                        yield self._describe(
                            contract, [number, target], whens, f"{self.names[target]} is protected"
                        )

    def _check_acyclic(self, contract: Contract, graph: list[set[int]], whens: set[str]) -> Iterator[Broken]:
        """The children of each ancestor, and of what is below it to a depth, import each other in no circle."""
        options = contract.options
        depth = int(options.get("depth", _DEPTH))
        patterns = get_list(options.get("ancestors")), get_list(options.get("skip_descendants"))
        if both := set(patterns[0]).intersection(patterns[1]):
            raise self._refuse(contract, f"{min(both)} is an ancestor and skipped as well")
        ancestors = self._expand(patterns[0], must_exist=True) or [""]
        skipped = set(self._expand(patterns[1], must_exist=True))
        layer = list(ancestors)
        seen: set[str] = set()
        for _ in range(depth + 1):
            following = []
            for parent in layer:
                if parent in seen:
                    continue
                seen.add(parent)
                children = self._list_children(parent)
                yield from self._find_child_cycles(contract, graph, whens, children)
                following += [child for child in children if child not in skipped]
            layer = following

    def _list_children(self, parent: str) -> list[str]:
        prefix = parent + "." if parent else ""
        tops = {name[len(prefix) :].partition(".")[0] for name in self.names if name.startswith(prefix)}
        return [prefix + top for top in sorted(tops)]

    def _find_child_cycles(
        self, contract: Contract, graph: list[set[int]], whens: set[str], children: list[str]
    ) -> Iterator[Broken]:
        """Give, for each circle of children, the first arrow between two neighbours in it."""
        owner = {number: index for index, child in enumerate(children) for number in self._members(child)}
        arrows: list[dict[int, tuple[int, int]]] = [{} for _ in children]
        for number, index in sorted(owner.items()):
            for target in sorted(graph[number]):
                other = owner.get(target, index)
                if other != index:
                    arrows[index].setdefault(other, (number, target))
        for circle in find_cycles([sorted(targets) for targets in arrows]):
            first = circle[0]
            other = min(target for target in arrows[first] if target in circle)
            names = ", ".join(children[index] for index in circle)
            yield self._describe(
                contract, list(arrows[first][other]), whens, f"{names} import each other in a circle"
            )


def _compile(pattern: str) -> re.Pattern[str]:
    parts = [
        re.escape(part) if part not in ("*", "**") else {"*": r"[^.]+", "**": r".+"}[part]
        for part in pattern.split(".")
    ]
    return re.compile(r"\.".join(parts))
