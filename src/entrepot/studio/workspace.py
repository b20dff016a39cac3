"""The files of the folder that the studio shows: listed, read, written, never outside of it.

Names are relative, with `/`, as they stand in a browser. `locate` is the one way from a name to a
path: it refuses what leads out of the folder, through links too. Writes are whole (a new file beside
the old, then renamed) and say which content they replace: another content is never overwritten.

What is deleted goes to a folder of the caller's, from where it can be put back.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from entrepot.errors import ProgramError
from entrepot.studio.text import Form, NotText, decode, encode, follow_declaration

MOST_BYTES = 2_000_000  # of a file that is opened in an editor
MOST_ENTRIES = 20_000  # that are listed in one folder
_PYTHON = (".py", ".pyi", ".pyw")
# Made by tools, and large: not shown, not watched.
HIDDEN = frozenset({"__pycache__", ".git", ".hg", ".svn", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


class WorkspaceError(ProgramError):
    """Something that cannot be done with a file. Fields: `name` (str), `reason` (a clause)."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class OutsideError(WorkspaceError):
    """A name that leads out of the folder, or is none."""


class ChangedError(WorkspaceError):
    """The file on disk is not what the writer has read. Field: `digest` of what is there ("" if nothing)."""

    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a folder: its name in the workspace, whether it is a folder, whether it leads outside."""

    name: str
    is_folder: bool
    is_outside: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it is on disk.

    kind: "text", "binary" or "huge" (beyond `MOST_BYTES`); the last two have no text. digest: of its bytes.
    """

    name: str
    kind: str
    text: str
    digest: str
    size_bytes: int
    form: Form


