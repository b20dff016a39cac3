"""A traced program behaves as it does alone, and its record says what its imports did."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.trace import Record, TracedRun, record
from entrepot.trace.running import NoInterpreter, NotTraceable

pytestmark = pytest.mark.slow

Draw = Callable[..., Path]


def trace(folder: Path, *command: str, **options: object) -> TracedRun:
    """Run a program traced in a folder."""
    return record(*command, cwd=folder, **options)  # type: ignore[arg-type]


@pytest.fixture
def arcade(draw: Draw) -> Path:
    return draw(
        {
            "main.py": """
                import arcade
                from inventory import *
                from pack import one
                import sys
                import importlib

                def late():
                    import colorsys
                    return importlib.import_module("pack.two")

                late()
                print("score", arcade.get_score())
            """,
            "arcade.py": """
                import os
                print("arcade loads")
                SCORE = 3
                HOME = os.environ.get("HOME")

                class Game:
                    pass

                def get_score():
                    return SCORE
            """,
            "inventory.py": "import arcade\nitems = []\n",
            "pack/__init__.py": "from . import one\n",
            "pack/one.py": "ONE = 1\n",
            "pack/two.py": "TWO = 2\n",
        }
    )


def test_every_form_of_import_is_in_the_record_in_order(arcade: Path):
    """Each statement is there with importer, line, form, what it asked for, and whether the cache answered."""
    run = trace(arcade, "main.py")

    own = [s for s in run.record.statements if s.file.startswith(str(arcade)) and s.asked != "importlib"]
    assert [(s.importer, s.line, s.form, s.asked, s.names, s.is_cached) for s in own] == [
        ("__main__", 1, "import", "arcade", (), False),
        ("arcade", 1, "import", "os", (), True),
        ("__main__", 2, "star", "inventory", ("*",), False),
        ("inventory", 1, "import", "arcade", (), True),
        ("__main__", 3, "from", "pack", ("one",), False),
        ("pack", 1, "relative", ".", ("one",), False),
        ("__main__", 4, "import", "sys", (), True),
        ("__main__", 8, "import", "colorsys", (), False),
        ("__main__", 9, "import_module", "pack.two", (), False),
    ]
    assert [s.function for s in own[-2:]] == ["late", "late"]


def test_a_module_has_its_place_names_and_times(arcade: Path, monkeypatch: pytest.MonkeyPatch):
    """A module's entry says where it was found, how it became code, what it defines, and what it cost."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    run = trace(arcade, "main.py")
    module = run.record.get_module("arcade")

    assert module.origin == str(arcade / "arcade.py")
    assert (module.bytecode, module.reason, module.is_kept) == ("compiled", "missing", True)
    assert (module.functions, module.classes) == (("get_score",), ("Game",))
    assert set(module.variables) == {"SCORE", "HOME"}
    assert module.imported == ("os",)
    assert str(arcade) in module.searched
    assert 0 < module.own_wall_s <= module.wall_s
    assert trace(arcade, "main.py").record.get_module("arcade").bytecode == "read"


def test_what_the_top_level_does_is_told_with_its_line(arcade: Path):
    """Output and environment reads of a module's top level carry the file and line that did them."""
    effects = trace(arcade, "main.py").record.effects_of("arcade")

    assert ("output", "arcade loads\n", 2) in [(e.kind, e.what, e.line) for e in effects]
    assert ("environment", "HOME") in [(e.kind, e.what) for e in effects]
    assert "read" not in [e.kind for e in effects]


