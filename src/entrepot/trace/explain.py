"""What a person would say about the error that ended a program.

Works on the record of the run and on the sources beside it; runs nothing. Silent (None) where it has
nothing to add to what Python says.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import sys
from collections.abc import Iterator
from os import listdir
from os.path import basename, dirname, isdir, isfile, join

from entrepot.trace.records import Failure, Module, Record, Statement
from entrepot.trace.story import is_own_file


def explain(record: Record) -> str | None:
    """Return an explanation in a few lines, or None."""
    failure = record.failure
    if failure is None:
        return None
    for look in (_explain_shadowing, _explain_circle, _explain_name, _explain_attribute, _explain_missing):
        text = look(record, failure)
        if text:
            return text
    return None


def _explain_shadowing(record: Record, failure: Failure) -> str | None:
    """A file of yours has the name of a standard module, and is found first."""
    if failure.kind not in ("AttributeError", "ImportError", "ModuleNotFoundError"):
        return None
    names = [failure.module, failure.module.partition(".")[0]]
    for name in names:
        module = _find_module(record, name)
        if name in sys.stdlib_module_names and module and is_own_file(module.origin):
            return (
                f"{module.origin} is named like the standard module {name!r} and hides it:\n"
                f"  `import {name}` finds your file, because the program's folder is searched first.\n"
                f"  Rename it (and remove its __pycache__), and {name}.{failure.wanted} is the standard one again."
            )
    return None


def _explain_circle(record: Record, failure: Failure) -> str | None:
    """Two modules import each other, and one needs what the other has not got yet."""
    if "partially initialized module" not in failure.text and "circular import" not in failure.text:
        return None
    by_importer: dict[str, list[Statement]] = {}
    for statement in record.statements:
        if statement.is_import_time:
            by_importer.setdefault(statement.importer, []).append(statement)
    last = failure.places[-1]
    began = next((s for s in by_importer.get(failure.module, []) if _leads_to(record, s, last[3])), None)
    lines = [f"{failure.module} and {last[3]} import each other:"]
    if began:
        lines.append(
            f"  {_short(began.file)}:{began.line} begins to import {last[3]} while {failure.module} is half made"
        )
    lines.append(
        f"  {_short(last[0])}:{last[1]} already needs {failure.wanted!r} of {failure.module}, which comes later there"
    )
    lines.append(
        f"  Import {failure.module} inside the function that needs it, or write `import {failure.module}` and use "
        f"{failure.module}.{failure.wanted} only when it runs, or move what both need into a third module."
    )
    return "\n".join(lines)


def _leads_to(record: Record, statement: Statement, name: str) -> bool:
    return any(module == name or module.endswith("." + name) for module in statement.modules) or (
        statement.asked.lstrip(".") in (name, name.rpartition(".")[2])
    )


def _explain_name(record: Record, failure: Failure) -> str | None:
    """A name that this module's namespace has not: another's may."""
    if failure.kind not in ("NameError", "UnboundLocalError") or not failure.wanted:
        return None
    file, line, _, here = failure.places[-1]
    wanted = failure.wanted
    for module in _own_modules(record):
        if wanted in (*module.functions, *module.classes, *module.variables) and module.name != here:
            at = find_definition(module.origin, wanted)
            call = "()" if wanted in module.functions else ""
            importing = [
                s for s in record.statements if s.importer == here and module.name in (s.asked, *s.modules)
            ]
            if importing:
                return (
                    f"{wanted} is defined in {_short(module.origin)}:{at}; {_short(file)} imports {module.name} "
                    f"(line {importing[0].line}), so it is {module.name}.{wanted}{call} here"
                )
            return _say_import(wanted, module.name, module.origin, at, file, call)
    for name, path in _files_beside(file):
        at = find_definition(path, wanted)
        if at and path != file:
            return _say_import(wanted, name, path, at, file, "()" if is_function(path, wanted) else "")
    if wanted in sys.stdlib_module_names:
        return f"{wanted} is a module of the standard library that {_short(file)} never imports: add `import {wanted}`"
    names = [*_top_level_names(file), *vars(builtins)]
    near = difflib.get_close_matches(wanted, names, n=1)
    if near:
        return f"{_short(file)}:{line}: there is no {wanted!r} here; did you mean {near[0]!r}?"
    return None


def _say_import(wanted: str, name: str, origin: str, line: int, file: str, call: str) -> str:
    return (
        f"{wanted} is defined in {_short(origin)}:{line}, which {_short(file)} never imports: "
        f"add `import {name}` and {'call' if call else 'write'} {name}.{wanted}{call}"
    )


def _explain_attribute(record: Record, failure: Failure) -> str | None:
    """A module has no such name."""
    is_import = failure.kind == "ImportError" and failure.text.startswith("cannot import name")
    if not (is_import or failure.kind == "AttributeError") or not failure.module or not failure.wanted:
        return None
    module = _find_module(record, failure.module)
    origin = module.origin if module else ""
    if basename(origin) == "__init__.py":
        folder = dirname(origin)
        if isfile(join(folder, failure.wanted + ".py")) or isdir(join(folder, failure.wanted)):
            return (
                f"{failure.module}.{failure.wanted} is a submodule, and nothing has imported it: "
                f"add `import {failure.module}.{failure.wanted}`"
            )
    known = list(failure.known) or ([*module.functions, *module.classes, *module.variables] if module else [])
    near = difflib.get_close_matches(failure.wanted, known, n=1)
    if near:
        return f"{failure.module} ({_short(origin)}) has no {failure.wanted!r}; did you mean {near[0]!r}?"
    if origin and is_own_file(origin):
        own = [name for name in known if not name.startswith("_")]
        return f"{failure.module} ({_short(origin)}) has no {failure.wanted!r}; it has {', '.join(own[:12]) or 'no names'}"
    return None


def _explain_missing(record: Record, failure: Failure) -> str | None:
    """A module that is not to be found."""
    if failure.kind == "ImportError" and "no known parent package" in failure.text:
        file = failure.places[-1][0]
        package = basename(dirname(file))
        module = basename(file).removesuffix(".py")
        target = package if module == "__main__" else f"{package}.{module}"
        return (
            f"{_short(file)} is run as a script, so it is in no package and has no siblings to import with a dot:\n"
            f"  run it as a module from the folder above:  python -m {target}"
        )
    if failure.kind != "ModuleNotFoundError" or not failure.module:
        return None
    file, line, _, _ = failure.places[-1]
    missing = failure.module
    tried = [module for module in record.modules if module.name == missing]
    searched = list(dict.fromkeys(folder for module in tried for folder in module.searched))
    names = [name for name, _ in _files_beside(file)] + sorted(sys.stdlib_module_names)
    near = difflib.get_close_matches(missing, names, n=1)
    text = f"{_short(file)}:{line} imports {missing!r}, and no folder of the path has it"
    if searched:
        text += f" ({len(searched)} searched, {searched[0]} first)"
    if near:
        return f"{text}; did you mean {near[0]!r}?"
    if "." not in missing:
        return f"{text}:\n  if it is a package, install it for this Python:  {sys.executable} -m pip install {missing}"
    return text


def find_definition(path: str, name: str) -> int:
    """Return the line at which a file binds a name at its top level, 0 if it does not."""
    for statement in _parse(path):
        if getattr(statement, "name", None) == name:
            return statement.lineno
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
                    return node.lineno
    return 0


def is_function(path: str, name: str) -> bool:
    """Whether a file defines a function of that name at its top level."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(statement, kinds) and statement.name == name for statement in _parse(path))


def _parse(path: str) -> list[ast.stmt]:
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _top_level_names(path: str) -> Iterator[str]:
    for statement in _parse(path):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(node, ast.alias):
                yield (node.asname or node.name).partition(".")[0]


def _files_beside(file: str) -> list[tuple[str, str]]:
    folder = dirname(file)
    try:
        names = sorted(listdir(folder))
    except OSError:
        return []
    return [(name[:-3], join(folder, name)) for name in names if name.endswith(".py")]


def _find_module(record: Record, name: str) -> Module | None:
    return next(
        (module for module in record.modules if module.name == name and not module.error), None
    ) or next((module for module in record.modules if module.name == name), None)


def _own_modules(record: Record) -> list[Module]:
    return [module for module in record.modules if is_own_file(module.origin)]


def _short(path: str) -> str:
    return basename(path) or path
