"""Make the image of a program: start an interpreter, let it come to the point of waiting, judge, write.

    made = make_image(request, plan, store=..., base=False)

The interpreter is the user's own, started as `python OPTIONS PROGRAM ARGUMENTS` with the run's
environment and directory, and with two libraries in LD_PRELOAD: the one that stops it before the
program (image_preload.c) and the observer's (trace/observe.c). It tells over a pair of sockets when it
waits; what it read and did is judged (verdict.py) and either it becomes an image, or it is ended and
another is started that leaves some modules to the run.

Every wait has a bound. Whatever goes wrong leaves no image, a reason, and no process.
"""

from __future__ import annotations

import datetime
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrepot.trace.log import LOG_BYTES, read_log
from entrepot.warm.files import is_external
from entrepot.warm.fingerprint import Record, Surroundings
from entrepot.warm.observation import PROGRAM, Observation, read_observation
from entrepot.warm.recording import Unsettled, make_record
from entrepot.warm.rights import read_rights
from entrepot.warm.verdict import Again, Never, Plan, judge
from entrepot.warm.wire import MAX_MESSAGE, Garbled, Request, make_message, parse_message

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, "_image.so")
RESTORER = os.path.join(HERE, "_restore.so")
OBSERVER = os.path.join(os.path.dirname(HERE), "trace", "_observe.so")
RESIDENT = os.path.join(HERE, "resident.py")

MAX_PREPARE_S = 300.0  # the slowest imports that are worth waiting for
MAX_ATTEMPTS = 20
QUICK_MODULES = 150  # from so many modules on, their teardown at the end is left out


@dataclass(frozen=True, slots=True)
class Stage:
    """What one import of the program's own statements initialises."""

    name: str  # that the program asked for
    sources: tuple[str, ...]  # files of own modules, in order


@dataclass(frozen=True, slots=True)
class Made:
    """An image and what it depends on."""

    record: Record
    plan: Plan
    report: dict[str, Any]
    seconds: float  # that its modules took to initialise
    external: tuple[str, ...]  # modules of installed packages and the standard library
    own: tuple[str, ...]  # source files of the others
    stages: tuple[Stage, ...] = ()  # what each import of the program has initialised
    terminal: Mapping[str, str] = field(default_factory=dict)  # modules left to runs in a terminal -> why


@dataclass(frozen=True, slots=True)
class NotMade:
    """Why there is no image."""

    reason: str
    plan: Plan


def make_image(
    request: Request,
    plan: Plan,
    *,
    store: str,
    image: str,
    base: bool,
    codes: Sequence[str] = (),
    folders: Sequence[str] = (),
    learns: bool = True,
) -> Made | NotMade:
    """Prepare until an interpreter may be used, and write its image.

    `folders`: which the program will put into its search path. `base`: no program's, but that
    of shared modules, with the code of the source files `codes`. `learns`: its runs tell what they import late.
    """
    reason = ""
    for _ in range(MAX_ATTEMPTS):
        outcome = _try_once(request, plan, store, image, base, codes, folders, learns)
        if isinstance(outcome, Again):
            reason, plan = outcome.because, outcome.plan
            continue
        return outcome
    return NotMade(f"it was not ready after {MAX_ATTEMPTS} attempts: {reason}", plan)


def _try_once(
    request: Request,
    plan: Plan,
    store: str,
    image: str,
    base: bool,
    codes: Sequence[str],
    folders: Sequence[str],
    learns: bool,
) -> Made | NotMade | Again:
    process = Preparing(request, store, base)
    try:
        started = time.monotonic()
        process.send({"plan": plan.to_wire(), "base": base, "codes": list(codes), "folders": list(folders)})
        report = process.receive(MAX_PREPARE_S)
        seconds = time.monotonic() - started
        seen = process.read_observation()
        misfits = find_misfits(report or {}, base=base)
        verdict = judge(seen, plan, misfits=misfits, failed_line=0 if report else 1, leading_before=0)
        if isinstance(verdict, Again):
            return verdict
        if isinstance(verdict, Never):
            return NotMade(verdict.reason, plan)
        if report is None:
            return NotMade(f"the preparing interpreter ended ({process.describe_end()})", plan)
        record = make_record(
            seen,
            find_surroundings(request),
            extra_files=process.list_libraries(),
            keeps_argv=bool(report.get("keeps_argv")),
            searches=dict.fromkeys(folders, find_top_names(report.get("waiting", ()))),
        )
        if isinstance(record, Unsettled):
            time.sleep(0.05)
            return Again(plan, f"{record.path} was being changed")
        process.send(
            {
                "dump": os.fsencode(os.path.join(store, image)),
                "late": os.fsencode(os.path.join(store, "late")) if learns else b"",
                "name": request.name,
                "quick": len(record.modules) >= QUICK_MODULES,
                "env_set": [tuple(item) for item in record.env_set],
                "base": base,
                "terminal": list(seen.terminal),
            }
        )
        answer = process.receive(MAX_PREPARE_S)
        if answer is None or answer.get("error"):
            return NotMade(str((answer or {}).get("error") or "the image could not be written"), plan)
        external, own, stages = find_external(seen), find_own(seen), find_stages(seen)
        return Made(record, plan, report, seconds, external, own, stages, seen.terminal)
    except (Garbled, OSError) as error:
        return NotMade(str(error), plan)
    finally:
        process.end()


