"""The contract of `entrepot run`: the run that `python` with the same arguments would have made, cold.

Each case is run by plain Python and by `entrepot run --cold` in the same folder, with the same
surroundings, and the two are compared: output, errors, exit status (or the signal of death).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from both_ways import PLAIN, Outcome, make_environment, restore_keys, run
from native import WAIT_S
from terminal import Terminal

COLD = (sys.executable, "-m", "entrepot", "run", "--cold")
WAYS = pytest.mark.parametrize("way", [PLAIN, COLD], ids=["python", "entrepot"])
pytestmark = pytest.mark.slow

# What a program can see of itself and of its surroundings.
PROBE = """
import os, resource, signal, sys, threading
main = sys.modules["__main__"]
def show(name, value):
    print(f"{name}: {value!r}")
show("argv", sys.argv)
show("orig_argv", sys.orig_argv)
show("flags", sys.flags)
show("path", sys.path)
show("executable", sys.executable)
show("prefix", (sys.prefix, sys.base_prefix, sys.version))
show("main", {name: str(vars(main)[name]).split(" at 0x")[0]
    for name in sorted(vars(main)) if name.startswith("__")})
show("modules", sorted(sys.modules))
show("meta_path", [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path])
show("path_hooks", len(sys.path_hooks))
show("warnoptions", (sys.warnoptions, sys._xoptions))
show("hooks", (sys.gettrace(), sys.getprofile()))
show("hooks", (sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__))
show("threads", [thread.name for thread in threading.enumerate()])
show("cwd", os.getcwd())
show("umask", oct(os.umask(0)))
show("limits", [resource.getrlimit(what) for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)])
show("nice", os.nice(0))
show("fds", sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)))
show("environ", sorted(os.environ.items()))
show("parent", os.getppid() == int(os.environ["TESTER"]))
show("group", (os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid()))
show("signals", {sig.name: str(signal.getsignal(sig))
    for sig in signal.valid_signals() if isinstance(sig, signal.Signals)})
show("mask", signal.pthread_sigmask(signal.SIG_BLOCK, []))
for stream in (sys.stdin, sys.stdout, sys.stderr):
    if stream is not None:
        show(stream.name, (stream.encoding, stream.errors, stream.line_buffering, stream.isatty()))
