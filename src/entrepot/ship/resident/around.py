"""What the rest of the standard library must know of a bundle: sources for tracebacks, worker processes, metadata.

One entry of `sys.meta_path` tells `importlib.metadata` which distributions are carried, and completes a few modules of
the standard library as the program imports them. Each change is small and named here:

    linecache                 knows the texts of the bundle's modules
    multiprocessing.spawn     a worker begins by opening the bundle, then runs the entry point as `__mp_main__`
    threading                 a thread's last traceback shows source lines (before Python 3.13 it is printed in C)
    sys.excepthook            so does the program's, without the frames that started it
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType, TracebackType
    from typing import Any

    from entrepot.ship.resident.opened import Bundle


def install(bundle: "Bundle") -> None:
    """Do all of it."""
    import _frozen_importlib_external as external

    watch = Watch(bundle)
    finders: list[Any] = sys.meta_path
    at = next((i for i, finder in enumerate(finders) if finder is external.PathFinder), len(finders))
    finders.insert(at, watch)
    for name, complete in watch.completions.items():
        if name in sys.modules:
            complete(sys.modules[name])
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = watch.show


class Watch:
    """The entry of `sys.meta_path`."""

    def __init__(self, bundle: "Bundle") -> None:
        self.bundle = bundle
        self.completions: dict[str, Any] = {
            "linecache": self.complete_linecache,
            "multiprocessing.spawn": self.complete_spawn,
            "threading": self.complete_threading,
        }

    def find_spec(self, name: str, path: "Any" = None, target: object = None) -> "Any":
        """Find a module that is to be completed; leave all others to the next finder."""
        complete = self.completions.get(name)
        if complete is None:
            return None
        from _frozen_importlib_external import PathFinder

        spec: Any = PathFinder.find_spec(name, path)
        if (
            spec is not None
            and spec.loader is not None
            and self.bundle.find_inside(spec.origin or "") is None
        ):
            spec.loader = Completing(spec.loader, complete)
        return spec

    def find_distributions(self, context: "Any" = None) -> "Iterator[Any]":
        """Yield the distributions that the bundle carries."""
        found: Iterator[Any] = self.bundle.get_part("resources").find_distributions(self.bundle, context)
        return found

    def invalidate_caches(self) -> None:
        """A bundle does not change."""

    def complete_linecache(self, linecache: "Any") -> None:
        """Give linecache the texts, read when they are asked for."""
        bundle = self.bundle
        for inside, entry in bundle.files.items():
            if inside.endswith(".py"):
                place = f"{bundle.path}/{inside}" if not entry[4] & 1 else ""
                if place:
                    linecache.cache.setdefault(place, (lambda inside=inside: bundle.read_text(inside),))

    def complete_spawn(self, spawn: "Any") -> None:
        """Let worker processes begin with the bundle."""
        prepare = spawn.get_preparation_data

        def get_preparation_data(name: str) -> "dict[str, Any]":
            data: dict[str, Any] = prepare(name)
            data.pop("init_main_from_name", None)
            data["init_main_from_path"] = self.bundle.path
            return data

        spawn.get_preparation_data = get_preparation_data

    def complete_threading(self, threading: "Any") -> None:
        """Let a thread's last traceback be printed in Python."""
        if sys.version_info >= (3, 13):
            return
        printed_in_c = threading.excepthook

        def excepthook(args: "Any") -> None:
            if args.exc_type is SystemExit or sys.stderr is None:
                printed_in_c(args)
                return
            name = args.thread.name if args.thread is not None else threading.get_ident()
            from traceback import print_exception

            print(f"Exception in thread {name}:", file=sys.stderr, flush=True)
            print_exception(args.exc_type, args.exc_value, args.exc_traceback)

        threading.excepthook = excepthook

    def show(self, kind: "type[BaseException]", error: BaseException, trace: "TracebackType | None") -> None:
        """Print an exception that nobody caught: `sys.excepthook`."""
        starters = ("<frozen runpy>", "<frozen importlib._bootstrap_external>")
        start = self.bundle.path.rpartition("/")[2] + "/__main__.py"
        shown = trace
        while shown is not None:
            name = shown.tb_frame.f_code.co_filename
            if name not in starters and not ("/" + name).endswith("/" + start):
                break
            shown = shown.tb_next
        try:
            from traceback import print_exception
        except Exception:
            sys.__excepthook__(kind, error, trace)
            return
        print_exception(kind, error, shown if shown is not None else trace)


class Completing:
    """Loads a module as its loader does, then completes it."""

    def __init__(self, loader: "Any", complete: "Any") -> None:
        self.loader = loader
        self.complete = complete

    def create_module(self, spec: object) -> "Any":
        """Make the module as its loader does."""
        return self.loader.create_module(spec)

    def exec_module(self, module: "ModuleType") -> None:
        """Run it, with its own loader in its place, then complete it."""
        spec: Any = module.__spec__
        spec.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.complete(module)
