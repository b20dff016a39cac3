"""A small warm interpreter for tests of what is known about modules: prepare, check, fork.

The real one keeps images of processes; this one keeps the prepared process and forks it for each
run, so that the observer, the records, the verdicts and the stash are tested by themselves.
"""

from __future__ import annotations

import datetime
import glob
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

from entrepot.trace.log import LOG_BYTES, read_log
from entrepot.warm.fingerprint import Change, Record, Surroundings
from entrepot.warm.observation import Observation, read_observation
from entrepot.warm.recording import Unsettled, make_record
from entrepot.warm.verdict import Again, Never, Plan, judge

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "src", "entrepot")

BOOT = r"""
def boot():
    import posix, sys
    posix.access("\1entrepot\1P", 0)
    root, script, plan = sys.argv[1], sys.argv[2], eval(sys.argv[3])

    def load(path):
        space = {"__name__": "<entrepot>"}
        with open(root + "/" + path) as file:
            exec(compile(file.read(), root + "/" + path, "exec"), space)
        return space

    def wait(report, stash):
        posix.write(3, (repr(report) + "\n").encode())
        while True:
            line = b""
            while not line.endswith(b"\n"):
                piece = posix.read(5, 1)
                if not piece:
                    posix._exit(0)
                line += piece
            out, err, cwd, env, argv = eval(line)
            pid = posix.fork()
            if pid == 0:
                break
            posix.write(3, b"%d\n" % posix.waitpid(pid, 0)[1])
        for fd, path in ((1, out), (2, err)):
            target = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o600)
            posix.dup2(target, fd)
            posix.close(target)
        posix.close(3), posix.close(5)
        posix.chdir(cwd)
        os = sys.modules["os"]
        for name in list(os.environ):
            if name not in env:
                del os.environ[name]
        os.environ.update(env)
        sys.argv[:] = argv
        for finder in sys.path_importer_cache.values():
            if hasattr(finder, "_path_mtime"):
                finder._path_mtime = -1
        load("warm/renewal/resident.py")["renew_all"](sys.modules)

    main = sys.modules["__main__"].__dict__
    main["__file__"] = script
    sys.path[0] = script.rpartition("/")[0]
    sys.argv[:] = sys.argv[2:3]
    with open(script, "rb") as file:
        source = file.read()
    code = load("warm/preparation/resident.py")["begin"]
    posix.access("\1entrepot\1R", 0)
    return code(main, source, script, "", plan, load, wait)
code = boot()
del boot
exec(code)
"""


