"""Read contracts as they stand in a project's files.

From `.importlinter`, the `[importlinter]` sections of setup.cfg, `[tool.importlinter]` of pyproject.toml and
`[tool.entrepot.contracts]`, written like import-linter's (what they mean is in `contracts`); from tach.toml
and `[tool.tach]` (see `tach`).
"""

from __future__ import annotations

import configparser
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ProgramError
from entrepot.survey.settings import STRINGS, is_kind, read_settings
from entrepot.survey.tach import Tach, parse_tach


class ContractError(ProgramError):
    """A contract that cannot be understood. Fields: `path`, `reason`."""

    exit_status = 2  # as for the other settings
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


# Options that are lists, of whatever kind of contract.
_LISTS = {
    *("layers", "containers", "exhaustive_ignores", "modules", "source_modules", "forbidden_modules", "ignore_imports"),
    *("protected_modules", "allowed_importers", "ancestors", "skip_descendants"),
}  # fmt: skip


@dataclass
class Contract:
    """A rule. kind: "layers", "forbidden", "independence", "acyclic_siblings" or "protected".

    options: as written. path: the file that it stands in.
    """

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    path: str = ""


def read_contracts(folder: str) -> list[Contract]:
    """Read all contracts of import-linter's kind that stand in a folder. Raises ContractError."""
    contracts: list[Contract] = []
    for name in (".importlinter", "setup.cfg"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            contracts += _read_ini(path)
    path = os.path.join(folder, "pyproject.toml")
    if os.path.isfile(path):
        for section in (_load_tool(path, "importlinter") or {}, read_settings(folder)):
            if not isinstance(section, dict) or not isinstance(section.get("contracts", []), list):
                raise ContractError(
                    path=path, reason="tool.importlinter must be a table, its contracts a list"
                )
            common = {key: value for key, value in section.items() if key not in ("contracts", "check")}
            for item in section.get("contracts", []):
                if not isinstance(item, dict) or not isinstance(item.get("type"), str):
                    raise ContractError(path=path, reason="a contract needs a type")
                contract = Contract(
                    str(item.get("name", item["type"])), item["type"], {**common, **item}, path
                )
                _check_lists(contract)
                contracts.append(contract)
    return contracts


def _check_lists(contract: Contract) -> None:
    """Raise ContractError where a list is something else."""
    for option in _LISTS & contract.options.keys():
        value = contract.options[option]
        if not is_kind(value, STRINGS) and not isinstance(value, str):
            reason = f"contract {contract.name!r}: {option} must be a list of texts, not {value!r}"
            raise ContractError(path=contract.path, reason=reason)


def read_tach(folder: str) -> Tach | None:
    """Return tach's configuration in a folder, or None. Raises ContractError."""
    path = os.path.join(folder, "tach.toml")
    data: Any = _load_toml(path) if os.path.isfile(path) else None
    if data is None:
        path = os.path.join(folder, "pyproject.toml")
        data = _load_tool(path, "tach") if os.path.isfile(path) else None
    if data is None:
        return None
    try:
        return parse_tach(path, data)
    except (KeyError, TypeError, AttributeError, re.error) as error:
        raise ContractError(path=path, reason=f"not as tach has it: {error!r}") from error


def _load_tool(path: str, name: str) -> Any:
    """Return what stands under `tool.NAME` in a pyproject.toml, or None. Raises ContractError."""
    tool = _load_toml(path).get("tool", {})
    if not isinstance(tool, dict):
        raise ContractError(path=path, reason="tool must be a table")
    return tool.get(name)


def _load_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError(path=path, reason=str(error)) from error


def _read_ini(path: str) -> list[Contract]:
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        return list(_find_ini_contracts(parser, path))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ContractError(path=path, reason=str(error).splitlines()[0]) from error


def _find_ini_contracts(parser: configparser.ConfigParser, path: str) -> Iterator[Contract]:
    """Yield the contracts. Raises ContractError, and configparser.Error where a `%` in a value means nothing."""
    if not parser.has_section("importlinter"):
        return
    common = dict(parser["importlinter"])
    for section in parser.sections():
        if section.startswith("importlinter:contract:"):
            options: dict[str, Any] = {**common, **dict(parser[section])}
            if "type" not in options:
                raise ContractError(path=path, reason=f"[{section}] needs a type")
            name = options.get("name", section.rpartition(":")[2])
            yield Contract(name, options["type"], options, path)


def get_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip() and line.strip()[0] not in "#;"]
    return [str(item) for item in value or []]


def is_true(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes", "on")
