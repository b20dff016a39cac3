"""A cut through one file: which statements go to which module, and what then crosses the cut.

Values only; `cross.py` decides how each crossing is written, `splitting.py` writes.

The part that stays has the key "". A name belongs to the module that its binding statements go
to. An *import* of the source file is repeated wherever it is needed, so it never crosses.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import keyword
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from entrepot.errors import Refused
from entrepot.program.symbols import AT_CALL, AT_IMPORT, BINDING, DECLARE, LOAD, NEVER, Occurrence
from entrepot.refactor.doings import Doings
from entrepot.refactor.effects import Effects
from entrepot.refactor.exports import Exports, read_namespace
from entrepot.refactor.project import Project
from entrepot.refactor.statements import (
    Statement,
    is_main_guard,
    is_only_imports,
    is_type_checking,
    list_statements,
)
from entrepot.refactor.text import SourceFile
from entrepot.refactor.uses import FileUses, find_uses

STAY = ""
_OLD_BUILTINS = frozenset("unicode long basestring xrange raw_input unichr reduce buffer cmp file".split())
MODULE_FACTS = frozenset({"__name__", "__spec__", "__doc__", "__file__", "__loader__"})


@dataclass
class Target:
    """A module that statements go to. `file` is None where it is made anew."""

    key: str
    path: str
    names: list[str]
    file: SourceFile | None


@dataclass
class Crossing:
    """An occurrence in module `a` of a name that belongs to module `b`."""

    occurrence: Occurrence
    a: str
    b: str
    when: str
    outer: ast.AST | None

    @property
    def name(self) -> str:
        return self.occurrence.name


@dataclass
class Cut:
    """Everything known about one request before anything is decided."""

    project: Project
    path: str
    file: SourceFile
    targets: dict[str, Target]
    style: str
    reexport: bool
    force: bool
    statements: list[Statement] = field(default_factory=list)
    place: list[str] = field(default_factory=list)
    owner: dict[str, str] = field(default_factory=dict)
    rebound: dict[str, tuple[str, int]] = field(default_factory=dict)  # name -> where (path, line)
    uses: list[FileUses] = field(default_factory=list)
    copied: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # target -> statement -> names
    crossings: list[Crossing] = field(default_factory=list)
    exported: list[str] = field(default_factory=list)  # names of `__all__`
    perhaps: set[str] = field(default_factory=set)  # names that only some runs bind
    unbound: set[str] = field(default_factory=set)  # names that this Python never gets to bind

    @cached_property
    def doings(self) -> Doings:
        """What each statement does while the module is initialised."""
        return Doings(self.file, self.statements)

    @property
    def name(self) -> str:
        return self.project.name_of(self.path)

    def refuse(self, reason: str, node: ast.AST | int | None = None, way_out: str | None = None) -> Refused:
        line = node if isinstance(node, int) else getattr(node, "lineno", None)
        return Refused(reason, self.project.show(self.path), line, way_out)

    def label(self, key: str) -> str:
        return self.name if key == STAY else key

    @property
    def moved_names(self) -> list[str]:
        return [name for name, key in self.owner.items() if key != STAY]


def make_cut(
    project: Project,
    path: str,
    request: Mapping[str, Sequence[str]],
    *,
    style: str = "names",
    reexport: bool = False,
    force: bool = False,
) -> Cut:
    """Analyse a request. Raises Refused where it cannot be done whatever is decided later."""
    file = project.file(path)
    file.tree  # noqa: B018  (a syntax error is refused before anything else)
    cut = Cut(project, path, file, {}, style, reexport, force)
    for given, names in request.items():
        target = find_target(cut, given)
        if target.key in cut.targets:
            target = cut.targets[target.key]
        target.names += [name for name in names if name not in target.names]
        cut.targets[target.key] = target
    cut.statements = list_statements(file)
    cut.exported = find_exported(file)
    _place_statements(cut)
    _find_bound(cut)
    cut.uses = find_uses(project, path)
    _find_rebound(cut)
    _find_owners(cut)
    _check_module_facts(cut)
    _check_dynamic(cut)
    _find_crossings(cut)
    return cut


# -- targets -------------------------------------------------------------------------------


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
    if "." in cut.name and cut.name.split(".")[0] == top:
        folder = os.path.dirname(cut.path)
        for _ in range(cut.name.count(".") - (1 if not cut.project.is_package(cut.path) else 0)):
            folder = os.path.dirname(folder)
        return os.path.dirname(folder)
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
        if cut.project.is_imported(name):
            raise Refused(
                f"the project imports another module called {name}, which this one would hide",
                None, None, "choose another name",
            )  # fmt: skip
    elif name in cut.project.file(package).names.module.bindings and package != cut.path:
        imported = cut.project.file(package).names.of_module(name)
        raise Refused(
            f"the package already has a name {name}, which the module would replace",
            cut.project.show(package), cut.project.file(package).line_of(imported[0].start), "choose another name",
        )  # fmt: skip
    elif package == cut.path and name in cut.file.names.module.bindings:
        raise cut.refuse(f"the package already has a name {name}", None, "choose another name")


# -- statements ----------------------------------------------------------------------------


def _place_statements(cut: Cut) -> None:
    """Say for each statement where it goes. Raises Refused for what cannot go."""
    binders: dict[str, list[Statement]] = {}
    for statement in cut.statements:
        for name in statement.binds:
            binders.setdefault(name, []).append(statement)
    cut.place = [STAY] * len(cut.statements)
    wanted: dict[str, str] = {}
    for key, target in cut.targets.items():
        for name in target.names:
            if name in wanted and wanted[name] != key:
                raise Refused(f"{name} is to go to both {wanted[name]} and {key}")
            if name not in binders:
                close = difflib.get_close_matches(name, list(binders), 1)
                hint = f"did you mean {close[0]}?" if close else None
                raise cut.refuse(f"there is no {name} at the top level", None, hint)
            wanted[name] = key
    for name, key in wanted.items():
        for statement in binders[name]:
            if statement.is_import or is_type_checking(statement.node):
                if len(binders[name]) == 1:
                    raise cut.refuse(
                        f"{name} is imported here, not defined", statement.node, "move it where it is defined"
                    )
            if is_main_guard(statement.node):
                raise cut.refuse(f'{name} is bound under `if __name__ == "__main__"`', statement.node)
            if cut.place[statement.index] not in (STAY, key):
                raise cut.refuse(f"{name} is bound together with names that go elsewhere", statement.node)
            cut.place[statement.index] = key
    _check_whole(cut, wanted)
    _follow(cut, wanted)
    if not any(cut.place):
        raise Refused("nothing to move was named", cut.project.show(cut.path))


def _check_whole(cut: Cut, wanted: dict[str, str]) -> None:
    """A statement that moves must take all the names it binds along, or they must have no other use."""
    for statement in cut.statements:
        key = cut.place[statement.index]
        for name in sorted(statement.binds - set(wanted)) if key else ():
            elsewhere = [
                o
                for o in cut.file.names.occurrences
                if o.name == name and o.home is cut.file.names.module and cut.place[o.statement] != key
            ]
            if elsewhere or name in cut.exported:
                with_it = ", ".join(sorted(statement.binds & set(wanted)))
                raise cut.refuse(
                    f"{name} is bound together with {with_it}",
                    statement.node,
                    f"move {name} along: --to {key}={name}",
                )
            wanted[name] = key
            cut.targets[key].names.append(name)


def _follow(cut: Cut, wanted: dict[str, str]) -> None:
    """Take along the statements that only finish what moves: `f.calls = 0`, `@f.register`."""
    plain = {n for s in cut.statements if s.is_import for n in s.binds}
    effects = Effects(cut.statements)
    for statement in cut.statements:
        if cut.place[statement.index] or is_main_guard(statement.node):
            continue
        root = _finished_name(statement.node)
        if root is None or root not in wanted or (statement.binds and statement.binds != {"_"}):
            continue
        key = wanted[root]
        made = min(s.index for s in cut.statements if root in s.binds)
        if any(
            effects.is_loud(s.node) for s in cut.statements[made : statement.index] if not cut.place[s.index]
        ):
            continue  # something runs in between: this stays where it was
        used = {
            o.name
            for o in cut.file.names.occurrences
            if o.statement == statement.index and o.home is cut.file.names.module and o.when == AT_IMPORT
        }
        if all(name in plain or wanted.get(name) == key or name in statement.binds for name in used):
            others = [s for s in cut.statements if s is not statement and statement.binds & s.binds]
            if not any(_finished_name(o.node) is None for o in others):
                cut.place[statement.index] = key


def _finished_name(node: ast.stmt) -> str | None:
    """Return the name whose object a statement goes on making, or None."""
    target: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AugAssign):
        target = node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target = node.value.func
    elif isinstance(node, ast.FunctionDef) and node.name == "_" and node.decorator_list:
        first = node.decorator_list[0]
        target = first.func if isinstance(first, ast.Call) else first
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return None
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None


def _find_bound(cut: Cut) -> None:
    """Find names that a condition may leave unbound (`if sys.version_info < (3,): str = unicode`)."""
    namespace = read_namespace(Exports(cut.project), cut.path)
    if namespace.unknown is not None:
        return
    tops = {name for s in cut.statements if isinstance(s.node, ast.If | ast.Try) for name in s.binds}
    tops -= {name for s in cut.statements if is_type_checking(s.node) for name in s.binds}
    for name in tops - set(namespace.bound):
        (cut.perhaps if name in namespace.maybe else cut.unbound).add(name)


# -- names ---------------------------------------------------------------------------------


def _find_rebound(cut: Cut) -> None:
    """Find names that get another value after the module has been initialised."""
    module = cut.file.names.module
    for occurrence in cut.file.names.occurrences:
        if occurrence.home is module and occurrence.kind in BINDING and occurrence.scope is not module:
            if occurrence.when != AT_IMPORT:
                cut.rebound.setdefault(
                    occurrence.name, (cut.project.show(cut.path), cut.file.line_of(occurrence.start))
                )
    for uses in cut.uses:
        for attribute in uses.attributes:
            if attribute.is_rebinding:
                line = uses.file.line_of(attribute.occurrence.start)
                cut.rebound.setdefault(attribute.name, (cut.project.show(uses.file.path), line))
        for string in uses.strings:
            if string.is_rebinding:
                cut.rebound.setdefault(string.name, (cut.project.show(uses.file.path), string.line))


def _find_owners(cut: Cut) -> None:
    for statement in cut.statements:
        for name in statement.binds:
            key = cut.place[statement.index]
            if name == "_" and key != STAY and name not in {n for t in cut.targets.values() for n in t.names}:
                continue
            cut.owner[name] = key
    # A name that only functions bind (`global x`) lives where they all go.
    module = cut.file.names.module
    for name in module.bindings - set(cut.owner):
        places = {
            cut.place[o.statement] for o in cut.file.names.occurrences if o.name == name and o.home is module
        }
        cut.owner[name] = places.pop() if len(places) == 1 else STAY


def is_copied(cut: Cut, name: str) -> bool:
    """Whether each module that needs the name repeats the statements that bind it."""
    if cut.owner.get(name) != STAY or name in cut.rebound:
        return False
    binders = [s for s in cut.statements if name in s.binds]
    return bool(binders) and all(_is_repeatable(s.node, name) for s in binders)


def _is_repeatable(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if not isinstance(node, ast.If | ast.Try) or not is_only_imports(node) or is_main_guard(node):
        return False
    if any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node)):
        return True
    return name in _OLD_BUILTINS or hasattr(builtins, name)


def _check_module_facts(cut: Cut) -> None:
    """Refuse to move code that asks what module it is in."""
    if cut.force:
        return
    for occurrence in cut.file.names.occurrences:
        key = cut.place[occurrence.statement]
        if key == STAY or occurrence.name not in MODULE_FACTS or occurrence.scope.kind == "comprehension":
            continue
        if occurrence.home is not None and occurrence.home is not cut.file.names.module:
            continue
        if occurrence.name == "__file__":
            start = cut.file.lines.start_of(cut.file.tree.body[occurrence.statement])
            line = cut.file.data[start : cut.file.line_end(occurrence.end)]
            same = os.path.dirname(cut.targets[key].path) == os.path.dirname(cut.path)
            if same and (b"dirname" in line or b".parent" in line):
                continue
        if occurrence.kind == LOAD:
            raise cut.refuse(
                f"{occurrence.name} would mean {key} instead of {cut.name}",
                cut.file.line_of(occurrence.start),
                "leave this behind, or use --force if the difference does not matter",
            )


def _check_dynamic(cut: Cut) -> None:
    """Refuse dynamic code that reads or writes the module's names by strings we cannot know."""
    if cut.force:
        return
    moved = set(cut.moved_names)
    for statement in cut.statements:
        for node in ast.walk(statement.node):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ("exec", "eval") and len(node.args) == 1:
                _check_code(cut, node, moved)
            elif node.func.id == "globals" or (
                node.func.id in ("vars", "locals", "dir") and not node.args and _is_at_top(statement, node)
            ):
                _check_namespace(cut, node, statement, moved)