def test_files_threads_processes_warnings_and_patches_are_effects(draw: Draw):
    """Each kind of thing that a module does beyond defining names is told."""
    root = draw(
        {
            "main.py": "import busy\n",
            "target.py": "def act():\n    return 1\n",
            "busy.py": """
                import subprocess, threading, warnings
                import target
                open("data.txt", "w").close()
                open("data.txt").close()
                thread = threading.Thread(target=print)
                thread.start(); thread.join()
                subprocess.run(["true"])
                warnings.warn("old", UserWarning)
                def replacement():
                    return 2
                target.act = replacement
            """,
        }
    )
    effects = trace(root, "main.py").record.effects_of("busy")

    kinds = {(e.kind, e.line) for e in effects if e.file.endswith("busy.py")}
    assert {("wrote", 3), ("read", 4), ("warning", 8)} <= kinds
    assert {("thread", 6), ("process", 7)} <= kinds  # not the lines of threading and subprocess
    assert ("patch", "target.act") in {(e.kind, e.what) for e in effects}


def test_changes_to_the_process_are_told_with_the_line_that_made_them(draw: Draw):
    """Lists, handlers and settings that a module changes are seen some lines later; the source says where it was."""
    root = draw(
        {
            "main.py": "import hooks\nprint('end')\n",
            "hooks.py": """
                import atexit, signal as s, socket, sys
                from sys import meta_path
                atexit.register(print, end="")

                sys.path.append("/nowhere")
                if True:
                    s.signal(s.SIGUSR1, s.SIG_IGN)
                socket.socket().close()
                sys.setrecursionlimit(1234)
                import json
                meta_path.append(type("Finder", (), {"find_spec": staticmethod(lambda *a: None)}))
                import os; os.environ["PLACE"] = os.getenv("HOME", "")

                @atexit.register
                def bye():
                    pass
            """,
        }
    )
    made = trace(root, "main.py").record
    found = [(e.what, e.line) for e in made.effects_of("hooks") if e.kind == "hook"]

    assert found == [
        ("atexit.register", 3),
        ("sys.path", 5),
        ("signal.signal(SIGUSR1)", 7),
        ("sys.setrecursionlimit", 9),
        ("sys.meta_path", 11),
        ("atexit.register", 14),
    ]
    others = {(e.kind, e.what.partition("=")[0], e.line) for e in made.effects_of("hooks")}
    assert {("socket", "a socket is made", 8), ("environment", "HOME", 12), ("putenv", "PLACE", 12)} <= others
    assert {e.file for e in made.effects_of("hooks")} == {str(root / "hooks.py")}


def test_the_program_itself_and_modules_that_fail_have_their_place(draw: Draw):
    """`__main__` is told with its names at the end, a module that fails with the file that was found."""
    root = draw(
        {
            "main.py": """
                def f(): pass
                try:
                    import broken
                except ValueError as error: X = str(error)
                import json as j
            """,
            "broken.py": "raise ValueError('at top')\n",
        }
    )
    made = trace(root, "main.py").record

    assert made.main is not None
    assert made.main == (str(root / "main.py"), ("f",), (), ("X",), ("j",))
    assert made.get_module("broken").origin == str(root / "broken.py")
    assert Record.from_json(made.to_json()) == made
    assert "_watch" not in made.preloaded


