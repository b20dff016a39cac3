"""Write the output of each session in docs/stories.md anew: `python tools/make_stories.py`.

The sentences between the sessions are written by hand. What differs from one Python, or one machine, to another is
replaced by `...`, which stands for anything when tests/test_docs.py runs the page.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "stories.md"
VARIABLE = (
    (re.compile(r"^Python \S+ starts\. \d+ modules are", re.MULTILINE), "Python ... starts. ... modules are"),
    # Whether a standard module has a file, and which, is the interpreter's affair.
    (
        re.compile(r"is not in the module cache\. (Found .* in the standard library|It is built into).*"),
        "is not in the module cache. ...",
    ),
)


def make_page(text: str) -> str:
    """Return the page with every session's output as it comes out here."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(
            ROOT / "examples", Path(folder) / "examples", ignore=shutil.ignore_patterns("__pycache__")
        )
        return re.sub(
            r"(?<=```console\n).*?(?=```)",
            lambda match: make_session(match[0], folder),
            text,
            flags=re.DOTALL,
        )


def make_session(text: str, folder: str) -> str:
    """Return a session's commands, each followed by what it writes."""
    commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    script = "exec 2>&1\n" + "".join(f"printf '\\036'\n{command}\n" for command in commands)
    env = {
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
        "HOME": folder,
        "ENTREPOT_WARM": "0",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    shown = done.stdout.split("\x1e")[1:]
    lines = []
    for command, output in zip(commands, shown, strict=True):
        for pattern, words in VARIABLE:
            output = pattern.sub(words, output)
        lines.append(f"$ {command}\n{output}")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(make_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