def _check_code(cut: Cut, node: ast.Call, moved: set[str]) -> None:
    argument = node.args[0]
    if (
        isinstance(argument, ast.Call)
        and isinstance(argument.func, ast.Name)
        and argument.func.id == "compile"
    ):
        argument = argument.args[0] if argument.args else argument
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        try:
            words = {n.id for n in ast.walk(ast.parse(argument.value.strip())) if isinstance(n, ast.Name)}
        except SyntaxError:
            words = set()
        known = words & set(cut.owner)
        if not known or (not known & moved and cut.place[_statement_of(cut, node)] == STAY):
            return
        reason = f"code in a string uses {', '.join(sorted(known))}"
    else:
        reason = f"{node.func.id} of code that is only known at run time"  # type: ignore[attr-defined]
    raise cut.refuse(reason, node, "it may use what moves; use --force if it does not")


def _check_namespace(cut: Cut, node: ast.Call, statement: Statement, moved: set[str]) -> None:
    path = _parents_of(statement.node, node)
    around = path[-2] if len(path) > 1 else None
    key: ast.expr | None = None
    if isinstance(around, ast.Subscript) and around.value is node:
        key = around.slice
    elif isinstance(around, ast.Attribute) and len(path) > 2 and isinstance(path[-3], ast.Call):
        call = path[-3]
        key = call.args[0] if around.attr in ("get", "setdefault", "pop") and call.args else None
    elif isinstance(around, ast.Compare) and len(around.ops) == 1 and around.comparators[0] is node:
        key = around.left
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        known = key.value in cut.owner
        if not known or (key.value not in moved and cut.place[statement.index] == STAY):
            return
        reason = f"{node.func.id}() is asked for {key.value!r}"  # type: ignore[attr-defined]
    else:
        reason = f"{node.func.id}() is used with names that are only known at run time"  # type: ignore[attr-defined]
    raise cut.refuse(reason, node, "it may touch what moves; use --force if it does not")


