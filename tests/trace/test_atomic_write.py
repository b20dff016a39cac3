"""A file is written whole or not at all, and what is no file stays what it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from entrepot.trace.atomic_write import write_bytes, write_text


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path):
    """The text is all there, and the folder holds the one file."""
    target = tmp_path / "page.html"
    target.write_text("before")

    write_text(target, "after ü")

    assert target.read_text(encoding="utf-8") == "after ü"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_link_stays_a_link(tmp_path: Path):
    """The file that a link leads to is replaced, not the link."""
    (tmp_path / "real.html").write_text("before")
    (tmp_path / "link.html").symlink_to("real.html")

    write_text(tmp_path / "link.html", "after")

    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text() == "after"


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path):
    """A named pipe (as a device would) stays, and gets the text."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)

    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path):
    """Nothing is made up: the error is the system's."""
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "none" / "page.html", "text")


def test_a_file_keeps_its_permissions_and_a_new_one_has_those_of_any(tmp_path: Path):
    """Of what is asked for, the umask takes its part; a file that was there stays as secret as it was."""
    (tmp_path / "secret").write_text("before")
    os.chmod(tmp_path / "secret", 0o600)
    (tmp_path / "plain").touch()

    write_bytes(tmp_path / "secret", b"\xff")
    write_bytes(tmp_path / "new", b"")
    write_bytes(tmp_path / "tool", b"", mode=0o777)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    usual = modes["plain"]
    assert modes == {"secret": 0o600, "plain": usual, "new": usual, "tool": 0o777 & (usual | 0o111)}
    assert (tmp_path / "secret").read_bytes() == b"\xff"
