"""Blobs that a worker was sent, in a store of its user: one that is started again, or beside another, need not ask.

    ~/.cache/entrepot/modules   $ENTREPOT_MODULES
        3f0c...                 a blob that came alone, by its hash
        77ab....pack            many that came together, as they travelled

Everything is compared with its hash when it is read. Bytecode has none of its own: the store is its owner's alone.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Mapping

from entrepot.ship.manifest import hash_blob, pack_blobs, unpack_blobs
from entrepot.ship.resident.place import open_store

_KEPT_DAYS = 14
_KEPT_BYTES = 256 << 20
# So many blobs or more make a pack.
_MANY = 16
# Packs that are looked into, newest first.
_LOOKED_INTO = 8
_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def find(names: Iterable[str]) -> dict[str, bytes]:
    """Return those of some blobs that the store has."""
    wanted = set(names)
    store = _find_store()
    if store is None or not wanted:
        return {}
    found: dict[str, bytes] = {}
    packs = _list_packs(store) if len(wanted) >= _MANY else []
    for pack in packs[:_LOOKED_INTO]:
        if not wanted:
            return found
        try:
            blobs = unpack_blobs(_read(pack))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.update({name: blobs[name] for name in wanted & blobs.keys()})
        wanted -= blobs.keys()
    for name in wanted:
        try:
            data = _read(os.path.join(store, name))
        except OSError:
            continue
        if "." in name or hash_blob(data) == name:
            found[name] = data
    return found


def _list_packs(store: str) -> list[str]:
    """Return the packs, newest first."""
    try:
        with os.scandir(store) as entries:
            packs = [
                (entry.stat().st_mtime_ns, entry.path) for entry in entries if entry.name.endswith(".pack")
            ]
    except OSError:
        return []
    return [path for _, path in sorted(packs, reverse=True)]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def keep(blobs: Mapping[str, bytes]) -> None:
    """Put blobs into the store, and drop what nobody has written for long, or is too much."""
    store = _find_store()
    if store is None or not blobs:
        return
    if len(blobs) >= _MANY:
        packed = pack_blobs(blobs)
        blobs = {f"{hash_blob(packed)}.pack": packed}
    try:
        for name, data in blobs.items():
            path = os.path.join(store, name)
            if os.path.exists(path):
                os.utime(path)
            else:
                write_whole(path, data)
        _forget(store)
    except OSError:
        pass  # a store is a convenience: what is not kept is sent again


def _forget(store: str) -> None:
    """Remove what is old, and the oldest where it is too much."""
    oldest = time.time() - _KEPT_DAYS * 86400
    with os.scandir(store) as entries:
        seen = sorted(((entry.stat(), entry.path) for entry in entries), key=lambda one: -one[0].st_mtime)
    total = 0
    for status, path in seen:
        total += status.st_size
        if status.st_mtime < oldest or total > _KEPT_BYTES:
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue  # somebody else did


def _find_store() -> str | None:
    try:
        return open_store("ENTREPOT_MODULES", "modules")
    except OSError:
        return None


def write_new(path: str, data: bytes) -> os.stat_result:
    """Write a file where there is none, its folders made; return its status. Raises OSError."""
    try:
        descriptor = os.open(path, _FLAGS | os.O_TRUNC, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(path, _FLAGS | os.O_TRUNC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: str, data: bytes) -> os.stat_result:
    """Write a file under another name, then rename it; return its status. Raises OSError."""
    beside = f"{path}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        write_new(beside, data)
        os.replace(beside, path)
    except OSError:  # a full disk should not be fuller for it
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    return os.stat(path)
