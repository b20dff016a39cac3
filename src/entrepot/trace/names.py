"""Which names live in a module's namespace, where each came from, and how a dotted name is looked up.

Works on modules that have been imported (in the interpreter that answers), because only running a
module shows its namespace for certain; the source is read only to say at which line.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

from entrepot.errors import ProgramError


class NoSuchName(ProgramError):  # noqa: N818
    """A dotted name that cannot be followed to its end."""

    asked: str
    found: str
    missing: str
    suggestions: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.asked}: {self.found or 'the path'} has no {self.missing!r}"
        if self.suggestions:
            text += f"\n  did you mean {' or '.join(self.suggestions)}?"
        return text


class NotAName(ProgramError):  # noqa: N818
    """What should be a dotted name is none: a path, for one."""

    exit_status = 2
    given: str

    def __str__(self) -> str:
        guess = os.path.splitext(os.path.relpath(self.given))[0] if os.path.isfile(self.given) else ""
        name = guess.removesuffix("/__init__").replace(os.sep, ".")
        example = name if guess and not name.startswith(".") else "shop.cart"
        return f"{self.given!r} is not the dotted name of a module\n  give its name, as Python imports it:  {example}"


class NotImportable(ProgramError):  # noqa: N818
    """A module whose names were asked for cannot be imported."""

    name: str
    problem: str
    place: str

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return (
            f"{self.name} cannot be imported: {self.problem}{where}\n"
            f"  to see more:  entrepot explain -- -c 'import {self.name}'"
        )


@dataclass(frozen=True)
class Name:
    """A name of a module's namespace.

    kind: "function", "class", "module" or "variable"; origin: the module that defines what it
    stands for; file, line: where that is (0: not known); is_own: whether that is this module.
    """

    name: str
    kind: str
    origin: str
    file: str
    line: int
    is_own: bool


@dataclass(frozen=True)
class Step:
    """One step of a look-up: what was asked of what, and what that was.

    taken_at: the line of the module that was asked at which it takes the name from elsewhere, 0 if it does not.
    """

    place: str
    name: str
    kind: str
    origin: str
    file: str
    line: int
    taken_at: int = 0


def import_named(name: str) -> ModuleType:
    """Import a module; what it prints goes to standard error, because standard output has the answer.

    Raises:
        NoSuchName: it is not written as names are.
        ModuleNotFoundError: there is no such module, or no such parent.
        NotImportable: it is there, and ended in an exception.
    """
    if not name or name.startswith(".") or os.sep in name:
        raise NotAName(given=name)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and (name + ".").startswith(f"{error.name}."):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = (
                f"{error.filename}:{error.lineno}"
                if isinstance(error, SyntaxError)
                else f"{last.filename}:{last.lineno}"
            )
            problem = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
            raise NotImportable(name=name, problem=problem, place=place) from None


def list_names(module: ModuleType, *, with_private: bool = False) -> list[Name]:
    """Return the names of a module's namespace, sorted by kind and name."""
    lines = find_lines(module)
    found = []
    for name, value in vars(module).items():
        if name.startswith("__") or (name.startswith("_") and not with_private):
            continue
        found.append(_describe(module, name, value, lines))
    return sorted(found, key=lambda item: (item.kind, not item.is_own, item.name))


def look_up(dotted: str) -> list[Step]:
    """Return the steps by which a dotted name is found: modules by import, then attributes.

    Raises:
        NoSuchName: it ends before its end; names near it are suggested.
    """
    parts = dotted.split(".")
    steps: list[Step] = []
    value: object = None
    for number, part in enumerate(parts):
        place = ".".join(parts[:number])
        if number == 0 or (isinstance(value, ModuleType) and not hasattr(value, part)):
            name = ".".join(parts[: number + 1])
            try:
                value = import_named(name)
            except ModuleNotFoundError as error:
                if error.name not in {name, *_parents(name)} and not isinstance(value, ModuleType):
                    raise
                raise _no_such(dotted, place, part, value) from None
            steps.append(
                Step("the module cache" if number == 0 else place, part, "module", name, *_place(value))
            )
        else:
            if not hasattr(value, part):
                raise _no_such(dotted, place, part, value)
            holder, value = value, getattr(value, part)
            if isinstance(holder, ModuleType):
                lines = find_lines(holder)
                described = _describe(holder, part, value, lines)
                line, source = lines.get(part, (0, ""))
                steps.append(
                    Step(
                        f"{place}'s namespace",
                        part,
                        described.kind,
                        described.origin,
                        described.file,
                        described.line,
                        line if source else 0,
                    )
                )
            else:
                owner = next(
                    (c for c in getattr(type(holder), "__mro__", ()) if part in vars(c)), type(holder)
                )
                if isinstance(holder, type):
                    owner = next((c for c in holder.__mro__ if part in vars(c)), holder)
                origin = f"{owner.__module__}.{owner.__qualname__}"
                steps.append(Step(f"the class {origin}", part, _kind(value), origin, *_place(value)))
    return steps


