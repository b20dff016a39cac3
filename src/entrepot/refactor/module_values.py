"""Where a module is taken as a value: passed on, or asked for names that are only known at run time.

What goes through such a value cannot be followed. With --reexport the old names can still be read from the
module; what may set them is refused all the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from entrepot.errors import Refused
from entrepot.program.symbols import LOAD
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.project import Project
from entrepot.refactor.text import SourceFile
from entrepot.refactor.uses import Attribute, FileUses, find_uses_in

# What is asked about a module and none of its names.
_PLAIN = frozenset("isinstance type repr str print id bool callable".split())
_SETTING = frozenset("setattr delattr object".split())
_CHANGING = frozenset("update setdefault pop popitem clear __setitem__ __delitem__".split())
_UNKNOWN = "asked for names that are only known at run time"
# `getattr(shop.lib, name)`: the last word; nothing for `getattr(sys.modules[__name__], name)`.
_ASKS_UNKNOWN = re.compile(
    rb"""attr(?<=\b[gsd]e[tl]attr|\bhasattr)\s*\(\s*(?:\w+\s*\.\s*)*(?:(\w+)\s*,\s*[^\s"']"""
    rb"""|(?:(?:import_module|__import__|modules\s*\.\s*get)\s*\(|modules\s*\[)\s*(?:__name__|["']))"""
)
_IMPORTS = re.compile(rb"\bimport\b[ \t]*(?:\(([^)]*)\)|((?:\\\r?\n|[^\r\n;])*))")
_ASKING = re.compile(rb"\bmodules\b\s*[\[.]|\bimport_module\b|\b__import__\b")
_IMPORTING = frozenset(("import_module", "__import__"))


@dataclass(frozen=True)
class ModuleValue:
    """A module as a value: where, and what is done with it."""

    file: SourceFile
    line: int
    name: str | None  # the one name that is taken of it, if it is that
    is_set: bool
    what: str


def check_module_values(cut: Cut) -> None:
    """Raise Refused where what moves may be asked of the file as a value."""
    if cut.force:
        return
    moved = set(cut.moved_names)
    read = {o.name for o in cut.file.names.occurrences if cut.place[o.statement] != STAY}
    for value in find_module_values(cut.project, cut.path, cut.uses):
        if value.name is not None and value.name not in (read | moved if value.is_set else moved):
            continue
        if cut.reexport and not value.is_set:
            continue
        here = "use --force if it takes nothing that moves"
        raise Refused(
            f"{cut.name} is {value.what}, and what moves may be asked of it"
            if value.name is None
            else f"{value.name} is {value.what} here, in a way that is not followed",
            cut.project.show(value.file.path),
            value.line,
            here if value.is_set else f"keep the old names with --reexport, or {here}",
        )


def find_module_values(project: Project, path: str, others: Iterable[FileUses]) -> Iterator[ModuleValue]:
    """Yield where the module at `path` is taken as a value; `others` are its uses in other files."""
    file = project.file(path)
    own = find_uses_in(project, file, path)
    for uses in (*others, own):
        asked = [a for a in uses.attributes if a.name == "__dict__"]
        if uses.whole or asked:
            judge = _Judge(uses.file, is_followed=uses is not own)
            for attribute in (*uses.whole, *asked):
                yield from judge.judge_attribute(attribute)
    for attribute in own.attributes:
        line = file.line_of(attribute.occurrence.start)
        yield ModuleValue(
            file, line, attribute.name, attribute.is_rebinding, "taken from the module by its own name"
        )
    for taken in own.from_imports:
        yield ModuleValue(file, taken.node.lineno, taken.alias.name, False, "imported from the module itself")
    for uses in others:
        yield from _find_handed_on(project, path, uses)
    for user in dict.fromkeys([path, *project.mentioning(project.name_of(path).rpartition(".")[2])]):
        yield from _find_asked(project, path, user)
        yield from _find_in_code(project, path, user)


def find_unknown_names(project: Project, paths: Collection[str]) -> Iterator[ModuleValue]:
    """Yield where modules are asked for names that are only known at run time: `getattr(lib, name)`."""
    lasts = {project.name_of(path).rpartition(".")[2] for path in paths}
    users = (user for last in sorted(lasts) for user in project.mentioning(last))
    words = {last.encode() for last in lasts}
    for user in dict.fromkeys([*paths, *users]):
        if not _may_ask(project.raw(user), words):
            continue
        try:
            file = project.file(user)
        except Refused:
            continue  # who imports the module is read all the same, and refused
        judge = _Judge(file, is_followed=True)
        for path in paths:
            found = [v for a in find_uses_in(project, file, path).whole for v in judge.judge_attribute(a)]
            yield from (v for v in (*found, *_find_asked(project, path, user)) if v.what == _UNKNOWN)


def _may_ask(raw: bytes, lasts: set[bytes]) -> bool:
    """Whether a file may ask one of some modules for unknown names: most ask objects, which are not imported."""
    if not (b"etattr" in raw or b"hasattr" in raw or b"delattr" in raw):
        return False
    asked = set(_ASKS_UNKNOWN.findall(raw))
    if not asked.isdisjoint({b"", *lasts}):
        return True
    lists = (re.findall(rb"\w+", listed or plain) for listed, plain in _IMPORTS.findall(raw) if asked)
    return any(not lasts.isdisjoint(words) and not asked.isdisjoint(words) for words in lists)


def _find_handed_on(project: Project, path: str, uses: FileUses) -> Iterator[ModuleValue]:
    """Yield where others take the module from a file or a class that has imported it: `mid.lib.f()`, `self.lib`."""
    user = uses.file.path
    name = project.name_of(user)
    last = name.rpartition(".")[2]
    for imported in uses.module_imports:
        home, word = imported.occurrence.home, imported.occurrence.name
        if home is not None and home.kind == "class":
            yield ModuleValue(uses.file, imported.node.lineno, None, False, "imported into a class")
        if home is not uses.file.names.module or project.find_module(f"{name}.{word}", user) == path:
            continue
        taken = re.compile(
            rb"\b%s\s*\.\s*%s\b|\bimport\b[^#]*\b%s\b" % (last.encode(), word.encode(), word.encode())
        )
        for other in project.mentioning(last):
            if other in (user, path) or not taken.search(project.raw(other)):
                continue
            try:
                there = find_uses_in(project, project.file(other), user)
            except Refused:
                continue
            what = f"taken from {name}"
            for taken_name in there.from_imports:
                if taken_name.alias.name == word:
                    yield ModuleValue(there.file, taken_name.node.lineno, None, False, what)
            for attribute in there.attributes:
                if attribute.name == word:
                    line = there.file.line_of(attribute.occurrence.start)
                    following = attribute.occurrence.chain[attribute.index + 1 :]
                    # What the file itself asks of the module: its import may go with that.
                    asked = [a.name for a in uses.attributes if a.importer is imported]
                    for one in [following[0][0] if following else None, *asked]:
                        yield ModuleValue(there.file, line, one, False, what)


def _find_asked(project: Project, path: str, user: str) -> Iterator[ModuleValue]:
    """Yield `sys.modules["lib"]`, `import_module("lib")`; in the file itself also with `__name__`."""
    if not _ASKING.search(project.raw(user)):
        return
    try:
        names = project.file(user).names
    except Refused:
        return  # who imports the file is read all the same, and refused
    found: list[ast.expr] = []
    for node in (*names.calls, *names.subscripts):
        asked, is_gone = _read_asked(node)
        name = asked.value if isinstance(asked, ast.Constant) and isinstance(asked.value, str) else None
        is_own = user == path and isinstance(asked, ast.Name) and asked.id == "__name__"
        if is_own or (name is not None and project.find_module(name, user) == path):
            if is_gone:
                yield ModuleValue(project.file(user), node.lineno, None, True, "loaded again")
            else:
                found.append(node)
    if found:
        judge = _Judge(project.file(user), is_followed=False)
        for node in found:
            yield from judge.judge(node)


def _find_in_code(project: Project, path: str, user: str) -> Iterator[ModuleValue]:
    """Yield what code in a string takes of the module: `eval("lib.f()")`, `exec("from lib import f")`."""
    raw = project.raw(user)
    if user == path or not (b"eval" in raw or b"exec" in raw):
        return
    name = project.name_of(path)
    try:
        calls = project.file(user).names.calls
    except Refused:
        return
    for call in calls:
        text = call.args[0] if call.args and getattr(call.func, "id", "") in ("eval", "exec") else None
        if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
            continue
        try:
            code = ast.parse(text.value.strip())
        except (SyntaxError, ValueError):
            continue  # it fails with and without us
        for node in ast.walk(code):
            taken: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module == name:
                taken = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in (
                name,
                name.rpartition(".")[2],
            ):
                taken = [node.attr]
            for word in taken:
                yield ModuleValue(project.file(user), call.lineno, word, False, "used by code in a string")


def _read_asked(node: ast.AST) -> tuple[ast.expr | None, bool]:
    """Return by what name a node asks for a module, and whether the module is forgotten there."""
    if isinstance(node, ast.Subscript) and getattr(node.value, "attr", "") == "modules":
        return (None if isinstance(node.ctx, ast.Store) else node.slice), isinstance(node.ctx, ast.Del)
    if isinstance(node, ast.Call) and node.args:
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        of = getattr(getattr(node.func, "value", None), "attr", "")
        if called in _IMPORTING or (of == "modules" and called in ("get", "pop")):
            return node.args[0], called == "pop"
    return None, False


class _Judge:
    """Says what a file does with expressions that are the module. `is_followed`: names as strings are rewritten."""

    def __init__(self, file: SourceFile, *, is_followed: bool) -> None:
        self.file = file
        self.is_followed = is_followed
        self.parents = {
            id(child): node for node in ast.walk(file.tree) for child in ast.iter_child_nodes(node)
        }

    def judge_attribute(self, attribute: Attribute) -> Iterator[ModuleValue]:
        """Judge `lib` or `shop.lib`: a first word, and the links of its chain that lead to the module."""
        node = attribute.occurrence.node
        if attribute.occurrence.kind != LOAD or id(node) not in self.parents:
            return
        for _ in range(attribute.index if attribute.name else attribute.index + 1):
            node = self.parents[id(node)]
        assert isinstance(node, ast.expr)
        yield from self.judge(node)

    def judge(self, node: ast.expr) -> Iterator[ModuleValue]:
        """Say what is done with an expression that is the module; nothing where that is no matter."""
        above = self.parents[id(node)]
        while isinstance(above, ast.BoolOp | ast.IfExp) and node is not getattr(above, "test", None):
            node, above = above, self.parents[id(above)]
        if isinstance(above, ast.Expr | ast.Compare | ast.UnaryOp | ast.FormattedValue | ast.Assert):
            return
        if isinstance(above, ast.If | ast.While | ast.IfExp) and above.test is node:
            return
        if isinstance(above, ast.Attribute) and above.attr != "__dict__":
            yield self.note(
                node, "taken from the module", above.attr, is_set=not isinstance(above.ctx, ast.Load)
            )
            return
        if isinstance(above, ast.Call) and above.func is not node:
            yield from self.judge_call(node, above)
            return
        yield self.note(node, "passed on as a value", is_set=self.is_changed(node))

    def judge_call(self, node: ast.expr, call: ast.Call) -> Iterator[ModuleValue]:
        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
        second = call.args[1] if len(call.args) > 1 and call.args[0] is node else None
        if called in _PLAIN:
            return
        if called == "reload":
            yield self.note(node, "loaded again", is_set=True)
        elif called == "multiple" and call.args[0] is node:
            for keyword in call.keywords:
                yield self.note(node, "patched", keyword.arg, is_set=True)
        elif called in ("getattr", "hasattr", *_SETTING) and second is not None:
            is_text = isinstance(second, ast.Constant) and isinstance(second.value, str)
            if not is_text:
                yield self.note(node, _UNKNOWN, is_set=called in _SETTING)
            elif not self.is_followed:
                yield self.note(node, "taken from the module", second.value, is_set=called in _SETTING)  # type: ignore[attr-defined]
        else:
            is_set = called == "vars" and self.is_changed(call)
            yield self.note(node, "passed on as a value", is_set=is_set)

    def is_changed(self, node: ast.expr) -> bool:
        """Whether a namespace is bound into: `vars(lib)["x"] = 1`, `lib.__dict__.update(x=1)`."""
        above = self.parents[id(node)]
        if isinstance(above, ast.Attribute) and above.attr == "__dict__":
            above = self.parents[id(above)]
        is_item = isinstance(above, ast.Subscript) and not isinstance(above.ctx, ast.Load)
        return is_item or (isinstance(above, ast.Attribute) and above.attr in _CHANGING)

    def note(self, node: ast.expr, what: str, name: str | None = None, *, is_set: bool) -> ModuleValue:
        return ModuleValue(self.file, node.lineno, name, is_set, what)
