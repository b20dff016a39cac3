"""A module's source as a list of top-level statements, each with what it binds, reads and defines.

The unit of everything in `live` is the top-level statement: it is what is compared, kept, or run again. Statements
that share a line are one unit, so that a unit is whole lines and can be compiled by itself with its own line numbers.

Pure: takes text, gives values; never a module object, never a file.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Iterable
from functools import cached_property
from types import CodeType

from entrepot.live.codes import (
    Chain,
    Event,
    Import,
    eager_chains,
    inner_codes,
    read_events,
    runs_at_once,
)
from entrepot.live.pieces import Piece, cut

# What names a statement in the journal: its text, the first name it binds, and which of those alike it is.
Mark = tuple[str, str, int]
_NO_NAMES: frozenset[str] = frozenset()  # the same one for all: Python makes a new one each time
_NO_CHAINS: frozenset[Chain] = frozenset()
_NAMESPACES = ("globals", "vars", "locals", "dir")
_GOERS = {"list", "dict", "sorted", "set", "tuple", "filter", "map", "enumerate", "frozenset", "len", "iter"}
_LISTS_FOLDER = {
    "iter_modules",
    "walk_packages",
    "listdir",
    "scandir",
    "glob",
    "iglob",
    "rglob",
    "iterdir",
    "walk",
    "contents",
}


class Unit:
    """One top-level statement (or several that share a line).

    `kind` is def, class, import, assign, main (`if __name__ == "__main__"`), docstring, future or other. `eager`
    are the chains that it reads when it runs.
    """

    def __init__(self, first: int, last: int, text: str, kind: str, filename: str, flags: int) -> None:
        self.first = first
        self.last = last
        self.text = text
        self.kind = kind
        self.filename = filename
        self.flags = flags
        self.name = ""
        self.binds = _NO_NAMES
        self.imports: tuple[Import, ...] = ()
        self.eager = _NO_CHAINS
        self.codes: tuple[CodeType, ...] = ()
        self.has_effects = False
        self.is_decorated = False
        self.is_kept = False
        self.is_inert = False  # reads nothing and acts on nothing when it runs, like most definitions
        self.lists_folder = False
        self.lists_names = False  # goes through all names of its module
        self.mends_import = False  # a `try` around an import
        self.names_late = _NO_NAMES  # read here, bound only further down
        self.mark: Mark = ("", "", 0)  # its name in the journal

    @cached_property
    def constants(self) -> tuple[object, ...]:
        """The constants in its text."""
        try:
            return tuple(n.value for n in ast.walk(self.tree) if isinstance(n, ast.Constant))
        except SyntaxError:  # a unit that shares lines in an unusual way
            return ()

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree, with this file's line numbers."""
        return ast.parse("\n" * (self.first - 1) + self.text, self.filename)

    @cached_property
    def key(self) -> str:
        """What the statement says, without positions, comments or layout."""
        return ast.dump(self.tree)

    @cached_property
    def shape(self) -> str:
        """The statement without the bodies of its functions: what matters when it runs."""
        return ast.dump(_Hollow().visit(ast.parse(self.text)))

    @cached_property
    def header(self) -> str:
        """The decorators alone."""
        return "".join(ast.dump(node) for node in getattr(self.tree.body[0], "decorator_list", ()))

    def compile(self) -> CodeType:
        """Compile the statement by itself."""
        text = "\n" * (self.first - 1) + self.text
        return self._with_codes(compile(text, self.filename, "exec", self.flags, True))

    def compile_bare(self) -> CodeType:
        """Compile a function definition without its decorators."""
        tree = ast.parse("\n" * (self.first - 1) + self.text, self.filename)
        tree.body[0].decorator_list = []  # type: ignore[attr-defined]
        return self._with_codes(compile(tree, self.filename, "exec", self.flags, True))

    def _with_codes(self, code: CodeType) -> CodeType:
        """Put in the functions and classes as compiled with the whole module: there the compiler knows which names are
        imported, and writes calls of their attributes in another way."""
        whole: dict[object, dict[int, CodeType]] = {}
        for inner in self.codes:
            for key in (inner.co_qualname, (inner.co_qualname, inner.co_firstlineno)):
                whole.setdefault(key, {})[id(inner)] = inner

        def find(inner: CodeType) -> CodeType:
            # By name alone too: without its decorators a function begins on another line.
            for key in ((inner.co_qualname, inner.co_firstlineno), inner.co_qualname):
                if len(found := whole.get(key, {})) == 1:
                    return next(iter(found.values()))
            return inner

        consts = [find(value) if isinstance(value, CodeType) else value for value in code.co_consts]
        return code.replace(co_consts=tuple(consts))