def test_keeping_bytecode_is_no_effect_of_the_module(arcade: Path, monkeypatch: pytest.MonkeyPatch):
    """The import system makes __pycache__ and writes into it: that is told as bytecode kept, not as what a module did."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    made = trace(arcade, "main.py").record

    assert made.get_module("arcade").is_kept
    assert [effect for effect in made.effects if effect.kind == "wrote"] == []


def test_output_streams_status_and_arguments_are_the_programs(arcade: Path):
    """Without labels a traced program writes exactly what it writes alone, and ends the same way."""
    (arcade / "end.py").write_text(
        "import sys\nprint(sys.argv, sys.path[0])\nprint('e', file=sys.stderr)\n"
        "print([n for n in sys.modules if 'entrepot' in n or n == 'sitecustomize'])\n"
        "import os; print(os.environ.get('PYTHONPATH'), 'ENTREPOT_TRACE' in os.environ)\nsys.exit(7)\n"
    )
    code = (
        "import sys; from entrepot.trace.running import record;sys.exit(record('end.py', '-x', 'y').status)"
    )
    plain = subprocess.run([sys.executable, "end.py", "-x", "y"], cwd=arcade, capture_output=True)
    traced = subprocess.run([sys.executable, "-c", code], cwd=arcade, capture_output=True)

    assert (traced.returncode, traced.stdout, traced.stderr) == (7, plain.stdout, plain.stderr)


def test_an_error_is_told_to_the_letter_and_recorded(draw: Draw):
    """A traceback is the one that Python prints; the record has the failed modules and the exception."""
    root = draw({"main.py": "import a\n", "a.py": "import b\n", "b.py": "1 / 0\n"})
    code = "import sys; from entrepot.trace.running import record; sys.exit(record('main.py').status)"
    plain = subprocess.run([sys.executable, "main.py"], cwd=root, capture_output=True)
    traced = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True)
    assert (traced.returncode, traced.stderr) == (1, plain.stderr)

    made = trace(root, "main.py").record
    assert [m.error for m in made.modules if m.name in "ab"] == ["ZeroDivisionError: division by zero"] * 2
    assert made.failure is not None
    assert made.failure.kind == "ZeroDivisionError"


def test_a_killed_program_leaves_its_record(draw: Draw):
    """What had been written down before a signal ended the program is kept, and said to be incomplete."""
    root = draw(
        {"main.py": "import a\n", "a.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"}
    )

    run = trace(root, "main.py")

    assert run.status == -signal.SIGKILL
    assert not run.record.is_complete
    assert "a" in [m.name for m in run.record.modules]


def test_a_record_survives_json(arcade: Path):
    """to_json and from_json are each other's opposite, and the version is in it."""
    made = trace(arcade, "-c", "import arcade; arcade.nothing").record

    assert Record.from_json(made.to_json()) == made
    assert json.loads(made.to_json())["version"] == 1


def test_a_text_that_is_no_record_is_refused():
    """from_json says what is wrong instead of making half a record."""
    with pytest.raises(ValueError, match="not a record"):
        Record.from_json("{}")
    with pytest.raises(ValueError, match="upgrade entrepot"):
        Record.from_json('{"version": 99, "modules": []}')


def test_isolated_mode_is_refused_with_the_way_out():
    """Where the observer cannot get in, nothing is run and the error says what to do."""
    with pytest.raises(NotTraceable, match=r"entrepot run -I x\.py"):
        record("-I", "x.py")


def test_an_interpreter_that_runs_no_program_leaves_nothing_to_be_seen(tmp_path: Path, capfd):
    """It has said what it says, and the error says so; a folder that is not there is the caller's mistake."""
    with pytest.raises(NotTraceable, match="-V: the interpreter ended before the observer began"):
        record("-V")
    assert capfd.readouterr().out.startswith("Python 3.")
    with pytest.raises(FileNotFoundError, match="no_such_folder"):
        record("-c", "pass", cwd=tmp_path / "no_such_folder")
    with pytest.raises(NoInterpreter, match=r"/no/such/python cannot be started: .*\n .*--python PATH"):
        record("-c", "pass", python="/no/such/python")
    with pytest.raises(KeyError):
        record("-c", "pass").record.get_module("json")


def test_calls_that_import_are_told_whatever_comes_of_them(draw: Draw):
    """From the cache, anew, or ending in an error: with the error, and whether the cache answered."""
    root = draw(
        {
            "main.py": """
                import importlib
                import one
                importlib.import_module("one")
                importlib.import_module(".one", "pack")
                try:
                    importlib.import_module("broken")
                except ZeroDivisionError:
                    pass
                def late():
                    importlib.import_module("one")
                late()
            """,
            "one.py": "",
            "pack/one.py": "",
            "broken.py": "1 / 0\n",
        }
    )
    made = trace(root, "main.py").record

    calls = [s for s in made.statements if s.form == "import_module" and s.file == str(root / "main.py")]
    assert [(s.line, s.form, s.asked, s.is_cached, s.error, s.function) for s in calls] == [
        (3, "import_module", "one", True, "", ""),
        (4, "import_module", "pack.one", False, "", ""),
        (6, "import_module", "broken", False, "ZeroDivisionError: division by zero", ""),
        (10, "import_module", "one", True, "", "late"),
    ]


