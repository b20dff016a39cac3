"""What a module does at import to what each run has of its own (arguments, environment, streams, rights) is in each run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from entrepot.trace.surroundings.resident import WatchedArguments, WatchedEnvironment
from native import NEEDS_NATIVE
from stored import Stored

# Nobody reads or changes a mapping or a list by these.
SILENT = {"__new__", "__init__", "__getattribute__", "__hash__", "__doc__", "__sizeof__", "__class_getitem__"}
ENVIRONMENT = (
    "(os.environ.get('OWN'), os.environ.get('HOME'), posix.environ.get(b'OWN'), len(posix.environ), "
    "subprocess.run('echo $OWN $HOME', shell=True, capture_output=True).stdout)"
)
ARGUMENTS = "(sys.argv, sys.orig_argv[1:])"
SIGNALS = "[line for line in open('/proc/self/status') if line[:4] in ('SigI', 'SigC', 'SigB')]"
CHANGES = {  # and what shows it
    "sys.argv.remove('x')": ARGUMENTS,
    "sys.argv.insert(1, 'more')": ARGUMENTS,
    "sys.argv[0] = 'new'": ARGUMENTS,
    "sys.argv[1:] = []": ARGUMENTS,
    "sys.argv += ['more']": ARGUMENTS,
    "sys.argv = ['q', 'r']": ARGUMENTS,
    "sys.orig_argv = []": ARGUMENTS,
    "x = sys.argv + []": "getattr(look, 'x', 0)",
    "x = [] + sys.argv": "getattr(look, 'x', 0)",
    "x = str(sys.argv)": "getattr(look, 'x', 0)",
    "x = posix.environ.get(b'NEW')": "look.x",
    "x = len(posix.environ.items())": "look.x",
    "x = {} | posix.environ": "look.x == posix.environ",
    "os.environ['OWN'] = '1'; x = posix.environ.get(b'OWN')": "look.x",
    "posix.environ[b'OWN'] = b'1'": ENVIRONMENT,
    "posix.environ.clear()": ENVIRONMENT,
    "os.environ._data.update({b'OWN': b'1'})": ENVIRONMENT,
    "os.environ = dict(os.environ)": "(type(os.environ), __import__('colorsys').__name__)",
    "os.putenv('OWN', '2')": ENVIRONMENT,
    "os.putenv('OWN', '2'); os.environ['OWN'] = '3'": ENVIRONMENT,
    "os.environ['OWN'] = '3'; os.putenv('OWN', '2')": ENVIRONMENT,
    "os.unsetenv('HOME')": ENVIRONMENT,
    "os.environ.pop('HOME')": ENVIRONMENT,
    "__import__('ctypes').CDLL(None).setenv(b'OWN', b'1', 1)": ENVIRONMENT,
    "sys.__stdout__ = None": "sys.__stdout__",
    "sys.stdin = None": "sys.stdin",
    "sys.stdin.close()": "sys.stdin.closed",
    "sys.stdout.reconfigure(write_through=True)": "sys.stdout.write_through",
    "sys.stdout.write = sys.stderr.write": "print('a')",
    "os.close(0)": "os.path.exists('/proc/self/fd/0')",
    "sys.stderr = sys.stdout": "print('e', file=sys.stderr)",
    "sys.stdout.reconfigure(newline='\\r\\n')": "print('a')",
    "os.set_inheritable(0, False)": "os.get_inheritable(0)",
    "os.dup2(2, 1)": "print('a', flush=True)",
    "signal.signal(signal.SIGINT, signal.SIG_IGN)": SIGNALS,
    "os.umask(0o77)": "os.umask(0)",
}
AS_ROOT = {
    "os.setegid(5)": "(os.getegid(), os.setegid(0))",
    "os.seteuid(5)": "(os.geteuid(), os.seteuid(0))",
    "os.setgroups([5])": "os.getgroups()",
}


@pytest.mark.parametrize("kind", [WatchedArguments, WatchedEnvironment])
def test_every_method_by_which_arguments_and_environment_are_read_or_changed_tells(kind: type) -> None:
    """Also those that a later version of Python adds."""
    unknown = set(vars(kind.__base__)) - set(vars(kind)) - SILENT
    assert unknown <= (
        {"fromkeys", "__lt__", "__le__", "__gt__", "__ge__"} if kind is WatchedEnvironment else set()
    )


@pytest.mark.parametrize(
    "change",
    [pytest.param(one, marks=NEEDS_NATIVE) for one in (*CHANGES, *(AS_ROOT if os.geteuid() == 0 else ()))],
)
def test_a_module_that_changes_what_runs_have_of_their_own(tmp_path: Path, change: str) -> None:
    """Same arguments and environment, others, the same again: each run is plain Python's."""
    show = {**CHANGES, **AS_ROOT}[change]
    with Stored(tmp_path) as place:
        place.write(
            main=f"import os, posix, subprocess, sys\nimport look\nx = {show}\nprint(x)\n",
            look=f"import os, posix, signal, sys\n{change}\n",
        )
        place.prepare("main.py", "x", may_fail=True)
        for argument, new in (("x", "1"), ("y", "2"), ("x", "1")):
            assert place.run("main.py", argument, NEW=new)[1] == place.plain("main.py", argument, NEW=new)


@pytest.mark.parametrize(
    "change",
    [pytest.param(one, marks=NEEDS_NATIVE) for one in (*CHANGES, *(AS_ROOT if os.geteuid() == 0 else ()))],
)
def test_a_distributions_module_that_changes_them_does_so_when_it_is_imported(
    tmp_path: Path, change: str
) -> None:
    """Such modules wait, initialised ahead: the program sees nothing of it before it imports them, and then all."""
    show = {**CHANGES, **AS_ROOT}[change]
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "look.py").write_text(f"import os, posix, signal, sys\n{change}\n")
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        begin = "print(sys.argv, sorted(os.environ), os.path.exists('/proc/self/fd/0'), flush=True)"
        place.write(main=f"import os, posix, subprocess, sys\n{begin}\nimport look\nx = {show}\nprint(x)\n")
        place.settle("main.py", "x")
        for argument, new in (("x", "1"), ("y", "2"), ("x", "1")):
            assert place.run("main.py", argument, NEW=new)[1] == place.plain("main.py", argument, NEW=new)
