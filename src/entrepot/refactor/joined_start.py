"""The first code of a joined file: a finder for the modules that the file carries as text.

`join` puts this source, without this docstring, into the file it writes; entrepot itself never
imports it there. It uses only what a bare interpreter has, and defines nothing in the program's
namespace. It is compiled under the import system's own file name, so that Python leaves its
frames out of tracebacks as it does for its own loaders.

`start` takes the namespace of `__main__`, the entry point's (path, text), the modules as
{name: (path, text or None for a folder without __init__, is_package)}, data files as
{path: bytes}, and the metadata of distributions as {name: {file: text}}.
"""

import _frozen_importlib as _bootstrap
import _frozen_importlib_external as _external
import sys


class Finder:
    def __init__(self, base, entry, modules, data, metadata):
        separator = _external.path_sep
        self.places = {
            name: base + separator + path.replace("/", separator) for name, (path, _, _) in modules.items()
        }
        self.entry = entry
        self.entry_path = base + separator + entry[0].replace("/", separator)
        self.modules = modules
        self.data = {base + separator + path.replace("/", separator): text for path, text in data.items()}
        self.metadata = metadata
        self.folders = {
            self.places[name].rpartition(separator)[0]
            if modules[name][1] is not None
            else self.places[name]: name
            for name in modules
            if modules[name][2]
        }

    # finder

    def find_spec(self, name, path=None, target=None):
        if name == "linecache" and "linecache" not in self.modules:
            spec = _external.PathFinder.find_spec(name, path)
            if spec is not None:
                spec.loader = Seeding(spec.loader, self)
            return spec
        found = self.modules.get(name)
        if found is None:
            return None
        _, text, is_package = found
        place = self.places[name]
        if text is None:
            spec = _bootstrap.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [place]
            return spec
        spec = _bootstrap.ModuleSpec(name, self, origin=place, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [place.rpartition(_external.path_sep)[0]]
        return spec

    def invalidate_caches(self):
        pass

    def find_distributions(self, context=None):
        from importlib.metadata import Distribution

        class Carried(Distribution):
            def __init__(self, files):
                self.carried = files

            def read_text(self, filename):
                return self.carried.get(filename)

            def locate_file(self, path):
                raise FileNotFoundError(path)

        wanted = getattr(context, "name", None)
        normal = wanted and wanted.lower().replace("-", "_").replace(".", "_")
        return [Carried(files) for name, files in self.metadata.items() if normal in (None, name)]

    # loader

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        code = self.get_code(module.__name__)
        _bootstrap._call_with_frames_removed(exec, code, module.__dict__)

    def get_code(self, name):
        if name == "__main__":
            return _bootstrap._call_with_frames_removed(
                compile, self.entry[1], self.entry_path, "exec", dont_inherit=True
            )
        return _bootstrap._call_with_frames_removed(
            compile, self.modules[name][1], self.places[name], "exec", dont_inherit=True
        )

    def get_source(self, name):
        if name in ("__main__", "__mp_main__"):
            return self.entry[1]
        if name not in self.modules:
            raise ImportError("not carried by this file", name=name)
        return self.modules[name][1]

    def get_filename(self, name):
        return self.places[name]

    def is_package(self, name):
        return self.modules[name][2]

    def get_data(self, path):
        path = str(path)
        if path in self.data:
            return self.data[path]
        for name, place in self.places.items():
            if place == path and self.modules[name][1] is not None:
                return self.modules[name][1].encode()
        with open(path, "rb") as stream:
            return stream.read()

    def get_resource_reader(self, name):
        return (
            Folder(self, self.places[name].rpartition(_external.path_sep)[0])
            if self.is_package(name)
            else None
        )

    # path hook, for pkgutil

    def hook(self, path):
        if path not in self.folders:
            raise ImportError("not carried by this file", path=path)
        return Entries(self, self.folders[path])

    # tracebacks

    def seed(self, linecache, joined):
        """Give linecache the texts, under the files' own names."""
        for name, place in self.places.items():
            text = self.modules[name][1]
            if text is not None:
                linecache.cache.setdefault(place, (lambda text=text: text,))
        lines = [line + "\n" for line in self.entry[1].split("\n")]
        for place in (self.entry_path, joined):
            linecache.cache[place] = (len(self.entry[1]), None, lines, place)


class Entries:
    """What pkgutil.iter_modules asks for one folder."""

    def __init__(self, finder, package):
        self.finder = finder
        self.package = package

    def find_spec(self, name, target=None):
        return None

    def iter_modules(self, prefix=""):
        start = self.package + "."
        for name in sorted(self.finder.modules):
            is_folder = self.finder.modules[name][1] is None  # pkgutil does not list those
            if name.startswith(start) and "." not in name[len(start) :] and not is_folder:
                yield prefix + name[len(start) :], self.finder.modules[name][2]


class Seeding:
    """Loads linecache, then fills it."""

    def __init__(self, loader, finder):
        self.loader = loader
        self.finder = finder

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.finder.seed(module, self.finder.joined)


class Folder:
    """A carried folder or data file, as importlib.resources walks it."""

    def __init__(self, finder, path):
        self.finder = finder
        self.path = path
        self.name = path.rpartition(_external.path_sep)[2]

    def files(self):
        return self

    def __str__(self):
        return self.path

    def iterdir(self):
        start = self.path + _external.path_sep
        places = [*self.finder.data, *self.finder.places.values()]
        names = {
            place[len(start) :].split(_external.path_sep)[0] for place in places if place.startswith(start)
        }
        return iter([self / name for name in sorted(names)])

    def is_file(self):
        return self.path in self.finder.data or self.path in self.finder.places.values()

    def is_dir(self):
        return not self.is_file() and any(
            place.startswith(self.path + _external.path_sep)
            for place in [*self.finder.data, *self.finder.places.values()]
        )

    def joinpath(self, *parts):
        path = self.path
        for part in parts:
            path += _external.path_sep + str(part).replace("/", _external.path_sep)
        return Folder(self.finder, path)

    __truediv__ = joinpath

    def read_bytes(self):
        if not self.is_file():
            raise FileNotFoundError(2, "No such file or directory", self.path)
        return self.finder.get_data(self.path)

    def read_text(self, encoding=None, errors="strict"):
        import io

        with io.TextIOWrapper(
            io.BytesIO(self.read_bytes()), encoding=encoding or "utf-8", errors=errors
        ) as stream:
            return stream.read()

    def open(self, mode="r", encoding=None, errors="strict", **more):
        import io

        raw = io.BytesIO(self.read_bytes())
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding=encoding or "utf-8", errors=errors)

    def open_resource(self, resource):
        return (self / resource).open("rb")

    def resource_path(self, resource):
        raise FileNotFoundError(resource)

    def is_resource(self, name):
        return (self / name).is_file()

    def contents(self):
        return (entry.name for entry in self.iterdir())


