"""Contracts on imports, as import-linter has them, and public interfaces, as tach has them.

Read from `.importlinter`, the `[importlinter]` sections of setup.cfg, `[tool.importlinter]` of
pyproject.toml; and from tach.toml (`[[modules]]` with depends_on, `[[interfaces]]`) and
`[tool.entrepot.contracts]`, written like import-linter's.

layers, forbidden and independence hold for chains: an indirect import breaks them too
(`allow_indirect_imports` for forbidden). Imports under TYPE_CHECKING do not count when
`exclude_type_checking_imports` says so, for all or for one contract; arrows to parents count only
if `count_parents` is set. `ignore_imports` takes single arrows out: `a.b -> c.d`, `*` for one
part of a name, `**` for any number.
"""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from entrepot.errors import ProgramError
from entrepot.program.conditions import TYPING, WHENS
from entrepot.program.model import Program
from entrepot.survey.settings import read_settings


class ContractError(ProgramError):
    """A contract that cannot be understood. Fields: `path`, `reason`."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class Contract:
    """A rule. kind: "layers", "forbidden", "independence", "acyclic_siblings", "protected" or "modules".

    options: as written.
    """

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Interface:
    """Of the modules in `sources`, only members matching `expose` may be imported from outside."""

    sources: tuple[str, ...]
    expose: tuple[str, ...]


@dataclass(frozen=True)
class Broken:
    """A forbidden chain: the names from importer to imported, the line of each step, and the contract."""

    contract: str
    chain: tuple[str, ...]
    lines: tuple[int, ...]
    reason: str


def read_contracts(folder: str) -> tuple[list[Contract], list[Interface]]:
    """Read all contracts that stand in a folder. Raises ContractError."""
    contracts: list[Contract] = []
    interfaces: list[Interface] = []
    for name in (".importlinter", "setup.cfg"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            contracts += _read_ini(path)
    path = os.path.join(folder, "pyproject.toml")
    if os.path.isfile(path):
        tool = _load_toml(path).get("tool", {})
        for section in (tool.get("importlinter", {}), read_settings(folder)):
            common = {key: value for key, value in section.items() if key not in ("contracts", "check")}
            for item in section.get("contracts", []):
                if not isinstance(item, dict) or "type" not in item:
                    raise ContractError(path=path, reason="a contract needs a type")
                contracts.append(
                    Contract(str(item.get("name", item["type"])), item["type"], {**common, **item})
                )
    path = os.path.join(folder, "tach.toml")
    if os.path.isfile(path):
        data = _load_toml(path)
        for module in data.get("modules", []):
            sources = [module["path"]] if "path" in module else list(module.get("paths", []))
            if "depends_on" in module:
                allowed = [
                    part if isinstance(part, str) else part.get("path", "") for part in module["depends_on"]
                ]
                others = [m["path"] for m in data["modules"] if m.get("path") and m["path"] not in sources]
                options = {"sources": sources, "allowed": allowed, "others": others}
                contracts.append(Contract(f"dependencies of {', '.join(sources)}", "modules", options))
        interfaces += [
            Interface(tuple(item.get("from", [".*"])), tuple(item.get("expose", [])))
            for item in data.get("interfaces", [])
        ]
    return contracts, interfaces


def _load_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ContractError(path=path, reason=str(error)) from error


def _read_ini(path: str) -> list[Contract]:
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ContractError(path=path, reason=str(error).splitlines()[0]) from error
    if not parser.has_section("importlinter"):
        return []
    found = []
    common = dict(parser["importlinter"])
    for section in parser.sections():
        if section.startswith("importlinter:contract:"):
            options: dict[str, Any] = {**common, **dict(parser[section])}
            if "type" not in options:
                raise ContractError(path=path, reason=f"[{section}] needs a type")
            found.append(Contract(options.get("name", section.rpartition(":")[2]), options["type"], options))
    return found


def _get_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip() and line.strip()[0] not in "#;"]
    return [str(item) for item in value or []]


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on")


class ContractChecker:
    """Checks contracts against one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = program.names

    def check(self, contract: Contract) -> list[Broken]:
        """Return what breaks a contract. Raises ContractError for a kind that is not known."""
        options = contract.options
        whens = set(WHENS)
        if _is_true(options.get("exclude_type_checking_imports", False)):
            whens.discard(TYPING)
        graph = self._make_graph(whens, options)
        match contract.kind:
            case "layers":
                return list(self._check_layers(contract, graph, whens))
            case "forbidden":
                return list(self._check_forbidden(contract, graph, whens))
            case "independence":
                modules = self._expand(_get_list(options.get("modules")))
                pairs = [(a, b) for a in modules for b in modules if a != b]
                return list(self._find_chains(contract, graph, pairs, whens, "must not know of each other"))
            case "protected":
                return list(self._check_protected(contract, graph, whens))
            case "acyclic_siblings" | "acyclic":
                return list(self._check_acyclic(contract, graph, whens))
            case "modules":
                return list(self._check_modules(contract, graph, whens))
        raise ContractError(
            path=self.program.folder,
            reason=f"contract {contract.name!r} has type {contract.kind!r}; known are layers, forbidden, "
            "independence, protected, acyclic_siblings",
        )

    def _make_graph(self, whens: set[str], options: dict[str, Any]) -> list[set[int]]:
        parents = _is_true(options.get("count_parents", False))
        graph = [set(targets) for targets in self.program.get_graph(whens, with_ancestors=parents)]
        for line in _get_list(options.get("ignore_imports")):
            left, arrow, right = line.partition("->")
            if not arrow:
                continue
            importers, targets = _compile(left.strip()), _compile(right.strip())
            for number, name in enumerate(self.names):
                if importers.fullmatch(name):
                    graph[number] = {t for t in graph[number] if not targets.fullmatch(self.names[t])}
        return graph

    def _expand(self, patterns: Iterable[str]) -> list[str]:
        found: list[str] = []
        for pattern in patterns:
            if "*" in pattern:
                match = _compile(pattern)
                found += [name for name in self.names if match.fullmatch(name)]
            else:
                found.append(pattern)
        return list(dict.fromkeys(found))

    def _members(self, name: str) -> set[int]:
        return {n for n, one in enumerate(self.names) if one == name or one.startswith(name + ".")}

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
    ) -> Iterator[Broken]:
        """Give a shortest chain for each pair of packages (importer, imported) that has one."""
        avoided = {number for name in avoid for number in self._members(name)}
        for importer, imported in pairs:
            starts, ends = self._members(importer), self._members(imported)
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
        rows = [self._parse_layer(line) for line in _get_list(options.get("layers"))]
        containers = self._expand(_get_list(options.get("containers"))) or [""]
        for container in containers:
            layers = []
            for row, is_independent in rows:
                names = [f"{container}.{name}" if container else name for name in row]
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
            if _is_true(options.get("exhaustive", False)) and container:
                ignored = set(_get_list(options.get("exhaustive_ignores")))
                listed = {name.removeprefix(container + ".") for row, _ in rows for name in row}
                for name in self.names:
                    leaf = name.removeprefix(container + ".")
                    if name.startswith(container + ".") and "." not in leaf and leaf not in listed | ignored:
                        yield Broken(contract.name, (name,), (), f"{name} has no place among the layers")

    def _parse_layer(self, line: str) -> tuple[list[str], bool]:
        """Read one layer: `a`, `(a)` optional, `a | b` independent, `a : b` not."""
        is_independent = "|" in line
        names = [part.strip().strip("()").strip() for part in re.split(r"[|:]", line)]
        return [name for name in names if name], is_independent

    def _check_forbidden(
        self, contract: Contract, graph: list[set[int]], whens: set[str]
    ) -> Iterator[Broken]:
        options = contract.options
        sources = self._expand(_get_list(options.get("source_modules")))
        forbidden = self._expand(_get_list(options.get("forbidden_modules")))
        inside = [name for name in forbidden if self._members(name)]
        pairs = [(source, name) for source in sources for name in inside]
        is_direct = _is_true(options.get("allow_indirect_imports", False))
        yield from self._find_chains(contract, graph, pairs, whens, "must not meet", is_direct=is_direct)
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
        protected = self._expand(_get_list(contract.options.get("protected_modules")))
        allowed = self._expand(_get_list(contract.options.get("allowed_importers")))
        as_packages = contract.options.get("as_packages", True)
        inside = set()
        for name in protected:
            inside |= self._members(name) if _is_true(as_packages) else {self.program.raw.ids.get(name, -1)}
        may = {number for name in allowed for number in self._members(name)} | inside
        for number, targets in enumerate(graph):
            if number not in may:
                for target in sorted(targets & inside):
                    yield self._describe(
                        contract, [number, target], whens, f"{self.names[target]} is protected"
                    )

    def _check_acyclic(self, contract: Contract, graph: list[set[int]], whens: set[str]) -> Iterator[Broken]:
        for parent in self._expand(_get_list(contract.options.get("ancestors"))) or [""]:
            prefix = parent + "." if parent else ""
            tops = sorted({n[len(prefix) :].partition(".")[0] for n in self.names if n.startswith(prefix)})
            siblings = [prefix + top for top in tops]
            for index, first in enumerate(siblings):
                for second in siblings[index + 1 :]:
                    a, b = self._members(first), self._members(second)
                    there = self._search(graph, a, b, True, set())
                    back = self._search(graph, b, a, True, set())
                    if there and back:
                        yield self._describe(contract, back, whens, f"{first} and {second} import each other")

    def _check_modules(self, contract: Contract, graph: list[set[int]], whens: set[str]) -> Iterator[Broken]:
        options = contract.options
        for source in options["sources"]:
            for other in options["others"]:
                if (
                    other in options["allowed"]
                    or other.startswith(source + ".")
                    or source.startswith(other + ".")
                ):
                    continue
                reason = "(not among its depends_on)"
                yield from self._find_chains(
                    contract, graph, [(source, other)], whens, reason, is_direct=True
                )


