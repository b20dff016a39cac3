"""What a program imported: the record of one run, as a value.

Statements, modules and effects in the order in which they began. Times are seconds from the start
of the trace (`at_s`) or of a span (`wall_s`, `cpu_s`); memory is resident bytes.

A record is frozen, goes to JSON and back without loss, and says which version of the schema it
is written in (`schema.json` beside this file).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from entrepot.errors import ProgramError

VERSION = 1


class BadRecordError(ProgramError):
    """A file that was to be a record and is not. Fields: `path`, `reason`."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.reason}\n  a record is made by:  entrepot trace --format json -o FILE SCRIPT"
        )


class Effect(NamedTuple):
    """Something that was done beyond defining names.

    kind: "output", "read", "wrote", "listed", "directory", "environment" (a variable is read), "putenv",
        "process", "thread", "socket", "warning", "hook", "library" or "patch".
    what: a path, a command, a variable's name, the text written ...
    module: whose top level was being run ("__main__" when none was).
    file, line: the code that did it, called through the standard library or not; top_line: where the module's top
        level stood then, 0 where that is not known.
    """

    kind: str
    what: str
    module: str
    file: str
    line: int
    top_line: int
    at_s: float
    is_import_time: bool
    stream: str = ""


class Statement(NamedTuple):
    """One import statement executed, or one call of `import_module` or `__import__`.

    form: "import", "from", "star", "relative", "import_module", "reload" or "__import__".
    asked: the name as it stands in the source, dots included; names: what stands after `from`.
    function: the function that it stands in, "" at a module's top level.
    depth: how many statements were being executed around it.
    is_cached: whether the module cache answered.
    modules: the modules that it initialised itself, in order (not those that they went on to import).
    """

    number: int
    importer: str
    file: str
    line: int
    form: str
    asked: str
    names: tuple[str, ...]
    function: str
    depth: int
    is_cached: bool
    is_import_time: bool
    at_s: float
    wall_s: float
    modules: tuple[str, ...]
    error: str = ""

    @property
    def absolute(self) -> str:
        """The name that was asked for without dots: relative ones are made absolute, as far as they lead anywhere."""
        bare = self.asked.lstrip(".")
        level = len(self.asked) - len(bare)
        if not level:
            return self.asked
        # A package's own file counts as the package itself.
        is_package = self.file.endswith("/__init__.py")
        parts = self.importer.split(".")
        package = parts[: max(0, len(parts) - level + is_package)]
        return ".".join([*package, *([bare] if bare else [])]) or self.asked


class Module(NamedTuple):
    """One module initialised.

    searched: the folders looked into; origin: where it was found ("" if nowhere, or without a place).
    loader: the loader's class; bytecode: "read", "compiled" or "" (it has no source);
    reason: why it was compiled: "missing", "stale" or "magic"; is_kept: whether its bytecode was kept.
    own_*: without the modules that it imported; wall_s, cpu_s, memory_bytes: with them.
    functions, classes, variables, imported: names of its namespace by kind.
    parent: the module whose top level was being run ("" at the start); statement: who asked.
    """

    name: str
    statement: int
    parent: str
    depth: int
    searched: tuple[str, ...]
    origin: str
    loader: str
    bytecode: str
    reason: str
    at_s: float
    wall_s: float
    own_wall_s: float
    cpu_s: float
    own_cpu_s: float
    memory_bytes: int
    functions: tuple[str, ...]
    classes: tuple[str, ...]
    variables: tuple[str, ...]
    imported: tuple[str, ...]
    error: str = ""
    is_kept: bool = False

    @property
    def is_namespace(self) -> bool:
        """Whether it is a namespace package: folders without `__init__.py`."""
        return self.loader == "NamespaceLoader"


class Namespace(NamedTuple):
    """What a module that ran as the program had at its end.

    file: its source, "" where it has none; functions, classes, variables, imported: its names by kind.
    """

    file: str
    functions: tuple[str, ...]
    classes: tuple[str, ...]
    variables: tuple[str, ...]
    imported: tuple[str, ...]


