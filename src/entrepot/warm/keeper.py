"""The keeper: one small process for each user that makes images, and forgets them.

    python -I -m entrepot.warm.keeper STORE

Clients leave requests in `STORE/requests` and write a byte into the pipe `STORE/wake`; nobody waits
for an answer. The keeper sleeps until a byte comes or the next image is due to be forgotten (no other
wake-ups), and ends when no image is left. One keeper serves a store (a lock on `STORE/keeper`).

An image is forgotten when it was not used for 30 minutes (ENTREPOT_IDLE_S), and the oldest when all
together take more than a quarter of the memory (ENTREPOT_MEMORY_MIB). Files are put in place by rename,
the checks last, so that a keeper killed anywhere leaves nothing half made.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import sys
import time

from entrepot.warm import checks
from entrepot.warm.images import find_images, get_memory_limit, sweep
from entrepot.warm.knowledge import read_knowledge
from entrepot.warm.prepare import Made, NotMade, make_image
from entrepot.warm.verdict import Plan
from entrepot.warm.wire import Garbled, Request, parse_request

RUN_ENDS_S = 5.0  # a cold run writes its caches (bytecode, font lists) before the same is prepared here


def main(argv: list[str]) -> int:
    """Serve a store until it is empty."""
    store = argv[1]
    for folder in ("requests", "late", "base"):
        os.makedirs(os.path.join(store, folder), 0o700, exist_ok=True)
    lock = os.open(
        os.path.join(store, "keeper"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    name_process("entrepot-keeper")
    wake = open_wake(store)
    try:
        serve(store, wake, float(os.environ.get("ENTREPOT_IDLE_S", "1800")))
    finally:
        try:
            os.unlink(os.path.join(store, "wake"))
        except OSError:
            pass
    # A request that came between the last look and now.
    for request in take_requests(store):
        answer(store, request)
    return 0


def name_process(name: str) -> None:
    """Let `ps` show what this process is."""
    try:
        ctypes.CDLL(None).prctl(15, name.encode()[:15])
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


def serve(store: str, wake: int, idle_s: float) -> None:
    """Answer requests and forget images until nothing is left to do."""
    while True:
        while requests := take_requests(store):
            for request in requests:
                answer(store, request)
        relearn(store)
        next_s = sweep(store, idle_s, get_memory_limit())
        if next_s is None and not find_images(store):
            return
        if select.select([wake], [], [], next_s)[0]:
            os.read(wake, 4096)
        if not os.path.exists(os.path.join(store, "wake")):
            return  # somebody removed the store


def take_requests(store: str) -> list[Request]:
    """Take what clients have left, one request for each image."""
    folder = os.path.join(store, "requests")
    found: dict[str, Request] = {}
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    for name in names:
        path = os.path.join(folder, name)
        try:
            if name.startswith("."):
                if time.time() - os.stat(path).st_mtime > 60:
                    os.unlink(path)
                continue
            with open(path, "rb") as file:
                data = file.read()
            os.unlink(path)
            request = parse_request(data)
            checks.write_whole(os.path.join(store, f"{request.name}.request"), data)
        except (OSError, Garbled):
            continue
        found[request.name] = request
    return list(found.values())


def answer(store: str, request: Request) -> None:
    """Make the images that a run did not find, its program's and the base."""
    wait_end(request.pid, RUN_ENDS_S)
    try:
        if checks.is_current(store, request):
            return
        made = make_program_image(store, request)
        if request.kind == "file" and (request.env.get("ENTREPOT_BASE") or os.environ.get("ENTREPOT_BASE")):
            make_base_image(store, request, made)
    except Exception as error:  # the keeper goes on for the other programs
        checks.note_failure(store, request.name, f"{type(error).__name__}: {error}")


def relearn(store: str) -> None:
    """Make images anew whose programs went on to import more."""
    for request in checks.learn_from_runs(store):
        try:
            make_program_image(store, request)
        except Exception as error:
            checks.note_failure(store, request.name, f"{type(error).__name__}: {error}")


def wait_end(pid: int, wait_s: float) -> None:
    """Wait until a process has ended, or not longer than this."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([fd], [], [], wait_s)
    finally:
        os.close(fd)


def make_program_image(store: str, request: Request) -> Made | NotMade:
    """Make and publish the image of one program."""
    plan = read_knowledge(checks.get_plan_path(store, request.name)).make_plan()
    image = checks.make_image_name(request.name)
    made = make_image(request, plan, store=store, image=image, base=False)
    checks.publish(store, request, request.name, request.key, image, made)
    return made


def make_base_image(store: str, request: Request, made: Made | NotMade) -> None:
    """Make the base image better, if this program has external modules that it lacks."""
    wanted = made.external if isinstance(made, Made) else ()
    have = read_knowledge(checks.get_plan_path(store, request.base_name)).late
    if not wanted or (
        set(wanted) <= set(have) and checks.is_valid(store, request, request.base_name, request.base_key)
    ):
        return
    late = tuple(dict.fromkeys([*have, *wanted]))
    image = checks.make_image_name(request.base_name)
    base = make_image(request, Plan(late=late, at_most=0), store=store, image=image, base=True)
    checks.publish(store, request, request.base_name, request.base_key, image, base)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
