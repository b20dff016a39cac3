"""What a pair of names asks for: which of the renamings it is.

shop.cart:Basket  Cart              a definition
shop.cart:Basket  shop.cart:Cart    the same
shop.cart:total(price)  cost        a parameter; total.price and total:price mean the same
shop.cart:Basket.add(item)  thing   a method's parameter
shop.cart:Basket.add  insert        a method or an attribute
shop.cart  shop.trolley             a module or a package; a bare new name stays in its package
shop/cart.py  shop/trolley.py       the same
"""

from __future__ import annotations

import os
import re

from entrepot.errors import Refused
from entrepot.refactor.changes import Edit
from entrepot.refactor.project import Project
from entrepot.refactor.rename import plan_rename_definition
from entrepot.refactor.rename_member import is_class, plan_rename_member
from entrepot.refactor.rename_module import plan_rename_module
from entrepot.refactor.rename_parameter import plan_rename_parameter

_PARAMETER = re.compile(r"(?P<function>[\w.]+)(?:\((?P<in>\w+)\)|:(?P<colon>\w+))\Z")


def plan_rename(project: Project, old: str, new: str, *, force: bool = False) -> Edit:
    """Return the edit for one renaming. Raises Refused for what is no renaming."""
    module, colon, what = old.partition(":")
    if not colon:
        return _rename_module(project, old, new, force=force)
    new_module, new_colon, new_name = new.rpartition(":")
    if new_colon and project.get_module(new_module) != project.get_module(module):
        raise Refused(f"{new} is in another module", None, None, "to change the module: entrepot move")
    name = new_name if new_colon else new
    if not new_colon and "." in name and name.rpartition(".")[0] in (module, what.rpartition(".")[0]):
        name = name.rpartition(".")[2]
    match = _PARAMETER.match(what)
    if match:
        parameter = match["in"] or match["colon"]
        name = re.sub(r".*\((\w+)\)\Z", r"\1", name).rpartition(".")[2]
        return plan_rename_parameter(project, module, match["function"], parameter, name, force=force)
    if "." in what:
        function, _, parameter = what.rpartition(".")
        if is_class(project, module, function):
            last = name.rpartition(".")[2]
            return plan_rename_member(project, module, function, parameter, last, force=force)
        return plan_rename_parameter(
            project, module, function, parameter, name.rpartition(".")[2], force=force
        )
    if not what.isidentifier():
        raise Refused(f"{old}: write MODULE:NAME, MODULE:FUNCTION(PARAMETER) or MODULE")
    return plan_rename_definition(project, module, what, name, force=force)


def _rename_module(project: Project, old: str, new: str, *, force: bool) -> Edit:
    if os.sep in old or old.endswith(".py"):
        path = os.path.realpath(os.path.join(os.getcwd(), old))
        if os.path.isdir(path) and os.path.join(path, "__init__.py") in project:
            old = project.name_of(os.path.join(path, "__init__.py"))
        elif path in project:
            old = project.name_of(path)
        else:
            raise Refused(f"there is no file {old} in the project {project.root}")
    elif project.find_module(old) is None and "." in old:
        module, _, name = old.rpartition(".")
        found = project.find_module(module)
        if found is not None and name in project.file(found).names.module.bindings:
            return plan_rename_definition(project, module, name, new.rpartition(".")[2], force=force)
    if os.sep in new or new.endswith(".py"):
        new = os.path.splitext(os.path.basename(new))[0] if os.path.dirname(new) == "" else new
        if os.sep in new:
            path = os.path.realpath(os.path.join(os.getcwd(), new))
            root = project.import_root(project.get_module(old))
            new = os.path.relpath(os.path.splitext(path)[0], root).replace(os.sep, ".")
    if "." not in new and "." in old:
        new = f"{old.rpartition('.')[0]}.{new}"
    return plan_rename_module(project, old, new)
