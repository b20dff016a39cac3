"""`entrepot watch`: run a program and apply each save to it while it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from entrepot.commands.before_program import Options, WrongUsage, parse_choice, parse_options
from entrepot.commands.output import print_help
from entrepot.commands.run import find_native
from entrepot.errors import EntrepotError

if TYPE_CHECKING:
    from entrepot.live.report import Report

SUMMARY = "run a program and apply each save to it while it runs"
USAGE = "usage: entrepot watch [--on-refusal restart|keep|ask] [--reports FILE] SCRIPT | -m MODULE [ARGS...]"
HELP = f"""{USAGE}

Run a program in this interpreter and apply each save to it while it runs, whole or not at all. Modules of libraries come
from the warm store, as with `entrepot run`; the program's own are initialised in each run.

A save that cannot be applied to the running program is refused, with the reason. Then

  --on-refusal keep      go on with the old program and wait for the next save (default)
  --on-refusal restart   start the program again
  --on-refusal ask       ask on the terminal which of the two

  --reports FILE         add what each save did to FILE, a line of JSON each, instead of printing it
  -h, --help             this text

examples:
  entrepot watch main.py
  entrepot watch --on-refusal restart -m shop.server --port 8000
"""
OPTIONS: Options = {
    "--on-refusal": ("refusal", parse_choice("answer", "keep", "restart", "ask")),
    "--reports": ("reports", str),
    "-h": ("help", None),
    "--help": ("help", None),
}


def main_argv(argv: Sequence[str]) -> int:
    """Run the program in this interpreter; returns its exit status."""
    options, rest = parse_options("watch", USAGE, OPTIONS, argv)
    if options.get("help"):
        return print_help(HELP)
    reports = options.get("reports", "")
    if not rest or rest == ["-m"]:
        raise WrongUsage(command="watch", usage=USAGE, reason="what is to be run? give a SCRIPT or -m MODULE")
    if rest[0].startswith("-") and rest[0] != "-m":
        reason = f"{rest[0]} cannot be watched: give a SCRIPT or -m MODULE"
        raise WrongUsage(command="watch", usage=USAGE, reason=reason)
    if reports:
        # Now, not at the first save, which may be an hour away.
        try:
            handle = _open_reports(reports)
            # A pipe stays open to the end of the process: a reader would take the end of a report for the end of all.
            if not stat.S_ISFIFO(os.fstat(handle).st_mode):
                os.close(handle)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a pipe that nobody reads yet
                reason = f"--reports {reports}: {error.strerror}"
                raise WrongUsage(command="watch", usage=USAGE, reason=reason) from None
    return _run(rest, options.get("refusal", "keep"), reports, argv)


def _run(rest: list[str], refusal: str, reports: str, argv: Sequence[str]) -> int:
    from entrepot.live import background, session

    start = Start(argv)
    is_module = rest[0] == "-m"
    target = rest[1] if is_module else os.path.abspath(rest[0])
    if not is_module and os.path.isdir(target):
        raise NoProgram(path=target, reason="this is a folder")
    folder = os.getcwd() if is_module else os.path.dirname(target)
    sys.argv = rest[1:] if is_module else rest
    # What `python SCRIPT` and `python -m` put first.
    sys.path.insert(0, folder)
    session.start([folder])

    def tell(report: Report) -> None:
        if reports:
            _append(reports, report)
        else:
            print(f"entrepot: {report}", file=sys.stderr, flush=True)
        if report.ok or refusal == "keep":
            return
        if refusal == "ask":
            print("entrepot: restart? [y/N] ", end="", file=sys.stderr, flush=True)
            if not sys.stdin.readline().lower().startswith("y"):
                return
        start.again()

    session.subscribe(tell)
    end = background.refresh_on_change()
    status = 0
    try:
        if is_module:
            session.get_session().run_module(target)
        else:
            session.run_main(target)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            status = error.code or 0
        else:
            print(error.code, file=sys.stderr)
            status = 1
    except OSError as error:
        if error.filename != target or is_module or os.path.isfile(target):
            status = _show(error)
        else:
            raise NoProgram(path=target, reason=error.strerror or str(error)) from None
    except BaseException as error:
        status = _show(error)
    finally:
        _wait_for_threads()
        end()
        session.stop()
    return status


class Start:
    """How this process was started, so that it can be started again: by the native command if that was it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        native = find_native() if sys.orig_argv[1:4] == ["-P", "-m", "entrepot.commands.watched"] else None
        if native is not None:
            # Called by this path: beside it the client finds the interpreter that has entrepot.
            called = os.path.join(os.path.dirname(sys.executable), "entrepot")
            self.program, self.arguments = native, [called, "watch", *arguments]
        else:
            self.program, self.arguments = sys.executable, [sys.executable, *sys.orig_argv[1:]]
        self.folder = os.getcwd()
        self.environment = dict(os.environ)
        self.descriptors = _open_descriptors()

    def again(self) -> NoReturn:
        """Become a new process of the program: with the environment, folder and open files of the first."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor in _open_descriptors() - self.descriptors:
            # A server's socket, for one, which it cannot bind while this process has it.
            with contextlib.suppress(OSError):
                os.set_inheritable(descriptor, False)
        os.chdir(self.folder)
        os.execve(self.program, self.arguments, self.environment)


def _open_descriptors() -> set[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return {int(name) for name in os.listdir(folder)}
    return set()


def _show(error: BaseException) -> int:
    """Show an exception of the program as Python does, from the program's own first line on; returns the exit status."""
    trace = error.__traceback__
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((own, "<frozen importlib")):
            break
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    if isinstance(error, KeyboardInterrupt):
        import signal

        # So that a shell sees what ended the program (as Python itself does since 3.8).
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1


def _wait_for_threads() -> None:
    """As at the end of any program, threads that are not daemons go on; until then saves are applied."""
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _append(path: str, report: Report) -> None:
    """Add a report to a file (or a pipe that somebody reads), in one write. What cannot be added is lost, and that told."""
    import json

    errors = [
        {name: getattr(error, name) for name in ("file", "line", "module", "kind", "text")}
        for error in report.errors
    ]
    text = json.dumps({**vars(report), "errors": errors})
    try:
        with open(_open_reports(path), "wb", buffering=0) as file:
            os.set_blocking(file.fileno(), True)
            file.write(text.encode() + b"\n")
    except OSError as error:
        reason = "nobody reads it" if error.errno == errno.ENXIO else error.strerror
        print(f"entrepot watch: {path}: {reason}; a report is lost", file=sys.stderr)


def _open_reports(path: str) -> int:
    """Return a descriptor to add reports by. Of a pipe that nobody reads it raises ENXIO: waiting, saves would wait too."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)


class NoProgram(EntrepotError):
    """There is no such file to run."""

    exit_status = 2  # as of python
    path: str
    reason: str

    def __str__(self) -> str:
        return f"can't open file {self.path!r}: {self.reason}\n  to run a module or package:  entrepot watch -m MODULE"
