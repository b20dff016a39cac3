"""Bytecode files: where they are, whether they are good, what is in them.

PEP 3147 (`__pycache__`), PEP 488 (`opt-` names), PEP 552 (hash-based files). A file is 16 bytes of
header and a marshalled code object:

    magic number | flags | mtime and size of the source     timestamp-based (flags 0)
    magic number | flags | hash of the source               hash-based (flag 1; with flag 2: check it)

Knows bytes and paths only: neither modules nor loaders.
"""

import _imp
import marshal
import sys
from _thread import _count as _count_threads

from entrepot.core import frames, paths
from entrepot.core.verbose import say

_HAS_GC = "gc" in sys.modules
import gc  # noqa: E402

if not _HAS_GC:
    # Its functions are enough: who imports it finds it made anew, as in a program without us.
    del sys.modules["gc"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

# The interpreter's own constant, which the C code that reads .pyc files shares.
MAGIC_NUMBER: bytes = sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
MAGIC_TOKEN: int = int.from_bytes(MAGIC_NUMBER, "little")

SOURCE_SUFFIXES = [".py", ".pyw"] if paths.IS_WINDOWS else [".py"]
BYTECODE_SUFFIXES = [".pyc"]
FOLDER = "__pycache__"
_OPTIMIZATION = "opt-"
_HEADER_SIZE = 16
_HASH_BASED = 0b01
_CHECK_SOURCE = 0b10

_fix_co_filename: "Any" = vars(_imp)["_fix_co_filename"]
_code_type: "Any" = type(say.__code__)


# The path that was asked for last, the tag then, and the answer.
_last: "tuple[str, str | None, str]" = ("", None, "")


def cache_from_source(
    path: "Any", debug_override: "bool | None" = None, *, optimization: "Any" = None
) -> str:
    """Return the path of a source file's bytecode file, whether or not either exists.

    `optimization` is the level that the file is for; by default, the interpreter's.

    Raises:
        NotImplementedError: `sys.implementation.cache_tag` is None.
        ValueError: the optimization is not alphanumeric.
        TypeError: both `debug_override` (deprecated) and `optimization` were given.
    """
    global _last
    if debug_override is None and optimization is None and not sys.flags.optimize and type(path) is str:
        # Nearly always so, and asked twice for each module: the same, without its general case.
        if path is _last[0] and _last[1] is sys.implementation.cache_tag and sys.pycache_prefix is None:
            return _last[2]
        cut = path.rfind("/")
        tag = sys.implementation.cache_tag
        is_plain = cut > 0 and path[cut - 1] != "/" and path.endswith(".py") and len(path) - cut > 4
        if is_plain and tag and sys.pycache_prefix is None and not paths.IS_WINDOWS:
            _last = (path, tag, f"{path[:cut]}/__pycache__/{path[cut + 1 : -2]}{tag}.pyc")
            return _last[2]
    if debug_override is not None:
        text = "the debug_override parameter is deprecated; use 'optimization' instead"
        frames.warn(text, DeprecationWarning, "importlib._bootstrap_external")
        if optimization is not None:
            raise TypeError("debug_override or optimization must be set to None")
        optimization = "" if debug_override else 1
    head, tail = paths.split(paths.posix.fspath(path))
    stem, dot, rest = tail.rpartition(".")
    tag = sys.implementation.cache_tag
    if tag is None:
        raise NotImplementedError("sys.implementation.cache_tag is None")
    name = f"{stem or rest}{dot}{tag}"
    if optimization is None:
        optimization = sys.flags.optimize or ""
    optimization = str(optimization)
    if optimization:
        if not optimization.isalnum():
            raise ValueError(f"{optimization!r} is not alphanumeric")
        name = f"{name}.{_OPTIMIZATION}{optimization}"
    name += BYTECODE_SUFFIXES[0]
    if sys.pycache_prefix is None:
        return paths.join(head, FOLDER, name)
    # One tree for all: the whole path of the folder goes below the prefix, less drive and root.
    head = paths.make_absolute(head)
    if head[1] == ":" and head[0] not in paths.SEPARATORS:
        head = head[2:]
    return paths.join(sys.pycache_prefix, head.lstrip(paths.SEPARATORS), name)


def source_from_cache(path: "Any") -> str:
    """Return the path of the source file that a bytecode file of PEP 3147 belongs to.

    Raises:
        NotImplementedError: `sys.implementation.cache_tag` is None.
        ValueError: the path is not one that `cache_from_source` makes.
    """
    if sys.implementation.cache_tag is None:
        raise NotImplementedError("sys.implementation.cache_tag is None")
    path = paths.posix.fspath(path)
    head, name = paths.split(path)
    is_below_prefix = False
    if sys.pycache_prefix is not None:
        prefix = sys.pycache_prefix.rstrip(paths.SEPARATORS)
        if head.startswith(prefix + paths.SEPARATOR):
            head = head[len(prefix) :]
            is_below_prefix = True
    if not is_below_prefix:
        head, folder = paths.split(head)
        if folder != FOLDER:
            raise ValueError(f"{FOLDER} not bottom-level directory in {path!r}")
    dots = name.count(".")
    if dots not in {2, 3}:
        raise ValueError(f"expected only 2 or 3 dots in {name!r}")
    if dots == 3:
        optimization = name.rsplit(".", 2)[-2]
        if not optimization.startswith(_OPTIMIZATION):
            raise ValueError(f"optimization portion of filename does not start with {_OPTIMIZATION!r}")
        level = optimization[len(_OPTIMIZATION) :]
        if not level.isalnum():
            raise ValueError(f"optimization level {optimization!r} is not an alphanumeric value")
    return paths.join(head, name.partition(".")[0] + SOURCE_SUFFIXES[0])


def find_cached(path: str) -> "str | None":
    """Return the bytecode file of a source or bytecode file, None for anything else."""
    if path.endswith(tuple(SOURCE_SUFFIXES)):
        try:
            return cache_from_source(path)
        except NotImplementedError:
            return None
    return path if path.endswith(tuple(BYTECODE_SUFFIXES)) else None


def hash_source(source: "bytes | memoryview") -> bytes:
    """Return the 8 bytes by which a hash-based file knows its source (PEP 552)."""
    return _imp.source_hash(MAGIC_TOKEN, source)


def read_flags(data: "bytes | bytearray", name: str, details: "dict[str, Any]") -> int:
    """Check a header and return its flags. `details` are the `name` and `path` of the error.

    Raises:
        ImportError: written by another version of Python, or with flags that nobody has defined.
        EOFError: shorter than a header.
    """
    magic = data[:4]
    if magic != MAGIC_NUMBER:
        text = f"bad magic number in {name!r}: {magic!r}"
        say("{}", text)
        raise ImportError(text, **details)
    if len(data) < _HEADER_SIZE:
        text = f"reached EOF while reading pyc header of {name!r}"
        say("{}", text)
        raise EOFError(text)
    flags = int.from_bytes(data[4:8], "little")
    if flags & ~(_HASH_BASED | _CHECK_SOURCE):
        raise ImportError(f"invalid flags {flags!r} in {name!r}", **details)
    return flags


def is_hash_based(flags: int) -> bool:
    """Whether a file says by a hash which source it was made from."""
    return bool(flags & _HASH_BASED)


def must_check_source(flags: int) -> bool:
    """Whether a hash-based file is to be compared with its source (`--check-hash-based-pycs`)."""
    policy = _imp.check_hash_based_pycs
    return policy != "never" and (policy == "always" or bool(flags & _CHECK_SOURCE))


def check_timestamp(
    data: "bytes | bytearray", mtime_s: int, size_bytes: "int | None", name: str, details: "dict[str, Any]"
) -> None:
    """Compare a timestamp-based header with the source's mtime and size, each modulo 2**32.

    Raises:
        ImportError: the source has changed since.
    """
    if int.from_bytes(data[8:12], "little") != (mtime_s & 0xFFFFFFFF):
        text = f"bytecode is stale for {name!r}"
        say("{}", text)
        raise ImportError(text, **details)
    if size_bytes is not None and int.from_bytes(data[12:16], "little") != (size_bytes & 0xFFFFFFFF):
        raise ImportError(f"bytecode is stale for {name!r}", **details)


def check_hash(data: "bytes | bytearray", source_hash: bytes, name: str, details: "dict[str, Any]") -> None:
    """Compare a hash-based header with the hash of the source.

    Raises:
        ImportError: the source has changed since.
    """
    if data[8:16] != source_hash:
        raise ImportError(f"hash in bytecode doesn't match hash of source {name!r}", **details)


def explain_refusal(data: "bytes | bytearray") -> str:
    """Return in a word why a bytecode file was not used: "magic", "unreadable" or "stale"."""
    if data[:4] != MAGIC_NUMBER:
        return "magic" if len(data) >= 4 else "unreadable"
    if len(data) < _HEADER_SIZE or int.from_bytes(data[4:8], "little") & ~(_HASH_BASED | _CHECK_SOURCE):
        return "unreadable"
    return "stale"


def load_code(
    data: "Any",
    name: "str | None" = None,
    bytecode_path: "str | None" = None,
    source_path: "str | None" = None,
) -> "CodeType":
    """Return the code object marshalled in `data`, its file name put right for a moved source.

    Raises:
        ImportError: there is something else in it.
        EOFError, ValueError, TypeError: from `marshal`, for what it cannot read.
    """
    code = _load_marshalled(data)
    if not isinstance(code, _code_type):
        raise ImportError(f"Non-code object in {bytecode_path!r}", name=name, path=bytecode_path)
    say("code object from {!r}", bytecode_path)
    if source_path is not None:
        _fix_co_filename(code, source_path)
    return code  # type: ignore[no-any-return]


def _load_marshalled(data: "Any") -> "Any":
    """Return what is marshalled, without looking for cyclic garbage meanwhile: none can arise.

    A large file has many tuples, and each few hundred would have the collector look at all of
    them. With other threads about, somebody else may be switching the collector, so it is left alone.
    """
    if not gc.isenabled() or _count_threads():
        return marshal.loads(data)
    gc.disable()
    try:
        return marshal.loads(data)
    finally:
        gc.enable()


def dump_with_timestamp(code: "CodeType", mtime_s: int = 0, size_bytes: int = 0) -> bytearray:
    """Return the contents of a timestamp-based bytecode file."""
    data = bytearray(MAGIC_NUMBER)
    for number in (0, int(mtime_s), size_bytes):
        data += (number & 0xFFFFFFFF).to_bytes(4, "little")
    data += marshal.dumps(code)
    return data


def dump_with_hash(code: "CodeType", source_hash: bytes, checked: bool = True) -> bytearray:
    """Return the contents of a hash-based bytecode file."""
    data = bytearray(MAGIC_NUMBER)
    data += (_HASH_BASED | (_CHECK_SOURCE if checked else 0)).to_bytes(4, "little")
    assert len(source_hash) == 8
    data += source_hash
    data += marshal.dumps(code)
    return data


frames.disguise()
