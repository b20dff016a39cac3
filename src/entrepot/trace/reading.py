"""From the lines that a traced program wrote to a record.

The lines are those of `tracing/resident.py`. Statements and modules nest, each thread for itself;
own times come from the nesting. A program that was killed leaves some open: they end with the last line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from entrepot.trace.records import Effect, Failure, Module, Record, Statement

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass
class _OpenModule:
    name: str
    statement: int
    parent: str
    depth: int
    wall_ns: int
    cpu_ns: int
    pages: int
    searched: list[str] = field(default_factory=list)
    inner_wall_ns: int = 0
    inner_cpu_ns: int = 0
    index: int = 0


@dataclass
class _OpenStatement:
    value: Statement
    wall_ns: int
    modules: list[str] = field(default_factory=list)


@dataclass
class _Thread:
    statements: list[_OpenStatement] = field(default_factory=list)
    modules: list[_OpenModule] = field(default_factory=list)


class _Reader:
    def __init__(self) -> None:
        self.start_ns = 0
        self.now_ns = 0
        self.cpu_ns = 0
        self.python = ""
        self.preloaded: tuple[str, ...] = ()
        self.statements: list[Statement] = []
        self.modules: list[Module | None] = []
        self.effects: list[Effect] = []
        self.threads: dict[str, _Thread] = {}
        self.is_complete = False
        self.failure: Failure | None = None

    @property
    def at_s(self) -> float:
        return (self.now_ns - self.start_ns) / 1e9

    def read(self, line: str) -> None:
        kind, wall, cpu, thread_name, *fields = line.rstrip("\n").split("\t")
        self.now_ns = int(wall)
        if cpu != "0":
            self.cpu_ns = int(cpu)
        thread = self.threads.setdefault(thread_name, _Thread())
        getattr(self, f"read_{kind}")(thread, [unquote(text) for text in fields])

    def read_A(self, thread: _Thread, fields: list[str]) -> None:
        self.start_ns = self.now_ns
        self.python = fields[0]
        self.preloaded = tuple(fields[1].split(","))

    def read_J(self, thread: _Thread, fields: list[str]) -> None:
        line, file, importer, level, name, names, cached, function = fields
        listed = tuple(names.split(",")) if names else ()
        form = "star" if listed == ("*",) else "relative" if level != "0" else "from" if listed else "import"
        value = Statement(
            number=len(self.statements),
            importer=importer,
            file=file,
            line=int(line),
            form=form,
            asked="." * int(level) + name,
            names=listed,
            function=function,
            depth=len(thread.statements),
            is_cached=cached == "1",
            is_import_time=not function and (bool(thread.modules) or importer == "__main__"),
            at_s=self.at_s,
            wall_s=0.0,
            modules=(),
        )
        self.statements.append(value)
        thread.statements.append(_OpenStatement(value, self.now_ns))

    def read_K(self, thread: _Thread, fields: list[str]) -> None:
        self.read_J(thread, fields)
        self.close_statement(thread.statements.pop())

    def read_j(self, thread: _Thread, fields: list[str]) -> None:
        if thread.statements:
            self.close_statement(thread.statements.pop())

    def close_statement(self, opened: _OpenStatement, error: str = "") -> None:
        number = opened.value.number
        self.statements[number] = replace(
            self.statements[number],
            wall_s=(self.now_ns - opened.wall_ns) / 1e9,
            modules=tuple(opened.modules),
            # A relative or dotted name is in the cache if nothing had to be initialised for it.
            is_cached=not opened.modules and not self.statements[number].error,
        )

    def read_C(self, thread: _Thread, fields: list[str]) -> None:
        name, form, importer, file, line, function = fields
        if form:
            self.add_call(thread, form, name, importer, file, line, function, is_cached=True)

    def add_call(
        self,
        thread: _Thread,
        form: str,
        name: str,
        importer: str,
        file: str,
        line: str,
        function: str,
        *,
        is_cached: bool,
    ) -> int:
        """Add a call of `import_module`: a statement that is over when it begins, but for its module."""
        self.statements.append(
            Statement(
                number=len(self.statements),
                importer=importer,
                file=file,
                line=int(line),
                form=form,
                asked=name,
                names=(),
                function=function,
                depth=len(thread.statements),
                is_cached=is_cached,
                is_import_time=not function,
                at_s=self.at_s,
                wall_s=0.0,
                modules=() if is_cached else (name,),
            )
        )
        return len(self.statements) - 1

    def read_B(self, thread: _Thread, fields: list[str]) -> None:
        name, pages, form, importer, file, line, function = fields
        if form:
            number = self.add_call(thread, form, name, importer, file, line, function, is_cached=False)
        elif thread.statements:
            number = thread.statements[-1].value.number
            thread.statements[-1].modules.append(name)
        else:
            number = -1
        parent = thread.modules[-1].name if thread.modules else ""
        opened = _OpenModule(
            name,
            number,
            parent,
            len(thread.modules),
            self.now_ns,
            self.cpu_ns,
            int(pages),
            index=len(self.modules),
        )
        thread.modules.append(opened)
        self.modules.append(None)

    def read_F(self, thread: _Thread, fields: list[str]) -> None:
        if thread.modules:
            thread.modules[-1].searched.append(fields[0])

    def read_E(self, thread: _Thread, fields: list[str]) -> None:
        name, pages, origin, loader, bytecode, namespace = fields
        self.close_module(thread, name, int(pages), origin, loader, bytecode, namespace, "")

    def read_X(self, thread: _Thread, fields: list[str]) -> None:
        name, pages, kind, text = fields
        error = f"{kind}: {text}" if text else kind
        self.close_module(thread, name, int(pages), "", "", "", "", error)
        if thread.statements:
            number = thread.statements[-1].value.number
            self.statements[number] = replace(self.statements[number], error=error)

    def close_module(
        self,
        thread: _Thread,
        name: str,
        pages: int,
        origin: str,
        loader: str,
        bytecode: str,
        namespace: str,
        error: str,
    ) -> None:
        if not thread.modules:
            return
        opened = thread.modules.pop()
        wall_ns, cpu_ns = self.now_ns - opened.wall_ns, self.cpu_ns - opened.cpu_ns
        if thread.modules:
            thread.modules[-1].inner_wall_ns += wall_ns
            thread.modules[-1].inner_cpu_ns += cpu_ns
        kinds = dict(part.partition(":")[::2] for part in namespace.split("|") if part)
        names = {letter: tuple(text.split(",")) for letter, text in kinds.items()}
        self.modules[opened.index] = Module(
            name=opened.name,
            statement=opened.statement,
            parent=opened.parent,
            depth=opened.depth,
            searched=tuple(opened.searched),
            origin=origin,
            loader=loader,
            bytecode="compiled" if bytecode.startswith("!") else "read" if bytecode else "",
            reason=bytecode.strip("!+") if bytecode.startswith("!") else "",
            is_kept=bytecode.endswith("+"),
            at_s=(opened.wall_ns - self.start_ns) / 1e9,
            wall_s=wall_ns / 1e9,
            own_wall_s=(wall_ns - opened.inner_wall_ns) / 1e9,
            cpu_s=cpu_ns / 1e9,
            own_cpu_s=(cpu_ns - opened.inner_cpu_ns) / 1e9,
            memory_bytes=max(0, pages - opened.pages) * _PAGE_BYTES,
            functions=names.get("f", ()),
            classes=names.get("c", ()),
            variables=names.get("v", ()),
            imported=names.get("i", ()),
            error=error,
        )
        if (
            thread.statements
            and opened.statement >= 0
            and self.statements[opened.statement].form
            in (
                "import_module",
                "reload",
            )
        ):
            self.statements[opened.statement] = replace(
                self.statements[opened.statement], wall_s=wall_ns / 1e9, error=error
            )

    def read_D(self, thread: _Thread, fields: list[str]) -> None:
        kind, what, module, file, line, top_line = fields
        self.add_effect(thread, kind, what, module, file, line, top_line)

    def add_effect(
        self,
        thread: _Thread,
        kind: str,
        what: str,
        module: str,
        file: str,
        line: str,
        top_line: str,
        stream: str = "",
    ) -> None:
        self.effects.append(
            Effect(
                kind, what, module, file, int(line), int(top_line), self.at_s, bool(thread.modules), stream
            )
        )

    def read_O(self, thread: _Thread, fields: list[str]) -> None:
        number, text, writer, file, line = fields
        module = thread.modules[-1].name if thread.modules else writer
        stream = "stdout" if number == "1" else "stderr"
        last = self.effects[-1] if self.effects else None
        if (
            last
            and last.kind == "output"
            and (last.file, last.line, last.stream) == (file, int(line), stream)
        ):
            # print() writes the text and the line's end apart.
            self.effects[-1] = replace(last, what=(last.what + text)[:200])
            return
        self.add_effect(thread, "output", text, module, file, line, "0", stream)

    def read_U(self, thread: _Thread, fields: list[str]) -> None:
        category, text, file, line = fields
        module = thread.modules[-1].name if thread.modules else "__main__"
        self.add_effect(thread, "warning", f"{category}: {text}", module, file, line, "0")

    def read_H(self, thread: _Thread, fields: list[str]) -> None:
        patched, name, source, file, line = fields
        effect = Effect("patch", f"{patched}.{name}", source, file, int(line), 0, self.at_s, True)
        self.effects.append(effect)

    def read_T(self, thread: _Thread, fields: list[str]) -> None:
        kind, text, wanted, module, known, places = fields
        found = [place.split("\x1f") for place in places.split("|") if place]
        self.failure = Failure(
            kind,
            text,
            wanted,
            module,
            tuple(known.split(",")) if known else (),
            tuple((file, int(line), function, name) for file, line, function, name in found),
        )

    def read_Z(self, thread: _Thread, fields: list[str]) -> None:
        self.is_complete = True

    def end(self) -> None:
        """Close what is open still: the program was killed, or ended in the middle of an import."""
        for thread in self.threads.values():
            while thread.modules:
                pages = thread.modules[-1].pages
                self.close_module(thread, thread.modules[-1].name, pages, "", "", "", "", "unfinished")
            while thread.statements:
                self.close_statement(thread.statements.pop())


def read_record(lines: Iterable[str], command: Sequence[str], status: int, wall_s: float) -> Record | None:
    """Return the record of a run from the lines that it wrote; None where there are none."""
    reader = _Reader()
    for line in lines:
        try:
            reader.read(line)
        except (ValueError, AttributeError):
            # Cut off in the middle by the program's death, or written into by a program
            # that closes and reuses descriptors: the others are good.
            continue
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
        modules=tuple(module for module in reader.modules if module is not None),
        effects=tuple(reader.effects),
        failure=reader.failure,
        is_complete=reader.is_complete,
    )


def unquote(text: str) -> str:
    """Return the text that the traced program quoted."""
    if "\\" not in text:
        return text
    return text.replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\0", "\\")
