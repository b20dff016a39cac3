"""The facts of all files of a program, read in parallel and kept from run to run."""

from __future__ import annotations

import time
from typing import Any

from entrepot.program import store
from entrepot.program.model import Program
from entrepot.program.raw import read_module
from entrepot.program.shares import share_out
from entrepot.program.source import SourceError, parse_source
from entrepot.program.tree import File
from entrepot.survey.local import LOCAL_VERSION, Facts, read_facts

# A tree takes thirty times the memory of its text; what is larger is data that somebody generated.
LARGEST_BYTES = 16 * 1024 * 1024
_TOO_LARGE = f"is larger than {LARGEST_BYTES >> 20} MB: its imports were read, nothing else was looked at"


def read_all_facts(program: Program, *, is_kept: bool = True, processes: int = 2) -> dict[str, Facts]:
    """Return the facts of every module with source; a file that cannot be parsed has a finding EP001."""
    key = store.make_key("facts", LOCAL_VERSION, program.folder, program.entry, program.target)
    kept: Any = store.read(key, "facts") if is_kept else None
    old: dict[str, Any] = kept if isinstance(kept, dict) else {}
    files = [file for file in program.raw.files.values() if file.kind == "source"]
    found: dict[str, Any] = {}
    stale = []
    for file in files:
        known = old.get(file.path)
        if known is not None and known[0] == (file.size_bytes, file.mtime_ns):
            found[file.path] = known
        else:
            stale.append(file)
    if stale:
        for rows in share_out(
            stale, processes, lambda pieces: [_read_some(program, piece) for piece in pieces]
        ):
            found.update(rows)
        if is_kept:
            # A file edited in the very moment of reading must not be kept under its new time.
            young = {f.path for f in stale if f.mtime_ns > time.time_ns() - 2_000_000_000}
            store.write(key, "facts", {path: row for path, row in found.items() if path not in young})
    return {file.name: Facts(**found[file.path][1]) for file in files}


def _read_some(program: Program, files: list[File]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in files:
        try:
            data = read_module(file.path)
            if len(data) > LARGEST_BYTES:
                raise SourceError(path=file.path, line=1, reason=_TOO_LARGE)
            facts = read_facts(parse_source(data, file.path), program.target, file.is_package)
        except SourceError as error:
            facts = Facts(findings=[["EP001", error.line, 0, error.reason, None]], is_dynamic=True)
        except SyntaxError as error:
            place = (error.lineno or 1, max(0, (error.offset or 1) - 1))
            facts = Facts(findings=[["EP001", *place, f"syntax error: {error.msg}", None]], is_dynamic=True)
        except RecursionError:
            facts = Facts(
                findings=[["EP001", 1, 0, "is nested too deeply to be read", None]], is_dynamic=True
            )
        found[file.path] = ((file.size_bytes, file.mtime_ns), facts.__dict__)
    return found
