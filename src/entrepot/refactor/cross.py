"""How each reference that crosses a cut is written, so that no import comes too early.

Between two modules of the cut, what one needs from the other *while it is initialised* is a
hard arrow. Hard arrows must have no cycle, else the cut is refused with the arrows and the
names that would have to come along. Softer needs (inside functions) become an import at the
top where that closes no cycle, else an import inside the function, and where a function has no
line for one (lambda, one-liner) an `import module` at the bottom with `module.name`. A name
that is rebound crosses only as `module.name`, whatever the style.

A package's `__init__` is always initialised before its modules; there, instead of a cycle, the
order of its statements decides.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from entrepot.errors import Refused
from entrepot.program.symbols import AT_CALL, AT_IMPORT, LOAD, NEVER
from entrepot.refactor.changes import Note
from entrepot.refactor.cut import STAY, Crossing, Cut, is_copied, is_declaration
from entrepot.refactor.effects import Effects
from entrepot.refactor.imports import Spelling, find_import_place, spell, uses_relative
from entrepot.refactor.statements import is_main_guard
from entrepot.refactor.text import SourceFile
from entrepot.refactor.uses import is_shadowed

_RUN_AT_CREATION = frozenset(
    {"__init__", "__new__", "__init_subclass__", "__set_name__", "__call__", "__post_init__"}
)
_READERS_OF_HINTS = (
    b"get_type_hints",
    b"pydantic",
    b"eval_str",
    b"typeguard",
    b"beartype",
    b"msgspec",
    b"cattrs",
)


@dataclass
class Imports:
    """What one module imports from the others of the cut."""

    names: dict[str, list[str]] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    bottom: list[str] = field(default_factory=list)
    types: dict[str, list[str]] = field(default_factory=dict)
    local: dict[int, tuple[ast.AST, dict[str, list[str]], list[str]]] = field(default_factory=dict)


@dataclass
class Decision:
    """Everything that `splitting.py` needs to write."""

    cut: Cut
    imports: dict[str, Imports] = field(default_factory=dict)
    position: dict[str, int] = field(default_factory=dict)  # target -> offset in the source file
    default: dict[str, int] = field(default_factory=dict)  # target -> statement that its import follows
    in_place: list[str] = field(default_factory=list)  # targets run by a bare import, for their effects
    reexports: dict[str, list[str]] = field(default_factory=dict)
    lazy: dict[str, list[str]] = field(default_factory=dict)
    edits: list[tuple[str, int, int, str]] = field(default_factory=list)
    undeclared: list[Crossing] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    is_main_shared: bool = False
    is_relative: bool = False

    def of(self, key: str) -> Imports:
        return self.imports.setdefault(key, Imports())

    def package(self, key: str) -> str:
        cut = self.cut
        return cut.project.package_of(cut.path if key == STAY else cut.targets[key].path)

    def spelling(self, a: str, b: str) -> Spelling:
        """How module `a` of the cut writes module `b`."""
        return spell(self.package(a), self.cut.label(b), relative=self.is_relative)


def decide(cut: Cut) -> Decision:
    """Decide how every crossing is written. Raises Refused where no way keeps the behaviour."""
    decision = Decision(cut)
    siblings = (
        cut.project.file(p)
        for p in cut.project.paths
        if os.path.dirname(p) == os.path.dirname(cut.path) and p != cut.path
    )
    decision.is_relative = uses_relative(
        cut.file, cut.project.package_of(cut.path), others=_readable(siblings)
    )
    graph = _Graph(cut)
    _check_script(cut, decision)
    _find_order(cut, decision, graph)
    exported = _find_reexports(cut)
    for crossing in cut.crossings:
        _write(cut, decision, graph, crossing)
    _place_reexports(cut, decision, graph, exported)
    return decision


def _readable(files: Iterable[SourceFile]) -> Iterable[SourceFile]:
    iterator = iter(files)
    while True:
        try:
            file = next(iterator)
            file.tree  # noqa: B018
            yield file
        except StopIteration:
            return
        except Refused:
            continue


# -- arrows --------------------------------------------------------------------------------


class _Graph:
    """Arrows between the modules of a cut: hard ones first, then those that fit at the top."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.goes_first = cut.project.is_package(cut.path)
        self.hard: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for crossing in cut.crossings:
            if crossing.when == AT_IMPORT and not is_declaration(crossing):
                line = cut.file.line_of(crossing.occurrence.start)
                self.hard.setdefault((crossing.a, crossing.b), []).append((crossing.name, line))
        for edge, name, line in _find_late(cut):
            self.hard.setdefault(edge, []).append((name, line))
        self.top: set[tuple[str, str]] = set(self._existing())
        for edge in self.hard:
            if not self._is_ordered(edge):
                self.top.add(edge)
        self._check_acyclic()
        soft: list[tuple[str, str]] = []
        for crossing in cut.crossings:
            edge = (crossing.a, crossing.b)
            if edge not in soft:
                soft.append(edge)
        wanted = [
            key for key in cut.targets if cut.reexport or set(cut.targets[key].names) & set(cut.exported)
        ]
        soft += [(STAY, key) for key in wanted if (STAY, key) not in soft]
        soft.sort(key=lambda edge: (edge[0] != STAY, edge[1] == STAY))
        for edge in soft:
            if edge not in self.top and not self.reaches(edge[1], edge[0]) and not self._is_ordered(edge):
                self.top.add(edge)

    def _is_ordered(self, edge: tuple[str, str]) -> bool:
        """Whether an arrow back into a package's own `__init__` is a matter of order, not a cycle."""
        return self.goes_first and edge[1] == STAY

    def _existing(self) -> list[tuple[str, str]]:
        """Arrows that modules which exist already have among each other."""
        found = []
        for key, target in self.cut.targets.items():
            if target.file is None:
                continue
            if self.cut.path in reach(self.cut, target.path):
                if _takes_more_than_moves(self.cut, target.path):
                    found.append((key, STAY))
            for other, there in self.cut.targets.items():
                if other != key and there.file is not None and there.path in reach(self.cut, target.path):
                    found.append((key, other))
        return found

    def reaches(self, start: str, goal: str) -> bool:
        seen, stack = set(), [start]
        while stack:
            node = stack.pop()
            if node == goal:
                return True
            if node not in seen:
                seen.add(node)
                stack += [b for a, b in self.top if a == node]
        return False

    def is_top(self, a: str, b: str) -> bool:
        return (a, b) in self.top

    def _check_acyclic(self) -> None:
        for a, b in sorted(self.top):
            if not self.reaches(b, a):
                continue
            path = self._find_path(b, a)
            steps = [(a, b), *itertools.pairwise(path)]
            cut = self.cut
            arrows = []
            along: list[str] = []
            for x, y in steps:
                needs = self.hard.get((x, y), [])
                shown = (
                    ", ".join(f"{name} (line {line})" for name, line in needs[:3]) or "it imports it already"
                )
                arrows.append(f"{cut.label(x)} needs {cut.label(y)} while it is initialised: {shown}")
                if y == STAY:
                    along += [name for name, _ in needs]
            first = next((line for edge in steps for _, line in self.hard.get(edge, [])), None)
            key = next((x for x, y in steps if y == STAY), steps[0][1])
            names = ", ".join(sorted(needed_with(cut, along))) if along else ""
            way = (
                f"move along: --to {key}={names.replace(' ', '')}"
                if names
                else "put these names into one module"
            )
            raise cut.refuse("the modules would import each other:\n    " + "\n    ".join(arrows), first, way)

    def _find_path(self, start: str, goal: str) -> list[str]:
        queue = [[start]]
        seen = {start}
        while queue:
            path = queue.pop(0)
            if path[-1] == goal:
                return path
            for a, b in sorted(self.top):
                if a == path[-1] and b not in seen:
                    seen.add(b)
                    queue.append([*path, b])
        return [start]


