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
    return _follow(program, dotted, {dotted}) or dotted


def _follow(program: Program, dotted: str, seen: set[str]) -> str | None:
    """Return where a name is defined; None where every way leads back to names that were seen."""
    module, rest = split_name(program, dotted)
    name, _, attributes = rest.partition(".")
    sources = _list_sources(program, module, name) if module and name and len(seen) < _LONGEST else []
    if not sources:
        return dotted
    for source in sources:
        target = f"{source}.{attributes}" if attributes else source
        if target not in seen:
            seen.add(target)
            found = _follow(program, target, seen)
            if found is not None:
                return found
    return None


def _list_sources(program: Program, module: str, name: str) -> list[str]:
    """Return what imports in a module can bind a name to, the likeliest first; [] where the module itself does."""
    bindings = program.raw.read_outline(module)
    is_package = program.raw.is_package(module)
    for binding in reversed(bindings.names.get(name, ())):
        if binding.when in (TYPING, NEVER):
            continue
        source = get_absolute(module, is_package, binding.level, binding.module)
        if binding.kind != "import" or source is None:
            return []
        if binding.fetched:
            return [f"{source}.{binding.fetched}"]
        return [source if binding.is_as else source.partition(".")[0]]
    found = []
    for level, base, _, _, when in reversed(bindings.stars):
        source = get_absolute(module, is_package, level, base)
        if source is None or when in (TYPING, NEVER):
            continue
        if name in (program.list_star_names(source) or ()):
            found.append(f"{source}.{name}")
    return found
