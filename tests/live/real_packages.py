"""Real packages followed through random edits, each compared with a fresh start on the edited files.

    python real_packages.py NAME SEED STEPS          prints what differs; status 1 if anything does
    python real_packages.py --look NAME FOLDER       the look of a fresh start, as JSON

A package is copied, imported under `entrepot.live` with all of its modules that can be, and edited at random places that
the parser finds: bodies, constants, defaults, class attributes, methods, decorators, order of functions, comments; some
edits are taken back. After each the look of every module (functions with their code, classes with their attributes,
values, and whether a name leads to the very object that its home has) must be that of a new process.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import io
import json
import os
import pkgutil
import random
import re
import shutil
import subprocess
import sys
import tempfile
import types
import warnings
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "src"
PLAIN = (int, float, complex, str, bytes, bool, type(None), type(...), type(NotImplemented), range)
# What the interpreter keeps for itself, or another process has otherwise.
NOT_LOOKED_AT = {
    "__builtins__", "__cached__", "__dict__", "__file__", "__loader__", "__path__", "__spec__", "__weakref__",
    "_abc_impl", "__static_attributes__", "__annotations_cache__",
    "cls_counter", "counter",  # attrs counts what was made: that goes on
}  # fmt: skip
DEEP = 5
MANY = 300
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


# -- looking ----------------------------------------------------------------------------------------------------


class Looker:
    """Describes the values of one package's modules so that two processes can be compared."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.inside: list[int] = []

    def is_own(self, module: object) -> bool:
        return isinstance(module, str) and (module + ".").startswith(self.package + ".")

    def look_at_all(self) -> dict[str, str]:
        """Return for every name of every module what it stands for."""
        found = {}
        for name, module in sorted(sys.modules.items()):
            if self.is_own(name) and module is not None:
                for key, value in sorted(vars(module).items()):
                    if key not in NOT_LOOKED_AT:
                        found[f"{name}:{key}"] = _ADDRESS.sub(
                            "", self.look(value, DEEP, is_home=self._is_home(value, name, key))
                        )
        return found

    def _is_home(self, value: Any, module: str, key: str) -> bool:
        return getattr(value, "__module__", None) == module and getattr(value, "__qualname__", None) == key

    def look(self, value: Any, depth: int, *, is_home: bool = False) -> str:
        kind = type(value)
        if kind in PLAIN:
            return repr(value)
        if depth < 0 or id(value) in self.inside:
            return kind.__name__
        self.inside.append(id(value))
        try:
            return self._look(value, kind, depth, is_home=is_home)
        finally:
            self.inside.pop()

    def _look(self, value: Any, kind: type, depth: int, *, is_home: bool) -> str:
        if isinstance(value, types.ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, type):
            return self._look_at_class(value, depth, is_home=is_home)
        if kind is types.FunctionType:
            return self._look_at_function(value, depth)
        if kind in (tuple, list):
            return f"{kind.__name__}[{', '.join(self.look(item, depth - 1) for item in value[:MANY])}]"
        if kind in (set, frozenset):
            return f"{kind.__name__}{sorted(self.look(item, depth - 1) for item in value)}"
        if isinstance(value, dict | types.MappingProxyType):
            items = [(self.look(k, depth - 1), self.look(v, depth - 1)) for k, v in list(value.items())]
            return f"{kind.__name__}{sorted(items)}"
        if isinstance(value, staticmethod | classmethod | types.MethodType):
            return f"{kind.__name__}({self.look(value.__func__, depth)})"
        if isinstance(value, property):
            return f"property({', '.join(self.look(f, depth) for f in (value.fget, value.fset, value.fdel))})"
        if isinstance(value, functools.partial):
            return f"partial({self.look((value.func, value.args, value.keywords), depth)})"
        if hasattr(kind, "cache_info") and hasattr(value, "__wrapped__"):
            return f"cached({self.look(value.__wrapped__, depth)})"
        if isinstance(value, re.Pattern):
            return repr(value)
        if self.is_own(kind.__module__):
            with contextlib.suppress(Exception):
                names = {**getattr(value, "__dict__", {})}
                for cls in kind.__mro__:
                    slots = cls.__dict__.get("__slots__", ())
                    for slot in (slots,) if isinstance(slots, str) else slots:
                        if hasattr(value, slot) and slot not in NOT_LOOKED_AT:
                            names[slot] = getattr(value, slot)
                inside = {k: self.look(v, depth - 1) for k, v in sorted(names.items())}
                return f"{self._name(kind)} object {inside}"
            return f"{self._name(kind)} object"
        return f"{kind.__module__}.{kind.__qualname__} object"

    def _name(self, cls: type) -> str:
        """A class's name, and whether it is the one that stands under that name."""
        name = f"{cls.__module__}.{cls.__qualname__}"
        if not self.is_own(cls.__module__) or "<locals>" in name:
            return name
        found: Any = sys.modules.get(cls.__module__)
        for part in cls.__qualname__.split("."):
            found = getattr(found, "__dict__", {}).get(part)
        return name if found is cls else f"{name}, not the one of that name"

    def _look_at_class(self, cls: type, depth: int, *, is_home: bool) -> str:
        if not self.is_own(cls.__module__) or not (
            is_home or depth == DEEP or "<locals>" in cls.__qualname__
        ):
            return f"class {self._name(cls)}"
        names = {
            key: sorted(value) if key == "__abstractmethods__" else self.look(value, depth - 1)
            for key, value in sorted(vars(cls).items())
            if key not in NOT_LOOKED_AT
        }
        bases = [self._name(base) for base in cls.__mro__]
        return f"class {self._name(cls)} {self._name(type(cls))} {bases} {names}"

    def _look_at_function(self, function: types.FunctionType, depth: int) -> str:
        name = f"{function.__module__}.{function.__qualname__}"
        if not self.is_own(function.__globals__.get("__name__")):
            return f"function {name}"
        cells = []
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):
                cells.append(self.look(cell.cell_contents, depth - 2))
        parts = (function.__defaults__, function.__kwdefaults__, function.__dict__)
        inside = [self.look(part, depth - 2) for part in parts]
        home = sys.modules.get(function.__globals__["__name__"])
        lost = "" if getattr(home, "__dict__", None) is function.__globals__ else " with other globals"
        return f"function {name}{lost} {look_at_code(function.__code__)} {inside} {cells} {function.__doc__!r:.40}"


