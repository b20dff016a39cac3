"""Core under the names of importlib, so that CPython's own tests can take it for importlib.

CPython's suite runs each test twice: on the frozen importlib ("Frozen") and on its pure-Python
twin ("Source"), which it makes by importing the package `importlib` afresh with the frozen half
out of reach. `import_source` does the same with `importlib._bootstrap` and `_bootstrap_external`
taken by two modules made here: every name in them is core's, and one that core has no counterpart
for does not exist. What stands on them in the package (its abstract classes, the functions of
`importlib.util`) is executed anew over ours; what core has itself (`reload`, `LazyLoader`) replaces it.

`Counter` proves that core ran: it sees every call of a function that core defines, and every call
of one that the pure-Python twin defines.
"""

from __future__ import annotations

import _imp
import importlib.util
import sys
import sysconfig
import threading
import types
from typing import Any

from entrepot.core import bytecode, finders, lazy, loaders, locks, modules, names, paths, replacements
from entrepot.core import reload as reloading

HALVES = ("_frozen_importlib", "_frozen_importlib_external")
_importer = modules.Importer(sys)


def make_bootstrap() -> types.ModuleType:
    """Return a module like `importlib._bootstrap` with core's functions and classes."""
    offered: dict[str, Any] = dict(replacements._inner_names(_importer))
    offered.update(
        _setup=lambda sys_module, imp_module: None,
        _load_module_shim=loaders.load_by_name,
        _ModuleLock=locks.ModuleLock,
        _DeadlockError=locks.DeadlockError,
        _blocking_on=locks.waiting,
        _module_locks=_importer.locks.table,
        _get_module_lock=_LockOf,
        _sanity_check=names.check_request,
        _calc___package__=lambda namespace: names.find_package(namespace, 2),
        sys=sys,
        _imp=_imp,
    )
    return _make_module("importlib._bootstrap", offered)


def make_bootstrap_external() -> types.ModuleType:
    """Return a module like `importlib._bootstrap_external` with core's functions and classes."""
    offered: dict[str, Any] = dict(replacements._outer_names())
    offered.update(
        _set_bootstrap_module=lambda module: None,
        _install=_install,
        _os=paths.posix,
        _path_join=paths.join,
        _path_split=paths.split,
        _path_isfile=paths.is_file,
        _path_isdir=paths.is_directory,
        _path_isabs=paths.is_absolute,
        _path_stat=paths.stat,
        _write_atomic=paths.write_atomically,
        _relax_case=finders._ignores_case,
        _pack_uint32=lambda number: (int(number) & 0xFFFFFFFF).to_bytes(4, "little"),
        _unpack_uint32=lambda data: int.from_bytes(data, "little"),
        _code_to_timestamp_pyc=bytecode.dump_with_timestamp,
        _code_to_hash_pyc=bytecode.dump_with_hash,
        _compile_bytecode=bytecode.load_code,
        _classify_pyc=bytecode.read_flags,
        _get_cached=bytecode.find_cached,
        _RAW_MAGIC_NUMBER=bytecode.MAGIC_TOKEN,
        MAGIC_NUMBER=bytecode.MAGIC_NUMBER,
        SOURCE_SUFFIXES=bytecode.SOURCE_SUFFIXES,
        BYTECODE_SUFFIXES=bytecode.BYTECODE_SUFFIXES,
        DEBUG_BYTECODE_SUFFIXES=bytecode.BYTECODE_SUFFIXES,
        OPTIMIZED_BYTECODE_SUFFIXES=bytecode.BYTECODE_SUFFIXES,
        EXTENSION_SUFFIXES=loaders.EXTENSION_SUFFIXES,
        path_sep=paths.SEPARATOR,
        path_separators=paths.SEPARATORS,
    )
    if sys.version_info < (3, 12):
        from entrepot.core import legacy

        offered["_find_module_shim"] = legacy.find_module_by_loader
    # Of other systems than this one: importlib offers their names everywhere.
    for name in ("WindowsRegistryFinder", "AppleFrameworkLoader"):
        offered[name] = getattr(sys.modules[HALVES[1]], name, None)
    return _make_module("importlib._bootstrap_external", offered)


def _install(bootstrap: types.ModuleType) -> None:
    """Add core's path hook and finder to the interpreter's, as importlib does at the start."""
    sys.path_hooks.append(finders.FileFinder.path_hook(*loaders.file_loaders()))
    sys.meta_path.append(finders.PathFinder)


class _LockOf:
    """What `_get_module_lock(name)` returns: the lock, in the table while somebody holds this."""

    def __init__(self, name: str) -> None:
        self._name = name
        _importer.locks.enter(name)

    def __del__(self) -> None:
        _importer.locks.leave(self._name)


def _make_module(name: str, offered: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name, f"core, under the names of {name}")
    module.__dict__.update(offered)
    return module


def import_source(module_name: str) -> types.ModuleType:
    """Return a module of importlib made anew over core; `sys.modules` is as before afterwards."""
    halves = make_bootstrap(), make_bootstrap_external()
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_importlib(name)}
    try:
        for half in halves:
            sys.modules[half.__name__] = half
        for name in HALVES:
            sys.modules[name] = None  # type: ignore[assignment]
        package = _run("importlib")
        package.reload = lambda module: reloading.reload(_importer, module)
        for child in ("_abc", "machinery", "abc", "util"):
            _run(f"importlib.{child}")
        package.util.LazyLoader = lazy.LazyLoader
        if module_name not in sys.modules:
            _run(module_name)
        return sys.modules[module_name]
    finally:
        for name in [name for name in sys.modules if _is_importlib(name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def _is_importlib(name: str) -> bool:
    return name in HALVES or name.partition(".")[0] == "importlib"


def _run(name: str) -> Any:
    """Import a module of importlib by our own importer, for whom the halves need not be there."""
    return _importer.find_and_load(name)


def import_importlib(module_name: str) -> dict[str, types.ModuleType]:
    """Stand for `test.test_importlib.util.import_importlib`: "Source" is core."""
    from test.support import import_helper

    return {
        "Frozen": import_helper.import_fresh_module(module_name),
        "Source": import_source(module_name),
    }


def put_into_suite() -> None:
    """Make the suite's helpers hand out core as "Source"."""
    util = importlib.import_module("test.test_importlib.util")
    util.import_importlib = import_importlib
    util.source_importlib = import_source("importlib")
    util.__import__["Source"] = staticmethod(util.source_importlib.__import__)


class Counter:
    """Counts the calls of functions that core defines, in all threads, while it is running."""

    def __init__(self) -> None:
        self.calls = 0
        self.twin_calls = 0
        self._twin = sysconfig.get_path("stdlib") + "/importlib/_bootstrap"

    def _see(self, frame: types.FrameType, event: str, argument: object) -> None:
        if event == "call":
            module = frame.f_globals.get("__name__", "")
            if isinstance(module, str) and module.startswith("entrepot.core."):
                self.calls += 1
            elif frame.f_code.co_filename.startswith(self._twin):
                self.twin_calls += 1

    def __enter__(self) -> Counter:
        sys.setprofile(self._see)
        threading.setprofile(self._see)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
