"""A proposal for splitting a file, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Group:
    """One proposed module: its name, the names in it, its lines, why it belongs together."""

    module: str
    names: list[str]
    lines: int
    reasons: list[str]


@dataclass
class Suggestion:
    """The groups, what stays, and the arrows between the modules (who needs whom).

    reexport: whether others may use the file's names, which then stay importable from it. reason: without
    groups, what refused the last of them.
    """

    path: str
    module: str
    groups: list[Group]
    stays: list[str]
    arrows: list[tuple[str, str, int]] = field(default_factory=list)
    reexport: bool = True
    reason: str | None = None

    def command(self) -> str:
        """Return the command that would do it."""
        parts = " ".join(f"--to {group.module}={','.join(group.names)}" for group in self.groups)
        return f"entrepot split {self.path} {parts}{' --reexport' if self.reexport else ''}"