def needed_with(cut: Cut, names: Iterable[str]) -> set[str]:
    """Return names of the part that stays which `names` need, themselves included."""
    module = cut.file.names.module
    found: set[str] = set()
    todo = [name for name in names if cut.owner.get(name) == STAY]
    while todo:
        name = todo.pop()
        if name in found or is_copied(cut, name):
            continue
        found.add(name)
        binders = {s.index for s in cut.statements if name in s.binds}
        for occurrence in cut.file.names.occurrences:
            if occurrence.statement in binders and occurrence.home is module:
                if cut.owner.get(occurrence.name) == STAY and occurrence.name not in found:
                    todo.append(occurrence.name)
    return found


def reach(cut: Cut, start: str) -> set[str]:
    """Return the files that a file imports at import time, directly or not."""
    project = cut.project
    seen: set[str] = set()
    stack = [start]
    while stack:
        path = stack.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            file = project.file(path)
            body = list(file.tree.body)
        except Refused:
            continue
        while body:
            node = body.pop()
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                source = project.resolve_from(node, path)
                names = (
                    [] if source is None else [source, *(f"{source}.{alias.name}" for alias in node.names)]
                )
            else:
                if isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef) and not is_main_guard(node):
                    test = getattr(node, "test", None)
                    if not (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"):
                        body += [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)]
                        body += [n for h in getattr(node, "handlers", ()) for n in h.body]
                continue
            for name in names:
                found = project.find_module(name, path)
                if found is not None:
                    stack.append(found)
    return seen - {start}


