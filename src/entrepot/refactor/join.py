"""Join a script and the modules it needs into one file that runs alone.

The texts are carried, not rewritten: each module keeps its own namespace, is initialised when
it is first imported and in the same order, and its tracebacks show its own file and lines. Nothing
is unpacked. What is carried: the program's own modules, and of installed packages those that it
reaches, whole (so that what they load by name at run time is there), with their data files and
metadata. The standard library is not carried, and compiled modules cannot be.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from entrepot.errors import Refused
from entrepot.refactor.changes import Edit, FileChange, Note
from entrepot.refactor.imports import resolve_from
from entrepot.refactor.joined_text import quote, render_start
from entrepot.refactor.text import SourceFile

SUFFIXES = (".so", ".pyd", ".abi3.so")
# What installed packages import in functions for their own tests and documentation.
TOOLS = frozenset(
    {"pytest", "_pytest", "hypothesis", "sphinx", "docutils", "IPython", "pip", "setuptools", "pkg_resources"}
)
DATA_LIMIT = 1_000_000  # bytes of one data file that is carried


@dataclass
class Carried:
    """One module: its path relative to the base, its file, None for a folder without `__init__`."""

    name: str
    path: str
    file: str | None
    is_package: bool
    is_own: bool


@dataclass
class Collection:
    """What a joined file will carry."""

    entry: str
    modules: dict[str, Carried] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)  # relative path -> file
    notes: list[Note] = field(default_factory=list)
    search: list[str] = field(default_factory=list)  # the folders that were looked into


def plan_join(script: str, out: str, *, paths: Sequence[str] = ()) -> Edit:
    """Return the edit that writes `out`: the script and all it needs in one file.

    `paths` are further folders to look for modules in. Raises Refused when the script cannot be
    read, or needs a compiled module that cannot be carried.
    """
    script = os.path.realpath(script)
    if os.path.isdir(script):
        script = os.path.join(script, "__main__.py")
    if not os.path.isfile(script):
        raise Refused("there is no such script", script)
    out = os.path.abspath(out)
    if os.path.realpath(out) == script:
        raise Refused("the result would overwrite the script", script, None, "choose another -o")
    if os.path.isdir(out):
        raise Refused("this is a folder", out, None, "name a file with -o")
    collection = _Collector(script, [os.path.realpath(p) for p in paths]).collect()
    text = render_joined(collection).encode("utf-8")
    before = None
    if os.path.exists(out):
        with open(out, "rb") as stream:
            before = stream.read()
    change = FileChange(out, before, text)
    return Edit(
        os.path.dirname(out),
        f"join {os.path.basename(script)}",
        (change,),
        (),
        tuple(dict.fromkeys(collection.notes)),
    )


def render_joined(collection: Collection) -> str:
    """Return the text of the joined file."""
    first = _read_text(collection.entry)
    lines = []
    if first.startswith("#!"):
        lines.append(first.split("\n", 1)[0])
    name = os.path.basename(collection.entry)
    lines += [
        f"# {name} and the modules it needs, joined by `entrepot join`. Edit the originals, not this file.",
        "# Each module stands below as it was written; the code at the end runs the first.",
        "",
        "def _joined(namespace):",
        '    del namespace["_joined"]',
        "    modules = {}",
    ]
    for module in sorted(collection.modules.values(), key=lambda m: (not m.is_own, m.name)):
        text = "None" if module.file is None else quote(_read_text(module.file))
        lines.append(f'    modules["{module.name}"] = ("{module.path}", {text}, {module.is_package})')
    lines.append("    data = {}")
    for path, file in sorted(collection.data.items()):
        with open(file, "rb") as stream:
            lines.append(f"    data[{path!r}] = {stream.read()!r}")
    lines.append("    metadata = {}")
    for key, files in sorted(_find_metadata(collection).items()):
        lines.append(f"    metadata[{key!r}] = {files!r}")
    lines.append(f"    entry = ({name!r}, {quote(first)})")
    lines += render_start()
    lines += ["    return scratch['start'](namespace, entry, modules, data, metadata)", "", ""]
    lines += ["exec(_joined(globals()), globals())", ""]
    return "\n".join(lines)


def _read_text(path: str) -> str:
    """Return a source file as the import system decodes it: its encoding, newlines as \\n."""
    with open(path, "rb") as stream:
        raw = stream.read()
    file = SourceFile(path, raw)
    text = file.data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise Refused("the file has null bytes", path)
    return text


class _Collector:
    """Follows the imports of a script."""

    def __init__(self, script: str, paths: list[str]) -> None:
        self.script = script
        self.base = os.path.dirname(script)
        self.own = [self.base, *paths]
        self.found = Collection(script)
        self.todo: list[tuple[str, str, str]] = []  # (file, module name, package)
        self.reached: set[str] = set()

    def search(self) -> list[str]:
        """Return the folders to look in: the script's, those it adds itself, then the installed ones."""
        outside = [p for p in sys.path if p and os.path.isdir(p) and not _is_library(p)]
        environment = os.environ.get("VIRTUAL_ENV")
        if environment:
            version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            place = os.path.join(environment, "lib", version, "site-packages")
            if os.path.isdir(place) and os.path.realpath(environment) != os.path.realpath(sys.prefix):
                outside = [place]
        return [*self.own, *(p for p in outside if p not in self.own)]

    def collect(self) -> Collection:
        self.read_paths()
        self.follow(self.script, "__main__", "")
        while self.todo:
            self.follow(*self.todo.pop())
        self.found.search = self.search()
        return self.found

    def read_paths(self) -> None:
        """Find folders that the script puts on `sys.path` itself, as far as their names stand in it."""
        tree = self.parse(self.script)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if ast.unparse(node.func) not in ("sys.path.insert", "sys.path.append", "site.addsitedir"):
                continue
            parts = [
                n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
            folder = os.path.normpath(os.path.join(self.base, *parts)) if parts else self.base
            if os.path.isdir(folder) and folder not in self.own:
                self.own.append(folder)

    def parse(self, path: str) -> ast.Module:
        with open(path, "rb") as stream:
            return SourceFile(path, stream.read()).tree

    def follow(self, path: str, name: str, package: str) -> None:
        try:
            tree = self.parse(path)
        except Refused as error:
            if path == self.script:
                raise
            self.found.notes.append(Note(f"carried as it is: {error.reason}", path, error.line))
            return
        is_own = name == "__main__" or self.found.modules[name].is_own
        for node, is_guarded in _walk_imports(tree, False):
            for wanted, is_sure in _names_of(node, package):
                top = wanted.split(".")[0]
                if is_guarded and not is_own and top in TOOLS and top != name.split(".")[0]:
                    continue
                self.want(wanted, path, getattr(node, "lineno", None), is_guarded, is_sure)

    def want(self, name: str, importer: str, line: int | None, is_guarded: bool, is_sure: bool) -> None:
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            part = ".".join(parts[:count])
            if part in self.reached:
                continue
            if not self.add(part, importer, line, is_guarded, is_sure or count < len(parts)):
                return

    def add(self, name: str, importer: str, line: int | None, is_guarded: bool, is_sure: bool) -> bool:
        """Carry one module; return False when there is none to carry."""
        top = name.split(".")[0]
        if top in sys.builtin_module_names or top == "__main__":
            return False
        for root in self.search():
            is_own = root in self.own
            if top in sys.stdlib_module_names and not is_own:
                continue
            base = os.path.join(root, *name.split("."))
            init = os.path.join(base, "__init__.py")
            if os.path.isfile(init):
                self.carry(name, root, init, True, is_own)
                return True
            if os.path.isfile(base + ".py"):
                self.carry(name, root, base + ".py", False, is_own)
                return True
            compiled = _find_compiled(base)
            if compiled is not None:
                if is_guarded or not is_sure:
                    self.found.notes.append(
                        Note(f"left out: {os.path.basename(compiled)} is compiled", importer, line)
                    )
                    return False
                raise Refused(
                    f"{name} is a compiled module ({os.path.basename(compiled)}), which a text cannot carry", importer,
                    line, "run the joined file where it is installed, and import it inside `try`",
                )  # fmt: skip
            if os.path.isdir(base) and _has_python(base) and "." not in os.path.basename(base):
                if top in sys.stdlib_module_names:
                    continue
                self.found.modules[name] = Carried(name, self.relative(root, base), None, True, is_own)
                self.reached.add(name)
                return True
        is_mine = any(importer.startswith(folder + os.sep) for folder in self.own)
        if top not in sys.stdlib_module_names and is_sure and not is_guarded and is_mine:
            self.found.notes.append(Note(f"{name} was not found", importer, line))
        return False

    def relative(self, root: str, path: str) -> str:
        """Return a module's path below the joined file: below the script's folder where it is there."""
        if path.startswith(self.base + os.sep):
            return os.path.relpath(path, self.base).replace(os.sep, "/")
        return os.path.relpath(path, root).replace(os.sep, "/")

    def carry(
        self, name: str, root: str, path: str, is_package: bool, is_own: bool, *, is_reached: bool = True
    ) -> None:
        self.found.modules[name] = Carried(name, self.relative(root, path), path, is_package, is_own)
        if is_reached and name not in self.reached:
            self.reached.add(name)
            self.todo.append((path, name, name if is_package else name.rpartition(".")[0]))
        if is_package and "." not in name:
            self.carry_whole(name, root, os.path.dirname(path), is_own)

    def carry_whole(self, name: str, root: str, folder: str, is_own: bool) -> None:
        """Carry all modules and data files of a package: what it loads by name at run time must be there."""
        for here, folders, names in os.walk(folder):
            folders[:] = sorted(
                f for f in folders if f not in ("__pycache__", "tests", "test") and f.isidentifier()
            )
            dotted = (
                ".".join([name, *os.path.relpath(here, folder).split(os.sep)]) if here != folder else name
            )
            has_init = "__init__.py" in names
            for file in sorted(names):
                path = os.path.join(here, file)
                if file == "__init__.py":
                    if dotted not in self.found.modules:
                        self.carry(dotted, root, path, True, is_own, is_reached=is_own)
                elif file.endswith(".py") and file[:-3].isidentifier() and (has_init or here == folder):
                    module = f"{dotted}.{file[:-3]}"
                    if module not in self.found.modules and file != "conftest.py":
                        self.carry(module, root, path, False, is_own, is_reached=is_own)
                elif not file.endswith(
                    (".py", ".pyc", ".pyi", ".c", ".pyx", *SUFFIXES)
                ) and not os.path.islink(path):
                    if os.path.getsize(path) <= DATA_LIMIT:
                        self.found.data[self.relative(root, path)] = path
                    else:
                        self.found.notes.append(Note("left out: larger than a megabyte", path))


def _is_library(path: str) -> bool:
    """Whether a folder of `sys.path` is the standard library's."""
    return os.path.isfile(os.path.join(path, "os.py")) or path.endswith(("lib-dynload", ".zip"))


def _find_compiled(base: str) -> str | None:
    folder, name = os.path.split(base)
    if not os.path.isdir(folder):
        return None
    for file in sorted(os.listdir(folder)):
        if file.endswith(SUFFIXES) and file.split(".")[0] == name:
            return file
    return None


def _has_python(folder: str) -> bool:
    return any(name.endswith(".py") for _, _, names in os.walk(folder) for name in names)


def _walk_imports(node: ast.AST, is_guarded: bool) -> Iterable[tuple[ast.AST, bool]]:
    """Yield imports (and calls that import by name), and whether a `try` stands around them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            yield from _walk_imports(ast.Module(child.orelse, []), is_guarded)
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, is_guarded
        elif isinstance(child, ast.Call):
            called = (
                child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
            )
            if (
                called in ("import_module", "__import__")
                and child.args
                and isinstance(child.args[0], ast.Constant)
            ):
                yield child, is_guarded
            yield from _walk_imports(child, is_guarded)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk_imports(child, True)
        else:
            guards = isinstance(child, ast.Try) and bool(child.handlers)
            yield from _walk_imports(child, is_guarded or guards)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _names_of(node: ast.AST, package: str) -> Iterable[tuple[str, bool]]:
    """Yield module names that an import may load, and whether it must."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, True
    elif isinstance(node, ast.ImportFrom):
        source = resolve_from(node, package)
        if source and source != "__future__":
            yield source, True
            for alias in node.names:
                if alias.name != "*":
                    yield f"{source}.{alias.name}", False
    elif isinstance(node, ast.Call):
        name = node.args[0].value  # type: ignore[attr-defined]
        if isinstance(name, str):
            if name.startswith("."):
                yield package + "." + name.lstrip("."), False
            else:
                yield name, False


def _find_metadata(collection: Collection) -> dict[str, dict[str, str]]:
    """Return the metadata files of the distributions whose packages are carried and who may ask."""
    tops = {m.name.split(".")[0] for m in collection.modules.values() if not m.is_own}
    texts = [m.file for m in collection.modules.values() if m.file is not None] + [collection.entry]
    if not tops or not any("metadata" in _read_text(path) for path in texts):
        return {}
    from importlib import metadata

    found: dict[str, dict[str, str]] = {}
    for distribution in metadata.distributions(path=collection.search):
        names = (distribution.read_text("top_level.txt") or "").split()
        files = distribution.files or []
        names += [str(file).split("/")[0].removesuffix(".py") for file in files]
        if not tops & set(names):
            continue
        key = str(distribution.metadata["Name"]).lower().replace("-", "_").replace(".", "_")
        kept = {n: distribution.read_text(n) for n in ("METADATA", "entry_points.txt", "top_level.txt")}
        found[key] = {name: text for name, text in kept.items() if text is not None}
    return found