def start(namespace, entry, modules, data, metadata):
    joined = namespace.get("__file__") or ""
    base = joined.rpartition(_external.path_sep)[0]
    if not base.startswith(_external.path_sep) and base[1:2] != ":":
        base = _external._path_join(_external._os.getcwd(), base) if base else _external._os.getcwd()
    finder = Finder(base, entry, modules, data, metadata)
    finder.joined = joined
    hidden = [name for name in modules if "." not in name and name in sys.stdlib_module_names]
    if hidden:
        # A module of the program that is called like one of the library's must not get into
        # what prints tracebacks: load that first, then forget the names.
        before = set(sys.modules)
        import traceback  # noqa: F401

        for name in hidden:
            if name in sys.modules and name not in before:
                del sys.modules[name]
    # Behind the finders of built-in and frozen modules, before that of files: where the
    # script's own folder comes in a plain run.
    place = next((i for i, f in enumerate(sys.meta_path) if f is _external.PathFinder), len(sys.meta_path))
    sys.meta_path.insert(place, finder)
    sys.path_hooks.append(finder.hook)
    if "linecache" in sys.modules:
        finder.seed(sys.modules["linecache"], joined)
    namespace["__loader__"] = finder

    def show(kind, value, trace):
        while trace is not None and trace.tb_frame.f_code.co_filename in (joined, show.__code__.co_filename):
            trace = trace.tb_next
        try:
            import linecache  # noqa: F401
            from traceback import print_exception
        except Exception:
            return sys.__excepthook__(kind, value, trace)
        print_exception(kind, value, trace)

    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = show
    return finder.get_code("__main__")
