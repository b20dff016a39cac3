"""What git knows about the files of an edit. Without git, or outside a repository: nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from entrepot.refactor.changes import Move


def _run(root: str, *arguments: str, text: bytes | None = None) -> bytes | None:
    """Run git in `root`; None when there is no git or it fails."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
    }
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", "-C", root, *arguments],
            input=text,
            capture_output=True,
            timeout=60,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def find_uncommitted(root: str, paths: Sequence[str]) -> list[str]:
    """Return those of the paths that git tracks and that differ from the last commit."""
    if not paths or not _is_repository(root):
        return []
    found = []
    for at in range(0, len(paths), 200):
        names = [os.path.relpath(path, root) for path in paths[at : at + 200]]
        out = _run(
            root, "--literal-pathspecs", "status", "--porcelain", "-z", "--untracked-files=no", "--", *names
        )
        top = _run(root, "rev-parse", "--show-toplevel")
        if out is None or top is None:
            continue
        folder = os.fsdecode(top.rstrip(b"\n"))
        parts = iter(out.split(b"\0"))
        for part in parts:
            if len(part) > 3:
                found.append(os.path.realpath(os.path.join(folder, os.fsdecode(part[3:]))))
            if part[:1] in (b"R", b"C"):
                next(parts, None)
    wanted = {os.path.realpath(path) for path in paths}
    return [path for path in found if path in wanted]


def move_in_index(root: str, moves: Sequence[Move]) -> None:
    """Do in git's index what `git mv` does: the entry of each file goes to its new path."""
    if not moves or not _is_repository(root):
        return
    lines = []
    for move in moves:
        entry = _run(
            root, "--literal-pathspecs", "ls-files", "-s", "-z", "--", os.path.relpath(move.before, root)
        )
        if not entry:
            continue
        about = entry.split(b"\0")[0].split(b"\t")[0]
        prefix = (_run(root, "rev-parse", "--show-prefix") or b"").rstrip(b"\n")
        old = prefix + os.fsencode(os.path.relpath(move.before, root))
        new = prefix + os.fsencode(os.path.relpath(move.after, root))
        lines += [b"0 " + b"0" * 40 + b"\t" + old, about + b"\t" + new]
    if lines:
        _run(root, "update-index", "-z", "--index-info", text=b"\0".join(lines) + b"\0")


def _is_repository(root: str) -> bool:
    folder = root
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
