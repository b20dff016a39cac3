"""Which files pytest would collect: by its settings, as far as text tells them.

The settings are looked for as pytest looks for them, from a folder upwards: `pytest.toml`, `pytest.ini`,
`pyproject.toml`, `tox.ini`, `setup.cfg`. Of what stands there `python_files`, `testpaths`, `norecursedirs` and, in
`addopts`, `--ignore` and `--ignore-glob` say which files are tests. Without settings pytest's own defaults hold.

Not read: what a `conftest.py` decides when it runs (`collect_ignore`, plugins). Settings that cannot be parsed
are those of nobody; pytest will say what is wrong with them.
"""

from __future__ import annotations

import configparser
import fnmatch
import glob
import os
import shlex
import tomllib
from dataclasses import dataclass
from typing import Any

PYTHON_FILES = ("test_*.py", "*_test.py")
LEFT_OUT_FOLDERS = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")
# File -> where in it pytest's settings stand; the first that has any counts, in each folder.
_PLACES: dict[str, tuple[str, ...]] = {
    "pytest.toml": ("pytest",),
    ".pytest.toml": ("pytest",),
    "pytest.ini": ("pytest",),
    ".pytest.ini": ("pytest",),
    "pyproject.toml": ("tool.pytest", "tool.pytest.ini_options"),
    "tox.ini": ("pytest",),
    "setup.cfg": ("tool:pytest",),
}


@dataclass(frozen=True)
class TestFiles:
    """What pytest collects. root: the folder of the settings. places: `testpaths`, absolute; none for everywhere."""

    __test__ = False  # for pytest, who takes it for a test by its name

    root: str
    patterns: tuple[str, ...] = PYTHON_FILES
    left_out_folders: tuple[str, ...] = LEFT_OUT_FOLDERS
    places: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Would pytest collect a file if nobody names any?"""
        return self.is_named_so(path) and self._is_looked_at(path)

    def is_named_so(self, path: str) -> bool:
        """Has a file the name of a test, wherever it lies?"""
        return any(_matches(pattern, path) for pattern in self.patterns)

    def _is_looked_at(self, path: str) -> bool:
        if any(fnmatch.fnmatch(path, pattern) for pattern in self.ignored):
            return False
        start = self.root
        if self.places:
            inside = [place for place in self.places if path == place or path.startswith(place + os.sep)]
            if not inside:
                return False
            start = min(inside, key=len)
        folder = os.path.dirname(path)
        while len(folder) > len(start):
            if any(_matches(pattern, folder) for pattern in self.left_out_folders):
                return False
            folder = os.path.dirname(folder)
        return True


def read_test_files(folder: str) -> TestFiles:
    """Return what pytest's settings for a folder say, or its defaults."""
    here = os.path.realpath(folder)
    while True:
        for name, tables in _PLACES.items():
            path = os.path.join(here, name)
            options = _read_options(path, tables) if os.path.isfile(path) else None
            if options is not None:
                return _make(here, options)
        above = os.path.dirname(here)
        if above == here:
            return TestFiles(os.path.realpath(folder))
        here = above


def _read_options(path: str, tables: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the options in one file; None where it has none for pytest."""
    name = os.path.basename(path)
    try:
        if name.endswith(".toml"):
            with open(path, "rb") as file:
                return _find_table(tomllib.load(file), tables)
        parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
        with open(path, encoding="utf-8") as text:
            parser.read_file(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, configparser.Error, RecursionError):
        return None
    if parser.has_section(tables[0]):
        return dict(parser[tables[0]])
    # A file of pytest's own counts even when it is empty.
    return {} if name in ("pytest.ini", ".pytest.ini") else None


def _find_table(data: dict[str, Any], tables: tuple[str, ...]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = None
    for table in tables:
        inner: Any = data
        for part in table.split("."):
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            found = {**(found or {}), **inner}
            found.pop("ini_options", None)
    return found or None


def _make(root: str, options: dict[str, Any]) -> TestFiles:
    ignored = []
    wanted = _split(options.get("addopts"))
    for number, word in enumerate(wanted):
        option, equals, value = word.partition("=")
        if option not in ("--ignore", "--ignore-glob"):
            continue
        if not equals:
            value = wanted[number + 1] if number + 1 < len(wanted) else ""
        if value:
            path = os.path.join(root, value)
            ignored += [path] if option == "--ignore-glob" else [glob.escape(path), glob.escape(path) + "/*"]
    places: list[str] = []
    for pattern in _split(options.get("testpaths")):
        places += sorted(glob.glob(os.path.join(root, pattern), recursive=True))
    return TestFiles(
        root,
        tuple(_split(options.get("python_files"))) or PYTHON_FILES,
        tuple(_split(options.get("norecursedirs"))) or LEFT_OUT_FOLDERS,
        tuple(os.path.normpath(place) for place in places),
        tuple(os.path.normpath(pattern) for pattern in ignored),
    )


def _split(value: object) -> list[str]:
    """Return an option's words, however they are written."""
    if isinstance(value, list):
        return [str(word) for word in value]
    if not isinstance(value, str):
        return []
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _matches(pattern: str, path: str) -> bool:
    """Match as pytest does: the last part of a path, or all of it where the pattern has parts itself."""
    if "/" not in pattern:
        return fnmatch.fnmatch(os.path.basename(path), pattern)
    return fnmatch.fnmatch(path, pattern if os.path.isabs(pattern) else "*/" + pattern)
