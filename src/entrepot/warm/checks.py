"""Publish an image: write down what it depended on, for the client and for `why`, the checks last.

Also what is known about preparing a program (`K.plan`): modules to avoid, modules that earlier runs
went on to import, and when a preparation failed last, so that it is not tried again at every run.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from entrepot.warm import eligible
from entrepot.warm.fingerprint import Record, read_record, write_record
from entrepot.warm.images import list_folder, read_image, remove
from entrepot.warm.prepare import LIBRARY, Made, NotMade, find_surroundings
from entrepot.warm.verdict import Plan
from entrepot.warm.wire import Checks, Request, is_stem, make_checks

RETRY_S = 10.0  # after a failed preparation; doubled each time
MAX_LEARNT = 6  # how often an image is made anew because a run imported more


def make_image_name(name: str) -> str:
    """Return a new file name for an image."""
    return f"{name}.{time.time_ns():x}.image"


def write_whole(path: str, data: bytes) -> None:
    """Write a file, whole or not at all."""
    new = f"{path}.{os.getpid()}.new"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.replace(new, path)
    except OSError:
        remove(new)
        raise


def publish(
    store: str, request: Request, name: str, key: str, image: str, made: Made | NotMade, *, base: bool
) -> None:
    """Put an image in place of the one before, or note why there is none."""
    knowledge = read_knowledge(store, name)
    knowledge.update(avoid=made.plan.avoid, late=list(made.plan.late), at_most=made.plan.at_most)
    if isinstance(made, NotMade):
        knowledge.update(reason=made.reason, failed=time.time(), failures=knowledge.get("failures", 0) + 1)
        write_knowledge(store, name, knowledge)
        remove(os.path.join(store, image))
        return
    before = read_image(store, name)
    files = image.replace(".image", ".files")
    knowledge.update(
        reason="", failures=0, failed=0, seconds=made.seconds, modules=len(made.record.modules), report=made.report
    )
    write_whole(os.path.join(store, files), made.record.pack_files())
    write_record(os.path.join(store, f"{name}.record"), made.record)
    write_knowledge(store, name, knowledge)
    write_checks(store, request, name, key, image, files, made.record, made.report, base=base)
    if before is not None and before.path != os.path.join(store, image):
        remove(before.path)
        remove(before.path.replace(".image", ".files"))


def write_checks(
    store: str,
    request: Request,
    name: str,
    key: str,
    image: str,
    files: str,
    record: Record,
    report: dict[str, Any],
    *,
    base: bool,
) -> None:
    """Write what the client compares."""
    argv = record.argv
    if argv is None and report.get("keeps_argv"):
        argv = request.arguments
    data = make_checks(
        Checks(
            key=key,
            image=image,
            files=files,
            library=LIBRARY,
            env=record.env,
            prefixes=eligible.FAMILIES,
            families=record.families,
            everything=request.env if record.env_names else None,
            cwd=record.cwd,
            arguments=argv,
            limits=record.limits,
            affinity=record.affinity,
            host=record.host,
            day=record.day,
        )
    )
    write_whole(os.path.join(store, f"{name}.checks"), data)


def read_knowledge(store: str, name: str) -> dict[str, Any]:
    """Return what is known about preparing a program."""
    try:
        with open(os.path.join(store, f"{name}.plan"), encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_knowledge(store: str, name: str, knowledge: dict[str, Any]) -> None:
    """Keep it."""
    write_whole(os.path.join(store, f"{name}.plan"), json.dumps(knowledge, indent=1).encode())


def read_plan(store: str, request: Request) -> Plan:
    """Return the plan to begin with: the last one's late modules, and what runs have imported since.

    What was avoided is tried again: a cache that had to be written may be there now.
    """
    knowledge = read_knowledge(store, request.name)
    late = dict.fromkeys([*knowledge.get("late", []), *knowledge.get("learnt", [])])
    return Plan(late=tuple(late))


def read_late(store: str, name: str) -> list[str]:
    """Return the modules that an image was made with beside its program."""
    return list(read_knowledge(store, name).get("late", []))


def learn(store: str) -> list[bytes]:
    """Take the reports of finished runs; return the requests whose images should be made anew."""
    folder = os.path.join(store, "late")
    again: dict[str, bytes] = {}
    for entry in list_folder(folder):
        path = os.path.join(folder, entry)
        name = entry.partition(".")[0]
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                modules = file.read().split("\n")
        except OSError:
            continue
        remove(path)
        if not is_stem(name):
            continue
        knowledge = read_knowledge(store, name)
        known = {*knowledge.get("late", []), *knowledge.get("learnt", []), *knowledge.get("avoid", {})}
        fresh = [module for module in modules if module and module not in known]
        if not fresh or knowledge.get("lessons", 0) >= MAX_LEARNT:
            continue
        knowledge["learnt"] = [*knowledge.get("learnt", []), *fresh]
        knowledge["lessons"] = knowledge.get("lessons", 0) + 1
        write_knowledge(store, name, knowledge)
        try:
            with open(os.path.join(store, f"{name}.request"), "rb") as file:
                again[name] = file.read()
        except OSError:
            continue
    return list(again.values())


def is_current(store: str, request: Request) -> bool:
    """Say whether the program needs no new image: it has a valid one, or one was tried just now."""
    if is_valid(store, request, request.name, request.key, base=False):
        return True
    knowledge = read_knowledge(store, request.name)
    wait_s = RETRY_S * 2 ** min(knowledge.get("failures", 0), 8)
    if time.time() - knowledge.get("failed", 0) > wait_s:
        return False
    try:
        return request.kind != "file" or os.stat(os.path.join(request.cwd, request.entry)).st_mtime < knowledge["failed"]
    except OSError:
        return True


def is_base_current(store: str, request: Request) -> bool:
    """Say whether the base image is valid for this run."""
    return is_valid(store, request, request.base_name, request.base_key, base=True)


def is_valid(store: str, request: Request, name: str, key: str, *, base: bool) -> bool:
    """Look closer than the client can: files whose times changed may have the same content.

    If so, the checks are written anew.
    """
    image = read_image(store, name)
    record = read_record(os.path.join(store, f"{name}.record"))
    if image is None or record is None or record.find_change(find_surroundings(request)) is not None:
        return False
    files = os.path.basename(image.path).replace(".image", ".files")
    fresh = record.with_files_as_they_are() if hasattr(record, "with_files_as_they_are") else None
    if fresh is None:
        return False
    write_whole(os.path.join(store, files), fresh.pack_files())
    write_record(os.path.join(store, f"{name}.record"), fresh)
    report = read_knowledge(store, name).get("report", {})
    write_checks(store, request, name, key, os.path.basename(image.path), files, fresh, report, base=base)
    return True


def note_failure(store: str, name: str, reason: str) -> None:
    """Keep the reason why there is no image."""
    knowledge = read_knowledge(store, name)
    knowledge.update(reason=reason, failed=time.time(), failures=knowledge.get("failures", 0) + 1)
    try:
        write_knowledge(store, name, knowledge)
    except OSError:
        pass
