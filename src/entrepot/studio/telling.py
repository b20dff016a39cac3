"""From the record of a run to its steps: what is told, in which order, in which words.

Statements begin, modules begin and end inside them, statements end: the record has the time of each. Modules that are
not the program's own are told in one step each. The words are those of the language reference, chapter 5.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from os.path import basename, dirname, isabs, relpath

from entrepot.studio.steps import PREFIX, Change, Definition, Step, Steps
from entrepot.trace.explain import explain
from entrepot.trace.records import Effect, Module, Record, Statement
from entrepot.trace.sources import list_renamed, name_holder

MOST_STEPS = 20_000


def make_steps(record: Record, main: str, is_own: Callable[[str], bool], read: Callable[[str], str]) -> Steps:
    """Return the steps of a record.

    Args:
        record: of a run.
        main: the path of the file that was run as `__main__` ("" where it is not known).
        is_own: whether a path is one of the program's own files.
        read: returns a file's text; raises OSError or ValueError where there is none.
    """
    return _Teller(record, main, is_own, read).tell()


class _Teller:
    def __init__(
        self, record: Record, main: str, is_own: Callable[[str], bool], read: Callable[[str], str]
    ) -> None:
        self.record = record
        self.main = main or next((s.file for s in record.statements if s.importer == PREFIX), "")
        self.is_own = is_own
        self.read = read
        self.trees: dict[str, list[ast.stmt]] = {}
        self.renamed: dict[str, dict[int, dict[str, str]]] = {}  # by file, then line
        self.by_statement: dict[int, list[Module]] = {}
        for module in record.modules:
            self.by_statement.setdefault(module.statement, []).append(module)
        self.files = {module.name: module.origin for module in record.modules if is_own(module.origin)}
        self.files[PREFIX] = self.main

    def tell(self) -> Steps:
        record = self.record
        told = Steps([], len(record.preloaded), files=self.files)
        for name, file in self.files.items():
            told.definitions[name] = self.read_definitions(file)
        for module in record.modules:
            if module.name in self.files and not module.error:
                names = (*module.functions, *module.classes, *module.variables, *module.imported)
                told.final[module.name] = frozenset(names)
        told.steps += islice(self.steps(), MOST_STEPS + 1)
        told.is_cut = len(told.steps) > MOST_STEPS
        del told.steps[MOST_STEPS:]
        return told

    def read_definitions(self, file: str) -> list[Definition]:
        return sorted(find_definitions(self.parse(file)), key=lambda found: found.line)

    def parse(self, file: str) -> list[ast.stmt]:
        """Return a file's statements, none where it cannot be read or is no Python."""
        if file not in self.trees:
            try:
                self.trees[file] = ast.parse(self.read(file)).body
            except (OSError, ValueError, SyntaxError):
                self.trees[file] = []
        return self.trees[file]

    def steps(self) -> Iterator[Step]:
        record = self.record
        yield Step(
            "start",
            f"Python {record.python} starts. {len(record.preloaded)} modules are in the module cache already. "
            f"It runs {self.show(self.main) or ' '.join(record.command)} as the module __main__.",
            PREFIX, self.main, 1, 0, (Change("begin", PREFIX),),
        )  # fmt: skip
        for event in self.order_events():
            yield from event()
        yield from self.end()

    def order_events(self) -> Iterator[Callable[[], Iterator[Step]]]:
        """Yield what happened, in order: statements begin, modules begin and end inside them, statements end."""
        events: list[tuple[float, int, int, Callable[[], Iterator[Step]]]] = []
        for statement in self.record.statements:
            if not self.is_own(statement.file):
                continue
            ends = statement.at_s + statement.wall_s
            depth = statement.depth
            if statement.is_cached:
                # It took no time: what begins and ends at once would be out of order.
                events.append((statement.at_s, 3, depth, lambda s=statement: self.answer(s)))  # type: ignore[misc]
                continue
            events.append((statement.at_s, 3, depth, lambda s=statement: self.begin(s)))  # type: ignore[misc]
            for module in self.by_statement.get(statement.number, []):
                if not self.is_own(module.origin) and module.origin:
                    continue
                events.append((module.at_s, 4, depth, lambda m=module, s=statement: self.begin_module(m, s)))  # type: ignore[misc]
                if not module.error:
                    at = min(module.at_s + module.wall_s, ends)
                    events.append((at, 0, -depth, lambda m=module, s=statement: self.end_module(m, s)))  # type: ignore[misc]
            events.append((ends, 1, -depth, lambda s=statement: self.bind(s)))  # type: ignore[misc]
        # That bytecode is kept is told where the module is compiled.
        effects = [e for e in self.record.effects if self.is_own(e.file) and "__pycache__" not in e.what]
        events += [(effect.at_s, 2, 0, lambda e=effect: self.effect(e)) for effect in effects]  # type: ignore[misc]
        events.sort(key=lambda event: event[:3])
        for event in events:
            yield event[3]

    def begin(self, statement: Statement) -> Iterator[Step]:
        where = f"{self.show(statement.file)} line {statement.line}"
        if statement.function:
            where += f", in {self.name_holder(statement)}"
        written = self.line_of(statement.file, statement.line) or f"import {statement.asked}"
        reach = () if statement.function else (Change("reach", statement.importer, statement.line),)
        yield Step("statement", f"{where}: {written}", statement.importer, statement.file, statement.line,
                   statement.depth, reach)  # fmt: skip
        if statement.is_cached:
            return
        foreign = [
            m for m in self.by_statement.get(statement.number, []) if m.origin and not self.is_own(m.origin)
        ]
        if foreign:
            inside = self.count_below(foreign)
            more = (
                f", and {inside} more that {'it needs' if len(foreign) == 1 else 'they need'}"
                if inside
                else ""
            )
            names = ", ".join(m.name for m in foreign) + (" is" if len(foreign) == 1 else " are")
            place = _describe_place(foreign[0].origin)
            yield Step("foreign", f"{names} not in the module cache: found in {place}, and run{more}.",
                       statement.importer, statement.file, statement.line, statement.depth + 1,
                       (Change("others", "", count=len(foreign) + inside),))  # fmt: skip

    def answer(self, statement: Statement) -> Iterator[Step]:
        yield from self.begin(statement)
        yield Step("cached", f"{statement.absolute} is in the module cache already: nothing is run again.",
                   statement.importer, statement.file, statement.line, statement.depth)  # fmt: skip
        yield from self.bind(statement)

    def count_below(self, modules: list[Module]) -> int:
        began, ended = modules[0].at_s, max(m.at_s + m.wall_s for m in modules)
        known = {m.name for m in modules}
        return sum(
            began <= m.at_s <= ended and m.name not in known and not self.is_own(m.origin)
            for m in self.record.modules
        )

    def begin_module(self, module: Module, statement: Statement) -> Iterator[Step]:
        depth = statement.depth + 1
        name, place = module.name, (statement.file, statement.line)
        folders = tuple(dict.fromkeys(self.show(folder) or "." for folder in module.searched))
        where = ", ".join(folders[:4]) + (f" and {len(folders) - 4} more" if len(folders) > 4 else "")
        yield Step("search", f"{name} is not in the module cache. The path is searched" + (f": {where}." if where else "."),
                   statement.importer, *place, depth, (), folders)  # fmt: skip
        if module.error and not module.origin:
            yield Step("error", f"{name} was not found: {module.error}", statement.importer, *place, depth)
            return
        found = (
            self.show(module.origin)
            if isabs(module.origin)
            else "a folder without __init__.py"
            if module.is_namespace
            else module.origin or f"what {module.loader} makes"
        )
        yield Step("found", f"Found: {found}.", name, *place, depth)
        if module.bytecode == "compiled":
            reason = {"missing": "there is no bytecode of it yet", "stale": "its bytecode is older than the source",
                      "magic": "its bytecode is another Python's"}.get(module.reason, module.reason)  # fmt: skip
            kept = ", and the bytecode is kept in __pycache__" if module.is_kept else ""
            yield Step(
                "compile", f"{found} is compiled, because {reason}{kept}.", name, module.origin, 1, depth
            )
        elif module.bytecode == "read":
            yield Step(
                "read", f"The bytecode of {found} is taken from __pycache__.", name, module.origin, 1, depth
            )
        yield Step("cache", f"A new, empty module {name} enters the module cache, before its code runs.",
                   name, *place, depth, (Change("begin", name),))  # fmt: skip
        if module.is_namespace:
            return  # there is nothing to run
        yield Step("execute", f"Execution jumps to {found}: its code runs, in its own namespace.", name,
                   module.origin, 1, depth)  # fmt: skip
        if module.error:
            yield Step("error", f"Running {name} ends in {module.error}. It leaves the module cache again.",
                       name, module.origin, 1, depth, (Change("fail", name),))  # fmt: skip

    def end_module(self, module: Module, statement: Statement) -> Iterator[Step]:
        counts = [
            _count(len(module.functions), "function"),
            _count(len(module.classes), "class", "classes"),
            _count(len(module.variables), "variable"),
        ]
        made = _join([count for count in counts if count])
        holds = f"holds {made} of its own" if made else "holds no names of its own"
        yield Step("finish", f"{module.name} has run to its end. Its namespace {holds}.", module.name,
                   module.origin, 0, statement.depth + 1, (Change("end", module.name),))  # fmt: skip
        parent, _, child = module.name.rpartition(".")
        if parent in self.files:
            yield Step("bind", f"The module is bound in its parent: {parent} has the name {child!r} now.", parent,
                       statement.file, statement.line, statement.depth + 1,
                       (Change("bind", parent, names=((child, "module", module.name),)),))  # fmt: skip

    def bind(self, statement: Statement) -> Iterator[Step]:
        importer = statement.importer
        if statement.error:
            place = f"{self.show(statement.file)} line {statement.line}"
            yield Step("error", f"The import in {place} has failed: {statement.error}.", importer,
                       statement.file, statement.line, statement.depth)  # fmt: skip
            return
        if statement.form in ("import_module", "reload", "__import__"):
            return
        base = statement.absolute
        if statement.file not in self.renamed:
            self.renamed[statement.file] = list_renamed(self.parse(statement.file))
        renamed = self.renamed[statement.file].get(statement.line, {})
        names = self.list_star(base) if statement.names == ("*",) else find_bound(statement, base, renamed)
        back = (
            ""
            if statement.is_cached
            else f"Execution goes back to {self.show(statement.file)} line {statement.line}: "
        )
        where = self.name_holder(statement, [name for name, _, _ in names]) or importer
        if statement.names == ("*",):
            text = f"every public name of {base} becomes a name of {where} too."
        elif len(names) == 1:
            text = f"the name {names[0][0]!r} of {where} is bound to " + (
                f"the module {names[0][2]}."
                if names[0][1] == "module"
                else f"what {names[0][2]} has under that name."
            )
        else:
            listed = ", ".join(repr(name) for name, _, _ in names)
            text = f"the names {listed} of {where} are bound to what {base} has under them."
        changes = (Change("bind", importer, names=names),) if where == importer else ()
        yield Step(
            "bind", _capital(back + text), importer, statement.file, statement.line, statement.depth, changes
        )

    def name_holder(self, statement: Statement, names: Iterable[str] = ()) -> str:
        """Return whose names a statement binds where they are not the module's."""
        if not statement.function:
            return ""
        return name_holder(self.parse(statement.file), statement.line, statement.function, names)

    def list_star(self, base: str) -> tuple[tuple[str, str, str], ...]:
        """Return what a star import brings: what `__all__` says where it is written out, else the public names."""
        module = next((m for m in self.record.modules if m.name == base), None)
        if module is None:
            return ()
        names = (*module.functions, *module.classes, *module.variables, *module.imported)
        public = [name for name in names if not name.startswith("_")]
        for node in self.parse(module.origin):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                with suppress(ValueError, TypeError):  # it is not written out
                    public = [str(name) for name in ast.literal_eval(node.value)]
        return tuple((name, "imported", base) for name in public)

    def effect(self, effect: Effect) -> Iterator[Step]:
        line = effect.top_line if effect.file != self.files.get(effect.module) else effect.line
        reach = (
            (Change("reach", effect.module or PREFIX, line),) if line and effect.module in self.files else ()
        )
        where = f"{self.show(effect.file)} line {effect.line}"
        if effect.kind == "output":
            text = effect.what.rstrip("\n")
            text = text if len(text) <= 160 else text[:159] + "…"
            yield Step(
                "output", f"{where} writes {text!r}.", effect.module, effect.file, effect.line, 0, reach
            )
        elif effect.kind in ("warning", "patch", "process", "thread", "socket", "wrote"):
            yield Step("effect", f"{where}: {effect.kind} {effect.what[:160]}", effect.module, effect.file, effect.line,
                       0, reach)  # fmt: skip

    def end(self) -> Iterator[Step]:
        failure = self.record.failure
        if failure is not None:
            places = [place for place in failure.places if self.is_own(place[0])] or list(failure.places)
            file, line = (places[-1][0], places[-1][1]) if places else (self.main, 1)
            yield Step("error", f"{failure.kind}: {failure.text}", PREFIX, file, line, 0)
            explanation = explain(self.record)
            if explanation:
                yield Step("explain", " ".join(explanation.split()), PREFIX, file, line, 0)
        changes = () if failure is not None else (Change("end", PREFIX),)
        yield Step(
            "end",
            f"The program ends with exit status {self.record.status}.",
            PREFIX,
            self.main,
            0,
            0,
            changes,
        )

    def show(self, file: str) -> str:
        """Return a path as a learner knows it: from the program's folder."""
        folder = dirname(self.main)
        if file == folder:
            return "the program's folder"
        if folder and file.startswith(folder + "/"):
            return relpath(file, folder)
        return file if not isabs(file) or not self.is_own(file) else basename(file)

    def line_of(self, file: str, line: int) -> str:
        try:
            return self.read(file).splitlines()[line - 1].strip()
        except (OSError, ValueError, IndexError):
            return ""