def look_at_code(code: types.CodeType) -> str:
    """Return name, line and a digest of what some code does, and where."""
    digest = hashlib.sha1()
    for inner in _walk(code):
        consts = [repr(c) for c in inner.co_consts if not isinstance(c, types.CodeType | frozenset)]
        where = list(inner.co_lines())
        digest.update(
            repr((inner.co_code, inner.co_names, inner.co_varnames, inner.co_flags, consts, where)).encode()
        )
    return f"{code.co_name}:{code.co_firstlineno}:{digest.hexdigest()[:10]}"


def _walk(code: types.CodeType) -> list[types.CodeType]:
    return [code, *(c for value in code.co_consts if isinstance(value, types.CodeType) for c in _walk(value))]


def import_all(package: str, names: list[str] | None = None) -> list[str]:
    """Import a package and its modules, as far as that goes; returns those that could be."""
    found = []
    if names is None:
        top = importlib.import_module(package)
        names = [package]
        names += [
            m.name
            for m in pkgutil.walk_packages(
                getattr(top, "__path__", []), package + ".", onerror=lambda _: None
            )
        ]
        names = [n for n in names if not re.search(r"\.(tests?|testing|conftest|__main__|setup)\b", n)]
        for name in names:
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)
                found.append(name)
        return found
    for name in names:
        importlib.import_module(name)
    return names


# -- editing ----------------------------------------------------------------------------------------------------


