"""Where something is short, or somebody is hostile, the program runs as under plain Python in the same straits."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import entrepot
from entrepot.warm.images import find_images
from native import NEEDS_NATIVE
from warm_place import CLIENT, PROGRAM, Place, as_python, wait_until

pytestmark = NEEDS_NATIVE
OTHER_USER = 54321


def compare(place: Place, limit: str) -> str:
    """Run both ways after a line of shell; return what entrepot said on stderr before the program."""
    shell = ["sh", "-c", f'{limit}; exec "$@"', "sh"]
    plain = place.call([*shell, sys.executable, "main.py", "a"])
    ours = place.call([*shell, *place.get_command()])
    said = ours[2].partition("\n")[0] if ours[2].startswith("entrepot: ") else ""
    err = ours[2].removeprefix(said + "\n" if said else "")
    # A fatal error of the interpreter names the thread by its address.
    assert (ours[0], ours[1], mask(err)) == (plain[0], plain[1], mask(plain[2]))
    return said


def mask(text: str) -> str:
    """Take addresses out of a text."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


@pytest.mark.parametrize("state", ["empty", "ready"])
@pytest.mark.parametrize(
    "limit",
    [
        *(f"ulimit -n {count}" for count in (4, 5, 6, 8, 12)),
        *(f"ulimit -v {kib}" for kib in (20_000, 60_000, 120_000, 400_000)),
        *(f"ulimit -d {kib}" for kib in (2_000, 20_000)),
        "ulimit -s 256",
        "ulimit -s unlimited",
        "ulimit -f 0",
        "ulimit -l 0",
        "ulimit -c 0",
        "ulimit -t 20",
        "umask 777",
        "nice -n 5 true; renice -n 5 $$ >/dev/null",
    ],
)  # fmt: skip
def test_run_under_a_limit_is_pythons(place, limit, state):
    """Descriptors, memory, stack, file size, processes short: as python, which may fail too."""
    if state == "ready":
        place.warm_up()

    compare(place, limit)


@pytest.mark.parametrize(
    "limit", ["ulimit -n 30", "ulimit -v 4000000", "ulimit -f 0", "ulimit -s 1024", "umask 777"]
)
def test_limits_that_leave_room_do_not_make_a_run_cold(place, limit):
    """A run that fits is warm."""
    place.warm_up()

    assert compare(place, limit) == "entrepot: warm"


@contextlib.contextmanager
def small_disk(path: Path, size: str):
    """A file system of a few kilobytes."""
    path.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(path)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("size", ["4k", "64k", "1m"])
def test_full_disk_is_in_nobodys_way(place, size):
    """Where the store's disk has no room for an image there is none, and the runs are cold."""
    with small_disk(place.store, size):
        assert all(as_python(place.run()) for _ in range(3))
        wait_until(lambda: not any("main.py" in command for command in list_commands(place)))
        assert as_python(place.run())
        place.stop()
        wait_until(lambda: not place.find_processes())


def list_commands(place: Place) -> list[str]:
    """Return the command lines of the processes that work for a store."""
    found = []
    for pid in place.find_processes():
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
    return found


def test_disk_that_fills_up_later_keeps_what_is_there(place):
    """A store that has become full serves what it has."""
    with small_disk(place.store, "40m"):
        place.warm_up()
        with open(place.store / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

        outcomes = [place.run() for _ in range(3)]

        assert [outcome[2] for outcome in outcomes] == ["entrepot: warm\n"] * 3
        (place.path / "main.py").write_text("# changed\n" + PROGRAM)
        assert as_python(place.run())
        place.stop()
        wait_until(lambda: not place.find_processes())


def test_read_only_store_is_in_nobodys_way(place):
    """A store on a read-only disk serves what it has, and nothing is written."""
    with small_disk(place.store, "40m"):
        place.warm_up()
        place.stop()
        wait_until(lambda: not place.find_processes())
        subprocess.run(["mount", "-o", "remount,ro", str(place.store)], check=True)

        assert as_python(place.run())
        (place.path / "main.py").write_text("# changed\n" + PROGRAM)
        assert as_python(place.run())


@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "socket", "device", "loop"])
@pytest.mark.parametrize(
    "name", ["requests", "wake", "keeper", "NAME.checks", "NAME.hits", "NAME.last", "IMAGE", "FILES"]
)
def test_odd_things_in_the_store_are_in_nobodys_way(place, name, kind):
    """Whatever stands where a file of the store should be: nothing is followed, written through or waited for."""
    place.warm_up()
    (image,) = [image for image in find_images(str(place.store)) if image.kind == "file"]
    place.stop()
    names = {"IMAGE": Path(image.path).name, "FILES": Path(image.path).name.replace(".image", ".files")}
    path = place.store / names.get(name, name.replace("NAME", image.name))
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    target = place.path / "precious"
    target.write_text("kept")
    put(path, kind, target)
    (place.path / "main.py").write_text(
        "# changed\n" + PROGRAM if name in ("requests", "wake", "keeper") else PROGRAM
    )

    assert all(as_python(place.run()) for _ in range(2))

    assert target.read_text() == "kept"


