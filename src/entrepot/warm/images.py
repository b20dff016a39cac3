"""The images in a store: which there are, how large, how old, and how they are forgotten.

A store is one folder of the user's (mode 0700). Of the image with the stem K it holds

    K.checks   what a client compares first; it names the two files that follow. Without it there is no image
    K.<time>.image, K.<time>.files, and beside the image what image_hot.c notes: .hot, .seen
    K.record   what its modules depended on         K.plan   what is known about preparing it
    K.codes    whose code is in it (of shared modules)
    K.info     how long its modules took, or why there is no image
    K.hits     one byte for each run, its time is the last use
    K.last     what the last run's client decided, and the key   K.request   the run that it was made for

Does not know: clients at work. One that has just chosen an image which is forgotten starts cold.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass

from entrepot.warm.lookup import WATCHED

ORPHAN_S = 600.0  # files of a keeper that was killed


@dataclass(frozen=True, slots=True)
class Image:
    """One image, as `entrepot warm status` shows it."""

    name: str
    program: str
    kind: str
    python: str
    path: str
    size_bytes: int
    made: float  # seconds since the epoch
    used: float
    hits: int


def find_images(store: str) -> list[Image]:
    """Return the images of a store, the longest unused first."""
    found = []
    for entry in list_folder(store):
        stem, _, ending = entry.partition(".")
        if ending == "checks":
            image = read_image(store, stem)
            if image is not None:
                found.append(image)
    return sorted(found, key=lambda image: image.used)


def list_folder(store: str) -> list[str]:
    """Return the names in a folder, none if it is gone."""
    try:
        return os.listdir(store)
    except OSError:
        return []


def read_image(store: str, name: str) -> Image | None:
    """Return one image, or None if it is not (or no longer) whole."""
    path = os.path.join(store, f"{name}.checks")
    try:
        with open(path, "rb") as file:
            fields = os.fsdecode(file.read()).split("\0")
        values = {field[:1]: field[1:] for field in fields[1:] if field[:1] in ("k", "i")}
        if "/" in values["i"] or not values["i"].endswith(".image"):
            return None  # damaged: nothing outside of the store is ours to look at, or to remove
        key = [part for part in values["k"].split("\1") if part]
        image = os.path.join(store, values["i"])
        size = os.stat(image).st_blocks * 512
        made = os.stat(path).st_mtime
    except (OSError, KeyError):
        return None
    try:
        hits = os.stat(os.path.join(store, f"{name}.hits"))
        used, count = max(made, hits.st_mtime), hits.st_size
    except OSError:
        used, count = made, 0
    kind = key[2] if len(key) > 2 else "?"
    program = "(any program)" if kind == "base" else " ".join(key[3:]).replace(f"-P -m {WATCHED}", "watch", 1)
    return Image(name, program, kind, key[0] if key else "?", image, size, made, used, count)


def forget(store: str, name: str) -> None:
    """Remove an image and everything that is known about it. Runs that have it keep it to their end."""
    remove(os.path.join(store, f"{name}.checks"))  # first: from here on no client finds it
    for entry in list_folder(store):
        if entry.startswith(name + "."):
            remove(os.path.join(store, entry))


def find_beside(image: str) -> tuple[str, str]:
    """Return the files that runs make beside an image (see image.h)."""
    return f"{image}.hot", f"{image}.seen"


def remove(path: str) -> None:
    """Remove a file that may be gone."""
    try:
        os.unlink(path)
    except OSError:
        pass


def sweep(store: str, idle_s: float, limit_bytes: int) -> float | None:
    """Forget what is due; return the seconds until the next is, or None if nothing is left."""
    images = find_images(store)
    now = time.time()
    total = sum(image.size_bytes for image in images)
    left = []
    for image in images:
        if now - image.used >= idle_s or total > limit_bytes:
            total -= image.size_bytes
            forget(store, image.name)
        else:
            left.append(image)
    remove_orphans(store, now)
    return max(0.5, min(image.used for image in left) + idle_s - now) if left else None


def remove_orphans(store: str, now: float) -> None:
    """Remove images that no checks name: of a keeper that did not come to its end."""
    for entry in list_folder(store):
        stem, _, rest = entry.partition(".")
        path = os.path.join(store, entry)
        try:
            if (
                rest.endswith((".image", ".files", ".new", ".hot", ".seen"))
                and now - os.stat(path).st_mtime > ORPHAN_S
            ):
                image = read_image(store, stem)
                if image is None or not image.path.startswith(path.rpartition(".")[0]):
                    os.unlink(path)
        except OSError:
            pass


def get_memory_limit() -> int:
    """Return the bytes that all images together may take: a quarter of the memory, or as told."""
    told = os.environ.get("ENTREPOT_MEMORY_MIB", "")
    if told.isdigit():
        return int(told) << 20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def get_keeper(store: str) -> int | None:
    """Return the process id of the keeper at work on a store: the one that holds the lock."""
    path = os.path.join(store, "keeper")
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return read_number(fd)
    finally:
        os.close(fd)
    return None


def read_number(fd: int) -> int | None:
    """Return the number at the beginning of a file, or None."""
    try:
        text = os.pread(fd, 20, 0)
    except OSError:  # no file that has a beginning
        return None
    return int(text) if text.isdigit() else None
