"""What the files are: their encodings, where the project begins, what git knows, what the machine refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.cli import main as run_command
from entrepot.errors import Refused
from entrepot.refactor import git, journal, records
from entrepot.refactor.changes import Edit, FileChange
from entrepot.refactor.project import find_root

Draw = Callable[..., Path]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


@pytest.fixture
def repository(draw: Draw, need: Callable[[object, str], None]) -> Path:
    """A repository whose folder `app` is the project: a package, committed."""
    need(shutil.which("git"), "git")
    root = draw(
        {
            "app/pyproject.toml": "",
            "app/shop/__init__.py": "",
            "app/shop/cart.py": "x = 1\n",
            "app/main.py": "",
        }
    )
    run_git(root, "init", "-q")
    commit(root)
    return root


def run_git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(
        ["git", "-C", str(root), *who, *words], check=True, capture_output=True, text=True
    ).stdout


def commit(root: Path) -> None:
    run_git(root, "add", ".")
    run_git(root, "commit", "-qm", "one")


@pytest.mark.parametrize(
    ("source", "new", "words"),
    [
        (b"# coding: ascii\ntotal = 3\n", "\xe9", "text that ascii cannot write"),
        (b"# coding: latin-1\ntotal = '\xe9'\n", "\u0142", "text that iso-8859-1 cannot write"),
        (b"# coding: utf-8\ntotal = '\xe9'\n", "cost", "syntax error|invalid|not utf-8"),
        (b"# coding: shift_jis\ntotal = '\x81'\n", "cost", "the file is not shift_jis"),
        (b"# coding: iso2022_jp\ntotal = '\x1b(B'\n", "cost", "do not survive decoding as iso2022_jp"),
        (b"# coding: klingon\ntotal = 3\n", "cost", "unknown encoding"),
    ],
)
def test_an_encoding_that_would_lose_something(
    draw: Draw, capsys: pytest.CaptureFixture[str], source: bytes, new: str, words: str
) -> None:
    """What the file's encoding cannot hold, or does not give back, is refused; not a byte changes."""
    root = draw({"main.py": source})
    assert run_command(["rename", "--root", str(root), "main:total", new]) == 1
    said = capsys.readouterr()
    assert any(word in said.err + said.out for word in words.split("|")), said
    assert (root / "main.py").read_bytes() == source