"""

FILES = {
    "probe.py": PROBE,
    "pack/__init__.py": "",
    "pack/__main__.py": PROBE,
    "pack/inner.py": PROBE,
    "folder/__main__.py": PROBE,
    "empty/nothing.txt": "",
    "broken.py": "x = (1,\n",
    "raises.py": "def f():\n    raise ValueError('to the letter')\n\n\nf()\n",
    "größe.py": "print(__file__.rpartition('/')[2])\n",
    "with space.py": "import sys\nprint(sys.argv)\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder with the programs of FILES, and probe.zip."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "probe.zip", "w") as archive:
        archive.writestr("__main__.py", PROBE)
    return tmp_path


def compare(folder: Path, *arguments: str, **surroundings) -> Outcome:
    """Run both ways; returns what both came to."""
    env = {"TESTER": str(os.getpid()), "PYTHONDONTWRITEBYTECODE": "1", **surroundings.pop("env", {})}
    plain = run([*PLAIN, *arguments], cwd=folder, env=env, **surroundings)
    ours = run([*COLD, *arguments], cwd=folder, env=env, **surroundings)
    assert ours == plain
    return plain


@pytest.mark.parametrize(
    "arguments",
    [
        ["probe.py", "a", "-b", "--python", "x", "--cold", "--", ""],
        ["./probe.py"],
        ["-m", "pack", "-m", "x"],
        ["-m", "pack.inner"],
        ["-mpack"],
        ["-c", PROBE, "a", "-c"],
        ["-"],
        ["-", "a", "b"],
        [],
        ["folder", "x"],
        ["probe.zip", "x"],
        ["-O", "probe.py"],
        ["-OO", "probe.py"],
        ["-B", "-s", "probe.py"],
        ["-E", "probe.py"],
        ["-I", "probe.py"],
        ["-IS", "probe.py"],
        ["-S", "probe.py"],
        ["-u", "probe.py"],
        ["-bb", "-q", "probe.py"],
        ["-P", "probe.py"],
        ["-W", "error", "-Wignore::DeprecationWarning", "probe.py"],
        ["-X", "utf8=0", "-Xdev", "probe.py"],
        ["-X", "frozen_modules=off", "probe.py"],
        ["-X", "no_debug_ranges", "-R", "probe.py"],
        ["--check-hash-based-pycs", "never", "probe.py"],
        ["--", "probe.py", "--", "x"],
        ["-Bum", "pack.inner", "-O"],
        ["-Oc" + PROBE, "a"],
    ],
    ids=lambda arguments: " ".join(arguments).replace(PROBE, "PROBE") or "nothing",
)
def test_program_sees_what_python_shows_it(folder, arguments):
    """However a program is named, it finds the arguments, flags, path, modules, ... that python gives."""
    outcome = compare(folder, *arguments, stdin=PROBE.encode())

    assert outcome.status == 0, outcome.text
    assert b"parent: True" in outcome.out
    assert b"entrepot" not in outcome.out.partition(b"modules:")[2].partition(b"\n")[0]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nowhere.py"], 2),
        (["-m", "nowhere"], 1),
        (["-m", "pack.nowhere"], 1),
        (["empty"], 1),
        (["--nonsense"], 2),
        (["-Z", "probe.py"], 2),
        (["-c"], 2),
        (["-m"], 2),
        (["-X", "utf8=7", "probe.py"], 1),
        (["broken.py"], 1),
        (["raises.py"], 1),
        (["-c", "1/0"], 1),
        (["-c", "x = ("], 1),
        (["-"], 1),
        (["größe.py"], 0),
        (["with space.py", "a b", "ü", "\udcff"], 0),
        (["-V"], 0),
        (["--version", "probe.py"], 0),
        (["-h"], 0),
    ],
    ids=lambda value: (
        " ".join(value).encode("utf-8", "replace").decode() if isinstance(value, list) else None
    ),
)
def test_mistakes_and_questions_end_as_in_python(folder, arguments, status):
    """What python refuses is refused with its words and its status."""
    assert compare(folder, *arguments, stdin=b"raise KeyError(3)").status == status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit(256 + 7)", 7),
        ("import sys; sys.exit(-1)", 255),
        ("import sys; sys.exit(2**80)", 255),
        ("import sys; sys.exit(True)", 1),
        ("import sys; sys.exit('a reason')", 1),
        ("import sys; sys.exit(['a', 'list'])", 1),
        ("raise SystemExit(4)", 4),
        ("class Leave(SystemExit): pass\nraise Leave(5)", 5),
        ("exit(6)", 6),
        ("import os; print('lost'); os._exit(9)", 9),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("raise Exception('x') from KeyError('y')", 1),
        ("raise ExceptionGroup('g', [ValueError(1), KeyError(2)])", 1),
        ("raise BaseException('base')", 1),
        ("import atexit\natexit.register(print, 'at exit')\nprint('first')\n1/0", 1),
        ("import atexit, os\natexit.register(os._exit, 8)", 8),
        ("import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1/0", 1),
        ("import threading\nthreading.Thread(target=lambda: print('thread')).start()\nprint('main')", 0),
        ("import threading\nthreading.Thread(target=lambda: 1/0, name='T').start()", 0),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()", 0),
        ("class Last:\n  def __del__(self): print('del')\nlast = Last()", 0),
        ("open('left.txt', 'w').write('unflushed')", 0),
        ("import sys\nsys.stdout.write('no newline')", 0),
        ("import os\nos.write(1, b'raw ')\nprint('buffered')", 0),
        ("import os, sys\nif os.fork() == 0: os._exit(0)\nprint(os.wait()[1])", 0),
        ("import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'exit(3)']).returncode)", 0),
        ("import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'print(7)'])", 0),
        ("import os, resource as r\nr.setrlimit(r.RLIMIT_CORE, (0, 0))\nos.abort()", -signal.SIGABRT),
        ("import warnings\nwarnings.warn('careful')", 0),
        ("import sys\nsys.setrecursionlimit(50)\ndef f(): f()\nf()", 1),
    ],
)  # fmt: skip
def test_end_is_that_of_python(folder, code, status):
    """Every way to end a program ends it with the same output, errors and status."""
    (folder / "main.py").write_text(code)
    env = {"PYTHONWARNINGS": "ignore::DeprecationWarning" if "fork" in code else None}

    assert compare(folder, "main.py", env=env).status == status


@pytest.mark.parametrize(
    "name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGSEGV", "SIGPIPE", "SIGUSR1", "SIGQUIT"]
)
def test_death_by_signal_is_death_by_signal(folder, name):
    """Whoever waits for the program sees the signal that it died of."""
    code = f"import os, signal, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n" \
           f"signal.signal(signal.{name}, signal.SIG_DFL) if '{name}' != 'SIGKILL' else 0\n" \
           f"os.kill(os.getpid(), signal.{name})\nprint('never')"  # fmt: skip

    assert compare(folder, "-c", code).status == -getattr(signal, name)


@WAYS
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_signal_from_outside_reaches_the_program(folder, way, name):
    """The process that was started is the program: a signal for the one is a signal for the other."""
    code = "import os, time; print(os.getpid(), flush=True)\nwhile True: time.sleep(0.05)"
    with start(folder, way, "-c", code) as process:
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(getattr(signal, name))
        assert process.wait(WAIT_S) == -getattr(signal, name)


@WAYS
def test_signal_handlers_of_the_program_run(folder, way):
    """A handled signal is handled, a stopped program goes on."""
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(11))\n"
        "signal.signal(signal.SIGUSR1, lambda *a: os.write(1, b'user\\n'))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    with start(folder, way, "-c", code) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == b"user\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 11


@contextlib.contextmanager
def start(folder, way, *arguments, **more):
    """A running program, killed at the end if it still runs."""
    given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "env": make_environment()}
    more = {**given, "preexec_fn": restore_keys, **more}
    process = subprocess.Popen([*way, *arguments], cwd=folder, **more)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def test_surroundings_are_inherited(folder):
    """Directory, umask, limits, niceness, dispositions, mask, group, descriptors are the caller's."""
    outcomes = []
    for way in (PLAIN, COLD):
        read, write = os.pipe()

        def prepare():
            os.umask(0o027)
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
            os.nice(3)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
            os.setpgrp()

        code = f"import os; os.write({write}, b'through'); exec(open('../probe.py').read())"
        with start(
            folder / "pack", way, "-c", code, pass_fds=[write], preexec_fn=prepare, restore_signals=False,
            env=make_environment({"TESTER": str(os.getpid()), "ODD NAME": "ä\nb", "EMPTY": ""}),
        ) as process:  # fmt: skip
            out = process.communicate(timeout=WAIT_S)[0].decode()
        os.close(write)
        with open(read, "rb") as pipe:
            assert pipe.read() == b"through"
        out = out.replace(f"{read}, ", "").replace(f"{write}, ", "").replace(f"({write},", "(")
        outcomes.append((process.returncode, [line for line in out.splitlines() if "orig_argv" not in line]))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == 0
    assert "umask: '0o27'" in outcomes[0][1]


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONPATH": "pack:/nowhere"},
        {"PYTHONOPTIMIZE": "2", "PYTHONVERBOSE": None},
        {"PYTHONUTF8": "0", "LC_ALL": "C"},
        {"PYTHONUTF8": None, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONUTF8": None, "LC_ALL": None, "LANG": None, "LC_CTYPE": None},
        {"PYTHONIOENCODING": "latin-1:replace"},
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONHASHSEED": "3"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONNOUSERSITE": "1", "PYTHONSTARTUP": "/nowhere"},
        {"HOME": "/nowhere", "PATH": ""},
    ],
    ids=lambda env: " ".join(f"{name}={value}" for name, value in env.items()),
)
def test_environment_means_what_it_means_to_python(folder, env):
    """Python's own variables act on the program, and on nothing before it."""
    assert compare(folder, "probe.py", env=env).status == 0


