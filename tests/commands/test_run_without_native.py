"""The contract of `entrepot run` where there is no native client: the cases of test_run_cold.py, by warm/client.py."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from both_ways import make_environment, run

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CLIENT = ROOT / "src" / "entrepot" / "warm" / "client.py"
COMMAND = (sys.executable, "-I", "-S", str(CLIENT), "run")

_TEXT = (HERE / "test_run_cold.py").read_text(encoding="utf-8")
_TEXT = re.sub(r"^COLD = .*$", f"COLD = {COMMAND!r}", _TEXT, flags=re.MULTILINE)
_NAMES: dict[str, object] = {"__name__": __name__, "__file__": str(HERE / "test_run_cold.py")}
exec(compile(_TEXT, "test_run_cold.py (without native)", "exec", dont_inherit=True), _NAMES)

_LEFT_OUT = {"test_console_command_does_the_same"}
for _name, _value in _NAMES.items():
    if (_name.startswith("test_") and _name not in _LEFT_OUT) or _name == "folder":
        globals()[_name] = _value

pytestmark = pytest.mark.slow


def test_client_needs_nothing_but_the_interpreter():
    """Nothing is imported that is not compiled into a bare interpreter."""
    code = (
        "import sys\nbefore = set(sys.modules)\n"
        f"exec(compile(open({str(CLIENT)!r}).read(), 'client', 'exec'), {{'__name__': 'client'}})\n"
        "print(set(sys.modules) - before - set(sys.builtin_module_names))\n"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"


def test_it_says_why_no_run_is_warm(tmp_path):
    """ENTREPOT_LOG says it before the run, --why after it, --prepare instead of it."""
    outcome = run([*COMMAND, "-c", "print('ran')"], cwd=tmp_path, env={"ENTREPOT_LOG": "1"})
    assert outcome.out == b"ran\n"
    assert outcome.err.startswith(b"entrepot: cold: without the native client")

    outcome = run(
        [*COMMAND, "--why", "-c", "import sys; print('x', file=sys.stderr); sys.exit(4)"], cwd=tmp_path
    )
    assert outcome.status == 4
    assert outcome.err.startswith(b"x\nentrepot: cold: without the native client")

    outcome = run([*COMMAND, "--prepare", "-c", "print('ran')"], cwd=tmp_path)
    assert (outcome.status, outcome.err) == (3, b"")
    assert outcome.out.startswith(b"cold: without the native client")

    outcome = run([*COMMAND, "-c", "print('ran')"], cwd=tmp_path)
    assert outcome.err == b""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT"])
def test_with_why_it_dies_of_the_programs_signal(tmp_path, name):
    """--why leaves somebody behind to speak; the way in which the program ended is passed on."""
    code = f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.{name})"

    outcome = run([*COMMAND, "--why", "-c", code], cwd=tmp_path)

    assert outcome.status == -getattr(signal, name)
    assert outcome.err.startswith(b"entrepot: cold: ")


def test_other_commands_are_the_modules(tmp_path):
    """Everything but `run` goes to `python -m entrepot`."""
    outcome = run([*COMMAND[:-1], "--version"], cwd=tmp_path)

    assert outcome.out.startswith(b"entrepot ")


def test_installed_script_starts_it_by_the_interpreter_beside(tmp_path):
    """The command that is installed finds the interpreter in its own folder, also when called through a link."""
    header = re.search(r'HEADER = """\\\n(.*?)"""\n', (ROOT / "hatch_build.py").read_text(), re.DOTALL)
    assert header
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    script = tmp_path / "v" / "bin" / "entrepot"
    script.write_text(header[1] + CLIENT.read_text())
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "entrepot").symlink_to(script)
    expected = f"{tmp_path}/v\n"

    for command in (script, tmp_path / "elsewhere" / "entrepot"):
        done = subprocess.run(
            [command, "run", "-c", "import sys; print(sys.prefix)"],
            capture_output=True,
            text=True,
            env=make_environment(),
        )
        assert (done.stdout, done.stderr) == (expected, "")

    # Called by its name the command takes the `python` that the shell would find, as the native one does.
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "python").symlink_to(sys.executable)
    path = f"{tmp_path / 'first'}:{script.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["entrepot", "run", "-c", "import sys; print(sys.orig_argv[0])"],
        capture_output=True, text=True, env=make_environment({"PATH": path}), executable=str(script),
    )  # fmt: skip
    assert done.stdout == "python\n"

    # So do the commands that run a program watched.
    environment = make_environment({"PATH": path, "PYTHONPATH": str(ROOT / "src")})
    for words in (["trace"], ["explain", "--"], ["run", "--label-output"]):
        done = subprocess.run(
            ["entrepot", *words, "-c", "import sys; print(sys.executable)"],
            capture_output=True, text=True, env=environment, executable=str(script), timeout=50,
        )  # fmt: skip
        assert f"{tmp_path / 'first' / 'python'}\n" in done.stdout, done.stderr


def test_why_says_it_too(monkeypatch, capsys):
    """`entrepot why` names the reason that no run here is warm."""
    from entrepot.cli import main
    from entrepot.commands import why

    monkeypatch.setattr(why, "find_native", lambda: None)

    assert main(["why", "main.py"]) == 1
    assert "main.py: cold, without the native client" in capsys.readouterr().out
