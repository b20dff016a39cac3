"""Bytecode files: their places, their headers, and what is in them."""

from __future__ import annotations

import gc
import importlib.util
import marshal
import py_compile
import sys
from importlib import _bootstrap_external as theirs  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core import bytecode
from outcome import outcome

NAMES = st.text("ab. é/", max_size=12)


class TestPlaces:
    """PEP 3147 and 488: where the bytecode of a source is, and the source of a bytecode file."""

    @pytest.mark.parametrize("prefix", [None, "/cache", "/cache/"])
    @given(path=NAMES, optimization=st.sampled_from([None, "", 0, 1, "2", "x!"]))
    def test_any_path_agrees_with_importlib(self, prefix: str | None, path: str, optimization: Any):
        """Every path, also an odd one, leads where importlib puts it."""
        # [PEP 3147 names] [PEP 488 names]
        before, sys.pycache_prefix = sys.pycache_prefix, prefix
        try:
            ours = outcome(lambda: bytecode.cache_from_source(path, optimization=optimization))
            expected = outcome(lambda: importlib.util.cache_from_source(path, optimization=optimization))
        finally:
            sys.pycache_prefix = before
        assert ours == expected

    @pytest.mark.parametrize("prefix", [None, "/cache"])
    @pytest.mark.parametrize(
        "path",
        [
            "/x/__pycache__/a.tag.pyc",
            "/x/__pycache__/a.tag.opt-1.pyc",
            "/x/__pycache__/a.tag.opt-!.pyc",
            "/x/__pycache__/a.tag.fast.pyc",
            "/x/__pycache__/a.pyc",
            "/x/__pycache__/a.b.c.d.pyc",
            "/x/a.tag.pyc",
            "/cache/x/a.tag.pyc",
            Path("/x/__pycache__/a.tag.pyc"),
        ],
    )
    def test_sources_agree_with_importlib(self, prefix: str | None, path: Any, monkeypatch: Any):
        """The way back is the same too, and refused in the same words."""
        # [PEP 3147 names]
        monkeypatch.setattr(sys, "pycache_prefix", prefix)

        assert outcome(bytecode.source_from_cache, path) == outcome(importlib.util.source_from_cache, path)

    def test_without_a_cache_tag_there_is_no_bytecode(self, monkeypatch: pytest.MonkeyPatch):
        """`sys.implementation.cache_tag` set to None turns bytecode files off."""
        # [PEP 3147 no tag]
        monkeypatch.setattr(sys.implementation, "cache_tag", None)

        for function in (bytecode.cache_from_source, bytecode.source_from_cache):
            assert outcome(function, "/x/a.py")[0] is NotImplementedError
        assert bytecode.find_cached("/x/a.py") is None

    @pytest.mark.parametrize("debug", [True, False, None])
    @pytest.mark.parametrize("optimization", [None, 1])
    def test_the_deprecated_parameter_still_works(self, debug: Any, optimization: Any):
        """`debug_override` warns and stands for an optimization level."""
        call = {"debug_override": debug, "optimization": optimization}

        assert outcome(lambda: bytecode.cache_from_source("/x/a.py", **call)) == outcome(
            lambda: importlib.util.cache_from_source("/x/a.py", **call)
        )

    @pytest.mark.parametrize("path", ["/x/a.py", "/x/a.pyc", "/x/a.so", "/x/a"])
    def test_the_cached_file_of_a_spec_is_importlibs(self, path: str):
        """A source has one, a bytecode file is its own, nothing else has any."""
        assert bytecode.find_cached(path) == theirs._get_cached(path)


HEADERS = st.builds(
    lambda magic, flags, rest: magic + flags + rest,
    st.sampled_from([bytecode.MAGIC_NUMBER, b"old\r", b"", b"\x00"]),
    st.sampled_from([bytes([flag, 0, 0, 0]) for flag in (0, 1, 2, 3, 4)]),
    st.binary(max_size=10),
)