def _is_at_top(statement: Statement, node: ast.Call) -> bool:
    inside = _parents_of(statement.node, node)
    return not any(
        isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef) for n in inside
    )


def _statement_of(cut: Cut, node: ast.AST) -> int:
    line: int = node.lineno  # type: ignore[attr-defined]
    for statement in cut.statements:
        if statement.node.lineno <= line <= (statement.node.end_lineno or line):
            return statement.index
    return len(cut.statements) - 1


def _parents_of(tree: ast.AST, wanted: ast.AST) -> list[ast.AST]:
    from entrepot.refactor.statements import find_enclosing

    return find_enclosing(tree, wanted)


# -- crossings -----------------------------------------------------------------------------


def _find_crossings(cut: Cut) -> None:
    module = cut.file.names.module
    guards = {s.index: s.node for s in cut.statements if is_main_guard(s.node)}
    for occurrence in cut.file.names.occurrences:
        if occurrence.home is not module:
            continue
        a, name = cut.place[occurrence.statement], occurrence.name
        if name in cut.unbound and a != STAY and cut.owner.get(name) == STAY:
            continue
        b = cut.owner.get(name, STAY)
        if a != STAY and is_copied(cut, name):
            copy_import(cut, a, name)
            continue
        if a == b or (name == "_" and occurrence.kind != LOAD and b == STAY):
            continue
        when, outer = occurrence.when, occurrence.outer
        if occurrence.statement in guards and outer is None:
            when, outer = AT_CALL, guards[occurrence.statement]
        cut.crossings.append(Crossing(occurrence, a, b, when, outer))


