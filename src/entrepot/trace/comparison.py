"""Two records of one program: what became slower, what appeared, what went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from entrepot.trace.records import Record


class Difference(NamedTuple):
    """What has changed between two runs. Times are own times of modules, in seconds.

    slower, faster: (name, before, after), the largest change first; appeared, went: (name, time).
    """

    total_before_s: float
    total_after_s: float
    slower: tuple[tuple[str, float, float], ...]
    faster: tuple[tuple[str, float, float], ...]
    appeared: tuple[tuple[str, float], ...]
    went: tuple[tuple[str, float], ...]


def compare(
    before: Record, after: Record, *, at_least_s: float = 0.002, at_least_share: float = 0.25
) -> Difference:
    """Return what has changed.

    A module counts as slower or faster when its own time differs by both `at_least_s` seconds
    and `at_least_share` of what it was: less than that is noise.
    """
    old = {module.name: module.own_wall_s for module in before.modules}
    new = {module.name: module.own_wall_s for module in after.modules}
    changed = [
        (name, old[name], new[name])
        for name in old.keys() & new.keys()
        if abs(new[name] - old[name]) >= max(at_least_s, at_least_share * old[name])
    ]
    changed.sort(key=lambda item: (-abs(item[2] - item[1]), item[0]))
    return Difference(
        total_before_s=sum(old.values()),
        total_after_s=sum(new.values()),
        slower=tuple(item for item in changed if item[2] > item[1]),
        faster=tuple(item for item in changed if item[2] < item[1]),
        appeared=tuple((name, new[name]) for name in new if name not in old),
        went=tuple((name, old[name]) for name in old if name not in new),
    )


def render_difference(difference: Difference, *, at_most: int = 20) -> str:
    """Return a difference as text."""
    return "\n".join(_lines(difference, at_most)) + "\n"


def _lines(difference: Difference, at_most: int) -> Iterator[str]:
    before_ms, after_ms = difference.total_before_s * 1e3, difference.total_after_s * 1e3
    yield f"imports took {before_ms:.1f} ms, now {after_ms:.1f} ms ({after_ms - before_ms:+.1f})"
    for title, items in (("slower", difference.slower), ("faster", difference.faster)):
        if items:
            yield f"{title}:"
            for name, old, new in items[:at_most]:
                yield f"  {old * 1e3:8.1f} -> {new * 1e3:8.1f} ms  {name}"
            yield from _rest(len(items), at_most)
    for title, found in (("appeared", difference.appeared), ("went", difference.went)):
        if found:
            yield f"{title}:"
            for name, seconds in sorted(found, key=lambda item: -item[1])[:at_most]:
                yield f"  {seconds * 1e3:8.1f} ms  {name}"
            yield from _rest(len(found), at_most)


def _rest(number: int, at_most: int) -> Iterator[str]:
    if number > at_most:
        yield f"  and {number - at_most} more"


def find_over_budget(record: Record, *, budget_s: float | None, max_modules: int | None) -> list[str]:
    """Return in what a run is over its budget: sentences, none if it is within."""
    found = []
    total_s = sum(module.own_wall_s for module in record.modules)
    if budget_s is not None and total_s > budget_s:
        slowest = sorted(record.modules, key=lambda module: -module.own_wall_s)[:3]
        names = ", ".join(f"{module.name} {module.own_wall_s * 1e3:.0f} ms" for module in slowest)
        found.append(
            f"imports took {total_s * 1e3:.0f} ms, the budget is {budget_s * 1e3:.0f} ms (slowest: {names})"
        )
    if max_modules is not None and len(record.modules) > max_modules:
        found.append(f"{len(record.modules)} modules were initialised, the budget is {max_modules}")
    return found