def put(path: Path, kind: str, target: Path) -> None:
    """Put something odd in a file's place."""
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(target)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        if os.geteuid():
            pytest.skip("needs root to make a device")
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    else:
        here = os.getcwd()
        os.chdir(path.parent)  # the path of a socket is short
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        finally:
            os.chdir(here)


class Others:
    """What another user has: an interpreter with entrepot, and a place for a store."""

    def __init__(self, path: Path, python: str) -> None:
        self.path = path
        subprocess.run([python, "-m", "venv", "--without-pip", path / "venv"], check=True)
        package = path / "site" / "entrepot"
        source = Path(entrepot.__file__).parent
        shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__", "static"))
        (site,) = (path / "venv").glob("lib/python*/site-packages")
        (site / "entrepot.pth").write_text(f"{path / 'site'}\n")
        shutil.copy(CLIENT, path / "venv" / "bin" / "entrepot")
        (path / "main.py").write_text(PROGRAM)
        subprocess.run(["chmod", "-R", "a+rX", path], check=True)

    def call(self, user: int | None, store: Path, *arguments: str) -> tuple[int, str, str]:
        """Run the program as a user."""
        env = {"PATH": os.environ["PATH"], "ENTREPOT_DIR": str(store), "ENTREPOT_LOG": "1"}
        identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        done = subprocess.run(
            [self.path / "venv" / "bin" / "entrepot", "run", *arguments, "main.py", "a"],
            cwd=self.path, env=env, capture_output=True, text=True, timeout=30, **identity,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def warm_up(self, user: int | None, store: Path) -> None:
        """Have the image made."""
        wait_until(lambda: self.call(user, store, "--prepare")[0] == 0, 30)


def remove_with_processes(path: Path) -> None:
    """End the processes that were started with a folder, and remove it; one that is ending may still write there."""
    end = time.monotonic() + 10
    while True:
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(path) in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                    os.kill(int(folder.name), signal.SIGKILL)
        try:
            return shutil.rmtree(path)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.fixture
def others(need):
    """A place that every user can reach. Needs root, and an interpreter outside of root's own folders."""
    if os.geteuid():
        pytest.skip("needs root to be another user")
    # Not tmp_path: its folder is closed to others.
    path = Path(tempfile.mkdtemp(prefix="entrepot-others-"))
    path.chmod(0o755)
    pythons = [sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")]
    reachable = [python for python in pythons if python and is_reachable(python)]
    try:
        need(reachable, "an interpreter that another user can start")
        yield Others(path, reachable[0])
    finally:
        remove_with_processes(path)


def is_reachable(python: str) -> bool:
    """Say whether another user can start an interpreter that is new enough."""
    command = [python, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]
    try:
        return not subprocess.run(
            command, user=OTHER_USER, group=OTHER_USER, extra_groups=[], capture_output=True, cwd="/"
        ).returncode
    except OSError:
        return False


def make_store(others: Others, name: str, user: int) -> Path:
    """Return an empty store that belongs to a user."""
    store = others.path / name
    store.mkdir(mode=0o700)
    os.chown(store, user, user)
    return store


def test_each_user_has_a_store_of_its_own(others):
    """Two users run the same program warm, each from its own images, which the other cannot read."""
    ours, theirs = make_store(others, "ours", 0), make_store(others, "theirs", OTHER_USER)
    others.warm_up(None, ours)
    others.warm_up(OTHER_USER, theirs)

    assert others.call(None, ours)[2] == "entrepot: warm\n"
    assert others.call(OTHER_USER, theirs)[2] == "entrepot: warm\n"

    for path in [theirs, *theirs.rglob("*")]:
        try:
            found = path.stat()
        except FileNotFoundError:
            continue  # the keeper has written and renamed it meanwhile
        assert found.st_uid == OTHER_USER
        assert not found.st_mode & 0o077


def test_nobody_uses_another_users_images(others):
    """A store that is whole and valid, but somebody else's, is not used: not by root either."""
    ours, theirs = make_store(others, "ours", 0), make_store(others, "theirs", OTHER_USER)
    others.warm_up(None, ours)
    others.warm_up(OTHER_USER, theirs)

    for user, store in ((None, theirs), (OTHER_USER, ours)):
        outcome = others.call(user, store)
        assert as_python(outcome)
        assert outcome[2].startswith("entrepot: cold: ")


@pytest.mark.parametrize("what", ["checks", "files", "image"])
def test_file_of_another_user_in_ones_own_store_is_not_used(others, what):
    """Should a file of somebody else's have come into the store, nothing is taken from it."""
    store = make_store(others, "ours", 0)
    others.warm_up(None, store)
    for path in store.glob(f"*.{what}"):
        os.chown(path, OTHER_USER, OTHER_USER)

    outcome = others.call(None, store)

    assert as_python(outcome)
    assert outcome[2].startswith("entrepot: cold: ")
