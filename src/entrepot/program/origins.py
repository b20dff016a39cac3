"""Follow a name through re-exports to the module that defines it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.program.conditions import NEVER, TYPING
from entrepot.program.resolve import get_absolute

if TYPE_CHECKING:
    from entrepot.program.model import Program

# Longer chains of re-exports go in circles.
_LONGEST = 50


def split_name(program: Program, dotted: str) -> tuple[str, str]:
    """Split an absolute name into the module of the program that it begins with, and the rest.

    A name that a package binds to something else than its submodule is not that submodule.
    """
    module = ""
    parts = dotted.split(".")
    for index, part in enumerate(parts):
        longer = f"{module}.{part}" if module else part
        if longer not in program.raw.ids or (module and program.binds(module, part)):
            return module, ".".join(parts[index:])
        module = longer
    return module, ""


def find_origin(program: Program, dotted: str) -> str:
    """Return the absolute name under which something is defined.

    `shop.total`, where shop/__init__.py says `from .cart import total`, is `shop.cart.total`. What is not
    the program's, or cannot be followed, is returned as it is.
    """
    for _ in range(_LONGEST):
        module, rest = split_name(program, dotted)
        name, _, attributes = rest.partition(".")
        if not module or not name:
            return dotted
        source = _find_source(program, module, name)
        if source is None or source == f"{module}.{name}":
            return dotted
        dotted = f"{source}.{attributes}" if attributes else source
    return dotted


def _find_source(program: Program, module: str, name: str) -> str | None:
    """Return what an import in a module binds a name to; None where no import does."""
    bindings = program.raw.read_outline(module)
    is_package = program.raw.is_package(module)
    for binding in reversed(bindings.names.get(name, ())):
        if binding.when in (TYPING, NEVER):
            continue
        if binding.kind != "import":
            return None
        source = get_absolute(module, is_package, binding.level, binding.module)
        if source is None:
            return None
        if not binding.fetched:
            return source if binding.is_as else source.partition(".")[0]
        return f"{source}.{binding.fetched}"
    for level, base, _, _, when in reversed(bindings.stars):
        source = get_absolute(module, is_package, level, base)
        if (
            source is not None
            and when not in (TYPING, NEVER)
            and name in (program.list_star_names(source) or ())
        ):
            return f"{source}.{name}"
    return None
