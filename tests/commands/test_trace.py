"""The commands trace, names and explain: what they print and how they end."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.commands import trace
from entrepot.trace.records import Record
from terminal import Terminal

pytestmark = pytest.mark.slow
Draw = Callable[..., Path]


def entrepot(root: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command of entrepot in a folder."""
    return subprocess.run([sys.executable, "-m", "entrepot", *argv], cwd=root, capture_output=True, text=True)


def test_the_help_names_each_option():
    """What the parser takes is what the help says."""
    for option in trace.OPTIONS:
        assert option in trace.HELP


@pytest.mark.parametrize("options", [(), ("--output",), ("--label-output",)], ids=" ".join)
def test_open_files_are_handed_on_under_their_numbers(draw: Draw, options: tuple[str, ...]):
    """A shell's `7< file` and `<(command)` reach the program, and its own files have the numbers they would have."""
    root = draw(
        {
            "data.txt": "given",
            "main.py": "import os\nprint(os.read(7, 99), open('data.txt').fileno())\n",
        }
    )
    seen = []
    for command in ((sys.executable,), (sys.executable, "-m", "entrepot", "trace", *options)):
        words = ["sh", "-c", '"$@" main.py 7< data.txt', "sh", *command]
        run = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=50)
        assert run.returncode == 0, run.stderr
        seen.append(run.stdout.splitlines()[0].removeprefix("[__main__:2] "))
    assert seen == ["b'given' 3"] * 2


def test_a_reader_that_reads_no_further_is_no_error(draw: Draw):
    """`entrepot trace main.py | head -1` says nothing more."""
    root = draw({"main.py": "import json\n"})
    words = ["sh", "-c", '("$@"; echo $? >&2) | head -c 3', "sh", sys.executable, "-m", "entrepot"]
    run = subprocess.run([*words, "trace", "main.py"], cwd=root, capture_output=True, text=True, timeout=50)
    assert run.stdout == "mai"
    assert run.stderr in ("141\n", "0\n")  # 0: it had written all before


def test_the_interpreter_is_the_one_that_run_takes(draw: Draw):
    """Called by its name, in a project's environment, the command runs the program with the shell's `python`."""
    root = draw({"main.py": "import sys; print(sys.executable)\n"})
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(sys.executable)
    # No keeper is to be left behind.
    environment = {**os.environ, "PATH": f"{root / 'bin'}:{os.environ['PATH']}", "ENTREPOT_WARM": "0"}
    command = Path(sys.executable).with_name("entrepot")
    for words in (["run"], ["trace"], ["explain"], ["run", "--label-output"]):
        run = subprocess.run(
            ["entrepot", *words, "main.py"],
            executable=command, cwd=root, env=environment, capture_output=True, text=True, timeout=50,
        )  # fmt: skip
        assert f"{root / 'bin' / 'python'}\n" in run.stdout, (words, run.stderr)


def test_an_interpreter_that_is_none_or_too_old_is_named(draw: Draw):
    """What `--python` names is looked at; the program of an old Python has run all the same."""
    root = draw({"main.py": "print('ran')\n"})
    for command in ("trace", "explain"):
        run = entrepot(root, command, "--python", str(root / "no-python"), "main.py")
        assert run.returncode == 1
        assert f"{root / 'no-python'} cannot be started: No such file" in run.stderr
        assert "Traceback" not in run.stderr
    # As an interpreter of that age does, in startup/sitecustomize.py.
    old = root / "old"
    old.write_text(
        'fd=$(echo "$ENTREPOT_TRACE" | head -1)\nprintf "too old: 3.9.1" >/dev/fd/$fd\necho ran\n'.join(
            ["#!/bin/sh\n", ""]
        )
    )
    old.chmod(0o755)
    run = entrepot(root, "trace", "--python", str(old), "main.py")
    assert (run.returncode, run.stdout) == (1, "ran\n")
    assert "needs Python 3.11 or newer, and this is 3.9.1" in run.stderr


def test_the_record_comes_after_the_output_and_the_status_is_the_programs(draw: Draw):
    """Standard output is the program's, then the record; the exit status is the program's."""
    root = draw({"main.py": "import json, sys\nprint('hello')\nsys.exit(3)\n"})
    run = entrepot(root, "trace", "--format", "json", "main.py")

    assert run.returncode == 3
    first, record = run.stdout.splitlines()
    assert first == "hello"
    assert Record.from_json(record).status == 3


def test_a_budget_fails_a_run_that_is_over(draw: Draw):
    """Over the budget in time or number: a sentence on stderr and status 1; within: 0."""
    root = draw({"main.py": "import colorsys, this\n"})

    over = entrepot(root, "trace", "--budget", "0.001ms", "--max-modules", "1", "main.py")
    assert over.returncode == 1
    assert "the budget is 0 ms" in over.stderr
    assert "the budget is 1" in over.stderr
    assert entrepot(root, "trace", "--budget", "60s", "--max-modules", "500", "main.py").returncode == 0


def test_two_records_are_compared(draw: Draw):
    """--compare reads an earlier record and tells what appeared."""
    root = draw({"main.py": "import json\n"})
    entrepot(root, "trace", "--format", "json", "-o", "old.json", "main.py")
    (root / "main.py").write_text("import json, colorsys\n")

    shown = entrepot(root, "trace", "--compare", "old.json", "main.py").stdout
    assert "appeared:" in shown
    assert "colorsys" in shown

    (root / "old.json").write_text("[]")
    refused = entrepot(root, "trace", "--compare", "old.json", "main.py")
    assert refused.returncode == 1
    assert "old.json: not a record" in refused.stderr


