"""What the keeper has done for it: images made as asked for, made better, and forgotten. Then this process ends.

    python -I -m entrepot.warm.work STORE KEEPER        says at its end in how many seconds there is more to do

Requests are answered until none is left. An image is forgotten when it was not used for 30 minutes
(ENTREPOT_IDLE_S), and the oldest when all together take more than a quarter of the memory
(ENTREPOT_MEMORY_MIB). Files are put in place by rename, the checks last, so that a process killed
anywhere leaves nothing half made.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time

from entrepot.warm import checks
from entrepot.warm.files import read_seen
from entrepot.warm.images import find_images, get_memory_limit, list_folder, sweep
from entrepot.warm.keeper import name_process
from entrepot.warm.knowledge import read_knowledge
from entrepot.warm.parts import find_edited, make_parts, remember_places
from entrepot.warm.prepare import Made, NotMade, make_image
from entrepot.warm.recording import has_relative_path
from entrepot.warm.rights import read_rights
from entrepot.warm.verdict import Plan
from entrepot.warm.wire import Garbled, Request, parse_request

END = "end"  # to the keeper: it has rights that nobody needs any more
OTHER_RIGHTS = (
    "the keeper has other rights (groups, capabilities) than this run; to end it: entrepot warm stop"
)
LEFT_S = 600.0  # after that an image with the keeper's rights is not used any more
RUN_ENDS_S = 5.0  # a cold run writes its caches (bytecode, font lists) before the same is prepared here
IDLE_S = 1800.0
MAX_CODES = 20_000  # source files whose code is shared
MISSING = 8  # ... which are read anew when of so many of a program's own one is not there
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Do what there is to do, and print when there will be more (nothing if no image is left)."""
    store, keeper = argv[1], int(argv[2])
    name_process("entrepot-work")
    end_with_parent(keeper)
    while requests := take_requests(store):
        for request in requests:
            if request.rights == read_rights():
                answer(store, request)
            elif is_used(store):
                checks.note_failure(store, request.name, OTHER_RIGHTS)
            else:
                print(END, flush=True)
                return 0
    relearn(store)
    next_s = sweep(store, read_idle_s(), get_memory_limit())
    if next_s is not None or find_images(store):
        print(next_s if next_s is not None else 0.5)
    return 0


def is_used(store: str) -> bool:
    """Say whether runs with the keeper's rights, which every image has been made with, have come of late."""
    for entry in list_folder(store):
        try:
            if (
                entry.endswith(".hits")
                and time.time() - os.stat(os.path.join(store, entry)).st_mtime < LEFT_S
            ):
                return True
        except OSError:
            continue
    return False


def adopt(request: Request) -> None:
    """Use the processors that the run may use: modules ask how many there are."""
    try:
        os.sched_setaffinity(0, request.affinity)
    except (OSError, ValueError):
        pass  # not ours: its runs are cold


def end_with_parent(keeper: int) -> None:
    """Be killed when the keeper ends, whatever ended it."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        pass
    if os.getppid() != keeper:
        sys.exit(0)  # it has ended already


def read_idle_s() -> float:
    """Return after how many seconds without use an image is forgotten."""
    try:
        return max(0.0, float(os.environ.get("ENTREPOT_IDLE_S", IDLE_S)))
    except ValueError:
        return IDLE_S


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
    adopt(request)
    try:
        made = None
        if not checks.is_current(store, request):
            edited = find_edited(store, request)
            made = make_program_image(store, request)
            if isinstance(made, Made):
                remember_places(store, request, made, edited)
        if request.base_name:
            make_base_image(store, request, made)
        make_parts(store, request)
    except Exception as error:  # the keeper goes on for the other programs
        checks.note_failure(store, request.name, f"{type(error).__name__}: {error}")


def relearn(store: str) -> None:
    """Make images anew whose programs went on to import more."""
    for request in checks.learn_from_runs(store):
        adopt(request)
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
    known = read_knowledge(checks.get_plan_path(store, request.name))
    image = checks.make_image_name(request.name)
    made = make_image(request, known.make_plan(), store=store, image=image, base=False, folders=known.folders)
    checks.publish(store, request, request.name, request.key, image, made)
    return made


def make_base_image(store: str, request: Request, made: Made | NotMade | None) -> None:
    """Make the image of shared modules better, if it lacks some of this program's or is not valid here."""
    wanted, own = (made.external, made.own) if isinstance(made, Made) else ((), ())
    plan = read_knowledge(checks.get_plan_path(store, request.base_name)).make_plan()
    late = tuple(name for name in dict.fromkeys([*plan.late, *wanted]) if name not in plan.avoid)
    codes = read_codes(store, request.base_name)
    missing = [path for path in own if codes.get(path) != read_seen(path).ctime_ns]
    is_all_there = frozenset(late) <= frozenset(plan.late) and len(missing) <= len(own) // MISSING
    if not late or has_relative_path(request.env):
        return
    if is_all_there and (
        checks.is_valid(store, request, request.base_name, request.base_key)
        or checks.has_just_failed(store, request.base_name)
    ):
        return
    image = checks.make_image_name(request.base_name)
    paths = [*(path for path in codes if path not in missing), *missing][-MAX_CODES:]
    stamps = {path: read_seen(path).ctime_ns for path in paths}
    base = make_image(request, Plan(plan.avoid, late, 0), store=store, image=image, base=True, codes=paths)
    checks.publish(store, request, request.base_name, request.base_key, image, base)
    write_codes(store, request.base_name, stamps)


def read_codes(store: str, name: str) -> dict[str, int]:
    """Return the source files whose code is in the image of shared modules, and when they had changed last."""
    try:
        with open(os.path.join(store, f"{name}.codes"), encoding="utf-8", errors="surrogateescape") as file:
            value = json.load(file)
        return {str(path): int(ctime_ns) for path, ctime_ns in value.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_codes(store: str, name: str, stamps: dict[str, int]) -> None:
    """Keep them."""
    text = json.dumps({path: ctime_ns for path, ctime_ns in stamps.items() if ctime_ns})
    checks.write_whole(os.path.join(store, f"{name}.codes"), text.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
