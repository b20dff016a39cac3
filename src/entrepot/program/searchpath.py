"""The search path that a program would have, worked out without running it.

    the program's own folders   where its script lies, or the roots of its tree (`src` layout,
                                `[tool.setuptools] package-dir` or `packages.find` in pyproject.toml)
    the standard library        of its interpreter
    site-packages               of its virtual environment, with the folders that `.pth` files add
                                and the mappings of editable installs

The interpreter is the one asked for, else that of a virtual environment in the project's folder
or above it (`.venv`, `venv`), else the active one (`VIRTUAL_ENV`), else the one that runs us.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import site
import sys
import sysconfig
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from entrepot.errors import ProgramError


class SearchPath(NamedTuple):
    """own, stdlib and site are folders or zip files, in the order searched.

    mappings: top-level name -> path, from editable installs. version: (major, minor).
    """

    own: tuple[str, ...]
    stdlib: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    mappings: Mapping[str, str] = MappingProxyType({})
    version: tuple[int, int] = sys.version_info[:2]

    @property
    def entries(self) -> tuple[str, ...]:
        """All entries, in the order in which Python would search them."""
        return (*self.own, *self.stdlib, *self.site)


class NoEnvironmentError(ProgramError):
    """What was named is no interpreter and no virtual environment. Field: `path`."""

    path: str

    def __str__(self) -> str:
        return (
            f"{self.path}: no interpreter, and no virtual environment\n"
            "  give the path of a python, or of the folder that has pyvenv.cfg"
        )


def find_search_path(own: list[str], project: str, python: str | None = None) -> SearchPath:
    """Work out the search path for a program with these own folders.

    python: an interpreter or a virtual environment's folder; None finds it (see above).
    Raises NoEnvironmentError where it is neither.
    """
    extra = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    environment = _find_environment(project, python)
    if environment is None:
        stdlib = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
        stdlib.append(os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload"))
        sites = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        if site.ENABLE_USER_SITE:
            sites.insert(0, site.getusersitepackages())
        version = sys.version_info[:2]
    else:
        base, sites, version = environment
        stdlib = [base, os.path.join(base, "lib-dynload")]
    folders, mappings = _follow_pth([path for path in dict.fromkeys(sites) if os.path.isdir(path)])
    return SearchPath(
        tuple(dict.fromkeys([*own, *extra])),
        tuple(path for path in dict.fromkeys(stdlib) if os.path.isdir(path)),
        tuple(folder for folder in dict.fromkeys(folders) if folder not in own),
        mappings,
        version,
    )


def _find_environment(project: str, python: str | None) -> tuple[str, list[str], tuple[int, int]] | None:
    """Return (standard library, site folders, version) of another interpreter; None for our own."""
    if python is not None:
        return _read_given(python)
    here = os.path.abspath(project)
    while True:
        for name in (".venv", "venv"):
            found = os.path.join(here, name)
            if os.path.isfile(os.path.join(found, "pyvenv.cfg")):
                return _read_prefix(found)
        above = os.path.dirname(here)
        if above == here or os.path.exists(os.path.join(here, ".git")):
            break
        here = above
    active = os.environ.get("VIRTUAL_ENV")
    return _read_prefix(active) if active and os.path.isdir(active) else None


def _read_given(python: str) -> tuple[str, list[str], tuple[int, int]] | None:
    path = python if os.sep in python else shutil.which(python) or python
    if os.path.isdir(python):
        prefixes = [python]
    else:
        # The path as given first: that of a virtual environment is a link to the interpreter it was made from.
        files = [os.path.abspath(path), os.path.realpath(path)] if os.path.isfile(path) else []
        prefixes = [os.path.dirname(os.path.dirname(file)) for file in files]
    found = next((found for prefix in prefixes if (found := _read_prefix(prefix))), None)
    if found is None and (os.path.isdir(python) or not os.access(path, os.X_OK)):
        raise NoEnvironmentError(path=python)
    # None for a program that starts an interpreter which lies elsewhere, such as a shim of pyenv.
    return found


def _read_prefix(prefix: str) -> tuple[str, list[str], tuple[int, int]] | None:
    """Read a prefix: a virtual environment, or an installation of Python."""
    base = prefix
    config = os.path.join(prefix, "pyvenv.cfg")
    is_shared = False
    if os.path.isfile(config):
        with open(config, encoding="utf-8", errors="replace") as file:
            pairs = [line.split("=", 1) for line in file if "=" in line]
        lines = {key.strip().lower(): value.strip() for key, value in pairs}
        base = os.path.dirname(lines.get("home", os.path.join(prefix, "bin")))
        is_shared = lines.get("include-system-site-packages", "").lower() == "true"
    found = _find_lib(prefix) or _find_lib(base)
    if found is None:
        return None
    version = found[1]
    sites = [os.path.join(found[0], "site-packages")]
    base_lib = _find_lib(base, version) or found
    if is_shared:
        sites.append(os.path.join(base_lib[0], "site-packages"))
    return base_lib[0], sites, version


def _find_lib(prefix: str, version: tuple[int, int] | None = None) -> tuple[str, tuple[int, int]] | None:
    try:
        names = sorted(os.listdir(os.path.join(prefix, "lib")), reverse=True)
    except OSError:
        return None
    for name in names:
        match = re.fullmatch(r"python(\d+)\.(\d+)", name)
        if match and version in (None, (int(match[1]), int(match[2]))):
            return os.path.join(prefix, "lib", name), (int(match[1]), int(match[2]))
    return None


def _follow_pth(sites: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the site folders with those that their `.pth` files add, and editable mappings."""
    folders: list[str] = []
    mappings: dict[str, str] = {}
    for folder in sites:
        folders.append(folder)
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".pth") and name[0] != ".")
        except OSError:
            continue
        for name in names:
            try:
                with open(os.path.join(folder, name), encoding="utf-8-sig", errors="replace") as file:
                    lines = file.read().splitlines()
            except OSError:
                continue
            for line in lines:
                line = line.strip()
                if line.startswith(("import ", "import\t")):
                    for finder in re.findall(r"\b(__editable___\w+_finder)\b", line):
                        mappings.update(_read_mapping(os.path.join(folder, finder + ".py")))
                elif line and not line.startswith("#"):
                    path = os.path.normpath(os.path.join(folder, line))
                    if os.path.exists(path):
                        folders.append(path)
    return folders, mappings


