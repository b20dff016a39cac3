"""What the import system tells those who listen: one small value for each step.

`importer`, `file` and `line` say which statement asked: the module's name, its file, the line.
They are None where no Python code did (the interpreter's start, an embedding program).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Event:
    """A step of importing. Fields: `name` (of the module), `importer`, `file`, `line`, and its own."""

    __slots__ = ("file", "importer", "line", "name")
    fields: "tuple[str, ...]" = ("name", "importer", "file", "line")

    def __init__(self, *values: object, **more: object) -> None:
        for field, value in zip(self.fields, values, strict=False):
            object.__setattr__(self, field, value)
        for field, value in more.items():
            object.__setattr__(self, field, value)

    def __setattr__(self, field: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a value: {field} cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, f) == getattr(other, f) for f in self.fields)

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        text = ", ".join(f"{field}={getattr(self, field)!r}" for field in self.fields)
        return f"{type(self).__name__}({text})"

    if TYPE_CHECKING:
        name: str
        importer: "str | None"
        file: "str | None"
        line: "int | None"


class FromCache(Event):
    """An import was answered from the module cache. `module` is what was there."""

    __slots__ = ("module",)
    fields = (*Event.fields, "module")
    module: "Any"


class Searched(Event):
    """A finder was asked. `finder`: its name; `entry`: the path entry it looked in, or None."""

    __slots__ = ("entry", "finder")
    fields = (*Event.fields, "finder", "entry")
    finder: str
    entry: "str | None"


class Found(Event):
    """The search has ended well. `spec` says where."""

    __slots__ = ("spec",)
    fields = (*Event.fields, "spec")
    spec: "Any"


class Compiled(Event):
    """Source was compiled. `path`: the source; `reason`: "missing", "stale", "magic", "unreadable" or
    "unwanted" (bytecode was missing, made from another text, for another Python, broken, not in use)."""

    __slots__ = ("path", "reason")
    fields = (*Event.fields, "path", "reason")
    path: str
    reason: str


class Started(Event):
    """A module is in the cache and its code begins to run."""

    __slots__ = ("module",)
    fields = (*Event.fields, "module")
    module: "Any"


class Finished(Event):
    """A module's code has run. `seconds`: from its start, with all that it imported."""

    __slots__ = ("module", "seconds")
    fields = (*Event.fields, "module", "seconds")
    module: "Any"
    seconds: float


class Failed(Event):
    """An import has failed. `error` is the exception."""

    __slots__ = ("error",)
    fields = (*Event.fields, "error")
    error: BaseException


class Bound(Event):
    """A name was bound to something imported.

    `namespace`: the module that has the name now, `target`: the name there. For a submodule the
    import system binds it in its parent; everything else is bound by an import statement.
    """

    __slots__ = ("namespace", "target")
    fields = (*Event.fields, "namespace", "target")
    namespace: "str | None"
    target: str