def _takes_more_than_moves(cut: Cut, path: str) -> bool:
    """Whether a target imports more from the source than what now comes to it."""
    for uses in cut.uses:
        if uses.file.path == path:
            key = cut.project.name_of(path)
            taken = {f.alias.name for f in uses.from_imports}
            left = [n for n in taken if cut.owner.get(n, STAY) != key]
            attributes = {a.name for a in uses.attributes if cut.owner.get(a.name, STAY) != key}
            return bool(left or attributes or uses.stars or uses.whole)
    return True


def _find_late(cut: Cut) -> Iterable[tuple[tuple[str, str], str, int]]:
    """Yield what functions called while a module is initialised will need by then."""
    module = cut.file.names.module
    binders: dict[str, list[int]] = {}
    for statement in cut.statements:
        for name in statement.binds:
            binders.setdefault(name, []).append(statement.index)
    inside: dict[int, list[tuple[str, str]]] = {}
    started: dict[int, list[tuple[str, int]]] = {}
    for o in cut.file.names.occurrences:
        if o.home is not module or o.kind != LOAD:
            continue
        if o.when == AT_CALL:
            inside.setdefault(o.statement, []).append((o.name, getattr(o.outer, "name", "")))
        elif o.when == AT_IMPORT:
            started.setdefault(o.statement, []).append((o.name, o.start))
    for statement in cut.statements:
        if is_main_guard(statement.node) or not _calls(statement.node):
            continue
        place = cut.place[statement.index]
        seen: set[str] = set()
        stack = [(name, start) for name, start in started.get(statement.index, ())]
        while stack:
            name, start = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            for index in binders.get(name, ()):
                is_class = isinstance(cut.statements[index].node, ast.ClassDef)
                if not cut.statements[index].is_definition:
                    continue
                for needed, function in inside.get(index, ()):
                    if is_class and function not in _RUN_AT_CREATION:
                        continue
                    owner = cut.owner.get(needed, STAY)
                    if owner != place and not is_copied(cut, needed):
                        # The part that stays has bound it by then: it is the one that is running.
                        if owner != STAY or place != STAY:
                            yield (place, owner), needed, cut.file.line_of(start)
                    stack.append((needed, start))