class Editor:
    """Makes random edits of Python text; each kind returns the new text, or None where it finds nothing to do."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.number = 100

    def edit(self, text: str) -> tuple[str, str] | None:
        """Return what was done and the new text; None where nothing could be."""
        tree = ast.parse(text)
        kinds = [self.body, self.body, self.constant, self.constant, self.default, self.attribute, self.new_attribute,
                 self.new_method, self.no_method, self.swap, self.decorate, self.comment, self.new_function]  # fmt: skip
        self.random.shuffle(kinds)
        for kind in kinds:
            self.number += 1
            made = kind(text, tree)
            if made is not None and made != text:
                try:
                    compile(made, "<edited>", "exec", 0, True)
                except SyntaxError:
                    continue
                return kind.__name__, made
        return None

    def _pick(self, found: list[Any]) -> Any:
        return self.random.choice(found) if found else None

    def _functions(self, tree: ast.Module) -> list[Any]:
        return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]

    def body(self, text: str, tree: ast.Module) -> str | None:
        node = self._pick([n for n in self._functions(tree) if n.body[0].lineno > n.lineno])
        if node is None:
            return None
        first = node.body[0]
        is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        line = (
            first.end_lineno
            if is_doc
            else min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))]) - 1
        )
        return _insert(text, line, " " * first.col_offset + f"entrepot_edit = {self.number}\n")

    def _changed(self, text: str, node: Any) -> str | None:
        value = node.value
        if isinstance(value, bool):
            new = repr(not value)
        elif isinstance(value, int):
            new = repr(value + 1)
        elif isinstance(value, str) and value.isidentifier():
            new = repr(f"{value}{self.number}")
        else:
            return None
        return _replace(text, node, new)

    def constant(self, text: str, tree: ast.Module) -> str | None:
        node = self._pick(
            [n for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
        )
        return self._changed(text, node.value) if node is not None else None

    def default(self, text: str, tree: ast.Module) -> str | None:
        defaults = [d for n in self._functions(tree) for d in (*n.args.defaults, *n.args.kw_defaults)]
        node = self._pick([d for d in defaults if isinstance(d, ast.Constant)])
        return self._changed(text, node) if node is not None else None

    def _classes(self, tree: ast.Module) -> list[ast.ClassDef]:
        return [n for n in tree.body if isinstance(n, ast.ClassDef) and n.body[0].lineno > n.lineno]

    def attribute(self, text: str, tree: ast.Module) -> str | None:
        values = [s.value for n in self._classes(tree) for s in n.body if isinstance(s, ast.Assign)]
        node = self._pick([v for v in values if isinstance(v, ast.Constant)])
        return self._changed(text, node) if node is not None else None

    def new_attribute(self, text: str, tree: ast.Module) -> str | None:
        node = self._pick(self._classes(tree))
        if node is None:
            return None
        return _insert(
            text,
            node.end_lineno,
            f"\n{' ' * node.body[0].col_offset}entrepot_{self.number} = {self.number}\n",
        )

    def new_method(self, text: str, tree: ast.Module) -> str | None:
        node = self._pick(self._classes(tree))
        if node is None:
            return None
        indent = " " * node.body[0].col_offset
        method = f"\n{indent}def entrepot_{self.number}(self, x={self.number}):\n{indent}    return x\n"
        return _insert(text, node.end_lineno, method)

    def no_method(self, text: str, tree: ast.Module) -> str | None:
        methods = [
            (n, m) for n in self._classes(tree) if len(n.body) > 2
            for m in n.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("__")
        ]  # fmt: skip
        found = self._pick(methods)
        if found is None:
            return None
        lines = text.splitlines(keepends=True)
        first = min([found[1].lineno, *(d.lineno for d in found[1].decorator_list)])
        return "".join(lines[: first - 1] + lines[found[1].end_lineno :])

    def swap(self, text: str, tree: ast.Module) -> str | None:
        pairs = [
            (a, b) for a, b in zip(tree.body, tree.body[1:], strict=False)
            if isinstance(a, ast.FunctionDef) and isinstance(b, ast.FunctionDef) and a.name != b.name
        ]  # fmt: skip
        found = self._pick(pairs)
        if found is None:
            return None
        lines = text.splitlines(keepends=True)
        first, second = (min([n.lineno, *(d.lineno for d in n.decorator_list)]) - 1 for n in found)
        one, two = lines[first : found[0].end_lineno], lines[second : found[1].end_lineno]
        return "".join(
            [*lines[:first], *two, *lines[found[0].end_lineno : second], *one, *lines[found[1].end_lineno :]]
        )

    def decorate(self, text: str, tree: ast.Module) -> str | None:
        plain = [n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.decorator_list]
        node = self._pick(plain)
        if node is None:
            return None
        wrapper = "(lambda f: __import__('functools').wraps(f)(lambda *a, **k: f(*a, **k)))"
        return _insert(text, node.lineno - 1, f"@{wrapper}\n")

    def comment(self, text: str, tree: ast.Module) -> str | None:
        node = self._pick(tree.body)
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) if node else 1
        return (
            _insert(text, first - 1, f"# {self.number}\n") if not text.startswith("#!") or first > 2 else None
        )

    def new_function(self, text: str, tree: ast.Module) -> str | None:
        return text + f"\n\ndef entrepot_{self.number}(x={self.number}):\n    return x\n"


def _insert(text: str, after: int, line: str) -> str:
    lines = text.splitlines(keepends=True)
    if after and not lines[after - 1].endswith("\n"):
        lines[after - 1] += "\n"
    return "".join([*lines[:after], line, *lines[after:]])


def _replace(text: str, node: ast.expr, new: str) -> str | None:
    if node.lineno != node.end_lineno:
        return None
    lines = text.splitlines(keepends=True)
    line = lines[node.lineno - 1].encode()
    lines[node.lineno - 1] = (line[: node.col_offset] + new.encode() + line[node.end_col_offset :]).decode()
    return "".join(lines)


# -- following --------------------------------------------------------------------------------------------------


def look_afresh(package: str, root: Path, names: list[str]) -> dict[str, str] | str:
    """Return the look of a new process, or why it fails."""
    command = [sys.executable, __file__, "--look", package, str(root), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def copy_package(package: str, root: Path) -> None:
    """Copy the sources of an installed package."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    if origin.name == "__init__.py":
        ignored = shutil.ignore_patterns("__pycache__", "tests", "*.so")
        shutil.copytree(origin.parent, root / package, ignore=ignored)
    else:
        shutil.copy(origin, root / origin.name)


