"""Public interfaces, as tach has them: what a package offers to modules outside of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from entrepot.program.model import Program
from entrepot.survey.contract_files import Interface


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