def build_observer(folder: str) -> str:
    """Compile observe.c and its parts."""
    target = os.path.join(folder, "observe.so")
    command = [shutil.which("cc") or "gcc", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-o", target]
    parts = glob.glob(os.path.join(SOURCE, "trace", "observe*.c"))
    subprocess.run([*command, *parts, "-ldl", "-lpthread"], check=True)
    return target


@dataclass
class Result:
    """What a run did."""

    out: str
    err: str
    status: int
    warm: bool
    why: str = ""


@dataclass
class Warm:
    """One program, run warm where its record allows and cold otherwise."""

    script: str
    observer: str
    folder: str  # for output
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: str = ""
    python: str = sys.executable
    plan: Plan = field(default_factory=Plan)
    record: Record | None = None
    process: subprocess.Popen[bytes] | None = None
    seen: Observation | None = None
    report: dict[str, object] = field(default_factory=dict)
    never: str = ""
    notes: list[str] = field(default_factory=list)

    def get_surroundings(self) -> Surroundings:
        return Surroundings(
            env=self.env,
            cwd=self.cwd or os.getcwd(),
            argv=(self.script,),
            day=str(datetime.date.today()),
            host=os.uname().nodename,
            limits={number: resource.getrlimit(number) for number in range(16)},
        )

    def run(self) -> Result:
        """Run the program as the store would, and prepare anew when something has changed."""
        change: Change | str | None = "nothing is prepared"
        if self.record is not None:
            change = self.record.find_change(self.get_surroundings())
        if change is None and self.process is not None:
            return self.run_warm()
        result = self.run_cold()
        result.why = str(change)
        self.prepare()
        return result

    def run_cold(self) -> Result:
        done = subprocess.run(
            [self.python, self.script],
            env=self.env,
            cwd=self.cwd or None,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Result(done.stdout, done.stderr, done.returncode, warm=False)

    def run_warm(self) -> Result:
        assert self.process is not None
        out, err = (os.path.join(self.folder, name) for name in ("out", "err"))
        for path in (out, err):
            if os.path.exists(path):
                os.unlink(path)
        assert self.record is not None
        env = {**self.env, **{name: value for name, value, _ in self.record.env_set if value is not None}}
        for name, value, _ in self.record.env_set:
            if value is None:
                env.pop(name, None)
        request = repr((out, err, self.cwd or os.getcwd(), env, [self.script]))
        os.write(self.request, request.encode() + b"\n")
        status = os.waitstatus_to_exitcode(int(self.read_line()))
        with open(out) as one, open(err) as two:
            # The frames of this file's own `boot` are not the store's doing.
            errors = "".join(line for line in two if 'File "<string>", line' not in line)
            return Result(one.read(), errors, status, warm=True)

    def prepare(self, tries: int = 12) -> None:
        """Prepare until an interpreter may serve or nothing helps."""
        self.close()
        self.never = ""
        for _ in range(tries):
            report, data = self.start()
            seen = read_observation(read_log(data), self.cwd or os.getcwd())
            self.seen, self.report = seen, report
            failed = 0 if report else 1
            misfits = dict(report.get("misfits", {}))  # type: ignore[call-overload]
            verdict = judge(seen, self.plan, misfits=misfits, failed_line=failed)
            if isinstance(verdict, Again):
                self.notes.append(verdict.because)
                self.plan = verdict.plan
                self.close()
                continue
            if isinstance(verdict, Never):
                self.never = verdict.reason
                self.close()
                return
            record = make_record(seen, self.get_surroundings(), keeps_argv=bool(report["keeps_argv"]))
            if isinstance(record, Unsettled):
                self.notes.append(f"unsettled {record.path}")
                self.close()
                continue
            self.record = record
            return
        self.close()

    def start(self) -> tuple[dict[str, object], bytes]:
        log = os.memfd_create("log")
        os.ftruncate(log, LOG_BYTES)
        outs = [os.memfd_create("out"), os.memfd_create("err")]
        answer, answer_child = os.pipe()
        request_child, self.request = os.pipe()
        env = {**self.env, "LD_PRELOAD": self.observer, "ENTREPOT_OBSERVE": "4"}

        def place() -> None:
            high = [os.dup2(fd, 100 + n) for n, fd in enumerate((*outs, answer_child, log, request_child))]
            for n, fd in enumerate(high):
                os.dup2(fd, n + 1)
                os.close(fd)

        self.process = subprocess.Popen(
            [self.python, "-c", BOOT, SOURCE, self.script, repr(self.plan.to_wire())],
            env=env,
            cwd=self.cwd or None,
            preexec_fn=place,
            pass_fds=(1, 2, 3, 4, 5),
            stdin=subprocess.DEVNULL,
        )
        os.close(answer_child), os.close(request_child)
        self.answer = os.fdopen(answer, "rb")
        line = self.answer.readline()
        used = int.from_bytes(os.pread(log, 8, 0), "little")
        data = os.pread(log, used + 8, 0)
        self.errors = os.pread(outs[1], 4000, 0).decode()
        for fd in (log, *outs):
            os.close(fd)
        return (eval(line) if line else {}), data

    def read_line(self) -> bytes:
        return self.answer.readline()

    def close(self) -> None:
        self.record = None
        if self.process is not None:
            os.close(self.request)
            self.process.wait()
            self.answer.close()
            self.process = None
