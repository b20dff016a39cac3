"""Rename a method or an attribute of a class, where every use of it is certain.

Python looks an attribute up by its name on whatever object stands before the dot. A use is certain
when that object is `self` or `cls` in the class or one derived from it, the class itself, an
instance made on the spot, or a variable or parameter that only ever is one (by what it is assigned, or
by its annotation). Every other `.name` in the project must certainly mean something else (a
module's function, `self` of an unrelated class that has such a name); else the renaming is refused
with its place. `force` renames those uses as well, where no other class has the name.

What is refused whatever is said: special methods, fields of dataclasses and the like (their names
are keywords too), a name that a base class has as well.
"""

from __future__ import annotations

import ast
import builtins

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.refactor.changes import Edit, Note
from entrepot.refactor.class_family import Family, is_of_module, name_of
from entrepot.refactor.project import Project
from entrepot.refactor.rename import check_new_name
from entrepot.refactor.shape import make_renaming
from entrepot.refactor.text import Rewriter, SourceFile

_BY_NAME = frozenset({"getattr", "hasattr", "setattr", "delattr", "object", "attrgetter", "methodcaller"})
# Attributes of what Python itself makes: whether `x.append` is a list's cannot be told.
_OF_BUILTINS = frozenset(
    name for kind in vars(builtins).values() if isinstance(kind, type) for name in dir(kind)
)
# Classes whose attributes are more than attributes: arguments, columns, keys, members.
_MAKERS = frozenset(
    {"dataclass", "define", "frozen", "mutable", "attrs", "s", "NamedTuple", "TypedDict", "Enum", "IntEnum",
     "StrEnum", "Flag", "IntFlag", "BaseModel", "Model", "Struct", "Protocol"}
)  # fmt: skip


def is_class(project: Project, module: str, name: str) -> bool:
    """Whether a module defines a class of that (dotted) name."""
    return bool(_find_classes(project.file(project.get_module(module)).tree, name))


def plan_rename_member(
    project: Project, module: str, owner: str, old: str, new: str, *, force: bool = False
) -> Edit:
    """Return the edit that renames `old` of class `owner` in the whole project. Raises Refused."""
    check_new_name(new)
    work = _Members(project, project.get_module(module), owner, old, new, force=force)
    work.check_class()
    work.rename_definitions()
    for path in project.using(old):
        work.rename_uses(path)
    title = f"rename {module}:{owner}.{old} {new}"
    return make_renaming(project, title, work.rewriters, old, new, work.notes)


def _find_classes(tree: ast.AST, dotted: str) -> list[ast.ClassDef]:
    found: list[ast.AST] = [tree]
    for part in dotted.split("."):
        found = [
            node
            for around in found
            for node in ast.walk(around)
            if isinstance(node, ast.ClassDef) and node.name == part and node is not around
        ]
    return [node for node in found if isinstance(node, ast.ClassDef)]


