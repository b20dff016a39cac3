"""The files of the folder: never outside of it, never overwritten unseen."""

import os

import pytest

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