def render_names(module: ModuleType, names: list[Name]) -> str:
    """Return a namespace as text, by kind."""
    lines = [f"{module.__name__}: {len(names)} names"]
    for kind in ("class", "function", "module", "variable"):
        group = [item for item in names if item.kind == kind]
        if not group:
            continue
        lines.append(f"{kind}{'es' if kind == 'class' else 's'}:")
        width = max(len(item.name) for item in group)
        for item in group:
            place = f"{item.file}:{item.line}" if item.line else item.file
            source = "" if item.is_own else f"  from {item.origin}"
            lines.append(f"  {item.name:<{width}}  {place}{source}".rstrip())
    return "\n".join(lines) + "\n"


def render_steps(dotted: str, steps: list[Step]) -> str:
    """Return a look-up as text, a step a line."""
    lines = [f"{dotted}:"]
    for number, step in enumerate(steps, 1):
        place = f"{step.file}:{step.line}" if step.line else step.file
        text = f"  {number}. {step.name!r} in {step.place}: {step.kind}"
        if step.origin and step.origin not in step.place and not step.kind.startswith("module"):
            text += f" of {step.origin}"
        if step.taken_at:
            module = step.place.removesuffix("'s namespace")
            text += f", which {module} takes in line {step.taken_at}"
        lines.append(text + (f"  ({place})" if place else ""))
    return "\n".join(lines) + "\n"


def find_lines(module: ModuleType) -> dict[str, tuple[int, str]]:
    """Return for each name bound at a module's top level the last line that binds it, and from which module."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    return dict(_bindings(tree.body, module.__package__ or ""))


def _bindings(body: list[ast.stmt], package: str) -> Iterator[tuple[str, tuple[int, str]]]:
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name, (statement.lineno, "")
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0], (statement.lineno, alias.name)
        elif isinstance(statement, ast.ImportFrom):
            base = package.rsplit(".", statement.level - 1)[0] if statement.level > 1 else package
            source = (
                f"{base}.{statement.module or ''}".rstrip(".") if statement.level else statement.module or ""
            )
            for alias in statement.names:
                if alias.name != "*":
                    yield alias.asname or alias.name, (statement.lineno, source)
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id, (node.lineno, "")
            for field in ("body", "orelse", "finalbody"):
                yield from _bindings(getattr(statement, field, []), package)
            for handler in getattr(statement, "handlers", []):
                yield from _bindings(handler.body, package)


def _describe(module: ModuleType, name: str, value: object, lines: dict[str, tuple[int, str]]) -> Name:
    line, source = lines.get(name, (0, ""))
    kind = _kind(value)
    origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    if kind == "variable" or not isinstance(origin, str):
        # What a value is does not say who bound it: the source does.
        origin = source or module.__name__
        return Name(name, kind, origin, getattr(module, "__file__", "") or "", line, not source)
    is_own = origin == module.__name__
    file, at = _place(value)
    return Name(name, kind, origin, file, at or (line if is_own else 0), is_own)


def _kind(value: object) -> str:
    if isinstance(value, ModuleType):
        return "module"
    if isinstance(value, type):
        return "class"
    return "function" if callable(value) and hasattr(value, "__name__") else "variable"


def _place(value: object) -> tuple[str, int]:
    if isinstance(value, ModuleType):
        return getattr(
            value, "__file__", None
        ) or f"({getattr(value.__spec__, 'origin', None) or 'namespace package'})", 0
    try:
        target: object = inspect.unwrap(value) if callable(value) else value
        file = inspect.getsourcefile(target) or ""  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return "", 0
    if not file or file.startswith("<"):
        # A frozen module's code names no file; the module itself does.
        file = getattr(sys.modules.get(getattr(target, "__module__", "")), "__file__", None) or ""
    try:
        return file, inspect.getsourcelines(target)[1]  # type: ignore[arg-type]
    except (TypeError, OSError, ValueError, IndentationError):
        return file, getattr(getattr(target, "__code__", None), "co_firstlineno", 0)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:number]) for number in range(1, len(parts))]


def _no_such(asked: str, place: str, part: str, value: object) -> NoSuchName:
    import difflib

    known = (
        list(vars(value))
        if isinstance(value, ModuleType)
        else dir(value)
        if value is not None
        else list(sys.modules)
    )
    near = difflib.get_close_matches(part, known, n=2)
    suggestions = tuple(f"{place}.{name}" if place else name for name in near)
    return NoSuchName(asked=asked, found=place, missing=part, suggestions=suggestions)