class Failure(NamedTuple):
    """The exception that ended the program.

    kind: its type's name; text: what it says; wanted: the name that was not to be had, or "";
    module: the module that it was wanted of, or ""; known: the names that this module has;
    places: (file, line, function, module) of each frame, outermost first.
    """

    kind: str
    text: str
    wanted: str
    module: str
    known: tuple[str, ...]
    places: tuple[tuple[str, int, str, str], ...]


class Record(NamedTuple):
    """The record of one run.

    command: what was run, as given; python: the interpreter's version; status: the exit status
    (negative: the signal that ended it); preloaded: modules that were there before the program.
    main: the namespace of `__main__` at the end (None where the program did not let the trace end).
    failure: the exception that nobody caught, if that ended it.
    is_complete: False where the program ended without letting the trace end (`os._exit`, a signal).
    untold: how many more statements there were, answered from the cache, of those that a program executed
    so often (hundreds of thousands in all) that the rest was only counted.
    """

    command: tuple[str, ...]
    python: str
    status: int
    wall_s: float
    preloaded: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    modules: tuple[Module, ...] = ()
    effects: tuple[Effect, ...] = ()
    main: Namespace | None = None
    failure: Failure | None = None
    is_complete: bool = True
    untold: int = 0
    version: int = VERSION

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the record as JSON text: on one line, or with `indent` one line for each entry."""
        from entrepot.trace.json_text import write_record

        return write_record(self, is_one_line=indent is None)

    @staticmethod
    def from_json(text: str) -> Record:
        """Return the record that `to_json` wrote.

        Raises:
            ValueError: the text is not such a record, or one of a later version.
        """
        import json

        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("not a record of entrepot trace: it is no JSON") from None
        if not isinstance(data, dict) or not isinstance(data.get("version"), int) or "modules" not in data:
            raise ValueError("not a record of entrepot trace: it has no version and modules")
        if data["version"] > VERSION:
            raise ValueError(
                f"the record is of version {data['version']}, this entrepot reads up to {VERSION}: upgrade entrepot"
            )
        try:
            lists = {"statements": Statement, "modules": Module, "effects": Effect}
            for key, kind in lists.items():
                data[key] = tuple(_from_mapping(kind, item) for item in data[key])
            if data.get("failure"):
                data["failure"]["places"] = tuple(tuple(place) for place in data["failure"]["places"])
                data["failure"] = _from_mapping(Failure, data["failure"])
            if data.get("main"):
                data["main"] = _from_mapping(Namespace, data["main"])
            record: Record = _from_mapping(Record, data)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a record of entrepot trace: {error}") from None
        return record

    def find_parents(self) -> list[int]:
        """Return for each module the index of the one whose top level led to it, -1 where none did.

        By index, because a name may be there twice: a module that failed is initialised again.
        """
        latest: dict[str, int] = {}
        parents = []
        for index, module in enumerate(self.modules):
            parents.append(latest.get(module.parent, -1) if module.parent else -1)
            latest[module.name] = index
        return parents

    def get_module(self, name: str) -> Module:
        """Return a module's entry. Raises KeyError where it was not initialised in this run."""
        for module in self.modules:
            if module.name == name:
                return module
        raise KeyError(name)

    def effects_of(self, name: str) -> tuple[Effect, ...]:
        """Return what a module's top level did."""
        return tuple(effect for effect in self.effects if effect.module == name and effect.is_import_time)


def read_record(path: str) -> Record:
    """Return the record in a file.

    Raises:
        BadRecordError: there is none.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return Record.from_json(file.read())
    except OSError as error:
        raise BadRecordError(path=path, reason=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise BadRecordError(path=path, reason="not a record of entrepot trace: it is no text") from None
    except ValueError as error:
        raise BadRecordError(path=path, reason=str(error)) from None


def _from_mapping(kind: Any, data: Mapping[str, Any]) -> Any:
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name in kind._fields
    }
    return kind(**values)
