"""Names of modules: parents, children, and relative names made absolute.

Pure: knows neither modules nor files. Language reference 5.7 (package relative imports),
PEP 328 and PEP 366 (`__package__`).
"""

import sys
from _warnings import warn

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# From 3.12 on the disagreement of __package__ and __spec__ is a DeprecationWarning.
_DISAGREEMENT: type[Warning] = DeprecationWarning if sys.version_info >= (3, 12) else ImportWarning
_NO_PACKAGE = "can't resolve package from __spec__ or __package__, falling back on __name__ and __path__"


def resolve_relative(name: str, package: str, level: int) -> str:
    """Return the absolute name of a relative import.

    `level` is the number of leading dots: `resolve_relative("c", "a.b", 2)` is `"a.c"`.

    Raises:
        ImportError: there are more dots than packages.
    """
    parts = package.rsplit(".", level - 1)
    if len(parts) < level:
        raise ImportError("attempted relative import beyond top-level package")
    return f"{parts[0]}.{name}" if name else parts[0]


def split_dots(name: str) -> tuple[str, int]:
    """Return a name without its leading dots, and how many there were."""
    bare = name.lstrip(".")
    return bare, len(name) - len(bare)


def resolve_in_statement(name: str, globals: "Any", level: int, stacklevel: int) -> str:
    """Return the absolute name of a statement's relative import.

    The interpreter does this in C, with other words than importlib's functions: those above.
    Warnings are attributed `stacklevel` frames above this one.

    Raises:
        TypeError: the namespace is no dict, or what it says of its package is no string.
        KeyError: the namespace does not say where it is.
        ImportError: there is no package, or there are more dots than packages.
    """
    if globals is None:
        raise KeyError("'__name__' not in globals")
    if not isinstance(globals, dict):
        raise TypeError("globals must be a dict")
    package = globals.get("__package__")
    spec = globals.get("__spec__")
    if package is not None:
        if not isinstance(package, str):
            raise TypeError("package must be a string")
        if spec is not None and package != spec.parent:
            warn("__package__ != __spec__.parent", _DISAGREEMENT, stacklevel + 1)
    elif spec is not None:
        package = spec.parent
        if not isinstance(package, str):
            raise TypeError("__spec__.parent must be a string")
    else:
        warn(_NO_PACKAGE, ImportWarning, stacklevel + 1)
        if "__name__" not in globals:
            raise KeyError("'__name__' not in globals")
        package = globals["__name__"]
        if not isinstance(package, str):
            raise TypeError("__name__ must be a string")
        if "__path__" not in globals:
            package = package.rpartition(".")[0]
    if not package:
        raise ImportError("attempted relative import with no known parent package")
    return resolve_relative(name, package, level)


def check_request(name: object, package: object, level: int) -> None:
    """Refuse arguments that no import statement could have.

    Raises:
        TypeError: the name, or a package that is needed, is not a string.
        ValueError: the level is negative, or there is nothing to import.
        ImportError: a relative import outside of any package.
    """
    if not isinstance(name, str):
        raise TypeError(f"module name must be str, not {type(name)}")
    if level < 0:
        raise ValueError("level must be >= 0")
    if level > 0:
        if not isinstance(package, str):
            raise TypeError("__package__ not set to a string")
        if not package:
            raise ImportError("attempted relative import with no known parent package")
    elif not name:
        raise ValueError("Empty module name")


def find_package(globals: "dict[str, Any]", stacklevel: int) -> "Any":
    """Return the package that relative imports of a namespace start from (PEP 366).

    `__package__` wins, then `__spec__.parent`, then `__name__` and `__path__`; a warning says
    when they disagree or are missing, at `stacklevel` frames above this one.

    Raises:
        KeyError: the namespace has no `__name__` either.
    """
    package = globals.get("__package__")
    spec = globals.get("__spec__")
    if package is not None:
        if spec is not None and package != spec.parent:
            text = f"__package__ != __spec__.parent ({package!r} != {spec.parent!r})"
            warn(text, _DISAGREEMENT, stacklevel + 1)
        return package
    if spec is not None:
        return spec.parent
    warn(_NO_PACKAGE, ImportWarning, stacklevel + 1)
    name = globals["__name__"]
    return name if "__path__" in globals else name.rpartition(".")[0]


frames.disguise()
