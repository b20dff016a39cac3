"""Mutation testing of one module: each small change of it must make a test fail. Writes what survived.

    python tools/mutate.py src/entrepot/core/names.py -- tests/core/test_names.py
    python tools/mutate.py --list FILE      only says what would be changed

A change is one replacement in the text: a comparison turned round, a condition negated, a number or a text made another, a
statement left out. The tests run on a copy of the package with that change, in one process, until the first one fails.
Exit status 1 where a change survived.

What is not changed: docstrings, annotations, imports, `__slots__`, and texts of messages (f-strings, arguments of
exceptions): tests that pin each word would have to be changed with every word.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TURNED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One replacement: characters `start` to `end` of the text."""

    line: int
    start: int
    end: int
    text: str
    before: str

    def __str__(self) -> str:
        return f"line {self.line}: {' '.join(self.before.split())}  ->  {self.text}"


def find_mutations(source: str) -> list[Mutation]:
    """Return the changes of a module, in the order of its text."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data = source.encode()
    found = []
    for node, new in _walk(tree, in_message=False):
        start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        found.append(Mutation(node.lineno, start, end, new, data[start:end].decode()))  # type: ignore[attr-defined]
    return sorted(set(found), key=lambda one: (one.start, one.end, one.text))


def _walk(node: ast.AST, *, in_message: bool) -> Iterator[tuple[ast.AST, str]]:
    """Yield the nodes that are changed, each with its new text."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("TYPE_CHECKING", "__slots__"):
        return
    in_message = in_message or isinstance(node, ast.JoinedStr | ast.Raise)
    if not in_message:
        for new in _change(node):
            yield node, f"({new})" if isinstance(node, ast.expr) else new
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_text(child):
                yield from _walk(child, in_message=in_message)


def _is_text(node: ast.AST) -> bool:
    """Whether it is a docstring, or another text that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _change(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in TURNED:
        operator = TURNED[type(node.ops[0])]()
        yield ast.unparse(ast.Compare(node.left, [operator], node.comparators))  # type: ignore[list-item]
    elif isinstance(node, ast.BoolOp):
        yield ast.unparse(ast.BoolOp(TURNED[type(node.op)](), node.values))  # type: ignore[arg-type]
        for value in node.values:
            yield ast.unparse(value)
    elif isinstance(node, ast.BinOp) and type(node.op) in TURNED:
        yield ast.unparse(ast.BinOp(node.left, TURNED[type(node.op)](), node.right))  # type: ignore[arg-type]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield str(not node.value)
        elif isinstance(node.value, int):
            yield str(node.value + 1)
        elif isinstance(node.value, str):
            yield repr(node.value + "X")
    elif isinstance(node, ast.IfExp):
        yield ast.unparse(node.body)
        yield ast.unparse(node.orelse)
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "return None"
    elif isinstance(node, ast.Break | ast.Continue | ast.Expr | ast.Assign | ast.AugAssign | ast.Raise):
        yield "pass"


def run(module: Path, tests: list[str], timeout_s: float) -> tuple[int, list[Mutation]]:
    """Run the tests on each change; return how many there were, and those that no test saw."""
    survived = []
    source = module.read_text(encoding="utf-8")
    mutations = find_mutations(source)
    with tempfile.TemporaryDirectory(prefix="entrepot-mutate-") as folder:
        copy = Path(folder) / "entrepot"
        shutil.copytree(ROOT / "src" / "entrepot", copy, ignore=shutil.ignore_patterns("__pycache__"))
        target = copy / module.resolve().relative_to(ROOT / "src" / "entrepot")
        sys.dont_write_bytecode = False
        if _fails(folder, tests, timeout_s):
            sys.exit("the tests fail without any change")
        # What the others were compiled to is kept; of this one, two changes may look alike to the second and the byte.
        sys.dont_write_bytecode = True
        for compiled in target.parent.glob(f"__pycache__/{target.stem}.*"):
            compiled.unlink()
        began = time.monotonic()
        for number, mutation in enumerate(mutations):
            data = source.encode()
            changed = data[: mutation.start] + mutation.text.encode() + data[mutation.end :]
            target.write_bytes(changed)
            if not _fails(folder, tests, timeout_s):
                survived.append(mutation)
                print(mutation, flush=True)
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {len(mutations)}", end="", file=sys.stderr)
        print(
            f"{module}: {len(mutations)} changes, {len(survived)} survived, {time.monotonic() - began:.0f} s"
        )
    return len(mutations), survived


def _fails(folder: str, tests: list[str], timeout_s: float) -> bool:
    """Run the tests in a child of this process, which has pytest already and nothing of entrepot."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    try:
        signal.setitimer(signal.ITIMER_REAL, timeout_s)  # tests that hang have seen the change
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        os.chdir(ROOT)
        sys.path.insert(0, folder)
        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests])
        os._exit(int(status))
    finally:
        os._exit(70)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("module", type=Path)
    parser.add_argument("tests", nargs="*", help="what pytest is given")
    parser.add_argument("--list", action="store_true", help="print the changes and run nothing")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="of one run of the tests")
    options = parser.parse_args()
    if options.list:
        print(*find_mutations(options.module.read_text(encoding="utf-8")), sep="\n")
        return 0
    _, survived = run(options.module, options.tests, options.timeout)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
