"""A record as sentences that a beginner follows: what the interpreter did, step by step.

The record says what happened; the sources beside it say only at which line execution goes on after an import.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from os.path import basename, dirname, isabs, relpath

from entrepot.trace.records import Effect, Module, Record, Statement
from entrepot.trace.sources import list_renamed, name_holder, parse_file

_VERBS = {
    "output": "writes {what!r}",
    "read": "reads the file {what}",
    "wrote": "writes to the file {what}",
    "directory": "changes the working directory to {what}",
    "process": "starts a process: {what}",
    "thread": "starts a thread: {what}",
    "environment": "reads {what} from the environment",
    "putenv": "sets the environment variable {what}",
    "socket": "uses the network: {what}",
    "warning": "warns: {what}",
    "hook": "changes {what} for the whole program",
    "library": "opens the shared library {what}",
    "patch": "replaces {what} by a function of its own",
}
_HOOKS = {
    "atexit.register": "registers a function to be called when the program ends",
    "signal.signal": "sets what is to happen on the signal {of}",
    "sys.setrecursionlimit": "changes the recursion limit",
    "warnings.filters": "changes which warnings are shown",
}
_WHY_COMPILED = {
    "missing": "because there was no bytecode of it yet",
    "stale": "because its bytecode was older than the file",
    "magic": "because its bytecode was made by another version of Python",
}
_WITHOUT_FILE = {
    "built-in": "It is built into the interpreter",
    "frozen": "It is frozen into the interpreter",
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
        self.main = find_main(record)
        self.sources: dict[str, list[ast.stmt]] = {}
        self.renamed: dict[str, dict[int, dict[str, str]]] = {}  # by file, then line

    def lines(self) -> Iterator[str]:
        record = self.record
        number = len(record.preloaded)
        there = f"{_count(number, 'module')} {'is' if number == 1 else 'are'}"
        yield f"Python {record.python} starts. {there} in the module cache already."
        yield f"It runs {name_command(record)} as the module __main__."
        events: list[tuple[float, int, Statement | Effect]] = []
        events += [(s.at_s, 0, s) for s in record.statements if self.is_told(s.file)]
        events += [(e.at_s, 1, e) for e in record.effects if e.kind in _VERBS and self.is_told(e.file)]
        events.sort(key=lambda event: (event[0], event[1]))
        events = _join_reads(events)
        opened: list[tuple[float, Statement, str]] = []
        for at_s, _, event in events:
            while opened and opened[-1][0] <= at_s:
                yield from self.end(*opened.pop()[1:])
            indent = "  " * len(opened)
            if isinstance(event, Effect):
                yield f"{indent}{self.name_place(event.file, event.line)} {self.name_effect(event)}."
                continue
            yield indent + self.begin(event)
            for module in self.modules.get(event.number, []):
                yield f"{indent}  {self.describe(module)}"
            if event.number in self.modules:
                opened.append((event.at_s + event.wall_s, event, indent))
        while opened:
            yield from self.end(*opened.pop()[1:])
        if record.failure:
            kind, text = record.failure.kind, record.failure.text
            yield f"The program ends with an error that nobody caught: {kind}{': ' + text if text else ''}."
        yield f"The exit status is {record.status}."

    def name_effect(self, effect: Effect) -> str:
        what = self.name_file(effect.what) if effect.kind in ("read", "wrote") else effect.what
        name, _, of = what.partition("(")
        if effect.kind == "hook" and name in _HOOKS:
            return _HOOKS[name].format(of=of.rstrip(")"))
        return _VERBS[effect.kind].format(what=_shorten(what))

    def is_told(self, file: str) -> bool:
        return not self.own_only or is_own_file(file)

    # ---- the beginning of an import

    def begin(self, statement: Statement) -> str:
        where = self.name_place(statement.file, statement.line)
        if statement.function:
            body = self.read_source(statement.file)
            where += f", in {name_holder(body, statement.line, statement.function)},"
        sentence = f"{where} {self.verb(statement)}."
        if statement.is_cached:
            unfinished = self.find_unfinished(statement)
            sentence += (
                f" {unfinished} is in the module cache, but only half made: it is still being run."
                if unfinished
                else " It is in the module cache: nothing is run."
            )
            sentence += self.bound(statement)
        return sentence

    def verb(self, statement: Statement) -> str:
        asked = self.name_asked(statement)
        if statement.form in ("import_module", "reload", "__import__"):
            return f"calls {statement.form} for {asked}"
        if statement.names == ("*",):
            return f"imports all public names from {asked}"
        if statement.names:
            return f"imports {_join(statement.names)} from {asked}"
        return f"imports {asked}"

    def name_asked(self, statement: Statement) -> str:
        """Return the name of a module as a reader knows it: relative names are made absolute."""
        asked = statement.asked
        return f"{statement.absolute} (written {asked})" if asked.startswith(".") else asked

    def find_unfinished(self, statement: Statement) -> str:
        """Return the module that a statement got from the cache while it was still being run, or ""."""
        wanted = statement.absolute
        for module in self.record.modules:
            if module.name == wanted and module.at_s <= statement.at_s < module.at_s + module.wall_s:
                # Its own import of a part of itself is no half-made module to wonder about.
                return "" if statement.importer == wanted else wanted
        return ""

    def describe(self, module: Module) -> str:
        text = f"{module.name} is not in the module cache. "
        if module.error:
            if not module.origin and module.error.startswith("ModuleNotFoundError"):
                places = _join([self.name_folder(folder) for folder in dict.fromkeys(module.searched)])
                return text + f"It was looked for in {places or 'the path'} and not found: {module.error}."
            return text + f"Running it ends in an error: {module.error}."
        text += self.found(module)
        counts = [
            _count(len(module.functions), "function"),
            _count(len(module.classes), "class", "classes"),
            _count(len(module.variables), "variable"),
        ]
        defined = _join([count for count in counts if count])
        if module.is_namespace:
            return text + ". There is nothing to run."
        return text + (f". Running it defines {defined}." if defined else ". It is run.")

    def found(self, module: Module) -> str:
        if module.origin in _WITHOUT_FILE:
            return _WITHOUT_FILE[module.origin]
        if module.is_namespace:
            return "Found a folder without __init__.py: a namespace package"
        if not module.origin:
            return f"It has no file: {module.loader} makes it"
        where = self.name_where(module.origin)
        if module.loader == "ExtensionFileLoader":
            return f"Found {basename(module.origin).partition('.')[0]}, a library of machine code{where}"
        text = f"Found {self.name_file(module.origin)}{where}"
        if module.bytecode == "compiled":
            text += (
                f"; compiled, {_WHY_COMPILED.get(module.reason, 'because its bytecode could not be used')}"
            )
            text += (
                "; the bytecode is kept in __pycache__" if module.is_kept else "; the bytecode is not kept"
            )
        elif module.bytecode == "read":
            text += "; its bytecode is taken from __pycache__"
        return text

    # ---- the end of an import

    def end(self, statement: Statement, indent: str) -> Iterator[str]:
        where = self.name_place(statement.file, statement.line)
        if statement.error:
            yield f"{indent}The import in {where} has failed."
            return
        names = [module.name for module in self.modules[statement.number]]
        kept = f"{_join(names)} {'is' if len(names) == 1 else 'are'} now in the module cache."
        following = _following(self.read_source(statement.file), statement.line, 0)
        goes_on = (
            f"Execution goes back to {self.name_place(statement.file, following)}."
            if following
            else f"Execution goes on after {where}."
        )
        yield f"{indent}{kept}{self.bound(statement)} {goes_on}"

    def bound(self, statement: Statement) -> str:
        """Return the sentence on the names that a statement binds, with a space before it."""
        if statement.form in ("import_module", "reload", "__import__"):
            return ""
        module = statement.absolute
        if statement.names == ("*",):
            return f" Its public names become names of {statement.importer} too."
        renamed = self.find_renamed(statement)
        names = statement.names or (statement.asked,)
        taken = [renamed.get(name, name if statement.names else name.partition(".")[0]) for name in names]
        body = self.read_source(statement.file)
        holder = name_holder(body, statement.line, statement.function, taken) or statement.importer
        holder = holder.removeprefix("the class ")
        if statement.names:
            bound = [name for name in statement.names if name not in renamed]
            listed = _join([repr(name) for name in bound])
            parts = [f"names {listed} are bound to what {module} calls so"] if bound else []
            if len(bound) == 1:
                parts = [f"name {listed} is bound to what {module} calls so"]
            parts += [
                f"name {renamed[name]!r} is bound to what {module} calls {name!r}"
                for name in statement.names
                if name in renamed
            ]
            return f" {holder}'s " + ", and its ".join(parts) + "."
        if statement.asked in renamed or taken == [statement.asked]:
            return f" {holder}'s name {taken[0]!r} is bound to it."
        return f" {holder} reaches it through its name {taken[0]!r}."

    # ---- places

    def find_renamed(self, statement: Statement) -> dict[str, str]:
        file = statement.file
        if file not in self.renamed:
            self.renamed[file] = list_renamed(self.read_source(file))
        return self.renamed[file].get(statement.line, {})

    def read_source(self, file: str) -> list[ast.stmt]:
        if file not in self.sources:
            self.sources[file] = parse_file(file)
        return self.sources[file]

    def name_place(self, file: str, line: int) -> str:
        return f"{self.name_file(file)} line {line}" if file else "The program"

    def name_file(self, file: str) -> str:
        if file == "<string>":
            of_c = "the code of -c"
            return of_c if name_command(self.record) == of_c else "code given to exec()"
        if not isabs(file):
            return file
        if self.main and file.startswith(dirname(self.main) + "/"):
            return relpath(file, dirname(self.main))
        for folder, _ in _FOREIGN:
            if file.startswith(folder):
                return relpath(file, folder)
        return file

    def name_where(self, file: str) -> str:
        if self.main and dirname(file) == dirname(self.main):
            return f" beside {basename(self.main)}"
        return next((f" {words}" for folder, words in _FOREIGN if file.startswith(folder)), "")

    def name_folder(self, folder: str) -> str:
        if self.main and folder == dirname(self.main):
            return f"the folder of {basename(self.main)}"
        return self.name_file(folder) or "."


def _join_reads(
    events: list[tuple[float, int, Statement | Effect]],
) -> list[tuple[float, int, Statement | Effect]]:
    """Return the events with what one line reads from the environment as one."""
    joined: list[tuple[float, int, Statement | Effect]] = []
    for at_s, order, event in events:
        last = joined[-1][2] if joined else None
        if (
            isinstance(event, Effect)
            and isinstance(last, Effect)
            and (event.kind, event.file, event.line) == ("environment", last.file, last.line)
            and last.kind == "environment"
        ):
            joined[-1] = (*joined[-1][:2], last._replace(what=f"{last.what}, {event.what}"))
        else:
            joined.append((at_s, order, event))
    return joined


_FOREIGN = [
    (sysconfig.get_path("platlib") + "/", "among the installed packages"),
    (sysconfig.get_path("purelib") + "/", "among the installed packages"),
    (sysconfig.get_path("platstdlib") + "/lib-dynload/", "in the standard library"),
    (sysconfig.get_path("stdlib") + "/lib-dynload/", "in the standard library"),
    (sysconfig.get_path("stdlib") + "/", "in the standard library"),
]


def find_main(record: Record) -> str:
    """Return the file of the module __main__, "" where it has none or never showed itself."""
    files = [statement.file for statement in record.statements if statement.importer == "__main__"]
    files += [effect.file for effect in record.effects if effect.module == "__main__"]
    if record.main:
        files.insert(0, record.main.file)
    return next((file for file in files if isabs(file)), "")


def name_command(record: Record) -> str:
    """Return what was run, in words."""
    words = list(record.command)
    while words and words[0].startswith("-") and words[0] not in ("-c", "-m", "-"):
        words = words[2:] if words[0] in ("-X", "-W") else words[1:]
    if words[:1] == ["-c"]:
        return "the code of -c"
    if words[:1] == ["-m"] and len(words) > 1:
        return f"the module {words[1]}"
    return words[0] if words and words[0] != "-" else "what comes on standard input"


def _following(body: list[ast.stmt], line: int, after: int) -> int:
    """Return the line at which execution goes on after the import at `line` in a list of statements.

    0 where the source does not say for certain. after: the first line of what follows the list.
    """
    for number, node in enumerate(body):
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        sibling = body[number + 1] if number + 1 < len(body) else None
        following = sibling.lineno if sibling is not None else after
        if isinstance(node, ast.Import) and len(node.names) > 1:
            return 0  # the statement itself goes on, with its next module
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return following
        # A loop comes again, a function returns, a class is finished: the next line is not that of the list.
        is_plain = isinstance(node, (ast.If, ast.With))
        for field in ("body", "orelse"):
            inner = getattr(node, field, [])
            if inner and inner[0].lineno <= line <= (inner[-1].end_lineno or 0):
                return _following(inner, line, following if is_plain else 0)
        return 0
    return 0


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


def _join(words: list[str] | tuple[str, ...]) -> str:
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]
