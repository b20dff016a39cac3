"""`entrepot warm`: look at what is kept ready, forget it, end the keeper."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from entrepot.warm.images import Image, find_images, forget, get_keeper, list_folder, remove
from entrepot.warm.lookup import find_store

SUMMARY = "show, forget or end what is kept ready for runs"
EXAMPLES = """\
  entrepot warm status           what is kept ready, for which programs, in how much memory
  entrepot warm forget main.py   the next run of main.py starts anew
  entrepot warm stop             end it all; every next run starts anew
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="status | stop | forget")
    status = actions.add_parser(
        "status",
        help="each image (a program's modules, initialised) with its memory, age and how often it was used",
    )
    status.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    actions.add_parser("stop", help="end the process that keeps images ready, and forget everything")
    forgetting = actions.add_parser("forget", help="forget the images of a program, or all")
    forgetting.add_argument("program", nargs="?", help="a part of what `status` shows; nothing: all")


def main(args: Namespace) -> int:
    """Do what was asked for."""
    store = find_store()
    if args.action == "status":
        return show_status(store, args.format)
    if store is None:
        print("nothing is kept")
        return 0
    if args.action == "stop":
        return stop(store)
    count = forget_matching(store, args.program or "")
    print(f"forgot {count} image{'s' * (count != 1)}")
    return 0 if count or not args.program else 1


def show_status(store: str | None, form: str) -> int:
    """Print every image."""
    images = find_images(store) if store else []
    rows = [describe(image) for image in reversed(images)]
    keeper = get_keeper(store) if store else None
    if form == "json":
        print(json.dumps({"store": store, "keeper": keeper, "images": rows}, indent=2))
        return 0
    if store is None:
        print("nothing is kept")
        return 0
    print(f"{store}, keeper {f'is process {keeper}' if keeper else 'not running'}")
    if not rows:
        print("nothing is kept")
        return 0
    print(f"{'modules':>8} {'MiB':>6} {'age':>8} {'idle':>8} {'hits':>6}  program")
    for row in rows:
        memory = f"{float(row['memory_bytes']) / 2**20:.1f}"
        age, idle = format_time(float(row["age_s"])), format_time(float(row["idle_s"]))
        print(f"{row['modules']:>8} {memory:>6} {age:>8} {idle:>8} {row['hits']:>6}  {row['program']}")
    total = sum(image.size_bytes for image in images)
    print(f"{len(rows)} images, {total / 2**20:.1f} MiB (memory that all runs of an image share)")
    return 0


def describe(image: Image) -> dict[str, int | float | str]:
    """Return one image as plain values."""
    now = time.time()
    try:
        with open(os.path.join(os.path.dirname(image.path), f"{image.name}.info"), encoding="utf-8") as file:
            modules = int(json.load(file).get("modules", 0))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        modules = 0
    return {
        "program": image.program,
        "kind": image.kind,
        "python": image.python,
        "modules": modules,
        "memory_bytes": image.size_bytes,
        "age_s": round(now - image.made, 1),
        "idle_s": round(now - image.used, 1),
        "hits": image.hits,
    }


def format_time(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def forget_matching(store: str, text: str) -> int:
    """Forget every image whose program contains a text; return how many."""
    matching = [image for image in find_images(store) if text in image.program]
    for image in matching:
        forget(store, image.name)
    return len(matching)


def list_descendants(pid: int) -> list[int]:
    """Return the processes that a process has made, and those that they have made."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return children + [found for child in children for found in list_descendants(child)]


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Wait up to 2 s, and say whether it came to be so."""
    end = time.monotonic() + 2
    while not (found := is_so()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def stop(store: str) -> int:
    """End the keeper, wait until it is gone (2 s, then harder), and empty the store."""
    keeper = get_keeper(store)
    if keeper:
        working = list_descendants(keeper)  # they end with it, and may be about to make a file
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(keeper, number)
            except ProcessLookupError:
                break
            if wait_until(lambda: not get_keeper(store)):
                break
        if get_keeper(store):
            print(f"entrepot: the keeper (process {keeper}) does not end", file=sys.stderr)
            return 1
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in working))
    for folder in ("requests", "late", ""):
        for entry in list_folder(os.path.join(store, folder)):
            path = os.path.join(store, folder, entry)
            if not os.path.isdir(path):
                remove(path)
    print("stopped")
    return 0
