"""What `check` can find: the value of a finding, and the table of codes.

Codes are stable: one is never used for something else. `docs/check.md` has for each what it
means, why it matters, an example and how to mend it; `url` leads there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

ERROR, WARNING, NOTE = "error", "warning", "note"


class Code(NamedTuple):
    """A kind of finding. severity: "error", "warning", or "note" (told with --all or when selected)."""

    name: str
    severity: str
    summary: str
    is_fixable: bool = False


CODES = {
    "EP001": Code("unreadable", ERROR, "a file cannot be read or parsed"),
    "EP002": Code("twice-on-disk", WARNING, "two files for one module, or a file that can be none"),
    "EP003": Code("unfollowed", NOTE, "an import whose target only running can tell"),
    "EP101": Code("cycle-fails", ERROR, "an import cycle that fails whichever module comes first"),
    "EP102": Code("cycle-depends", WARNING, "an import cycle that fails when some of its modules come first"),
    "EP103": Code("cycle-harmless", NOTE, "an import cycle that works from every module"),
    "EP201": Code("star", WARNING, "a star import: what it brings"),
    "EP202": Code("star-hides", WARNING, "a star import hides a name, or two fight over one"),
    "EP203": Code("bound-twice", WARNING, "imports bind a name twice"),
    "EP301": Code("shadows-stdlib", WARNING, "a module hides one of the standard library"),
    "EP302": Code("shadows-builtin", NOTE, "a top-level name hides a builtin"),
    "EP303": Code("shadows-installed", WARNING, "a module hides an installed package"),
    "EP401": Code("unresolved", ERROR, "an import of a module that is not there"),
    "EP402": Code("beyond-top", ERROR, "a relative import beyond the top level package"),
    "EP403": Code("not-imported", WARNING, "a submodule is used that nothing imports here"),
    "EP404": Code("no-such-name", ERROR, "an import of a name that the module does not have"),
    "EP501": Code("unused", WARNING, "an import that nothing uses", True),
    "EP502": Code("duplicate", WARNING, "the same import twice", True),
    "EP503": Code("private", NOTE, "an import of another package's private name"),
    "EP601": Code("work-at-import", WARNING, "work beyond defining while the module is imported"),
    "EP602": Code("imports-its-world", NOTE, "an __init__ that imports most of its package"),
    "EP701": Code("nobodys", NOTE, "a module that nothing imports"),
    "EP702": Code("no-all", NOTE, "a module that is star-imported has no __all__"),
    "EP703": Code("wrong-all", ERROR, "__all__ names what the module does not have", True),
    "EP704": Code("no-init", WARNING, "a package without __init__.py inside a regular package"),
    "EP801": Code("contract", ERROR, "an import that a contract forbids"),
    "EP802": Code("interface", ERROR, "an import past a package's public interface"),
    "EP901": Code("unused-suppression", WARNING, "a suppression that suppresses nothing"),
}


@dataclass(frozen=True)
class Fix:
    """Replacements in one file: (start offset, end offset, text), in characters."""

    edits: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. path absolute; line and column from 1; related: (path, line, what)."""

    code: str
    path: str
    line: int
    column: int
    message: str
    module: str = ""
    related: tuple[tuple[str, int, str], ...] = ()
    fix: Fix | None = None
    # Findings of one group have one cause, and are told as one (see `gather`).
    group: str = ""

    @property
    def severity(self) -> str:
        """error, warning or note."""
        return CODES[self.code].severity

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """In order of place, then code."""
        return (self.path, self.line, self.column, self.code, self.message)


def gather(findings: list[Finding]) -> list[Finding]:
    """Return the findings with those of a group as one: the first, which says how many there are."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.group:
            groups.setdefault((finding.code, finding.group), []).append(finding)
    told = []
    for finding in findings:
        alike = groups.get((finding.code, finding.group), []) if finding.group else [finding]
        if alike[0] is finding:
            told.append(_add_count(finding, alike) if len(alike) > 1 else finding)
    return told


def _add_count(first: Finding, alike: list[Finding]) -> Finding:
    files = len({finding.path for finding in alike})
    where = f"in {files} files" if files > 1 else "in this file"
    return replace(first, message=f"{first.message} ({len(alike)} imports {where})")
