"""Begin a trace before the program does, then be what `sitecustomize` would have been without us.

The parent process puts this folder at the front of PYTHONPATH, and into ENTREPOT_TRACE what it
wants: descriptor, token for labels of output, how many details, the folder of entrepot, and PYTHONPATH
as it was ("-" where it was not set). All of that is taken back here before the program can see it.
"""

import os
import sys


def _begin() -> None:
    log, token, details, root, before = os.environ.pop("ENTREPOT_TRACE").split("\n", 4)
    if before == "-":
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = before[1:]
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    sys.path_importer_cache.pop(folder, None)
    if sys.version_info < (3, 11):  # noqa: UP036 (a program may be run by any)
        os.write(int(log), b"too old: " + sys.version.split()[0].encode())
        os.close(int(log))
        _be_the_real_one()
        return
    os.set_inheritable(int(log), False)
    known = set(sys.modules)
    # What we make is not to bring the program's collections of garbage forward.
    import gc

    gc.disable()
    sys.path.insert(0, root)
    from entrepot.trace.tracing import resident

    sys.path.remove(root)
    resident.forget_new(known, root)
    _be_the_real_one()
    resident.start(int(log), token, details)
    gc.enable()
    if "gc" not in known:
        del sys.modules["gc"]


def _be_the_real_one() -> None:
    """Run the `sitecustomize` that there is without this folder, if there is one."""
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import PathFinder

    spec = PathFinder.find_spec("sitecustomize")
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


if "ENTREPOT_TRACE" in os.environ:
    _begin()
    if (
        sys.modules.get("sitecustomize") is sys.modules[__name__]
        and sys.modules[__name__].__file__ == __file__
    ):
        # To `site` this means that there is none, and then none stays in sys.modules.
        raise ImportError("no sitecustomize but the observer's", name="sitecustomize")
