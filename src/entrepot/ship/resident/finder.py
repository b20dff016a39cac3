"""The finder of a bundle: modules straight from the file, as the path based finder would find them in a folder.

A bundle is a zip file whose members lie as they would in folders: `app/shop/cart.py` is a module of the program,
`site-packages/...` what it needs of others. Places in it are paths below the file, `/srv/app.pyz/app/shop/cart.py`; a
path hook answers for them, so everything that asks a path (pkgutil, runpy, namespace packages) finds what it would in a
folder. Files that must be real (compiled modules, data read through `__file__`) are marked; `unpack` lays them out.

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
    from collections.abc import Iterator
    from types import CodeType, ModuleType
    from typing import Any

_machinery: "Any" = _external
_specs: "Any" = _bootstrap
_os: "Any" = _machinery._os
_SEP: str = _machinery.path_sep
REAL, EXECUTABLE = 1, 2
_fix_co_filename: "Any" = _imp._fix_co_filename  # type: ignore[attr-defined]
_EXTENSIONS: "list[str]" = _imp.extension_suffixes()


class Bundle:
    """An open bundle.

    path: str, where it lies, absolute. tree: str, where its real files were laid out, "" before that.
    files: path inside -> (offset, length, length unpacked or 0, SHA-256, marks). folders: path inside -> marks.
    """

    def __init__(self, file: "Any", manifest: "dict[str, Any]", path: str) -> None:
        self.file = file
        path = path if _machinery._path_isabs(path) else _machinery._path_join(_os.getcwd(), path)
        self.path: str = _os._path_normpath(path) if hasattr(_os, "_path_normpath") else path
        self.manifest = manifest
        self.files: dict[str, Any] = manifest["files"]
        self.folders: dict[str, int] = manifest["folders"]
        key = f"{sys.implementation.cache_tag}-{_machinery.MAGIC_NUMBER[:2].hex()}"
        # Bytecode was made without -O.
        self.codes: dict[str, Any] = {} if sys.flags.optimize else manifest["code"].get(key, {})
        self.tree = ""
        self.parts: dict[str, Any] = {}
        self._was = self._look()

    def _look(self) -> "tuple[int, int]":
        status = _os.fstat(self.file.fileno())
        return status.st_size, status.st_mtime_ns

    def _read(self, offset: int, length: int, size: int) -> bytes:
        if self._look() != self._was:
            raise ImportError(
                f"{self.path} was changed while it ran; start the program again", path=self.path
            )
        if hasattr(_os, "pread"):
            data = _os.pread(self.file.fileno(), length, offset)
        else:
            with type(self.file)(self.path) as file:
                file.seek(offset)
                data = file.read(length)
        return zlib.decompress(data, -15) if size else data

    def read(self, inside: str) -> bytes:
        """Return a file's bytes. Raises KeyError where the bundle has none of that name."""
        offset, length, size, _, _ = self.files[inside]
        return self._read(offset, length, size)

    def read_code(self, inside: str, place: str) -> "CodeType":
        """Return a module's code, from its bytecode for this Python or else compiled."""
        found = self.codes.get(inside)
        if found is None:
            call = _specs._call_with_frames_removed
            return call(compile, self.read(inside), place, "exec", dont_inherit=True)  # type: ignore[no-any-return]
        code: CodeType = marshal.loads(self._read(*found))
        _fix_co_filename(code, place)
        return code

    def place_of(self, inside: str, marks: int) -> str:
        """Return the path of a file or folder: below the bundle, or a real one. May lay the real ones out."""
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

    def get_part(self, name: str) -> "Any":
        """Return another file of the runtime as a module, loaded when first asked for."""
        if name not in self.parts:
            inside = f"_entrepot/{name}.py"
            part = self.parts[name] = type(sys)(f"_entrepot.{name}")
            exec(self.read_code(inside, self.place_of(inside, 0)), part.__dict__)
        return self.parts[name]

    def hook(self, path: str) -> "Folder":
        """Answer for paths of this bundle: an entry of `sys.path_hooks`."""
        inside = self.find_inside(path) if isinstance(path, str) else None
        if inside not in self.folders:
            raise ImportError("not a folder of this bundle", path=path)
        return Folder(self, inside)


