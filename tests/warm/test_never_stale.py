"""After a change of any input, the next run is the run that Python makes: nothing stale is served."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Warm = Callable[..., Any]
pytestmark = pytest.mark.slow  # each prepares an interpreter


def settle() -> None:
    """Let a tick of the file system's clock go by: a store never trusts a file this young."""
    time.sleep(0.04)


def get_warm(program: Any) -> Any:
    """Run until warm; the first run is cold."""
    first = program.run()
    settle()
    if program.record is None:
        program.prepare()
    second = program.run()
    assert second.warm, (program.notes, program.never, program.errors)
    assert (second.out, second.err, second.status) == (first.out, first.err, first.status)
    return second


def check_follows(program: Any) -> Any:
    """The next run agrees with Python's."""
    plain = program.run_cold()
    seen = program.run()
    assert (seen.out, seen.err, seen.status) == (plain.out, plain.err, plain.status)
    return seen


def test_an_unchanged_program_is_served_again(warm: Warm) -> None:
    """Nothing changed: the modules are shared, and the run is the same."""
    program = warm({"main.py": "import a\nprint(a.x)", "a.py": "x = 1"})
    get_warm(program)
    assert program.run().warm


EDITS = {
    "an own module is edited": ({"a.py": "x = 1"}, lambda root: (root / "a.py").write_text("x = 22")),
    "an edit keeps size and time": (
        {"a.py": "x = 1"},
        lambda root: (
            (root / "a.py").write_text("x = 3"),
            os.utime(root / "a.py", (1_600_000_000, 1_600_000_000)),
        ),
    ),
    "the script is edited": (
        {"a.py": "x = 1"},
        lambda root: (root / "main.py").write_text("import a\nprint('new', a.x)"),
    ),
    "a submodule is edited": (
        {"a/__init__.py": "from a.b import x", "a/b.py": "x = 1"},
        lambda root: (root / "a/b.py").write_text("x = 22"),
    ),
    "a module that shadows is added": (
        {"a.py": "import json\nx = getattr(json, 'mine', 0)"},
        lambda root: (root / "json.py").write_text("mine = 1"),
    ),
    "a package that shadows a module is added": (
        {"a.py": "x = 1"},
        lambda root: ((root / "a").mkdir(), (root / "a" / "__init__.py").write_text("x = 22")),
    ),
    "a module is deleted": (
        {"a.py": "try:\n    import b\nexcept ImportError:\n    b = None\nx = b", "b.py": ""},
        lambda root: (root / "b.py").unlink(),
    ),
    "a missing module appears": (
        {"a.py": "try:\n    import b\nexcept ImportError:\n    b = None\nx = b and b.y"},
        lambda root: (root / "b.py").write_text("y = 2"),
    ),
    "a namespace package becomes a package": (
        {"a.py": "import n\nx = getattr(n, 'y', 0)", "n/m.py": ""},
        lambda root: (root / "n/__init__.py").write_text("y = 2"),
    ),
    "a data file is edited": (
        {"a.py": "x = open(__file__[:-4] + 'data.txt').read()", "data.txt": "one"},
        lambda root: (root / "data.txt").write_text("two"),
    ),
    "a directory read at import gets an entry": (
        {"a.py": "import os\nx = sorted(os.listdir(os.path.dirname(__file__) + '/d'))", "d/one": ""},
        lambda root: (root / "d/two").write_text(""),
    ),
    "a file looked for appears": (
        {"a.py": "import os\nx = os.path.exists(os.path.dirname(__file__) + '/flag')"},
        lambda root: (root / "flag").write_text(""),
    ),
    "a file's stat changes": (
        {"a.py": "import os\nx = os.stat(os.path.dirname(__file__) + '/data').st_mtime", "data": "one"},
        lambda root: os.utime(root / "data", (1, 1)),
    ),
    "a file's permissions change": (
        {"a.py": "import os\nx = oct(os.stat(os.path.dirname(__file__) + '/data').st_mode)", "data": "one"},
        lambda root: (root / "data").chmod(0o755),
    ),
    "a captured stat function counts too": (
        {"a.py": "from os import stat\nx = stat(__file__[:-4] + 'data').st_size", "data": "one"},
        lambda root: (root / "data").write_text("three"),
    ),
    "a file of a directory walked at import changes": (
        {
            "a.py": "from pathlib import *\nx = [p.read_text() for p in Path(__file__).parent.glob('d/*')]",
            "d/one": "1",
        },
        lambda root: (root / "d/one").write_text("2"),
    ),
    "find_spec finds what it did not": (
        {"a.py": "import importlib.util\nx = importlib.util.find_spec('extra') is not None"},
        lambda root: (root / "extra.py").write_text(""),
    ),
    "a distribution's version changes": (
        {
            "a.py": "import importlib.metadata\nx = importlib.metadata.version('shop')",
            "shop-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n",
        },
        lambda root: (root / "shop-1.0.dist-info/METADATA").write_text(
            "Metadata-Version: 2.1\nName: shop\nVersion: 2.0\n"
        ),
    ),
    "a distribution is installed": (
        {"a.py": "from importlib.metadata import *\nx=[d.name for d in distributions(path=[__file__[:-5]])]"},
        lambda root: (
            (root / "shop-1.0.dist-info").mkdir(),
            (root / "shop-1.0.dist-info/METADATA").write_text(
                "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n"
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_next_run_sees_a_change_on_the_disk(warm: Warm, name: str) -> None:
    """Whatever a module read of the disk while it was initialised is an input."""
    files, edit = EDITS[name]
    program = warm({"main.py": "import a\nprint(a.x)", **files})
    get_warm(program)

    edit(Path(program.script).parent)

    seen = check_follows(program)
    assert not seen.warm
    settle()
    program.prepare()
    assert check_follows(program).warm


def test_a_moved_link_is_seen(warm: Warm) -> None:
    """A link that now leads elsewhere leads to other modules."""
    program = warm({"main.py": "import a.b\nprint(a.b.x)", "one/b.py": "x = 1", "two/b.py": "x = 2"})
    root = Path(program.script).parent
    (root / "a").symlink_to("one")
    settle()
    get_warm(program)

    (root / "a").unlink()
    (root / "a").symlink_to("two")

    assert check_follows(program).out == "2\n"


def test_a_link_target_read_at_import_is_seen(warm: Warm) -> None:
    """os.readlink has no audit event and is an input all the same."""
    program = warm(
        {
            "main.py": "import a\nprint(a.x)",
            "a.py": "import os\nx = os.readlink(os.path.dirname(__file__) + '/l')",
        }
    )
    link = Path(program.script).parent / "l"
    link.symlink_to("one")
    settle()
    get_warm(program)

    link.unlink()
    link.symlink_to("two")

    assert check_follows(program).out == "two\n"


VARIABLES = {
    "looked up": "import os\nx = os.environ.get('SHOP')",
    "tested for": "import os\nx = 'SHOP' in os.environ",
    "iterated over": "import os\nx = [k for k in os.environ if k.startswith('SHO')]",
    "copied": "import os\nx = os.environ.copy().get('SHOP')",
    "read as bytes": "import os\nx = os.environb.get(b'SHOP')",
    "read through getenv": "from os import getenv\nx = getenv('SHOP')",
    "read by C": "import ctypes\nf = ctypes.CDLL(None).getenv\nf.restype = ctypes.c_char_p\nx = f(b'SHOP')",
    "expanded": "import os.path\nx = os.path.expandvars('$SHOP')",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_read_at_import_is_an_input(warm: Warm, name: str) -> None:
    """By Python or by C; looked up, tested for or iterated over; set, changed and removed."""
    program = warm({"main.py": "import a\nprint(a.x)", "a.py": VARIABLES[name]})
    get_warm(program)
    for value in ("one", "two", None):
        if value is None:
            del program.env["SHOP"]
        else:
            program.env["SHOP"] = value
        check_follows(program)
        settle()


def test_a_variable_that_nobody_read_changes_nothing(warm: Warm) -> None:
    """Runs in other shells are served too, and see their own environment."""
    program = warm({"main.py": "import a, os\nprint(os.getenv('SHOP'))", "a.py": "x = 1"})
    get_warm(program)
    program.env["SHOP"] = "mine"

    seen = program.run()

    assert (seen.warm, seen.out) == (True, "mine\n")


def test_the_order_of_setting_a_variable_and_importing_is_kept(warm: Warm) -> None:
    """A variable that the script sets before it imports is what the module reads."""
    program = warm(
        {
            "main.py": "import os\nos.environ['SHOP'] = 'set'\nimport a\nprint(a.x)",
            "a.py": "import os\nx = os.environ['SHOP']",
        }
    )
    assert get_warm(program).out == "set\n"


def test_the_directory_is_an_input_where_it_was_read(warm: Warm, tmp_path: Path) -> None:
    """A relative path or os.getcwd at import ties the modules to the directory."""
    program = warm({"main.py": "import a\nprint(a.x)", "a.py": "import os\nx = os.getcwd()"})
    get_warm(program)
    program.cwd = str(tmp_path)

    assert check_follows(program).out == f"{tmp_path}\n"


def test_arguments_are_an_input_where_they_were_read(warm: Warm) -> None:
    """A module that looks at sys.argv belongs to these arguments."""
    program = warm({"main.py": "import a\nprint(a.x)", "a.py": "import sys\nx = sys.argv[0]"})
    get_warm(program)
    assert program.record.argv == (program.script,)


LEFT = {
    "prints": ("print('hello')", "prints"),
    "warns": ("import warnings\nwarnings.warn('old', stacklevel=1)", "stderr"),
    "writes a file": ("open(__file__[:-4] + 'log.txt', 'a').write('x')", "writes a file"),
    "makes a directory": ("import tempfile\nd = tempfile.mkdtemp()", "identity|changes files|randomness"),
    "starts a child": ("import subprocess\nx = subprocess.run(['true']).returncode", "child"),
    "opens a socket": ("import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))", "socket"),
    "handles a signal": ("import signal\nsignal.signal(signal.SIGUSR1, lambda *a: None)", "signal"),
    "starts a thread": ("import threading\nt = threading.Thread(target=lambda: None)\nt.start()", "thread"),
    "reads the clock": ("import time\nt = int(time.time()) > 0", "clock"),
    "keeps a monotonic clock": ("import time\nt = time.monotonic()", "clock"),
    "takes randomness": ("import uuid\nx = uuid.uuid4()", "randomness"),
    "seeds the generator": ("import random\nrandom.seed(7)", "generator"),
    "asks for its id": ("import os\nx = os.getpid() > 0", "identity"),
    "asks for a terminal": ("import sys\nx = sys.stdout.isatty()", "streams"),
    "asks what becomes of a signal": (
        "import signal\nx = signal.getsignal(signal.SIGHUP) is not None",
        "becomes of a signal",
    ),
    "asks for the signal mask": ("import signal\nx = signal.pthread_sigmask(signal.SIG_BLOCK, [])", "mask"),
    "asks how it is scheduled": ("import os\nx = os.sched_getscheduler(0) >= 0", "priority"),
    "asks how full a disk is": ("import shutil\nx = shutil.disk_usage('/').total > 0", "how full"),
    "asks for free memory": ("import os\nx = os.sysconf('SC_AVPHYS_PAGES') > 0", "clock"),
    "measures itself": ("import time\nx = time.process_time() > 0", "clock"),
    "asks what was used": ("import resource\nx = resource.getrusage(0).ru_minflt > 0", "clock"),
    "asks for the network": ("import socket\nx = len(socket.if_nameindex()) > 0", "interfaces"),
    "asks how a stream is set": ("import os\nx = os.get_blocking(1)", "streams"),
    "asks whether there is input": ("import select\nx = select.select([0], [], [], 0)", "streams"),
    "reads how much memory is free": ("x = open('/proc/meminfo').read() > ''", "meminfo"),
    "changes the directory": ("import os\nos.chdir('/')", "directory"),
    "sets the umask": ("import os\nos.umask(0o22)", "umask"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_importing_does_is_done_in_each_run(warm: Warm, name: str) -> None:
    """A module that does more than initialise itself is left to the run, with the reason."""
    source, word = LEFT[name]
    program = warm(
        {"main.py": "import calm\nimport noisy\nprint(calm.x)", "calm.py": "x = 1", "noisy.py": source}
    )
    plain = program.run_cold()
    program.run()
    settle()
    if program.record is None:
        program.prepare()

    for _ in range(2):
        seen = program.run()
        assert seen.warm, program.notes
        assert (seen.out, seen.err, seen.status) == (plain.out, plain.err, plain.status)
    reasons = "|".join(program.plan.avoid.values())
    assert "noisy" in program.plan.avoid
    assert any(part in reasons for part in word.split("|")), program.plan.avoid
    assert "calm" in program.record.modules


def test_two_runs_do_not_share_random_numbers(warm: Warm) -> None:
    """Generators seeded at import are seeded again in each run."""
    program = warm({"main.py": "import random, uuid\nprint(random.random(), uuid.uuid4())"})
    program.run()
    settle()
    program.prepare()
    first, second = program.run(), program.run()
    assert first.warm
    assert second.warm
    assert first.out != second.out
