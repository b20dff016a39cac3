"""`entrepot names`: what is in a namespace, and how a dotted name is found."""

from __future__ import annotations

import json

import pytest

from entrepot.trace.names import NoSuchName, list_names, look_up


def test_a_namespace_is_listed_by_kind_with_its_sources():
    """Own names have their line, names from elsewhere the module that defines them."""
    names = {item.name: item for item in list_names(json)}

    assert (names["dumps"].kind, names["dumps"].is_own) == ("function", True)
    assert names["dumps"].line > 0
    assert (names["JSONDecoder"].kind, names["JSONDecoder"].origin) == ("class", "json.decoder")
    assert names["codecs"].kind == "module"


def test_a_look_up_goes_through_cache_namespace_and_re_export():
    """Each step says what was asked of what; a re-exported name is followed to its definition."""
    steps = look_up("json.JSONDecoder.decode")

    assert [(step.name, step.kind) for step in steps] == [
        ("json", "module"),
        ("JSONDecoder", "class"),
        ("decode", "function"),
    ]
    assert steps[1].origin == "json.decoder"
    assert steps[1].file.endswith("decoder.py")


def test_a_name_that_is_not_there_brings_suggestions():
    """The error names where the look-up ended and what is near."""
    with pytest.raises(NoSuchName, match=r"json has no 'dump_s'") as caught:
        look_up("json.dump_s")
    assert "json.dumps" in caught.value.suggestions


def test_a_function_of_a_frozen_module_has_its_file_and_line():
    """`posixpath` is frozen into the interpreter, and its source lies in the library all the same."""
    step = look_up("posixpath.join")[-1]

    assert step.file.endswith("posixpath.py")
    assert step.line > 0
