"""Bytes of a file and the text in an editor."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.studio.text import BadChanges, NotText, apply_changes, decode, encode


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x = 1\n",
        b"x = 1\r\ny = 2\r\n",
        b"x = 1\ry = 2\r",
        b"\xef\xbb\xbfx = 1\n",
        b"# coding: latin-1\nx = '\xe9'\n",
        "x = 'ключ 🔑'".encode(),
    ],
)
def test_a_file_that_was_not_edited_is_written_as_it_was(data):
    """BOM, encoding and line ends stay what they were."""
    text, form = decode(data, is_python=True)

    assert "\r" not in text
    assert encode(text, form) == data


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xfe", b"# coding: rot13\n\xff"])
def test_bytes_that_are_no_text_are_said_to_be_none(data):
    """What an editor could only damage is not shown in one."""
    with pytest.raises(NotText):
        decode(data, is_python=True)


def test_changes_count_as_an_editor_counts():
    """A character beyond the basic plane is two units in a browser."""
    assert apply_changes("a🔑b\n", [3, [1, "c", "d"], 1]) == "a🔑c\nd\n"


@pytest.mark.parametrize("changes", [[1], [9], [[9, ""]], ["x"], [[-1]], [[1, 2]], [True, 3], [None]])
def test_changes_to_another_text_are_refused(changes):
    """Whatever a page sends, a text is changed as it was meant or not at all."""
    with pytest.raises(BadChanges):
        apply_changes("abcd", changes)


@settings(deadline=None)
@given(st.text(alphabet="ab\n🔑é"), st.text(alphabet="xy\n🔑"), st.data())
def test_replacing_a_part_is_what_python_would_do(text, new, data):
    """For any text, place and replacement."""
    units = list(text)
    start = data.draw(st.integers(0, len(units)))
    end = data.draw(st.integers(start, len(units)))

    def size(part):
        return len("".join(part).encode("utf-16-le")) // 2

    changes = [size(units[:start]), [size(units[start:end]), *new.split("\n")], size(units[end:])]

    assert apply_changes(text, changes) == text[:start] + new + text[end:]