class _Hollow(ast.NodeTransformer):
    """Empties function bodies."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = []
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.body = []
        return node


class Parsed:
    """A module's source, compiled and cut into units."""

    def __init__(self, units: list[Unit], code: CodeType, source: bytes) -> None:
        self.units = units
        self.code = code
        self.source = source

    @cached_property
    def binds(self) -> frozenset[str]:
        """Every name that some unit binds."""
        return frozenset(name for unit in self.units for name in unit.binds)

    @cached_property
    def kept(self) -> frozenset[str]:
        """Names that the source says to keep."""
        return frozenset(name for unit in self.units if unit.is_kept for name in unit.binds) | _kept_names(
            self.units
        )


def parse_source(
    source: bytes,
    filename: str,
    code: CodeType | None = None,
    events: Iterable[Event] | None = None,
    *,
    is_main: bool = True,
) -> Parsed:
    """Cut a module into units; `code` is what it compiles to and `events` what that does, where they are known. Only where the
    module `is_main` does `if __name__ == "__main__":` stand apart: elsewhere its `else` is a statement like any other.

    Raises SyntaxError (or ValueError for null bytes) as compile() does."""
    lines = _split(_decode(source))
    if code is None:
        code = compile(source, filename, "exec", 0, True)  # from the text: a tree would lose `# coding`
    pieces = cut(lines, code)
    if pieces is None:
        tree: ast.Module = compile(source, filename, "exec", ast.PyCF_ONLY_AST, True)  # type: ignore[assignment]
        pieces = [Piece(_first_line(node), node.end_lineno or node.lineno, node) for node in tree.body]
    flags = 0
    units: list[Unit] = []
    for piece in pieces:
        first, last, node = piece.first, piece.last, piece.node
        kind = piece.kind if node is None else _kind_of(node, not units)
        if kind == "main" and not is_main and node.orelse:  # type: ignore[union-attr]
            kind = "other"
        if kind == "future":
            for alias in getattr(node, "names", ()):
                flags |= getattr(__future__, alias.name).compiler_flag
        if units and units[-1].last >= first:
            before = units[-1]
            units[-1] = Unit(
                before.first, last, "".join(lines[before.first - 1 : last]), "other", filename, flags
            )
        else:
            units.append(Unit(first, last, "".join(lines[first - 1 : last]), kind, filename, flags))
            units[-1].name = (piece.name or getattr(node, "name", "")) if kind in ("def", "class") else ""
            units[-1].is_decorated = piece.is_decorated or bool(getattr(node, "decorator_list", ()))
        units[-1].mends_import |= isinstance(node, ast.Try)
    _fill_facts(units, read_events(code) if events is None else events)
    return Parsed(units, code, source)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(item.lineno for item in decorators)])


def _decode(source: bytes) -> str:
    encoding = "utf-8"
    # Rather than by utf-8-sig, a codec that would be imported in the first update.
    source = source.removeprefix(b"\xef\xbb\xbf")
    if b"coding" in b"".join(source.split(b"\n", 2)[:2]):
        import io
        import tokenize

        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    text = source.decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", " ")


def _split(text: str) -> list[str]:
    """Split at the ends of lines that the compiler counts; str.splitlines() knows others, which may stand in strings."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _kind_of(node: ast.stmt, is_first: bool) -> str:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "def"
        case ast.ClassDef():
            return "class"
        case ast.ImportFrom(module="__future__"):
            return "future"
        case ast.Import() | ast.ImportFrom():
            return "import"
        case ast.Assign() | ast.AnnAssign():
            return "assign"
        case ast.Expr(value=ast.Constant(value=str())) if is_first:
            return "docstring"
        case ast.If(test=test) if _asks_for_main(test):
            return "main"
    return "other"


def _asks_for_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            sides = {getattr(side, "id", getattr(side, "value", None)) for side in (left, right)}
            return sides == {"__name__", "__main__"}
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(_asks_for_main, values))
    return False


class _Doings:
    """What the module's code does on the lines of one unit."""

    __slots__ = ("codes", "has_effects", "imports", "loads", "stores")

    def __init__(self) -> None:
        self.stores: list[str] = []
        self.loads: list[Chain] = []
        self.imports: list[Import] = []
        self.codes: list[CodeType] = []
        self.has_effects = False


