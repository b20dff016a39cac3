"""The keeper: one small process for each user that has images made, and forgotten when their time has come.

    python -I -m entrepot.warm.keeper STORE

Clients leave requests in `STORE/requests` and write a byte into the pipe `STORE/wake`; nobody waits
for an answer. The keeper sleeps until a byte comes or the next image is due to be forgotten (no other
wake-ups), and ends when no image is left. One keeper serves a store (a lock on `STORE/keeper`).

All work is done by another process (`work.py`), which is started for it and says at its end when the next is
due. So the keeper is an interpreter with next to nothing in it, what a preparation takes is given back, and an
error there ends nothing here. The worker is killed with the keeper (PR_SET_PDEATHSIG).

When its own file is deleted or replaced (uninstalled, upgraded) the keeper empties the store and ends: it is told
by the kernel (F_NOTIFY), and where that does not work it finds out when it wakes up.

Runs as a file, without `site`: imports nothing but what a bare interpreter has.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` brings enum and more
import fcntl
import os
import select
import sys

FOLDERS = ("requests", "late", "base")
RETRY_S = 60.0  # after a worker that failed


def main(argv: list[str]) -> int:
    """Serve a store until it is empty."""
    if not sys.flags.no_site:
        # Once more without what site and -m have brought along: this process lives long.
        os.execv(sys.executable, [sys.executable, "-I", "-S", os.path.abspath(__file__), *argv[1:]])
    store = argv[1]
    for folder in FOLDERS:
        os.makedirs(os.path.join(store, folder), 0o700, exist_ok=True)
    if take_lock(store) is None:
        return 0
    name_process("entrepot-keeper")
    own = identify(__file__)
    while True:
        wake = open_wake(store)
        watch_folder(os.path.dirname(os.path.abspath(__file__)), wake)
        try:
            is_ours = serve(store, wake, own)
        finally:
            close_wake(store, wake)
        # Once more for a request that came between the last look and now.
        if not is_ours or not os.path.isdir(os.path.join(store, "requests")):
            return 0
        if not os.listdir(os.path.join(store, "requests")):
            return 0


def take_lock(store: str) -> int | None:
    """Be the store's only keeper: return the locked file with our process id, or None if another is."""
    lock = os.open(
        os.path.join(store, "keeper"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except OSError:  # another keeper's, or no file that can be written
        os.close(lock)
        return None
    return lock


def name_process(name: str) -> None:
    """Let `ps` show what this process is."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name)
    except OSError:
        pass


def identify(path: str) -> tuple[int, int] | None:
    """Return which file a path leads to, None if to none."""
    try:
        st = os.stat(path)
    except OSError:
        return None
    return st.st_dev, st.st_ino


def watch_folder(path: str, wake: int) -> None:
    """Be woken when something is deleted or moved in a folder."""

    def on_change(_number: int, _frame: object) -> None:
        try:
            os.write(wake, b"!")
        except OSError:
            pass  # full, or closed: awake

    _signal.signal(_signal.SIGIO, on_change)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # For the life of the process, so the descriptor stays open.
        fcntl.fcntl(folder, fcntl.F_NOTIFY, fcntl.DN_DELETE | fcntl.DN_RENAME | fcntl.DN_MULTISHOT)
    except (OSError, AttributeError):
        pass


def open_wake(store: str) -> int:
    """Make the pipe that clients knock on."""
    path = os.path.join(store, "wake")
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def close_wake(store: str, wake: int) -> None:
    """Take the pipe away, if the one that stands there is ours."""
    path = os.path.join(store, "wake")
    st = os.fstat(wake)
    if identify(path) == (st.st_dev, st.st_ino):
        os.unlink(path)
    os.close(wake)


def serve(store: str, wake: int, own: tuple[int, int] | None) -> bool:
    """Have the worker called until nothing is left (True), or the store or our installation is gone (False)."""
    st = os.fstat(wake)
    while True:
        next_s = call_worker(store, wake, own)
        if next_s is None:
            return True
        if select.select([wake], [], [], next_s)[0]:
            os.read(wake, 65536)
        if identify(__file__) != own:
            empty(store)
            return False
        if identify(os.path.join(store, "wake")) != (st.st_dev, st.st_ino):
            return False  # somebody removed the store


def call_worker(store: str, wake: int, own: tuple[int, int] | None) -> float | None:
    """Have everything done that is to be done; return the seconds until the next is due, None if nothing is left."""
    reading, writing = os.pipe()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    streams = [(os.POSIX_SPAWN_DUP2, source, number) for number, source in enumerate((null, writing, null))]
    command = [sys.executable, "-I", "-m", "entrepot.warm.work", store, str(os.getpid())]
    try:
        worker = os.posix_spawn(sys.executable, command, os.environ, file_actions=streams)
    except OSError:
        os.close(reading)
        return RETRY_S if has_images(store) else None
    finally:
        os.close(writing)
        os.close(null)
    said, is_called = read_answer(reading, wake, worker, own)
    os.close(reading)
    status = os.waitpid(worker, 0)[1]
    if said == b"end\n":  # the next run that asks starts a keeper with its own rights
        empty(store)
        return None
    if is_called:
        return 0.0
    try:
        return float(said)
    except ValueError:
        return RETRY_S if status and has_images(store) else None


def read_answer(reading: int, wake: int, worker: int, own: tuple[int, int] | None) -> tuple[bytes, bool]:
    """Return what the worker said until it ended, and whether somebody knocked meanwhile."""
    said, is_called = b"", False
    while True:
        ready = select.select([reading, wake], [], [])[0]
        if wake in ready:
            os.read(wake, 65536)
            is_called = True  # the worker may have looked before
            if identify(__file__) != own:
                os.kill(worker, _signal.SIGKILL)
        if reading in ready:
            part = os.read(reading, 100)
            if not part:
                return said, is_called
            said += part


def has_images(store: str) -> bool:
    """Say whether there is anything to look after."""
    try:
        return any(name.endswith(".checks") for name in os.listdir(store))
    except OSError:
        return False


def empty(store: str) -> None:
    """Remove every file of a store."""
    for folder in (*FOLDERS, ""):
        place = os.path.join(store, folder)
        try:
            names = os.listdir(place)
        except OSError:
            continue
        for name in names:
            try:
                os.unlink(os.path.join(place, name))
            except OSError:
                pass


if __name__ == "__main__":
    sys.exit(main(sys.argv))
