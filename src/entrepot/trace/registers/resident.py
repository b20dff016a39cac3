"""The registers of the process that a module may change at import: has one been changed, and which?

`read_signature` is cheap, and asked before and after each module; the others, which say what it was, are read where it
differs. Those registers that `surroundings/resident.py` reads are not here.

Only what a bare interpreter has loaded is imported. Changes nothing.
"""

import _signal  # type: ignore[import-not-found]
import atexit
import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNALS = range(1, 32)


def read_signature(fold: "Callable[..., object]") -> "tuple[object, ...]":
    """Return a few values that differ when one of the process's registers has been changed.

    `fold` is that of the library, or `fold_ids`.
    """
    warnings = sys.modules.get("warnings")
    return (
        len(sys.path),
        len(sys.meta_path),
        len(sys.path_hooks),
        fold(
            _signal.getsignal,
            *(sys.excepthook, sys.displayhook, sys.unraisablehook, sys.stdin, sys.stdout, sys.stderr),
            *(builtins.open, builtins.print),
        ),
        atexit._ncallbacks(),
        len(warnings.filters) if warnings is not None and hasattr(warnings, "filters") else 0,
        sys.getrecursionlimit(),
    )


def fold_ids(getsignal: "Callable[[int], object]", *objects: object) -> object:
    """Return a value that differs when a signal has another handler, or one of the objects is another."""
    return list(map(id, [*map(getsignal, _SIGNALS), *objects]))


def read_handlers() -> "dict[str, object]":
    """Return what is to be called at the end and on signals, as plain values to compare."""
    found: dict[str, object] = {"atexit.register": atexit._ncallbacks()}
    names = {value: name for name, value in vars(_signal).items() if name[:3] == "SIG" and name[3] != "_"}
    for number in _SIGNALS:
        handler = _signal.getsignal(number)
        found[f"signal.signal({names.get(number, number)})"] = (
            handler if type(handler) is int else id(handler)
        )
    return found
