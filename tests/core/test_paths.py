"""Paths without `os`: the few functions that an import system needs."""

from __future__ import annotations

import os
from importlib import _bootstrap_external as theirs  # type: ignore[attr-defined]
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core import paths

PATHS = st.text("a./", max_size=8)


@given(st.lists(PATHS, max_size=4))
def test_paths_join_as_importlib_joins_them(parts: list[str]):
    """Also empty parts and double separators."""
    assert paths.join(*parts) == theirs._path_join(*parts)


@given(PATHS)
def test_paths_split_and_become_absolute_as_importlib_makes_them(path: str):
    """Also paths that nobody would write."""
    assert paths.split(path) == theirs._path_split(path)
    assert paths.is_absolute(path) == theirs._path_isabs(path)
    if hasattr(theirs, "_path_abspath"):
        assert paths.make_absolute(path) == theirs._path_abspath(path)
    elif not path.startswith("/"):
        assert paths.make_absolute(path) == theirs._path_join(os.getcwd(), path)


def test_files_and_directories_are_told_apart(tmp_path: Path):
    """What is not there is neither."""
    (tmp_path / "f").write_text("")

    assert (paths.is_file(str(tmp_path / "f")), paths.is_directory(str(tmp_path / "f"))) == (True, False)
    assert (paths.is_file(str(tmp_path)), paths.is_directory(str(tmp_path))) == (False, True)
    assert not paths.is_file(str(tmp_path / "none"))
    assert paths.is_directory("")


class TestWriting:
    """Bytecode appears whole or not at all."""

    def test_a_file_is_replaced_and_nothing_is_left_beside_it(self, tmp_path: Path):
        """The new contents take the place of the old ones."""
        target = tmp_path / "deep" / "er" / "f"

        paths.make_parents(str(target))
        paths.write_atomically(str(target), b"old")
        paths.write_atomically(str(target), b"new", 0o600)

        assert target.read_bytes() == b"new"
        assert [entry.name for entry in target.parent.iterdir()] == ["f"]
        assert target.stat().st_mode & 0o777 == 0o600

    def test_a_write_that_fails_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """A full disk takes nothing away."""
        target = tmp_path / "f"
        target.write_bytes(b"old")

        class FullDisk:
            def __getattr__(self, name: str) -> object:
                return getattr(os, name)

            def write(self, descriptor: int, data: bytes) -> int:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(paths, "posix", FullDisk())
        with pytest.raises(OSError, match="No space"):
            paths.write_atomically(str(target), b"new")

        assert target.read_bytes() == b"old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["f"]

    def test_a_disk_that_takes_a_part_is_asked_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """A short write is continued, not taken for the whole."""
        target = tmp_path / "f"

        class SlowDisk:
            def __getattr__(self, name: str) -> object:
                return getattr(os, name)

            def write(self, descriptor: int, data: bytes) -> int:
                return os.write(descriptor, bytes(data[:2]))

        monkeypatch.setattr(paths, "posix", SlowDisk())
        paths.write_atomically(str(target), b"12345")

        assert target.read_bytes() == b"12345"

    def test_a_folder_that_cannot_be_made_is_an_error(self, tmp_path: Path):
        """A file stands where a folder is needed."""
        (tmp_path / "f").write_text("")

        with pytest.raises(OSError, match="f"):
            paths.make_parents(str(tmp_path / "f" / "g" / "h"))
