"""Run a program traced: the same program, the same streams, the same end, and a record.

The program is run by its own interpreter, which starts the observer before anything else
(`startup/sitecustomize.py`). Events go into a file without a name; the program never waits for us.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from io import FileIO
from typing import Any, NamedTuple

import entrepot
from entrepot.errors import SetupError
from entrepot.trace.reading import read_record
from entrepot.trace.records import Record

_FIRST_DESCRIPTOR = 100
_FOLDER = os.path.dirname(os.path.abspath(__file__))
# Options that keep PYTHONPATH or `site` out, and with them the observer.
_SHUT = {"-I": "isolated mode", "-E": "no PYTHON* variables", "-S": "no site"}


class NotTraceable(SetupError):  # noqa: N818
    """The program ran, or could have run, but nothing could be seen of it."""

    command: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return (
            f"{' '.join(self.command)}: {self.reason}\n"
            f"  to run it without a trace:  entrepot run {' '.join(self.command)}"
        )


class NoInterpreter(SetupError):  # noqa: N818
    """The program's interpreter cannot be started."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be started: {self.reason}\n  to choose another interpreter:  --python PATH"
        )


class TracedRun(NamedTuple):
    """A program that has run: its exit status (negative: a signal's number) and its record."""

    status: int
    record: Record


def record(
    *command: str | os.PathLike[str] | Sequence[str],
    python: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    labels: bool = False,
    details: str = "all",
) -> TracedRun:
    """Run a program and return how it ended and what it imported.

    Args:
        command: what `python` would be given: a script, `-m` and a module, `-c` and code, then arguments; one by
            one, or as one list.
        python: the interpreter; by default this one.
        env, cwd: the program's environment and folder; by default ours.
        labels: write each line of output with the module and line that wrote it in front.
        details: "own" leaves out what takes the program longest: memory, and the names in modules of others.

    Raises:
        NotTraceable: the observer could not be brought in.
        NoInterpreter: the interpreter cannot be started.
    """
    given: Any = command[0] if len(command) == 1 and isinstance(command[0], (list, tuple)) else command
    words: tuple[str, ...] = tuple([os.fspath(word) for word in given])
    for word in words:
        if not word.startswith("-") or word in ("-c", "-m", "-"):
            break
        if word[:2] in _SHUT:
            reason = f"{word} ({_SHUT[word[:2]]}) keeps the observer out"
            raise NotTraceable(command=words, reason=reason)
    environment = dict(os.environ if env is None else env)
    token = os.urandom(8).hex() if labels else ""
    how = "+python" if "ENTREPOT_NO_NATIVE" in environment else ""
    with open_journal() as journal:
        number = journal.fileno()
        root = os.path.dirname(os.path.dirname(os.path.abspath(entrepot.__file__)))
        before = "=" + environment["PYTHONPATH"] if "PYTHONPATH" in environment else "-"
        environment["ENTREPOT_TRACE"] = "\n".join([str(number), token, details + how, root, before])
        startup = os.path.join(_FOLDER, "startup")
        environment["PYTHONPATH"] = os.pathsep.join([startup, before[1:]] if before[1:] else [startup])
        began = time.perf_counter()
        arguments = [python or sys.executable, *words]
        try:
            if labels:
                from entrepot.trace.labels import relay_labelled

                status = relay_labelled(arguments, environment, cwd, number, token)
            else:
                status = _run(arguments, environment, cwd, number)
        except OSError as error:
            if error.filename != arguments[0]:
                raise
            raise NoInterpreter(path=arguments[0], reason=error.strerror) from None
        wall_s = time.perf_counter() - began
        journal.seek(0)
        data = journal.read()
    made = read_record(data, words, status, wall_s)
    if made is None:
        # See startup/sitecustomize.py.
        word, _, version = data.decode("utf-8", "replace").partition(": ")
        if word == "too old":
            reason = (
                f"the program has run, but the observer needs Python 3.11 or newer, and this is {version}"
            )
        else:
            reason = "the interpreter ended before the observer began"
        raise NotTraceable(command=words, reason=reason)
    return TracedRun(status, made)


def open_journal() -> FileIO:
    """Return a file without a name, in memory where the system has such files.

    Its descriptor is out of the way: the program's own files have the numbers that they have without a trace.
    """
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("entrepot")
    else:
        import tempfile

        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    try:
        import fcntl

        far = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    except (ImportError, OSError):
        return FileIO(file, "r+b")
    os.close(file)
    return FileIO(far, "r+b")


def _run(
    arguments: Sequence[str], env: Mapping[str, str], cwd: str | os.PathLike[str] | None, log: int
) -> int:
    """Run a command on our own streams, terminal and open files, and return its status."""
    if cwd is None and hasattr(os, "posix_spawnp"):
        # What subprocess is needed for, in a tenth of the time that importing it takes.
        process = os.posix_spawnp(
            arguments[0],
            tuple(arguments),
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, log, log)],  # makes it inheritable there
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # ignored by this interpreter
        )

        def wait() -> int:
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    else:
        import subprocess

        os.set_inheritable(log, True)
        wait = subprocess.Popen(arguments, env=env, cwd=cwd, close_fds=False).wait
    # Ctrl-C reaches both: the program decides what becomes of it, and we wait for that.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return wait()
    finally:
        signal.signal(signal.SIGINT, before)


def die_of(number: int) -> None:
    """End this process by a signal, as the program did, leaving no core file of our own."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.stdout is not None:  # closed by the caller
        sys.stdout.flush()
    if number not in (signal.SIGKILL, signal.SIGSTOP):  # these nobody can handle
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
