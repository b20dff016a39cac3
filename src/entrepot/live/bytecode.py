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

from entrepot.live.record import seconds_and_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Asked before files, where bytecode came with the sources (`ship.codes`): a source's path and `signature_of` it ->
# marshalled code.
find_code: Callable[[str, bytes], bytes | None] | None = None
_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_TIMESTAMPED = MAGIC_NUMBER + bytes(4)
_HEAD = 16


def read_bytecode(cached: str | None, path: str, signature: bytes) -> CodeType | None:
    """Return the code of a module from its bytecode file if that was made from a source with this mtime and size."""
    if find_code is not None and (marshalled := find_code(path, signature)) is not None:
        return _load(marshalled, path)
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
    seconds, size = seconds_and_size(signature)
    stamp = seconds.to_bytes(4, "little") + size.to_bytes(4, "little")
    if len(data) != size_bytes or data[:8] != _TIMESTAMPED or data[8:_HEAD] != stamp:
        return None
    return _load(memoryview(data)[_HEAD:], path)


def _load(data: bytes | memoryview, path: str) -> CodeType | None:
    try:
        code = marshal.loads(data)
    except (EOFError, ValueError, TypeError):
        return None
    if not isinstance(code, CodeType):
        return None
    if code.co_filename != path:
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
    return code
