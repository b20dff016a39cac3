"""Scan and resolve the files of a program, in several processes where that is worth it.

The files are cut into pieces of neighbours (a package's modules ask about the same package), and each
process takes the next piece that nobody has: by reading one byte from a pipe that holds as many
bytes as there are pieces. A process gives its arrows, and its scans packed: whoever only asks for the
graph never unpacks them, and the store keeps them as they are.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from entrepot.program.raw import Places, Raw, RawArrow
from entrepot.program.resolve import Resolver
from entrepot.program.source import SourceError, read_regular
from entrepot.program.statements import Names, Scan, Statement
from entrepot.program.tree import File

# Files, and work (see `estimate_work`), below which a second process costs more than it brings.
_WORTH_FILES = 200
_WORTH_SCANNING = 20_000_000
# Pieces for each process: many, so that none waits long for another; few, so that neighbours stay together.
_PIECES = 12
# What opening a file costs, in bytes scanned.
_FILE_COST = 5000


class Share(NamedTuple):
    """What was found in some files: by module number the arrows, by name the rest. scans: packed."""

    arrows: dict[int, tuple[RawArrow, ...]]
    problems: dict[str, Places]
    unfollowed: dict[str, Places]
    consulted: list[str]
    scans: bytes


def read_shares(raw: Raw, files: list[File], *, is_strict: bool, processes: int) -> list[Share]:
    """Scan files and resolve their imports, each file in one of the shares."""
    if not is_strict and sum(map(estimate_work, files)) < _WORTH_SCANNING:
        processes = 1
    found = share_out(files, processes, lambda pieces: [tuple(_read_share(raw, pieces, is_strict))])
    return [Share(*row) for row in found]


def share_out(
    files: list[File], processes: int, work: Callable[[Iterable[list[File]]], list[Any]]
) -> list[Any]:
    """Share files among processes, this one included; return the results of all, joined.

    work: gets an iterator of pieces of the files, gives a list of values that marshal knows. It is done
    here alone where a second process is not worth it, or not safe.
    """
    if processes < 2 or len(files) < _WORTH_FILES or _has_threads() or not hasattr(os, "fork"):
        return work([files])
    from entrepot.program import scan  # noqa: F401 (once for all)

    pieces = cut_pieces(files, min(250, processes * _PIECES))
    taking, giving = os.pipe()
    os.write(giving, bytes(range(len(pieces))))
    os.close(giving)
    children = [_fork(pieces, taking, work) for _ in range(processes - 1)]
    done: list[int] = []
    found = work(_take(pieces, taking, done))
    os.close(taking)
    for pid, pipe in children:
        with os.fdopen(pipe, "rb") as stream:
            data = stream.read()
        os.waitpid(pid, 0)
        try:
            numbers, values = marshal.loads(data)
        except (ValueError, EOFError, TypeError):
            continue  # it died: what it had taken is done below
        done += numbers
        found += values
    lost = [piece for number, piece in enumerate(pieces) if number not in done]
    return found + work(lost) if lost else found


def _has_threads() -> bool:
    """Does another thread run here, so that a fork is not safe?"""
    threading = sys.modules.get("threading")  # where nobody has loaded it, nobody has started one
    return threading is not None and threading.active_count() > 1


def _take(pieces: list[list[File]], taking: int, done: list[int]) -> Iterator[list[File]]:
    """Give the pieces that this process gets, and note their numbers."""
    while byte := os.read(taking, 1):
        done.append(byte[0])
        yield pieces[byte[0]]


def _fork(
    pieces: list[list[File]], taking: int, work: Callable[[Iterable[list[File]]], list[Any]]
) -> tuple[int, int]:
    """Start a child that works and writes the result into a pipe; return its id and the pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        done: list[int] = []
        values = work(_take(pieces, taking, done))
        with os.fdopen(writing, "wb") as stream:
            marshal.dump((done, values), stream)
    finally:
        os._exit(0)


def estimate_work(file: File) -> int:
    """Return what scanning a file costs, in bytes scanned."""
    return file.size_bytes + _FILE_COST