def _calls(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return bool(node.decorator_list) or any(
            isinstance(n, ast.Call) for d in node.args.defaults for n in ast.walk(d)
        )
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Call):
            return True
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            stack += getattr(part, "decorator_list", [])
            continue
        if isinstance(part, ast.ClassDef) and part.decorator_list:
            return True
        stack += list(ast.iter_child_nodes(part))
    return False


# -- scripts -------------------------------------------------------------------------------


def _check_script(cut: Cut, decision: Decision) -> None:
    """A file that is run must not be imported back: it would run twice, with two copies of its state."""
    back = [c for c in cut.crossings if c.a != STAY and c.b == STAY and c.when != NEVER]
    if not back:
        return
    has_guard = any(is_main_guard(s.node) for s in cut.statements)
    is_imported = any(u.from_imports or u.module_imports or u.stars for u in cut.uses)
    base = os.path.basename(cut.path)
    effects = Effects(cut.statements)
    is_loud = any(effects.is_loud(s.node) for s in cut.statements if cut.place[s.index] == STAY)
    in_package = bool(cut.project.package_of(cut.path))
    is_library = is_imported or cut.reexport or bool(cut.exported) or in_package or _is_packaged(cut)
    if base != "__main__.py" and is_library:
        decision.is_main_shared = has_guard
        return
    if not has_guard and not is_loud and base != "__main__.py":
        return
    names = sorted(needed_with(cut, [c.name for c in back]))
    crossing = back[0]
    keys = sorted({c.a for c in back})
    along = ",".join(names)
    raise cut.refuse(
        f"{base} runs as a script, so {', '.join(keys)} cannot import it back for {', '.join(sorted({c.name for c in back}))}",
        cut.file.line_of(crossing.occurrence.start),
        f"move along what is needed: --to {crossing.a}={along}",
    )


def _is_packaged(cut: Cut) -> bool:
    """Whether the project's packaging files name the module."""
    for marker in ("setup.py", "setup.cfg", "pyproject.toml"):
        path = os.path.join(cut.project.root, marker)
        if os.path.isfile(path) and path != cut.path:
            with open(path, "rb") as stream:
                if cut.name.rpartition(".")[2].encode() in stream.read():
                    return True
    return False


# -- order ---------------------------------------------------------------------------------


def _find_order(cut: Cut, decision: Decision, graph: _Graph) -> None:
    """Say where in the source each target is imported, so that things happen in their old order."""
    effects = Effects(cut.statements)
    loud = [s.index for s in cut.statements if effects.is_loud(s.node)]
    for key in cut.targets:
        mine = [i for i in loud if cut.place[i] == key]
        others = [i for i in loud if cut.place[i] != key]
        used = [
            c.occurrence.statement
            for c in cut.crossings
            if c.a == STAY and c.b == key and c.when == AT_IMPORT
        ]
        first_use = min(used, default=len(cut.statements))
        default = find_import_place(cut.file, first_use)
        needs = [c.name for c in cut.crossings if c.a == key and c.b == STAY and c.when == AT_IMPORT]
        lowest = max((s.index for s in cut.statements for n in needs if n in s.binds), default=-1)
        has_back = (key, STAY) in graph.hard
        decision.default[key] = default
        place: int | None = None
        if mine:
            between = [i for i in others if min(default, mine[0]) < i < mine[0]]
            if between or (has_back and lowest >= default):
                place = mine[0]
            between = [i for i in others if (mine[0] if place is not None else default) < i < mine[-1]]
            if between and not cut.force:
                raise cut.refuse(
                    "what moves would no longer run in its old order: this statement runs between",
                    cut.statements[between[0]].node,
                    f"move it along, or leave line {cut.statements[mine[-1]].line} behind",
                )
            if not graph.is_top(STAY, key) and not graph.goes_first:
                if not any(c.a == STAY and c.b == key for c in cut.crossings) or has_back:
                    place = mine[0] if has_back else place
                    decision.in_place.append(key)
        elif has_back and graph.goes_first and lowest >= default:
            place = lowest + 1
        if place is None:
            continue
        if place <= lowest or place > first_use:
            raise cut.refuse(
                f"{key} would be needed before what it needs itself",
                cut.statements[min(first_use, len(cut.statements) - 1)].node,
                f"move along: --to {key}={','.join(sorted(needed_with(cut, needs)))}" if needs else None,
            )
        if place < len(cut.statements):
            decision.position[key] = cut.statements[place].start
        else:
            decision.position[key] = len(cut.file.data)