def find_bound(
    statement: Statement, base: str, renamed: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Return what an import statement binds: name, kind, and the module that it leads to.

    base: the module that it names; renamed: what follows `as` in the source, which the record does not say.
    """
    if statement.names:
        return tuple(
            (renamed.get(name, name), "module", f"{base}.{name}")
            if f"{base}.{name}" in statement.modules
            else (renamed.get(name, name), "imported", base)
            for name in statement.names
        )
    if statement.asked in renamed:
        return ((renamed[statement.asked], "module", statement.asked),)
    top = statement.asked.partition(".")[0]
    return ((top, "module", top),)


def find_definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """Yield what the statements of a top level bind, at the line where each has done so."""
    for node in body:
        line = node.end_lineno or node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Definition(line, node.name, "function")
        elif isinstance(node, ast.ClassDef):
            yield Definition(line, node.name, "class")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield Definition(line, alias.asname or alias.name.partition(".")[0], "import")
        elif isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
            for name in ("body", "orelse", "finalbody"):
                yield from find_definitions(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from find_definitions(handler.body)
            if isinstance(node, ast.For):
                yield from _find_stored(node.target)
        else:
            yield from _find_stored(node)


def _find_stored(node: ast.AST) -> Iterator[Definition]:
    for found in ast.walk(node):
        if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store):
            yield Definition(found.end_lineno or found.lineno, found.id, "variable")


def _describe_place(origin: str) -> str:
    if not isabs(origin):
        return f"the interpreter itself ({origin})"
    return "an installed package" if "site-packages" in origin else "the standard library"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}" if number else ""


def _join(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
