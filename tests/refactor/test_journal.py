"""Edits are written whole or not at all, and can be taken back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.errors import Refused
from entrepot.refactor import journal
from entrepot.refactor.changes import Edit, FileChange
from entrepot.refactor.journal import CannotWrite, find_last, undo_last


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Two files that change, one that is made, one that goes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "project"
    root.mkdir()
    for name in ("a.py", "b.py", "gone.py"):
        (root / name).write_bytes(b"before " + name.encode() + b"\r\n")
    os.chmod(root / "a.py", 0o755)
    changes = [
        FileChange(str(root / "a.py"), b"before a.py\r\n", b"after\n"),
        FileChange(str(root / "new" / "c.py"), None, b"made\n"),
        FileChange(str(root / "b.py"), b"before b.py\r\n", b""),
        FileChange(str(root / "gone.py"), b"before gone.py\r\n", None),
    ]
    return Edit(str(root), "an edit", tuple(changes))


def read(edit: Edit) -> dict[str, bytes]:
    root = Path(edit.root)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


BEFORE = {"a.py": b"before a.py\r\n", "b.py": b"before b.py\r\n", "gone.py": b"before gone.py\r\n"}
AFTER = {"a.py": b"after\n", "b.py": b"", "new/c.py": b"made\n"}


def test_apply_writes_everything_and_undo_gives_every_byte_back(edit: Edit) -> None:
    """Files made, changed and removed; modes kept; undone through the history."""
    edit.apply()
    assert read(edit) == AFTER
    assert os.stat(Path(edit.root) / "a.py").st_mode & 0o777 == 0o755
    assert find_last(edit.root) == edit
    assert undo_last(edit.root).title == "an edit"
    assert read(edit) == BEFORE
    assert not (Path(edit.root) / "new").exists()
    with pytest.raises(Refused, match="no edit to undo"):
        undo_last(edit.root)


@pytest.mark.parametrize("call", range(4))
def test_a_failure_between_two_files_changes_nothing(
    edit: Edit, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Whatever swap fails, all files are as they were and nothing is left behind."""
    real, count = os.replace, 0

    def failing(source: str, target: str) -> None:
        nonlocal count
        if "state" not in str(source):
            count += 1
            if count == call + 1 and "entrepot-back" not in str(source):
                raise OSError(28, "No space left on device", target)
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    if call == 3:
        monkeypatch.setattr(os, "unlink", _refuse_once(os.unlink, "gone.py"))
    with pytest.raises(CannotWrite, match="nothing was changed"):
        edit.apply()
    monkeypatch.undo()
    assert read(edit) == BEFORE


def _refuse_once(real: Callable[..., None], name: str) -> Callable[..., None]:
    def unlink(path: str, **more: object) -> None:
        if str(path).endswith("/" + name):
            raise OSError(1, "Operation not permitted", path)
        real(path, **more)

    return unlink


KILLED = """
import os, sys
from entrepot.refactor import journal
from entrepot.refactor.changes import Edit, FileChange
root, limit = sys.argv[1], int(sys.argv[2])
count, real = 0, os.replace
def replace(source, target):
    global count
    if root in str(target):
        count += 1
        if count > limit:
            os.kill(os.getpid(), 9)
    real(source, target)
os.replace = replace
def change(name, before, after):
    return FileChange(os.path.join(root, name), before, after)
Edit(root, "killed", (
    change("a.py", b"before a.py\\r\\n", b"after"),
    change("new/c.py", None, b"made"),
    change("b.py", b"before b.py\\r\\n", b"after"),
)).apply()
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_command_killed_in_the_middle_is_taken_back_by_the_next(edit: Edit, limit: int) -> None:
    """SIGKILL between two swaps: the next command restores the tree before it does anything."""
    done = subprocess.run([sys.executable, "-c", KILLED, edit.root, str(limit)], check=False)
    assert done.returncode == -9
    assert find_last(edit.root) is None
    assert read(edit) == BEFORE


def test_a_file_changed_since_the_plan_is_not_overwritten(edit: Edit) -> None:
    """Somebody's newer text is never lost."""
    (Path(edit.root) / "b.py").write_bytes(b"newer")
    with pytest.raises(Refused, match="plan it again"):
        edit.apply()
    assert read(edit) == {**BEFORE, "b.py": b"newer"}


def test_undo_refuses_to_lose_what_was_written_after_the_edit(edit: Edit) -> None:
    """A file that changed after the edit keeps its text; the edit stays in the history."""
    edit.apply()
    (Path(edit.root) / "b.py").write_bytes(b"newer")
    with pytest.raises(Refused, match="changed since"):
        undo_last(edit.root)
    assert read(edit) == {**AFTER, "b.py": b"newer"}


@pytest.mark.skipif(os.geteuid() != 0, reason="chmod is enough of a test for others")
def test_a_read_only_file_is_refused_even_for_root(edit: Edit) -> None:
    """The mode says that the file is not to be written."""
    os.chmod(Path(edit.root) / "b.py", 0o444)
    with pytest.raises(Refused, match="read-only"):
        edit.apply()
    assert read(edit) == BEFORE


def test_a_link_out_of_the_project_is_refused(edit: Edit, tmp_path: Path) -> None:
    """Nothing outside the project is written through a link."""
    outside = tmp_path / "outside.py"
    outside.write_bytes(b"before b.py\r\n")
    (Path(edit.root) / "b.py").unlink()
    (Path(edit.root) / "b.py").symlink_to(outside)
    with pytest.raises(Refused, match="link"):
        edit.apply()
    assert outside.read_bytes() == b"before b.py\r\n"


@pytest.mark.slow
def test_uncommitted_changes_are_protected(edit: Edit, need: Callable[[object, str], None]) -> None:
    """A tracked file that differs from its commit is refused without force; our own edits are not."""
    import shutil

    need(shutil.which("git"), "git")

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-C", edit.root, "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            check=True, capture_output=True,
        )  # fmt: skip

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    path = Path(edit.root) / "b.py"
    path.write_bytes(b"mine\n")
    mine = Edit(edit.root, "mine", (FileChange(str(path), b"mine\n", b"theirs\n"),))
    with pytest.raises(Refused, match="uncommitted"):
        mine.apply()
    mine.apply(force=True)
    assert path.read_bytes() == b"theirs\n"
    Edit(edit.root, "again", (FileChange(str(path), b"theirs\n", b"again\n"),)).apply()


def test_two_operations_do_not_mix(edit: Edit) -> None:
    """While one holds the project, another waits, and gives up with a reason."""
    with (
        journal.locked(edit.root),
        pytest.raises(Refused, match="another entrepot command"),
        journal.locked(edit.root, wait_s=0.1),
    ):
        pass
