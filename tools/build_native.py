"""Compile the native parts into the source tree: `python tools/build_native.py`.

hatch_build.py does the same for every wheel; this is for working on them.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys

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
    image = [f"{warm}/image_{part}.c" for part in ("preload", "dump", "restore")]
    shared = ["-fPIC", "-shared", "-fvisibility=hidden"]
    commands = [
        [*IMAGE, define, "-o", f"{warm}/_image.so", *image, "-ldl"],
        [*shared, "-o", f"{trace}/_observe.so", f"{trace}/observe.c", "-ldl", "-lpthread"],
        [define, "-o", f"{warm}/_client", f"{warm}/client.c", f"{warm}/check.c"],
    ]
    for command in commands:
        output = command[command.index("-o") + 1]
        # A running program may have the old file mapped: replace it, never write into it.
        command[command.index("-o") + 1] = output + ".new"
        try:
            done = subprocess.run(
                [compiler, *COMMON, *command], capture_output=True, text=True, timeout=120, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode:
            print(
                f"entrepot: without its native parts, because {compiler} said:\n{done.stderr}",
                file=sys.stderr,
            )
            return False
        os.replace(output + ".new", output)
    return True


def read_version(root: str) -> str:
    """Return the version in pyproject.toml."""
    with open(os.path.join(root, "pyproject.toml"), encoding="utf-8") as file:
        match = re.search(r'^version = "([^"]+)"', file.read(), re.MULTILINE)
    assert match
    return match[1]


if __name__ == "__main__":
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(0 if build(here, read_version(here)) else 1)