def test_statements_beyond_number_are_counted(draw: Draw):
    """A loop that imports for ever would fill the record: the rest is told as a number."""
    made = trace(draw({"main.py": "for _ in range(600_000):\n    import sys\n"}), "main.py").record

    told = sum(statement.importer == "__main__" for statement in made.statements)
    assert made.untold > 0
    assert told + made.untold == 600_000


@pytest.mark.parametrize(
    "code",
    [
        "import json, decimal",
        "import asyncio",
        "import email.mime.text, sqlite3",
        "import hypothesis.strategies",
        "import _pytest.config",
        "import xml.sax.expatreader, xmlrpc.client",
    ],
)
def test_the_modules_are_those_that_python_itself_reports(code: str, tmp_path: Path):
    """The modules initialised are the ones that `-X importtime` lists, and their order is the same."""
    plain = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    made = trace(tmp_path, "-c", code).record
    listed = [
        line.rpartition("|")[2].strip()
        for line in plain.stderr.splitlines()
        if line.startswith("import time:")
    ]

    # It does not see those that a function asked for.
    calls = {s.number for s in made.statements if s.form == "import_module"}
    started = {module.name for module in made.modules if module.statement not in calls}
    # `site` tries these two before the program begins.
    assert started == set(listed[1:]) - set(made.preloaded) - {"sitecustomize", "usercustomize"}


def test_labels_say_who_wrote_each_line(draw: Draw):
    """Each line of output is labelled with module and line, whoever wrote it, a child included."""
    root = draw(
        {
            "main.py": """
                import sys, logging, subprocess, noisy
                print("one"); sys.stdout.write("two\\nthree\\n")
                logging.basicConfig(); logging.warning("four")
                subprocess.run(["echo", "five"])
                import os; os.write(1, b"six\\n")
                sys.stdout.buffer.write(b"seven\\n")
                print("eight"); subprocess.run("echo nine; echo ten >&2", shell=True)
            """,
            "noisy.py": "print('zero')\n",
        }
    )
    code = "import sys; from entrepot.trace.running import record; record('main.py', labels=True)"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)

    assert run.stdout.splitlines() == [
        "[noisy:1] zero",
        "[__main__:2] one",
        "[__main__:2] two",
        "[__main__:2] three",
        "[__main__:4 (child)] five",
        "[__main__:5] six",
        "[__main__:6] seven",
        "[__main__:7] eight",
        "[__main__:7 (child)] nine",
    ]
    assert run.stderr.splitlines() == ["[__main__:3] WARNING:root:four", "[__main__:7 (child)] ten"]


def test_a_change_of_the_path_belongs_to_the_line_that_made_it(draw: Draw):
    """A register changed before an import is the importer's doing, not that of the module imported next."""
    root = draw(
        {"main.py": "import sys\nsys.path.append('more')\nimport first\n", "first.py": "import colorsys\n"}
    )
    effects = trace(root, "main.py").record.effects

    assert [(e.module, e.what) for e in effects if e.kind == "hook"] == [("__main__", "sys.path")]


def test_threads_that_write_at_once_keep_their_labels(draw: Draw):
    """Each line bears the line of code that wrote it, however many threads write."""
    root = draw(
        {
            "main.py": """
                import sys, threading
                def one():
                    for _ in range(200): sys.stdout.write("one\\n")
                def two():
                    for _ in range(200): sys.stdout.write("two\\n")
                threads = [threading.Thread(target=work) for work in (one, two, one, two)]
                [thread.start() for thread in threads]; [thread.join() for thread in threads]
            """
        }
    )
    code = "import sys; from entrepot.trace.running import record; record('main.py', labels=True)"
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)

    lines = run.stdout.splitlines()
    assert len(lines) == 800
    assert set(lines) == {"[__main__:3] one", "[__main__:5] two"}
