"""Scan one file for its imports: lexically, else by its tree, else as well as a broken file allows."""

from __future__ import annotations

from entrepot.program.broken import scan_broken
from entrepot.program.calls import find_call_places, find_calls, list_call_lines
from entrepot.program.conditions import EAGER, LAZY, Target
from entrepot.program.lexical import scan_lexically
from entrepot.program.newer import parse_tree
from entrepot.program.source import Source, SourceError, find_encoding, has_cookie, parse_source
from entrepot.program.statements import Scan, scan_tree


def scan_bytes(data: bytes, path: str, target: Target, *, is_strict: bool = False) -> Scan:
    """Return what a file imports. Never raises for what is in the file: problems are in the result.

    A strict scan parses every file, so that it finds every syntax error; the other finds those of
    the files that it has to parse.
    """
    if not is_strict and b"\0" not in data and _is_plain(data):
        found = scan_unparsed(data, target)
        if found is not None:
            return found
    try:
        source = parse_source(data, path)
    except SourceError as error:
        problems = ((error.line, 0, error.reason),)
        text = data.replace(b"\0", b" ").decode("utf-8", "replace")
        return Scan(scan_broken(Source(path, data, text, "utf-8", False), target).statements, problems)
    try:
        parsed = parse_tree(source.text)
    except SyntaxError as error:
        problem = (error.lineno or 1, max(0, (error.offset or 1) - 1), f"syntax error: {error.msg}")
        return Scan(scan_broken(source, target).statements, (problem,))
    is_plain = data.isascii() and b"\r" not in data
    found_scan = scan_tree(
        parsed.tree, target, call_lines=list_call_lines(data, find_call_places(data)) if is_plain else None
    )
    if parsed.lazy_lines:
        return found_scan._replace(
            statements=tuple(
                (*s[:6], LAZY) if s[0] in parsed.lazy_lines and s[6] == EAGER else s
                for s in found_scan.statements
            )
        )
    return found_scan


def scan_unparsed(data: bytes, target: Target) -> Scan | None:
    """Scan without a tree of the whole; None where in doubt."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    statements = scan_lexically(data, target)
    if statements is None:
        return None
    places = find_call_places(data)
    if not places:
        return Scan(tuple(statements))
    is_utf8 = data.isascii() or not has_cookie(data)
    calls = find_calls(data, target, places) if is_utf8 else None
    if calls is None:
        return None
    statements = sorted([*statements, *calls[0]], key=lambda statement: statement[:2])
    return Scan(tuple(statements), (), tuple(sorted(calls[1])))


def _is_plain(data: bytes) -> bool:
    """Do the file's bytes decode as UTF-8, or is each of its ASCII bytes the character it seems?"""
    if has_cookie(data):
        codec = _find_codec(data)
        if codec is None or codec not in ("utf-8", "ascii", "iso-8859-1", "iso8859-1"):
            return False
        if codec == "iso-8859-1" or codec == "iso8859-1":
            return True
        if codec == "ascii":
            return data.isascii()
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _find_codec(data: bytes) -> str | None:
    try:
        return find_encoding(data)[0]
    except SourceError:
        return None
