"""Drafts, conflicts, and what a restart finds."""

import pytest

from entrepot.studio.documents import Documents
from entrepot.studio.state import Draft, State
from entrepot.studio.text import BadChanges
from entrepot.studio.workspace import ChangedError, Workspace, WorkspaceError


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that opens the folder as a new start of the studio does."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root = tmp_path / "root"
    root.mkdir()
    (root / "main.py").write_text("x = 1\n")

    def start():
        return Documents(Workspace(str(root)), State(str(root))), root

    return start


def test_a_draft_outlives_the_server(make):
    """What was typed is there after a restart, and is nowhere in the folder."""
    documents, root = make()
    documents.change("main.py", 0, [4, [1, "2"], 1])

    again, _ = make()

    assert again.open["main.py"].text == "x = 2\n"
    assert again.open["main.py"].is_draft
    assert not again.open["main.py"].is_conflict
    assert [p.name for p in root.iterdir()] == ["main.py"]
    assert (root / "main.py").read_text() == "x = 1\n"
    again.save("main.py")
    assert (root / "main.py").read_text() == "x = 2\n"
    assert make()[0].open == {}


def test_a_file_without_a_draft_follows_the_disk(make):
    """Another editor's save is shown."""
    documents, root = make()
    documents.get("main.py")
    (root / "main.py").write_text("x = 5\n")

    assert documents.look("main.py")
    assert documents.open["main.py"].text == "x = 5\n"


def test_a_draft_is_in_conflict_with_somebody_elses_save_until_chosen(make):
    """Neither text is lost before somebody says which one stays."""
    documents, root = make()
    documents.set_text("main.py", "mine\n")
    (root / "main.py").write_text("theirs\n")
    documents.look("main.py")

    assert documents.open["main.py"].is_conflict
    with pytest.raises(ChangedError):
        documents.save("main.py")
    assert documents.save_all() == []
    assert (root / "main.py").read_text() == "theirs\n"
    assert make()[0].open["main.py"].is_conflict
    documents.keep_mine("main.py")
    documents.save("main.py")
    assert (root / "main.py").read_text() == "mine\n"


def test_their_text_can_be_taken(make):
    """The draft is gone then."""
    documents, root = make()
    documents.set_text("main.py", "mine\n")
    (root / "main.py").write_text("theirs\n")
    documents.look("main.py")
    documents.take_theirs("main.py")

    assert documents.open["main.py"].text == "theirs\n"
    assert make()[0].open == {}


def test_a_draft_of_a_file_that_is_gone_stays(make):
    """Saving makes the file again, once somebody said so."""
    documents, root = make()
    documents.set_text("main.py", "mine\n")
    (root / "main.py").unlink()
    documents.look("main.py")

    assert documents.open["main.py"].is_conflict
    documents.keep_mine("main.py")
    documents.save("main.py")
    assert (root / "main.py").read_text() == "mine\n"


def test_typing_back_is_no_draft(make):
    """A text that is what is on disk needs no saving."""
    documents, _ = make()
    documents.set_text("main.py", "x = 2\n")
    documents.set_text("main.py", "x = 1\n")

    assert not documents.open["main.py"].is_draft
    assert make()[0].open == {}


def test_changes_to_another_revision_are_refused(make):
    """Two pages that type at once do not garble the text."""
    documents, _ = make()
    documents.change("main.py", 0, [6, [0, "y"]])

    with pytest.raises(BadChanges):
        documents.change("main.py", 0, [6, [0, "z"]])
    assert documents.open["main.py"].text == "x = 1\ny"


def test_a_damaged_state_is_begun_anew(make, tmp_path):
    """It holds conveniences; the drafts that can be read are read."""
    documents, _ = make()
    documents.set_text("main.py", "mine\n")
    documents.state.save()
    folder = tmp_path / "state" / "entrepot" / "studio"
    (session,) = folder.glob("*/session.json")
    session.write_text('{"tabs": [1, {}], "port": "x", "sizes": 3')
    (next(folder.glob("*/drafts")) / "bad.json").write_text("{")

    again, _ = make()

    assert again.state.session.tabs == []
    assert again.open["main.py"].text == "mine\n"
    assert session.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_typed_just_before_the_file_changed_is_a_draft_in_conflict(make):
    """It arrives late, made to the text that was there; nothing of it is lost, and nothing is overwritten."""
    documents, root = make()
    (root / "a.py").write_text("x = 1\n")
    document = documents.get("a.py")
    (root / "a.py").write_text("theirs = 2\n")
    documents.look("a.py")
    assert document.text == "theirs = 2\n"
    documents.change("a.py", 0, [6, [0, "y = 2", ""]])
    documents.change("a.py", 1, [12, [0, "z = 3", ""]])
    assert document.text == "x = 1\ny = 2\nz = 3\n"
    assert document.is_conflict
    assert (root / "a.py").read_text() == "theirs = 2\n"
    with pytest.raises(BadChanges):
        documents.change("a.py", 1, [11, [0, "again"]])


def test_what_somebody_else_saved_just_so_is_no_conflict(make):
    """The text is what was typed here."""
    documents, root = make()
    documents.set_text("main.py", "x = 7\n")
    (root / "main.py").write_text("x = 7\n")

    assert documents.look("main.py")
    assert not documents.look("main.py")
    assert not documents.open["main.py"].is_draft
    assert make()[0].open == {}


def test_drafts_follow_a_folder_that_is_renamed(make):
    """Under their new names they are found again; what is open without one follows too."""
    documents, root = make()
    (root / "pack").mkdir()
    for name in ("pack/a.py", "pack/b.py", "package.py"):
        (root / name).write_text("")
    documents.set_text("pack/a.py", "typed = 1\n")
    documents.get("pack/b.py")
    documents.set_text("package.py", "stays = 1\n")
    (root / "pack").rename(root / "box")
    documents.rename("pack", "box")

    assert set(documents.open) == {"box/a.py", "box/b.py", "package.py"}
    assert make()[0].drafts() == {"box/a.py": "typed = 1\n", "package.py": "stays = 1\n"}


def test_a_draft_of_a_file_that_is_gone_or_leads_out_now_hurts_nothing(make):
    """The first is there, in conflict; the second is not shown."""
    documents, root = make()
    (root / "gone.py").write_text("")
    (root / "pack").mkdir()
    documents.set_text("gone.py", "mine = 1\n")
    documents.state.write_draft("pack/out.py", Draft("theirs = 1\n", ""))
    (root / "gone.py").unlink()
    (root / "pack").rmdir()
    (root / "pack").symlink_to(root.parent)

    again, _ = make()
    assert set(again.open) == {"gone.py"}
    assert again.open["gone.py"].is_conflict
    again.keep_mine("gone.py")
    again.save("gone.py")
    assert again.save("gone.py").is_draft is False  # nothing to be done
    assert (root / "gone.py").read_text() == "mine = 1\n"
    assert not (root.parent / "out.py").exists()


def test_a_text_that_is_too_large_is_not_taken(make):
    """What was there stays."""
    documents, _ = make()
    with pytest.raises(WorkspaceError, match="would be larger than 2 MB"):
        documents.set_text("main.py", "x" * 2_000_001)
    assert documents.open["main.py"].text == "x = 1\n"