class Workspace:
    """A folder. Raises WorkspaceError for what it refuses, OSError for what the machine does."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)

    def locate(self, name: str) -> str:
        """Return the path for a name. Raises OutsideError."""
        parts = name.split("/")
        if not name or "\0" in name or "\\" in name or len(name) > 4096 or os.path.isabs(name):
            raise OutsideError(name=name, reason="is not a name of a file in this folder")
        if any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts):
            raise OutsideError(name=name, reason="is not a name of a file in this folder")
        path = os.path.join(self.root, *parts)
        if not self._is_inside(os.path.realpath(path)):
            raise OutsideError(name=name, reason="leads out of this folder")
        return path

    def _is_inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root.rstrip("/") + "/")

    def find_name(self, path: str) -> str | None:
        """Return the name of a path inside the folder, or None."""
        path = os.path.abspath(path)
        for root in (self.root, os.path.realpath(self.root)):
            if path.startswith(root + "/"):
                return path[len(root) + 1 :]
        return None

    def list_folder(self, name: str = "") -> list[Entry]:
        """Return what a folder holds ("": the root): folders first, then files, each by name."""
        path = self.locate(name) if name else self.root
        found = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name in HIDDEN or entry.name.startswith(".entrepot-"):
                    continue
                if not is_text(entry.name):
                    # It can be seen, and that is all: no name from a browser leads to it.
                    found.append(
                        Entry(f"{name}/{show(entry.name)}" if name else show(entry.name), False, True)
                    )
                    continue
                is_outside = entry.is_symlink() and not self._is_inside(os.path.realpath(entry.path))
                is_folder = not is_outside and os.path.isdir(entry.path)  # a link to itself is none
                found.append(Entry(f"{name}/{entry.name}" if name else entry.name, is_folder, is_outside))
                if len(found) >= MOST_ENTRIES:
                    break
        return sorted(found, key=lambda entry: (not entry.is_folder, entry.name.lower(), entry.name))

    def scan(self, most: int = MOST_ENTRIES) -> dict[str, tuple[int, int]]:
        """Return all files by name with the time of their last change (ns) and size, at most so many.

        Folders of environments and tools, and hidden ones, are left out, and what is no ordinary file.
        """
        found: dict[str, tuple[int, int]] = {}
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            files: dict[str, tuple[int, int]] = {}
            folders = []
            try:
                with os.scandir(os.path.join(self.root, folder)) as entries:
                    for entry in entries:
                        name = entry.name
                        if name in HIDDEN or name.startswith(".entrepot-") or not is_text(name):
                            continue
                        full = f"{folder}/{name}" if folder else name
                        if entry.is_dir(follow_symlinks=False):
                            if not name.startswith("."):
                                folders.append(full)
                            continue
                        is_link = entry.is_symlink()
                        if is_link and not self._is_inside(os.path.realpath(entry.path)):
                            continue
                        with contextlib.suppress(OSError):
                            status = entry.stat()
                            if stat.S_ISREG(status.st_mode):
                                files[full] = (status.st_mtime_ns, status.st_size)
            except OSError:
                continue
            if (f"{folder}/" if folder else "") + "pyvenv.cfg" in files:
                continue
            found |= files
            if len(found) >= most:
                break
            waiting += folders
        return found

    def walk(self, most: int = MOST_ENTRIES) -> Iterator[str]:
        """Yield the names of all files, as `scan`."""
        yield from self.scan(most)

    def read(self, name: str) -> Document:
        """Return a file as it is. Raises WorkspaceError where it is no ordinary file."""
        path = self.locate(name)
        # Not to hang on a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise WorkspaceError(name=name, reason="is not an ordinary file")
            if status.st_size > MOST_BYTES:
                mark = f"{status.st_size}-{status.st_mtime_ns}"
                return Document(name, "huge", "", mark, status.st_size, Form())
            data = file.read(MOST_BYTES + 1)
        try:
            text, form = decode(data, is_python=name.endswith(_PYTHON))
        except NotText:
            return Document(name, "binary", "", get_digest(data), len(data), Form())
        return Document(name, "text", text, get_digest(data), len(data), form)

    def find_digest(self, name: str) -> str:
        """Return the digest of a file's content, "" where there is no such file."""
        try:
            return self.read(name).digest
        except (OSError, WorkspaceError):
            return ""

    def write(self, name: str, text: str, *, expected: str, form: Form | None = None) -> str:
        """Write a text over the content with the digest `expected` ("": a new file); return its digest.

        Raises ChangedError where something else is there.
        """
        path = self.locate(name)
        # A link inside the folder stays one.
        path = os.path.realpath(path)
        found = self.find_digest(name) if os.path.lexists(path) else ""
        if found != expected:
            raise ChangedError(name=name, reason="was changed by somebody else", digest=found)
        form = form or Form()
        if name.endswith(_PYTHON):
            form = follow_declaration(text, form)
        try:
            data = encode(text, form)
        except UnicodeEncodeError as error:
            reason = f"has a character that {error.encoding} cannot hold: {error.object[error.start]!r}"
            raise WorkspaceError(name=name, reason=reason) from None
        if len(data) > MOST_BYTES:
            raise WorkspaceError(name=name, reason=f"would be larger than {MOST_BYTES // 1_000_000} MB")
        try:
            _write_whole(path, data)
        except OSError as error:
            raise WorkspaceError(name=name, reason=f"cannot be written: {error.strerror}") from None
        return get_digest(data)

    def create(self, name: str, *, is_folder: bool = False) -> None:
        """Make an empty file or a folder. Raises WorkspaceError where there is one."""
        path = self.locate(name)
        if os.path.lexists(path):
            raise WorkspaceError(name=name, reason="is there already")
        if is_folder:
            os.makedirs(path)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))

    def rename(self, name: str, new: str) -> None:
        """Give a file or folder another name or place. Raises WorkspaceError where that is taken."""
        old_path, new_path = self.locate(name), self.locate(new)
        if not os.path.lexists(old_path):
            raise WorkspaceError(name=name, reason="is not there any more")
        if os.path.lexists(new_path):
            raise WorkspaceError(name=new, reason="is there already")
        if new_path.startswith(old_path + "/"):
            raise WorkspaceError(name=name, reason="cannot be put into itself")
        os.makedirs(os.path.dirname(new_path), exist_ok=True)
        os.rename(old_path, new_path)

    def delete(self, name: str, bin_folder: str) -> str:
        """Take a file or folder away, into a new folder in `bin_folder`; return where it lies now."""
        path = self._locate_link(name)
        os.makedirs(bin_folder, mode=0o700, exist_ok=True)
        kept = os.path.join(tempfile.mkdtemp(dir=bin_folder), os.path.basename(path))
        shutil.move(path, kept)
        return kept

    def _locate_link(self, name: str) -> str:
        """Return the path of an entry itself: a link may be removed wherever it leads."""
        folder, _, last = name.rpartition("/")
        if last in ("", ".", "..") or "\0" in last:
            raise OutsideError(name=name, reason="is not a name of a file in this folder")
        path = os.path.join(self.locate(folder) if folder else self.root, last)
        if not os.path.lexists(path):
            raise WorkspaceError(name=name, reason="is not there any more")
        return path

    def restore(self, kept: str, name: str) -> None:
        """Put back what `delete` took away. Raises WorkspaceError where its place is taken."""
        path = self.locate(name)
        if os.path.lexists(path):
            raise WorkspaceError(name=name, reason="is there already")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.move(kept, path)


def _write_whole(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    mode = stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else None
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".entrepot-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_find_umask() if mode is None else mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def is_text(name: str) -> bool:
    """Say whether a name from the disk is text in UTF-8: any other cannot be sent to a page."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def show(name: str) -> str:
    """Return a name from the disk as it can be shown: what is no text in it becomes U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def get_digest(data: bytes) -> str:
    """Return what tells one content from another."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _find_umask() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022
