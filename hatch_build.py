"""Build what is native, where a C compiler is there: the client and the libraries it uses.

    src/entrepot/warm/client.c + check.c           -> the command `entrepot`
    src/entrepot/warm/image_*.c                    -> entrepot/warm/_image.so
    src/entrepot/trace/observe.c                   -> entrepot/trace/_observe.so

None of them needs Python's headers, so one wheel serves every version of Python on a platform.
Without a compiler (or not on Linux on x86-64) `entrepot` is a Python script and every run is cold.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMON = ["-O2", "-Wall", "-U_FORTIFY_SOURCE"]
# The restorer runs where no library is: nothing may be called behind its back.
IMAGE = [
    "-fPIC", "-shared", "-fvisibility=hidden", "-fno-builtin", "-fno-stack-protector", "-fno-jump-tables",
    "-fcf-protection=none", "-fno-tree-loop-distribute-patterns",
]  # fmt: skip


def find_compiler() -> str | None:
    """Return a C compiler, or None where the native parts cannot be built or used."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or os.environ.get("ENTREPOT_NO_NATIVE"):
        return None
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    return None


def build(root: str, version: str) -> bool:
    """Build everything into the source tree; return whether that worked."""
    compiler = find_compiler()
    if compiler is None:
        return False
    warm = os.path.join(root, "src", "entrepot", "warm")
    trace = os.path.join(root, "src", "entrepot", "trace")
    define = f'-DENTREPOT_VERSION="{version}"'
    commands = [
        [*IMAGE, define, "-o", f"{warm}/_image.so",
         *(f"{warm}/image_{part}.c" for part in ("preload", "dump", "restore")), "-ldl"],
        ["-fPIC", "-shared", "-fvisibility=hidden", "-o", f"{trace}/_observe.so", f"{trace}/observe.c", "-ldl", "-lpthread"],
        [define, "-o", f"{warm}/_client", f"{warm}/client.c", f"{warm}/check.c"],
    ]  # fmt: skip
    for command in commands:
        output = command[command.index("-o") + 1]
        # A running program may have the old file mapped: replace it, never write into it.
        command[command.index("-o") + 1] = output + ".new"
        try:
            done = subprocess.run([compiler, *COMMON, *command], capture_output=True, text=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode:
            print(f"entrepot: without its native parts, because {compiler} said:\n{done.stderr}", file=sys.stderr)
            return False
        os.replace(output + ".new", output)
    return True


def read_version(root: str) -> str:
    """Return the version in pyproject.toml."""
    with open(os.path.join(root, "pyproject.toml"), encoding="utf-8") as file:
        match = re.search(r'^version = "([^"]+)"', file.read(), re.MULTILINE)
    assert match
    return match[1]


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for every wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the native parts, or the Python script, to the wheel."""
        script = os.path.join(self.root, "tools", "entrepot")
        if build(self.root, read_version(self.root)):
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-linux_{platform.machine()}"
            build_data["artifacts"] += [
                "/src/entrepot/warm/_image.so", "/src/entrepot/trace/_observe.so", "/src/entrepot/warm/_client",
            ]  # fmt: skip
            script = os.path.join(self.root, "src", "entrepot", "warm", "_client")
        build_data["shared_scripts"][script] = "entrepot"


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.exit(0 if build(here, read_version(here)) else 1)
