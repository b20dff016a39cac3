"""Entries and statements lined up: which assignment agrees best, where both stand in order.

Pure: numbers in, places out.
"""

from __future__ import annotations

from entrepot.live.statements import Unit

MISSING = 10  # lost by a statement that surely adds an entry and gets none
SURPLUS = 8  # lost by each further entry of a statement that adds one


class Candidate:
    """A statement that may have filled one container: how well it fits each entry, how many entries it surely adds, and
    whether it may add as many as it likes."""

    __slots__ = ("fits", "is_open", "surely", "unit")

    def __init__(self, unit: Unit, fits: list[int], surely: int, *, is_open: bool) -> None:
        self.unit = unit
        self.fits = fits
        self.surely = surely
        self.is_open = is_open


def align(candidates: list[Candidate], count: int) -> list[int | None]:
    """Give each entry a candidate, in order, such that the whole is worth most."""
    missing = [MISSING * c.surely for c in candidates]
    skipped = [0]
    for cost in missing:
        skipped.append(skipped[-1] + cost)
    width = len(candidates)
    # worth[j]: the best for the entries so far when the last of them belongs to candidate j
    worth = [c.fits[0] - skipped[j] for j, c in enumerate(candidates)]
    back: list[list[int]] = []
    for i in range(1, count):
        now, came = [], []
        best, best_from = -(10**9), 0
        for j in range(width):
            stay = worth[j] - (0 if candidates[j].is_open or candidates[j].surely > 1 else SURPLUS)
            jump = best - skipped[j]
            # On a tie a statement that adds one entry hands over to the next.
            if j and jump > stay:
                now.append(jump + candidates[j].fits[i])
                came.append(best_from)
            else:
                now.append(stay + candidates[j].fits[i])
                came.append(j)
            if worth[j] + skipped[j + 1] > best:
                best, best_from = worth[j] + skipped[j + 1], j
        worth = now
        back.append(came)
    last = max(range(width), key=lambda j: worth[j] - (skipped[width] - skipped[j + 1]))
    chosen: list[int | None] = [last]
    for came in reversed(back):
        last = came[last]
        chosen.append(last)
    return chosen[::-1]


def choose_best(candidates: list[Candidate], count: int) -> list[int | None]:
    """Give each entry the candidate that fits best, taking turns where several do."""
    given = [0] * len(candidates)
    chosen: list[int | None] = []
    for i in range(count):
        best = max(
            range(len(candidates)),
            key=lambda j: (
                candidates[j].fits[i] - (SURPLUS if given[j] and given[j] >= candidates[j].surely > 0 else 0),
                -given[j],
            ),
        )
        given[best] += 1
        chosen.append(best)
    return chosen


def worth_of(candidates: list[Candidate], chosen: list[int | None]) -> int:
    total = 0
    for j, candidate in enumerate(candidates):
        mine = [i for i, c in enumerate(chosen) if c == j]
        total += sum(candidate.fits[i] for i in mine)
        if not mine:
            total -= MISSING * candidate.surely
        elif not candidate.is_open:
            total -= SURPLUS * max(0, len(mine) - candidate.surely)
    return total
