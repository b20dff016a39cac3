"""What the caller gives a process beside its environment, and what a module may learn of it at import."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entrepot.warm.images import get_keeper
from native import NEEDS_NATIVE, WAIT_S
from stored import CLIENT, Stored

pytestmark = NEEDS_NATIVE

# Becomes the command that follows, after having done something to the process.
BECOME = "\nimport os, sys\nos.execv(sys.argv[1], sys.argv[1:])\n"
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="root only may change that")
NEEDS_UNSHARE = pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")


def run_both(place: Stored, change: str, **env: str) -> str:
    """Run the program in a process that `change` was done to, warm if it may be and plain; say how it was."""
    begin = [place.python, "-c", change + BECOME] if change else []
    return compare(place, begin, **env)


def compare(place: Stored, begin: list[str], **env: str) -> str:
    """Run the program behind a command, by both ways, and compare."""
    plain = place._run([*begin, place.python, "main.py"], env)
    status, out, err = place._run([*begin, str(CLIENT), "run", "--python", place.python, "main.py"], env)
    how, _, err = err.partition("\n")
    assert (status, out, err) == plain
    return how.removeprefix("entrepot: ")


CHANGES = {
    "groups": ("import os\nSEEN = os.getgroups()", "import os\nos.setgroups([4, 20])"),
    "group": ("import os\nSEEN = os.getgid()", "import os\nos.setresgid(20, 20, 20)"),
    "capabilities": (
        "import os\nSEEN = os.access(os.path.dirname(__file__) + '/secret', os.R_OK)",
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.prctl(24, 1, 0, 0, 0), libc.prctl(24, 2, 0, 0, 0)",
    ),
    "machine": (
        "import os\nSEEN = os.uname().machine",
        "import ctypes\nctypes.CDLL(None).personality(8)",  # PER_LINUX32
    ),
    "processors": (
        "import os\nSEEN = len(os.sched_getaffinity(0))",
        "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
    ),
    "limits": (
        "import resource\nSEEN = resource.getrlimit(resource.RLIMIT_NOFILE)",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))",
    ),
    "ignored signals": (
        "import signal\nSEEN = signal.getsignal(signal.SIGHUP)",
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)",
    ),
    "blocked signals": (
        "import signal\nSEEN = signal.pthread_sigmask(signal.SIG_BLOCK, [])",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
    ),
    "priority": ("import os\nSEEN = os.getpriority(0, 0)", "import os\nos.nice(3)"),
    "scheduler": (
        "import os\nSEEN = os.sched_getscheduler(0)",
        "import os\nos.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
    ),
    "umask": ("import os\nSEEN = os.umask(0o22)\nos.umask(SEEN)", "import os\nos.umask(0o77)"),
    "closed stdin": ("import sys\nSEEN = sys.stdin is None", "import os\nos.close(0)"),
    "inherited descriptor": (
        "import os\nSEEN = os.path.exists('/proc/self/fd/77')",
        "import os\nos.dup2(1, 77)",
    ),
}
FOR_ROOT = {"groups", "group", "capabilities"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[NEEDS_ROOT] if name in FOR_ROOT else []) for name in CHANGES]
)
def test_what_a_module_learns_of_its_process_is_true_in_each_run(tmp_path: Path, name: str) -> None:
    """A process that was changed before the run shows a module what it shows it under Python."""
    if name == "processors" and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one processor only")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0)
    source, change = CHANGES[name]
    with Stored(tmp_path) as place:
        place.write(main="import own\nprint(own.SEEN)", own=source)
        place.prepare()

        assert run_both(place, "") == "warm"
        run_both(place, change)
        assert run_both(place, "") == "warm"


# Numbers of system calls (x86-64) that a sandbox may refuse and python itself can do without.
REFUSED = {
    "rseq": 334, "madvise": 28, "prctl": 157, "set_robust_list": 273, "sigaltstack": 131, "personality": 135,
    "getgroups": 115, "capget": 125, "statx": 332, "clone3": 435, "rename": 82, "mkdir": 83, "memfd_create": 319,
    "sched_getaffinity": 204, "pipe2": 293, "getuid": 102, "poll": 7, "wait4": 61, "mremap": 25,
}  # fmt: skip
# seccomp(2): load the call's number; if it is that, fail with this errno, else go on.
REFUSE = """
import ctypes, struct
code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, {number}, 6, 0, 0, 0x50000 | {errno}, 6, 0, 0, 0x7FFF0000)
text = ctypes.create_string_buffer(code)
libc = ctypes.CDLL(None, use_errno=True)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(text)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program) == 0, ctypes.get_errno()
"""


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_a_sandbox_that_refuses_a_system_call_makes_runs_cold_at_most(tmp_path: Path, error: int) -> None:
    """Whatever a run needs and may not do: the program runs as under Python."""
    with Stored(tmp_path) as place:
        place.write(
            main="""
