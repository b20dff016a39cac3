"""A record as JSON text, made column by column.

A record has tens of thousands of entries of the same few kinds. Each column of their table is turned into
text by one C function (`map` and the encoder of `json`), and a template makes the rows: a fraction of
what a dictionary for each entry would take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.trace.records import Record


def write_record(record: Record, *, is_one_line: bool) -> str:
    """Return the text of a record: on one line, or one line for each statement, module and effect."""
    fields = []
    value: Any
    for name, value in zip(record._fields, record, strict=True):
        if name in ("statements", "modules", "effects"):
            rows = write_rows(value)
            text = "[" + ", ".join(rows) + "]" if is_one_line else "[\n" + ",\n".join(rows) + "\n]"
        elif name in ("main", "failure"):
            text = "null" if value is None else dumps(value._asdict(), ensure_ascii=False)
        else:
            text = dumps(value, ensure_ascii=False)
        fields.append(f"{encode_basestring(name)}: {text}")
    return "{" + ", ".join(fields) + "}" if is_one_line else "{\n" + ",\n".join(fields) + "\n}"


def write_rows(entries: Sequence[Any]) -> Iterable[str]:
    """Return the text of each of some named tuples of one kind."""
    if not entries:
        return []
    names = entries[0]._fields
    template = "{" + ", ".join(f"{encode_basestring(name)}: %s" for name in names) + "}"
    columns = [_write_column(column) for column in zip(*entries, strict=True)]
    return map(template.__mod__, zip(*columns, strict=True))


def _write_column(column: Sequence[Any]) -> Iterable[str]:
    kind = type(column[0])
    if kind is str:
        return map(encode_basestring, column)
    if kind is bool:
        return ["true" if value else "false" for value in column]
    if kind is int:
        return map(int.__repr__, column)
    if kind is float:
        return map(float.__repr__, column)
    return map(_write_names, column)


def _write_names(names: Sequence[str]) -> str:
    return "[" + ", ".join(map(encode_basestring, names)) + "]" if names else "[]"
