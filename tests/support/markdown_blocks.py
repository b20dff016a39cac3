"""The code blocks of a Markdown page, with what stands before them.

Knows fences of three or more backticks, at the start of a line or indented, their language and
`title="..."`. It does not know tilde fences or indented code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")


@dataclass(frozen=True)
class Block:
    """One code block of a page."""

    language: str
    title: str  # of `title="..."`, or ""
    text: str  # with its last newline
    line: int  # of the opening fence, from 1
    heading: str  # the nearest heading above, without its #s
    before: str  # the last line of prose above it, since the heading or the block before


def parse_blocks(page: str) -> Iterator[Block]:
    """Yield the code blocks of a page, in order."""
    heading = before = ""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    start = 0
    for number, line in enumerate(page.splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, lines, start = fence, [], number
            elif line.startswith("#"):
                heading, before = line.lstrip("#").strip(), ""
            elif line.strip():
                before = line.strip()
        elif fence and not fence["info"].strip() and len(fence["ticks"]) >= len(opened["ticks"]):
            info = opened["info"].strip()
            title = re.search(r'title="([^"]*)"', info)
            indent = opened["indent"]
            text = "".join(item.removeprefix(indent) + "\n" for item in lines)
            yield Block(info.split(" ")[0], title[1] if title else "", text, start, heading, before)
            opened, before = None, ""
        else:
            lines.append(line)
    if opened is not None:
        raise ValueError(f"the code block that begins in line {start} is never closed")
