"""What a person would say about a name that is missing: in a namespace, in a module, in a function before it is bound."""

from __future__ import annotations

import builtins
import difflib
import importlib
import sys
from os.path import basename, dirname, isdir, isfile, join

from entrepot.trace.records import Failure, Module, Record
from entrepot.trace.sources import (
    find_at_top,
    find_bindings,
    find_definition,
    find_holders,
    is_function,
    list_bound_names,
    list_files_beside,
    list_renamed,
    name_briefly,
    parse_file,
)
from entrepot.trace.story import is_own_file

# How alike two names must be before one is taken for a slip of the other.
_ALIKE = 0.75
# Where the names that are forgotten most often come from; importing these changes nothing.
_WELL_KNOWN = (
    *(
        "math",
        "pathlib",
        "collections",
        "datetime",
        "itertools",
        "functools",
        "random",
        "json",
        "re",
        "os",
        "time",
        "typing",
    ),
    *(
        "dataclasses",
        "enum",
        "decimal",
        "fractions",
        "statistics",
        "string",
        "subprocess",
        "shutil",
        "copy",
        "operator",
    ),
    *(
        "contextlib",
        "threading",
        "abc",
        "types",
        "io",
        "textwrap",
        "tempfile",
        "asyncio",
        "logging",
        "argparse",
        "csv",
    ),
)


def explain_unbound(failure: Failure) -> str | None:
    """A function uses a name before it binds it: binding it anywhere makes it the function's own."""
    if failure.kind != "UnboundLocalError" or failure.text.count("'") < 2:
        return None
    file, line, function, _ = failure.places[-1]
    name = failure.text.split("'")[1]
    lines = [bound for bound in find_bindings(file, function, name) if bound != line]
    if not lines:
        return None
    text = (
        f"{name} is bound in {function}() at {name_briefly(file)}:{lines[0]}, so everywhere in {function}() "
        f"it means that variable, and at line {line} it has no value yet"
    )
    if find_definition(file, name):
        text += f":\n  write `global {name}` first in {function}() if the {name} of the module is meant"
    return text


def explain_name(record: Record, failure: Failure) -> str | None:
    """A name that this module's namespace has not: another's may."""
    if failure.kind != "NameError" or not failure.wanted:
        return None
    file, line, _, here = failure.places[-1]
    wanted = failure.wanted
    if text := _explain_by_own_import(record, wanted, here) or _explain_by_own_text(wanted, file, line):
        return text
    for module in _own_modules(record):
        if wanted in (*module.functions, *module.classes, *module.variables) and module.name != here:
            return _say_defined(record, wanted, module, file, here)
    for name, path in list_files_beside(file):
        at = find_definition(path, wanted)
        if at and path != file:
            return _say_import(wanted, name, path, at, file, "()" if is_function(path, wanted) else "")
    if text := _explain_by_standard_library(record, wanted, file, here):
        return text
    names = [name for name in (*list_bound_names(file), *vars(builtins)) if name != wanted]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=_ALIKE)
    if not near:
        if text := _explain_by_imported(record, wanted, file, line, here):
            return text
        near = difflib.get_close_matches(wanted, names, n=1)
    return (
        f"{name_briefly(file)}:{line}: there is no {wanted!r} here; did you mean {near[0]!r}?"
        if near
        else None
    )


def _explain_by_own_import(record: Record, wanted: str, here: str) -> str | None:
    """The name is that of a module which this one imports, but under another name, or only names from it."""
    for statement in record.statements:
        if statement.importer != here or statement.asked != wanted or statement.error:
            continue
        where = f"{name_briefly(statement.file)} line {statement.line}"
        renamed = list_renamed(parse_file(statement.file)).get(statement.line, {}).get(wanted)
        if not statement.names and renamed:
            return f"{where} imports {wanted} as {renamed}, so its name is {renamed} here"
        if statement.names:
            taken = "its public names" if statement.names == ("*",) else ", ".join(statement.names)
            return (
                f"{where} takes {taken} from {wanted} and binds no name {wanted!r}: "
                f"use them without `{wanted}.`, or add `import {wanted}`"
            )
    return None


def _explain_by_own_text(wanted: str, file: str, line: int) -> str | None:
    """The name is bound in this file: further down, or in a function or a class, whose own it is."""
    place = name_briefly(file)
    if at := find_at_top(file, wanted):
        return f"{wanted} is bound at {place}:{at}, which has not been run when line {line} needs it"
    for holder, is_class, at in find_holders(file, wanted):
        if is_class:
            return (
                f"{wanted} is bound in the class {holder} at {place}:{at}, and is a name of that class:\n"
                f"  write self.{wanted} in its methods, {holder}.{wanted} elsewhere"
            )
        return (
            f"{wanted} is bound in {holder}() at {place}:{at}, and is a name of that function alone:\n"
            f"  return it from there, or bind it at the top of the file"
        )
    return None


