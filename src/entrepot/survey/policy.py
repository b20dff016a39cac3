"""Which findings are told: selection, suppressions with reasons, and the baseline.

In pyproject.toml:

    [tool.entrepot.check]
    select = ["EP1", "EP401"]           # only these (a code or its beginning)
    ignore = ["EP103"]
    exclude = ["vendored/**"]           # paths, from the folder of pyproject.toml
    baseline = "entrepot-baseline.json"

    [[tool.entrepot.check.suppress]]
    path = "app/legacy/**"
    codes = ["EP201"]
    reason = "goes away with the old API"

On a line: `# entrepot: ignore[EP201] why`; `# noqa` and `# noqa: F401` count as well.
A baseline holds the findings of one day, by code, file and text without its line numbers, so that only
new ones are told.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ProgramError
from entrepot.survey.findings import CODES, NOTE, Finding
from entrepot.survey.local import Facts
from entrepot.survey.settings import read_settings
from entrepot.trace.atomic_write import write_text

BASELINE_NAME = "entrepot-baseline.json"


class PolicyError(ProgramError):
    """A configuration or baseline that cannot be used. Fields: `path`, `reason`."""

    path: str
    reason: str
    exit_status = 2

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class Policy:
    """What is told. select empty: errors and warnings."""

    folder: str
    select: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    suppress: list[tuple[str, list[str]]] = field(default_factory=list)
    baseline: str = ""
    is_all: bool = False


@dataclass
class Told:
    """findings to tell; how many were suppressed, and how many stand in the baseline."""

    findings: list[Finding]
    suppressed: int = 0
    known: int = 0


def read_policy(folder: str) -> Policy:
    """Read the configuration of a folder. Raises PolicyError, SettingsError."""
    policy = Policy(folder)
    path = os.path.join(folder, "pyproject.toml")
    section: dict[str, Any] = read_settings(folder).get("check", {})
    for name in ("select", "ignore", "exclude"):
        setattr(policy, name, list(section.get(name, [])))
    check_codes([*policy.select, *policy.ignore], path)
    for item in section.get("suppress", []):
        check_codes(item["codes"], path)
        policy.suppress.append((item["path"], list(item["codes"])))
    policy.baseline = section.get("baseline", "")
    if not policy.baseline and os.path.isfile(os.path.join(folder, BASELINE_NAME)):
        policy.baseline = BASELINE_NAME
    return policy


def check_codes(codes: list[str], where: str) -> None:
    """Raise PolicyError for a code that begins none of ours."""
    for code in codes:
        if not code or not any(known.startswith(code) for known in CODES):
            raise PolicyError(path=where, reason=f"{code}: no such code (entrepot check --codes lists them)")


def apply_policy(findings: list[Finding], facts: dict[str, dict[int, Any]], policy: Policy) -> Told:
    """Sort out what is told. facts: path -> line -> suppression, as in `Facts.excused`."""
    told = Told([])
    used: set[tuple[str, int]] = set()
    for finding in findings:
        lines = facts.get(finding.path, {})
        if _is_excused(finding.code, lines.get(finding.line)):
            used.add((finding.path, finding.line))
            told.suppressed += 1
        elif _is_excused(finding.code, lines.get(0)) or _is_suppressed(finding, policy):
            told.suppressed += 1
        elif is_selected(finding.code, policy):
            told.findings.append(finding)
    if is_selected("EP901", policy):
        for path, lines in facts.items():
            for line, (codes, _, is_ours) in lines.items():
                if is_ours and (path, line) not in used and not _is_path(path, policy.exclude, policy.folder):
                    what = ", ".join(codes) or "anything"
                    told.findings.append(Finding("EP901", path, line, 1, f"nothing to ignore here ({what})"))
    told.findings.sort(key=lambda finding: finding.sort_key)
    if policy.baseline:
        known = read_baseline(os.path.join(policy.folder, policy.baseline))
        fresh = []
        for finding in told.findings:
            mark = make_mark(finding, policy.folder)
            if known[mark] > 0:
                known[mark] -= 1
                told.known += 1
            else:
                fresh.append(finding)
        told.findings = fresh
    return told


def _is_excused(code: str, place: Any) -> bool:
    return place is not None and (not place[0] or any(code.startswith(one) for one in place[0]))


def _is_suppressed(finding: Finding, policy: Policy) -> bool:
    if _is_path(finding.path, policy.exclude, policy.folder):
        return True
    return any(
        any(finding.code.startswith(code) for code in codes)
        and _is_path(finding.path, [pattern], policy.folder)
        for pattern, codes in policy.suppress
    )


def _is_path(path: str, patterns: list[str], folder: str) -> bool:
    if not patterns:
        return False
    relative = os.path.relpath(path, folder).replace(os.sep, "/")
    return any(
        fnmatch.fnmatch(relative, pattern) or relative.startswith(pattern.rstrip("/*") + "/")
        for pattern in patterns
    )


def is_selected(code: str, policy: Policy) -> bool:
    """Return whether findings of a code are told."""
    if any(code.startswith(one) for one in policy.ignore):
        return False
    if policy.select:
        return any(code.startswith(one) for one in policy.select)
    return policy.is_all or CODES[code].severity != NOTE


def make_mark(finding: Finding, folder: str) -> str:
    """Return what a finding is known by in a baseline: nothing that an edit elsewhere would change."""
    path = os.path.relpath(finding.path, folder).replace(os.sep, "/")
    message = re.sub(r"\bline [0-9]+", "line", finding.message)
    return f"{finding.code} {path} {message}"


def read_baseline(path: str) -> Counter[str]:
    """Return how often each finding is known. Raises PolicyError."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return Counter({str(mark): int(count) for mark, count in data["findings"].items()})
    except OSError as error:
        reason = f"{error.strerror or error}\n  to make a baseline:  entrepot check --write-baseline"
        raise PolicyError(path=path, reason=reason) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PolicyError(path=path, reason=f"not a baseline: {error}") from error


def write_baseline(path: str, findings: list[Finding], folder: str) -> None:
    """Write the findings of today as known."""
    marks = Counter(make_mark(finding, folder) for finding in findings)
    text = json.dumps({"version": 1, "findings": dict(sorted(marks.items()))}, indent=1)
    write_text(path, text + "\n")


def list_excused(facts: dict[str, Facts], paths: dict[str, str]) -> dict[str, dict[int, Any]]:
    """Return the suppressions of each file by its path."""
    return {paths[name]: fact.excused for name, fact in facts.items() if fact.excused}
