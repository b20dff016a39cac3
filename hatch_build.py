"""Build what is native, where a C compiler is there: the client and the libraries it uses.

    src/entrepot/warm/client*.c + check.c          -> the command `entrepot`
    src/entrepot/warm/image_preload.c + image_dump.c + image_hot.c -> entrepot/warm/_image.so
    src/entrepot/warm/image_restore.c + image_rebuild.c -> entrepot/warm/_restore.so
    src/entrepot/trace/observe*.c                  -> entrepot/trace/_observe.so
    src/entrepot/trace/watch.c + watch_audit.c     -> entrepot/trace/_watch.so

None of them needs Python's headers, so one wheel serves every version of Python on a platform.
Without a compiler (or not on Linux on x86-64) `entrepot` is warm/client.py, and every run is cold.
How they are compiled is in tools/build_native.py.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools"))
from build_native import build, read_version

# sh and Python both read the script: to Python these lines are a text. The interpreter is the one beside it (where the
# script itself lies, if it was called through a link), without site, of which the client has no need.
HEADER = """\
#!/bin/sh
''':'
python=${0%/*}/python
[ -x "$python" ] || python=$(dirname "$(readlink -f "$0")")/python
exec "$python" -I -S "$0" "$@"
'''
"""

NATIVE = ("warm/_image.so", "warm/_restore.so", "warm/_client", "trace/_observe.so", "trace/_watch.so")

# What the studio offers to begin with.
EXAMPLES = ("arcade", "mygame")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for every wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the native parts, or the Python script, to the wheel."""
        if version != "editable":  # an editable one finds them in the repository
            for name in EXAMPLES:
                build_data["force_include"][os.path.join(self.root, "examples", name)] = (
                    f"entrepot/studio/examples/{name}"
                )
        script = write_script(self.root)
        if build(self.root, read_version(self.root)):
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-linux_{platform.machine()}"
            build_data["artifacts"] += [f"/src/entrepot/{path}" for path in NATIVE]
            script = os.path.join(self.root, "src", "entrepot", "warm", "_client")
        build_data["shared_scripts"][script] = "entrepot"


def write_script(root: str) -> str:
    """Write the command for where there is no native client, and return its path."""
    folder = os.path.join(root, "build")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "entrepot")
    with open(os.path.join(root, "src", "entrepot", "warm", "client.py"), encoding="utf-8") as file:
        text = HEADER + file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path