class Folder:
    """Finds the modules in one folder of a bundle (a path entry finder)."""

    def __init__(self, bundle: Bundle, inside: str) -> None:
        self.bundle = bundle
        self.inside = inside

    def find_spec(self, name: str, target: object = None) -> "Any":
        """Return the spec of a module here, of a portion of a namespace package, or None."""
        bundle = self.bundle
        base = f"{self.inside}/{name.rpartition('.')[2]}"
        files = bundle.files
        is_folder = base in bundle.folders
        for stem in (base + "/__init__", base) if is_folder else (base,):
            for suffix in _EXTENSIONS:
                if stem + suffix in files:
                    return self._make_spec(name, stem + suffix, stem != base, is_compiled=True)
            if stem + ".py" in files:
                return self._make_spec(name, stem + ".py", stem != base, is_compiled=False)
        if not is_folder:
            return None
        spec = _specs.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [bundle.place_of(base, bundle.folders[base])]
        return spec

    def _make_spec(self, name: str, inside: str, is_package: bool, *, is_compiled: bool) -> "Any":
        place = self.bundle.place_of(inside, self.bundle.files[inside][4])
        if is_compiled:
            loader: Any = self.bundle.get_part("unpack").make_loader(self.bundle, name, place, inside)
        else:
            loader = Loader(self.bundle, name, place, inside, is_package)
        spec = _specs.ModuleSpec(name, loader, origin=place, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [place.rpartition(_SEP)[0]]
        return spec

    def iter_modules(self, prefix: str = "") -> "Iterator[tuple[str, bool]]":
        """Yield (name, is a package) for `pkgutil.iter_modules`."""
        seen = set()
        for name in self.bundle.list_folder(self.inside):
            stem, dot, _ = name.partition(".")
            if f"{self.inside}/{name}" in self.bundle.folders:
                is_package, stem = True, name
                known = (f"{self.inside}/{name}/__init__{suffix}" for suffix in (*_EXTENSIONS, ".py"))
                if not any(path in self.bundle.files for path in known):
                    continue
            elif dot and name[len(stem) :] in (*_EXTENSIONS, ".py") and stem != "__init__":
                is_package = False
            else:
                continue
            if stem not in seen and stem != "__pycache__" and "." not in stem:  # 0001_initial is a module too
                seen.add(stem)
                yield prefix + stem, is_package

    def invalidate_caches(self) -> None:
        """A bundle does not change."""


class Loader:
    """Loads one module of Python code. The methods are those of `importlib.abc`."""

    def __init__(self, bundle: Bundle, name: str, place: str, inside: str, is_package: bool) -> None:
        self.bundle = bundle
        self.name = name
        self.path = place
        self.inside = inside
        self._is_package = is_package

    def _check(self, name: "str | None") -> None:
        if name not in (None, self.name, "__main__", "__mp_main__"):
            raise ImportError(f"loader for {self.name} cannot handle {name}", name=name)

    def create_module(self, spec: object) -> None:
        """Let the import system make an ordinary module."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code in its namespace."""
        code = self.bundle.read_code(self.inside, self.path)
        _specs._call_with_frames_removed(exec, code, module.__dict__)

    def get_code(self, name: "str | None" = None) -> "CodeType":
        """Return the module's code."""
        self._check(name)
        return self.bundle.read_code(self.inside, self.path)

    def get_source(self, name: "str | None" = None) -> str:
        """Return the module's text."""
        self._check(name)
        return _machinery.decode_source(self.bundle.read(self.inside))  # type: ignore[no-any-return]

    def get_filename(self, name: "str | None" = None) -> str:
        """Return the path that the module has as `__file__`."""
        self._check(name)
        return self.path

    def is_package(self, name: "str | None" = None) -> bool:
        """Whether the module is a package."""
        self._check(name)
        return self._is_package

    def get_data(self, path: str) -> bytes:
        """Return the bytes of a file of the bundle, by its path. Raises OSError."""
        inside = self.bundle.find_inside(str(path))
        if inside in self.bundle.files:
            return self.bundle.read(inside)
        with type(self.bundle.file)(path) as file:
            return file.read()  # type: ignore[no-any-return]

    def get_resource_reader(self, name: "str | None" = None) -> "Any":
        """Return what `importlib.resources` reads the package's files with."""
        if not self._is_package:
            return None
        return self.bundle.get_part("resources").make_reader(self.bundle, self.inside.rpartition("/")[0])


def begin(file: "Any", manifest: "dict[str, Any]", path: str, namespace: "dict[str, Any]") -> "CodeType":
    """Make the bundle's modules importable, make `__main__` the program's, and return its code."""
    bundle = Bundle(file, manifest, path)
    bundle.get_part("unpack").check_place(bundle.path)
    install(bundle, path)
    bundle.get_part("around").install(bundle)
    return enter(bundle, namespace)


def install(bundle: Bundle, given: str) -> None:
    """Put the bundle's folders on `sys.path`, where the program's own and the installed ones would be."""
    sys.path_hooks.insert(0, bundle.hook)
    for entry in list(sys.path_importer_cache):
        if entry.startswith((bundle.path, given)):
            del sys.path_importer_cache[entry]
    own = [bundle.place_of(root, 0) for root in bundle.manifest["roots"] if root != "site-packages"]
    if any(entry in sys.path for entry in own):
        return  # a worker process, which was given the path of its parent
    if sys.path and sys.path[0] == given:
        del sys.path[0]
    sys.path[:0] = own
    if "site-packages" in bundle.folders:
        is_site = [entry.endswith(("site-packages", "dist-packages")) for entry in sys.path]
        at = is_site.index(True) if True in is_site else len(sys.path)
        sys.path.insert(at, bundle.place_of("site-packages", 0))


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
        place = bundle.place_of(inside, bundle.files[inside][4])
        loader = Loader(bundle, "__main__", place, inside, False)
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
