"""Reads the cases in `cases/*.md` and runs one.

A case is a heading, a command, and files:

    ## What it shows
    $ split main.py --to arcade=get_score
    ```main.py
    ...
    ```
    ```main.py after          (optional: the exact text afterwards)
    ```

`refuses: words` says that the command must fail, name these words, and change nothing. `notes: words`
says that they must be in what it reports. `run: test_it.py` names what is run before and after (default
main.py); both runs must print the same and end the same. `differs` says that they need not
(only for cases about text). `python: 3.12` is the first version that can read the case. Texts may use \\r, \\f, \\ufeff and such between `{` `}`: `{crlf}` as the
first line turns all line ends into CRLF, `{bom}` puts a BOM in front, `{latin-1}` encodes so, `{no newline}` drops the last one.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from entrepot.cli import main as run_command
from entrepot.errors import Refused
from entrepot.refactor.checks import find_undefined, find_unused
from entrepot.refactor.text import SourceFile

HERE = Path(__file__).parent / "cases"


@dataclass
class Case:
    title: str
    commands: list[str] = field(default_factory=list)
    before: dict[str, bytes] = field(default_factory=dict)
    after: dict[str, bytes | None] = field(default_factory=dict)
    refuses: str | None = None
    notes: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    differs: bool = False
    python: tuple[int, int] = (3, 11)


def read_cases(name: str) -> list[Case]:
    cases: list[Case] = []
    text = (HERE / name).read_text(encoding="utf-8")
    for part in re.split(r"(?m)^## ", text)[1:]:
        title, _, body = part.partition("\n")
        case = Case(f"{name[:-3]}: {title.strip()}")
        for match in re.finditer(r"(?ms)^```([^\n]*)\n(.*?)^```$", body):
            words = match[1].split()
            files = case.after if words[-1] in ("after", "gone") else case.before
            files[words[0]] = None if words[-1] == "gone" else _encode(match[2])  # type: ignore[assignment]
        rest = re.sub(r"(?ms)^```([^\n]*)\n(.*?)^```$", "", body)
        for line in rest.splitlines():
            key, _, value = line.partition(":")
            if line.startswith("$ "):
                case.commands.append(line[2:])
            elif key == "refuses":
                case.refuses = value.strip()
            elif key == "notes":
                case.notes.append(value.strip())
            elif key == "run":
                case.runs += value.split()
            elif line.strip() == "differs":
                case.differs = True
            elif key == "python":
                major, minor = value.strip().split(".")
                case.python = (int(major), int(minor))
        if not case.runs and "main.py" in case.before:
            case.runs = ["main.py"]
        cases.append(case)
    return cases


def _encode(text: str) -> bytes:
    encoding, bom = "utf-8", b""
    while match := re.match(r"\{(crlf|bom|latin-1|no newline)\}\n", text):
        text = text[match.end() :]
        if match[1] == "crlf":
            text = text.replace("\n", "\r\n")
        elif match[1] == "bom":
            bom = b"\xef\xbb\xbf"
        elif match[1] == "latin-1":
            encoding = "latin-1"
        else:
            text = text.rstrip("\n")
    text = text.replace("{formfeed}", "\f").replace("{tab}", "\t")
    return bom + text.encode(encoding)


def write_files(case: Case, root: Path) -> None:
    for name, data in case.before.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read_tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and ".git" not in path.parts
    }


def run_program(root: Path, name: str) -> tuple[int, str, str]:
    arguments = ["-m", name[3:]] if name.startswith("-m=") else [name]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment,
        check=False,
    )
    return done.returncode, done.stdout, re.sub(r"(?m)^  File .*\n(    .*\n)*", "", done.stderr)


def run_cli(root: Path, command: str) -> tuple[int, str]:
    """Run a command in the project's folder; returns its status and everything it printed."""
    out, old = io.StringIO(), os.getcwd()
    words = shlex.split(command)
    if words[0] in ("split", "move", "rename", "expand"):
        words += ["--root", "."]
    os.chdir(root)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            status = run_command(words)
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        os.chdir(old)
    return status, out.getvalue()


def check_case(case: Case, root: Path) -> None:
    """Do what the case says and compare everything that must be compared."""
    write_files(case, root)
    before = read_tree(root)
    ran_before = [] if case.refuses else [run_program(root, name) for name in case.runs]
    for status, out, error in ran_before:
        assert case.differs or status == 0 or out, f"the case itself does not run: {error}"
    printed = ""
    for number, command in enumerate(case.commands):
        status, said = run_cli(root, command)
        printed += said
        if case.refuses is not None and number == len(case.commands) - 1:
            assert status == 1, f"not refused: {said}"
            for words in case.refuses.split("|"):
                assert words.strip() in said, said
            assert read_tree(root) == before, "something was written"
            return
        assert status == 0, said
    for words in case.notes:
        assert words in printed, printed
    after = read_tree(root)
    for name, data in case.after.items():
        assert after.get(name) == data, show_difference(name, data, after.get(name))
    ran_after = [run_program(root, name) for name in case.runs]
    if not case.differs:
        assert ran_after == ran_before, f"{ran_before}\n{ran_after}\n{show_tree(after)}"
    check_clean(before, after, is_split=case.commands[0].startswith(("split", "move")))
    status, said = run_cli(root, "undo --root .")
    if len(case.commands) == 1:
        assert status == 0, said
        assert read_tree(root) == before


def check_clean(before: dict[str, bytes], after: dict[str, bytes], *, is_split: bool) -> None:
    """No name is newly undefined, no import newly unused."""
    unused_before: set[str] = set()
    undefined_before: set[str] = set()
    for name, data in before.items():
        if name.endswith(".py"):
            try:
                unused_before |= find_unused(SourceFile(name, data))
                undefined_before |= find_undefined(SourceFile(name, data))
            except (SyntaxError, Refused):
                continue
    for name, data in after.items():
        if not name.endswith(".py") or before.get(name) == data or name in ("out.py",):
            continue
        file = SourceFile(name, data)
        undefined = find_undefined(file) - undefined_before
        assert not undefined or file.names.star_imports, (name, undefined)
        marked = {
            n
            for line in data.decode(file.encoding).splitlines()
            if "noqa" in line
            for n in re.findall(r"\w+", line)
        }
        exported = set(re.findall(r"\w+", data.decode(file.encoding).partition("__all__")[2]))
        unused = find_unused(file) - unused_before - marked - exported
        assert not unused or not is_split or name.endswith("__init__.py"), (
            f"{name} imports {unused} for nothing:\n{data.decode()}"
        )


def show_tree(tree: dict[str, bytes]) -> str:
    return "\n".join(f"--- {name}\n{data.decode('utf-8', 'replace')}" for name, data in tree.items())


def show_difference(name: str, wanted: bytes | None, found: bytes | None) -> str:
    return f"{name} is\n{(found or b'(absent)').decode('utf-8', 'replace')}\ninstead of\n{(wanted or b'(absent)').decode('utf-8', 'replace')}"