def find_misfits(report: Mapping[str, Any], *, base: bool) -> dict[str, str]:
    """Return the modules that cannot wait, with the reason, as the preparing interpreter tells it."""
    misfits = {name: str(why) for name, why in report.get("misfits", {}).items()}
    if base:
        misfits.update(dict.fromkeys(report.get("keeps_argv", ()), "keeps the program's arguments"))
    return misfits


def find_external(seen: Observation) -> tuple[str, ...]:
    """Return the modules that belong to no program, in the order in which they finished."""
    own = {name for name, module in seen.modules.items() if module.source and not is_external(module.source)}
    return tuple(
        name
        for name in dict.fromkeys(seen.order)
        if name not in own and name.partition(".")[0] not in own and name not in seen.reasons
    )


def find_stages(seen: Observation) -> tuple[Stage, ...]:
    """Return what each import of the program has initialised, in order."""
    found: dict[str, list[str]] = {}
    for name, module in seen.modules.items():
        root, importer = name, module.importer
        while importer != PROGRAM and importer in seen.modules:
            root, importer = importer, seen.modules[importer].importer
        sources = found.setdefault(root, [])
        if module.source and not is_external(module.source):
            sources.append(module.source)
    return tuple(Stage(name, tuple(sources)) for name, sources in found.items())


def find_top_names(modules: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are searched for on the path, of modules and packages."""
    return tuple(sorted({name.partition(".")[0] for name in modules}))


def find_own(seen: Observation) -> tuple[str, ...]:
    """Return the source files of the program's own modules."""
    paths = (module.source for module in seen.modules.values())
    return tuple(sorted({path for path in paths if path.endswith(".py") and not is_external(path)}))


def find_surroundings(request: Request) -> Surroundings:
    """Return what the run that asked brought with it."""
    return Surroundings(
        env=request.env,
        cwd=request.cwd,
        argv=request.arguments,
        limits={number: resource.getrlimit(number) for number in range(16)},
        affinity=tuple(sorted(os.sched_getaffinity(0))),
        host=os.uname().nodename,
        day=str(datetime.date.today()),
        rights=read_rights(),
    )


class Preparing:
    """One preparing interpreter, from the outside."""

    def __init__(self, request: Request, store: str, base: bool) -> None:
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.log = os.memfd_create("entrepot-log")
        os.ftruncate(self.log, LOG_BYTES)
        self.out = os.memfd_create("entrepot-out")
        self.err = os.memfd_create("entrepot-err")
        self.cwd = request.cwd
        self.env = request.env
        self.shared = base
        env = dict(request.env)
        env["LD_PRELOAD"] = f"{LIBRARY}:{OBSERVER}"
        env["ENTREPOT_PREPARE"] = f"{theirs.fileno()}:{RESIDENT}"
        env["ENTREPOT_OBSERVE"] = str(self.log)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            self.process = subprocess.Popen(
                make_arguments(request, store, base),
                executable=request.python,
                cwd=request.cwd,
                env=env,
                stdin=null,
                stdout=self.out,
                stderr=self.err,
                pass_fds=[theirs.fileno(), self.log],
                start_new_session=True,
            )
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(null)

    def send(self, value: dict[str, Any]) -> None:
        """Tell the interpreter something."""
        self.socket.settimeout(10)
        self.socket.sendall(make_message(value))

    def receive(self, wait_s: float) -> dict[str, Any] | None:
        """Wait for its next message; None when it ended or took too long."""
        end = time.monotonic() + wait_s
        head = self._read(8, end)
        if head is None:
            return None
        size = int.from_bytes(head, "little")
        if size > MAX_MESSAGE:
            raise Garbled(what="message")
        body = self._read(size, end)
        if body is None:
            return None
        value = parse_message(body)
        if not isinstance(value, dict):
            raise Garbled(what="message")
        return value

    def _read(self, size: int, end: float) -> bytes | None:
        data = b""
        while len(data) < size:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not part:
                return None
            data += part
        return data

    def read_observation(self) -> Observation:
        """Return what it has done until now."""
        size = int.from_bytes(os.pread(self.log, 8, 0), "little")
        log = read_log(os.pread(self.log, size + 64, 0))
        return read_observation(log, self.cwd, shared=self.shared, env=self.env)

    def list_libraries(self) -> list[str]:
        """Return the files mapped into it."""
        paths = set()
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                path = line.rstrip("\n").partition("/")[2]
                if path and not path.endswith("(deleted)") and not path.startswith(("memfd:", "dev/")):
                    paths.add("/" + path)
        return sorted(paths)

    def describe_end(self) -> str:
        """Return how it ended, with the last line that it wrote."""
        try:
            status = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return "it took too long"
        text = os.pread(self.err, 4000, 0).decode(errors="replace").strip().splitlines()
        return f"status {status}" + (f": {text[-1]}" if text else "")

    def end(self) -> None:
        """Leave nothing behind."""
        try:
            # Its own session: a child that a module started ends with it.
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Close our ends."""
        self.socket.close()
        for fd in (self.log, self.out, self.err):
            os.close(fd)


def make_arguments(request: Request, store: str, base: bool) -> Sequence[str]:
    """Return the arguments of the preparing interpreter: the run's own, or for the base any script's."""
    if base:
        return [request.argv[0], *request.options, os.path.join(store, "base", "base.py")]
    return request.argv
