"""End what a studio leaves behind that was itself killed: its programs, its analysts, its temporary folder.

    python -I -S guard.py

A process of its own, told on its standard input, a line each:

    session N     a program's session: all of its processes are to be ended
    process N     a process of the studio's: the same, and itself though it leads no session yet
    done N        it needs no more care
    folder PATH   is to be removed

When that input ends, the studio has ended, in whatever way: the kernel closes a pipe of who was killed too.
One that ends as it should has ended them itself before, and nothing is left to do here.

Does not know: a program's process that has made a session of its own, as daemons do. It has left on purpose.
"""

import os
import signal
import sys


def main() -> None:
    """Listen until the studio has gone, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kept: dict[int, bool] = {}
    folders: list[str] = []
    for line in sys.stdin.buffer:
        word, _, rest = line.rstrip(b"\n").partition(b" ")
        if word == b"folder":
            folders.append(os.fsdecode(rest))
        elif word == b"done":
            kept.pop(int(rest), None)
        else:
            kept[int(rest)] = word == b"process"
    for pid, is_itself in kept.items():
        kill_session(pid)
        if is_itself:
            kill(pid)
    for folder in folders:
        remove(folder)


def find_members(session: int) -> list[int]:
    """Return the processes of a session (proc(5): the sixth field of `stat`)."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                found.append(int(name))
    return found


def kill_session(session: int) -> None:
    """Kill every process of a session, those too that one of them starts meanwhile."""
    for _ in range(10):
        members = find_members(session)
        if not members:
            break
        for pid in members:
            kill(pid)


def kill(pid: int) -> None:
    """Kill a process, if it is there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def remove(folder: str) -> None:
    """Remove a folder and all that is in it, as far as that can be."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