def test_streams_carry_megabytes_of_anything(folder):
    """Standard input and output are the caller's own, whatever goes through them."""
    data = bytes(range(256)) * 20_000
    code = (
        "import shutil, sys\n"
        "shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)\n"
        "sys.stderr.write('e' * 300000)"
    )

    outcome = compare(folder, "-c", code, stdin=data)

    assert outcome.out == data
    assert len(outcome.err) == 300_000


@WAYS
def test_closed_reader_is_a_broken_pipe(folder, way):
    """When nobody reads any more the program sees BrokenPipeError, as under python."""
    code = (
        "import sys\n"
        "try:\n while True: print('y' * 1000)\n"
        "except BrokenPipeError: sys.stderr.write('broken'); sys.exit(5)"
    )
    with start(folder, way, "-c", code, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read().startswith(b"broken")
        assert process.wait(WAIT_S) in (5, 120)


@pytest.mark.parametrize(
    "redirection",
    ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "</dev/null >out.txt 2>&1",
     "2>&1 >/dev/null", "<probe.py", "<pack", "3<probe.py 7>seven.txt"],
)  # fmt: skip
def test_shell_redirections_do_what_they_do_with_python(folder, redirection):
    """Closed, full, shared and extra descriptors reach the program as they are."""
    code = (
        "import os, sys\n"
        "seven = os.path.exists('/proc/self/fd/7')\n"
        "print([s and s.name for s in (sys.stdin, sys.stdout, sys.stderr)], seven)\n"
        "print('error', file=sys.stderr)\n"
        "if sys.stdin: print(len(sys.stdin.read()))\n"
    )
    (folder / "main.py").write_text(code)
    outcomes = []
    for way in (PLAIN, COLD):
        command = " ".join(f"'{word}'" for word in [*way, "main.py"])
        outcome = run(["sh", "-c", f"{command} {redirection}; echo status $? >status.txt"], cwd=folder)
        kept = {
            name: (folder / name).read_bytes()
            for name in ("status.txt", "out.txt")
            if (folder / name).exists()
        }
        # A fatal error of the interpreter names the thread by its address.
        outcomes.append((outcome.status, outcome.out, re.sub(rb"0x\w+", b"0x", outcome.err), kept))
    assert outcomes[0] == outcomes[1]


