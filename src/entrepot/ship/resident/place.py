"""Where a bundle, and what is laid out of it, may lie: where nobody else can put other files in its place.

Uses compiled-in modules only: the program may have modules of any name.
"""

import _frozen_importlib_external as _external
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_machinery: "Any" = _external
_os: "Any" = _machinery._os
_FOLDER, _STICKY = 0o040000, 0o1000


def check_place(path: str) -> None:
    """End the program where others could have put another file in the bundle's place."""
    if not hasattr(_os, "geteuid"):
        return
    reason = find_writable(path)
    if reason:
        sys.exit(f"{path}: {reason}, so this bundle is not run\n  to mend it:  chmod o-w,g-w")


def find_writable(path: str, owners: "tuple[int, ...]" = ()) -> str:
    """Return which file or folder on the way to a path others can write, as a clause; "" if none.

    owners: who may own them; anybody if empty.
    """
    path = _resolve(path)
    while path:
        status = _os.stat(path)
        mode = status.st_mode
        if owners and status.st_uid not in owners:
            return f"{path} belongs to somebody else"
        is_open = mode & 0o002 or (mode & 0o020 and status.st_gid not in (0, _os.getegid()))
        # In a sticky folder (/tmp) nobody replaces what is another's.
        if is_open and not (mode & _STICKY and mode & 0o170000 == _FOLDER):
            return f"others can write {path}"
        above = path.rpartition("/")[0]
        path = above or ("/" if path != "/" else "")
    return ""


def _resolve(path: str) -> str:
    """Return a path without symbolic links."""
    done, steps, links = "", path.split("/")[::-1], 0
    if not path.startswith("/"):
        steps += _os.getcwd().split("/")[::-1]
    while steps:
        step = steps.pop()
        if step in ("", "."):
            continue
        if step == "..":
            done = done.rpartition("/")[0]
            continue
        try:
            target = _os.readlink(f"{done}/{step}")
        except OSError:
            done = f"{done}/{step}"
            continue
        links += 1
        if links > 40:
            raise OSError(40, "Too many levels of symbolic links", path)
        steps += target.split("/")[::-1]
        if target.startswith("/"):
            done = ""
    return done or "/"


class UnsafeError(OSError):
    """A folder that others can write, or that belongs to somebody else."""


def open_store(variable: str = "ENTREPOT_BUNDLES", leaf: str = "bundles") -> str:
    """Return a folder that is this user's alone, made if need be: by default that of all bundles. Raises OSError.

    variable: the environment variable that names it. leaf: its name where that is not set.
    """
    environment = dict(read_environment())
    path = environment.get(variable, "")
    if not path:
        home = environment.get("XDG_CACHE_HOME", "") or f"{environment.get('HOME', '')}/.cache"
        path = f"{home}/entrepot/{leaf}"
    if not path.startswith("/"):
        raise FileNotFoundError(path)
    if hasattr(_os, "geteuid"):
        made = ""
        for step in path.split("/")[1:]:
            made += f"/{step}"
            try:
                _os.mkdir(made, 0o700)
            except OSError:
                if not _machinery._path_isdir(made):
                    raise
        _check_private(path)
    return path


def read_environment() -> "list[tuple[str, str]]":
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    pairs = _os.environ.items()
    return [
        (key.decode(encoding, errors), value.decode(encoding, errors))
        if isinstance(key, bytes)
        else (key, value)
        for key, value in pairs
    ]


def _check_private(path: str) -> None:
    """Raise UnsafeError where a folder is not its user's alone, or could be replaced by others."""
    status = _os.lstat(path)
    if status.st_mode & 0o170000 != _FOLDER or status.st_uid != _os.geteuid() or status.st_mode & 0o077:
        _tell(f"{path} is not a folder of mode 0700 that belongs to you; it is not used")
        raise UnsafeError(path)
    reason = find_writable(path, (0, _os.geteuid()))
    if reason:
        _tell(f"{reason}; {path} is not used")
        raise UnsafeError(path)


def _tell(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{sys.argv[0] if hasattr(sys, 'argv') else 'bundle'}: {text}\n")
