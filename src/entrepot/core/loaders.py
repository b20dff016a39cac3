"""Loaders: from a spec to a running module.

Language reference 5.4 (loading); the classes and methods are those of `importlib.machinery` and
`importlib.abc`, so whoever subclasses them or asks them for code, source or data finds them here. Those of modules
that are in the interpreter itself are in `interpreter`.
"""

import _imp
import _io
import sys

from entrepot.core import bytecode, frames, paths
from entrepot.core.source import decode_source
from entrepot.core.spec import spec_from_loader
from entrepot.core.verbose import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

# Called with (module name, source path, reason) for each source compiled, while somebody listens.
on_compile: "Callable[[str, str, str], None] | None" = None

# The file that is about to be loaded and its status, where the import system itself found it this instant:
# asking once more would tell nothing new. Taken by the first who asks.
about_to_load: "tuple[str, Any] | None" = None

EXTENSION_SUFFIXES: list[str] = _imp.extension_suffixes()


def load_by_name(loader: "Any", name: str) -> "Any":
    """Load a module by name into `sys.modules`: what `load_module` methods do (deprecated)."""
    from entrepot.core.modules import host

    text = (
        "the load_module() method is deprecated and slated for removal in Python 3.12; "
        "use exec_module() instead"
    )
    frames.warn(text, DeprecationWarning)
    spec = spec_from_loader(name, loader)
    if name in sys.modules:
        host.run_again(spec, sys.modules[name])
        return sys.modules[name]
    return host.load(spec)


class Basics:
    """What loaders of Python code have in common: `get_code` and `get_filename` are theirs."""

    if TYPE_CHECKING:

        def get_code(self, fullname: str) -> "CodeType | None": ...
        def get_filename(self, fullname: "str | None" = None) -> str: ...

    def is_package(self, fullname: str) -> bool:
        """Whether the file is an `__init__` (and the module is not itself called so)."""
        stem = paths.split(self.get_filename(fullname))[1].rsplit(".", 1)[0]
        return stem == "__init__" and fullname.rpartition(".")[2] != "__init__"

    def create_module(self, spec: object) -> "Any":
        """Let the import system make an ordinary module."""

    def exec_module(self, module: "Any") -> None:
        """Run the module's code in its namespace.

        Raises:
            ImportError: there is no code, or it cannot be had.
        """
        code = self.get_code(module.__name__)
        if code is None:
            raise ImportError(f"cannot load module {module.__name__!r} when get_code() returns None")
        exec(code, module.__dict__)

    def load_module(self, fullname: str) -> "Any":
        """Load by name. Deprecated: the import system uses `exec_module`."""
        return load_by_name(self, fullname)


class SourceLoader(Basics):
    """Loads source, keeping bytecode where the subclass can say when a source changed and write.

    A subclass defines `get_filename` and `get_data`; `path_stats` makes bytecode possible and
    `set_data` keeps it.
    """

    if TYPE_CHECKING:

        def get_data(self, path: str) -> bytes: ...

    def path_mtime(self, path: str) -> float:
        """Return a source's modification time in seconds. Raises OSError when it has none."""
        raise OSError

    def path_stats(self, path: str) -> "dict[str, Any]":
        """Return a source's `mtime` in seconds, and `size` in bytes where known. Raises OSError."""
        return {"mtime": self.path_mtime(path)}

    def set_data(self, path: str, data: bytes) -> None:
        """Write a file. Optional: by default bytecode is not kept."""

    def _cache_bytecode(self, source_path: str, cache_path: str, data: bytes) -> None:
        """Keep bytecode; the source's path is for a subclass that copies its permissions."""
        return self.set_data(cache_path, data)

    def get_source(self, fullname: str) -> str:
        """Return the source text. Raises ImportError when it cannot be read."""
        try:
            data = self.get_data(self.get_filename(fullname))
        except OSError as error:
            raise ImportError("source not available through get_data()", name=fullname) from error
        return decode_source(data)

    def source_to_code(self, data: "Any", path: str, *, _optimize: int = -1) -> "CodeType":
        """Compile source: bytes, text, or an AST."""
        return compile(data, path, "exec", dont_inherit=True, optimize=_optimize)

    def get_code(self, fullname: str) -> "CodeType":
        """Return the module's code: from its bytecode file if that is good, else compiled (and kept)."""
        source_path = self.get_filename(fullname)
        source: bytes | None = None
        mtime_s: int | None = None
        source_hash: bytes | None = None
        flags = 0
        reason = "unwanted"
        try:
            bytecode_path: str | None = bytecode.cache_from_source(source_path)
        except NotImplementedError:
            bytecode_path = None
        else:
            try:
                stats = self.path_stats(source_path)
                mtime_s = int(stats["mtime"])
                reason = "missing"
                data = self.get_data(bytecode_path)  # type: ignore[arg-type]
            except OSError:
                pass
            else:
                details = {"name": fullname, "path": bytecode_path}
                try:
                    flags = bytecode.read_flags(data, fullname, details)
                    if not bytecode.is_hash_based(flags):
                        bytecode.check_timestamp(data, mtime_s, stats["size"], fullname, details)
                    elif bytecode.must_check_source(flags):
                        source = self.get_data(source_path)
                        source_hash = bytecode.hash_source(source)
                        bytecode.check_hash(data, source_hash, fullname, details)
                except (ImportError, EOFError):
                    reason = bytecode.explain_refusal(data)
                else:
                    say("{} matches {}", bytecode_path, source_path)
                    return bytecode.load_code(memoryview(data)[16:], fullname, bytecode_path, source_path)
        if source is None:
            source = self.get_data(source_path)
        code = self.source_to_code(source, source_path)
        say("code object from {}", source_path)
        if on_compile is not None:
            on_compile(fullname, source_path, reason)
        if not sys.dont_write_bytecode and bytecode_path is not None and mtime_s is not None:
            if bytecode.is_hash_based(flags):
                if source_hash is None:
                    source_hash = bytecode.hash_source(source)
                made = bytecode.dump_with_hash(code, source_hash, bool(flags & 0b10))
            else:
                made = bytecode.dump_with_timestamp(code, mtime_s, len(source))
            try:
                self._cache_bytecode(source_path, bytecode_path, made)  # type: ignore[arg-type]
            except NotImplementedError:
                pass
        return code


