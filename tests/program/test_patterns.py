"""The patterns mean the same on every Python, early releases of 3.11 too."""

from __future__ import annotations

import importlib
import pkgutil
import re
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]

import pytest

import entrepot.program
from entrepot.program.skips import get_skip, get_skip_in_function, get_skip_to_handler

_ONE_CHARACTER = (ops.LITERAL, ops.NOT_LITERAL, ops.IN, ops.ANY)


def list_patterns() -> list[re.Pattern]:
    found = [get_skip_to_handler()]
    for careful in (False, True):
        found.append(get_skip_in_function(4, careful=careful))
        found += [get_skip(has_blocks=has_blocks, careful=careful) for has_blocks in (False, True)]
    for one in pkgutil.iter_modules(entrepot.program.__path__):
        module = importlib.import_module(f"entrepot.program.{one.name}")
        found += [value for value in vars(module).values() if isinstance(value, re.Pattern)]
    return found


def list_possessive_groups(parsed: object) -> list[object]:
    """Return what is repeated by `(...)*+` and the like in a parsed pattern, wherever it stands."""
    found: list[object] = []
    stack = [parsed]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple) and part and part[0] is ops.POSSESSIVE_REPEAT:
            group = part[1][2]
            if len(group) != 1 or group[0][0] not in _ONE_CHARACTER:
                found.append(group)
        if isinstance(part, (tuple, list, _parser.SubPattern)):
            stack += list(part)
    return found


def gives_back(group: object) -> bool:
    """Is the last alternative of a group the empty one that never matches?"""
    while len(group) == 1 and group[0][0] is ops.SUBPATTERN:
        group = group[0][1][-1]
    if len(group) != 1 or group[0][0] is not ops.BRANCH:
        return False
    last = group[0][1][1][-1]
    return len(last) == 1 and (
        last[0][0] is ops.FAILURE or (last[0][0] is ops.ASSERT_NOT and not last[0][1][1])
    )


def test_possessive_groups_end_where_their_last_match_did():
    """Before 3.11.5 a group that fails at last moves on all the same, unless `(?!)` is tried last."""
    count = 0
    for pattern in list_patterns():
        text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
        groups = list_possessive_groups(_parser.parse(text, pattern.flags & re.VERBOSE))
        assert [str(group)[:200] for group in groups if not gives_back(group)] == []
        count += len(groups)
    assert count > 100


@pytest.mark.parametrize("text", [r"(?:a(?!b))*+c", r"(?:a|b(?<=x))++", r"(?:a+b)?+a"])
def test_a_group_without_it_is_seen(text):
    """What the test above asks can fail."""
    assert not all(gives_back(group) for group in list_possessive_groups(_parser.parse(text)))
