"""Which module a `--to` names, and whether it may be made."""

from __future__ import annotations

import keyword
import os
import sys

from entrepot.errors import Refused
from entrepot.refactor.cut import Cut, Target


def find_target(cut: Cut, given: str) -> Target:
    """Return the module that a `--to` names: a sibling, a dotted name, or a path."""
    project, source = cut.project, cut.path
    name = given
    if given.endswith(".py") or "/" in given:
        path = os.path.normpath(os.path.join(project.root, given))
        if not path.endswith(".py"):
            path += ".py"
        if not path.startswith(project.root + os.sep):
            raise Refused(f"{given} is outside the project {project.root}")
        beside = os.path.join(os.path.dirname(source), os.path.basename(given))
        if os.sep not in given and "/" not in given:
            path = beside
    elif "." in given.lstrip("."):
        parts = given.lstrip(".").split(".")
        found = project.find_module(given, source)
        path = found or os.path.join(_root_for(cut, parts[0]), *parts) + ".py"
    else:
        path = os.path.join(os.path.dirname(source), given.lstrip(".") + ".py")
        folder = path[:-3]
        if os.path.join(folder, "__init__.py") in project:
            path = os.path.join(folder, "__init__.py")
    name = (
        os.path.basename(path)[:-3]
        if not path.endswith("__init__.py")
        else os.path.basename(os.path.dirname(path))
    )
    if "\0" in given or not name.isidentifier() or keyword.iskeyword(name):
        raise Refused(f"{given!r} cannot be the name of a module")
    if path == source:
        raise Refused(f"{given} is the file itself", project.show(source))
    if os.path.lexists(path) and path not in project:
        raise Refused(
            "this is not a Python file of the project", project.show(path), None, "choose another name"
        )
    if os.path.islink(path):
        raise Refused(
            f"a link, to {os.path.realpath(path)}", project.show(path), None, "name the file it leads to"
        )
    file = project.file(path) if path in project else None
    if file is None:
        _check_free(cut, path, name)
        prefix = _package_prefix(cut, path)
        project._names.setdefault(path, f"{prefix}.{name}" if prefix else name)
        key = project.name_of(path)
    else:
        file.tree  # noqa: B018
        key = project.name_of(path)
    return Target(key, path, [], file)


def _root_for(cut: Cut, top: str) -> str:
    """Return the folder below which the package `top` is (or would be)."""
    for root in (cut.project.import_root(cut.path), cut.project.root):
        if os.path.isdir(os.path.join(root, top)):
            return root
    return cut.project.import_root(cut.path)


def _package_prefix(cut: Cut, path: str) -> str:
    """Return the package of a file that does not exist yet."""
    folder = os.path.dirname(path)
    if folder == os.path.dirname(cut.path):
        return cut.project.package_of(cut.path)
    if os.path.join(folder, "__init__.py") in cut.project:
        return cut.project.name_of(os.path.join(folder, "__init__.py"))
    root = cut.project.import_root(cut.path)
    if not folder.startswith(root):
        root = cut.project.root
    relative = os.path.relpath(folder, root)
    return "" if relative == "." else relative.replace(os.sep, ".")


def _check_free(cut: Cut, path: str, name: str) -> None:
    """Raise Refused where a new module would hide something, or be hidden."""
    folder = path[: -len(".py")]
    if os.path.isdir(folder) and any(p.startswith(folder + os.sep) for p in cut.project.paths):
        raise Refused(
            f"there is a package {name} here already", cut.project.show(folder), None, "choose another name"
        )
    package = os.path.join(os.path.dirname(path), "__init__.py")
    if package not in cut.project:
        if name in sys.stdlib_module_names:
            raise Refused(
                f"a module called {name} would hide the standard library's", None, None, "choose another name"
            )
        if importer := cut.project.find_importer(name):
            raise Refused(
                f"another module called {name} is imported here, which the new one would hide",
                cut.project.show(importer[0]), importer[1],
                "choose another name, or say with --root DIR which folder the project is",
            )  # fmt: skip
    elif name in cut.project.file(package).names.module.bindings and package != cut.path:
        imported = cut.project.file(package).names.of_module(name)
        raise Refused(
            f"the package already has a name {name}, which the module would replace",
            cut.project.show(package), cut.project.file(package).line_of(imported[0].start), "choose another name",
        )  # fmt: skip
    elif package == cut.path and name in cut.file.names.module.bindings:
        raise cut.refuse(f"the package already has a name {name}", None, "choose another name")
