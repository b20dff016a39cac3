"""Bytecode files, read directly where nothing about them is unusual.

The loader has just read the source and its stat, so it need not ask for them again: this is what makes following a
module's import cost nothing. Everything that is not plain (hash-based files, another folder for bytecode, verbose
interpreters, a file that is missing, older or damaged) is left to SourceFileLoader.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from types import CodeType

_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_TIMESTAMPED = MAGIC_NUMBER + bytes(4)
_HEAD = 16


def read_bytecode(cached: str | None, path: str, seconds: int, size: int) -> CodeType | None:
    """Return the code of a module from its bytecode file if that was made from a source with this mtime and size."""
    if cached is None or sys.flags.verbose or sys.pycache_prefix is not None:
        return None
    try:
        descriptor = os.open(cached, _OPEN)
    except OSError:
        return None
    try:
        size_bytes = os.fstat(descriptor).st_size
        data = os.read(descriptor, size_bytes)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    stamp = seconds.to_bytes(4, "little") + size.to_bytes(4, "little")
    if len(data) != size_bytes or data[:8] != _TIMESTAMPED or data[8:_HEAD] != stamp:
        return None
    try:
        code = marshal.loads(memoryview(data)[_HEAD:])
    except (EOFError, ValueError, TypeError):
        return None
    if not isinstance(code, CodeType):
        return None
    if code.co_filename != path:
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
    return code