class TestContents:
    """PEP 552: headers by time and size, or by hash."""

    @given(HEADERS)
    def test_any_header_is_judged_as_by_importlib(self, data: bytes):
        """Magic number, flags and length are checked in the same order and words."""
        # [PEP 552 header]
        details = {"name": "m", "path": "m.pyc"}

        ours = outcome(bytecode.read_flags, data, "m", details)

        assert ours == outcome(theirs._classify_pyc, data, "m", details)
        assert bytecode.explain_refusal(data) in ("magic", "unreadable", "stale")

    @given(
        st.binary(min_size=8, max_size=8), st.integers(0, 2**33), st.one_of(st.none(), st.integers(0, 2**33))
    )
    def test_time_and_size_are_compared_modulo_2_to_the_32(self, stamp: bytes, mtime: int, size: int | None):
        """A source of another time or size has made the file stale."""
        # [PEP 552 timestamp]
        for data in (
            b"x" * 8 + stamp,
            bytes(bytecode.dump_with_timestamp(compile("", "", "exec"), mtime, size or 0)),
        ):
            ours = outcome(bytecode.check_timestamp, data, mtime, size, "m", {})
            assert ours == outcome(theirs._validate_timestamp_pyc, data, mtime, size, "m", {})

    @pytest.mark.parametrize("policy", ["default", "always", "never"])
    def test_the_policy_says_which_hashes_are_checked(self, policy: str, monkeypatch: pytest.MonkeyPatch):
        """`--check-hash-based-pycs` overrides what the file says of itself."""
        # [PEP 552 policy]
        import _imp

        monkeypatch.setattr(_imp, "check_hash_based_pycs", policy)

        asked = [bytecode.must_check_source(flags) for flags in (0b01, 0b11)]

        assert asked == {"default": [False, True], "always": [True, True], "never": [False, False]}[policy]

    @pytest.mark.parametrize(
        ("mode", "checked"),
        [
            (py_compile.PycInvalidationMode.TIMESTAMP, None),
            (py_compile.PycInvalidationMode.CHECKED_HASH, True),
            (py_compile.PycInvalidationMode.UNCHECKED_HASH, False),
        ],
    )
    def test_files_are_those_of_py_compile_byte_for_byte(
        self, mode: Any, checked: bool | None, tmp_path: Path
    ):
        """What is written is what CPython writes."""
        # [PEP 552 contents]
        source = tmp_path / "m.py"
        source.write_text("x = 1\n")
        made = py_compile.compile(str(source), invalidation_mode=mode)
        assert made
        code = compile("x = 1\n", str(source), "exec", dont_inherit=True)

        if checked is None:
            ours = bytecode.dump_with_timestamp(code, int(source.stat().st_mtime), 6)
        else:
            ours = bytecode.dump_with_hash(code, bytecode.hash_source(b"x = 1\n"), checked)

        assert bytes(ours) == Path(made).read_bytes()

    def test_something_else_than_code_is_refused(self):
        """A file whose contents are no code object is an ImportError."""
        data = marshal.dumps([1])
        call = {"name": "m", "bytecode_path": "m.pyc"}

        ours = outcome(lambda: bytecode.load_code(data, **call))

        assert ours == outcome(lambda: theirs._compile_bytecode(data, **call))

    def test_a_wrong_hash_is_refused(self):
        """A source that has changed since has made the file stale."""
        data = bytes(bytecode.dump_with_hash(compile("", "", "exec"), b"12345678"))

        ours = outcome(bytecode.check_hash, data, b"87654321", "m", {})

        assert ours == outcome(theirs._validate_hash_pyc, data, b"87654321", "m", {})
        assert bytecode.check_hash(data, b"12345678", "m", {}) is None


@pytest.mark.parametrize("is_enabled", [True, False])
def test_reading_bytecode_leaves_the_collector_as_it_was(is_enabled: bool):
    """The garbage collector is on after bytecode was read if it was on before, also when reading fails."""
    data = marshal.dumps(compile("x = 1", "x.py", "exec"))
    before = gc.isenabled()
    (gc.enable if is_enabled else gc.disable)()
    try:
        bytecode.load_code(data)
        with pytest.raises((EOFError, ValueError, TypeError)):
            bytecode.load_code(data[:-5])
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if before else gc.disable)()
