"""Read contracts and interfaces as they stand in a project's files.

From `.importlinter`, the `[importlinter]` sections of setup.cfg, `[tool.importlinter]` of pyproject.toml;
from tach.toml (`[[modules]]` with depends_on, `[[interfaces]]`) and `[tool.entrepot.contracts]`, written
like import-linter's. What a contract means is in `contracts`.
"""

from __future__ import annotations

import configparser
import os
import tomllib
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ProgramError
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


def get_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip() and line.strip()[0] not in "#;"]
    return [str(item) for item in value or []]


def is_true(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on")