def find_interface_breaks(
    program: Program, interfaces: list[Interface]
) -> Iterator[tuple[str, int, int, str]]:
    """Give (module, line, column, message) for each import past a public interface."""
    if not interfaces:
        return
    for name in program.names:
        for row in program.resolve_module(name):
            if row.kind != "own":
                continue
            for interface in interfaces:
                for pattern in interface.sources:
                    home = _find_home(pattern, row.module)
                    if home is None or name == home or name.startswith(home + "."):
                        continue
                    inner = row.module[len(home) :].lstrip(".")
                    members = [f"{inner}.{one}".strip(".") for one in row.names if one != "*"] or [inner]
                    for member in members:
                        if member and not any(re.fullmatch(expose, member) for expose in interface.expose):
                            yield name, row.line, row.column, f"{home} does not offer {member}"


def _find_home(pattern: str, module: str) -> str | None:
    """Return the outermost package on the way to a module that an interface speaks of."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        if re.fullmatch(pattern, name) or pattern == name:
            return name
    return None


def _compile(pattern: str) -> re.Pattern[str]:
    parts = [
        re.escape(part) if part not in ("*", "**") else {"*": r"[^.]+", "**": r".+"}[part]
        for part in pattern.split(".")
    ]
    return re.compile(r"\.".join(parts))
