"""Modules in zip archives (PEP 273): finder and loader for one archive, or a folder within it.

The interpreter's `zipimport` reads archives: their tables of contents, which it shares with us in
its cache, and the data of members. What is in them, and how it becomes modules, is decided here.
"""

import marshal
import sys
import zipimport

from entrepot.core import bytecode, frames, paths
from entrepot.core.loaders import Basics
from entrepot.core.spec import Module, ModuleSpec, spec_from_file_location, spec_from_loader
from entrepot.core.verbose import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

ZipImportError = zipimport.ZipImportError
_reader: "Any" = zipimport
_code_type: "Any" = type((lambda: None).__code__)
_SEP = paths.SEPARATOR

# (suffix, is bytecode, is a package), in the order of precedence.
_SEARCH_ORDER = (
    (_SEP + "__init__.pyc", True, True),
    (_SEP + "__init__.py", False, True),
    (".pyc", True, False),
    (".py", False, False),
)


class ZipImporter(Basics):
    """Finds and loads modules in a zip archive; a path may go on to a folder inside it.

    Attributes:
        archive: str, the path of the zip file.
        prefix: str, the folder inside it with a separator at its end, or "".
    """

    def __init__(self, path: str) -> None:
        """Open an archive. Raises ZipImportError where there is none on the way of the path."""
        if not isinstance(path, str):
            raise TypeError(f"expected str, not {type(path)!r}")
        if not path:
            raise ZipImportError("archive path is empty", path=path)
        if paths.IS_WINDOWS:
            path = path.replace("/", _SEP)
        inside: list[str] = []
        while True:
            try:
                mode = paths.stat(path).st_mode
                break
            except (OSError, ValueError):
                # Not a path of the file system: perhaps one into a file above.
                head, tail = paths.split(path)
            if head == path:
                raise ZipImportError("not a Zip file", path=path)
            path = head
            inside.append(tail)
        if (mode & 0o170000) != 0o100000:
            raise ZipImportError("not a Zip file", path=path)
        if path not in _reader._zip_directory_cache:
            _reader._zip_directory_cache[path] = _reader._read_directory(path)
        self.archive = path
        self.prefix = paths.join(*inside[::-1])
        if self.prefix:
            self.prefix += _SEP

    def _get_files(self) -> "dict[str, Any]":
        """Return the archive's table of contents: names to entries of `zipimport`."""
        try:
            return _reader._zip_directory_cache[self.archive]  # type: ignore[no-any-return]
        except KeyError:
            pass
        try:
            files = _reader._zip_directory_cache[self.archive] = _reader._read_directory(self.archive)
        except ZipImportError:
            return {}
        return files  # type: ignore[no-any-return]

    @property
    def _files(self) -> "dict[str, Any]":
        return self._get_files()

    def invalidate_caches(self) -> None:
        """Read the table of contents anew at the next use."""
        _reader._zip_directory_cache.pop(self.archive, None)

    def _path_of(self, fullname: str) -> str:
        return self.prefix + fullname.rpartition(".")[2]

    def _is_package(self, fullname: str) -> "bool | None":
        """Whether a module is a package; None where it is not here."""
        path = self._path_of(fullname)
        files = self._get_files()
        for suffix, _, is_package in _SEARCH_ORDER:
            if path + suffix in files:
                return is_package
        return None

    def find_spec(self, fullname: str, target: object = None) -> "Any":
        """Return the spec of a module here, or of a portion of a namespace package, or None."""
        is_package = self._is_package(fullname)
        if is_package is not None:
            return spec_from_loader(fullname, self, is_package=is_package)
        folder = self._path_of(fullname)
        if folder + _SEP not in self._get_files():
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations.append(f"{self.archive}{_SEP}{folder}")
        return spec

    def get_code(self, fullname: str) -> "CodeType":
        """Return a module's code. Raises ZipImportError where it cannot be had."""
        return self._load_code(fullname)[0]

    def get_filename(self, fullname: str) -> str:  # type: ignore[override]
        """Return the path of a module's file. Raises ZipImportError where it cannot be loaded."""
        return self._load_code(fullname)[2]

    def get_data(self, pathname: str) -> bytes:
        """Return the bytes of a member, named by its path in the archive or from the root.

        Raises:
            OSError: there is no such member.
        """
        if paths.IS_WINDOWS:
            pathname = pathname.replace("/", _SEP)
        key = pathname.removeprefix(self.archive + _SEP)
        entry = self._get_files().get(key)
        if entry is None:
            raise OSError(0, "", key)
        return _reader._get_data(self.archive, entry)  # type: ignore[no-any-return]

    def get_source(self, fullname: str) -> "str | None":
        """Return a module's source, None where only bytecode is here. Raises ZipImportError."""
        is_package = self.is_package(fullname)
        path = self._path_of(fullname)
        entry = self._get_files().get(paths.join(path, "__init__.py") if is_package else f"{path}.py")
        if entry is None:
            return None
        return _reader._get_data(self.archive, entry).decode()  # type: ignore[no-any-return]

    def is_package(self, fullname: str) -> bool:
        """Whether a module is a package. Raises ZipImportError where it is not here."""
        is_package = self._is_package(fullname)
        if is_package is None:
            raise ZipImportError(f"can't find module {fullname!r}", name=fullname)
        return is_package

    def load_module(self, fullname: str) -> "Any":
        """Load by name. Deprecated: the import system uses `exec_module`."""
        text = (
            "zipimport.zipimporter.load_module() is deprecated and slated for "
            "removal in Python 3.12; use exec_module() instead"
        )
        frames.warn(text, DeprecationWarning, "zipimport")
        code, is_package, path = self._load_code(fullname)
        module: Any = sys.modules.get(fullname)
        if module is None or not isinstance(module, Module):
            module = sys.modules[fullname] = Module(fullname)
        module.__loader__ = self
        try:
            if is_package:
                module.__path__ = [paths.join(self.archive, self._path_of(fullname))]
            module.__spec__ = spec_from_file_location(fullname, path, loader=self)
            module.__file__ = path
            module.__cached__ = None
            exec(code, module.__dict__)
        except BaseException:
            del sys.modules[fullname]
            raise
        if fullname not in sys.modules:
            raise ImportError(f"Loaded module {fullname!r} not found in sys.modules")
        say("import {} # loaded from Zip {}", fullname, path)
        return sys.modules[fullname]

    def get_resource_reader(self, fullname: str) -> "Any":
        """Return the reader of data files in the archive (`importlib.resources`)."""
        if sys.version_info < (3, 13) and not self._is_package(fullname):
            return None
        from importlib.readers import ZipReader

        return ZipReader(self, fullname)  # type: ignore[arg-type, unused-ignore]

    def iter_modules(self, prefix: str = "") -> "Iterator[tuple[str, bool]]":
        """Yield the name of each module here and whether it is a package: for `pkgutil`."""
        seen: set[str] = set()
        for path in sorted(self._get_files()):
            if not path.startswith(self.prefix):
                continue
            head, _, tail = path[len(self.prefix) :].partition(_SEP)
            is_package = tail in {"__init__.py", "__init__.pyc"}
            name = head if is_package else head.rpartition(".")[0]
            is_module = is_package or (not tail and head.endswith((".py", ".pyc")))
            if is_module and name not in seen and name != "__init__" and "." not in name:
                seen.add(name)
                yield prefix + name, is_package

    def __repr__(self) -> str:
        return f'<zipimporter object "{self.archive}{_SEP}{self.prefix}">'

    def _load_code(self, fullname: str) -> "tuple[CodeType, bool, str]":
        """Return a module's code, whether it is a package, and the path of its file."""
        path = self._path_of(fullname)
        refusal: ImportError | None = None
        for suffix, is_bytecode, is_package in _SEARCH_ORDER:
            member = path + suffix
            say("trying {}{}{}", self.archive, _SEP, member, level=2)
            entry = self._get_files().get(member)
            if entry is None:
                continue
            data = _reader._get_data(self.archive, entry)
            if is_bytecode:
                try:
                    code = self._read_bytecode(entry[0], member, fullname, data)
                except ImportError as error:
                    refusal = error
                    continue
                if code is None:
                    continue
            else:
                source = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                code = compile(source, entry[0], "exec", dont_inherit=True)
            return code, is_package, entry[0]
        if refusal is not None:
            raise ZipImportError(f"module load failed: {refusal}", name=fullname) from refusal
        raise ZipImportError(f"can't find module {fullname!r}", name=fullname)

    def _read_bytecode(self, path: str, member: str, fullname: str, data: bytes) -> "CodeType | None":
        """Return the code of a bytecode member; None where its source in the archive is newer.

        Raises:
            ImportError: it is not bytecode of this Python, or not of this source.
            TypeError: there is no code in it.
        """
        details = {"name": fullname, "path": member}
        flags = bytecode.read_flags(data, fullname, details)
        source = self._get_files().get(member[:-1])
        if bytecode.is_hash_based(flags):
            if bytecode.must_check_source(flags) and source is not None:
                source_hash = bytecode.hash_source(_reader._get_data(self.archive, source))
                bytecode.check_hash(data, source_hash, fullname, details)
        elif source is not None and not _is_made_from(data, source):
            say(f"bytecode is stale for {fullname!r}")
            return None
        code = marshal.loads(data[16:])
        if not isinstance(code, _code_type):
            raise TypeError(f"compiled module {path!r} is not a code object")
        return code  # type: ignore[no-any-return]