class _Members:
    """Collects the replacements for one member of a class and those derived from it."""

    def __init__(self, project: Project, path: str, owner: str, old: str, new: str, *, force: bool) -> None:
        self.project = project
        self.path = path
        self.owner, self.old, self.new, self.force = owner, old, new, force
        self.file = project.file(path)
        self.family = Family(project, owner.rpartition(".")[2])
        self.rivals = [
            (file, node) for file, node in self.family.list_others() if self.old in members_of(node)
        ]
        self.rewriters: dict[str, Rewriter] = {}
        self.notes: list[Note] = []

    def refuse(self, reason: str, file: SourceFile, node: ast.AST, way_out: str | None = None) -> Refused:
        return Refused(reason, self.project.show(file.path), getattr(node, "lineno", None), way_out)

    def replace(self, file: SourceFile, start: int, end: int) -> None:
        if file.data[start:end] != self.old.encode():
            raise Refused(
                "the name is written in another way here", self.project.show(file.path), file.line_of(start),
                "write it plainly first",
            )  # fmt: skip
        self.rewriters.setdefault(file.path, Rewriter(file)).replace(start, end, self.new)

    # -- the class -------------------------------------------------------------------------

    def check_class(self) -> None:
        node = _find_classes(self.file.tree, self.owner)[0]
        if self.old not in members_of(node):
            raise self.refuse(f"{self.owner} has no {self.old} of its own", self.file, node)
        if self.old.startswith("__"):
            raise self.refuse(
                f"{self.old} has a meaning for Python, or is private to its class", self.file, node
            )
        owners = {id(n) for f, n in self.family.members.get(node.name, ()) if f is self.file}
        same = [pair for pair in self.family.members.get(node.name, ()) if id(pair[1]) not in owners]
        if same or len(owners) > 1:
            file, other = (same or [(self.file, node)])[0]
            raise self.refuse(f"there is another class {node.name}", file, other, "rename one of them first")
        for file, member in self.family.list_members():
            self.check_member(file, member)

    def check_member(self, file: SourceFile, node: ast.ClassDef) -> None:
        """Refuse a class of the family whose attributes are more than that, or that has the new name."""
        if self.new in members_of(node):
            raise self.refuse(f"{node.name} has a {self.new} already", file, node, "choose another name")
        makers = {
            name_of(part.func if isinstance(part, ast.Call) else part)
            for part in [*node.bases, *node.decorator_list, *(k.value for k in node.keywords)]
        }
        if makers & _MAKERS:
            raise self.refuse(
                f"the attributes of {node.name} are more than names: {', '.join(sorted(makers & _MAKERS))}",
                file, node, "change them by hand",
            )  # fmt: skip
        for special in ("__getattr__", "__getattribute__", "__setattr__", "__slots__"):
            if special in members_of(node) and not self.force:
                raise self.refuse(
                    f"{node.name} has a {special}, which may depend on the name", file, node,
                    "use --force if it does not",
                )  # fmt: skip
        for base in node.bases:
            self.check_base(file, node, base)

    def check_base(self, file: SourceFile, node: ast.ClassDef, base: ast.expr) -> None:
        """Refuse where a class further up has, or may have, the name too."""
        name = name_of(base.value if isinstance(base, ast.Subscript) else base)
        if name in self.family.members or name in ("Generic", "ABC", "object"):
            return
        own = [pair for pair in self.family.list_others() if pair[1].name == name]
        for other, above in own:
            if self.old in members_of(above):
                raise self.refuse(
                    f"{name} has a {self.old} as well", other, above,
                    f"rename it there: {self.project.name_of(other.path)}:{name}.{self.old}",
                )  # fmt: skip
            for further in above.bases:
                self.check_base(other, above, further)
        known = vars(builtins).get(name)
        if isinstance(known, type) and not own:
            if self.old in dir(known) or self.new in dir(known):
                raise self.refuse(f"{name} has such a name too", file, node)
        elif not own and not self.force:
            raise self.refuse(
                f"{node.name} is derived from {name or 'something'}, which is not in the project and may have "
                f"a {self.old}", file, node, "use --force if it has none",
            )  # fmt: skip

    # -- definitions -----------------------------------------------------------------------

    def rename_definitions(self) -> None:
        """Rename what the class bodies bind, and what they read of it."""
        for file, node in self.family.list_members():
            for occurrence in file.names.called(self.old):
                home = occurrence.home or occurrence.scope
                if home.kind == "class" and home.node is node:
                    self.replace(file, occurrence.start, occurrence.end)

    # -- uses ------------------------------------------------------------------------------

    def rename_uses(self, path: str) -> None:
        try:
            file = self.project.file(path)
            tree = file.tree
        except Refused as error:
            self.notes.append(Note(f"not looked at: {error.reason}", self.project.show(path), error.line))
            return
        file.names  # noqa: B018  (gives the nodes inside f-strings their true places)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == self.old:
                if self.is_ours(file, node):
                    end = file.lines.end_of(node)
                    self.replace(file, end - len(self.old.encode()), end)
            elif isinstance(node, ast.Call):
                self.rename_string(file, node)

    def is_ours(self, file: SourceFile, node: ast.Attribute) -> bool:
        """Whether an attribute is the member. Raises Refused where that cannot be told."""
        if self.family.reaches(file, node) or self.is_annotated(file, node):
            return True
        if is_of_module(file, node) or self.is_of_rival(file, node):
            return False
        where = "the class of this object is not known"
        if self.rivals:
            other = self.rivals[0]
            raise self.refuse(
                f"{where}, and {other[1].name} ({self.project.show(other[0].path)}) has a {self.old} too",
                file, node, "annotate the variable first",
            )  # fmt: skip
        if self.old in _OF_BUILTINS:
            raise self.refuse(f"{where}, and Python's own have a {self.old} too", file, node)
        if not self.force:
            raise self.refuse(where, file, node, "annotate the variable, or use --force to rename here too")
        return True

    def is_annotated(self, file: SourceFile, node: ast.Attribute) -> bool:
        """Whether the object is a parameter or variable annotated as one of the family."""
        if not isinstance(node.value, ast.Name):
            return False
        start = file.lines.start_of(node.value)
        found = [o for o in file.names.called(node.value.id) if o.start == start]
        homes = [o.home for o in found]
        if not homes or homes[0] is None:
            return False
        for other in file.names.called(node.value.id):
            if (other.home or other.scope) is not homes[0]:
                continue
            if isinstance(other.node, ast.arg) and other.node.annotation is not None:
                return self.is_kind(other.node.annotation)
        return any(
            isinstance(inner, ast.AnnAssign)
            and isinstance(inner.target, ast.Name)
            and inner.target.id == node.value.id
            and self.is_kind(inner.annotation)
            for inner in ast.walk(file.tree)
        )

    def is_kind(self, annotation: ast.expr) -> bool:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return annotation.value.rpartition(".")[2] in self.family.members
        return name_of(annotation) in self.family.members

    def is_of_rival(self, file: SourceFile, node: ast.Attribute) -> bool:
        """Whether `self.name` stands in an unrelated class that has the name itself."""
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            return False
        return any(
            other is file and any(inner is node for inner in ast.walk(rival)) for other, rival in self.rivals
        )

    def rename_string(self, file: SourceFile, call: ast.Call) -> None:
        """`getattr(basket, "add")` asks by a string: certain where its object is."""
        if name_of(call.func) not in _BY_NAME:
            return
        for number, given in enumerate(call.args):
            if not (isinstance(given, ast.Constant) and given.value == self.old):
                continue
            asked = ast.Attribute(call.args[number - 1], self.old, ast.Load()) if number else None
            if asked is not None and self.family.reaches(file, ast.copy_location(asked, given)):
                body = find_string_body(file.lines, given)
                if body is not None:
                    self.replace(file, *body)
                    continue
            if self.force:
                self.notes.append(
                    Note(f"the string {self.old!r} may name it", self.project.show(file.path), given.lineno)
                )
                continue
            raise self.refuse(
                f"whether the string {self.old!r} names it cannot be told", file, given,
                "change it by hand first, or use --force",
            )  # fmt: skip


def members_of(node: ast.ClassDef) -> set[str]:
    """Return the names that a class body binds and that its methods set on `self`."""
    found: set[str] = set()
    stack: list[ast.AST] = list(node.body)
    while stack:
        part = stack.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(part.name)
            if not isinstance(part, ast.ClassDef):
                found |= {
                    inner.attr
                    for inner in ast.walk(part)
                    if isinstance(inner, ast.Attribute)
                    and isinstance(inner.ctx, ast.Store)
                    and isinstance(inner.value, ast.Name)
                    and inner.value.id in ("self", "cls")
                }
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        stack.extend(ast.iter_child_nodes(part))
    return found