def _fill_facts(units: list[Unit], events: Iterable[Event]) -> None:
    """Share out what the module's code does among the units, by line."""
    by_unit = [_Doings() for _ in units]
    _share_out(units, by_unit, events)
    bound: dict[str, int] = {}
    alike: dict[tuple[str, str], int] = {}
    for index, (unit, doings) in enumerate(zip(units, by_unit, strict=True)):
        unit.binds = frozenset(doings.stores)
        if "__annotations__" in unit.binds:
            unit.binds -= {"__annotations__"}
        unit.imports = tuple(doings.imports)
        unit.codes = tuple(doings.codes)
        unit.has_effects = doings.has_effects
        eager = set(doings.loads)
        for inner in unit.codes:
            at_once = runs_at_once(inner)
            if at_once:
                eager |= eager_chains(inner)
                unit.imports += tuple(e.data for e in read_events(inner) if e.what == "import")  # type: ignore[misc]
            if unit.kind == "assign":  # a lambda here may be called at once
                for called in inner_codes(inner) if at_once else (inner,):
                    eager |= eager_chains(called)
        unit.is_kept = unit.kind in ("assign", "other") and _says_keep(unit.text)
        if eager:  # most definitions read nothing
            unit.eager = frozenset(eager)
            unit.lists_names = any(chain[0] in _NAMESPACES for chain in eager) and _lists_names(unit)
            unit.lists_folder = any(part in _LISTS_FOLDER for chain in eager for part in chain)
        unit.is_inert = not (eager or unit.imports or unit.has_effects)
        for name in unit.binds:
            bound.setdefault(name, index)
        says = (unit.text, min(unit.binds, default=""))
        alike[says] = alike.get(says, 0) + 1
        unit.mark = (*says, alike[says])
    for index, unit in enumerate(units):
        if unit.eager and "NameError" not in unit.text and "globals" not in unit.text:
            unit.names_late = frozenset(c[0] for c in unit.eager if bound.get(c[0], -1) > index)


def _share_out(units: list[Unit], by_unit: list[_Doings], events: Iterable[Event]) -> None:
    nobody = _Doings()
    by_line = [nobody] * (units[-1].last + 1 if units else 0)
    for unit, doings in zip(units, by_unit, strict=True):
        by_line[unit.first : unit.last + 1] = [doings] * (unit.last + 1 - unit.first)
    end = len(by_line)
    for line, what, data in events:
        doings = by_line[line] if line < end else nobody
        if what == "load":
            doings.loads.append(data)
        elif what == "store":
            doings.stores.append(data)
        elif what == "code":
            doings.codes.append(data)
        elif what == "effect":
            doings.has_effects = True
        else:
            doings.imports.append(data)


def _lists_names(unit: Unit) -> bool:
    """Whether a statement goes through all names of its module: `globals().items()`, `for name in dir()`."""
    for node in ast.walk(unit.tree):
        match node:
            case ast.Attribute(value=inner, attr="items" | "keys" | "values" | "copy"):
                pass
            case ast.Call(func=ast.Name(id=name), args=[inner, *_]) if name in _GOERS:
                pass
            case ast.For(iter=inner) | ast.comprehension(iter=inner):
                pass
            case _:
                continue
        match inner:
            case ast.Call(func=ast.Name(id=name), args=[]) if name in _NAMESPACES:
                return True
    return False


def _says_keep(text: str) -> bool:
    """Whether a line ends with the comment `# entrepot: keep`."""
    return "entrepot:" in text and any(
        comment.strip().startswith("entrepot:") and comment.partition(":")[2].split()[:1] == ["keep"]
        for line in text.splitlines()
        for comment in line.split("#")[1:]
    )


def _kept_names(units: list[Unit]) -> frozenset[str]:
    """Names given to `keep("name")` at top level."""
    found = set()
    for unit in units:
        if unit.kind == "other" and "keep" in unit.text:
            for node in ast.walk(unit.tree):
                match node:
                    case ast.Call(
                        func=ast.Name(id="keep") | ast.Attribute(attr="keep"),
                        args=[ast.Constant(value=str(name))],
                    ):
                        found.add(name)
    return frozenset(found)
