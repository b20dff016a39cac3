"""Publish an image: write down what it depended on, for the client and for `why`, the checks last.

Also what is known about the image itself (`K.info`): how long its modules took, and when a preparation
failed last, so that it is not tried again at every run. (`K.plan` is knowledge.py's.)
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import Any

from entrepot.warm import eligible
from entrepot.warm.files import read_seen
from entrepot.warm.fingerprint import Record
from entrepot.warm.images import find_beside, list_folder, read_image, remove
from entrepot.warm.knowledge import has_news, learn, read_knowledge, remember_plan, write_knowledge
from entrepot.warm.prepare import RESTORER, Made, NotMade, find_surroundings
from entrepot.warm.record_file import read_record, write_record
from entrepot.warm.wire import Checks, Garbled, Request, is_stem, make_checks, parse_request

RETRY_S = 10.0  # after a failed preparation; doubled each time
MAX_LESSONS = 6  # how often an image is made anew because a run imported more


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


def publish(store: str, request: Request, name: str, key: str, image: str, made: Made | NotMade) -> None:
    """Put an image in place of the one before, or note why there is none."""
    known = remember_plan(read_knowledge(get_plan_path(store, name)), made.plan, {})
    known = replace(known, late=made.plan.late)
    if isinstance(made, NotMade):
        write_knowledge(get_plan_path(store, name), known)
        note_failure(store, name, made.reason)
        remove(os.path.join(store, image))
        return
    before = read_image(store, name)
    files = image.replace(".image", ".files")
    write_whole(os.path.join(store, files), made.record.pack_files())
    write_record(os.path.join(store, f"{name}.record"), replace(made.record, image=image))
    write_knowledge(get_plan_path(store, name), known)
    known_before = read_info(store, name)
    lessons, parts = known_before.get("lessons", 0), known_before.get("parts")
    write_info(
        store,
        name,
        {
            "seconds": made.seconds,
            "modules": len(made.record.modules),
            "waiting": list(made.report.get("waiting", [])),
            "terminal": made.terminal,
            "lessons": lessons,
            "parts": parts,
        },
    )
    write_checks(store, request, key, image, files, made.record)
    if before is not None and before.path != os.path.join(store, image):
        for path in (before.path, before.path.replace(".image", ".files"), *find_beside(before.path)):
            remove(path)


def write_checks(store: str, request: Request, key: str, image: str, files: str, record: Record) -> None:
    """Write what the client compares."""
    data = make_checks(
        Checks(
            key=key,
            image=image,
            files=files,
            library=RESTORER,
            env=record.env,
            prefixes=eligible.FAMILIES,
            families=record.families,
            everything=request.env if record.env_names else None,
            cwd=record.cwd,
            arguments=record.argv,
            limits=record.limits,
            affinity=record.affinity,
            host=record.host,
            day=record.day,
            rights=record.rights,
        )
    )
    write_whole(os.path.join(store, f"{image.partition('.')[0]}.checks"), data)


def get_plan_path(store: str, name: str) -> str:
    """Return where it is written what is known about preparing a program."""
    return os.path.join(store, f"{name}.plan")


def read_info(store: str, name: str) -> dict[str, Any]:
    """Return what is known about an image itself, or about the failure to make one."""
    try:
        with open(os.path.join(store, f"{name}.info"), encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def write_info(store: str, name: str, info: dict[str, Any]) -> None:
    """Keep it."""
    write_whole(os.path.join(store, f"{name}.info"), json.dumps(info, indent=1).encode())


def learn_from_runs(store: str) -> list[Request]:
    """Take the reports of finished runs; return the requests whose images should be made anew."""
    folder = os.path.join(store, "late")
    again: dict[str, Request] = {}
    for entry in list_folder(folder):
        path = os.path.join(folder, entry)
        name = entry.partition(".")[0]
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                modules = [line for line in file.read().split("\n") if line]
            remove(path)
            if not is_stem(name):
                continue
            known = read_knowledge(get_plan_path(store, name))
            info = read_info(store, name)
            if not has_news(known, modules) or info.get("lessons", 0) >= MAX_LESSONS:
                continue
            write_knowledge(get_plan_path(store, name), learn(known, modules))
            write_info(store, name, {**info, "lessons": info.get("lessons", 0) + 1})
            with open(os.path.join(store, f"{name}.request"), "rb") as request:
                again[name] = parse_request(request.read())
        except (OSError, Garbled):
            continue
    return list(again.values())


def is_current(store: str, request: Request) -> bool:
    """Say whether the program needs no new image: it has a valid one, or one was tried just now."""
    if is_valid(store, request, request.name, request.key):
        return True
    if not has_just_failed(store, request.name):
        return False
    try:
        path = os.path.join(request.cwd, request.entry)
        return request.kind != "file" or os.stat(path).st_mtime < read_info(store, request.name)["failed"]
    except OSError:
        return True


def has_just_failed(store: str, name: str) -> bool:
    """Say whether an image was tried, and could not be made, so short a time ago that it is not worth another try."""
    info = read_info(store, name)
    failed = info.get("failed", 0)
    return bool(failed) and time.time() - failed <= RETRY_S * 2 ** min(info.get("failures", 0), 8)


def is_valid(store: str, request: Request, name: str, key: str) -> bool:
    """Look closer than the client can: files whose times changed may have the same content.

    If so, the checks are written anew.
    """
    image = read_image(store, name)
    record = read_record(os.path.join(store, f"{name}.record"))
    if image is None or record is None or record.image != os.path.basename(image.path):
        return False  # a worker that was killed here has left the record of another image
    if record.find_change(find_surroundings(request)) is not None:
        return False
    fresh = replace(
        record,
        files=tuple(
            replace(item, seen=read_seen(os.path.join(request.cwd, item.path), item.follow))
            for item in record.files
        ),
    )
    if record.find_change(find_surroundings(request)) is not None:
        return False
    files = make_image_name(name).replace(".image", ".files")
    write_whole(os.path.join(store, files), fresh.pack_files())
    write_record(os.path.join(store, f"{name}.record"), fresh)
    write_checks(store, request, key, os.path.basename(image.path), files, fresh)
    for entry in list_folder(store):
        if entry.startswith(f"{name}.") and entry.endswith(".files") and entry != files:
            remove(os.path.join(store, entry))
    return True


def note_failure(store: str, name: str, reason: str) -> None:
    """Keep the reason why there is no image."""
    info = read_info(store, name)
    info.update(reason=reason, failed=time.time(), failures=info.get("failures", 0) + 1)
    try:
        write_info(store, name, info)
    except OSError:
        pass
