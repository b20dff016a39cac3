"""A record as sentences that a beginner follows: what the interpreter did, step by step."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from os.path import basename, dirname, isabs, relpath

from entrepot.trace.records import Effect, Module, Record, Statement

_KIND_WORDS = {
    "output": "It writes {what!r}.",
    "read": "It reads the file {what}.",
    "wrote": "It writes the file {what}.",
    "directory": "It changes the working directory to {what}.",
    "process": "It starts a process: {what}.",
    "thread": "It starts a thread: {what}.",
    "socket": "It uses the network: {what}.",
    "warning": "It warns: {what}.",
    "hook": "It changes {what}.",
    "library": "It opens the shared library {what}.",
    "patch": "It replaces {what}.",
}


def tell_story(record: Record, *, own_only: bool = True) -> str:
    """Return what happened, one step a line, indented as the steps nest.

    `own_only` tells of the standard library and of installed packages only that they were imported,
    not what they went on to do.
    """
    return "\n".join(_Story(record, own_only).lines()) + "\n"


class _Story:
    def __init__(self, record: Record, own_only: bool) -> None:
        self.record = record
        self.own_only = own_only
        self.modules: dict[int, list[Module]] = {}
        for module in record.modules:
            self.modules.setdefault(module.statement, []).append(module)
        self.origins = {module.name: module.origin for module in record.modules}
        first = next((s for s in record.statements if s.importer == "__main__"), None)
        self.main = first.file if first else ""

    def lines(self) -> Iterator[str]:
        record = self.record
        yield f"Python {record.python} starts. {len(record.preloaded)} modules are in the module cache already."
        yield f"It runs {' '.join(record.command)} as the module __main__."
        events: list[tuple[float, int, object]] = []
        events += [(s.at_s, 0, s) for s in record.statements if self.is_told(s)]
        events += [(e.at_s, 1, e) for e in record.effects if e.kind in _KIND_WORDS and self.is_told_effect(e)]
        events.sort(key=lambda event: (event[0], event[1]))
        opened: list[tuple[float, int, str]] = []
        for at_s, _, event in events:
            while opened and opened[-1][0] <= at_s:
                yield from self.end(opened.pop())
            indent = "  " * (len(opened))
            if isinstance(event, Effect):
                where = f"{self.name_file(event.file)} line {event.line}: " if event.file else ""
                sentence = _KIND_WORDS[event.kind].format(what=_shorten(event.what))
                yield f"{indent}{where}{sentence}"
            elif isinstance(event, Statement):
                yield indent + self.begin(event)
                modules = self.modules.get(event.number, [])
                for module in modules:
                    yield indent + "  " + self.describe(module)
                if modules:
                    opened.append((event.at_s + event.wall_s, event.number, indent))
        while opened:
            yield from self.end(opened.pop())
        yield f"The program ends with exit status {record.status}."

    def is_told(self, statement: Statement) -> bool:
        return not self.own_only or is_own_file(statement.file)

    def is_told_effect(self, effect: Effect) -> bool:
        return not self.own_only or is_own_file(effect.file)

    def begin(self, statement: Statement) -> str:
        where = f"{self.name_file(statement.file)} line {statement.line}"
        if statement.function:
            where += f", in {statement.function}(),"
        sentence = f"{where} {self.verb(statement)}."
        if statement.is_cached:
            sentence += " It is in the module cache: nothing is run." + self.bound(statement)
        return sentence

    @staticmethod
    def verb(statement: Statement) -> str:
        if statement.form in ("import_module", "reload"):
            return f"calls {statement.form} for {statement.asked}"
        if statement.names == ("*",):
            return f"imports all public names from {statement.asked}"
        if statement.names:
            return f"imports {', '.join(statement.names)} from {statement.asked}"
        return f"imports {statement.asked}"

    def describe(self, module: Module) -> str:
        text = f"{module.name} is not in the module cache. "
        if module.error:
            if not module.origin and module.error.startswith("ModuleNotFoundError"):
                places = ", ".join(self.name_file(folder) or "." for folder in dict.fromkeys(module.searched))
                return text + f"It was looked for in {places or 'the path'} and not found: {module.error}."
            return text + f"Running it ends in an error: {module.error}."
        if module.origin and isabs(module.origin):
            text += f"Found {self.name_file(module.origin)}{self.beside(module.origin)}"
        elif module.origin:
            text += f"Found: {module.origin}"
        else:
            text += "Found: a folder without __init__.py, a namespace package"
        if module.bytecode == "compiled":
            text += f"; compiled, because its bytecode was {module.reason}"
            text += ", and the bytecode is kept in __pycache__" if module.is_kept else ""
        elif module.bytecode == "read":
            text += "; its bytecode is taken from __pycache__"
        counts = [
            _count(len(module.functions), "function"),
            _count(len(module.classes), "class", "classes"),
            _count(len(module.variables), "variable"),
        ]
        defined = _join([count for count in counts if count])
        return text + (f". Running it defines {defined}." if defined else ". It is run.")

    def beside(self, file: str) -> str:
        return f" beside {basename(self.main)}" if self.main and dirname(file) == dirname(self.main) else ""

    def end(self, opened: tuple[float, int, str]) -> Iterator[str]:
        _, number, indent = opened
        statement = self.record.statements[number]
        if statement.error:
            yield f"{indent}The import in {self.name_file(statement.file)} line {statement.line} has failed."
            return
        names = [module.name for module in self.modules.get(number, [])]
        kept = f"{_join(names)} {'is' if len(names) == 1 else 'are'} now in the module cache."
        back = f" Execution goes back to {self.name_file(statement.file)} line {statement.line}."
        yield f"{indent}{kept}{self.bound(statement)}{back}"

    def bound(self, statement: Statement) -> str:
        importer = "__main__" if statement.importer == "__main__" else statement.importer
        if statement.form in ("import_module", "reload"):
            return ""
        if statement.names == ("*",):
            return f" Its public names become names of {importer} too."
        if statement.names:
            names = _join([repr(name) for name in statement.names])
            return (
                f" {importer}'s {'name' if len(statement.names) == 1 else 'names'} {names} are bound to it."
                if (len(statement.names) > 1)
                else f" {importer}'s name {names} is bound to what it is there."
            )
        top = statement.asked.partition(".")[0]
        return (
            f" {importer}'s name {top!r} is bound to it."
            if "." not in statement.asked
            else (f" {importer} reaches it through its name {top!r}.")
        )

    def name_file(self, file: str) -> str:
        if not isabs(file):
            return file
        if self.main and file.startswith(dirname(self.main) + "/"):
            return relpath(file, dirname(self.main))
        return file


def is_own_file(file: str) -> bool:
    """Whether a file is the program's own: neither the standard library's nor an installed package's."""
    if not file or file.startswith("<"):
        return file in ("<string>", "<stdin>")
    if "site-packages" in file or "dist-packages" in file or not isabs(file):
        return False
    return not file.startswith(
        (sysconfig.get_path("stdlib") + "/", sys.base_prefix + "/lib/", sys.prefix + "/lib/")
    )


def _shorten(text: str) -> str:
    text = text.rstrip("\n")
    return text if len(text) <= 80 else text[:79] + "…"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}" if number else ""


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""
