"""Source texts as string literals that can be read, and the start code as lines of a joined file."""

from __future__ import annotations

import os

_NAME = "<frozen importlib._bootstrap_external>"


def quote(text: str) -> str:
    """Return a literal for a text: raw and in triple quotes where that shows it as it is."""
    for mark in ("'''", '"""'):
        if mark not in text and not text.endswith(("\\", mark[0])):
            if not _has_odd_characters(text):
                return f"r{mark}{text}{mark}"
    if _has_odd_characters(text):
        return repr(text)
    body = text.replace("\\", "\\\\").replace("'''", "\\'\\'\\'")
    if body.endswith("'"):
        body = body[:-1] + "\\'"
    return f"'''{body}'''"


def _has_odd_characters(text: str) -> bool:
    """Whether a text has characters that a literal cannot hold as they are."""
    return "\r" in text or "\0" in text or any("\ud800" <= c <= "\udfff" for c in text)


def render_start() -> list[str]:
    """Return the lines that compile the start code, indented for a function's body."""
    path = os.path.join(os.path.dirname(__file__), "joined_start.py")
    with open(path, encoding="utf-8") as stream:
        source = stream.read()
    source = source[source.index('"""', 3) + 3 :].lstrip()
    return [
        "    # Under the import system's own name Python leaves these frames out of tracebacks.",
        f"    code = {quote(source)}",
        "    scratch = {}",
        f'    exec(compile(code, "{_NAME}", "exec"), scratch)',
    ]