import json, subprocess, threading
thread = threading.Thread(target=print, args=[json.dumps([1])])
thread.start()
thread.join()
print(subprocess.run(["/bin/echo", "so"], capture_output=True).stdout)
"""
        )
        place.settle()
        how = {}
        for name, number in REFUSED.items():
            for ahead in "01":
                change = REFUSE.format(number=number, errno=int(error))
                how[name, ahead] = run_both(place, change, ENTREPOT_AHEAD=ahead)

    assert "warm" in how.values()


SPACES = {
    "mounts": (
        ["-m", "sh", "-c", 'mount --bind other shown && exec "$@"', "sh"],
        "import os\nSEEN = os.listdir(os.path.dirname(__file__) + '/shown'), open('/proc/self/mounts').read()",
    ),
    "names": (
        ["-u", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"],
        "import os\nSEEN = os.uname().nodename",
    ),
    "network": (["-n"], "import socket\nSEEN = socket.if_nameindex()"),
    "processes": (["-p", "-f", "--mount-proc"], "import os\nSEEN = os.listdir('/proc').count('1'), 1"),
    "users": (["-U", "-r"], "import os\nSEEN = os.access('/etc/shadow', os.W_OK), os.getgroups()"),
}


@NEEDS_ROOT
@NEEDS_UNSHARE
@pytest.mark.parametrize("name", SPACES)
def test_a_run_is_in_the_namespaces_of_its_caller(tmp_path: Path, name: str) -> None:
    """Files, names and networks are the caller's: the run is a process of its own, not one of the store's."""
    for folder, entry in (("shown", "a"), ("other", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / entry).touch()
    options, source = SPACES[name]
    show = "import os\nprint(own.SEEN, len(os.listdir('/sys/class/net')), os.uname().nodename)"
    with Stored(tmp_path) as place:
        if place._run(["unshare", *options, "true"], {})[0]:
            pytest.skip("namespaces cannot be made here")
        place.write(main=f"import own\n{show}", own=source)
        place.prepare()

        assert compare(place, []) == "warm"
        compare(place, ["unshare", *options])
        assert compare(place, []) == "warm"


def test_a_text_of_the_systems_counts_and_not_its_stat(tmp_path: Path) -> None:
    """What the caller's control group is, and what it allows, are read from files without size and time."""
    with Stored(tmp_path) as place:
        place.write(main="import own\nprint(own.SEEN)", own="SEEN = open('/proc/self/cgroup').read()")
        place.prepare()

        assert run_both(place, "") == "warm"
        for folder in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
            group = Path(folder) / f"entrepot-test-{os.getpid()}"
            try:
                group.mkdir()
                (group / "cgroup.procs").read_text()
            except OSError:
                continue
            try:
                join = f"import os\nopen({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
                assert run_both(place, join).startswith(
                    ("cold: changed: f /proc/self/cgroup", "base: changed")
                )
                return
            finally:
                group.rmdir()
    pytest.skip("no control group can be made here")


def test_a_shebang_may_name_it(tmp_path: Path) -> None:
    """`#!/usr/bin/env -S entrepot run` makes a script a warm command."""
    script = tmp_path / "tool"
    script.write_text("#!/usr/bin/env -S entrepot run\nimport json, sys\nprint(json.dumps(sys.argv))\n")
    script.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "bin" / "entrepot").symlink_to(CLIENT)
    with Stored(tmp_path, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}") as place:
        outcomes = []
        for _ in range(2):
            outcomes.append(place._run([str(script), "a b"], {}))
            place._run([str(CLIENT), "run", "--prepare", str(script), "a b"], {})
    assert [outcome[:2] for outcome in outcomes] == [(0, f'["{script}", "a b"]\n')] * 2


def test_variables_set_before_the_program_begins_are_set_in_each_run(tmp_path: Path) -> None:
    """A .pth file or sitecustomize has set and removed some: every run has them so."""
    (tmp_path / "site").mkdir()
    customize = tmp_path / "site" / "sitecustomize.py"
    show = "import os\nprint(os.environ.get('SHOP'), os.environ.get('QUAY'), os.popen('echo $SHOP $QUAY').read())"
    with Stored(tmp_path, PYTHONPATH=str(customize.parent), QUAY="east") as place:
        place.write(main=show)
        for text in ("import os\nos.environ['SHOP'] = 'open'\n", "import os\ndel os.environ['QUAY']\n"):
            customize.write_text(text)
            place.prepare()

            how, outcome = place.run()

            assert (how, outcome) == ("warm", place.plain())


