"""Begin to trace this process, and end it: puts the watchers together.

    statements      import statements, modules, searches         (`statements/resident.py`)
    effects         what modules do beyond defining names        (`effects/resident.py`)
    output          who writes what                              (`output/resident.py`)
    journal         where all of them write it down              (`journal/resident.py`)

Only what a bare interpreter has loaded is imported.
"""

import atexit
import posix
import sys
from _thread import get_ident
from time import perf_counter

from entrepot.core import frames
from entrepot.trace.effects import resident as _effects
from entrepot.trace.facts import resident as _facts
from entrepot.trace.journal.resident import Journal
from entrepot.trace.output import resident as _output
from entrepot.trace.registers import resident as _registers
from entrepot.trace.statements import resident as _statements
from entrepot.trace.surroundings import resident as _surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def start(log: int, token: str, details: str) -> None:
    """Begin to trace this process.

    Args:
        log: the descriptor to write to.
        token: makes marks for labels in the output, "" none.
        details: "all" for memory and every module's names, "own" for the names of the program's modules; with
            "+python" behind it nothing written in C takes part.
    """
    parts: tuple[Any, ...] = (_surroundings, _statements, _registers, _effects, _output, _facts, frames)
    journal = Journal(log)
    watcher = _effects.EffectWatcher({__file__, *[str(part.__file__) for part in parts]})
    details, _, how = details.partition("+")
    native = None if how == "python" else _statements.load_native()
    observer = watcher.observer = _statements.StatementObserver(journal, watcher.tell, details, native)

    def begin() -> None:
        """Forget what the interpreter itself did to make the program's path, and to start us."""
        observer.reset_registers()
        cost = observer.measure_cost()
        python = sys.version.partition(" ")[0]
        journal.events[:] = ["A", get_ident(), perf_counter(), cost, python, _facts.list_modules()]

    def finish() -> None:
        """Note what can only be seen at the end."""
        thread = get_ident()
        watcher.busy.add(thread)
        for patch in _facts.find_patches():
            journal.events.extend(("H", thread, *patch))
        main = _facts.read_namespace(sys.modules.get("__main__"))
        spec = main.get("__spec__")
        file = watcher.file or getattr(spec, "origin", None) or ""
        journal.events.extend(("M", thread, file, _facts.sort_names(main, "__main__")))
        error = getattr(sys, "last_value", None)
        if error is not None:
            journal.events.extend(("T", thread, *_facts.describe_error(error)))
        journal.events.extend(("Z", thread))
        journal.flush()
        if native is not None:
            native.stop()
        watcher.busy.discard(thread)

    watcher.on_begin = begin
    for name, watch in (("warnings", _effects.watch_warnings), ("threading", _effects.watch_threads)):
        if name in sys.modules:
            watch(watcher)
        else:
            observer.on_module[name] = lambda watch=watch: watch(watcher)  # type: ignore[misc]
    output = _output.OutputWatcher(watcher, token)
    output.arm()
    atexit.register(finish)
    posix.register_at_fork(after_in_child=journal.abandon)
    posix.register_at_fork(after_in_child=output.renew)
    if native is not None:
        native.listen(watcher.make_hook())
    else:
        sys.addaudithook(watcher.make_hook())
    observer.arm()
    begin()


def forget_new(known: "set[str]", root: str) -> None:
    """Take what importing this package has left out of the interpreter's state."""
    for name in [name for name in sys.modules if name not in known and name.partition(".")[0] == "entrepot"]:
        del sys.modules[name]
    for entry in [entry for entry in sys.path_importer_cache if entry.startswith(root)]:
        del sys.path_importer_cache[entry]