def copy_import(cut: Cut, key: str, name: str) -> None:
    """Note that a target needs the import statements that bind a name, and what these need."""
    wanted = cut.copied.setdefault(key, {})
    for statement in cut.statements:
        if name not in statement.binds or name in wanted.get(statement.index, ()):
            continue
        wanted.setdefault(statement.index, set()).add(name)
        if not statement.is_import:
            wanted[statement.index] |= statement.binds
            for occurrence in cut.file.names.occurrences:
                if (
                    occurrence.statement == statement.index
                    and occurrence.home is cut.file.names.module
                    and occurrence.kind == LOAD
                    and occurrence.name not in statement.binds
                ):
                    if is_copied(cut, occurrence.name):
                        copy_import(cut, key, occurrence.name)
                    else:
                        b = cut.owner.get(occurrence.name, STAY)
                        if b != key:
                            cut.crossings.append(Crossing(occurrence, key, b, AT_IMPORT, None))


def find_exported(file: SourceFile) -> list[str]:
    """Return the strings of the file's `__all__` assignments that are written as literals."""
    found: list[str] = []
    for node in file.tree.body:
        target: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            target = node.target
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            func = node.value.func
            target = func.value if isinstance(func, ast.Attribute) else None
        if isinstance(target, ast.Name) and target.id == "__all__":
            found += [
                n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
    return found


def is_type_only(crossing: Crossing) -> bool:
    return crossing.when == NEVER


def is_declaration(crossing: Crossing) -> bool:
    return crossing.occurrence.kind == DECLARE
