"""From the events that a traced program wrote down to a record.

The events are those of `journal/resident.py`. Modules nest, each thread for itself: a module begins (B) and
ends (E, X) around those that it imports, and own times come from that. An import statement only begins (S): the
modules that the interpreter then goes to find are its own, until the same top level executes the next one. A
program that was killed leaves modules open: they end with the last event.

What the watching itself took is taken out of all times: between `entered` and `at` of a module's beginning, and
between `at` and `left` of its end, nothing of the program ran, so the clock of the record stands still there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from entrepot.trace.journal.resident import WIDTHS, unpack
from entrepot.trace.records import Effect, Failure, Module, Namespace, Record, Statement

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_IMPORTLIB = frozenset(
    ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", "<frozen zipimport>")
)
_LONGEST_OUTPUT = 200
_WIDTH_S = WIDTHS["S"]


class _OpenModule:
    """A module that has begun and not ended.

    host: the module whose top level leads to it; its times are part of the host's. is_first: it is a package that is
    imported before the module in it that was asked for, which lies below it and has not really begun yet.
    """

    __slots__ = (
        *("name", "index", "statement", "host", "is_first", "depth", "statement_depth", "last_statement"),
        *("began", "at_s", "cpu_s", "pages", "searched", "inner_s", "inner_cpu_s"),
    )  # fmt: skip

    def __init__(self, name: str, index: int, statement: int, host: _OpenModule | None) -> None:
        self.name = name
        self.index = index
        self.statement = statement
        self.host = host
        self.is_first = False
        self.depth: int = -1 if host is None else host.depth + 1
        self.statement_depth: int = (
            0 if host is None else host.statement_depth + (statement != host.statement)
        )
        self.began = 0.0
        self.searched: list[str] = []
        self.last_statement = -1
        self.begin(0.0, 0.0, 0)

    def begin(self, at_s: float, cpu_s: float, pages: int) -> None:
        """Count from here."""
        self.at_s, self.cpu_s, self.pages = at_s, cpu_s, pages
        self.inner_s = self.inner_cpu_s = 0.0


class _Reader:
    """Takes events in order. Has a method for each letter."""

    def __init__(self) -> None:
        self.start = 0.0
        self.cost = 0.0  # seconds that watching one statement takes
        self.lost = 0.0  # seconds that went into watching so far
        self.now_s = 0.0  # the time of the event at hand, since the start, without those
        self.cpu_s = 0.0
        self.python = ""
        self.preloaded: tuple[str, ...] = ()
        self.statements: list[Statement] = []
        self.begun: list[float] = []  # when, on the program's own clock, by number of statement
        # What is only known later of a statement: number -> its modules, when the last of them ended; its error.
        self.own_modules: dict[int, list[str]] = {}
        self.ends: dict[int, float] = {}
        self.errors: dict[int, str] = {}
        self.modules: list[Module | None] = []
        self.initialised: dict[str, float] = {}  # when
        self.effects: list[Effect] = []
        self.threads: dict[int, list[_OpenModule]] = {}
        self.is_complete = False
        self.untold = 0
        self.main: Namespace | None = None
        self.failure: Failure | None = None

    def open_modules(self, thread: int) -> list[_OpenModule]:
        """Return a thread's open modules, outermost first, below a first one that stands for no module."""
        found = self.threads.get(thread)
        if found is None:
            found = self.threads[thread] = [_OpenModule("", -1, -1, None)]
        return found

    def read(self, events: Sequence[Any]) -> None:
        """Take some events, flat."""
        takers = {letter: getattr(self, f"read_{letter}", self.read_error) for letter in WIDTHS}
        at, end = 0, len(events)
        while at < end:
            letter = events[at]
            if letter == "S":
                # Most events by far: all that follow one another at once.
                at = self.read_statements(events, at, end)
            else:
                following = at + WIDTHS[letter]
                takers[letter](*events[at + 1 : following])
                at = following

    def set_clock(self, at: float) -> None:
        """Take the time of an event. It never goes back: what watching one statement takes is an estimate."""
        self.now_s = max(self.now_s, at - self.start - self.lost)

    def set_clocks(self, at: float, cpu: float) -> None:
        """Take the times of an event: those of the program without the watching."""
        self.set_clock(at)
        self.cpu_s = cpu - self.lost

    def read_A(self, thread: int, at: float, cost: float, python: str, preloaded: tuple[str, ...]) -> None:
        self.__init__()  # type: ignore[misc]
        self.start = at
        self.cost = cost
        self.python, self.preloaded = python, preloaded

    def read_statements(self, events: Sequence[Any], at: int, end: int) -> int:
        """Take the events S from `at` on, up to one of another kind. Returns where that is."""
        statements, begun, make = self.statements, self.begun, tuple.__new__
        cost, now_s = self.cost, self.now_s
        since = self.start + self.lost
        while at < end and events[at] == "S":
            _, thread, began, line, file, qualname, importer, name, names, level = events[at : at + _WIDTH_S]
            at += _WIDTH_S
            if file in _IMPORTLIB:
                continue  # what the import system itself imports is its own affair
            if began - since > now_s:
                now_s = began - since
            since += cost
            begun.append(began)
            around = (self.threads.get(thread) or self.open_modules(thread))[-1]
            number = around.last_statement = len(statements)
            if names is None:
                form, names = "import", ()
            elif type(names) is tuple and names:
                form = "star" if names == ("*",) else "relative" if level else "from"
            else:
                form, names = "__import__", tuple([str(item) for item in names])
            if type(name) is not str or type(importer) is not str or type(level) is not int:
                # A program may call `__import__` with anything, and be anything's.
                name, importer, level = str(name), str(importer or "?"), 0
            if level:
                name = "." * level + name
                form = form if form == "star" else "relative"
            function = "" if qualname == "<module>" else qualname
            is_import_time = not function and (around.depth >= 0 or importer == "__main__")
            fields = (
                *(number, importer, file, line, form, name, names, function, around.statement_depth),
                *(True, is_import_time, now_s, 0.0, (), ""),
            )
            # Half the time that `Statement(...)` takes.
            statements.append(make(Statement, fields))
        self.lost = since - self.start
        self.now_s = now_s
        return at

    def read_error(self, thread: int, at: float, kind: str, text: str) -> None:
        for number in range(len(self.begun) - 1, -1, -1):
            if self.begun[number] == at:
                self.errors[number] = f"{kind}: {text}" if text else kind
            if self.begun[number] <= at:
                return

    def read_C(self, thread: int, at: float, name: str, caller: tuple[str, str, str, int, str]) -> None:
        self.set_clock(at)
        if caller[0]:
            self.add_call(self.open_modules(thread)[-1], name, caller)

    def add_call(self, around: _OpenModule, name: str, caller: tuple[str, str, str, int, str]) -> int:
        """Add a call of `import_module` or `reload`."""
        form, importer, file, line, qualname = caller
        self.begun.append(0.0)
        function = "" if qualname == "<module>" else qualname
        self.statements.append(
            Statement(
                number=len(self.statements),
                importer=importer,
                file=file,
                line=line,
                form=form,
                asked=name,
                names=(),
                function=function,
                depth=around.statement_depth,
                is_cached=True,
                is_import_time=not function,
                at_s=self.now_s,
                wall_s=0.0,
                modules=(),
            )
        )
        return len(self.statements) - 1

    def read_B(
        self,
        thread: int,
        entered: float,
        at: float,
        cpu: float,
        pages: int,
        name: str,
        caller: tuple[str, str, str, int, str] | tuple[()] | None,
    ) -> None:
        self.lost += at - entered
        self.set_clocks(at, cpu)
        opened = self.open_modules(thread)
        around = host = opened[-1]
        is_first = caller == () and around.host is not None
        if is_first:
            host = around.host or around
            number = around.statement
        elif caller:
            number = self.add_call(around, name, caller) if caller[0] else -1
        else:
            number = around.last_statement
        begun = _OpenModule(name, len(self.modules), number, host)
        begun.is_first, begun.began = is_first, self.now_s
        begun.begin(self.now_s, self.cpu_s, pages)
        opened.append(begun)
        self.modules.append(None)

    def read_F(self, thread: int, folder: str) -> None:
        opened = self.open_modules(thread)
        if len(opened) > 1:
            opened[-1].searched.append(folder)

    def read_E(
        self,
        thread: int,
        at: float,
        left: float,
        cpu: float,
        pages: int,
        name: str,
        origin: str,
        loader: str,
        bytecode: str,
        is_kept: bool,
        names: str,
    ) -> None:
        self.set_clocks(at, cpu)
        found = (origin, loader, bytecode, is_kept, *_split_names(names))
        self.close_module(self.open_modules(thread), pages, found, "")
        self.lost += left - at

    def read_X(
        self,
        thread: int,
        at: float,
        left: float,
        cpu: float,
        pages: int,
        name: str,
        kind: str,
        text: str,
        origin: str,
    ) -> None:
        self.set_clocks(at, cpu)
        error = f"{kind}: {text}" if text else kind
        self.close_module(self.open_modules(thread), pages, (origin, "", "", False, (), (), (), ()), error)
        self.lost += left - at

    def close_module(self, opened: list[_OpenModule], pages: int, found: tuple[Any, ...], error: str) -> None:
        if len(opened) < 2:
            return
        ended = opened.pop()
        host = ended.host or opened[0]
        origin, loader, bytecode, is_kept, functions, classes, variables, imported = found
        wall_s = self.now_s - ended.at_s
        cpu_s = max(0.0, self.cpu_s - ended.cpu_s)
        host.inner_s += wall_s
        host.inner_cpu_s += cpu_s
        if ended.is_first:
            # Only now does the module below it begin.
            opened[-1].begin(self.now_s, self.cpu_s, pages)
        if not error and self.initialised.get(ended.name, -1.0) > ended.began:
            # Its package imported it by itself, so it was there when its turn came.
            return
        self.initialised[ended.name] = self.now_s
        if ended.statement >= 0:
            self.own_modules.setdefault(ended.statement, []).append(ended.name)
        self.modules[ended.index] = Module(
            name=ended.name,
            statement=ended.statement,
            parent=host.name,
            depth=ended.depth,
            searched=tuple(ended.searched),
            origin=origin,
            loader=loader,
            bytecode="compiled" if bytecode and bytecode != "read" else bytecode,
            reason=bytecode if bytecode != "read" else "",
            at_s=ended.at_s,
            wall_s=wall_s,
            own_wall_s=max(0.0, wall_s - ended.inner_s),
            cpu_s=cpu_s,
            own_cpu_s=max(0.0, cpu_s - ended.inner_cpu_s),
            memory_bytes=max(0, pages - ended.pages) * _PAGE_BYTES,
            functions=functions,
            classes=classes,
            variables=variables,
            imported=imported,
            error=error,
            is_kept=is_kept,
        )
        if ended.statement >= 0:
            self.ends[ended.statement] = self.now_s
            if error and self.statements[ended.statement].form in ("import_module", "reload"):
                self.errors[ended.statement] = error

    def read_D(
        self, thread: int, at: float, kind: str, what: str, module: str, file: str, line: int, top_line: int
    ) -> None:
        self.set_clock(at)
        is_import_time = len(self.open_modules(thread)) > 1
        self.effects.append(Effect(kind, what, module, file, line, top_line, self.now_s, is_import_time))

    def read_O(
        self,
        thread: int,
        at: float,
        number: int,
        text: str,
        writer: str,
        file: str,
        line: int,
        top_line: int,
    ) -> None:
        self.set_clock(at)
        opened = self.open_modules(thread)
        stream = "stdout" if number == 1 else "stderr"
        last = self.effects[-1] if self.effects else None
        if last and last.kind == "output" and (last.file, last.line, last.stream) == (file, line, stream):
            # print() writes the text and the line's end apart.
            self.effects[-1] = last._replace(what=(last.what + text)[:_LONGEST_OUTPUT])
            return
        module = opened[-1].name or writer
        self.effects.append(
            Effect("output", text, module, file, line, top_line, self.now_s, len(opened) > 1, stream)
        )

    def read_U(self, thread: int, at: float, category: str, text: str, file: str, line: int) -> None:
        self.set_clock(at)
        opened = self.open_modules(thread)
        module = opened[-1].name or "__main__"
        what = f"{category}: {text}"
        self.effects.append(Effect("warning", what, module, file, line, 0, self.now_s, len(opened) > 1))

    def read_M(self, thread: int, file: str, names: str) -> None:
        self.main = Namespace(file, *_split_names(names))

    def read_H(self, thread: int, patched: str, name: str, source: str, file: str, line: int) -> None:
        self.effects.append(Effect("patch", f"{patched}.{name}", source, file, line, 0, self.now_s, True))

    def read_T(self, thread: int, *fields: Any) -> None:
        self.failure = Failure(*fields)

    def read_L(self, thread: int, seconds: float) -> None:
        self.lost += seconds

    def read_R(self, thread: int, number: int) -> None:
        self.untold += number

    def read_Z(self, thread: int) -> None:
        self.is_complete = True

    def end(self) -> None:
        """Close what is open still, and complete the statements."""
        for opened in self.threads.values():
            while len(opened) > 1:
                found = ("", "", "", False, (), (), (), ())
                self.close_module(opened, opened[-1].pages, found, "unfinished")
        statements = self.statements
        for number, names in self.own_modules.items():
            statement = statements[number]
            wall_s = self.ends.get(number, self.now_s) - statement.at_s
            statements[number] = statement._replace(is_cached=False, wall_s=wall_s, modules=tuple(names))
        for number, error in self.errors.items():
            statements[number] = statements[number]._replace(is_cached=False, error=error)
        if any(effect.kind == "hook" and not effect.file for effect in self.effects):
            from entrepot.trace.changes import place_changes

            modules = [module for module in self.modules if module is not None]
            place_changes(self.effects, modules, statements, self.main)


def _split_names(names: str) -> list[tuple[str, ...]]:
    """Return the names of each kind: functions, classes, variables, taken from elsewhere."""
    return [tuple(line.split("\t")) if line else () for line in (names or "\n\n\n").split("\n")]


def read_record(data: bytes, command: Sequence[str], status: int, wall_s: float) -> Record | None:
    """Return the record of a run from what it wrote; None where it wrote nothing."""
    reader = _Reader()
    for events in unpack(data):
        reader.read(events)
    if not reader.python:
        return None
    reader.end()
    return Record(
        command=tuple(command),
        python=reader.python,
        status=status,
        wall_s=wall_s,
        preloaded=reader.preloaded,
        statements=tuple(reader.statements),
        modules=tuple(sorted(filter(None, reader.modules), key=lambda module: module.at_s)),
        effects=tuple(reader.effects),
        main=reader.main,
        failure=reader.failure,
        is_complete=reader.is_complete,
        untold=reader.untold,
    )