# What a caller may give in place of QUAY=1, BRIG=2, CARGO=, in this order.
ENVIRONMENTS = {
    "as it was": ["QUAY=1", "BRIG=2", "CARGO="],
    "another value": ["QUAY=1", "BRIG=a longer one", "CARGO="],
    "all values": ["QUAY=", "BRIG=", "CARGO=3"],
    "another order": ["BRIG=2", "QUAY=1", "CARGO="],
    "one more": ["QUAY=1", "NEW=x=y", "BRIG=2", "CARGO="],
    "one less": ["QUAY=1", "CARGO="],
    "one twice": ["QUAY=1", "BRIG=2", "CARGO=", "BRIG=other"],
    "one renamed": ["QUAY=1", "brig=2", "CARGO="],
    "no variables": ["QUAY=1", "BRIG=2", "CARGO=", "LONELY", "=nameless"],
    "no text": ["QUAY=1", "BRIG=\xff\n", "CARGO="],
    "its own": ["QUAY=1", "BRIG=2", "CARGO=", "ENTREPOT_SHOP=open"],
    "nearly so": ["QUAY=1", "BRIGS=2", "CARGO="],
}


@pytest.mark.parametrize(
    "setting", ["", "os.environ.update(BRIG='set', LAST='so')", "os.environ.pop('BRIG', None)"]
)
def test_the_environment_is_the_callers_in_its_order(tmp_path: Path, setting: str) -> None:
    """For Python, for C and for children, whatever of it is as it was when the image was made."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(f"import os\n{setting}\n")
    with Stored(tmp_path, PYTHONPATH=str(tmp_path / "site")) as place:
        place.write(
            main="""
import ctypes, os, posix, subprocess, sys
names = ("PATH", "_", "LC_CTYPE")
print([item for item in os.environb.items() if item[0].decode() not in names])
print(os.environ._data is posix.environ, list(posix.environ) == list(os.environb))
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
name = sys.argv[1]  # so that it is no input
print(getenv(name.encode()), os.environ.get(name, "").encode("utf-8", "surrogateescape"))
sys.stdout.flush()
subprocess.run(["/usr/bin/env"])
"""
        )
        keeper = {name: value for name, value in place.env.items() if name.startswith("ENTREPOT_")}
        common = [f"PATH={os.environ['PATH']}", f"PYTHONPATH={tmp_path / 'site'}"]
        common += [f"{name}={value}" for name, value in keeper.items()]

        def run(command: list[str], variables: list[str]) -> tuple[int, str, str]:
            # Through a program that gives just these, in this order: a dictionary could not hold all of them.
            code = (
                "import ctypes, sys\n"
                "count = int(sys.argv[1])\n"
                "def array(items):\n"
                "    return (ctypes.c_char_p * (len(items) + 1))(*[i.encode('latin-1') for i in items], None)\n"
                "rest = sys.argv[2 + count:]\n"
                "ctypes.CDLL(None).execve(rest[0].encode(), array(rest), array(sys.argv[2:2 + count]))\n"
            )
            starting = [sys.executable, "-c", code, str(len(variables)), *variables]
            found = subprocess.run([*starting, *command], capture_output=True, cwd=tmp_path)
            return found.returncode, found.stdout.decode("latin-1"), found.stderr.decode("latin-1")

        client = [str(CLIENT), "run", "--python", sys.executable]
        first = [*common, *ENVIRONMENTS["as it was"]]
        for _ in range(100):
            if run([*client, "--prepare", "main.py", "BRIG"], first)[0] == 0:
                break
            time.sleep(0.1)
        wrong = []
        for name, variables in ENVIRONMENTS.items():
            status, out, how = run([*client, "main.py", "BRIG"], [*common, *variables])
            plain = run([sys.executable, "main.py", "BRIG"], [*common, *variables])
            # Which variables the code names that runs before the program is an input.
            may_be_cold = name in ("one twice", "no variables") or (setting and name != "as it was")
            if (status, out, "") != plain or not (how == "entrepot: warm\n" or may_be_cold):
                seen = [
                    pair
                    for pair in itertools.zip_longest(out.splitlines(), plain[1].splitlines())
                    if pair[0] != pair[1]
                ]
                wrong.append((name, how, seen))

        assert wrong == []


@pytest.mark.parametrize("name", ["SHOP", "shop", "SHOP_OPEN", "_"])
def test_a_variable_that_is_read_before_the_program_begins_is_an_input(tmp_path: Path, name: str) -> None:
    """Whatever its name looks like, and although it was not set when the image was made."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        f"import builtins, os\nbuiltins.seen = os.environ.get('{name}')\n"
    )
    with Stored(tmp_path, PYTHONPATH=str(tmp_path / "site")) as place:
        place.write(main="print(seen)")
        place.prepare()
        assert place.run() == ("warm", place.plain())

        assert place.run(**{name: "1"})[1] == place.plain(**{name: "1"}) == (0, "1\n", "")


