"""A context of multiprocessing whose workers start from the warm store.

    context = entrepot.warm.get_context()
    with context.Pool(8) as pool: ...
    ProcessPoolExecutor(mp_context=context)

Its workers are those of `spawn`: new interpreters that import the program's main module as `__mp_main__`, unpickle
what they are to do, and share nothing with the parent but what was passed. Only they are started by `entrepot run`,
with a text that begins with the imports that the main module is going to make. So there is an image of them from
the second time on, and a worker that imports pandas is there in hundredths of a second. Where no run can be warm they
start as spawn's do.

`prepare` waits until the image is there, for programs that start workers once and want that to be fast.

Does not know: what the functions that are called in a worker import themselves (the store learns that from the runs).
"""

from __future__ import annotations

import ast
import functools
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing import context, popen_spawn_posix, process, reduction, resource_tracker, spawn, util
from types import ModuleType
from typing import Any, cast

from entrepot.warm.files import is_external

# What every worker imports before it does its work, or nearly every one when it unpickles that, and would find changed by
# spawn's own beginning.
USED = (
    "sys",
    "multiprocessing.spawn",
    "multiprocessing.resource_tracker",
    "multiprocessing.popen_spawn_posix",
    "multiprocessing.connection",
    "multiprocessing.queues",
    "multiprocessing.synchronize",
    "pkgutil",
)
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_client")
# Called so, the client finds the interpreter that has entrepot beside itself: it starts the keeper with that one.
CALLED = os.path.join(os.path.dirname(sys.executable or ""), "entrepot")


def get_context() -> WarmContext:
    """Return the context: the interface of `multiprocessing.get_context("spawn")`, and `prepare`."""
    return WarmContext()


class Popen(popen_spawn_posix.Popen):
    """A worker, started by `entrepot run`."""

    def _launch(self, process_obj: process.BaseProcess) -> None:
        tracker = resource_tracker.getfd()
        data = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(spawn.get_preparation_data(process_obj.name), data)
            reduction.dump(process_obj, data)
        finally:
            context.set_spawning_popen(None)
        reading, writing = os.pipe()
        ended, living = os.pipe()  # the worker holds the other end of `ended` until it is gone
        self.finalizer = util.Finalize(self, _close, (writing, ended))
        try:
            passed = [*cast(Any, self)._fds, tracker, reading, living]
            path, command = make_command(make_text(), ["--multiprocessing-fork", str(reading), str(tracker)])
            self.pid = util.spawnv_passfds(os.fsencode(path), command, passed)
        finally:
            os.close(reading)
            os.close(living)
        self.sentinel = ended
        with open(writing, "wb", closefd=False) as pipe:
            pipe.write(data.getbuffer())


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class SpawnProcess(context.SpawnProcess):
    """`Process` of this context; named as spawn's, because workers are named after it."""

    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:  # noqa: N802 (multiprocessing's name)
        return Popen(process_obj)

    def __reduce__(self) -> tuple[Any, ...]:
        # In the worker it is spawn's own, so that the worker need not import this module.
        return context.SpawnProcess.__new__, (context.SpawnProcess,), self.__dict__


class WarmContext(context.SpawnContext):
    """`multiprocessing.context.SpawnContext` with workers from the warm store."""

    Process = SpawnProcess

    def prepare(self, wait_s: float = 60.0) -> bool:
        """Wait until workers of this program start warm (at most `wait_s` seconds); return whether they do."""
        path, command = make_command(make_text(), [], asking=True)
        end = time.monotonic() + wait_s
        while path == CLIENT:
            status = subprocess.run(
                command, executable=path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
            ).returncode
            if status == 0:
                return True
            if status != 1 or time.monotonic() > end:
                return False
            time.sleep(0.02)
        return False


def make_command(text: str, arguments: list[str], *, asking: bool = False) -> tuple[str, list[str]]:
    """Return the file to execute and its arguments: the client's, or the interpreter's where there is no client."""
    python = os.fsdecode(spawn.get_executable())
    options = util._args_from_interpreter_flags()  # type: ignore[attr-defined]
    rest = [*options, "-c", text, *arguments]
    if not os.access(CLIENT, os.X_OK):
        return python, [python, *rest]
    return CLIENT, [CALLED, "run", *["--prepare"] * asking, "--python", python, *rest]


def make_text() -> str:
    """Return what a worker runs: imports, then multiprocessing's own beginning of a worker."""
    # Reading the program again for each worker of a pool would be most of what starting one costs the parent.
    return _make_text(sys.modules["__main__"], frozenset(sys.modules))


@functools.lru_cache(maxsize=1)
def _make_text(main: ModuleType, names_there: frozenset[str]) -> str:
    names = find_imports(main, {name: sys.modules[name] for name in names_there if name in sys.modules})
    lines = [f"import {name}" for name in (*USED, *names)]
    return "\n".join([*lines, "multiprocessing.spawn.spawn_main(int(sys.argv[2]), None, int(sys.argv[3]))"])


def find_imports(main: ModuleType, modules: Mapping[str, ModuleType]) -> list[str]:
    """Return the external modules that importing a main module imports, through its own modules too, in order.

    Only what the program has imported already: so it is there, and can be had by its name.
    """
    found: dict[str, None] = {}
    seen = {"__main__", main.__name__}
    waiting = [main]
    while waiting:
        module = waiting.pop(0)
        for name in read_imports(module):
            imported = modules.get(name)
            if imported is None or name in seen:
                continue
            seen.add(name)
            file = getattr(imported, "__file__", None)
            if file is None or is_external(file):
                found[name] = None
            else:
                waiting.append(imported)
    return [name for name in found if all(part.isidentifier() for part in name.split("."))]


def read_imports(module: ModuleType) -> Iterator[str]:
    """Yield the names that a module's top level may import, as its source says; none if there is no source."""
    loader = getattr(module, "__loader__", None)
    try:
        source = loader.get_source(getattr(module.__spec__, "name", None) or module.__name__)  # type: ignore[union-attr]
        body = ast.parse(source or "").body
    except (AttributeError, ImportError, OSError, SyntaxError, ValueError):
        return
    package = module.__package__ or ""
    while body:
        statement = body.pop(0)
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            above = (
                package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
            )
            name = ".".join([*above, *([statement.module] if statement.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.Try):
            body[:0] = statement.body
