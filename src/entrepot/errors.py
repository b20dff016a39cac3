"""What the tools can say went wrong, and whose fault it is.

    EntrepotError
    ├── ProgramError      the code we were given
    │   └── Refused       an edit would not keep the program as it is
    ├── SetupError        the machine, or how it is set up
    └── Bug               ours: please report

`core` does not use these: it raises what CPython raises.

Fields come first and the text is made from them, so that another program can ask for
`error.line` instead of reading the sentence. Errors cross processes, so they pickle.
"""

from __future__ import annotations


class EntrepotError(Exception):
    """The parent of all that the tools raise on purpose.

    A subclass takes its fields as keyword arguments, lists them as annotations, and
    makes its text from them in `__str__`.
    """

    exit_status = 1  # of the command that ends with it: 2 for wrong usage

    def __init__(self, **fields: object) -> None:
        super().__init__()
        self.__dict__.update(fields)

    def __reduce__(self) -> tuple[object, ...]:
        return (_remake, (type(self), self.__dict__.copy()))


def _remake(kind: type[EntrepotError], fields: dict[str, object]) -> EntrepotError:
    return kind(**fields)


class ProgramError(EntrepotError):
    """The code we were given cannot be used as asked."""


class SetupError(EntrepotError):
    """The machine, or how it is set up, does not allow it."""


class Bug(EntrepotError):  # noqa: N818 (whose fault it is, said plainly)
    """Something that entrepot got wrong. Please report it."""


class Refused(ProgramError):  # noqa: N818
    """An edit that would not keep the program as it is; nothing was written.

    `reason` says what stands in the way, `path` and `line` where, `way_out` what to do next.
    """

    reason: str
    path: str | None
    line: int | None
    way_out: str | None

    def __init__(
        self, reason: str, path: str | None = None, line: int | None = None, way_out: str | None = None
    ) -> None:
        super().__init__(reason=reason, path=path, line=line, way_out=way_out)

    def __str__(self) -> str:
        place = "" if self.path is None else f"{self.path}:{self.line}: " if self.line else f"{self.path}: "
        rest = "" if self.way_out is None else f"\n  {self.way_out}"
        return f"{place}{self.reason}; nothing was changed{rest}"