def test_who_starts_a_run_does_not_count_where_start_code_only_names_things_so(tmp_path: Path) -> None:
    """The variable `_` is the shell's, another one under make or an editor; bytecode is full of that name."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os\nif os.environ.get('SHOP'):\n    names = [_ for _ in 'a-b'.replace('-', '_')]\n"
    )
    with Stored(tmp_path, PYTHONPATH=str(tmp_path / "site"), _="/bin/sh") as place:
        place.write(main="import json\nprint(json.dumps([1]))")
        place.plain()  # writes bytecode
        place.prepare()

        assert place.run(_="/bin/make") == ("warm", place.plain())


def make_zone(name: bytes, offset_s: int) -> bytes:
    """Return a file of the time zone database: one zone, for ever (RFC 8536)."""
    counts = struct.pack(">6L", 0, 0, 0, 0, 1, len(name) + 1)
    return b"TZif" + bytes(16) + counts + struct.pack(">lBB", offset_s, 0, 0) + name + b"\0"


def test_the_file_of_a_time_zone_is_an_input(tmp_path: Path) -> None:
    """The C library reads it by itself."""
    zone = tmp_path / "zone"
    zone.write_bytes(make_zone(b"EAST", 3600))
    with Stored(tmp_path, TZ=f":{zone}") as place:
        place.write(
            main="import time, own\nprint(time.tzname, own.SEEN)", own="import time\nSEEN = time.timezone"
        )
        place.prepare()
        assert place.run()[0] == "warm"

        zone.write_bytes(make_zone(b"WEST", -7200))

        assert place.run()[1] == place.plain()
        assert "WEST" in place.run()[1][1]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")
def test_a_keeper_that_was_started_on_few_processors_serves_runs_on_all(tmp_path: Path) -> None:
    """An image is made for the processors of the run that asked, whoever has started the keeper."""
    with Stored(tmp_path) as place:
        place.write(main="import own\nprint(own.SEEN)", own="import os\nSEEN = os.sched_getaffinity(0)")
        run_both(place, CHANGES["processors"][1])  # starts it
        place.prepare()

        assert run_both(place, "") == "warm"


@NEEDS_ROOT
def test_a_keeper_with_rights_that_nobody_has_any_more_ends(tmp_path: Path) -> None:
    """It goes on while runs with its rights come; after that the next run starts one with its own."""
    with Stored(tmp_path) as place:
        place.write(main="import own\nprint(own.SEEN)", own="import os\nSEEN = os.getgroups()")
        groups = "import os\nos.setgroups([4, 20])"
        end = time.monotonic() + WAIT_S
        while run_both(place, groups) != "warm":
            assert time.monotonic() < end, "no image was made"
            time.sleep(0.1)
        first = get_keeper(str(place.store))
        for _ in range(3):
            assert run_both(place, "").startswith(("cold", "base"))
            time.sleep(0.3)
        assert get_keeper(str(place.store)) == first
        assert run_both(place, groups) == "warm"

        for path in place.store.glob("*.hits"):
            os.utime(path, (1, 1))
        place.prepare()

        assert run_both(place, "") == "warm"
        assert get_keeper(str(place.store)) != first


@pytest.mark.parametrize("name", ["PYTHON", "PYTHON3", "PYTHON_VERSION"])
def test_a_variable_that_only_begins_as_pythons_do_is_an_input(name: str, tmp_path: Path) -> None:
    """`make PYTHON=python3.12` exports it, images of containers have PYTHON_VERSION: no interpreter reads them."""
    with Stored(tmp_path, **{name: "3.12"}) as place:
        place.write(
            main="import helper\nprint(helper.SEEN)", helper=f"import os\nSEEN = os.environ['{name}']"
        )
        place.prepare()
        assert run_both(place, "") == "warm"
        assert run_both(place, "", **{name: "3.13"}) != "warm"
        assert place.run("main.py", PYTHONINSPECTED="")[0] == "cold: PYTHONINSPECTED is set"
