"""The import statement, and the functions that do its work by name.

Language reference 7.11 (the statement) and 5.3 to 5.7. The interpreter calls `__import__` of the
running frame's builtins with the name, the namespaces, the list after `from` and the number of
leading dots, and binds what it returns.
"""

import sys
from _functools import partial  # type: ignore[import-not-found]
from _weakref import ref

from entrepot.core import bindings, frames, names
from entrepot.core.locks import is_initializing
from entrepot.core.spec import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import Any

    from entrepot.core.modules import Importer

_MISSING: "Any" = object()


def import_as_function(
    importer: "Importer",
    name: str,
    globals: "dict[str, Any] | None" = None,
    fromlist: "Iterable[Any] | None" = (),
    level: int = 0,
    stacklevel: int = 2,
) -> "Any":
    """Do what `importlib.__import__` does: return the module that the statement would go on with.

    That is the module named where there is a `from` list, else the first part of its name.
    `stacklevel` is how many frames the importing code is above this one.
    """
    if level == 0:
        module = importer.import_by_name(name)
    else:
        package = names.find_package({} if globals is None else globals, stacklevel)
        module = importer.import_by_name(name, package, level)
    if fromlist:
        return handle_fromlist(importer, module, fromlist) if hasattr(module, "__path__") else module
    if level == 0:
        top = name.partition(".")[0]
        return module if top == name else importer.import_by_name(top)
    if not name:
        return module
    # `__import__("b.c", level=1)` in package a: cut "a.b.c" behind the first part of what was named.
    surplus = len(name) - len(name.partition(".")[0])
    full = module.__name__
    return importer.state.modules[full[: len(full) - surplus]]


def import_as_statement(
    importer: "Importer", name: "Any", globals: "Any", fromlist: "Any", level: int, stacklevel: int
) -> "Any":
    """Do what the interpreter's own `__import__` does, with the errors of its C code."""
    if not isinstance(name, str):
        raise TypeError("module name must be a string")
    if level < 0:
        raise ValueError("level must be >= 0")
    if level:
        full = names.resolve_in_statement(name, globals, level, stacklevel + 1)
    elif name:
        full = name
    else:
        raise ValueError("Empty module name")
    module = importer.find_and_load(full)
    if fromlist:
        return handle_fromlist(importer, module, fromlist) if hasattr(module, "__path__") else module
    top = name.partition(".")[0]
    if top == name:
        return module
    if level == 0:
        return importer.find_and_load(top)
    first = full[: len(full) - len(name) + len(top)]
    try:
        return importer.state.modules[first]
    except KeyError:
        text = f"{first!r} not in sys.modules as expected"
    raise KeyError(text)


def handle_fromlist(
    importer: "Importer", module: "Any", fromlist: "Iterable[Any]", *, is_all: bool = False
) -> "Any":
    """Import the submodules that a `from` list names and the package has not as attributes.

    `*` stands for the package's `__all__`. A submodule that does not exist is left to the
    statement, which then says "cannot import name".
    """
    for item in fromlist:
        if not isinstance(item, str):
            where = f"{module.__name__}.__all__" if is_all else "``from list''"
            raise TypeError(f"Item in {where} must be str, not {type(item).__name__}")
        if item == "*":
            if not is_all and hasattr(module, "__all__"):
                handle_fromlist(importer, module, module.__all__, is_all=True)
        elif not hasattr(module, item):
            full = f"{module.__name__}.{item}"
            try:
                importer.find_and_load(full)
            except ModuleNotFoundError as error:
                if error.name == full and importer.state.modules.get(full, _MISSING) is not None:
                    continue
                raise
    return module


def import_module(importer: "Importer", name: str, package: "str | None" = None) -> "Any":
    """Import a module by name, relative to a package if it begins with dots, and return it.

    Raises:
        TypeError: a relative name and no package.
    """
    bare, level = names.split_dots(name)
    if level and not package:
        raise TypeError(f"the 'package' argument is required to perform a relative import for {name!r}")
    return importer.import_by_name(bare, package, level)


# What `import a.b as c` is compiled to: RESUME, two LOAD_CONST, IMPORT_NAME, IMPORT_FROM, ...
_OPERATIONS = compile("import a.b as c", "", "exec").co_code
_IMPORT_NAME, _IMPORT_FROM = _OPERATIONS[6], _OPERATIONS[8]