# -- references ----------------------------------------------------------------------------


def _write(cut: Cut, decision: Decision, graph: _Graph, crossing: Crossing) -> None:
    """Choose the form of one reference and note what it needs."""
    a, b, name = crossing.a, crossing.b, crossing.name
    imports = decision.of(a)
    if is_declaration(crossing):
        decision.undeclared.append(crossing)
        return
    must_be_module = name in cut.rebound or (name in cut.perhaps and crossing.when == AT_CALL)
    if must_be_module:
        if name in cut.perhaps and hasattr(builtins, name):
            raise cut.refuse(
                f"whether {name} is the builtin or this module's is decided at run time",
                cut.file.line_of(crossing.occurrence.start),
                "give it another name here first",
            )
        _check_rebound(cut, crossing)
    as_module = must_be_module or (cut.style == "module" and b != STAY)
    if crossing.occurrence.is_self_documenting and as_module:
        if must_be_module:
            raise cut.refuse(
                f"{name} can only be reached through its module, and this f-string prints its own text",
                cut.file.line_of(crossing.occurrence.start),
            )
        as_module = False
    at_top = graph.is_top(a, b) or (
        graph.goes_first and b == STAY and _is_bound_by_then(cut, decision, crossing)
    )
    if at_top and (crossing.when != AT_IMPORT or not must_be_module or graph.is_top(a, b)):
        if as_module:
            _use_module(decision, crossing, imports.modules)
        else:
            _add(imports.names, b, name)
        return
    if crossing.when == NEVER and not must_be_module:
        if not _reads_hints(cut):
            _add(imports.types, b, name)
        else:
            _use_module(decision, crossing, imports.bottom)
        return
    outer = _find_function(cut, crossing)
    if outer is not None and not _is_declared_global(outer, name):
        _, names, modules = imports.local.setdefault(id(outer), (outer, {}, []))
        if as_module:
            _use_module(decision, crossing, modules)
        else:
            _add(names, b, name)
        return
    if crossing.when == AT_IMPORT:
        raise cut.refuse(
            f"{cut.label(a)} needs {name} while it is initialised, before {cut.label(b)} is there",
            cut.file.line_of(crossing.occurrence.start),
        )
    if crossing.occurrence.is_self_documenting:
        raise cut.refuse("this f-string prints its own text", cut.file.line_of(crossing.occurrence.start))
    _use_module(decision, crossing, imports.bottom)


def _is_bound_by_then(cut: Cut, decision: Decision, crossing: Crossing) -> bool:
    """Whether a package's `__init__` has bound a name when it imports the module that needs it."""
    if not any(c.a == STAY and c.b == crossing.a for c in cut.crossings) and not cut.reexport:
        if not set(cut.targets[crossing.a].names) & set(cut.exported):
            return True
    binders = [s for s in cut.statements if crossing.name in s.binds]
    place = decision.position.get(crossing.a)
    if place is None:
        default = decision.default.get(crossing.a, -1)
        return bool(binders) and all(s.index <= default for s in binders)
    return bool(binders) and all(s.start < place for s in binders)


def _check_rebound(cut: Cut, crossing: Crossing) -> None:
    node = crossing.occurrence.node
    if not isinstance(node, ast.Name):
        path, line = cut.rebound.get(
            crossing.name, (cut.project.show(cut.path), crossing.occurrence.statement)
        )
        raise cut.refuse(
            f"{crossing.name} is rebound ({path}:{line}) by a statement that can only bind a plain name",
            cut.file.line_of(crossing.occurrence.start),
            f"move this along: it must stay with {crossing.name}",
        )


