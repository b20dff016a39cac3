"""`[tool.entrepot]` in pyproject.toml, checked before it is used: what is there, of which kind, and where.

A misspelt option that is passed over in silence is an option that does nothing. So every table and key is
known here, and what is not is said with its line and the nearest name that is.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from typing import Any

from entrepot.errors import ProgramError

STRINGS = "a list of strings"
STRING = "a string"
BOOLEAN = "true or false"
TABLES = "a list of tables"

# Table -> its keys -> what each holds. Tables of contracts may have more: import-linter's options for their type.
TABLE: dict[str, dict[str, str]] = {
    "": {
        "check": "a table",
        "contracts": TABLES,
        "root_package": STRING,
        "root_packages": STRINGS,
        "include_external_packages": BOOLEAN,
        "exclude_type_checking_imports": BOOLEAN,
    },
    "check": {
        "select": STRINGS,
        "ignore": STRINGS,
        "exclude": STRINGS,
        "baseline": STRING,
        "suppress": TABLES,
    },
    "check.suppress": {"path": STRING, "codes": STRINGS, "reason": STRING},
}
NEEDED = {"check.suppress": ("path", "codes", "reason")}


class SettingsError(ProgramError):
    """Settings that cannot be used. Fields: `path`, `line` (0: unknown), `reason`, `way_out` (or "")."""

    path: str
    line: int
    reason: str
    way_out: str
    exit_status = 2

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.reason}" + (f"\n  {self.way_out}" if self.way_out else "")


def read_settings(folder: str) -> dict[str, Any]:
    """Return the table `[tool.entrepot]` of a folder's pyproject.toml; empty where there is none.

    Raises:
        SettingsError: it cannot be read, or something in it is not as it must be.
    """
    path = os.path.join(folder, "pyproject.toml")
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
        tool = tomllib.loads(text).get("tool", {})
    except (OSError, ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        raise SettingsError(
            path=path, line=int(line[1]) if line else 0, reason=str(error), way_out=""
        ) from error
    settings = tool.get("entrepot", {}) if isinstance(tool, dict) else {}
    if not isinstance(settings, dict):
        raise SettingsError(path=path, line=0, reason="tool.entrepot must be a table", way_out="")
    _check_table(settings, "", path, text)
    return settings


def _check_table(table: dict[str, Any], name: str, path: str, text: str, number: int = 0) -> None:
    """Check the keys of one table, and the tables in it. `number`: which one of a list of tables."""
    known = TABLE[name]

    def refuse(key: str, reason: str, way_out: str = "") -> SettingsError:
        line = _find_line(text, name, key, number)
        return SettingsError(path=path, line=line, reason=reason, way_out=way_out)

    for key, value in table.items():
        full = ".".join(filter(None, ("tool.entrepot", name, key)))
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            way_out = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise refuse(key, f"{full}: no such setting", way_out)
        if not is_kind(value, known[key]):
            raise refuse(key, f"{full} must be {known[key]}, not {value!r}")
        child = f"{name}.{key}" if name else key
        if child in TABLE:
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                _check_table(item, child, path, text, index)
    for key in NEEDED.get(name, ()):
        if not table.get(key):
            raise refuse("", f"each tool.entrepot.{name} needs {', '.join(NEEDED[name])}: {key} is missing")


def is_kind(value: object, kind: str) -> bool:
    """Whether a value is of a kind that `TABLE` names."""
    if kind == STRINGS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind == TABLES:
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return isinstance(value, {STRING: str, BOOLEAN: bool}.get(kind, dict))


def _find_line(text: str, table: str, key: str, number: int) -> int:
    """Return the line of a key, or of its table's header; 0 where the file is written in another manner."""
    full = ".".join(filter(None, ("tool.entrepot", table)))
    header = re.compile(rf"^\s*\[\[?\s*{re.escape(full)}\s*\]\]?\s*(#.*)?$")
    child = re.compile(rf"^\s*\[\[?\s*{re.escape(full)}\.{re.escape(key)}\b") if key else None
    assignment = re.compile(rf"""^\s*["']?{re.escape(key)}["']?\s*[=.]""") if key else None
    inside, seen, found = False, -1, 0
    for line, content in enumerate(text.splitlines(), 1):
        if header.match(content):
            seen += 1
            inside = seen == number
            if inside:
                found = line
        elif content.lstrip().startswith("["):
            inside = False
            if child is not None and child.match(content):
                return line
        elif inside and assignment is not None and assignment.match(content):
            return line
    return found
