"""Run every benchmark and write docs/benchmarks.md.

A benchmark is a script `bench/NAME.py` with a module docstring and

    def run(quick: bool) -> list[dict]

Each dict is one row of its table:

    what       what was done, in words
    entrepot   what entrepot took, with its unit ("12.1 ms"), or a count
    peer       what the peer named in the docstring or in `what` took, measured in the same run
    ratio      entrepot / peer, a number (None where there is no peer): below 1 is faster
    spread     how far the single ratios lay apart ("0.84-0.93", 15 pairs)
    bar        the largest ratio that is good enough, or None

More keys are allowed and become further columns. Times on a shared machine move; ratios
from one run are what counts. A benchmark that fails is reported in its place in the page,
the others still run, and the exit status is 1. A ratio above its bar is marked, and the
exit status is 1 too.

    python bench/run.py                 all, in full
    python bench/run.py --quick         fewer repetitions, the page is not written
    python bench/run.py core_imports    only these

Results of the benchmarks that were not asked for are kept: each run leaves its rows in
`bench/results/NAME.json`, and the page is made from all of those.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
COLUMNS = ("what", "entrepot", "peer", "ratio", "spread", "bar")

Row = dict[str, object]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks asked for and return the exit status: 0 when each held its bar."""
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description="Run benchmarks, write docs/benchmarks.md."
    )
    parser.add_argument("names", nargs="*", help="only these (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions; print, keep nothing")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and what each is about")
    args = parser.parse_args(argv)
    scripts = find_benchmarks(HERE)
    if args.list:
        for name, path in scripts.items():
            print(f"{name:<24} {read_docstring(path).splitlines()[0]}")
        return 0
    if unknown := [name for name in args.names if name not in scripts]:
        parser.error(f"no benchmark called {', '.join(unknown)}; there are: {', '.join(scripts)}")
    failed = False
    for name in args.names or scripts:
        print(f"== {name}", flush=True)
        result = run_one(name, scripts[name], quick=args.quick)
        print(make_section(result), flush=True)
        failed |= bool(result["error"]) or any(is_over_bar(row) for row in result["rows"])
        if not args.quick:
            write_result(result)
    if not args.quick:
        PAGE.write_text(make_page(read_results(scripts)), encoding="utf-8")
        print(f"written: {PAGE}")
    return 1 if failed else 0


def find_benchmarks(folder: Path) -> dict[str, Path]:
    """Return name -> script for each script of a folder that defines `run` at its top level."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        if path.name == "run.py":
            continue
        tree = ast.parse(path.read_bytes())
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found[path.stem] = path
    return found


def read_docstring(path: Path) -> str:
    """Return what a benchmark says of itself."""
    return ast.get_docstring(ast.parse(path.read_bytes())) or "(no docstring)"


def run_one(name: str, path: Path, *, quick: bool) -> dict:
    """Run one benchmark in this process; a failure becomes part of the result."""
    started = time.monotonic()
    rows: list[Row] = []
    error = ""
    # Benchmarks may share helpers that lie beside them.
    before = sys.path[:]
    sys.path[:0] = [str(path.parent), str(Path(__file__).resolve().parent)]
    versions = importlib.import_module("environments").versions
    versions.clear()
    try:
        spec = importlib.util.spec_from_file_location(f"bench_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        rows = module.run(quick)
    except Exception:
        error = traceback.format_exc(limit=-3)
    finally:
        sys.path[:] = before
    return {
        "name": name,
        "rows": rows,
        "error": error,
        "seconds": round(time.monotonic() - started, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": describe_machine(),
        "versions": dict(sorted(versions.items())),
    }


def describe_machine() -> str:
    """Return what the numbers depend on, in one line."""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )


def is_over_bar(row: Row) -> bool:
    """Say whether a row has a bar and misses it."""
    bar, ratio = row.get("bar"), row.get("ratio")
    return isinstance(bar, int | float) and isinstance(ratio, int | float) and ratio > bar


def write_result(result: dict) -> None:
    """Keep one benchmark's rows for the page."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result['name']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read_results(scripts: dict[str, Path]) -> list[dict]:
    """Return the kept results of the benchmarks that still exist, in order."""
    paths = [RESULTS / f"{name}.json" for name in scripts]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def make_page(results: list[dict]) -> str:
    """Return the text of docs/benchmarks.md."""
    head = (
        "# Benchmarks\n\n"
        "<!-- Written by `make bench`; edits are lost. -->\n\n"
        "`make bench` measured these. Each table is one run in which entrepot and the peer took turns on\n"
        "the same machine, so the ratio (entrepot / peer, below 1 is faster) is what to look at: times move\n"
        "with the machine. A bar is the ratio that is good enough; a ratio above its bar is in bold.\n"
        "One alone: `python bench/run.py NAME`.\n"
    )
    return head + "".join("\n" + make_section(result) for result in results)


def make_section(result: dict) -> str:
    """Return one benchmark's heading, docstring, table and circumstances as Markdown."""
    lines = [f"## {result['name']}", "", read_docstring(HERE / f"{result['name']}.py"), ""]
    if result["rows"]:
        columns = [
            *COLUMNS,
            *(key for key in dict.fromkeys(k for r in result["rows"] for k in r) if key not in COLUMNS),
        ]
        lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
        lines += [
            "| " + " | ".join(format_cell(row, column) for column in columns) + " |" for row in result["rows"]
        ]
        lines.append("")
    if result["error"]:
        lines += ["It failed:", "", *("    " + line for line in result["error"].splitlines()), ""]
    versions = [f"{name} {version}" for name, version in result.get("versions", {}).items()]
    lines += [f"*{'; '.join([result['date'], result['machine'], *versions])}; {result['seconds']} s*", ""]
    return "\n".join(lines)


def format_cell(row: Row, column: str) -> str:
    """Return one cell: numbers short, a ratio over its bar in bold."""
    value = row.get(column)
    if value is None:
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    if column == "ratio" and is_over_bar(row):
        return f"**{text}**"
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
