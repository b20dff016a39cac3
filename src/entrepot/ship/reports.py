"""Which process runs which state of a program's modules, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import ProgramError


@dataclass(frozen=True)
class Clash:
    """A module of the program that has the name of another one where it was sent.

    name: the top-level module. path: the other one's file. is_used: whether the other one is used, because it had been
    imported before; otherwise the program's comes first. program: the name of the other one's program, where that was
    sent too.
    """

    name: str
    path: str
    is_used: bool
    program: str = ""

    def __str__(self) -> str:
        if self.program and self.is_used:
            return f"{self.name} of {self.program} was imported before, and stays that; rename one, or restart the worker"
        if self.program:
            return f"{self.name} is also a module of {self.program}; yours comes first"
        if self.is_used:
            return f"{self.name} was already imported from {self.path}, and stays that; rename yours, or restart the worker"
        return f"{self.name} is also installed in {self.path}; yours comes first"


@dataclass(frozen=True)
class Running:
    """What one process runs.

    state: "placed" (the first time), "updated", "same", "refused" (it could not follow the edit, and runs what it ran)
    or "failed" (it did not answer, or not as it should). version: see `Manifest`. changed: modules that were run again or
    patched. problems: why it was refused or failed. received_bytes: how much was sent to it.
    """

    worker: str
    version: str
    state: str
    changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    clashes: tuple[Clash, ...] = ()
    received_bytes: int = 0
    python: str = ""

    @staticmethod
    def from_plain(worker: str, plain: dict[str, Any]) -> Running:
        """Return what `to_plain` gave."""
        values = dict(plain)
        values["clashes"] = tuple(Clash(*clash) for clash in plain["clashes"])
        for name in ("changed", "problems"):
            values[name] = tuple(plain[name])
        return Running(worker, **values)

    def to_plain(self) -> dict[str, Any]:
        """Return it as a mapping that any protocol carries."""
        return {
            "version": self.version,
            "state": self.state,
            "changed": list(self.changed),
            "problems": list(self.problems),
            "clashes": [[clash.name, clash.path, clash.is_used, clash.program] for clash in self.clashes],
            "received_bytes": self.received_bytes,
            "python": self.python,
        }

    def __str__(self) -> str:
        lines = [f"{self.worker}: {self.version or '-'} {self.state}"]
        lines += [f"  {text}" for text in (*self.problems, *map(str, self.clashes))]
        return "\n".join(lines)


@dataclass(frozen=True)
class Refreshed:
    """What became of an edit: the version sent, what each process runs, and how much was sent to the scheduler."""

    version: str
    running: dict[str, Running] = field(default_factory=dict)
    sent_bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether every process runs the version sent."""
        return all(one.version == self.version for one in self.running.values())

    @property
    def behind(self) -> list[str]:
        """The processes that run another version."""
        return [worker for worker, one in self.running.items() if one.version != self.version]

    @property
    def clashes(self) -> list[Clash]:
        """The clashes of names, each once."""
        return list(dict.fromkeys(clash for one in self.running.values() for clash in one.clashes))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        told = [str(one) for one in self.running.values()]
        return "\n".join([f"version {self.version}, {self.sent_bytes} bytes sent", *told])


class NotTakenError(ProgramError):
    """A worker could not take the modules. Fields: `problems` (worker -> what it said)."""

    problems: dict[str, list[str]]

    def __str__(self) -> str:
        lines = [f"{worker}: {'; '.join(texts)}" for worker, texts in self.problems.items()]
        return "\n".join(["these workers do not run the modules that were sent:", *lines,
                          "  to begin anew with them:  client.restart()"])  # fmt: skip
