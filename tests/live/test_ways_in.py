"""The ways in: the command, the notebook, and what only a process of its own can show."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import entrepot
from entrepot import live


@pytest.mark.slow
def test_atexit_functions_are_neither_doubled_nor_left(draw: Callable[..., Path]):
    """At the end of the program what the present sources registered runs, once."""
    root = draw({"a.py": "import atexit\ndef bye(): print('bye')\natexit.register(bye)\nx = 1\n"})
    driver = textwrap.dedent("""
        import sys
        from entrepot import live
        sys.path.insert(0, sys.argv[1])
        live.start(paths=[sys.argv[1]])
        import a
        for x, tail in ((2, ""), (3, "boom"), (4, "")):
            with open(a.__file__, "w") as file:
                file.write(f"import atexit\\ndef bye(): print('bye', {x})\\natexit.register(bye)\\nx = {x}\\n{tail}\\n")
            live.refresh()
    """)

    done = subprocess.run(
        [sys.executable, "-B", "-c", driver, str(root)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "bye 4\n"


@pytest.mark.slow
def test_watch_applies_a_save_to_the_running_program(draw: Callable[..., Path]):
    """A loop started by the command goes on with new code."""
    root = draw(
        {
            "lib.py": "def word(): return 'old'\n",
            "main.py": """
            import time, lib
            print(lib.word(), flush=True)
            end = time.monotonic() + 20
            while lib.word() == 'old' and time.monotonic() < end:
                time.sleep(0.02)
            print(lib.word(), flush=True)
        """,
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "entrepot", "watch", str(root / "main.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.3)
    (root / "lib.py").write_text("def word(): return 'new'\n")
    out, err = process.communicate(timeout=30)

    assert (first, out, process.returncode) == ("old\n", "new\n", 0)
    assert "lib" in err


@pytest.mark.slow
def test_watch_reports_to_a_file_for_programs(draw: Callable[..., Path]):
    """Each save is a line of JSON there, and the terminal is the program's own."""
    root = draw(
        {
            "lib.py": "def word(): return 'old'\n",
            "main.py": """
            import time, lib
            print(lib.word(), flush=True)
            end = time.monotonic() + 20
            while lib.word() == 'old' and time.monotonic() < end:
                time.sleep(0.02)
        """,
        }
    )
    reports = root.parent / "reports"
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "entrepot", "watch", "--reports", str(reports), str(root / "main.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    (root / "lib.py").write_text("def word(): return 'new'\n")
    _, err = process.communicate(timeout=30)

    (report,) = [json.loads(line) for line in reports.read_text().splitlines()]
    assert report["ok"]
    assert report["patched"] == ["lib.word"]
    assert err == ""


@pytest.mark.slow
def test_watch_runs_a_package_as_python_does(draw: Callable[..., Path]):
    """`-m` gives `__main__` its package and spec, so that relative imports work, and the same argv and path."""
    root = draw(
        {
            "pack/__init__.py": "",
            "pack/part.py": "word = 'part'\n",
            "pack/__main__.py": """
            import sys
            from .part import word
            print(word, __package__, __spec__.name, sys.argv[1:], sys.argv[0] == __file__, sys.path[0])
        """,
        }
    )

    plain, ours = (
        subprocess.run(
            [sys.executable, "-B", *command, "-m", "pack", "x"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        for command in ((), ("-m", "entrepot", "watch"))
    )

    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)
    assert ours.stdout.startswith("part pack pack.__main__ ['x'] True")


@pytest.mark.slow
def test_a_refused_save_restarts_the_program_where_asked(draw: Callable[..., Path]):
    """With `--on-refusal restart` the program begins again, on the files as they are: it fails as it would."""
    root = draw(
        {
            "lib.py": "word = 'old'\n",
            "main.py": """
            import time, lib
            print(lib.word, flush=True)
            end = time.monotonic() + 20
            while lib.word == 'old' and time.monotonic() < end:
                time.sleep(0.02)
        """,
        }
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-B",
            "-m",
            "entrepot",
            "watch",
            "--on-refusal",
            "restart",
            str(root / "main.py"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.3)
    (root / "lib.py").write_text("1 +\n")
    _, err = process.communicate(timeout=30)

    assert first == "old\n"
    assert "SyntaxError" in err
    assert process.returncode == 1


def test_a_notebook_has_edits_before_each_cell(draw: Callable[..., Path], capsys, monkeypatch):
    """Also in names that it took from a module."""
    root = draw({"cells_mod.py": "K = [1]\ndef f(): return 1\n"})
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(root))
    events: list[Callable[..., None]] = []
    shell = SimpleNamespace(
        user_ns={},
        events=SimpleNamespace(
            register=lambda _, f: events.append(f), unregister=lambda _, f: events.remove(f)
        ),
        register_magic_function=lambda *_: None,
    )
    entrepot.load_ipython_extension(shell)
    try:
        exec("from cells_mod import f, K", shell.user_ns)
        (root / "cells_mod.py").write_text("K = [2]\ndef f(): return 2\n")
        events[0]()

        assert (shell.user_ns["f"](), shell.user_ns["K"]) == (2, [2])
        assert "cells_mod" in capsys.readouterr().out
    finally:
        entrepot.unload_ipython_extension(shell)
        sys.modules.pop("cells_mod", None)
    assert not events


def test_asking_before_the_start_says_what_to_do():
    """An error with the line to write."""
    with pytest.raises(Exception, match=r"live\.start"):
        live.refresh()
