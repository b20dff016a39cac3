"""The files of the folder: never outside of it, never overwritten unseen."""

import os
import shutil

import pytest

from entrepot.studio import workspace
from entrepot.studio.workspace import ChangedError, OutsideError, Workspace, WorkspaceError


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, beside a secret."""
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "pack").mkdir(parents=True)
    (root / "main.py").write_text("x = 1\n")
    (root / "pack" / "a.py").write_text("")
    return root


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../secret.txt", "pack/../../secret.txt", "/etc/passwd", "pack//a.py", "pack/./a.py", "a\0b",
     "..\\secret.txt", "pack/", "x" * 300, "a/" * 3000 + "b"],
)  # fmt: skip
def test_a_name_that_is_none_or_leads_out_is_refused(folder, name):
    """Whatever asks: reading, writing, making, renaming, deleting."""
    space = Workspace(str(folder))
    for act in (
        lambda: space.read(name),
        lambda: space.write(name, "x", expected=""),
        lambda: space.create(name),
        lambda: space.rename(name, "new.py"),
        lambda: space.rename("main.py", name),
        lambda: space.restore(str(folder / "main.py"), name),
    ):
        with pytest.raises((OutsideError, WorkspaceError)):
            act()
    with pytest.raises(WorkspaceError):
        space.delete(name, str(folder.parent / "bin"))
    assert (folder.parent / "secret.txt").read_text() == "secret"
    assert (folder / "main.py").read_text() == "x = 1\n"


def test_a_link_that_leads_out_is_shown_and_not_followed(folder):
    """Neither a file nor a folder nor a new file below one."""
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to(folder.parent)
    (folder / "loop").symlink_to("loop")
    space = Workspace(str(folder))

    assert {e.name for e in space.list_folder() if e.is_outside} == {"link.txt", "up"}
    for name in ("link.txt", "up/secret.txt", "up/new.py"):
        with pytest.raises(OutsideError):
            space.read(name)
        with pytest.raises(OutsideError):
            space.write(name, "x", expected="")
    with pytest.raises((OSError, WorkspaceError)):
        space.read("loop")
    space.delete("link.txt", str(folder.parent / "bin"))
    assert (folder.parent / "secret.txt").read_text() == "secret"


def test_a_link_inside_the_folder_is_written_through(folder):
    """It stays a link."""
    (folder / "again.py").symlink_to("main.py")
    space = Workspace(str(folder))

    space.write("again.py", "x = 2\n", expected=space.read("again.py").digest)

    assert (folder / "again.py").is_symlink()
    assert (folder / "main.py").read_text() == "x = 2\n"


def test_what_somebody_else_wrote_is_not_overwritten(folder):
    """A save says what it replaces; anything else there stops it."""
    space = Workspace(str(folder))
    digest = space.read("main.py").digest
    (folder / "main.py").write_text("x = 3\n")

    with pytest.raises(ChangedError):
        space.write("main.py", "x = 2\n", expected=digest)
    with pytest.raises(ChangedError):
        space.write("main.py", "x = 2\n", expected="")
    assert (folder / "main.py").read_text() == "x = 3\n"


def test_a_save_keeps_the_mode_and_leaves_nothing_behind(folder):
    """Whole, beside the old one, then renamed."""
    os.chmod(folder / "main.py", 0o750)
    space = Workspace(str(folder))

    space.write("main.py", "x = 2\n", expected=space.read("main.py").digest)

    assert (folder / "main.py").stat().st_mode & 0o777 == 0o750
    assert sorted(os.listdir(folder)) == ["main.py", "pack"]


def test_what_is_no_text_has_none(folder):
    """Binary and huge files are said to be so; a pipe does not hang."""
    (folder / "a.bin").write_bytes(b"\0\1")
    with open(folder / "huge.txt", "wb") as file:
        file.truncate(3_000_000_000)
    os.mkfifo(folder / "pipe")
    space = Workspace(str(folder))

    assert space.read("a.bin").kind == "binary"
    assert space.read("huge.txt").kind == "huge"
    with pytest.raises(WorkspaceError):
        space.read("pipe")


def test_what_was_deleted_can_be_put_back(folder):
    """It lies outside of the folder meanwhile."""
    space = Workspace(str(folder))
    kept = space.delete("pack", str(folder.parent / "bin"))

    assert not (folder / "pack").exists()
    space.restore(kept, "pack")
    assert (folder / "pack" / "a.py").exists()


def test_nothing_that_is_there_is_replaced_by_making_or_renaming(folder):
    """Nor is a folder put into itself."""
    space = Workspace(str(folder))
    for act in (
        lambda: space.create("main.py"),
        lambda: space.create("pack", is_folder=True),
        lambda: space.rename("main.py", "pack/a.py"),
        lambda: space.rename("pack", "pack/inner"),
        lambda: space.rename("gone.py", "new.py"),
    ):
        with pytest.raises(WorkspaceError):
            act()


def test_files_are_listed_without_what_tools_make(folder):
    """Environments too are left to the tools."""
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"")
    (folder / "env" / "lib").mkdir(parents=True)
    (folder / "env" / "pyvenv.cfg").write_text("")
    (folder / "env" / "lib" / "x.py").write_text("")

    assert sorted(Workspace(str(folder)).walk()) == ["main.py", "pack/a.py"]


def test_what_cannot_be_written_is_named_as_one_knows_it(folder):
    """Not by the file that would have been put in its place."""
    with pytest.raises(WorkspaceError) as refused:
        Workspace(str(folder)).write("main.py/x.py", "", expected="")
    assert str(refused.value).startswith("main.py/x.py: cannot be written: ")


def test_a_file_is_written_as_python_will_read_it(folder):
    """In the encoding that it declares now; a character that this does not have is named, and nothing is written."""
    space = Workspace(str(folder))
    path = folder / "main.py"
    path.write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
    document = space.read("main.py")
    assert document.text == "# coding: latin-1\nx = 'é'\n"

    with pytest.raises(WorkspaceError, match=r"has a character that \S+ cannot hold: '€'"):
        space.write("main.py", document.text + "'€'", expected=document.digest, form=document.form)
    assert path.read_bytes() == b"# coding: latin-1\nx = '\xe9'\n"
    text = document.text.replace("latin-1", "utf-8") + "y = '€'\n"
    digest = space.write("main.py", text, expected=document.digest, form=document.form)
    assert compile(path.read_bytes(), "main.py", "exec")
    assert path.read_text(encoding="utf-8") == text
    digest = space.write("main.py", "# coding: cp1252\n'€'\n", expected=digest)
    assert path.read_bytes() == b"# coding: cp1252\n'\x80'\n"
    space.write("main.py", "# coding: nonsense\n'€'\n", expected=digest)
    assert path.read_bytes() == "# coding: nonsense\n'€'\n".encode()
    path.write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    document = space.read("main.py")
    space.write("main.py", "# coding: latin-1\n'é'\n", expected=document.digest, form=document.form)
    assert path.read_bytes() == "\ufeff# coding: latin-1\r\n'é'\r\n".encode()


def test_limits_are_said_and_kept(folder, monkeypatch):
    """Of a file, of a list, of a tree; hidden folders and what is no file are not in it."""
    space = Workspace(str(folder))
    with pytest.raises(WorkspaceError, match="would be larger than 2 MB"):
        space.write("main.py", "é" * 1_500_000, expected=space.read("main.py").digest)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.py").write_text("")
    (folder / ".env").write_text("")
    os.mkfifo(folder / "pipe.py")
    (folder / "gone.py").symlink_to("nowhere")
    (folder / "out").symlink_to(folder.parent)
    assert sorted(space.walk()) == [".env", "main.py", "pack/a.py"]
    assert "pack/a.py" not in list(space.walk(most=1))
    monkeypatch.setattr(workspace, "MOST_ENTRIES", 2)
    assert len(space.list_folder()) == 2


def test_a_folder_is_made_and_what_took_a_place_stays(folder):
    """What was deleted is not put back over it; a folder that vanishes while it is looked through has nothing."""
    space = Workspace(str(folder))
    space.create("new/inner", is_folder=True)
    assert (folder / "new" / "inner").is_dir()
    kept = space.delete("main.py", str(folder.parent / "bin"))
    space.create("main.py")
    with pytest.raises(WorkspaceError, match="is there already"):
        space.restore(kept, "main.py")
    assert (folder / "main.py").read_text() == ""
    shutil.rmtree(folder)
    assert space.scan() == {}


def test_a_disk_that_refuses_leaves_the_file_and_nothing_else(folder, monkeypatch):
    """The new file beside it is gone."""
    space = Workspace(str(folder))
    digest = space.read("main.py").digest

    def refuse(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workspace.os, "fsync", refuse)
    with pytest.raises(WorkspaceError, match="cannot be written: No space left on device"):
        space.write("main.py", "x = 2\n", expected=digest)
    assert (folder / "main.py").read_text() == "x = 1\n"
    assert sorted(os.listdir(folder)) == ["main.py", "pack"]
