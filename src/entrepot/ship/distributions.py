"""What is installed: which distribution a module came with, what else that needs, and its files.

Reads the metadata that installers leave (`*.dist-info`, PEP 376 and 427), of any environment: nothing is imported.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

from entrepot.ship.contents import SITE, Carried

# Says where it was installed from on this machine, or by whom.
_OF_THIS_MACHINE = (
    "direct_url.json",
    "INSTALLER",
    "REQUESTED",
    "RECORD",
    "SOURCES.txt",
    "installed-files.txt",
)
_IMPORTS_TESTS = re.compile(rb"^(?:from|import) +[\w.]*\btests\b", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Installed:
    """One distribution: its name as names are compared (PEP 503), its version, and its metadata."""

    name: str
    version: str
    found: metadata.Distribution

    @property
    def requirement(self) -> str:
        """The distribution as it would be asked for."""
        return f"{self.found.metadata['Name']}=={self.version}"

    @cached_property
    def files(self) -> dict[str, str]:
        """Its files below its site folder: path there -> file here. Bytecode and scripts are not among them."""
        found = {}
        try:
            listed = self.found.files or ()
        except (TypeError, ValueError, csv.Error):
            listed = ()  # damaged: as if there were no list
        for path in listed:
            parts = path.parts
            if (
                ".." in parts
                or "__pycache__" in parts
                or path.suffix in (".pyc", ".pth")
                or path.is_absolute()
            ):
                continue
            file = str(self.found.locate_file(path))
            if os.path.isfile(file):
                found["/".join(parts)] = file
        return found

    def _imports_its_tests(self) -> bool:
        """Whether what is no test imports a package of tests: its modules are needed then."""
        for path, file in self.files.items():
            if path.endswith(".py") and "tests" not in path.split("/") and not path.endswith("/conftest.py"):
                with open(file, "rb") as stream:
                    if _IMPORTS_TESTS.search(stream.read()):
                        return True
        return False

    def list_needed(self) -> list[str]:
        """Return the names of the distributions that it requires whatever extras were asked for."""
        names = []
        for requirement in self.found.requires or ():
            match = _NAME.match(requirement)
            if match and "extra" not in requirement.partition(";")[2]:
                names.append(normalize(match[0]))
        return names

    def carry(self, wanted: frozenset[str]) -> list[Carried]:
        """Return its files as they are carried. wanted: paths that are carried though they look like tests."""
        carried = []
        has_tests = self._imports_its_tests()
        for path, file in self.files.items():
            parts = path.split("/")
            if parts[0].endswith((".dist-info", ".egg-info")) and parts[-1] in _OF_THIS_MACHINE:
                continue
            if not has_tests and path not in wanted and "tests" in parts[1:-1]:
                continue
            carried.append(Carried(f"{SITE}/{path}", file))
        record = next((p for p in self.files if p.endswith(".dist-info/METADATA")), None)
        if record is not None:
            paths = sorted(item.path.removeprefix(SITE + "/") for item in carried)
            own = record.replace("METADATA", "RECORD")
            text = "".join(f"{_quote(path)},,\n" for path in [*paths, own])
            carried.append(Carried(f"{SITE}/{own}", "", text.encode("utf-8")))
        return carried


def _quote(path: str) -> str:
    return f'"{path}"' if "," in path else path


def normalize(name: str) -> str:
    """Return a distribution's name as names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Environment:
    """The distributions in some site folders."""

    def __init__(self, folders: Iterable[str]) -> None:
        self.by_name: dict[str, Installed] = {}
        in_order = list(folders)
        self.folders = frozenset(in_order)
        for found in metadata.distributions(path=in_order):
            try:
                fields = found.metadata
            except OSError:
                continue  # none at all, as importlib_metadata says it, where that has been imported
            # What is not there gives None, later an error (Python 3.12).
            if "Name" in fields and "Version" in fields:
                name = normalize(fields["Name"])
                self.by_name.setdefault(name, Installed(name, fields["Version"], found))

    @cached_property
    def _owners(self) -> dict[str, Installed]:
        return {file: one for one in self.by_name.values() for file in one.files.values()}

    @cached_property
    def _owners_of_folders(self) -> dict[str, Installed]:
        return {os.path.dirname(file): one for file, one in self._owners.items()}

    def find_owner(self, path: str) -> Installed | None:
        """Return the distribution that a file came with, or None. What was made in its folders later is its own too."""
        owner = self._owners.get(path)
        folder = os.path.dirname(path)
        # A site folder is everybody's.
        while owner is None and folder not in self.folders and folder != os.path.dirname(folder):
            owner = self._owners_of_folders.get(folder)
            folder = os.path.dirname(folder)
        return owner

    def find_all_needed(self, first: Iterable[Installed]) -> list[Installed]:
        """Return distributions with all that they require and that is installed, by name."""
        found: dict[str, Installed] = {}
        waiting = list(first)
        while waiting:
            one = waiting.pop()
            if one.name not in found:
                found[one.name] = one
                waiting += [self.by_name[name] for name in one.list_needed() if name in self.by_name]
        return [found[name] for name in sorted(found)]
