"""How a dotted name is found, step by step, read from the source: which namespace has it, and what stands there.

The first part is looked up as Python does from where it is written (language reference 4.2.2: the functions
around it, the module, the builtins); each further part is an attribute of what was found. Modules
outside of the program are named, not looked into. Nothing is run.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass

from entrepot.program.bindings import Binding
from entrepot.program.inner_code import Lines
from entrepot.program.model import Program
from entrepot.program.resolve import get_absolute
from entrepot.program.scopes import resolve
from entrepot.program.symbols import Occurrence, Scope

MOST_NAMES = 60  # of a module that are drawn
_DEEPEST = 20  # imports followed from one to the next


@dataclass(frozen=True, slots=True)
class Found:
    """One step. place: whose namespace; name: what was looked for there; text: the step in a sentence.

    module: the module whose namespace it is ("" for a function's or the builtins). file, line: where it is bound.
    """

    place: str
    name: str
    kind: str
    text: str
    module: str = ""
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The steps to a name; others: definitions of the same name in other modules (module, kind, path, line)."""

    asked: str
    steps: tuple[Found, ...]
    is_found: bool
    others: tuple[tuple[str, str, str, int], ...]
    drawing: dict[str, object]


def look_up(
    program: Program, asked: str, module: str, *, text: str | None = None, line: int = 0, main: str = ""
) -> Answer:
    """Look a dotted name up as code of a module would.

    Args:
        asked: "arcade.get_score".
        module: the module in which it is written; text: its source, if it is not what is on disk; line: where.
        main: the module that is run as `__main__`, and called so.
    """
    parts = [part for part in asked.split(".") if part]
    steps: list[Found] = []
    where: str | None = module
    rest = parts
    if parts and line and (local := _find_local(program, module, text, parts[0], line)):
        steps.append(local)
        where, rest = None, parts[1:]
    while rest and where is not None:
        name, rest = rest[0], rest[1:]
        step, where = _find_in(program, where, name, is_first=not steps, main=main)
        steps.append(step)
        if step.kind == "missing":
            break
    is_found = bool(steps) and steps[-1].kind != "missing"
    others = tuple(_find_others(program, parts[-1], {step.module for step in steps})) if parts else ()
    shown = [step.module for step in steps if step.module] + [other for other, *_ in others[:3]]
    return Answer(
        asked,
        tuple(steps),
        is_found,
        others,
        draw(program, list(dict.fromkeys(shown)) or [module], steps, main),
    )


def _find_local(program: Program, module: str, text: str | None, name: str, line: int) -> Found | None:
    """Return the step for a name that belongs to a function, a class body or a comprehension, or None."""
    try:
        source = text if text is not None else program.modules[module].source().text
        tree = ast.parse(source)
        lines = Lines(source.encode())
        names = resolve(tree, lines)
    except (KeyError, ValueError, SyntaxError, RecursionError, OSError):
        return None
    here: list[Occurrence] = [
        o for o in names.called(name) if o.start >= 0 and lines.place(o.start)[0] == line
    ]
    home: Scope | None = next(
        (o.home for o in here if o.home is not None and o.home is not names.module), None
    )
    if home is None:
        return None
    what = {
        "function": "the function",
        "class": "the class",
        "comprehension": "the comprehension in",
        "types": "the types of",
    }
    place = f"{what.get(home.kind, home.kind)} {home.name}"
    bound = min(
        (lines.place(o.start)[0] for o in names.called(name) if o.home is home and o.kind != "load"),
        default=line,
    )
    path = program.modules[module].path if module in program.modules else ""
    sentence = f"{name!r} lives in the namespace of {place}: it is there only while that runs."
    return Found(place, name, "local", sentence, "", path, bound)


def _find_in(
    program: Program, module: str, name: str, *, is_first: bool, main: str
) -> tuple[Found, str | None]:
    """Return the step to a name of a module's namespace, and the module that it stands for, if it is one."""
    place = f"{'__main__' if module == main else module}'s namespace"
    path = program.modules[module].path if module in program.modules else ""
    binding = find_binding(program, module, name)
    if binding is None:
        submodule = f"{module}.{name}"
        if submodule in program.modules:
            text = f"{name!r} in {place} is the submodule {submodule}, once something has imported it."
            return Found(place, name, "module", text, module, path, 0), submodule
        if is_first and name in program.modules:
            # Asked for by its whole name, from nowhere.
            text = f"{name!r} in the module cache is the module {name}."
            return Found("the module cache", name, "module", text, "", program.modules[name].path, 0), name
        if is_first and hasattr(builtins, name):
            text = f"{name!r} is in no namespace of the program: the builtins have it."
            return Found("the builtins", name, "builtin", text), None
        text = f"{place} has no {name!r}" + (", and neither have the builtins." if is_first else ".")
        return Found(place, name, "missing", text, module, path), None
    if binding.kind != "import":
        text = f"{name!r} in {place} is a {binding.kind}, defined in line {binding.line}."
        return Found(place, name, binding.kind, text, module, path, binding.line), None
    target, last = follow_import(program, module, binding)
    at = f"bound by the import in line {binding.line}"
    if not last:
        text = f"{name!r} in {place} is the module {target}, {at}."
        return Found(
            place, name, "module", text, module, path, binding.line
        ), target if target in program.modules else None
    text = f"{name!r} in {place} is what {target} has under the name {last!r}, {at}."
    return Found(place, name, "imported", text, module, path, binding.line), None


def find_binding(program: Program, module: str, name: str) -> Binding | None:
    """Return what binds a name at a module's top level last, through star imports too."""
    if module not in program.modules:
        return None
    bindings = program.modules[module].bindings()
    if name in bindings.names:
        return bindings.names[name][-1]
    package = program.modules[module].is_package
    for level, base, line, column, when in bindings.stars:
        source = get_absolute(module, package, level, base)
        if source and source in program.modules and name in (program.list_star_names(source) or ()):
            return Binding(name, "import", line, column, line, 0, source, name, when)
    return None


def follow_import(program: Program, module: str, binding: Binding) -> tuple[str, str]:
    """Return the module that an import's name leads to, and the name there ("" where it is the module itself)."""
    package = module in program.modules and program.modules[module].is_package
    base = get_absolute(module, package, binding.level, binding.module) or binding.module
    if not binding.fetched:
        return (base if binding.is_as else base.partition(".")[0]), ""
    name = binding.fetched
    for _ in range(_DEEPEST):
        inner = find_binding(program, base, name)
        if inner is None:
            return (f"{base}.{name}", "") if f"{base}.{name}" in program.modules else (base, name)
        if inner.kind != "import":
            return base, name
        package = program.modules[base].is_package
        source = get_absolute(base, package, inner.level, inner.module) or inner.module
        if not inner.fetched:
            return (source if inner.is_as else source.partition(".")[0]), ""
        if (source, inner.fetched) == (base, name):
            # `from . import name` in the package itself: its submodule.
            return f"{base}.{name}", ""
        base, name = source, inner.fetched
    return base, name


def _find_others(program: Program, name: str, without: set[str]) -> Iterator[tuple[str, str, str, int]]:
    """Yield the other modules of the program that define the same name."""
    for number, module in enumerate(program.modules.values()):
        if number > 2000:
            return  # a glance, not a search
        if module.kind != "source" or module.name in without:
            continue
        for binding in module.bindings().names.get(name, [])[-1:]:
            if binding.kind in ("function", "class", "variable"):
                yield module.name, binding.kind, module.path, binding.line


def draw(program: Program, modules: list[str], steps: list[Found], main: str = "") -> dict[str, object]:
    """Return the picture of these modules' namespaces, the names of the steps lit, for `static/picture.js`."""
    lit = {(step.module, step.name) for step in steps if step.kind != "missing"}
    boxes = []
    for name in modules:
        if name not in program.modules:
            continue
        rows: list[dict[str, object]] = []
        for row, several in program.modules[name].bindings().names.items():
            binding = several[-1]
            target = ""
            kind = binding.kind
            if kind == "import":
                target, last = follow_import(program, name, binding)
                kind = "imported" if last else "module"
            is_lit = (name, row) in lit
            if len(rows) >= MOST_NAMES and not is_lit:
                continue
            rows.append({"name": row, "kind": kind, "target": target, "is_new": False, "is_lit": is_lit,
                         "place": f"line {binding.line}" if is_lit else ""})  # fmt: skip
        title = "__main__" if name == main else name
        boxes.append({"name": title, "file": program.modules[name].path.rpartition("/")[2], "state": "ready",
                      "is_lit": any(step.module == name for step in steps), "is_new": False, "rows": rows})  # fmt: skip
    return {"modules": boxes, "hidden": 0}
