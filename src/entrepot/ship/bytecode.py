"""Bytecode for the Python versions that a bundle is made for, compiled by those Pythons themselves.

A version is looked for in the interpreter that runs us, on PATH (`python3.12`), among pyenv's, and may be given as a path.
One that is not there costs speed and nothing else: the sources are carried, and are compiled at each start.
"""

from __future__ import annotations

import marshal
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entrepot.errors import ProgramError

_COMPILER = Path(__file__).with_name("compiler.py")


class NoVersionError(ProgramError):
    """Something that is neither a version of Python nor an interpreter. Field: `given` (str)."""

    given: str
    exit_status = 2

    def __str__(self) -> str:
        return f"--python {self.given}: give a version from 3.11 on, as 3.12, or the path of an interpreter"


@dataclass(frozen=True)
class Bytecode:
    """Bytecode for one version. tag: "cpython-311". magic: its 4 bytes. codes: path -> marshalled code."""

    version: str
    tag: str
    magic: bytes
    codes: dict[str, bytes]

    @property
    def key(self) -> str:
        """What a running Python looks for: its tag and magic number."""
        return f"{self.tag}-{self.magic[:2].hex()}"


def find_interpreter(version: str) -> str | None:
    """Return the path of an interpreter of a version such as "3.12", or None. Raises NoVersionError."""
    if os.sep in version:
        if not os.path.isfile(version) or not os.access(version, os.X_OK):
            raise NoVersionError(given=version)
        return version
    match = re.fullmatch(r"3\.(\d+)(\.\d+)?", version)
    if not match or int(match[1]) < 11:
        raise NoVersionError(given=version)
    wanted = tuple(int(part) for part in version.split("."))
    if sys.version_info[: len(wanted)] == wanted and sys.implementation.name == "cpython":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(pyenv.glob(f"{version}*/bin/python"), key=_read_numbers, reverse=True)
    candidates = [shutil.which(f"python{version}"), *map(str, found)]
    return next((path for path in candidates if path and _is_version(path, version)), None)


def _read_numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.parent.parent.name)]


def _is_version(python: str, version: str) -> bool:
    """Whether an interpreter is what its name says: pyenv's shims are there for versions that are not."""
    command = [python, "-I", "-S", "-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return False
    return done.returncode == 0 and (done.stdout.strip() + ".").startswith(version + ".")


def compile_all(python: str, version: str, sources: Mapping[str, bytes]) -> Bytecode:
    """Compile sources by an interpreter. Raises NoVersionError where it is none that could."""
    names = sorted(sources)
    command = [python, "-I", "-S", "-B", "-W", "ignore", str(_COMPILER)]
    given = marshal.dumps([(name, sources[name]) for name in names], 2)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=True, env=environment)
        tag, magic, made = marshal.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, EOFError, ValueError, TypeError):
        raise NoVersionError(given=version) from None
    codes = {name: code for name, code in zip(names, made, strict=True) if code is not None}
    return Bytecode(version, tag, magic, codes)
