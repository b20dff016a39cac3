"""Hold the arrows read from packages against the imports that running them makes.

    python tests/reality/arrows.py --python VENV/bin/python django jinja2 ...
    python tests/reality/arrows.py --fetch           (more than thirty packages, in a throw-away venv)

Every module of a package is imported in one fresh process of the given Python, with `builtins.__import__`
watched: each import statement that runs at a module's top level (or in a class there) says who
(module, file, line) and which modules of the package it led to: the one it names, or the submodules
that it takes from it. Then:

    missing     led there in the run; the program has no arrow from that importer to it
    unseen      an eager arrow of a module that ran to its end, and the run made no such import

Not counted: imports made by text that is not the module's own file (`exec`, generated code), and by
modules outside of the package. Prints a line for each package; exit status 1 where one is
missing or a package gave no answer.

Does not see `importlib.import_module`, and cannot import what needs a library that is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "src")
sys.path.insert(0, SOURCE)

from entrepot.program.conditions import AT_IMPORT, EAGER  # noqa: E402
from entrepot.program.model import Program  # noqa: E402

# Pure and compiled, small and large, with plugins, re-exports, stars, lazy attributes.
PACKAGES = """
    attr attrs click jinja2 idna packaging zipp pluggy requests urllib3 certifi charset_normalizer flask
    werkzeug markupsafe itsdangerous blinker rich pygments markdown_it httpx httpcore anyio h11 sniffio
    starlette pydantic sqlalchemy numpy networkx sympy mpmath django docutils yaml tomlkit more_itertools
    jsonschema referencing marshmallow tornado twisted aiohttp yarl multidict bs4 soupsieve lxml dateutil
    pytz babel mako black isort
""".split()  # noqa: SIM905
_REQUIREMENTS = {
    "attr": "attrs", "markdown_it": "markdown-it-py", "yaml": "pyyaml", "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
}  # fmt: skip
# Runs in the other Python: knows nothing of us.
_WATCH = r"""
import builtins, importlib, json, os, pkgutil, sys, threading
package, skipped = sys.argv[1], ("__main__", "conftest")
seen, done, failed = [], [], []
real = builtins.__import__
def watch(name, globals=None, locals=None, fromlist=(), level=0):
    result = real(name, globals, locals, fromlist, level)
    frame = sys._getframe(1)
    line, who = frame.f_lineno, frame.f_globals.get("__name__")
    if not isinstance(who, str) or who.partition(".")[0] != package:
        return result
    # The body of a class runs at import time, too; its code is not that of a function (CO_OPTIMIZED).
    while frame.f_code.co_name != "<module>":
        if frame.f_code.co_flags & 1:
            return result
        frame = frame.f_back
    if frame.f_code.co_filename != frame.f_globals.get("__file__"):
        return result
    home = frame.f_globals.get("__package__") or ""
    full = name
    if level:
        above = home.rsplit(".", level - 1)[0] if level > 1 else home
        full = above + "." + name if name else above
    if full.partition(".")[0] != package:
        return result
    led = []
    for part in fromlist or ():
        inner = sys.modules.get(full + "." + part)
        # In a circle the parent has no such attribute yet: then sys.modules is asked.
        if inner is not None and getattr(result, part, inner) is inner:
            led.append(full + "." + part)
    if not fromlist or len(led) < len(fromlist):
        led.append(full)
    for target in led:
        seen.append((who, target, line))
    return result
builtins.__import__ = watch
def take(name):
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed.append(name)
    else:
        done.append(name)
take(package)
paths = getattr(sys.modules.get(package), "__path__", ())
def walk(paths, prefix):
    for info in pkgutil.iter_modules(paths, prefix):
        leaf = info.name.rpartition(".")[2]
        if leaf in skipped or leaf in ("tests", "test") or leaf.startswith("test_"):
            continue
        take(info.name)
        inner = getattr(sys.modules.get(info.name), "__path__", None)
        if info.ispkg and inner:
            walk(inner, info.name + ".")
walk(paths, package + ".")
root = list(paths)[:1]
sys.__stdout__.write("\n<<<" + json.dumps([sorted(set(seen)), done, failed, root]) + ">>>\n")
sys.__stdout__.flush()
os._exit(0)
"""


@dataclass
class Comparison:
    """What one package showed. Rows of missing and unseen: (importer, imported, line)."""

    package: str
    modules: int = 0
    not_imported: int = 0
    imports: int = 0
    missing: list[tuple[str, str, int]] = field(default_factory=list)
    unseen: list[tuple[str, str, int]] = field(default_factory=list)


def compare(python: str, package: str, timeout_s: float = 120) -> Comparison:
    """Run and read one package. Raises RuntimeError where its run gave no answer."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, "-I", "-W", "ignore", "-c", _WATCH, package],
            capture_output=True, text=True, timeout=timeout_s, cwd=folder, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    head, found, tail = done.stdout.rpartition("<<<")
    if not found:
        raise RuntimeError(f"{package}: no answer from its run\n{head}{done.stderr[-2000:]}")
    seen, ran, failed, root = json.loads(tail.rpartition(">>>")[0])
    if not root:
        raise RuntimeError(f"{package}: is not a package, or cannot be imported")
    program = Program.read(root[0], python=os.path.dirname(os.path.dirname(python)), is_kept=False)
    result = Comparison(package, len(ran), len(failed), len(seen))
    ids = program.raw.ids
    graph = program.get_graph(AT_IMPORT, with_ancestors=True)
    for importer, imported, line in seen:
        if importer == imported:
            continue
        if importer not in ids or imported not in ids or ids[imported] not in graph[ids[importer]]:
            result.missing.append((importer, imported, line))
    made = {(importer, imported) for importer, imported, _ in seen}
    for arrow in program.list_arrows():
        is_due = arrow.when == EAGER and arrow.form != "call" and arrow.importer in ran
        if is_due and (arrow.importer, arrow.imported) not in made:
            result.unseen.append((arrow.importer, arrow.imported, arrow.line))
    return result


def fetch(folder: str) -> str:
    """Install the packages in a venv; return its interpreter."""
    venv = os.path.join(folder, "venv")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    wanted = sorted({_REQUIREMENTS.get(name, name) for name in PACKAGES})
    command = [os.path.join(venv, "bin", "python"), "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    subprocess.run([*command, *wanted], check=True)
    return os.path.join(venv, "bin", "python")


def main() -> int:
    """Compare the packages; 1 where an arrow is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--fetch", action="store_true")
    args = parser.parse_args()
    total = Comparison("total")
    is_silent = False
    with tempfile.TemporaryDirectory() as folder:
        python = fetch(folder) if args.fetch else os.path.abspath(args.python)
        for package in args.packages:
            try:
                one = compare(python, package)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"{package:<20} {error}", flush=True)
                is_silent = True
                continue
            print(
                f"{package:<20} {one.modules:>5} modules, {one.not_imported} not imported,"
                f" {one.imports:>6} imports, {len(one.missing)} missing, {len(one.unseen)} unseen",
                flush=True,
            )
            for what, rows in (("missing", one.missing), ("unseen", one.unseen)):
                for importer, imported, line in rows[:8]:
                    print(f"    {what}: {importer}:{line} -> {imported}", flush=True)
            total.modules += one.modules
            total.imports += one.imports
            total.missing += one.missing
            total.unseen += one.unseen
    print(
        f"{total.modules} modules, {total.imports} imports, {len(total.missing)} missing, {len(total.unseen)} unseen"
    )
    return int(is_silent or bool(total.missing))


if __name__ == "__main__":
    raise SystemExit(main())
