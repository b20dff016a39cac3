"""Rename a parameter of a function or a method, and the keyword in the calls that use it.

A call counts where it certainly calls the function: by its name, through its module, `self.f`
and `cls.f` in the class (and classes derived from it in the project), `Class.f`, and the class
itself for `__init__`. A call by keyword of a method of the same name on an object whose class
is not known is refused with its place, unless no other class of the project has such a method
with such a parameter.
"""

from __future__ import annotations

import ast

from entrepot.errors import Refused
from entrepot.program.inner_code import find_string_body
from entrepot.refactor.changes import Edit, Note
from entrepot.refactor.class_family import Family, is_of_module
from entrepot.refactor.fstrings import keep_printed_text
from entrepot.refactor.project import Project
from entrepot.refactor.rename import check_new_name
from entrepot.refactor.shape import make_renaming
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import find_uses, find_uses_in

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
        if self.owner:
            self.rename_in_overrides()
            self.rename_method_calls()
        else:
            self.rename_calls()

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
            if name not in _PLAIN and not self.passes_arguments(name):
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
                return all(
                    n.args.kwarg is not None or not n.args.args for n in inner if n.args.vararg
                ) and not any(isinstance(n, ast.Constant) and n.value == self.old for n in ast.walk(node))
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

    def rename_calls(self) -> None:
        starts = {o.start for o in self.file.names.of_module(self.name)}
        self.rename_in_tree(self.file, starts)
        for uses in self.all_uses():
            file = uses.file
            found = set()
            for taken in uses.from_imports:
                if taken.alias.name == self.name:
                    home = taken.occurrence.home or taken.occurrence.scope
                    bound = taken.occurrence.name
                    found |= {o.start for o in file.names.occurrences if o.name == bound and o.home is home}
            for attribute in uses.attributes:
                if attribute.name == self.name:
                    found.add(attribute.occurrence.chain[attribute.index][1])
            for star in uses.stars:
                if star is not None and self.name not in file.names.module.bindings:
                    found |= {
                        o.start for o in file.names.occurrences if o.name == self.name and o.home is None
                    }
            self.rename_in_tree(file, found)

    def all_uses(self) -> list:  # type: ignore[type-arg]
        """Return the uses in all files, through modules that hand the name on too."""
        found = list(find_uses(self.project, self.path))
        done = {self.path}
        for uses in found:
            path = uses.file.path
            hands_on = any(
                t.alias.name == self.name
                and t.alias.asname is None
                and t.occurrence.home is uses.file.names.module
                for t in uses.from_imports
            )
            if (hands_on or uses.stars) and path not in done:
                done.add(path)
                for other in self.project.using(self.name):
                    if other != path:
                        more = find_uses_in(self.project, self.project.file(other), path)
                        if more.from_imports or more.attributes or more.stars:
                            found.append(more)
        return found

    def rename_in_tree(self, file: SourceFile, starts: set[int]) -> None:
        """Rename keywords of the calls whose function's name stands at one of the offsets."""
        if not starts:
            return
        called = set()
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.Call):
                continue
            if self.name_start(file, node.func) in starts:
                called.add(self.name_start(file, node.func))
                self.rename_keywords(file, node)
            elif node.args and self.name_start(file, node.args[0]) in starts:
                wrapper = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if wrapper in ("partial", "partialmethod", "submit", "to_thread", "call_soon"):
                    called.add(self.name_start(file, node.args[0]))
                    self.rename_keywords(file, node)

    def name_start(self, file: SourceFile, node: ast.expr) -> int:
        if isinstance(node, ast.Name):
            return file.lines.start_of(node)
        if isinstance(node, ast.Attribute):
            return file.lines.end_of(node) - len(node.attr.encode())
        return -1

    def rename_keywords(self, file: SourceFile, call: ast.Call) -> None:
        for keyword in call.keywords:
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
            (file, inner)
            for file, node in self.family.list_others()
            for inner in node.body
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            and inner.name == self.name
            and (self.old in _parameters(inner) or inner.args.kwarg is not None)
        ]
        is_creation = self.name in ("__init__", "__new__")
        overriding = {
            node.name
            for pairs in self.members.values()
            for _, node in pairs
            if any(isinstance(i, ast.FunctionDef) and i.name == self.name for i in node.body)
        }
        creators = {
            name for name in self.members if name == self.owner.split(".")[-1] or name not in overriding
        }
        for path in self.project.mentioning(self.old):
            try:
                file = self.project.file(path)
                tree = file.tree
            except Refused:
                continue
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                if not any(k.arg == self.old or k.arg is None for k in node.keywords):
                    continue
                func = node.func
                last = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
                if is_creation:
                    is_super = (
                        isinstance(func, ast.Attribute)
                        and func.attr == self.name
                        and self.family.holds(file, node)
                    )
                    if last in creators or is_super or (last == "cls" and self.family.holds(file, node)):
                        self.rename_keywords(file, node)
                elif isinstance(func, ast.Attribute) and func.attr == self.name:
                    if not any(k.arg == self.old for k in node.keywords):
                        continue
                    if rivals and not self.family.reaches(file, func) and not self.force:
                        raise Refused(
                            f"whose {self.name} is called here is not known, and {self.project.show(rivals[0][0].path)} "
                            f"has another", self.project.show(path), node.lineno, "use --force to rename this call too",
                        )  # fmt: skip
                    if is_of_module(file, func):
                        continue
                    self.rename_keywords(file, node)


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
