"""Code of programs' own modules, read ahead: in a run it need not be read and unmarshalled again.

    codes = read_codes(paths)      in the preparing interpreter: source file -> its code
    serve(codes, watch)            in the run: `SourceFileLoader.get_code` looks here first
    give_back = leave_young()      in the preparing interpreter: no bytecode of new files is written, up to `give_back()`

Only reading is saved. Each module is found, made and run as always, and its code is taken from here only while
source and bytecode file are the very files that they were (inode, size, both times), so that an edit is seen, and
bytecode that is missing is written. Code of a file that is younger than a tick of the file system's clock is not kept.
"""

import _frozen_importlib_external as external
import posix
import sys
import time

YOUNG_NS = 50_000_000
YOUNG_S = 2  # bytecode names the second of its source's last edit


def read_codes(paths):  # type: ignore[no-untyped-def]
    """Return what there is to know of each source file that can be read and compiled."""
    found = {}
    for path in paths:
        before = read_stamp(path)
        if before is None or time.time_ns() - before[3] < YOUNG_NS:
            continue
        try:
            code = external.SourceFileLoader("", path).get_code("")
            bytecode = external.cache_from_source(path)
        except (ImportError, OSError, SyntaxError, ValueError, NotImplementedError):
            continue
        if read_stamp(path) == before and read_stamp(bytecode) is not None:
            found[path] = (before, bytecode, read_stamp(bytecode), code)
    return found


def leave_young():  # type: ignore[no-untyped-def]
    """Write no bytecode of a source that was edited a moment ago, or is while its bytecode is made.

    Bytecode is used while its source has the size and the second that it names (PEP 552). Nobody waits for a preparing
    interpreter, so an edit may come before it writes: every later run would take the code of the text before. The time of
    an edit may be any (`cp -p`, `rsync -t`), that of the change of the file is the system's.
    """
    # Looked at once: a module that is being initialised would seem to have asked for the time.
    loader, latest_ns = external.SourceFileLoader, time.time_ns() - YOUNG_S * 10**9
    real = loader.__dict__["_cache_bytecode"]

    def look(path: str) -> "tuple[int, ...] | None":
        posix.access("\1entrepot\1P", 0)  # it is not the program that asks
        stamp = read_stamp(path)
        posix.access("\1entrepot\1R", 0)
        return stamp

    def cache_bytecode(self, source_path, bytecode_path, data):  # type: ignore[no-untyped-def]
        before = look(source_path)
        if before is None or max(before[2:4]) > latest_ns:
            return
        real(self, source_path, bytecode_path, data)
        if look(source_path) != before:
            posix.access("\1entrepot\1P", 0)
            try:
                posix.unlink(bytecode_path)
            except OSError:
                pass  # whoever has edited it has done so
            posix.access("\1entrepot\1R", 0)

    loader._cache_bytecode = cache_bytecode  # type: ignore[attr-defined]
    return lambda: setattr(loader, "_cache_bytecode", real)


def read_stamp(path: str) -> "tuple[int, ...] | None":
    """Return what tells a file from every other and from itself after an edit; None where there is none."""
    try:
        st = posix.stat(path)
    except (OSError, ValueError):
        return None
    return st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_dev


def serve(codes, watch, front) -> None:  # type: ignore[no-untyped-def]
    """Let the loader of source files look at `codes` first; `watch` is called with the code of each module.

    `front` makes the method that asks first and leaves no frame in a traceback (image_preload.c).
    """
    loader, prefix = external.SourceFileLoader, sys.pycache_prefix

    def find_code(self, fullname):  # type: ignore[no-untyped-def]
        known = codes.get(self.path) if type(self) is loader and self.name == fullname else None
        if (
            known is not None
            and sys.pycache_prefix == prefix
            and read_stamp(self.path) == known[0]
            and read_stamp(known[1]) == known[2]
        ):
            return known[3]
        return None

    external.SourceLoader.get_code = front((find_code, watch, external.SourceLoader.get_code))  # type: ignore[method-assign]
