"""Edits are written whole or not at all, and can be taken back."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.errors import Refused
from entrepot.refactor import journal
from entrepot.refactor.changes import Edit, FileChange, Move
from entrepot.refactor.journal import find_last, undo_last
from entrepot.refactor.records import CannotWrite, HalfWritten


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


CALLS = ("open", "write", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "chmod")


class Faults:
    """Makes the n-th call of the system that changes something fail, or kills the process there."""

    def __init__(self, number: int, act: Callable[[], None]) -> None:
        self.left = number
        self.act = act

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in CALLS:
            monkeypatch.setattr(os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            is_read = name == "open" and not int(args[1]) & os.O_CREAT  # type: ignore[call-overload]
            if not is_read and "lock" not in str(args[0]):
                self.left -= 1
                if self.left == 0:
                    self.act()
            return real(*args, **more)

        return call


def fail() -> None:
    raise OSError(28, "No space left on device", "somewhere")


def count_calls(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many calls that change something an action makes."""
    faults = Faults(0, fail)
    with monkeypatch.context() as patched:
        faults.install(patched)
        act()
    return -faults.left


def leftovers(edit: Edit) -> list[str]:
    return [name for name in os.listdir(edit.root) if name.startswith(".")]


def test_a_failure_at_any_step_of_writing_changes_nothing(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever call fails (a full disk, no permission): all files as they were, nothing left behind."""
    total = count_calls(edit.apply, monkeypatch)
    undo_last(edit.root)
    assert total > 20
    for number in range(1, total + 1):
        with monkeypatch.context() as patched:
            Faults(number, fail).install(patched)
            try:
                edit.apply()
            except (CannotWrite, OSError):
                assert read(edit) == BEFORE, number
                assert leftovers(edit) == [], number
                assert not (Path(edit.root) / "new").exists()
                continue
        assert read(edit) == AFTER, number  # only what comes after the edit has failed
        undo_last(edit.root)
    assert find_last(edit.root) is None


def test_a_failure_at_any_step_of_undoing_changes_nothing(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undo is whole or nothing too, and can be tried again."""
    edit.apply()
    total = count_calls(lambda: undo_last(edit.root), monkeypatch)
    edit.apply()
    for number in range(1, total + 1):
        with monkeypatch.context() as patched:
            Faults(number, fail).install(patched)
            try:
                undo_last(edit.root)
            except (CannotWrite, OSError):
                assert read(edit) == AFTER, number
                assert leftovers(edit) == [], number
                continue
        assert read(edit) == BEFORE, number
        edit.apply()
    assert find_last(edit.root) == edit


@pytest.mark.slow
@pytest.mark.parametrize("action", ["apply", "undo"])
def test_a_command_killed_at_any_step_is_whole_after_the_next(
    edit: Edit, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL at each call in turn: the next command finds all files as before, or all as after."""

    def act() -> None:
        edit.apply() if action == "apply" else undo_last(edit.root)

    if action == "undo":
        edit.apply()
    before, after = (BEFORE, AFTER) if action == "apply" else (AFTER, BEFORE)
    for number in itertools.count(1):
        child = os.fork()
        if child == 0:
            Faults(number, lambda: os.kill(os.getpid(), 9)).install(monkeypatch)
            act()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            break  # it has fewer steps
        assert status == -9
        last = find_last(edit.root)  # a command of any kind mends first
        found = read(edit)
        assert found in (before, after), number
        assert leftovers(edit) == [], number
        assert (last == edit) is (found == AFTER), number
        if found == after:
            undo_last(edit.root) if action == "apply" else edit.apply()
    assert number > 15


def test_a_disk_that_takes_nothing_back_is_told_and_mended_later(
    edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When even putting back fails, the record stays, and the next command puts the files back."""
    real, count = os.replace, 0

    def failing(source: str, target: str) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise OSError(28, "No space left on device", target)
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", failing)
        with pytest.raises(HalfWritten, match="undo --list"):
            edit.apply()
    assert read(edit) != BEFORE
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
    said: list[BaseException] = []

    def ask() -> None:
        try:
            with journal.locked(edit.root, wait_s=0.1):
                pass
        except Refused as error:
            said.append(error)

    with journal.locked(edit.root):
        other = threading.Thread(target=ask)
        other.start()
        other.join()
    assert "another entrepot command" in str(said[0])
    ask()
    assert len(said) == 1


@pytest.mark.slow
def test_commands_at_once_on_one_project_each_see_the_others_result(draw: Callable[..., Path]) -> None:
    """Ten renames of ten names started together in one file all hold in the end."""
    root = draw(
        {
            "lib.py": "\n\n".join(f"def f{n}():\n    return {n}\n" for n in range(10)),
            "main.py": "import lib\n" + "".join(f"print(lib.f{n}())\n" for n in range(10)),
        }
    )
    command = [sys.executable, "-m", "entrepot", "rename", "--root", str(root)]
    running = [
        subprocess.Popen([*command, f"lib:f{n}", f"g{n}"], stdout=subprocess.DEVNULL) for n in range(10)
    ]
    assert [one.wait() for one in running] == [0] * 10
    text = (root / "main.py").read_text()
    assert text == "import lib\n" + "".join(f"print(lib.g{n}())\n" for n in range(10))


def test_a_moved_file_keeps_its_mode_there_and_back(edit: Edit) -> None:
    """An executable file is executable under its new name, and again after undo."""
    old, new = Path(edit.root) / "a.py", Path(edit.root) / "z.py"
    text = old.read_bytes()
    moved = Edit(
        edit.root, "move", (FileChange(str(old), text, None), FileChange(str(new), None, text)),
        (Move(str(old), str(new)),),
    )  # fmt: skip
    moved.apply()
    assert os.stat(new).st_mode & 0o777 == 0o755
    undo_last(edit.root)
    assert os.stat(old).st_mode & 0o777 == 0o755