def show_unbound(
    modules: "dict[str, Any]", module: "Any", name: str, fromlist: "Any", frame: "FrameType"
) -> "Any":
    """Return what the rest of a statement finds submodules in that are not bound in their package yet.

    In a cycle `from package import child` takes the child from the cache, half initialised as it is:
    so does the interpreter's IMPORT_FROM, but from `sys.modules`. Where the statement goes on with
    IMPORT_FROM and a child is only in our cache, it gets a stand-in of the package that has the child.
    """
    package = getattr(module, "__name__", None)
    wanted = fromlist or [name.split(".", 2)[1]]
    unbound = [
        (child, modules[f"{package}.{child}"])
        for child in wanted
        if isinstance(child, str) and not hasattr(module, child) and f"{package}.{child}" in modules
    ]
    if not unbound or not _continues_with_from(frame, bool(fromlist)):
        return module
    stand_in = _HalfBound(module)
    for child, found in unbound:
        if not fromlist and name.count(".") > 1:
            # `import a.b.c as d`: c may not be bound in b either.
            found = show_unbound(modules, found, name.partition(".")[2], None, frame)
        stand_in.__dict__[child] = found
    return stand_in


def _continues_with_from(frame: "FrameType", has_list: bool) -> bool:
    """Whether a frame is at an import statement that takes attributes of what `__import__` returns."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] != _IMPORT_NAME:
        return False
    # Behind it there may be an EXTENDED_ARG.
    return has_list or _IMPORT_FROM in (code[at + 2], code[at + 4])


class _HalfBound(Module):
    """A package as one statement sees it: with submodules that will be bound in it later."""

    def __init__(self, package: "Any") -> None:
        super().__init__(package.__name__)
        own = self.__dict__
        own["_package_"] = package
        for name in ("__spec__", "__file__", "__path__"):
            if hasattr(package, name):
                own[name] = getattr(package, name)

    def __getattr__(self, name: str) -> "Any":
        return getattr(self.__dict__["_package_"], name)


def make_statement(importer: "Importer") -> "Any":
    """Return an `__import__` for the builtins of a system's modules.

    It raises the audit event "import" as the interpreter's own does, and tells listeners which
    names the statement binds.
    """
    state = importer.state

    def __import__(
        name: str,
        globals: "Any" = None,
        locals: "Any" = None,
        fromlist: "Any" = (),
        level: int = 0,
    ) -> "Any":
        if level == 0 and importer.tell is None and isinstance(name, str):
            module = state.modules.get(name)
            if module is None or is_initializing(module):
                sys.audit("import", name, None, state.path, state.meta_path, state.path_hooks)
            elif not fromlist and "." not in name:
                return module
        result = import_as_statement(importer, name, globals, fromlist, level, stacklevel=3)
        if fromlist or (level == 0 and "." in name):
            result = show_unbound(state.modules, result, name, fromlist, sys._getframe(2))
        if importer.tell is not None:
            bindings.tell_bound(importer, sys._getframe(2), name, level)
        if type(fromlist) is list and not fromlist and globals is locals and level == 0:
            # Nobody but the interpreter's PyImport_Import asks so.
            _show_to_c(importer, name, entry)
        return result

    entry = frames.without_frame(__import__, "Import a module, as `builtins.__import__` does.")
    return partial(entry)


# What `sys.modules` shows for a moment, by the function whose end ends the moment.
_moments: "dict[int, Any]" = {}


def _show_to_c(importer: "Importer", name: str, entry: "Any") -> None:
    """Let compiled code that imports by PyImport_Import find a module of a system.

    That function calls the `__import__` of the running code's builtins, then looks into `sys.modules`,
    then lets go of the `__import__`. So the module is there until the `__import__` that was called is
    gone: another takes its place in the builtins now, and nobody else has it.
    """
    if importer.builtins is None or importer.state.modules is sys.modules:
        return
    module = importer.state.modules.get(name, _MISSING)
    called = importer.builtins["__import__"]
    before = sys.modules.get(name, _MISSING)
    if module is before or module is _MISSING or type(called) is not partial:
        return

    def give_back(reference: object) -> None:
        _moments.pop(id(reference), None)
        if sys.modules.get(name, _MISSING) is module:
            if before is _MISSING:
                del sys.modules[name]
            else:
                sys.modules[name] = before

    reference = ref(called, give_back)
    _moments[id(reference)] = reference
    importer.builtins["__import__"] = partial(entry)
    sys.modules[name] = module


frames.disguise()
