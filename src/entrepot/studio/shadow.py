"""A folder as it would be if every draft were saved: links to its files, and the drafts in the place of theirs.

It stands elsewhere, so the same reading serves saved and unsaved texts, and nothing is written where the files are.
It is kept from one question to the next: only what has changed is made anew, and what is known of a file by
its path stays known.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping

from entrepot.studio.workspace import Workspace

_SOURCES = (".py", ".pyi", ".pyw", ".so", ".toml", ".cfg", ".ini", ".importlinter", ".pth")


class Shadow:
    """The shadow of one folder."""

    def __init__(self, root: str, place: str) -> None:
        self.folder = os.path.join(place, os.path.basename(root) or "root")
        self._root = root
        self._texts: dict[str, str | None] = {}  # of the drafts; None: a link
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, mode=0o700)

    def follow(self, drafts: Mapping[str, str]) -> None:
        """Make it what the folder is now, with these drafts. Raises OSError."""
        names = {name for name in Workspace(self._root).walk() if name.endswith(_SOURCES)} | drafts.keys()
        for name in self._texts.keys() - names:
            self._remove(name)
        for name in names:
            text = drafts.get(name)
            if name not in self._texts or self._texts[name] != text:
                self._put(name, text)

    def _remove(self, name: str) -> None:
        del self._texts[name]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, name))
        # A folder that is empty would be a namespace package.
        with contextlib.suppress(OSError):
            while "/" in name:
                name = name.rpartition("/")[0]
                os.rmdir(os.path.join(self.folder, name))

    def _put(self, name: str, text: str | None) -> None:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        if text is None:
            os.symlink(os.path.join(self._root, name), path)
        else:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        self._texts[name] = text
