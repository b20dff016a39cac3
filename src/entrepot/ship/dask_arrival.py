"""What arrives first on a process of a cluster: it sees to it that entrepot's modules are there.

entrepot need not be installed on a scheduler or a worker. So a plugin is pickled as this file's text and a call of one of
its functions (`dask_plugins.Sent`), and the first thing that they do is `bring`: what is installed there is used where it
speaks our language, otherwise the modules that the client carries are imported from memory. A worker that needs them asks
the scheduler, so they do not travel where they are not needed.

Of entrepot this file may import nothing at its top.
"""

import hashlib
import importlib
import importlib.util
import json
import sys
import zlib

from distributed.diagnostics.plugin import WorkerPlugin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_PLUGINS = "entrepot.ship.dask_plugins"


class Carried:
    """Finds and loads modules whose text is in memory. packed: name -> (file, text) of each, as `carried.pack` makes it."""

    def __init__(self, packed: bytes) -> None:
        self.texts: dict[str, tuple[str, str]] = json.loads(zlib.decompress(packed))

    def find_spec(self, name: str, *_: object) -> "ModuleSpec | None":
        """Return the spec of a module that is carried."""
        if name not in self.texts:
            return None
        loader: Any = self
        file = self.texts[name][0]
        spec = importlib.util.spec_from_loader(
            name, loader, origin=file, is_package=file.endswith("__init__.py")
        )
        if spec is not None:
            spec.has_location = True  # it has a `__file__`, for tracebacks
        return spec

    def create_module(self, spec: "ModuleSpec") -> None:
        """Leave it to the interpreter."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run it."""
        file, text = self.texts[module.__name__]
        exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name: str) -> str:
        """Return its text (tracebacks show lines of it)."""
        return self.texts[name][1]


def bring(protocol: int, packed: bytes = b"") -> "Any":
    """Return the module of the plugins as this process has it, else as it is carried. None where it would be needed.

    Raises RuntimeError where the process has imported an entrepot that does not understand ours.
    """
    was_here = sys.modules.get("entrepot")
    try:
        module = importlib.import_module(_PLUGINS)
        if protocol == module.PROTOCOL:
            return module
    except Exception:
        pass  # not installed, or so old that anything may be wrong with it
    if was_here is not None:
        place = getattr(was_here, "__file__", "?")
        raise RuntimeError(
            f"this process has imported another version of entrepot, {place}: "
            "start it again, or install there the version that the client has"
        )
    for name in [name for name in sys.modules if name.partition(".")[0] == "entrepot"]:
        del sys.modules[name]  # only we have imported it
    if not packed:
        return None
    finder: Any = Carried(packed)
    sys.meta_path.insert(0, finder)
    return importlib.import_module(_PLUGINS)


def make_shelf(protocol: int, packed: bytes, *arguments: object) -> object:
    """Return the scheduler's plugin, there."""
    return bring(protocol, packed).Shelf(packed, *arguments)


class Arriving(WorkerPlugin):
    """A worker's plugin, which becomes that of `dask_plugins` once that can be imported.

    message: the one that our plugin on the scheduler answers. digest: the SHA-256 of what is carried.
    """

    def __init__(self, protocol: int, message: str, digest: str, *arguments: object) -> None:
        self.protocol = protocol
        self.message = message
        self.digest = digest
        self.arguments = arguments
        self.plugin: Any = None

    async def setup(self, worker: "Any") -> None:
        """Bring entrepot's modules, then the client's."""
        plugins = bring(self.protocol)
        if plugins is None:
            packed = await getattr(worker.scheduler, self.message)(action="get_carried")
            if hashlib.sha256(packed).hexdigest() != self.digest:
                raise RuntimeError("the scheduler sent other modules of entrepot than the client had sent it")
            plugins = bring(self.protocol, packed)
        self.plugin = plugins.WorkerModules(*self.arguments)
        await self.plugin.setup(worker)

    async def teardown(self, worker: "Any") -> None:
        """The plugin is removed, or the worker closes."""
        if self.plugin is not None:
            await self.plugin.teardown(worker)