def cut_pieces(files: list[File], count: int) -> list[list[File]]:
    """Cut a list of files into neighbours of about the same amount of work."""
    total = sum(map(estimate_work, files))
    pieces: list[list[File]] = [[]]
    amount = 0
    for file in files:
        if amount * count >= total * len(pieces) and pieces[-1]:
            pieces.append([])
        pieces[-1].append(file)
        amount += estimate_work(file)
    return pieces


def _read_share(raw: Raw, pieces: Iterable[list[File]], is_strict: bool) -> Share:
    scans: dict[str, Scan] = {}
    for files in pieces:
        scans.update(scan_files(files, raw, is_strict=is_strict))
    return resolve_scans(raw, scans)._replace(scans=pack_scans(scans))


def pack_scans(scans: dict[str, Scan]) -> bytes:
    """Return scans as bytes."""
    return marshal.dumps({name: tuple(scan) for name, scan in scans.items()})


def unpack_scans(data: bytes) -> dict[str, Scan]:
    """Return packed scans. Raises ValueError, EOFError or TypeError for other bytes."""
    return {name: Scan(*scan) for name, scan in marshal.loads(data).items()}


def scan_files(files: list[File], raw: Raw, *, is_strict: bool) -> dict[str, Scan]:
    """Scan files, here."""
    # Its patterns take long to compile, and where nothing changed nobody scans.
    from entrepot.program.scan import scan_bytes

    found = {}
    for file in files:
        try:
            data = read_regular(file.path, file.size_bytes)
            found[file.name] = scan_bytes(data, file.path, raw.target, is_strict=is_strict)
        except SourceError as error:
            found[file.name] = Scan((), ((error.line, 0, error.reason),))
    return found


def resolve_scans(raw: Raw, scans: dict[str, Scan]) -> Share:
    """Resolve the statements of some modules."""
    resolver = Resolver(raw, raw.find_sibling)
    arrows = _Arrows(raw, resolver)
    found = {raw.ids[name]: tuple(arrows.follow(name, scan.statements)) for name, scan in scans.items()}
    problems = {name: scan.problems for name, scan in scans.items() if scan.problems}
    unfollowed = {name: scan.unfollowed for name, scan in scans.items() if scan.unfollowed}
    return Share(found, problems, unfollowed, sorted(resolver.consulted), b"")


class _Arrows:
    """Turns statements into arrows; what the usual ones lead to is worked out once."""

    def __init__(self, raw: Raw, resolver: Resolver) -> None:
        self._raw = raw
        self._resolver = resolver
        # A line such as `from x import y` is written in thousands of modules.
        self._absolute: dict[tuple[str, str, Names], list[tuple[int, tuple[str, ...], bool]]] = {}
        # Modules that are no packages: what is taken from them are their names.
        self._leaves = {
            name: raw.ids[name] for name, file in raw.files.items() if raw.has(name) and not file.is_package
        }
        self._taken: dict[Names, tuple[str, ...]] = {}

    def follow(self, name: str, statements: tuple[Statement, ...]) -> Iterator[RawArrow]:
        """Give the arrows of one module."""
        raw = self._raw
        number = raw.ids[name]
        is_package = raw.is_package(name)
        parent = name.rpartition(".")[0]
        is_beside = bool(parent) and not is_package and parent not in raw.files
        package = name if is_package else parent
        leaves, absolute, taken = self._leaves, self._absolute, self._taken
        for statement in statements:
            line, column, form, level, module, fetched, when = statement
            key = None
            if level == 1 and form == "from" and package and module:
                leaf = leaves.get(f"{package}.{module}")
                if leaf is not None:
                    names = taken.get(fetched)
                    if names is None:
                        names = taken[fetched] = tuple(one for one, _ in fetched)
                    if leaf != number:
                        yield leaf, when, line, column, form, names, False
                    continue
            elif level == 0 and not is_beside and module != name:
                key = (form, module, fetched)
                known = absolute.get(key)
                if known is not None:
                    for target, names, is_unsure in known:
                        if target != number:
                            yield target, when, line, column, form, names, is_unsure
                    continue
            targets = [
                (raw.ids[target.module], target.names, target.is_unsure)
                for target in self._resolver.resolve(name, is_package, statement)
                if target.kind == "own"
            ]
            if key is not None:
                absolute[key] = targets
            for target, names, is_unsure in targets:
                if target != number:
                    yield target, when, line, column, form, names, is_unsure
