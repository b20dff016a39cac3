"""A program's own modules on Ray workers, through Ray's runtime environment.

    ray.init(runtime_env=runtime_env("main.py"))

What is sent is what a bundle of the same entry point would carry, laid out in a folder that is named by its content: an
unchanged program gives the same folder, so neither we nor Ray (which hashes the folder) do anything twice. Ray itself is
not needed to make it.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from entrepot.ship.collect import collect
from entrepot.ship.contents import Contents
from entrepot.ship.manifest import Manifest, hash_blob
from entrepot.ship.reach import find_entry
from entrepot.ship.resident.place import open_store

_KEPT_DAYS = 14


def runtime_env(
    entry: str | os.PathLike[str] | None = None,
    *,
    module: str | None = None,
    add: Sequence[str] = (),
    data: Sequence[str] = (),
    paths: Sequence[str] = (),
    working_dir: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """Return a runtime environment with a program's own modules, for `ray.init` or a job.

    Args:
        entry: a script, or a folder with a `__main__.py`; its modules are those that it reaches. None with `module`.
        module: instead, what `python -m MODULE` runs.
        add: modules to send though no text names them. data: patterns of files to send, beside the entry point.
        paths: further folders of own modules.
        working_dir: send the entry point's folder as the workers' working directory (data beside the script are found by
            relative paths); if False all goes as `py_modules`, and a
            `working_dir` may be added to the result.
        more: further fields, as `pip` or `env_vars`; `py_modules` are added to ours.

    Raises:
        NoEntryError: there is no such script or module.
    """
    start = find_entry(None if entry is None else os.fspath(entry), module, paths)
    contents = collect(start, added=add, data=data, folders=paths)
    folder = lay_out(contents)
    made: dict[str, Any] = dict(more)
    roots = [os.path.join(folder, root) for root in contents.roots]
    if working_dir and roots:
        made["working_dir"] = roots.pop(0)
    tops = [top for root in roots for top in list_tops(root)]
    if tops:
        made["py_modules"] = [*made.get("py_modules", []), *tops]
    return made


def list_tops(root: str) -> list[str]:
    """Return the packages and modules in a folder as Ray takes them in `py_modules`."""
    names = sorted(os.listdir(root))
    paths = [os.path.join(root, name) for name in names]
    return [path for path in paths if path.endswith(".py") or os.path.isdir(path)]


def lay_out(contents: Contents) -> str:
    """Return a folder with the files, named by what is in them; made unless it is there. Raises OSError."""
    blobs = {path: item.read() for path, item in contents.files.items()}
    manifest = Manifest({path: hash_blob(data) for path, data in blobs.items()}, contents.roots)
    store = _open()
    folder = os.path.join(store, manifest.version)
    if not _is_whole(folder, manifest):
        _write(store, folder, blobs)
    os.utime(folder)
    _forget_old(store)
    return folder


def _open() -> str:
    """Return the folder of all of them: the user's store, or one that goes with this process."""
    try:
        return open_store("ENTREPOT_RAY", "ray")
    except OSError:
        path = tempfile.mkdtemp(prefix="entrepot-ray-")
        atexit.register(shutil.rmtree, path, ignore_errors=True)
        return path


def _is_whole(folder: str, manifest: Manifest) -> bool:
    """Whether a folder holds these files and nothing else."""
    held = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            with open(path, "rb") as file:
                held[os.path.relpath(path, folder).replace(os.sep, "/")] = hash_blob(file.read())
    return held == manifest.files


def _write(store: str, folder: str, blobs: dict[str, bytes]) -> None:
    """Write the files beside their place, then rename: whole or not there."""
    beside = os.path.join(store, f"{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        for path, data in blobs.items():
            full = os.path.join(beside, path)
            os.makedirs(os.path.dirname(full), mode=0o700, exist_ok=True)
            with open(full, "wb") as file:
                file.write(data)
        shutil.rmtree(folder, ignore_errors=True)  # it is there and is not what its name says
        try:
            os.rename(beside, folder)
        except OSError:
            if not os.path.isdir(folder):
                raise  # else another process was first
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _forget_old(store: str) -> None:
    """Remove what has not been asked for in two weeks."""
    oldest = time.time() - _KEPT_DAYS * 86400
    with os.scandir(store) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                shutil.rmtree(entry.path, ignore_errors=True)