def _check_name(method: "Callable[..., Any]") -> "Any":
    """Decorate a loader's method: its name argument may be left out, and must be the loader's own."""

    def check(self: "Any", name: "str | None" = None, *args: object, **kwargs: object) -> object:
        if name is None:
            name = self.name
        elif self.name != name:
            raise ImportError(f"loader for {self.name} cannot handle {name}", name=name)
        return method(self, name, *args, **kwargs)

    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(check, attribute, getattr(method, attribute))
    check.__dict__.update(method.__dict__)
    return check


class FileLoader:
    """A loader of one module from one file."""

    def __init__(self, fullname: str, path: str) -> None:
        self.name = fullname
        self.path = path

    def __eq__(self, other: object) -> bool:
        return self.__class__ == other.__class__ and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(self.name) ^ hash(self.path)

    @_check_name
    def load_module(self, fullname: str) -> "Any":
        """Load by name. Deprecated: the import system uses `exec_module`."""
        return super().load_module(fullname)  # type: ignore[misc]

    @_check_name
    def get_filename(self, fullname: str) -> str:
        """Return the path of the file."""
        return self.path

    def get_data(self, path: str) -> bytes:
        """Return a file's bytes; code is opened so that audit hooks see it as code (PEP 578)."""
        if isinstance(self, (SourceLoader, ExtensionFileLoader)):
            with _io.open_code(str(path)) as file:
                return file.read()
        with _io.FileIO(path, "r") as raw:
            return raw.read()

    @_check_name
    def get_resource_reader(self, module: str) -> "Any":
        """Return the reader of data files beside this file (`importlib.resources`)."""
        from importlib.readers import FileReader

        return FileReader(self)  # type: ignore[arg-type, unused-ignore]


class SourceFileLoader(FileLoader, SourceLoader):
    """Loads a `.py` file, keeping its bytecode in `__pycache__`."""

    def path_stats(self, path: str) -> "dict[str, Any]":
        """Return a file's `mtime` in seconds and `size` in bytes."""
        global about_to_load
        known = about_to_load
        about_to_load = None
        status = known[1] if known is not None and known[0] is path else paths.stat(path)
        return {"mtime": status.st_mtime, "size": status.st_size}

    def _cache_bytecode(self, source_path: str, cache_path: str, data: bytes) -> None:
        try:
            mode = paths.stat(source_path).st_mode
        except OSError:
            mode = 0o666
        # Writable even where the source is not, or the next version could not replace it.
        return self.set_data(cache_path, data, _mode=mode | 0o200)

    def set_data(self, path: str, data: bytes, *, _mode: int = 0o666) -> None:
        """Write a file atomically, its folders made; where that is not allowed, do nothing."""
        try:
            paths.make_parents(path)
            paths.write_atomically(path, data, _mode)
        except OSError as error:
            say("could not create {!r}: {!r}", path, error)
        else:
            say("created {!r}", path)


class SourcelessFileLoader(FileLoader, Basics):
    """Loads a `.pyc` file that stands in the place of its source."""

    def get_code(self, fullname: str) -> "CodeType":
        """Return the code. Raises ImportError or EOFError where the file is not good bytecode."""
        path = self.get_filename(fullname)
        data = self.get_data(path)
        bytecode.read_flags(data, fullname, {"name": fullname, "path": path})
        return bytecode.load_code(memoryview(data)[16:], name=fullname, bytecode_path=path)

    def get_source(self, fullname: str) -> None:
        """Return None: there is no source."""


class ExtensionFileLoader(FileLoader, Basics):
    """Loads a compiled module, in one phase or two (PEP 489)."""

    def create_module(self, spec: "Any") -> "Any":
        """Open the shared library and make the module. Raises ImportError where it cannot."""
        module = _imp.create_dynamic(spec)
        say("extension module {!r} loaded from {!r}", spec.name, self.path)
        return module

    def exec_module(self, module: "Any") -> None:
        """Run the second phase, if there is one."""
        _imp.exec_dynamic(module)
        say("extension module {!r} executed from {!r}", self.name, self.path)

    def is_package(self, fullname: str) -> bool:
        """Whether the file is a compiled `__init__`."""
        tail = paths.split(self.path)[1]
        return any(tail == "__init__" + suffix for suffix in EXTENSION_SUFFIXES)

    def get_code(self, fullname: str) -> None:
        """Return None: a compiled module has no code object."""

    def get_source(self, fullname: str) -> None:
        """Return None: a compiled module has no source."""


def file_loaders() -> "list[tuple[Any, list[str]]]":
    """Return the loader classes for files with their suffixes, in the order of their precedence."""
    return [
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (SourceFileLoader, bytecode.SOURCE_SUFFIXES),
        (SourcelessFileLoader, bytecode.BYTECODE_SUFFIXES),
    ]


def find_loader_class(path: str) -> "Any":
    """Return the loader class for a file's suffix, or None."""
    for loader_class, suffixes in file_loaders():
        if path.endswith(tuple(suffixes)):
            return loader_class
    return None


frames.disguise()
