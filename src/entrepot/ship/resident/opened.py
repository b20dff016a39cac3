"""An open bundle: its files as a table, from which core's finder imports (`core/members.py`), and how the program begins.

Files lie as they would in folders: `app/shop/cart.py` is a module of the program, `site-packages/...` what it needs of
others. Places in it are paths below the file, `/srv/app.pyz/app/shop/cart.py`; a path hook answers for them, so
everything that asks a path (pkgutil, runpy, namespace packages) finds what it would in a folder. Files that must be real
(compiled modules, data read through `__file__`) are marked; `unpack` lays them out.

The file was verified whole before any of this runs. It stays open, and each read asks whether it is still the same.
"""

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import _imp
import marshal
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

_machinery: "Any" = _external
_specs: "Any" = _bootstrap
_os: "Any" = _machinery._os
_SEP: str = _machinery.path_sep
REAL, EXECUTABLE = 1, 2
_fix_co_filename: "Any" = _imp._fix_co_filename  # type: ignore[attr-defined]
# Unpacked blocks that are kept: modules that are imported together mostly lie in a few.
_KEPT_BLOCKS = 8
# Python leaves frames of this name out of tracebacks.
_HIDDEN = "<frozen importlib._bootstrap_external>"


class Bundle:
    """An open bundle; a `Table` of core's finder.

    path: str, where it lies, absolute. tree: str, where its real files were laid out, "" before that.
    files: path inside -> (block, where it begins in it, length, SHA-256 if it must be real, marks).
    folders: path inside -> marks. codes: path inside -> (block, where it begins, length).
    """

    spec_class: "Any" = _specs.ModuleSpec
    suffixes: "list[str]" = _imp.extension_suffixes()

    def __init__(
        self, file: "Any", base: int, manifest: "dict[str, Any]", path: str, parts: "dict[str, bytes]"
    ) -> None:
        self.file = file
        self.base = base
        path = path if _machinery._path_isabs(path) else _machinery._path_join(_os.getcwd(), path)
        self.path: str = _os._path_normpath(path) if hasattr(_os, "_path_normpath") else path
        self.manifest = manifest
        self.files: dict[str, Any] = manifest["files"]
        self.folders: dict[str, int] = manifest["folders"]
        self.blocks: list[tuple[int, int, int]] = manifest["blocks"]
        self.kept: dict[int, bytes] = {}
        self.tree = ""
        self.runtime = parts
        self.parts: dict[str, Any] = {}
        self._was = self._look()
        key = f"{sys.implementation.cache_tag}-{_machinery.MAGIC_NUMBER[:2].hex()}"
        self.codes: dict[str, Any] = {}
        # The blocks with the bytecode of real files, the SHA-256 of all of it, and where it lies in their unpacked file.
        self.real_blocks: list[int] = []
        self.real_digest = b""
        self.laid_out: tuple[int, dict[int, int]] = (-1, {})
        if key in manifest["code"] and not sys.flags.optimize:  # bytecode was made without -O
            table, self.real_blocks, self.real_digest = manifest["code"][key]
            self.codes = marshal.loads(self.unpack(table))

    def _look(self) -> "tuple[int, int]":
        status = _os.fstat(self.file.fileno())
        return status.st_size, status.st_mtime_ns

    def unpack(self, number: int) -> bytes:
        """Return a block."""
        if self._look() != self._was:
            raise ImportError(
                f"{self.path} was changed while it ran; start the program again", path=self.path
            )
        offset, length, size = self.blocks[number]
        offset += self.base
        if hasattr(_os, "pread"):
            data = _os.pread(self.file.fileno(), length, offset)
        else:
            with type(self.file)(self.path) as file:
                file.seek(offset)
                data = file.read(length)
        return zlib.decompress(data, -15, size) if size else data

    def _read(self, number: int, start: int, length: int) -> "memoryview":
        descriptor, starts = self.laid_out
        if number in starts:
            return memoryview(_os.pread(descriptor, length, starts[number] + start))
        block = self.kept.get(number)
        if block is None:
            block = self.unpack(number)
            if len(self.kept) >= _KEPT_BLOCKS:
                self.kept.pop(next(iter(self.kept), -1), None)
            if length < len(block):
                self.kept[number] = block
        return memoryview(block)[start : start + length]

    def read(self, inside: str) -> bytes:
        """Return a file's bytes. Raises KeyError where the bundle has none of that name."""
        return bytes(self._read(*self.files[inside][:3]))

    def read_text(self, inside: str) -> str:
        """Return a source file's text."""
        return _machinery.decode_source(self.read(inside))  # type: ignore[no-any-return]

    def read_elsewhere(self, path: str) -> bytes:
        """Return the bytes of a file of the file system. Raises OSError."""
        with type(self.file)(path) as file:
            return file.read()  # type: ignore[no-any-return]

    def read_code(self, inside: str, place: str) -> "CodeType":
        """Return a module's code, from its bytecode for this Python or else compiled."""
        found = self.codes.get(inside)
        if found is None:
            call = _specs._call_with_frames_removed
            return call(compile, self.read(inside), place, "exec", dont_inherit=True)  # type: ignore[no-any-return]
        code: CodeType = marshal.loads(self._read(*found))
        _fix_co_filename(code, place)
        return code

    def place_of(self, inside: str) -> str:
        """Return the path of a file or folder: below the bundle, or a real one. May lay the real ones out."""
        marks = self.files[inside][4] if inside in self.files else self.folders.get(inside, 0)
        if not marks & REAL:
            return f"{self.path}{_SEP}{inside.replace('/', _SEP)}"
        if not self.tree:
            self.tree = self.get_part("unpack").find_tree(self)
        return f"{self.tree}{_SEP}{inside.replace('/', _SEP)}"

    def find_inside(self, place: str) -> "str | None":
        """Return what a path is called inside, or None where it is not of this bundle."""
        for root in (self.path, self.tree):
            if root and place.startswith(root + _SEP):
                return place[len(root) + 1 :].rstrip(_SEP).replace(_SEP, "/")
        return None

    def list_folder(self, inside: str) -> "list[str]":
        """Return the names in a folder, sorted."""
        start = inside + "/"
        names = {path[len(start) :].partition("/")[0] for path in self.files if path.startswith(start)}
        return sorted(names)

    def make_loader(self, name: str, place: str, inside: str) -> "Any":
        """Return the loader of a compiled module."""
        return self.get_part("unpack").make_loader(self, name, place, inside)

    def make_reader(self, folder: str) -> "Any":
        """Return what `importlib.resources` reads a package's files with."""
        return self.get_part("resources").make_reader(self, folder)

    def get_part(self, name: str) -> "Any":
        """Return another file of the runtime as a module, loaded when first asked for."""
        if name not in self.parts:
            part = self.parts[name] = type(sys)(f"_entrepot.{name}")
            exec(load_part(self.runtime[name]), part.__dict__)
        return self.parts[name]

    def hook(self, path: str) -> "Any":
        """Answer for paths of this bundle: an entry of `sys.path_hooks`."""
        inside = self.find_inside(path) if isinstance(path, str) else None
        if inside not in self.folders:
            raise ImportError("not a folder of this bundle", path=path)
        return self.get_part("members").Folder(self, inside)