def _use_module(decision: Decision, crossing: Crossing, modules: list[str]) -> None:
    cut = decision.cut
    spelling = decision.spelling(crossing.a, crossing.b)
    occurrence = crossing.occurrence
    shadow = is_shadowed(occurrence, spelling.binding, cut.file.names.module)
    clash = shadow is not None
    if not clash and modules is not decision.of(crossing.a).bottom:
        clash = cut.owner.get(spelling.binding) == crossing.a and not is_same_import(cut, spelling)
    if clash or (
        crossing.a == STAY
        and spelling.binding in cut.file.names.module.bindings
        and cut.owner.get(spelling.binding) == STAY
        and not is_same_import(cut, spelling)
    ):
        raise cut.refuse(
            f"a variable here is called {spelling.binding}, like the module",
            cut.file.line_of(occurrence.start),
            "choose another name for the module, or rename the variable",
        )
    if crossing.b not in modules:
        modules.append(crossing.b)
    decision.edits.append(
        (crossing.a, occurrence.start, occurrence.end, f"{spelling.expression}.{crossing.name}")
    )


def is_same_import(cut: Cut, spelling: Spelling) -> bool:
    """Whether the file binds a name by the very import that is wanted."""
    for statement in cut.statements:
        if spelling.binding in statement.binds:
            text = cut.file.data[
                cut.file.lines.start_of(statement.node) : cut.file.lines.end_of(statement.node)
            ]
            if text.decode() != spelling.statement:
                return False
    return True


def _add(into: dict[str, list[str]], key: str, name: str) -> None:
    names = into.setdefault(key, [])
    if name not in names:
        names.append(name)


def _find_function(cut: Cut, crossing: Crossing) -> ast.AST | None:
    """Return the innermost function (or main block) around a reference that has room for an import.

    The innermost, because the ones around it may be called while a module is initialised.
    """
    for scope in crossing.occurrence.scope.chain():
        if isinstance(scope.node, ast.FunctionDef | ast.AsyncFunctionDef) and scope.kind == "function":
            if _has_room(cut, scope.node):
                return scope.node
    if isinstance(crossing.outer, ast.If) and _has_room(cut, crossing.outer):
        return crossing.outer
    return None


def _has_room(cut: Cut, outer: ast.AST) -> bool:
    """Whether an import can stand as the first statement of a function: its body has own lines."""
    body = getattr(outer, "body", None)
    if not isinstance(body, list):
        return False
    start = cut.file.lines.start_of(body[0])
    return not cut.file.data[cut.file.line_start(start) : start].strip()


def _is_declared_global(outer: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Global) and name in n.names for n in ast.walk(outer))


def _reads_hints(cut: Cut) -> bool:
    return any(any(word in cut.project.raw(path) for word in _READERS_OF_HINTS) for path in cut.project.paths)


# -- old names -----------------------------------------------------------------------------


def _find_reexports(cut: Cut) -> dict[str, list[str]]:
    """Return the names that must stay importable from the old place."""
    found: dict[str, list[str]] = {}
    for key, target in cut.targets.items():
        for name in target.names:
            if cut.reexport or name in cut.exported:
                _add(found, key, name)
    return found


def _place_reexports(cut: Cut, decision: Decision, graph: _Graph, exported: dict[str, list[str]]) -> None:
    for key, names in exported.items():
        for name in names:
            if graph.is_top(STAY, key) and name not in cut.rebound:
                _add(decision.reexports, key, name)
            else:
                _add(decision.lazy, key, name)
    if decision.lazy and "__getattr__" in cut.file.names.module.bindings:
        raise cut.refuse(
            "the module has a __getattr__ of its own, and old names would need one",
            cut.file.line_of(cut.file.names.of_module("__getattr__")[0].start),
            "leave out --reexport, or move what closes the cycle along",
        )
