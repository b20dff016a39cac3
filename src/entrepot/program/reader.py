"""Read a tree: walk, scan, resolve; and keep the result (see `kept`).

After a change only changed files are scanned. Their arrows alone are resolved again, unless the set
of modules changed, or a changed file is one whose names decided other modules' arrows.

A file is as it was when its size and mtime are; one that was younger than two seconds when it
was kept is compared by its hash, for an edit could follow within the clock's grain.
"""

from __future__ import annotations

from collections.abc import Callable

from entrepot.program import store
from entrepot.program.collection import paused_collection
from entrepot.program.conditions import Target
from entrepot.program.kept import (
    MOST_EDITS,
    Kept,
    hash_file,
    list_doubts,
    read_kept,
    take_over,
    take_share,
    write_edits,
    write_kept,
)
from entrepot.program.raw import Raw
from entrepot.program.shares import Share, pack_scans, read_shares, resolve_scans, scan_files, unpack_scans
from entrepot.program.statements import SCANNER_VERSION, Scan
from entrepot.program.tree import File, walk_tree


def read_tree(
    folder: str, roots: list[str], target: Target, *, is_strict: bool, is_kept: bool, processes: int
) -> Raw:
    """Read the modules of a tree."""
    with paused_collection():
        raw = Raw(walk_tree(folder, roots), target)
        if not is_kept:
            _read_all(raw, is_strict=is_strict, processes=processes)
            return raw
        key = store.make_key(SCANNER_VERSION, folder, roots, target, is_strict)
        kept = read_kept(key)
        if kept is None or not _renew(raw, kept, is_strict=is_strict):
            shares = _read_all(raw, is_strict=is_strict, processes=processes)
            write_kept(key, raw, [share.scans for share in shares])
        return raw


def _read_all(raw: Raw, *, is_strict: bool, processes: int) -> list[Share]:
    """Scan and resolve every file."""
    shares = read_shares(raw, _list_sources(raw), is_strict=is_strict, processes=processes)
    for share in shares:
        take_share(raw, share)
    loaded: dict[str, Scan] = {}

    def fetch() -> dict[str, Scan]:
        if not loaded:
            for share in shares:
                loaded.update(unpack_scans(share.scans))
        return loaded

    raw.fetch_scans = fetch
    raw.drop_texts()
    return shares


def _list_sources(raw: Raw) -> list[File]:
    return [file for file in raw.files.values() if file.kind == "source"]


def _renew(raw: Raw, kept: Kept, *, is_strict: bool) -> bool:
    """Bring what was kept up to date, into `raw`; False where reading everything is no dearer."""
    changed = _list_changed(raw, kept)
    is_same_set = kept.names == raw.names and kept.files.keys() == raw.files.keys()
    if not changed and is_same_set:
        take_over(raw, kept)
        raw.fetch_scans = _make_fetch(raw, kept, is_strict=is_strict)
        if kept.doubts:  # compared by their hashes just now
            doubts = list_doubts(raw.files[name] for name in kept.doubts)
            if len(doubts) < len(kept.doubts):
                kept.doubts = doubts
                write_edits(kept, raw)
        return True
    if len(changed) > MOST_EDITS:
        return False
    fresh = scan_files(
        [raw.files[name] for name in changed if raw.files[name].kind == "source"], raw, is_strict=is_strict
    )
    same_shape = is_same_set and all(kept.files[name][2:4] == raw.files[name][2:4] for name in changed)
    if same_shape and kept.consulted.isdisjoint(changed) and len(kept.edited) + len(fresh) <= MOST_EDITS:
        _put_edits(raw, kept, fresh, is_strict=is_strict)
        return True
    scans = kept.fetch_scans()
    if scans is None:
        return False
    scans = {name: scans[name] for name in scans if name in raw.files and raw.files[name].kind == "source"}
    scans.update(fresh)
    if scans.keys() != {file.name for file in _list_sources(raw)}:
        return False
    raw.was_kept = True
    take_share(raw, resolve_scans(raw, scans))
    raw.fetch_scans = lambda: scans
    raw.drop_texts()
    write_kept(kept.key, raw, [pack_scans(scans)])
    return True


def _list_changed(raw: Raw, kept: Kept) -> list[str]:
    """Return the modules whose files are new or not what they were."""
    old = kept.files
    changed = [name for name, file in raw.files.items() if old.get(name) != file]
    for name, digest in kept.doubts.items():
        file = raw.files.get(name)
        if file is not None and old[name] == file and hash_file(file.path) != digest:
            changed.append(name)
    return changed


def _put_edits(raw: Raw, kept: Kept, fresh: dict[str, Scan], *, is_strict: bool) -> None:
    """Take over what was kept with a few modules scanned anew, and keep those."""
    take_over(raw, kept)
    for name in fresh:
        raw.file_problems.pop(name, None)
        raw.unfollowed.pop(name, None)
    take_share(raw, resolve_scans(raw, fresh))
    raw.drop_texts()
    kept.edited.update((name, tuple(scan)) for name, scan in fresh.items())
    kept.doubts = {name: digest for name, digest in kept.doubts.items() if name not in fresh}
    kept.doubts.update(list_doubts(raw.files[name] for name in fresh))
    write_edits(kept, raw)
    raw.fetch_scans = _make_fetch(raw, kept, is_strict=is_strict)


def _make_fetch(raw: Raw, kept: Kept, *, is_strict: bool) -> Callable[[], dict[str, Scan]]:
    loaded: dict[str, Scan] = {}

    def fetch() -> dict[str, Scan]:
        if not loaded:
            loaded.update(kept.fetch_scans() or scan_files(_list_sources(raw), raw, is_strict=is_strict))
        return loaded

    return fetch