def load_part(data: bytes) -> "CodeType":
    """Return the code of a part of the runtime: marshalled for this Python, or its source."""
    if data[0] < 0x80:  # marshal marks each code with this bit
        return compile(data, _HIDDEN, "exec", dont_inherit=True)
    code: CodeType = marshal.loads(data)
    _fix_co_filename(code, _HIDDEN)
    return code


def begin(
    file: "Any",
    base: int,
    manifest: "dict[str, Any]",
    path: str,
    parts: "dict[str, bytes]",
    namespace: "dict[str, Any]",
) -> "CodeType":
    """Make the bundle's modules importable, make `__main__` the program's, and return its code."""
    bundle = Bundle(file, base, manifest, path, parts)
    bundle.get_part("place").check_place(bundle.path)
    install(bundle, path)
    bundle.get_part("around").install(bundle)
    return enter(bundle, namespace)


def install(bundle: Bundle, given: str) -> None:
    """Put the bundle's folders on `sys.path`, where the program's own and the installed ones would be."""
    sys.path_hooks.insert(0, bundle.hook)
    for entry in list(sys.path_importer_cache):
        if entry.startswith((bundle.path, given)):
            del sys.path_importer_cache[entry]
    own = [bundle.place_of(root) for root in bundle.manifest["roots"] if root != "site-packages"]
    if any(entry in sys.path for entry in own):
        return  # a worker process, which was given the path of its parent
    if sys.path and sys.path[0] == given:
        del sys.path[0]
    sys.path[:0] = own
    if "site-packages" in bundle.folders:
        is_site = [entry.endswith(("site-packages", "dist-packages")) for entry in sys.path]
        at = is_site.index(True) if True in is_site else len(sys.path)
        sys.path.insert(at, bundle.place_of("site-packages"))


def enter(bundle: Bundle, namespace: "dict[str, Any]") -> "CodeType":
    """Make a namespace that of the entry point and return the code to run in it."""
    kind, inside, name = bundle.manifest["entry"]
    is_again = namespace["__name__"] != "__main__"
    for leftover in ("sys", "_open_bundle"):
        namespace.pop(leftover, None)
    if is_again and kind != "script" and name.rpartition(".")[2] == "__main__":
        # As multiprocessing does: the `__main__` of a package is not run again in a worker.
        return compile("", "<entrepot>", "exec")
    if kind == "module":
        spec = find_by_name(name)
        loader, place = spec.loader, spec.origin
        namespace["__package__"] = spec.parent
    else:
        spec = None
        place = bundle.place_of(inside)
        loader = bundle.get_part("members").Loader(bundle, "__main__", place, inside, False)
        namespace["__package__"] = None if kind == "script" else ""
    namespace.update(__file__=place, __loader__=loader, __spec__=spec, __cached__=None, __doc__=None)
    return loader.get_code(name if kind == "module" else "__main__")  # type: ignore[no-any-return]


def find_by_name(name: str) -> "Any":
    """Return the spec of a module, its parents imported first. Raises ImportError."""
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        __import__(parent)
        path = sys.modules[parent].__path__
    spec = _machinery.PathFinder.find_spec(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"No module named {name}", name=name)
    return spec
