"""Scenarios of live reload, drawn as text: a program, edits while it runs, and what must be so afterwards.

A page holds many scenarios:

    ## a name that says what must hold
    --- a.py                    a file of the program
    x = 1
    +++                         code run after the import, with every module of the program as a name
    held = a.f
    >>> edit                    the edited files follow; `>>> edit refused a.py:3` expects a refusal that names the place
    --- a.py
    x = 2
    --- b.py gone               the file is deleted
    ???                         expressions; each must give what a fresh start on the edited files gives
    a.x
    !!!                         expressions that must be true (kept state, identity)
    held is a.f

Program and expressions run in this process; a fresh start is an import into an empty `sys.modules`. After a refusal the
fresh start is one on the files before the edit. `main.py` is run as `__main__` when the scenario has no other entry.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import entrepot.live as live

PAGES = Path(__file__).parent / "pages"


@dataclass
class Edit:
    files: dict[str, str | None] = field(default_factory=dict)
    refused: str = ""
    code: str = ""
    same: list[str] = field(default_factory=list)
    true: list[str] = field(default_factory=list)


@dataclass
class Scenario:
    name: str
    files: dict[str, str | None] = field(default_factory=dict)
    code: str = ""
    edits: list[Edit] = field(default_factory=list)


def read_page(path: Path) -> list[Scenario]:
    """Read the scenarios of a page."""
    found: list[Scenario] = []
    add: Any = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            found.append(Scenario(line[3:].strip()))
            add = None
        elif line.startswith("--- "):
            name, _, state = line[4:].strip().partition(" ")
            files = found[-1].edits[-1].files if found[-1].edits else found[-1].files
            files[name] = None if state == "gone" else ""
            add = (files, name)
        elif line.startswith("+++"):
            add = (found[-1].edits[-1] if found[-1].edits else found[-1], "code")
        elif line.startswith(">>> edit"):
            found[-1].edits.append(
                Edit(refused=line.partition("refused")[2].strip() or ("?" if "refused" in line else ""))
            )
            add = None
        elif line.startswith("???"):
            add = found[-1].edits[-1].same
        elif line.startswith("!!!"):
            add = found[-1].edits[-1].true
        elif isinstance(add, list):
            if line.strip():
                add.append(line)
        elif isinstance(add, tuple):
            where, key = add
            if isinstance(where, dict):
                where[key] += line + "\n"
            else:
                setattr(where, key, getattr(where, key) + line + "\n")
    return found


def write(root: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = root / name
        if text is None:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def modules_of(files: dict[str, str | None]) -> list[str]:
    names = []
    for name in files:
        if name.endswith(".py"):
            parts = name[:-3].split("/")
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(names)


class World:
    """One program imported in this process; leaving gives everything back."""

    def __init__(self, root: Path, files: dict[str, str | None], *, followed: bool) -> None:
        self.root = root
        self.files = files
        self.followed = followed
        self.space: dict[str, Any] = {"__name__": "probe"}

    def __enter__(self) -> World:
        self.modules, self.path, self.main = set(sys.modules), list(sys.path), sys.modules["__main__"]
        importlib.invalidate_caches()
        sys.path.insert(0, str(self.root))
        if self.followed:
            live.start(paths=[str(self.root)])
        self.load()
        return self

    def load(self) -> None:
        entry = "main.py" if "main.py" in self.files else None
        self.output = io.StringIO()
        with contextlib.redirect_stdout(self.output):
            if entry and self.followed:
                self.space["main"] = live.run_main(str(self.root / entry))
            elif entry:
                module = ModuleType("__main__")
                module.__file__ = str(self.root / entry)
                sys.modules["__main__"] = module
                exec(
                    compile((self.root / entry).read_text(), module.__file__, "exec", 0, True),
                    module.__dict__,
                )
                self.space["main"] = module
            else:
                for name in modules_of(self.files):
                    if name.startswith("_") or name.rpartition(".")[2].startswith("late"):
                        continue
                    importlib.import_module(name)
        self.look()

    def look(self) -> None:
        for name in {m.partition(".")[0] for m in modules_of(self.files)} - {"main"}:
            if name in sys.modules:
                self.space[name] = sys.modules[name]

    def do(self, code: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, self.space)

    def ask(self, expression: str) -> str:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return repr(eval(expression, self.space))
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def __exit__(self, *_: object) -> None:
        if self.followed:
            live.stop()
        sys.modules["__main__"] = self.main
        for name in set(sys.modules) - self.modules:
            if (getattr(sys.modules[name], "__file__", None) or str(self.root)).startswith(str(self.root)):
                del sys.modules[name]
        sys.path[:] = self.path
        for name in list(sys.path_importer_cache):
            if name.startswith(str(self.root)):
                del sys.path_importer_cache[name]


def run(scenario: Scenario, root: Path) -> list[str]:
    """Run one scenario; return what is wrong."""
    wrong: list[str] = []
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    here = os.getcwd()
    try:
        files = dict(scenario.files)
        disk = dict(files)
        write(root, files)
        answers: list[tuple[str, str, dict[str, str | None]]] = []
        with World(root, files, followed=True) as world:
            world.do(scenario.code)
            for number, edit in enumerate(scenario.edits):
                write(root, edit.files)
                gone = [k for k, v in edit.files.items() if v is None]
                disk = {
                    k: v
                    for k, v in {**disk, **edit.files}.items()
                    if not any(k == g or k.startswith(g + "/") for g in gone)
                }
                with contextlib.redirect_stdout(world.output):
                    report = live.refresh()
                if edit.refused:
                    if report.ok:
                        wrong.append(f"edit {number}: was not refused")
                    elif edit.refused != "?" and edit.refused not in str(report):
                        wrong.append(f"edit {number}: no {edit.refused} in {report}")
                elif not report.ok:
                    wrong.append(f"edit {number}: refused: {report}")
                    break
                else:
                    files = dict(disk)
                world.files = files
                world.look()
                world.space["report"], world.space["output"] = report, world.output.getvalue()
                if edit.code:
                    world.do(edit.code)
                answers += [(question, world.ask(question), dict(files)) for question in edit.same]
                for claim in edit.true:
                    if (answer := world.ask(claim)) != "True":
                        wrong.append(f"edit {number}: {claim}: {answer}\n    {report}")
        wrong += compare(scenario, root, answers)
    finally:
        sys.dont_write_bytecode = before
        os.chdir(here)
    return wrong


def compare(
    scenario: Scenario, root: Path, answers: list[tuple[str, str, dict[str, str | None]]]
) -> list[str]:
    """Ask a fresh start on the same files."""
    wrong = []
    for index, files in enumerate(
        [f for i, (_, _, f) in enumerate(answers) if i == 0 or f != answers[i - 1][2]]
    ):
        fresh_root = root.parent / f"fresh{index}" / root.name
        write(fresh_root, files)
        with World(fresh_root, files, followed=False) as fresh:
            with contextlib.suppress(Exception):
                fresh.do(scenario.code)
            for edit in scenario.edits:
                if edit.code:
                    with contextlib.suppress(Exception):
                        fresh.do(edit.code)
            for question, answer, asked in answers:
                if (
                    asked == files
                    and (expected := fresh.ask(question)).replace(str(fresh_root), str(root)) != answer
                ):
                    wrong.append(f"{question}: {answer}, a fresh start gives {expected}")
    return wrong