def _is_made_from(data: bytes, source: "Any") -> bool:
    """Whether bytecode fits the time and size in its source's entry. Zip knows only even seconds."""
    try:
        mtime_s = _reader._parse_dostime(source[6], source[5])
        size_bytes = source[3]
    except (IndexError, TypeError):
        return True
    if not mtime_s:
        return True
    recorded_s = int.from_bytes(data[8:12], "little")
    return bool(abs(recorded_s - mtime_s) <= 1 and int.from_bytes(data[12:16], "little") == size_bytes)


if sys.version_info < (3, 12):
    _DEPRECATED = (
        "zipimporter.{}() is deprecated and slated for removal in Python 3.12; use find_spec() instead"
    )

    def _find_loader(self: ZipImporter, fullname: str, path: object = None) -> "tuple[Any, list[str]]":
        text = _DEPRECATED.format("find_loader")
        frames.warn(text, DeprecationWarning, "zipimport")
        spec = self.find_spec(fullname)
        if spec is None:
            return None, []
        return (None, spec.submodule_search_locations) if spec.loader is None else (self, [])

    def _find_module(self: ZipImporter, fullname: str, path: object = None) -> "Any":
        text = _DEPRECATED.format("find_module")
        frames.warn(text, DeprecationWarning, "zipimport")
        return _find_loader(self, fullname)[0]

    ZipImporter.find_loader = _find_loader  # type: ignore[attr-defined]
    ZipImporter.find_module = _find_module  # type: ignore[attr-defined]

# What sys.path_hooks and tracebacks show.
ZipImporter.__name__ = ZipImporter.__qualname__ = "zipimporter"

frames.disguise()
