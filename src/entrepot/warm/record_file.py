"""Records on the disk: written whole or not at all, read only when of the same version."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from entrepot.trace.log import Seen
from entrepot.warm.files import FileInput
from entrepot.warm.fingerprint import VERSION, Record
from entrepot.warm.whole_file import write_new

_MAGIC = b"entrepot record %d\n" % VERSION


def write_record(path: str, record: Record) -> None:
    """Write a record, whole or not at all."""
    body = asdict(record)
    text = _MAGIC + json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
    write_new(path, text)


def read_record(path: str) -> Record | None:
    """Read a record, or None when there is none, or it is of another version or damaged."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return None
    if not text.startswith(_MAGIC) or not text.endswith(b"\n"):
        return None
    try:
        body = json.loads(text[len(_MAGIC) :])
        files = tuple(
            FileInput(**{**item, "seen": Seen(**item["seen"]), "names": tuple(item["names"])})
            for item in body["files"]
        )
        record = Record(**{**body, "files": files})
        return replace(
            record,
            argv=None if record.argv is None else tuple(record.argv),
            limits={int(number): tuple(limit) for number, limit in record.limits.items()},  # type: ignore[misc]
            affinity=tuple(record.affinity),
            env_set=tuple((name, value, is_seen) for name, value, is_seen in record.env_set),
            modules=tuple(record.modules),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