def test_output_of_both_streams_keeps_its_order(folder):
    """With -u, what is written to one file through stdout and stderr stands in the order of writing."""
    code = "import sys\nfor i in range(50): print(i); print(-i, file=sys.stderr)"
    texts = []
    for way in (PLAIN, COLD):
        with start(folder, way, "-u", "-c", code, stderr=subprocess.STDOUT) as process:
            texts.append(process.communicate(timeout=WAIT_S)[0])
    assert texts[0] == texts[1]
    assert texts[0].split()[:4] == [b"0", b"0", b"1", b"-1"]


@WAYS
def test_terminal_is_the_programs(folder, way):
    """In a terminal: isatty, size, window changes, input() with a prompt, /dev/tty, end of input."""
    code = (
        "import os, signal, sys, time\n"
        "print([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], os.get_terminal_size())\n"
        "sizes = []\n"
        "signal.signal(signal.SIGWINCH, lambda *a: sizes.append(os.get_terminal_size()[0]))\n"
        "print('got', input('name? '))\n"
        "while not sizes: time.sleep(0.02)\n"
        "print('now', sizes)\n"
        "open('/dev/tty', 'w').write('straight\\n')\n"
        "try: input('end? ')\n"
        "except EOFError: print('end of input')\n"
    )
    with Terminal([*way, "-c", code], cwd=folder, columns=91, lines=33) as terminal:
        terminal.wait_for(b"[True, True, True] os.terminal_size(columns=91, lines=33)")
        terminal.wait_for(b"name? ")
        terminal.press(b"Aba\x7fda\n")  # the terminal's line editing takes one letter back
        terminal.wait_for(b"got Abda")
        terminal.resize(40, 10)
        terminal.wait_for(b"now [40]")
        terminal.wait_for(b"straight")
        terminal.wait_for(b"end? ")
        terminal.press(b"\x04")
        terminal.wait_for(b"end of input")
        assert terminal.process.wait(WAIT_S) == 0


