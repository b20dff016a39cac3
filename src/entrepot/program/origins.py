"""Follow a name through re-exports to the module that defines it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrepot.program.conditions import NEVER, TYPING
from entrepot.program.resolve import get_absolute

if TYPE_CHECKING:
    from entrepot.program.model import Program

# Longer chains of re-exports go in circles.
_LONGEST = 50


def _descend(program: Program, module: str, rest: str) -> tuple[str, str]:
    """Go from a module ("" for none) into its submodules, as far as the names lead into them.

    A name that a package binds to something else than its submodule is not that submodule.
    """
    while rest:
        part, _, after = rest.partition(".")
        longer = f"{module}.{part}" if module else part
        if longer not in program.raw.ids or (module and program.binds(module, part)):
            break
        module, rest = longer, after
    return module, rest


def find_origin(program: Program, dotted: str, module: str = "") -> str:
    """Return the absolute name under which something is defined.

    `shop.total`, where shop/__init__.py says `from .cart import total`, is `shop.cart.total`. What is not
    the program's, or cannot be followed, is returned as it is. module: where `dotted` is a name in, as an import
    statement means it: its parents may have other things under its name.
    """
    whole = _join(module, dotted)
    return _follow(program, module, dotted, {whole}) or whole


def _join(module: str, rest: str) -> str:
    return f"{module}.{rest}" if module and rest else module or rest


def _follow(program: Program, module: str, rest: str, seen: set[str]) -> str | None:
    """Return where a name is defined; None where every way leads back to names that were seen."""
    module, rest = _descend(program, module, rest)
    name, _, attributes = rest.partition(".")
    is_followed = module in program.raw.ids and name and len(seen) < _LONGEST
    sources = _list_sources(program, module, name) if is_followed else []
    if not sources:
        return _join(module, rest)
    for source, fetched in sources:
        fetched = _join(fetched, attributes)
        target = _join(source, fetched)
        if target not in seen:
            seen.add(target)
            found = _follow(program, source, fetched, seen)
            if found is not None:
                return found
    return None


def _list_sources(program: Program, module: str, name: str) -> list[tuple[str, str]]:
    """Return what imports in a module can bind a name to, the likeliest first: (module, name there or "").

    None where the module itself binds it.
    """
    bindings = program.raw.read_outline(module)
    is_package = program.raw.is_package(module)
    for binding in reversed(bindings.names.get(name, ())):
        if binding.when in (TYPING, NEVER):
            continue
        source = get_absolute(module, is_package, binding.level, binding.module)
        if binding.kind != "import" or source is None:
            return []
        if binding.fetched:
            return [(source, binding.fetched)]
        return [(source if binding.is_as else source.partition(".")[0], "")]
    found = []
    for level, base, _, _, when in reversed(bindings.stars):
        source = get_absolute(module, is_package, level, base)
        if source is None or when in (TYPING, NEVER):
            continue
        if name in (program.list_star_names(source) or ()):
            found.append((source, name))
    return found
