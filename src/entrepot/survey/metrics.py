"""Numbers for each package: how large, how many depend on it, on how many it depends.

modules        in the package, subpackages included
importers      modules outside of it that import one inside (afferent coupling)
imported       modules outside of it that one inside imports (efferent coupling)
instability    imported / (importers + imported): 0 everybody leans on it, 1 it leans on others
in_cycles      modules of it that are in an import cycle (at import time)
"""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.program.conditions import AT_IMPORT, AT_RUN
from entrepot.program.graph import find_cycles
from entrepot.program.model import Program


@dataclass(frozen=True)
class PackageMetrics:
    """One row; see the page's list."""

    package: str
    modules: int
    importers: int
    imported: int
    instability: float
    in_cycles: int


def measure_packages(program: Program) -> list[PackageMetrics]:
    """Return the numbers of every package (and of each module at the top), by name."""
    graph = program.get_graph(AT_RUN)
    cyclic = {number for cycle in find_cycles(program.get_graph(AT_IMPORT)) for number in cycle}
    members: dict[str, set[int]] = {}
    for number, name in enumerate(program.names):
        parts = name.split(".")
        for end in range(1, len(parts) + (program.raw.is_package(name) or len(parts) == 1)):
            members.setdefault(".".join(parts[:end]), set()).add(number)
    importers: dict[str, set[int]] = {name: set() for name in members}
    imported: dict[str, set[int]] = {name: set() for name in members}
    homes: list[list[str]] = [[] for _ in program.names]
    for package, numbers in members.items():
        for number in numbers:
            homes[number].append(package)
    for number, targets in enumerate(graph):
        for target in targets:
            for package in homes[target]:
                if number not in members[package]:
                    importers[package].add(number)
            for package in homes[number]:
                if target not in members[package]:
                    imported[package].add(target)
    rows = []
    for package in sorted(members):
        into, out = len(importers[package]), len(imported[package])
        instability = round(out / (into + out), 3) if into + out else 0.0
        rows.append(
            PackageMetrics(
                package, len(members[package]), into, out, instability, len(cyclic & members[package])
            )
        )
    return rows
