"""A program that followed random edits looks like the same program started on the edited files."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from random_programs import MODULES, Program, look_at_all

import entrepot.live as live

NAMES = [f"m{i}" for i in range(MODULES)]
STEPS = int(os.environ.get("ENTREPOT_LIVE_STEPS", "60"))
SEED = os.environ.get("ENTREPOT_LIVE_SEED", "1")
EDITS = 10
CONTEXT = bool(os.environ.get("ENTREPOT_LIVE_CONTEXT"))  # show whole modules with a failure


@contextmanager
def modules_from(root: Path) -> Iterator[None]:
    """Imports of the program's names come from this folder, and what was there before comes back."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    finders, path = list(sys.meta_path), list(sys.path)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)
        sys.meta_path[:], sys.path[:] = finders, path
        sys.path_importer_cache.pop(str(root), None)


def write(root: Path, program: Program) -> None:
    root.mkdir(exist_ok=True)
    for name, text in program.files().items():
        if not (root / name).exists() or (root / name).read_text() != text:
            (root / name).write_text(text)


def start_afresh(root: Path, program: Program) -> dict[str, object] | str:
    """Return what the program looks like when it is started now, or why it cannot be."""
    write(root, program)
    with modules_from(root):
        try:
            for name in NAMES:
                importlib.import_module(name)
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}: {error}"
        return look_at_all({name: sys.modules[name] for name in NAMES})


def differences(mine: dict[str, object], fresh: dict[str, object]) -> list[str]:
    """Return the names that differ, with both looks."""
    return [
        f"{key}: {mine.get(key, 'missing')!r}, a fresh start gives {fresh.get(key, 'missing')!r}"
        for key in sorted(mine.keys() | fresh.keys())
        if repr(mine.get(key, "missing")) != repr(fresh.get(key, "missing"))
    ]


def _diff(before: list[list[str]], after: list[list[str]]) -> list[str]:
    return [
        line
        for i in range(MODULES)
        for line in difflib.unified_diff(
            "\n".join(before[i]).splitlines(),
            "\n".join(after[i]).splitlines(),
            f"m{i}",
            f"m{i}",
            lineterm="",
            n=99,
        )
        if CONTEXT or line[:1] in "+-"
    ]


def comes_too_late(failure: str, program: Program) -> bool:
    """Whether a fresh start fails because a function called at top level reads a name bound further down: in the running
    program the name is there, and nothing says that it will not be called (docs/live.md)."""
    if not failure.startswith("NameError"):
        return False
    name = failure.split("'")[1]
    return any(
        name in line for i in range(MODULES) for line in program.text(i).splitlines() if line[:1] != " "
    )


def follow(seed: str, folder: Path, edits: int) -> list[str]:
    """Run one program through its edits; return what is wrong at the first step that is."""
    program = Program(seed)
    root = folder / f"p{seed}"
    if isinstance(start_afresh(folder / f"fresh{seed}", program), str):
        return []
    write(root, program)
    with modules_from(root):
        live.start(paths=[str(root)])
        try:
            modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in NAMES}
            for step in range(edits):
                before, looked = program.copy(), look_at_all(modules)
                program.edit()
                write(root, program)
                report = live.refresh()
                fresh = start_afresh(folder / f"fresh{seed}", program)
                mine = look_at_all(modules)
                wrong = []
                if isinstance(fresh, str):
                    if report.ok and comes_too_late(fresh, program):
                        return []
                    if report.ok:
                        wrong = [f"was not refused, though a fresh start fails with {fresh}"]
                    else:
                        wrong = [f"after a refusal {d}" for d in differences(mine, looked)]
                        program.modules = before
                        write(root, program)
                        if not live.refresh().ok:
                            wrong.append("the old files are refused")
                        wrong += [f"back again {d}" for d in differences(look_at_all(modules), looked)]
                elif not report.ok:
                    wrong = [f"refused: {report}"]
                else:
                    wrong = differences(mine, fresh)
                if wrong:
                    return [f"seed {seed} step {step}: {report}", *_diff(before, program.copy()), *wrong]
        finally:
            live.stop()
    return []


@pytest.mark.slow
@pytest.mark.timeout(60 + 3 * STEPS)
@pytest.mark.filterwarnings("ignore")
def test_random_edits_give_what_a_fresh_start_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also for edits nobody thought of; ENTREPOT_LIVE_STEPS raises their number, ENTREPOT_LIVE_SEED changes them."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    wrong = [line for n in range(max(1, STEPS // EDITS)) for line in follow(f"{SEED}_{n}", tmp_path, EDITS)]

    assert not wrong, "\n".join(wrong)
