"""Why a run was warm or cold: an answer as a value, from what the store has written down.

    answer = find_answer(folder, key, run)       the files of one program in the store
    print(answer.to_text())                      or answer.to_json()

Reads only; decides nothing. Where a fact is not known (the program has not been run yet) the answer
says so and what to do.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from entrepot.warm.fingerprint import Change, Record, Surroundings
from entrepot.warm.knowledge import read_knowledge
from entrepot.warm.record_file import read_record

SCHEMA = "entrepot-why-1"
# For people: a state in more words, and the letters by which the client calls the inputs (see checks.py).
_STATES = {
    "base": "base (only modules that any program may use were ready)",
    "part": "part (some of its modules were ready)",
}
_NEXT = {
    "base": "base: only modules that any program may use are ready",
    "base or cold, and prepared anew behind it": "base or cold: few modules ready or none; they are made ready behind it",
}
_CHANGED = re.compile(r"\bchanged: ([a-z]) ")
_INPUTS = {
    "f": "file ", "e": "environment variable ", "m": "environment variable ", "a": "environment variable ",
    "u": "environment variable ", "c": "current folder, was ", "v": "argument, was ", "l": "limit of the process, was ",
    "n": "processors to run on, were ", "h": "name of the machine, was ", "d": "day, was ",
    "w": "rights of the process, were ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known about how a program is run."""

    program: str
    state: str  # warm, part, base, cold, unknown: of the last run
    reason: str  # why, in a sentence
    reused: int = 0  # modules served without being initialised
    saved_s: float | None = None  # seconds that initialising them took
    waiting: int = 0  # modules that can be had when they are imported
    left: Mapping[str, str] = field(default_factory=dict)  # module left to each run -> why
    in_terminal: Mapping[str, str] = field(default_factory=dict)  # module left to runs in a terminal -> why
    changed: str = ""  # the input that is not what it was, if the next run were now
    next_state: str = ""  # what the next run would be
    inputs: Mapping[str, int] = field(default_factory=dict)  # kind -> number of inputs watched

    def to_json(self) -> str:
        """Return the answer for programs."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, ensure_ascii=False)

    def to_text(self, limit: int = 12) -> str:
        """Return the answer for people; at most `limit` modules of each kind are named."""
        reason = _CHANGED.sub(lambda match: f"changed: {_INPUTS.get(match[1], '')}", self.reason)
        lines = [f"{self.program}: {_STATES.get(self.state, self.state)}" + (f", {reason}" if reason else "")]
        if self.reused:
            saved = f", {self.saved_s:.2f} s of importing saved" if self.saved_s else ""
            lines.append(f"  reused: {_count(self.reused, 'modules')}{saved}")
        if self.waiting:
            lines.append(f"  ready when imported: {_count(self.waiting, 'modules')}")
        if self.left:
            roots = {name: why for name, why in self.left.items() if not _is_consequence(why)}
            lines.append(f"  left to each run: {_count(len(self.left), 'modules')}")
            for name, why in list(roots.items())[:limit]:
                users = len(self.left) - len(roots)
                lines.append(f"    {name} {why}")
            if len(roots) > limit:
                lines.append(f"    and {len(roots) - limit} more (--format json names all)")
            elif users:
                lines.append(f"    and {users} that import one of these")
        if self.in_terminal:
            number = _count(len(self.in_terminal), "modules")
            lines.append(f"  left to runs in a terminal: {number}, and what imports them")
            lines += [f"    {name} {why}" for name, why in list(self.in_terminal.items())[:limit]]
        if self.changed:
            lines.append(f"  changed: {self.changed}")
        if self.inputs:
            counts = ", ".join(_count(number, kind) for kind, number in self.inputs.items() if number)
            lines.append(f"  watched: {counts}")
        if self.next_state:
            lines.append(f"  the next run would be {_NEXT.get(self.next_state, self.next_state)}")
        return "\n".join(lines)


def _count(number: int, kind: str) -> str:
    if number == 1:
        kind = kind[:-3] + "y" if kind.endswith("ies") else kind.removesuffix("s")
    return f"{number} {kind}"


def _is_consequence(why: str) -> bool:
    return why.startswith(("imports ", "needs a module")) and why.endswith("left to the run")


def find_answer(program: str, folder: str, key: str, run: Surroundings, base_key: str = "") -> Answer:
    """Put an answer together from the store's files for a program (and for the base it may use)."""
    record = read_record(os.path.join(folder, f"{key}.record"))
    known = read_knowledge(os.path.join(folder, f"{key}.plan"))
    state, reason = read_last(os.path.join(folder, f"{key}.last"))
    if record is None:
        base = read_record(os.path.join(folder, f"{base_key}.record")) if base_key else None
        if state == "unknown":
            reason = "it has not been run with `entrepot run` in this environment yet, or is forgotten"
        if base is None:
            return Answer(program, state, reason, left=dict(known.avoid), next_state="cold")
        change = base.find_change(run)
        answer = describe(program, state, reason, base, dict(known.avoid), change)
        saved = read_info(os.path.join(folder, f"{base_key}.info"))
        next_state = "cold" if change else "base"
        return replace(saved.add_to(answer, base), next_state=next_state)
    change = record.find_change(run)
    answer = describe(program, state, reason, record, dict(known.avoid), change)
    return read_info(os.path.join(folder, f"{key}.info")).add_to(answer, record)


def describe(
    program: str, state: str, reason: str, record: Record, avoid: Mapping[str, str], change: Change | None
) -> Answer:
    """Make an answer from a record. Pure."""
    kinds: dict[str, int] = {}
    for item in record.files:
        kind = "directories" if item.how in ("search", "listing", "start", "bytecode") else "files"
        kinds[kind] = kinds.get(kind, 0) + 1
    kinds["environment variables"] = len(record.env)
    left = {**record.reasons, **avoid}
    left.pop("__main__", None)
    return Answer(
        program,
        state,
        reason,
        reused=len(record.modules),
        left=left,
        changed=str(change) if change else "",
        next_state="warm" if change is None else "base or cold, and prepared anew behind it",
        inputs=kinds,
    )


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is known about an image itself."""

    seconds: float | None = None  # that it saves
    waiting: frozenset[str] = frozenset()  # which of its modules wait to be asked for
    terminal: Mapping[str, str] = field(default_factory=dict)  # module left to runs in a terminal -> why

    def add_to(self, answer: Answer, record: Record) -> Answer:
        """Return an answer that has it too."""
        at_once = len(frozenset(record.modules) - self.waiting)
        return replace(
            answer,
            saved_s=self.seconds,
            waiting=len(self.waiting),
            reused=at_once,
            in_terminal={name: why for name, why in self.terminal.items() if name in self.waiting},
        )


def read_info(path: str) -> ImageInfo:
    """Read what is known about an image; nothing, where there is nothing, or it is damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            info = json.load(file)
        seconds = info.get("seconds")
        return ImageInfo(
            float(seconds) if seconds is not None else None,
            frozenset(info.get("waiting", ())),
            {str(name): str(why) for name, why in info.get("terminal", {}).items()},
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return ImageInfo()


def read_last(path: str) -> tuple[str, str]:
    """Return the client's last decision: state and reason."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read().partition("\0")[0].strip()
    except OSError:
        return "unknown", ""
    state, _, reason = text.partition(" ")
    state = state.rstrip(":")
    return (state, reason) if state in ("warm", "part", "base", "cold") else ("unknown", text)
