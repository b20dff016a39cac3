"""A source file is read as Python reads it, and its positions lead both ways."""

from __future__ import annotations

import ast
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.program.source import SourceError, parse_source, read_source


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"x = 1\n", "utf-8"),
        (b"\xef\xbb\xbfx = 1\n", "utf-8"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "iso-8859-1"),
        (b"#!/bin/python\r\n# vim: set fileencoding=koi8-r :\r\nx = '\xd0'\r\n", "koi8-r"),
        (b"\n# coding=utf8\n", "utf-8"),
        (b"\f\r# coding: cp1252\rx = 1\r", "cp1252"),
        (b"x = 1\n# coding: latin-1\n", "utf-8"),
        (b"\xef\xbb\xbf# coding: utf-8\n", "utf-8"),
        (b"# coding: utf_8_sig\n", "utf-8"),
    ],
)
def test_encoding_is_the_one_python_finds(data, encoding):
    """The codec is decided from the first two lines, as PEP 263 says."""
    assert parse_source(data).encoding == encoding
    compile(data, "f", "exec")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"x = 1\ny = '\xe9'\n", 2),
        (b"#\n# coding: nonsense\n", 2),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1),
        (b"# coding: rot13\n", 1),
        (b"a\nb\nc\0\n", 3),
    ],
)
def test_what_python_cannot_decode_is_told_with_its_line(data, line):
    """A file that Python refuses for its bytes gives an error that names the line."""
    with pytest.raises(SourceError) as caught:
        parse_source(data, "a.py")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"a.py:{line}: ")
    with pytest.raises((SyntaxError, ValueError)):
        compile(data, "f", "exec")


def test_a_pipe_and_a_directory_are_refused_without_waiting(tmp_path):
    """What is not a regular file is refused at once."""
    os.mkfifo(tmp_path / "pipe.py")
    for path in (tmp_path / "pipe.py", tmp_path, tmp_path / "absent.py"):
        with pytest.raises(SourceError):
            read_source(path)


@given(st.text(alphabet="ab é\U0001f600\n\r\t\f\x0b\x85", max_size=40))
def test_positions_lead_back_to_the_same_offset(text):
    """Offset -> line and column -> offset is the identity, in characters and in UTF-8 bytes."""
    source = parse_source(text.encode())
    assert "".join(source.get_line(line + 1) for line in range(source.line_count)) == source.text
    for offset in range(len(text) + 1):
        assert source.offset(*source.position(offset)) == offset
        assert source.offset_of_utf8(*source.utf8_position(offset)) == offset


def test_positions_agree_with_ast():
    """The place that `ast` gives for a node is found in the text, after wide characters too."""
    source = parse_source("s = 'é\U0001f600'; name = 1\r\nö = 2; other = 3\r".encode())
    for node in ast.walk(ast.parse(source.data)):
        if isinstance(node, ast.Name):
            offset = source.offset_of_utf8(node.lineno, node.col_offset)
            assert source.text[offset : offset + len(node.id)] == node.id


def test_bytes_come_back(tmp_path):
    """Encoding the unchanged text gives the file's own bytes, mark and line ends included."""
    data = b"\xef\xbb\xbfx = 1\r\ny = '\xc3\xa9'\r\n"
    (tmp_path / "a.py").write_bytes(data)
    source = read_source(tmp_path / "a.py")
    assert source.encode(source.text) == data
    assert source.newline == "\r\n"