def _say_defined(record: Record, wanted: str, module: Module, file: str, here: str) -> str:
    at = find_definition(module.origin, wanted)
    call = "()" if wanted in module.functions else ""
    importing = [s for s in record.statements if s.importer == here and module.name in (s.asked, *s.modules)]
    if not importing:
        return _say_import(wanted, module.name, module.origin, at, file, call)
    star = next((s for s in importing if s.names == ("*",)), None)
    if star is not None:
        why = (
            "star imports leave out names that begin with an underscore"
            if wanted.startswith("_")
            else f"the __all__ of {module.name} does not list it"
        )
        return (
            f"{wanted} is defined in {name_briefly(module.origin)}:{at}, and the star import in line {star.line} "
            f"does not bring it: {why}.\n  Add `from {star.asked} import {wanted}`"
        )
    return (
        f"{wanted} is defined in {name_briefly(module.origin)}:{at}; {name_briefly(file)} imports {module.name} "
        f"(line {importing[0].line}), so it is {module.name}.{wanted}{call} here"
    )


def _say_import(wanted: str, name: str, origin: str, line: int, file: str, call: str) -> str:
    return (
        f"{wanted} is defined in {name_briefly(origin)}:{line}, which {name_briefly(file)} never imports: "
        f"add `import {name}` and {'call' if call else 'write'} {name}.{wanted}{call}"
    )


def _explain_by_standard_library(record: Record, wanted: str, file: str, here: str) -> str | None:
    """The name is a standard module's, or is in one that is often needed."""
    if wanted in sys.stdlib_module_names:
        text = f"{wanted} is a module of the standard library that {name_briefly(file)} never imports"
        text += f": add `import {wanted}`"
        if wanted in _WELL_KNOWN and isinstance(getattr(importlib.import_module(wanted), wanted, None), type):
            text += f" (its class {wanted} is then {wanted}.{wanted})"
        return text
    imported = {s.asked for s in record.statements if s.importer == here}
    # A module that is imported already comes first.
    for name in sorted(_WELL_KNOWN, key=lambda name: name not in imported):
        if wanted.startswith("_") or wanted not in getattr(
            importlib.import_module(name), "__all__", vars(importlib.import_module(name))
        ):
            continue
        if name in imported:
            return f"{wanted} is in {name}, which {name_briefly(file)} imports: it is {name}.{wanted} here"
        return f"{wanted} is in the standard module {name}: add `from {name} import {wanted}`"
    return None


def _explain_by_imported(record: Record, wanted: str, file: str, line: int, here: str) -> str | None:
    """The name is nearly one of a module that is imported here, or nearly a module's."""
    asked = {s.asked for s in record.statements if s.importer == here}
    for module in record.modules:
        if module.name in asked:
            names = [*module.functions, *module.classes, *module.variables]
            if near := difflib.get_close_matches(wanted, names, n=1, cutoff=_ALIKE):
                return f"{name_briefly(file)}:{line}: there is no {wanted!r} here; did you mean {module.name}.{near[0]}?"
    modules = [*(name for name, _ in list_files_beside(file)), *_WELL_KNOWN, "sys"]
    if near := difflib.get_close_matches(wanted, modules, n=1, cutoff=_ALIKE):
        how = "" if near[0] in asked else f", with `import {near[0]}`"
        return f"{name_briefly(file)}:{line}: there is no {wanted!r} here; did you mean the module {near[0]}{how}?"
    return None


def explain_attribute(record: Record, failure: Failure) -> str | None:
    """A module has no such name."""
    is_import = failure.kind == "ImportError" and failure.text.startswith("cannot import name")
    if not (is_import or failure.kind == "AttributeError") or not failure.module or not failure.wanted:
        return None
    found = [module for module in record.modules if module.name == failure.module]
    module = next((module for module in found if not module.error), found[0] if found else None)
    origin = module.origin if module else ""
    if basename(origin) == "__init__.py":
        folder = dirname(origin)
        if isfile(join(folder, failure.wanted + ".py")) or isdir(join(folder, failure.wanted)):
            return (
                f"{failure.module}.{failure.wanted} is a submodule, and nothing has imported it: "
                f"add `import {failure.module}.{failure.wanted}`"
            )
    is_own = bool(origin) and is_own_file(origin)
    name = f"{failure.module} ({name_briefly(origin)})" if is_own else failure.module
    known = list(failure.known) or ([*module.functions, *module.classes, *module.variables] if module else [])
    if near := difflib.get_close_matches(failure.wanted, known, n=1):
        return f"{name} has no {failure.wanted!r}; did you mean {near[0]!r}?"
    if elsewhere := _find_elsewhere(record, failure):
        place = f"{name_briefly(elsewhere.origin)}:{find_definition(elsewhere.origin, failure.wanted)}"
        return f"{name} has no {failure.wanted!r}, but {elsewhere.name} has ({place})"
    if is_own:
        own = [name for name in known if not name.startswith("_")]
        return f"{name} has no {failure.wanted!r}; it has {', '.join(own[:12]) or 'no names'}"
    return None


def _find_elsewhere(record: Record, failure: Failure) -> Module | None:
    return next(
        (
            m
            for m in _own_modules(record)
            if failure.wanted in (*m.functions, *m.classes, *m.variables) and m.name != failure.module
        ),
        None,
    )


def _own_modules(record: Record) -> list[Module]:
    return [module for module in record.modules if is_own_file(module.origin)]
