"""What a traced program notes in C and what it notes in Python are the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import entrepot
from entrepot.trace import Record, record

pytestmark = pytest.mark.slow

PROGRAM = {
    "main.py": """
        import sys
        sys.path.append("more")
        from pack.inner import part as renamed, thing
        import pack.inner.part, colorsys
        import importlib
        importlib.import_module("late")
        __import__("pack", fromlist=["inner"])
        try:
            import nowhere
        except ImportError:
            pass
        def work():
            import wave
            from pack import inner
        import threading
        thread = threading.Thread(target=work); thread.start(); thread.join()
        open("data.txt", "w").close()
        import broken
    """,
    "pack/__init__.py": "import circle\n",
    "pack/inner/__init__.py": "thing = 1\n",
    "pack/inner/part.py": "from .. import inner\nfrom . import *\n",
    "circle.py": "import pack\n",
    "more/late.py": "print('late')\n",
    "broken.py": "from circle import missing\n",
}


def simplify(made: Record) -> tuple[object, ...]:
    """Return what does not differ from run to run."""
    statements = [s._replace(at_s=0.0, wall_s=0.0) for s in made.statements]
    modules = [
        (m.name, m.parent, m.depth, m.origin, m.loader, m.error, m.functions, m.variables)
        for m in made.modules
    ]
    effects = [(e.kind, e.what, e.module, e.line, e.top_line, e.is_import_time) for e in made.effects]
    return statements, modules, effects, made.failure


def test_the_record_does_not_depend_on_the_library(
    draw: Callable[..., Path], need: Callable[[object, str], None]
):
    """Every form of import, threads, failures and effects: one record, with the library in C and without it."""
    need((Path(entrepot.__file__).parent / "trace" / "_watch.so").exists(), "trace/_watch.so")
    root = draw(PROGRAM)
    env = {name: value for name, value in os.environ.items() if name != "ENTREPOT_NO_NATIVE"}

    native = record("main.py", cwd=root, env=env)
    python = record("main.py", cwd=root, env={**env, "ENTREPOT_NO_NATIVE": "1"})

    assert native.status == python.status == 1
    for one, other in zip(simplify(native.record), simplify(python.record), strict=True):
        assert one == other


def test_every_statement_has_its_line(draw: Callable[..., Path], need: Callable[[object, str], None]):
    """Also far down in long modules, over several lines, in loops, and where modules import one another meanwhile."""
    need((Path(entrepot.__file__).parent / "trace" / "_watch.so").exists(), "trace/_watch.so")
    names = [f"m{n}" for n in range(90)]  # more than the library remembers
    files = {}
    for n, name in enumerate(names):
        lines = [f"x{i} = [\n  {i},\n\n  {i}]" * (i % 3 > 0) for i in range(n % 7 * 40)]
        lines += [f"import {other}" for other in names[n + 1 : n + 4]]
        lines += [
            "for i in range(3):",
            *["    pass"] * (n % 5),
            "    import sys; from math import (",
            "        pi,",
        ]
        lines += [
            "        e)",
            "def late():",
            "    i = 0",
            "    while i < 3:",
            "        import json",
            "        i += 1",
        ]
        lines += [
            "    import re",
            "x = (lambda: __import__('os'))() if n else (",
            "",
            "",
            f"    __import__('{name}'))",
        ]
        files[f"{name}.py"] = "\n".join([f"n = {n % 2}", *lines, "late()"]) + "\n"
    root = draw({"main.py": "".join(f"import {name}\n" for name in names), **files})
    env = {name: value for name, value in os.environ.items() if name != "ENTREPOT_NO_NATIVE"}

    native = record("main.py", cwd=root, env=env)
    python = record("main.py", cwd=root, env={**env, "ENTREPOT_NO_NATIVE": "1"})

    assert native.status == python.status == 0
    found = [
        [(s.importer, s.file, s.line, s.asked, s.function) for s in made.record.statements]
        for made in (native, python)
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 1000
    assert len({place[2] for place in found[0]}) > 200


def test_the_function_that_imports_shows_in_no_traceback_and_can_be_called(draw: Callable[..., Path]):
    """`__import__` stays callable with keywords, raises what it raised, and a failed import has its usual frames."""
    root = draw(
        {
            "main.py": """
                import traceback
                assert __import__(name="json", fromlist=("decoder",), level=0).decoder
                for wrong in ((), (1,), ("json", None, None, (), -1)):
                    try:
                        __import__(*wrong)
                    except (TypeError, ValueError) as error:
                        print(type(error).__name__, error)
                try:
                    import nowhere
                except ImportError as error:
                    print(len(traceback.extract_tb(error.__traceback__)))
            """
        }
    )
    import subprocess
    import sys

    code = "import sys; from entrepot.trace.running import record; sys.exit(record('main.py').status)"
    plain = subprocess.run([sys.executable, "main.py"], cwd=root, capture_output=True, text=True)
    for extra in ({}, {"ENTREPOT_NO_NATIVE": "1"}):
        traced = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            capture_output=True,
            text=True,
            env={**os.environ, **extra},
        )
        assert (traced.stdout, traced.stderr, traced.returncode) == (plain.stdout, plain.stderr, 0)
