"""Rename a parameter of a function or a method, and the keyword in the calls that use it.

A call counts where it certainly calls the function: by its name, through its module, `self.f`
and `cls.f` in the class (and classes derived from it in the project), `Class.f`, and the class
itself for `__init__`. A call by keyword of a method of the same name on an object whose class
is not known is refused with its place, unless no other class of the project has such a method
with such a parameter.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.refactor.changes import Edit, Note
from entrepot.refactor.class_family import Family, is_of_module, name_of
from entrepot.refactor.fstrings import keep_printed_text
from entrepot.refactor.keyword_calls import (
    HAND_ON,
    IN_A_DICT,
    find_references,
    is_put_somewhere,
    list_unknown_calls,
    start_of_name,
)
from entrepot.refactor.project import Project
from entrepot.refactor.rename import check_new_name
from entrepot.refactor.shape import make_renaming
from entrepot.refactor.text import Rewriter, SourceFile

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Decorators that leave the parameters as they are.
_PLAIN = frozenset(
    "staticmethod classmethod property overload abstractmethod final override contextmanager asynccontextmanager "
    "cache lru_cache wraps no_type_check singledispatchmethod cached_property setter deleter deprecated".split()
)


def plan_rename_parameter(
    project: Project, module: str, function: str, old: str, new: str, *, force: bool = False
) -> Edit:
    """Return the edit that renames parameter `old` of `module`:`function` to `new`."""
    check_new_name(new)
    path = project.get_module(module)
    work = _Work(project, path, function, old, new, force=force)
    work.collect()
    title = f"rename {module}:{function}({old}) {new}"
    return make_renaming(project, title, work.rewriters, old, new, work.notes)


class _Work:
    def __init__(
        self, project: Project, path: str, function: str, old: str, new: str, *, force: bool
    ) -> None:
        self.project = project
        self.path = path
        self.file = project.file(path)
        self.function = function
        self.owner, _, self.name = function.rpartition(".")
        self.old, self.new, self.force = old, new, force
        self.rewriters: dict[str, Rewriter] = {}
        self.notes: list[Note] = []
        self.references: list[tuple[SourceFile, set[int]]] = []
        self.followed: set[int] = set()  # the calls that are certain
        self.is_decorated = False  # by what may keep the function

    def rewriter(self, file: SourceFile) -> Rewriter:
        return self.rewriters.setdefault(file.path, Rewriter(file))

    def collect(self) -> None:
        nodes = self.find_definitions(self.file.tree)
        shown = self.project.show(self.path)
        if not nodes:
            raise Refused(f"there is no function {self.function}", shown)
        if not any(self.old in _parameters(node) for node in nodes):
            raise Refused(f"{self.function} has no parameter {self.old}", shown, nodes[0].lineno)
        for node in nodes:
            self.check_definition(node)
            self.rename_inside(self.file, node)
        if not any(self.old in _keywords(node) for node in nodes):
            return  # no call names it: `f(/, a)` and `*a` leave the keyword to `**more`
        if self.owner:
            self.rename_in_overrides()
            self.rename_method_calls()
        else:
            self.rename_calls(self.path, self.name)
        if not self.force:
            self.check_unknown_calls()

    def find_definitions(self, tree: ast.Module) -> list[Function]:
        body: list[ast.stmt] = list(tree.body)
        for part in self.owner.split(".") if self.owner else []:
            classes = [n for s in body for n in _flat(s) if isinstance(n, ast.ClassDef) and n.name == part]
            body = [s for c in classes for s in c.body]
        flat = [n for s in body for n in _flat(s)]
        found = [
            n for n in flat if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == self.name
        ]
        if not found and not self.owner:
            classes = [n for n in flat if isinstance(n, ast.ClassDef) and n.name == self.name]
            inits = [
                i
                for c in classes
                for i in c.body
                if isinstance(i, ast.FunctionDef) and i.name in ("__init__", "__new__")
            ]
            if inits:
                self.owner, self.name = self.name, "__init__"
                return inits  # type: ignore[return-value]
        return found

    def check_definition(self, node: Function) -> None:
        shown = self.project.show(self.path)
        if self.new in _parameters(node):
            raise Refused(
                f"{self.function} has a parameter {self.new} already",
                shown,
                node.lineno,
                "choose another name",
            )
        if self.force:
            return
        for decorator in node.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            if name in _PLAIN:
                continue
            self.is_decorated = True
            if not self.passes_arguments(name):
                raise Refused(
                    f"the decorator {name} may depend on the parameters' names", shown, decorator.lineno,
                    "use --force if it does not",
                )  # fmt: skip
        if node.name.startswith("test_") and self.path.rpartition("/")[2].startswith("test_"):
            raise Refused(
                "pytest gives this function its fixtures by the parameters' names", shown, node.lineno
            )
        if node.args.kwarg is not None:
            self.notes.append(
                Note(
                    f"{self.function} also takes **{node.args.kwarg.arg}: {self.new} will no longer get there",
                    shown,
                    node.lineno,
                )
            )

    def passes_arguments(self, name: str) -> bool:
        """Whether a decorator of this file hands `*args, **kwargs` on and names no parameter."""
        for node in self.file.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node]
                own = {name for n in inner for name in _parameters(n)}
                return not own & {self.old, self.new} and not any(
                    (isinstance(n, ast.Constant) and n.value in (self.old, self.new))
                    or (isinstance(n, ast.keyword) and n.arg in (self.old, self.new))
                    for n in ast.walk(node)
                )
        return False

    def rename_inside(self, file: SourceFile, node: Function) -> None:
        """Rename the parameter and its uses in the function's body."""
        home = None
        for occurrence in file.names.occurrences:
            if (
                occurrence.kind == "parameter"
                and occurrence.name == self.old
                and occurrence.scope.node is node
            ):
                home = occurrence.scope
        if home is None:
            return
        for occurrence in file.names.occurrences:
            if (occurrence.name == self.old and occurrence.home is home) or (
                occurrence.kind == "parameter" and occurrence.scope is home and occurrence.name == self.old
            ):
                self.rewriter(file).replace(occurrence.start, occurrence.end, self.new)
                if occurrence.is_self_documenting:
                    self.keep_printed(file, occurrence.start)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and not inner.args:
                if inner.func.id in ("locals", "vars") and not self.force:
                    raise Refused(
                        f"{inner.func.id}() shows the parameter's name", self.project.show(file.path), inner.lineno,
                        "use --force if that does not matter",
                    )  # fmt: skip

    def keep_printed(self, file: SourceFile, offset: int) -> None:
        """Let an f-string that prints its own text go on printing the old one."""
        kept = keep_printed_text(file, offset)
        if kept is None:
            raise Refused(
                "this f-string prints its own text", self.project.show(file.path), file.line_of(offset),
                "write the text into the string first",
            )  # fmt: skip
        for start, end, new in kept:
            self.rewriter(file).replace(start, end, new)

    # -- calls of a function ---------------------------------------------------------------

    def rename_calls(self, path: str, name: str) -> None:
        for file, starts in find_references(self.project, path, name):
            self.rename_in_tree(file, starts)

    def rename_in_tree(self, file: SourceFile, starts: set[int]) -> None:
        """Rename keywords of the calls whose function's name stands at one of the offsets."""
        self.references.append((file, starts))
        for call in file.names.calls if starts else ():
            if start_of_name(file, call.func) in starts:
                self.rename_keywords(file, call)
            elif any(
                start_of_name(file, given) in starts
                for given in [*call.args, *(keyword.value for keyword in call.keywords)]
            ):
                self.follow_given(file, call)

    def follow_given(self, file: SourceFile, call: ast.Call) -> None:
        """A call that is given the function may call it with keywords that it is given as well."""
        called = name_of(call.func)
        if called in HAND_ON:
            self.rename_keywords(file, call)
            return
        for keyword in call.keywords:
            if keyword.arg in IN_A_DICT:
                self.followed.add(id(call))
                self.rename_unpacked(file, keyword.value)
            elif keyword.arg == self.old and not hasattr(builtins, called) and not self.force:
                raise Refused(
                    f"whether {called or 'this'} hands {self.old} on to {self.function} cannot be told",
                    self.project.show(file.path), call.lineno, "use --force if it does not",
                )  # fmt: skip

    def check_unknown_calls(self) -> None:
        """Refuse where the function is put somewhere, and something that it could be is given the keyword."""
        where = [f for f, starts in self.references if is_put_somewhere(f, starts)]
        if self.is_decorated:
            where.append(self.file)
        for path in self.project.mentioning(self.old) if where else ():
            try:
                calls = list(list_unknown_calls(self.project, self.project.file(path), self.old))
            except Refused:
                continue
            for call in calls:
                if id(call) not in self.followed:
                    raise Refused(
                        f"this may call {self.function}, which is kept under other names "
                        f"({self.project.show(where[0].path)})",
                        self.project.show(path), call.lineno, "use --force if it does not",
                    )  # fmt: skip

    def rename_keywords(self, file: SourceFile, call: ast.Call) -> None:
        if id(call) in self.followed:
            return
        self.followed.add(id(call))
        for keyword in call.keywords:
            if keyword.arg == self.new:
                raise Refused(
                    f"this call gives {self.new} already", self.project.show(file.path), call.lineno,
                    "choose another name",
                )  # fmt: skip
            if keyword.arg == self.old:
                start = file.lines.start_of(keyword)
                self.rewriter(file).replace(start, start + len(self.old.encode()), self.new)
            elif keyword.arg is None:
                self.rename_unpacked(file, keyword.value)

    def rename_unpacked(self, file: SourceFile, value: ast.expr) -> None:
        """`f(**{"price": 1})` is certain; `f(**options)` is looked up when it is a dict written here."""
        shown = self.project.show(file.path)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
            for keyword in value.keywords:
                if keyword.arg == self.old:
                    start = file.lines.start_of(keyword)
                    self.rewriter(file).replace(start, start + len(self.old.encode()), self.new)
            return
        if isinstance(value, ast.Dict):
            for key in value.keys:
                if isinstance(key, ast.Constant) and key.value == self.old:
                    body = find_string_body(file.lines, key)
                    if body is not None:
                        self.rewriter(file).replace(*body, self.new)
            return
        if self.old.encode() in file.data.replace(b"\n", b" ") and not self.force:
            text = [
                n for n in ast.walk(file.tree)
                if (isinstance(n, ast.Constant) and n.value == self.old)
                or (isinstance(n, ast.keyword) and n.arg == self.old and self.is_dict_call(file, n))
            ]  # fmt: skip
            if text:
                raise Refused(
                    f"this call takes its keywords from a value that may hold {self.old!r}", shown, value.lineno,
                    "write the keywords out, or use --force",
                )  # fmt: skip
        self.notes.append(
            Note(f"keywords that are only known at run time: they may hold {self.old!r}", shown, value.lineno)
        )

    def is_dict_call(self, file: SourceFile, keyword: ast.keyword) -> bool:
        return any(
            isinstance(n, ast.Call)
            and isinstance(n.func, ast.Name)
            and n.func.id == "dict"
            and keyword in n.keywords
            for n in ast.walk(file.tree)
        )

    # -- calls of a method -----------------------------------------------------------------

    def rename_in_overrides(self) -> None:
        """Methods that override this one take the same keyword."""
        self.family = Family(self.project, self.owner.split(".")[-1])
        self.members = self.family.members
        if self.name in ("__init__", "__new__"):
            return
        for pairs in self.members.values():
            for file, node in pairs:
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name == self.name:
                        if (
                            self.old in _parameters(inner) and file is not self.file
                        ) or inner not in self.find_definitions(self.file.tree):
                            if self.new in _parameters(inner):
                                raise Refused(
                                    f"{node.name}.{self.name} has a parameter {self.new} already",
                                    self.project.show(file.path), inner.lineno, "choose another name",
                                )  # fmt: skip
                            self.rename_inside(file, inner)

    def rename_method_calls(self) -> None:
        rivals = [
            (file, node)
            for file, node in self.family.list_others()
            if any(
                isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
                and inner.name == self.name
                and (self.old in _parameters(inner) or inner.args.kwarg is not None)
                for inner in node.body
            )
        ]
        if self.name in ("__init__", "__new__"):
            self.rename_creations()
            return
        for path in self.project.using(self.name):
            try:
                file = self.project.file(path)
                calls = {id(call.func): call for call in file.names.calls}
            except Refused:
                continue
            starts = set()
            for node in ast.walk(file.tree):
                if not isinstance(node, ast.Attribute) or node.attr != self.name or is_of_module(file, node):
                    continue
                if not rivals or self.family.reaches(file, node) or self.force:
                    starts.add(start_of_name(file, node))
                elif (call := calls.get(id(node))) and any(k.arg == self.old for k in call.keywords):
                    if is_self_of(rivals, file, node):
                        continue
                    raise Refused(
                        f"whose {self.name} is called here is not known, and {self.project.show(rivals[0][0].path)} "
                        f"has another", self.project.show(path), node.lineno, "use --force to rename this call too",
                    )  # fmt: skip
            self.rename_in_tree(file, starts)

    def rename_creations(self) -> None:
        """Calls of the class, and of those derived from it that are made by the same method."""
        top = self.owner.split(".")[-1]
        for file, node in self.members[top]:
            if file is self.file:
                continue
            raise Refused(
                f"there is another class {top}", self.project.show(file.path), node.lineno,
                "rename one of them first",
            )  # fmt: skip
        creators = {
            node.name: (file, node)
            for file, node in self.family.list_members()
            if node.name == top
            or not any(isinstance(i, ast.FunctionDef) and i.name == self.name for i in node.body)
        }
        for file, node in creators.values():
            self.rename_calls(file.path, node.name)
        for path in self.project.mentioning(self.old):
            try:
                file = self.project.file(path)
                calls = file.names.calls
            except Refused:
                continue
            for call in calls:
                last = name_of(call.func)
                if last in creators or (
                    (last == "cls" or (last == self.name and isinstance(call.func, ast.Attribute)))
                    and self.family.holds(file, call)
                ):
                    self.rename_keywords(file, call)


def is_self_of(
    classes: Sequence[tuple[SourceFile, ast.ClassDef]], file: SourceFile, attribute: ast.Attribute
) -> bool:
    """Whether `self.name` stands in one of the classes."""
    return name_of(attribute.value) == "self" and any(
        other is file and any(inner is attribute for inner in ast.walk(node)) for other, node in classes
    )


def _keywords(node: Function) -> list[str]:
    """Return the parameters that a call may name."""
    return [arg.arg for arg in [*node.args.args, *node.args.kwonlyargs]]


def _parameters(node: Function) -> list[str]:
    args = node.args
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return [arg.arg for arg in [*found, *(a for a in (args.vararg, args.kwarg) if a is not None)]]


def _flat(node: ast.stmt) -> list[ast.stmt]:
    """Return a statement and, for if/try/with, the statements inside."""
    if not isinstance(node, ast.If | ast.Try | ast.With):
        return [node]
    inner = [s for name in ("body", "orelse", "finalbody") for s in getattr(node, name, [])]
    inner += [s for handler in getattr(node, "handlers", ()) for s in handler.body]
    return [found for s in inner for found in _flat(s)]