@pytest.mark.parametrize("argv", [["trace"], ["trace", "--bogus", "x"], ["explain"]])
def test_wrong_usage_is_status_2(argv: list[str], tmp_path: Path):
    """What cannot be understood is said, with the usage."""
    run = entrepot(tmp_path, *argv)
    assert run.returncode == 2
    assert "usage:" in run.stderr


def test_a_signal_that_ends_the_program_ends_the_command(draw: Draw):
    """Death by signal is death by signal, by one that nobody can handle too, and where no output is wanted."""
    root = draw({"main.py": "import os, sys\nos.kill(os.getpid(), int(sys.argv[1]))\n"})
    for words in ("trace", "explain", "run --label-output", "trace --label-output"):
        for number in (signal.SIGTERM, signal.SIGKILL):
            run = entrepot(root, *words.split(), "main.py", str(int(number)))
            assert (run.returncode, run.stderr) == (-number, ""), words
        shut = f"exec {shlex.quote(sys.executable)} -m entrepot {words} main.py 15 >&-"
        closed = subprocess.run(["sh", "-c", shut], cwd=root, capture_output=True, text=True, timeout=50)
        assert (closed.returncode, closed.stderr) == (-15, ""), words


def test_a_trace_is_drawn_as_a_graph_and_fits_the_terminal(draw: Draw):
    """Who imports whom, or who holds what; a tree is as wide as the terminal, or as a number in COLUMNS."""
    name = "a_module_with_a_name_that_is_far_too_long_for_any_terminal_of_sixty_columns"
    root = draw({"main.py": f"import {name}\n", f"{name}.py": ""})
    assert f"\n  m___main__ --> m_{name}\n" in entrepot(root, "trace", "--format", "graph", "main.py").stdout
    drawn = entrepot(root, "trace", "--format", "mermaid", "main.py").stdout
    assert "m___main__ -- from elsewhere --> " in drawn
    for columns, width in ((None, 60), ("50", 50), ("wide", 60)):
        command = [sys.executable, "-m", "entrepot", "trace", "main.py"]
        with Terminal(command, cwd=root, env={"COLUMNS": columns}, columns=60) as terminal:
            shown = terminal.wait_for("…\r\n".encode()).decode()
            assert terminal.process.wait(20) == 0
        assert len(shown.splitlines()[-1]) == width


def test_a_run_can_label_its_output(draw: Draw):
    """`run --label-output` writes who wrote each line, and ends as the program does."""
    root = draw({"main.py": "import noisy, sys\nprint('one')\nsys.exit(4)\n", "noisy.py": "print('zero')\n"})
    run = entrepot(root, "run", "--label-output", "main.py")

    assert (run.returncode, run.stdout) == (4, "[noisy:1] zero\n[__main__:2] one\n")


def test_names_lists_a_namespace_and_follows_a_dotted_name(draw: Draw):
    """`names MODULE` lists, `names MODULE.NAME` explains the look-up, in text and JSON."""
    root = draw({"shop/__init__.py": "", "shop/cart.py": "from json import dumps\ndef total(): ...\nN = 1\n"})

    listed = entrepot(root, "names", "--format", "json", "shop.cart")
    names = {item["name"]: item for item in json.loads(listed.stdout)}
    assert (names["total"]["line"], names["total"]["is_own"]) == (2, True)
    assert (names["dumps"]["origin"], names["dumps"]["is_own"]) == ("json", False)
    assert (
        "3. 'total' in shop.cart's namespace: function" in entrepot(root, "names", "shop.cart.total").stdout
    )
    refused = entrepot(root, "names", "shop.cart.totl")
    assert refused.returncode == 1
    assert "did you mean shop.cart.total" in refused.stderr


def test_names_of_a_module_that_prints_or_fails(draw: Draw):
    """What a module prints does not get into the answer; one that fails is said to, with the line and no traceback."""
    root = draw({"loud.py": "print('loud')\nX = 1\n", "broken.py": "X = 1\nimport nothing_there\n",
                 "wrong.py": "def f(:\n"})  # fmt: skip

    loud = entrepot(root, "names", "--format", "json", "loud")
    assert [item["name"] for item in json.loads(loud.stdout)] == ["X"]
    assert "loud" in loud.stderr
    for name, says in (("broken", "broken.py:2"), ("wrong", "wrong.py:1")):
        run = entrepot(root, "names", name)
        assert run.returncode == 1
        assert f"{name} cannot be imported" in run.stderr
        assert says in run.stderr
        assert "Traceback" not in run.stderr
    shown = entrepot(root, "names", "json.JSONDecoder").stdout
    assert "class of json.decoder, which json takes in line" in shown


def test_the_page_opens_in_a_browser(draw: Draw, need: Callable[[object, str], None], tmp_path: Path):
    """In a real browser the page's script runs without an error and draws the modules."""
    import shutil

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    need(browser, "chromium")
    root = draw({"main.py": "import arcade, email.mime.text\n", "arcade.py": "print('x')\n"})
    entrepot(root, "trace", "--format", "html", "-o", "page.html", "main.py")
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    options += "--disable-background-networking --disable-component-update --virtual-time-budget=3000"
    run = subprocess.run(
        [
            str(browser),
            *options.split(),
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            f"{(root / 'page.html').as_uri()}#table",
        ],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert 'data-ready="1"' in run.stdout
    assert "<td>arcade</td>" in run.stdout
    assert "<td>email.mime.text</td>" in run.stdout
