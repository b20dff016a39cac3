"""What was read is kept where nobody else can put anything, and a store that is of no use costs time only."""

from __future__ import annotations

import os

import pytest

from entrepot.program import store
from entrepot.program.model import Program


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of the store, not made yet."""
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "program"


@pytest.fixture
def read(draw):
    """Return a function that reads a program of two modules, one time as any other."""
    root = draw({"a.py": "import b\n", "b.py": ""}, "tree")

    def again():
        program = Program.read(root)
        assert [(arrow.importer, arrow.imported) for arrow in program.list_arrows()] == [("a", "b")]
        return program.raw.was_kept

    return again


def test_the_store_is_for_its_owner_alone(kept, read):
    """Made so, and made so again where somebody has opened it to others."""
    assert not read()
    kept.chmod(0o777)

    assert read()
    assert kept.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}


def test_the_store_is_where_the_system_keeps_such_things(tmp_path, read, monkeypatch):
    """`$XDG_CACHE_HOME`, else `.cache` at home."""
    monkeypatch.delenv("ENTREPOT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    read()
    assert list((tmp_path / "xdg" / "entrepot" / "program").iterdir())

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert [read(), read()] == [False, True]
    assert (tmp_path / "home" / ".cache" / "entrepot" / "program").is_dir()


@pytest.mark.parametrize("what", ["a file", "a link", "somebody else's"])
def test_a_store_that_is_not_ours_is_not_used(kept, read, tmp_path, monkeypatch, what):
    """Nothing is read from it, and nothing is written into it."""
    kept.parent.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if what == "a file":
        kept.write_text("mine")
    elif what == "a link":
        kept.symlink_to(elsewhere)
    else:
        kept.mkdir()
        monkeypatch.setattr(store.os, "getuid", lambda: os.stat(kept).st_uid + 1)

    assert [read(), read()] == [False, False]
    assert list(elsewhere.iterdir()) == []
    assert kept.read_text() == "mine" if what == "a file" else list(kept.iterdir()) == []


def test_a_kept_file_that_is_not_ours_or_no_such_file_is_not_read(kept, read, monkeypatch):
    """Another program's, another user's: the program is read anew."""
    read()
    (graph,) = kept.glob("*.graph")
    graph.write_bytes(b"something else" * 20)
    assert [read(), read()] == [False, True]

    folder = os.stat(kept)
    real = os.fstat

    def fstat(descriptor):
        status = real(descriptor)
        is_kept = os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(kept))
        return os.stat_result([*status[:4], folder.st_uid + 1, *status[5:]]) if is_kept else status

    monkeypatch.setattr(store.os, "fstat", fstat)
    assert not read()


def test_what_was_written_longest_ago_goes_first(kept, read, draw, monkeypatch):
    """When the folder has grown too large."""
    read()
    first = sorted(kept.iterdir())
    for path in first:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    size = sum(path.stat().st_size for path in first)
    monkeypatch.setattr(store, "LARGEST_BYTES", size)
    Program.read(draw({"c.py": "import json\n"}, "other"))

    left = list(kept.iterdir())
    assert sum(path.stat().st_size for path in left) <= size
    assert not set(first) <= set(left)
    assert set(left) - set(first)
