"""Carry out the fixes of findings: whole files, and only where the result still parses."""

from __future__ import annotations

from entrepot.program.newer import parse_tree
from entrepot.program.source import SourceError, read_source
from entrepot.survey.findings import Finding
from entrepot.trace.atomic_write import write_bytes


def plan_fixes(text: str, findings: list[Finding]) -> tuple[str, list[Finding]]:
    """Return a text with the fixes made that do not overlap, and the findings that they mend."""
    done: list[Finding] = []
    edits: list[tuple[int, int, str]] = []
    for finding in findings:
        if finding.fix is None:
            continue
        if any(a < end and start < b for a, b, _ in finding.fix.edits for start, end, _ in edits):
            continue
        edits += finding.fix.edits
        done.append(finding)
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text, done


def apply_fixes(findings: list[Finding]) -> int:
    """Write the fixed files; return how many findings were mended. A file that would not parse is left."""
    count = 0
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix is not None:
            by_path.setdefault(finding.path, []).append(finding)
    for path, several in by_path.items():
        try:
            source = read_source(path)
        except SourceError:  # inside a zip file, or gone
            continue
        text, done = plan_fixes(source.text, several)
        try:
            parse_tree(text)
        except SyntaxError:
            continue
        write_bytes(path, source.encode(text))
        count += len(done)
    return count
