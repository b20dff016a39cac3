"""Reloading: running a module's code again in the same module object.

`importlib.reload`: names that the new code does not bind stay; other modules keep what they took.
"""

from entrepot.core import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.core.modules import Importer


def reload(importer: "Importer", module: "Any") -> "Any":
    """Find a module anew, run it again in its own namespace, and return what the cache then has.

    Raises:
        TypeError: the argument is not a module.
        ImportError: the module, or its parent, is not in the cache.
        ModuleNotFoundError: it is not to be found any more.
    """
    modules = importer.state.modules
    try:
        name = module.__spec__.name
    except AttributeError:
        name = getattr(module, "__name__", None)
        if name is None:
            raise TypeError("reload() argument must be a module") from None
    if modules.get(name) is not module:
        raise ImportError(f"module {name} not in sys.modules", name=name)
    if name in importer.reloading:
        # A cycle: the module's own code reloads it.
        return importer.reloading[name]
    importer.reloading[name] = module
    try:
        parent = name.rpartition(".")[0]
        path = None
        if parent:
            if parent not in modules:
                raise ImportError(f"parent {parent!r} not in sys.modules", name=parent)
            path = modules[parent].__path__
        spec = module.__spec__ = importer.find_spec(name, path, module)
        if spec is None:
            raise ModuleNotFoundError(f"spec not found for the module {name!r}", name=name)
        importer.run_again(spec, module)
        return modules[name]
    finally:
        importer.reloading.pop(name, None)


frames.disguise()