def follow(package: str, seed: str, steps: int) -> list[str]:
    """Follow one package through its edits; return what was wrong."""
    root = Path(tempfile.mkdtemp(prefix="entrepot-real-"))
    try:
        copy_package(package, root)
        return _follow(package, seed, steps, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _follow(package: str, seed: str, steps: int, root: Path) -> list[str]:
    import entrepot.live as live

    sys.path.insert(0, str(root))
    live.start(paths=[str(root)])
    with contextlib.redirect_stdout(io.StringIO()):
        names = import_all(package)
    looker, editor = Looker(package), Editor(seed)
    mine, fresh = looker.look_at_all(), look_afresh(package, root, names)
    if isinstance(fresh, str):
        return [f"{package} cannot be started: {fresh}"]
    # Counters, clocks, what depends on hashes: what differs without any edit.
    restless = {key for key in mine.keys() | fresh.keys() if mine.get(key) != fresh.get(key)}
    again = look_afresh(package, root, names)
    assert isinstance(again, dict)
    wrong = [
        f"{package}: {key} is another without an edit" for key in restless if fresh.get(key) == again.get(key)
    ]
    files = [
        p
        for p in root.rglob("*.py")
        if any(f"{p}" == getattr(sys.modules.get(n), "__file__", "") for n in names)
    ]
    files.sort()
    originals = {path: path.read_text(encoding="utf-8") for path in files}
    counts: dict[str, int] = {}
    for step in range(steps):
        path = editor.random.choice(files)
        text = path.read_text(encoding="utf-8")
        if text != originals[path] and editor.random.random() < 0.3:
            done = ("revert", originals[path])
        else:
            made = editor.edit(text)
            if made is None:
                continue
            done = made
        what, new = done
        before = looker.look_at_all()
        path.write_text(new, encoding="utf-8")
        report = live.refresh()
        fresh, mine = look_afresh(package, root, names), looker.look_at_all()
        about = f"{package} seed {seed} step {step}: {what} in {path.relative_to(root)}"
        if isinstance(fresh, str):
            if report.ok:
                wrong.append(f"{about}: was not refused, though a fresh start fails with {fresh}")
                path.write_text(text, encoding="utf-8")
                live.refresh()
                continue
        elif report.ok:
            differ = [
                key
                for key in sorted(mine.keys() | fresh.keys())
                if mine.get(key) != fresh.get(key) and key not in restless
            ]
            counts[what] = counts.get(what, 0) + 1
            if differ:
                wrong += [f"{about}: {key}\n{_show(mine.get(key), fresh.get(key))}" for key in differ[:3]]
                wrong.append(f"{about}: {len(differ)} names differ\n{_diff(text, new)}")
                return wrong  # what follows would differ for the same reason
            continue
        else:
            counts[f"refused: {report.errors[0].text[:90]}"] = counts.get("refused", 0) + 1
        after = [
            key
            for key in mine.keys() | before.keys()
            if mine.get(key) != before.get(key) and key not in restless
        ]
        wrong += [
            f"{about}: after the refusal {key}\n{_show(mine.get(key), before.get(key))}" for key in after[:3]
        ]
        path.write_text(text, encoding="utf-8")
        if not (report := live.refresh()).ok:
            wrong.append(f"{about}: the old text is refused: {report}")
            return wrong
    print(package, len(names), "modules", counts, file=sys.stderr)
    return wrong


def _show(mine: str | None, fresh: str | None) -> str:
    mine, fresh = mine or "missing", fresh or "missing"
    at = next(
        (i for i, (a, b) in enumerate(zip(mine, fresh, strict=False)) if a != b), min(len(mine), len(fresh))
    )
    at = max(0, at - 60)
    return f"    here  ...{mine[at : at + 240]}\n    fresh ...{fresh[at : at + 240]}"


def _diff(before: str, after: str) -> str:
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return "\n".join(list(lines)[:30])


def main() -> int:
    """See the module's docstring."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets have one order
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    if sys.argv[1] == "--look":
        package, root, names = sys.argv[2], sys.argv[3], sys.argv[4:]
        sys.path.insert(0, root)
        with contextlib.redirect_stdout(io.StringIO()):
            import_all(package, names)
        print("\n" + json.dumps(Looker(package).look_at_all()))
        return 0
    package, seed, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sys.path.insert(0, str(SOURCE))
    wrong = follow(package, seed, steps)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # edited code is not run any further at the end
