"""Images of a program's beginning: for the run after an edit of one of its own modules.

    places = find_places(request, made, changed)      where to stop: numbers of leading statements, the furthest first
    make_parts(store, request)                        an image for each, where there is not a valid one

An edited module, and what is initialised after it, must be initialised anew, in the program's order. What comes before
it has been what it was, so a run may begin there. Which module will be edited is not known; the one that was edited
last is a good guess, and for others there are images of the first half and of three quarters of the own modules. That
is worth its memory only for programs with many modules that take long.

A part is prepared as every image is, but with fewer leading statements (`Plan.at_most`), and has a name and a key of
its own: those of the program, with `part1`, `part2`, ... in the place of its kind. The client tries them in this order.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from entrepot.warm import checks
from entrepot.warm.entry.resident import find_imported
from entrepot.warm.files import is_external, read_seen
from entrepot.warm.images import forget, list_folder
from entrepot.warm.knowledge import read_knowledge
from entrepot.warm.lookup import make_name
from entrepot.warm.prepare import Made, Stage, make_image
from entrepot.warm.record_file import read_record
from entrepot.warm.verdict import Plan
from entrepot.warm.wire import Request

MAX_PARTS = 3  # client.h has the same number
MIN_OWN = 50  # own modules from which on ...
MIN_SECONDS = 0.3  # ... and seconds of initialising, it is worth the memory
SHARES = (0.5, 0.75)


def plan_places(
    stages: Sequence[Stage], statements: Mapping[str, int], changed: Collection[str], at_most: int
) -> list[int]:
    """Return before which leading statements it is worth to have an image, the last first. Pure.

    `statements`: the first statement that imports a name. `changed`: source files that were edited last.
    """
    total = sum(len(stage.sources) for stage in stages)
    wanted: set[int] = set()
    done = 0
    for stage in stages:
        place = statements.get(stage.name, 0)
        after = done + len(stage.sources)
        reaches = any(done <= total * share < after for share in SHARES)
        if 0 < place < at_most and done and (reaches or not changed.isdisjoint(stage.sources)):  # type: ignore[attr-defined]
            wanted.add(place)
        done = after
    return sorted(wanted, reverse=True)[:MAX_PARTS]


def find_places(request: Request, made: Made, changed: Collection[str]) -> list[int]:
    """Return before which leading statements of a program it is worth to have an image."""
    if request.kind != "file" or len(made.own) < MIN_OWN or made.seconds < MIN_SECONDS:
        return []
    try:
        with open(os.path.join(request.cwd, request.entry), "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    statements: dict[str, int] = {}
    for index, statement in enumerate(tree.body):
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name in find_imported(node, ""):
                    statements.setdefault(name, index)
    return plan_places(made.stages, statements, frozenset(changed), made.plan.at_most)


def find_edited(store: str, request: Request) -> list[str]:
    """Return the own source files that are not what they were when the program's image was made."""
    record = read_record(os.path.join(store, f"{request.name}.record"))
    found = []
    for item in record.files if record is not None else ():
        if item.path.endswith(".py") and not is_external(item.path):
            now = read_seen(os.path.join(request.cwd, item.path), item.follow)
            if (now.size, now.mtime_ns, now.ctime_ns) != (
                item.seen.size,
                item.seen.mtime_ns,
                item.seen.ctime_ns,
            ):
                found.append(item.path)
    return found


def get_part(request: Request, number: int) -> Request:
    """Return the request for a part: with its own name and key."""
    parts = request.key.split("\1")
    parts[2] = f"part{number}"
    if not parts[-1]:
        parts.pop()
    return replace(request, name=make_name(parts), key="".join(part + "\1" for part in parts))


def remember_places(store: str, request: Request, made: Made, changed: Collection[str]) -> None:
    """Write down which parts there should be: they are made when there is nothing more important to do."""
    info = checks.read_info(store, request.name)
    places = find_places(request, made, changed)
    info["parts"] = {"places": places, "late": made.external} if places else None
    checks.write_info(store, request.name, info)


def make_parts(store: str, request: Request) -> None:
    """Make the images of a program's parts, where there is not a valid one; end early when a run asks for something."""
    info = checks.read_info(store, request.name).get("parts") or {"places": [], "late": []}
    whole = read_knowledge(checks.get_plan_path(store, request.name)).make_plan()
    for number in range(1, MAX_PARTS + 1):
        part = get_part(request, number)
        if number > len(info["places"]):
            forget(store, part.name)
            continue
        place = int(info["places"][number - 1])
        known = read_knowledge(checks.get_plan_path(store, part.name))
        if known.at_most == place and (
            checks.is_valid(store, request, part.name, part.key) or checks.has_just_failed(store, part.name)
        ):
            continue
        if list_folder(os.path.join(store, "requests")):
            return
        image = checks.make_image_name(part.name)
        plan = Plan(whole.avoid, tuple(map(str, info["late"])), place, whole.only_late)
        made = make_image(part, plan, store=store, image=image, base=False, learns=False)
        checks.publish(store, part, part.name, part.key, image, made)
