"""What is shipped, as a value: the files of a program under the paths that they will have elsewhere.

    app/...             the folder that the program's own modules are imported from (app1/, app2/ for further ones)
    site-packages/...   what it needs of others, where that is carried

A bundle, a Dask worker and a Ray worker get the same contents.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from entrepot.errors import ProgramError

SITE = "site-packages"


class NoEntryError(ProgramError):
    """There is no such script, or no such module to run. Fields: `entry` (str), `reason` (str)."""

    entry: str
    reason: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.reason}\n  give a script, or -m and a module or package that can be run"


class NotCarriedError(ProgramError):
    """Something that was to be carried by name cannot be. Fields: `given` (str), `reason` (str)."""

    given: str
    reason: str
    exit_status = 2

    def __str__(self) -> str:
        return f"{self.given}: {self.reason}; nothing was written"


@dataclass(frozen=True)
class Entry:
    """Where a program begins. kind: "script", "folder" (with a `__main__.py`) or "module" (`-m`).

    site: for a module of an installed distribution, the site folder that it lies in; else "".
    """

    kind: str
    path: str  # its file on this machine
    name: str  # "__main__", or the module's name (`shop.__main__` for a package)
    site: str = ""


@dataclass(frozen=True)
class Carried:
    """One file: its path where it goes, and its file here, or its bytes where it was made."""

    path: str
    file: str
    data: bytes | None = None

    def read(self) -> bytes:
        """Return its bytes. Raises OSError."""
        if self.data is not None:
            return self.data
        with open(self.file, "rb") as stream:
            return stream.read()

    @property
    def is_executable(self) -> bool:
        """Whether its owner may run it as a program."""
        return self.data is None and bool(os.stat(self.file).st_mode & 0o100)


@dataclass(frozen=True)
class LeftOut:
    """Something that could not be included, or of which it is not known whether it should be.

    what: a module, file or distribution; reason: a clause; path and line: who asked ("" and 0: nobody).
    """

    what: str
    reason: str
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{os.path.relpath(self.path)}:{self.line}: " if self.path else ""
        return f"{place}{self.what}: {self.reason}"


@dataclass(frozen=True)
class Contents:
    """All that is shipped.

    roots: the folders that are entries of `sys.path`, in order. names: the program's own modules that are carried.
    real: paths of files that must be files where they go (compiled, or opened by path). needed: distributions that are
    needed there and not carried, as name==version.
    """

    entry: Entry
    entry_path: str
    roots: tuple[str, ...]
    files: dict[str, Carried]
    names: dict[str, str]
    real: frozenset[str] = frozenset()
    needed: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = field(default=())
