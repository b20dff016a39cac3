"""What the studio remembers of a folder from one start to the next, kept outside of the folder.

`$XDG_STATE_HOME/entrepot/studio/` has a folder of mode 0700 for each folder shown, with `session.json`
(open tabs, what is run, sizes), `drafts/` (unsaved texts), `runs/` (what the last programs wrote) and `bin/`
(what was deleted).

A state that cannot be read is begun anew: it holds conveniences, except for the drafts, each a file of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from typing import Any

from entrepot.trace.atomic_write import write_text


@dataclass
class Session:
    """What one folder's pages share.

    tabs: names of the open files; active: the one shown; expanded: open folders of the tree.
    entry: "main.py", or "-m package"; arguments: a command line; view: which part is shown.
    theme: "auto", "light" or "dark"; sizes: of panels, in percent or pixels.
    views: what each view shows, by its key, as values of JSON.
    secret: what a browser's cookie holds; port: where it was served last.
    """

    tabs: list[str] = field(default_factory=list)
    active: str = ""
    expanded: list[str] = field(default_factory=list)
    entry: str = ""
    arguments: str = ""
    view: str = "code"
    theme: str = "auto"
    sizes: dict[str, float] = field(default_factory=dict)
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    secret: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """An unsaved text, and the digest of the file that it was made from."""

    text: str
    base: str


class State:
    """The state of one folder, on disk."""

    def __init__(self, root: str) -> None:
        base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        digest = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self.folder = os.path.join(base, "entrepot", "studio", digest)
        self.bin_folder = os.path.join(self.folder, "bin")
        self.record_path = os.path.join(self.folder, "record.json")  # of the run that the steps are of
        self.runs_folder = os.path.join(self.folder, "runs")
        self._drafts = os.path.join(self.folder, "drafts")
        os.makedirs(self._drafts, mode=0o700, exist_ok=True)
        os.chmod(self.folder, 0o700)
        self.is_ours = self._lock()
        self.session = self._read_session()
        if not self.session.secret:
            self.session.secret = secrets.token_urlsafe(32)
        self._written = ""

    def _lock(self) -> bool:
        """Note that a studio is at work here; return whether it is the only one. The kernel forgets it with us."""
        self._handle = os.open(
            os.path.join(self.folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give the lock back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _read_session(self) -> Session:
        try:
            with open(os.path.join(self.folder, "session.json"), encoding="utf-8") as file:
                data = json.load(file)
        except (OSError, ValueError, RecursionError):
            return Session()
        session = Session()
        for item in dataclasses.fields(Session):
            value = data.get(item.name) if isinstance(data, dict) else None
            if isinstance(value, type(getattr(session, item.name))):
                setattr(session, item.name, value)
        session.views = {key: value for key, value in session.views.items() if isinstance(value, dict)}
        session.tabs = [name for name in session.tabs if isinstance(name, str)]
        session.expanded = [name for name in session.expanded if isinstance(name, str)]
        return session

    def save(self) -> None:
        """Write the session, if it is not what was written last."""
        text = json.dumps(dataclasses.asdict(self.session), indent=1)
        if text != self._written:
            write_text(os.path.join(self.folder, "session.json"), text)
            os.chmod(os.path.join(self.folder, "session.json"), 0o600)
            self._written = text

    def write_draft(self, name: str, draft: Draft) -> None:
        """Keep an unsaved text."""
        text = json.dumps({"name": name, "base": draft.base, "text": draft.text})
        write_text(self._path_of(name), text)

    def drop_draft(self, name: str) -> None:
        """Forget an unsaved text."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path_of(name))

    def read_drafts(self) -> dict[str, Draft]:
        """Return all unsaved texts by file name."""
        found: dict[str, Draft] = {}
        for file in sorted(os.listdir(self._drafts)):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                with open(os.path.join(self._drafts, file), encoding="utf-8") as stream:
                    data: dict[str, Any] = json.load(stream)
                found[str(data["name"])] = Draft(str(data["text"]), str(data["base"]))
        return found

    def _path_of(self, name: str) -> str:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return os.path.join(self._drafts, digest + ".json")
