"""What an update did, as a value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Problem:
    """Why an update was refused: where, and what to do."""

    __slots__ = ("file", "kind", "line", "module", "text")

    def __init__(self, file: str, line: int, module: str, kind: str, text: str) -> None:
        self.file = file
        self.line = line
        self.module = module
        self.kind = kind  # the exception's class, or "Refused"
        self.text = text

    def __repr__(self) -> str:
        return f"Problem({self.file!r}, {self.line!r}, {self.module!r}, {self.kind!r}, {self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((self.file, self.line, self.kind))

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


class Refused(Exception):
    """Raised while an update is made that cannot be made; says where."""

    def __init__(self, file: str, line: int, module: str, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(file, line, module, "Refused", text)


class Report:
    """One look for changes, and what came of it. Truth value and `ok`: nothing was refused.

    `changed` are files; `ran`, `patched`, `kept` and `refused` are names as `module.name` (or `module:line` for a
    statement that binds nothing). `left` names effects of a failed attempt that could not be undone, `output` is what a
    refused attempt printed (it was not shown). `seconds` is the time from the call to the end.
    """

    def __init__(self, *, ok: bool = True, errors: Sequence[Problem] = ()) -> None:
        self.ok = ok
        self.errors: list[Problem] = list(errors)
        self.changed: list[str] = []
        self.modules: list[str] = []
        self.ran: list[str] = []
        self.patched: list[str] = []
        self.kept: list[str] = []
        self.refused: list[str] = []
        self.left: list[str] = []
        self.output = ""
        self.seconds = 0.0

    def __repr__(self) -> str:
        return f"<Report {'ok' if self.ok else 'refused'}: {self}>"

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