def test_where_the_project_begins(draw: Draw, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder with a marker; without one, the current folder around the file, else the packages' own."""
    root = draw(
        {"marked/setup.py": "", "marked/a/b.py": "", "plain/shop/__init__.py": "", "plain/shop/x.py": ""}
    )
    for marker in (".git", ".hg", "pyproject.toml"):
        if any((above / marker).exists() for above in root.parents):
            pytest.skip("the folder for temporary files stands in a project")
    assert find_root(str(root / "marked" / "a" / "b.py")) == os.path.realpath(root / "marked")
    assert find_root(str(root / "plain" / "shop" / "x.py")) == os.path.realpath(root / "plain")
    monkeypatch.chdir(root)
    assert find_root(str(root / "plain" / "shop" / "x.py")) == os.path.realpath(root)
    assert find_root("plain") == os.path.realpath(root)


@pytest.mark.slow
def test_git_sees_a_renamed_file_as_renamed(repository: Path) -> None:
    """The index has the file under its new name, in a project below the repository's folder too; undo takes it back."""
    app = repository / "app"
    (app / "shop" / "new.py").write_text("y = 2\n")  # git does not know it
    assert run_command(["rename", "--root", str(app), "shop.cart", "trolley"]) == 0
    assert run_git(repository, "status", "--porcelain", "--untracked-files=no") == (
        "R  app/shop/cart.py -> app/shop/trolley.py\n"
    )
    assert run_command(["rename", "--root", str(app), "shop.new", "newer"]) == 0
    assert run_command(["undo", "--root", str(app)]) == 0
    assert run_command(["undo", "--root", str(app)]) == 0
    assert run_git(repository, "status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.slow
def test_a_file_that_git_has_renamed_is_uncommitted(repository: Path) -> None:
    """What `git mv` did is a change that is not committed yet; a new file in the old place is git's no longer."""
    app = repository / "app"
    run_git(repository, "mv", "app/shop/cart.py", "app/shop/basket.py")
    (app / "shop" / "cart.py").write_text("x = 1\n")
    paths = [str(app / "shop" / name) for name in ("basket.py", "cart.py")]
    changes = tuple(FileChange(path, b"x = 1\n", b"x = 2\n") for path in paths)
    with pytest.raises(Refused, match="uncommitted") as caught:
        Edit(str(app), "an edit", changes).apply()
    assert caught.value.path == paths[0]
    assert [Path(path).read_bytes() for path in paths] == [b"x = 1\n"] * 2


@pytest.mark.slow
def test_without_git_the_files_are_moved_all_the_same(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No git on the machine, or a repository that it cannot read: nothing is known, nothing is in the way."""
    app = repository / "app"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_command(["rename", "--root", str(app), "shop.cart", "trolley"]) == 0
    assert (app / "shop" / "trolley.py").read_text() == "x = 1\n"
    assert git.find_uncommitted(str(app), [str(app / "main.py")]) == []


def test_a_state_folder_that_cannot_be_made(
    draw: Draw, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the records belong: said with its path, and nothing is written."""
    root = draw({"main.py": "total = 3\n", "state": ""})
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "state"))
    assert run_command(["rename", "--root", str(root), "main:total", "cost"]) != 0
    said = capsys.readouterr()
    assert f"{root / 'state'}" in said.err + said.out
    assert "nothing was changed" in said.err + said.out
    assert (root / "main.py").read_text() == "total = 3\n"


def test_a_lock_that_cannot_be_opened(draw: Draw) -> None:
    """A folder stands in its place: said with the path."""
    root = draw({"main.py": "total = 3\n"})
    folder = records.find_state_folder(str(root))
    os.mkdir(os.path.join(folder, "lock"))
    with pytest.raises(records.CannotWrite, match="nothing was changed"), journal.locked(str(root)):
        raise AssertionError("held")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user")
def test_a_file_of_another_user_stays_theirs(draw: Draw) -> None:
    """Written by root, a file keeps its owner and group, and its undo too."""
    root = draw({"main.py": "total = 3\n"})
    os.chown(root / "main.py", 12345, 12346)
    assert run_command(["rename", "--root", str(root), "main:total", "cost"]) == 0
    for text in ("cost = 3\n", "total = 3\n"):
        status = os.stat(root / "main.py")
        assert ((root / "main.py").read_text(), status.st_uid, status.st_gid) == (text, 12345, 12346)
        run_command(["undo", "--root", str(root)])


def test_a_folder_that_must_not_be_written(draw: Draw) -> None:
    """Its mode says so: a new file in it is refused, for root too."""
    root = draw({"shop/main.py": "total = 3\n"})
    os.chmod(root / "shop", 0o555)
    try:
        edit = Edit(str(root), "an edit", (FileChange(str(root / "shop" / "new.py"), None, b""),))
        with pytest.raises(Refused, match="the folder is read-only"):
            edit.apply()
    finally:
        os.chmod(root / "shop", 0o755)
    assert os.listdir(root / "shop") == ["main.py"]


def test_a_link_inside_the_project_is_refused(draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    """A renamed module that is a link, and a linked file that would change: its target is named."""
    root = draw({"real.py": "total = 3\n"})
    (root / "linked.py").symlink_to("real.py")
    assert run_command(["rename", "--root", str(root), "linked", "other"]) == 1
    assert "a link, to real.py" in capsys.readouterr().err
    with pytest.raises(Refused, match="a link, to"):
        Edit(str(root), "an edit", (FileChange(str(root / "linked.py"), b"total = 3\n", b""),)).apply()
    assert (root / "real.py").read_text() == "total = 3\n"


def test_the_history_keeps_its_last_edits(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is kept the oldest go, and undo says when there is no more."""
    monkeypatch.setattr(records, "KEPT", 2)
    root = draw({"main.py": "a = 1\n"})
    for old, new in ("ab", "bc", "cd"):
        assert run_command(["rename", "--root", str(root), f"main:{old}", new]) == 0
    assert [run_command(["undo", "--root", str(root)]) for _ in range(3)] == [0, 0, 1]
    assert (root / "main.py").read_text() == "b = 1\n"


def test_a_record_without_its_contents(draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    """An edit whose bytes are gone cannot be undone; it is said, and other edits go on."""
    root = draw({"main.py": "a = 1\n"})
    assert run_command(["rename", "--root", str(root), "main:a", "b"]) == 0
    folder = records.find_state_folder(str(root))
    (record,) = records.list_records(folder, records.DONE)
    os.unlink(os.path.join(record, "contents"))
    assert run_command(["undo", "--root", str(root)]) != 0
    assert "the record of an edit is damaged" in capsys.readouterr().err
    assert (root / "main.py").read_text() == "b = 1\n"
    assert run_command(["rename", "--root", str(root), "main:b", "c"]) == 0
