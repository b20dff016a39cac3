"""The record of a run as steps to go through, forward and back, and the picture that belongs to each.

A step is one thing that Python does for an import, in the words of the language reference, chapter 5:
the statement is reached, the module cache is asked, the path is searched, the module is found, compiled or
taken from bytecode, entered in the module cache, executed, and bound to a name. Modules that are not the
program's own are told in one step each.

What a namespace holds at a step is worked out from the source: a module's top level has bound what
stands above the line that it has reached; what the record saw at its end decides about conditions. So names
that a module makes without writing them (`globals()[name] = ...`) appear when it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from os.path import basename

MOST_BOXES = 12  # modules drawn with their namespaces: those touched last
PREFIX = "__main__"


@dataclass(frozen=True, slots=True)
class Change:
    """What a step does to the picture.

    kind: "begin" (a module enters the cache and begins), "reach" (its top level has come to a line), "end" (it is
    ready), "fail" (it left the cache again), "bind" (names are bound), "others" (so many foreign modules more).
    """

    kind: str
    module: str
    line: int = 0
    names: tuple[tuple[str, str, str], ...] = ()  # name, kind, the module that it comes from
    count: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step. kind: "start", "statement", "cached", "search", "found", "compile", "read", "cache", "execute",
    "foreign", "finish", "bind", "output", "effect", "error", "explain" or "end". depth: of the imports around it.
    file, line: what to light up in the source. searched: folders, for "search".
    """

    kind: str
    text: str
    module: str
    file: str
    line: int
    depth: int
    changes: tuple[Change, ...] = ()
    searched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that a line of a module's top level binds. kind: "function", "class", "variable" or "import"."""

    line: int
    name: str
    kind: str


@dataclass
class Steps:
    """All steps of a record, and what is needed to draw the picture at any of them."""

    steps: list[Step]
    preloaded: int
    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    final: dict[str, frozenset[str]] = field(default_factory=dict)
    is_cut: bool = False

    def draw(self, number: int) -> dict[str, object]:
        """Return the picture after a step, as a value for `static/picture.js`."""
        drawing = _Drawing(self)
        for step in self.steps[:number]:
            drawing.take(step)
        drawing.forget_news()
        drawing.take(self.steps[number])
        return drawing.result(self.steps[number])


class _Drawing:
    """The picture, kept up from step to step."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.state: dict[str, str] = {}
        self.rows: dict[str, dict[str, tuple[str, str]]] = {}
        self.stack: list[str] = []
        self.lines: dict[str, int] = {}
        self.touched: dict[str, int] = {}
        self.new: set[tuple[str, str]] = set()
        self.others = 0
        self.clock = 0

    def forget_news(self) -> None:
        self.new.clear()

    def take(self, step: Step) -> None:
        self.clock += 1
        if step.line and step.module in self.state:
            self.lines[step.module] = step.line
        if step.module:
            self.touched[step.module] = self.clock
        for change in step.changes:
            self.touched[change.module] = self.clock
            getattr(self, f"_{change.kind}")(change)

    def _begin(self, change: Change) -> None:
        self.state[change.module] = "running"
        self.rows.setdefault(change.module, {})
        self.stack.append(change.module)
        self.new.add((change.module, ""))

    def _reach(self, change: Change) -> None:
        for found in self.steps.definitions.get(change.module, []):
            if found.line >= change.line:
                break
            self._put(change.module, found.name, found.kind)

    def _put(self, module: str, name: str, kind: str, target: str = "") -> None:
        rows = self.rows.setdefault(module, {})
        final = self.steps.final.get(module)
        # An import binds in a step of its own.
        if kind == "import" or name.startswith("__") or (final is not None and name not in final):
            return
        if name not in rows:
            self.new.add((module, name))
        rows[name] = (kind, target)

    def _end(self, change: Change) -> None:
        self._reach(Change("reach", change.module, 1 << 30))
        self.state[change.module] = "ready"
        if change.module in self.stack:
            self.stack.remove(change.module)

    def _fail(self, change: Change) -> None:
        self.state.pop(change.module, None)
        self.rows.pop(change.module, None)
        if change.module in self.stack:
            self.stack.remove(change.module)

    def _bind(self, change: Change) -> None:
        for name, kind, target in change.names:
            # `final` is of the end: a name may be deleted by then.
            rows = self.rows.setdefault(change.module, {})
            self.new.add((change.module, name))
            rows[name] = (kind, target)

    def _others(self, change: Change) -> None:
        self.others += change.count

    def result(self, step: Step) -> dict[str, object]:
        shown = sorted(self.rows, key=lambda name: -self.touched.get(name, 0))[:MOST_BOXES]
        boxes = [name for name in self.rows if name in shown]
        return {
            "stack": [{"module": name, "line": self.lines.get(name, 0)} for name in self.stack],
            "preloaded": self.steps.preloaded,
            "others": self.others,
            "cache": [
                {"name": name, "state": state, "is_new": (name, "") in self.new} for name, state in self.state.items()
            ],
            "modules": [
                {
                    "name": name, "file": basename(self.steps.files.get(name, "")), "state": self.state.get(name, ""),
                    "is_lit": name == step.module, "is_new": (name, "") in self.new,
                    "rows": [
                        {"name": row, "kind": kind, "target": target, "is_new": (name, row) in self.new, "is_lit": False}
                        for row, (kind, target) in self.rows[name].items()
                    ],
                }
                for name in boxes
            ],
            "hidden": len(self.rows) - len(boxes),
        }  # fmt: skip
