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
# The restorer runs where no library is: nothing may be called behind its back, and no constant lie elsewhere.
SHARED = ["-fPIC", "-shared", "-fvisibility=hidden"]
IMAGE = [
    *SHARED, "-fno-builtin", "-fno-stack-protector", "-fno-jump-tables", "-fcf-protection=none",
    "-fno-tree-loop-distribute-patterns", "-fno-tree-slp-vectorize",
]  # fmt: skip
CLIENT = (
    "client", "client_options", "client_python", "client_decide", "client_store", "client_checks", "client_keeper",
    "check",
)  # fmt: skip
OBSERVE = ("observe", "observe_log", "observe_files", "observe_surroundings", "observe_effects")


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
    client = [define, *(f"{warm}/{name}.c" for name in CLIENT)]
    observe = [f"{trace}/{name}.c" for name in OBSERVE]
    try:
        parts = {
            f"{warm}/_image.so": [
                *IMAGE,
                f"{warm}/image_preload.c",
                f"{warm}/image_dump.c",
                f"{warm}/image_hot.c",
                "-ldl",
            ],
            f"{warm}/_restore.so": [
                *IMAGE,
                "-nostdlib",
                f"{warm}/image_restore.c",
                f"{warm}/image_rebuild.c",
            ],
            f"{trace}/_observe.so": [*SHARED, *observe, "-ldl", "-lpthread"],
            # What it calls is found in the interpreter that loads it.
            f"{trace}/_watch.so": [*SHARED, f"{trace}/watch.c", f"{trace}/watch_audit.c"],
        }
        errors = [compile_part(compiler, path, arguments) for path, arguments in parts.items()]
        # Without libraries to load the client starts in half the time; not every system has a static libc.
        if compile_part(compiler, f"{warm}/_client", [*client, "-static"]):
            errors.append(compile_part(compiler, f"{warm}/_client", client))
    except (OSError, subprocess.TimeoutExpired) as error:
        errors = [str(error)]
    for said in filter(None, errors):
        print(f"entrepot: without its native parts, because {compiler} said:\n{said}", file=sys.stderr)
    return not any(errors)


def compile_part(compiler: str, path: str, arguments: list[str]) -> str:
    """Compile one part; return what the compiler has against it."""
    # A running program may have the old file mapped: replace it, never write into it.
    done = run([compiler, *COMMON, "-o", f"{path}.new", *arguments])
    if done.returncode:
        return done.stderr or f"status {done.returncode}"
    os.replace(f"{path}.new", path)
    return ""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command, with a bound."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def read_version(root: str) -> str:
    """Return the version in pyproject.toml."""
    with open(os.path.join(root, "pyproject.toml"), encoding="utf-8") as file:
        match = re.search(r'^version = "([^"]+)"', file.read(), re.MULTILINE)
    assert match
    return match[1]


if __name__ == "__main__":
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(0 if build(here, read_version(here)) else 1)
