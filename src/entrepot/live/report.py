"""What an update did, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """Why an update was refused: where, and what to do."""

    file: str
    line: int
    module: str
    kind: str  # the exception's class, or "Refused"
    text: str

    @property
    def path(self) -> str:
        """The file (the same as `file`)."""
        return self.file

    @property
    def lineno(self) -> int:
        """The line (the same as `line`)."""
        return self.line

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.text}"


@dataclass
class Report:
    """One look for changes, and what came of it. Truth value and `ok`: nothing was refused.

    `changed` are files; `ran`, `patched`, `kept` and `refused` are names as `module.name` (or `module:line` for a
    statement that binds nothing). `left` names effects of a failed attempt that could not be undone.
    """

    ok: bool = True
    errors: list[Problem] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    patched: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    output: str = ""  # what a refused attempt printed; it was not shown
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.errors:
            lines = [
                "nothing was changed, the program goes on as it was:",
                *(f"  {error}" for error in self.errors),
            ]
            return "\n".join([*lines, *(f"  not undone: {item}" for item in self.left)])
        if not self.changed:
            return "no changes"
        parts = [
            f"{label} {', '.join(names)}"
            for label, names in (("ran", self.ran), ("patched", self.patched), ("kept", self.kept))
            if names
        ]
        return f"{', '.join(self.modules) or 'files'}: {'; '.join(parts) or 'nothing to run'} ({self.seconds * 1000:.0f} ms)"