def _read_mapping(path: str) -> dict[str, str]:
    """Read the table of an editable install made by setuptools."""
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
            value = getattr(node, "value", None)
            try:
                table = ast.literal_eval(value) if value is not None else {}
            except (ValueError, TypeError):
                return {}
            if not isinstance(table, dict):
                return {}
            return {str(name): str(place) for name, place in table.items()}
    return {}


def find_roots(folder: str) -> list[str]:
    """Return the folders of a tree from which its modules are imported, the innermost first."""
    folder = os.path.abspath(folder)
    roots = []
    for name in (*_find_declared(folder), "src"):
        path = os.path.normpath(os.path.join(folder, name))
        if path != folder and os.path.isdir(path) and not os.path.exists(os.path.join(path, "__init__.py")):
            roots.append(path)
    # Inside a package, the root is above its outermost `__init__.py`.
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder = os.path.dirname(folder)
    return list(dict.fromkeys([*roots, folder]))


def _find_declared(folder: str) -> list[str]:
    """Return the source folders that a pyproject.toml names for setuptools, hatch or poetry."""
    path = os.path.join(folder, "pyproject.toml")
    if not os.path.isfile(path):
        return []
    import tomllib  # slow to load

    try:
        with open(path, "rb") as file:
            tools = tomllib.load(file).get("tool", {})
        setuptools = tools.get("setuptools", {})
        packages = setuptools.get("packages", {})
        names = list(packages.get("find", {}).get("where", [])) if isinstance(packages, dict) else []
        names += [place for name, place in setuptools.get("package-dir", {}).items() if name == ""]
        names += [
            os.path.dirname(path)
            for path in tools.get("hatch", {})
            .get("build", {})
            .get("targets", {})
            .get("wheel", {})
            .get("packages", [])
        ]
        names += [
            package["from"] for package in tools.get("poetry", {}).get("packages", []) if "from" in package
        ]
    except (OSError, ValueError, AttributeError, TypeError):
        return []
    return [name for name in names if isinstance(name, str) and name]