@WAYS
@pytest.mark.parametrize(
    ("key", "status"), [(b"\x03", -signal.SIGINT), (b"\x1c", -signal.SIGQUIT)], ids=["C", "backslash"]
)
def test_terminal_keys_end_the_program(folder, way, key, status):
    """Ctrl-C is a KeyboardInterrupt and then death by SIGINT; Ctrl-backslash is death by SIGQUIT."""
    code = (
        "import resource, time\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "print('ready', flush=True)\nwhile True: time.sleep(0.05)"
    )
    with Terminal([*way, "-c", code], cwd=folder) as terminal:
        terminal.wait_for(b"ready")
        terminal.press(key)
        if key == b"\x03":
            terminal.wait_for(b"KeyboardInterrupt")
        assert terminal.process.wait(WAIT_S) == status


@WAYS
def test_shell_stops_and_continues_the_program(folder, way, need):
    """Ctrl-Z stops the job, `fg` goes on with it, and the shell sees its status."""
    need(shutil.which("bash"), "bash")
    (folder / "main.py").write_text("import sys\nprint('line', input('what? '))\nsys.exit(13)\n")
    command = " ".join(way)
    with Terminal(["bash", "--norc", "--noprofile", "-i"], cwd=folder, env={"PS1": "shell> "}) as terminal:
        terminal.wait_for(b"shell> ")
        terminal.press(f"{command} main.py\n".encode())
        terminal.wait_for(b"what? ")
        terminal.press(b"\x1a")
        terminal.wait_for(b"Stopped")
        terminal.press(b"fg\n")
        terminal.wait_for(b"main.py\r\n")
        terminal.press(b"hello\n")
        terminal.wait_for(b"line hello")
        terminal.press(b"echo status=$?\n")
        terminal.wait_for(b"status=13")
        terminal.press(b"exit\n")
        terminal.process.wait(WAIT_S)


def test_another_interpreter_runs_the_program(folder, tmp_path):
    """`--python PATH` is that python, in whose environment entrepot need not be."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "other"], check=True)
    python = str(tmp_path / "other" / "bin" / "python")
    code = "import sys, importlib.util; print(sys.prefix, importlib.util.find_spec('entrepot'))"

    plain = run([python, "-c", code], cwd=folder)

    for option in (["--python", python], ["--python=" + python]):
        assert run([*COLD, *option, "-c", code], cwd=folder) == plain
    assert plain.out.decode().split() == [str(tmp_path / "other"), "None"]


def test_wrong_usage_is_status_2(folder):
    """An option of entrepot's own that lacks its value is wrong usage; a missing interpreter is not."""
    missing_value = run([*COLD, "--python"], cwd=folder)
    missing_python = run([*COLD, "--python", "/nowhere/python", "probe.py"], cwd=folder)

    assert (missing_value.status, missing_value.out) == (2, b"")
    assert b"--python needs a value" in missing_value.err
    assert (missing_python.status, missing_python.out) == (1, b"")
    assert b"no interpreter at /nowhere/python" in missing_python.err


def test_help_is_printed_and_nothing_is_run(folder):
    """`entrepot run --help` is entrepot's; after the program's name it is the program's."""
    ours = run([*COLD, "--help"], cwd=folder)

    assert ours.status == 0
    assert ours.out.startswith(b"usage: entrepot run")
    assert b"argv: ['probe.py', '--help']" in compare(folder, "probe.py", "--help").out


def test_console_command_does_the_same(folder, need):
    """The installed command `entrepot` does what `python -m entrepot` does."""
    command = Path(sys.executable).with_name("entrepot")
    need(command.exists(), "the console command")
    code = "import json, sys; print(json.dumps([sys.argv, sys.executable, sys.flags.optimize]))"

    outcome = run(
        [str(command), "run", "--cold", "--python", sys.executable, "-O", "-c", code, "x"], cwd=folder
    )

    assert json.loads(outcome.out) == [["-c", "x"], sys.executable, 1]
