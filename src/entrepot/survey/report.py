"""Findings as text (as ruff prints), JSON, GitHub annotations, and SARIF 2.1.0."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import tokenize
from typing import Any

from entrepot import __version__
from entrepot.survey.findings import CODES, Finding

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


# Of more than twice as many modules that are not installed, people are shown so many.
_MOST_ABSENT = 10


def count_characters(findings: list[Finding]) -> list[Finding]:
    """Return findings whose columns count characters, as editors and other checkers do; Python's count UTF-8 bytes."""
    lines: dict[str, list[str]] = {}
    counted = []
    for finding in findings:
        if finding.column == 1:
            counted.append(finding)  # most stand at the beginning of a line: no file need be read for them
            continue
        if finding.path not in lines:
            lines[finding.path] = _read_odd_lines(finding.path)
        text = lines[finding.path]
        if finding.line <= len(text):
            before = text[finding.line - 1].encode("utf-8", "surrogatepass")[: finding.column - 1]
            finding = dataclasses.replace(finding, column=len(before.decode("utf-8", "ignore")) + 1)
        counted.append(finding)
    return counted


def _read_odd_lines(path: str) -> list[str]:
    """Return a file's lines, none where all is ASCII or nothing can be read: there columns need no counting."""
    try:
        with open(path, "rb") as file:
            if file.read().isascii():
                return []
        with tokenize.open(path) as text:
            return list(text)
    except (OSError, SyntaxError, ValueError):
        return []


def render_text(findings: list[Finding], suppressed: int, known: int) -> str:
    """One line a finding, places below it, and a summary."""
    lines = []
    show = functools.cache(os.path.relpath)  # a file has many findings
    absent = [finding for finding in findings if finding.code == "EP401" and finding.group]
    left_out = set(absent[_MOST_ABSENT:]) if len(absent) > 2 * _MOST_ABSENT else set()
    for finding in findings:
        if finding in left_out:
            continue
        mark = "[*] " if finding.fix else ""
        where = f"{show(finding.path)}:{finding.line}:{finding.column}"
        lines.append(f"{where}: {finding.code} {mark}{finding.message}")
        lines += [f"    {show(path)}:{line}: {what}" for path, line, what in finding.related]
    errors = sum(finding.severity == "error" for finding in findings)
    notes = sum(finding.severity == "note" for finding in findings)
    parts = [f"{errors} errors", f"{len(findings) - errors - notes} warnings", f"{notes} notes"]
    shown = ", ".join(
        part[:-1] if part.startswith("1 ") else part for part in parts if not part.startswith("0 ")
    )
    lines.append(f"Found {shown}." if findings else "All checks passed!")
    fixable = sum(finding.fix is not None for finding in findings)
    if fixable:
        lines.append(f"[*] {fixable} fixable with --fix.")
    if absent:
        what = f"{len(absent)} modules are" if len(absent) > 1 else "A module is"
        lines.append(f"{what} not installed where this looked: --python PATH names another environment.")
        if left_out:
            lines.append(f"{len(left_out)} of them are not shown; --format json has all.")
    if known or suppressed:
        lines.append(f"Not told: {suppressed} suppressed, {known} in the baseline.")
    return "\n".join(lines)


def render_json(findings: list[Finding]) -> str:
    """A list of objects."""
    rows = [
        {
            "code": finding.code,
            "name": CODES[finding.code].name,
            "severity": finding.severity,
            "path": finding.path,
            "line": finding.line,
            "column": finding.column,
            "module": finding.module,
            "message": finding.message,
            "related": [{"path": p, "line": line, "message": what} for p, line, what in finding.related],
            "fix": [list(edit) for edit in finding.fix.edits] if finding.fix else None,
        }
        for finding in findings
    ]
    return json.dumps(rows, indent=1)


def render_github(findings: list[Finding]) -> str:
    """Workflow commands that GitHub shows beside the lines."""
    lines = []
    for finding in findings:
        path = _escape(os.path.relpath(finding.path)).replace(",", "%2C").replace(":", "%3A")
        title = f"{finding.code} {CODES[finding.code].name}"
        place = f"file={path},line={finding.line},col={finding.column},title={title}"
        lines.append(f"::{_LEVELS[finding.severity]} {place}::{_escape(finding.message)}")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def render_sarif(findings: list[Finding]) -> str:
    """A SARIF log with the rules that were used."""
    used = sorted({finding.code for finding in findings})
    rules = [
        {
            "id": code,
            "name": CODES[code].name,
            "shortDescription": {"text": CODES[code].summary},
            "defaultConfiguration": {"level": CODES[code].severity},
        }
        for code in used
    ]
    results: list[dict[str, Any]] = []
    for finding in findings:
        results.append(  # noqa: PERF401
            {
                "ruleId": finding.code,
                "ruleIndex": used.index(finding.code),
                "level": finding.severity,
                "message": {"text": finding.message},
                "locations": [_locate(finding.path, finding.line, finding.column)],
                "relatedLocations": [
                    {**_locate(path, line, 1), "message": {"text": what}}
                    for path, line, what in finding.related
                ],
            }
        )
    driver = {"name": "entrepot", "version": __version__, "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}],
    }
    return json.dumps(log, indent=1)


def _locate(path: str, line: int, column: int) -> dict[str, Any]:
    from urllib.parse import quote

    uri = quote(os.path.relpath(path).replace(os.sep, "/"))
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {"startLine": max(1, line), "startColumn": max(1, column)},
        }
    }
