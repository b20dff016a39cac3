"""Groups that grow by merging, with no cycle between them at any time."""

from __future__ import annotations

from collections.abc import Callable


class Merging:
    """Groups that grow by merging, with no cycle between them at any time."""

    def __init__(self, arrows: dict[int, set[int]], weight: dict[tuple[int, int], float]) -> None:
        self.arrows = {node: set(used) for node, used in arrows.items()}
        self.members = {node: {node} for node in arrows}
        self.weight: dict[int, dict[int, float]] = {node: {} for node in arrows}
        for (one, two), strength in weight.items():
            self.weight[one][two] = self.weight[two][one] = strength
        self.total = sum(weight.values()) or 1.0
        self.degree = {node: sum(near.values()) for node, near in self.weight.items()}
        self.top: int | None = None

    def merge(self, one: int, two: int) -> int:
        """Merge `two` into `one`; returns it."""
        self.members[one] |= self.members.pop(two)
        self.arrows[one] = (self.arrows[one] | self.arrows.pop(two)) - {one, two}
        for used in self.arrows.values():
            if two in used:
                used.discard(two)
                used.add(one)
        self.arrows[one].discard(one)
        self.degree[one] += self.degree.pop(two)
        for other, strength in self.weight.pop(two).items():
            self.weight[other].pop(two, None)
            if other != one:
                self.weight[one][other] = self.weight[other][one] = (
                    self.weight[one].get(other, 0.0) + strength
                )
        return one

    def reach(self, start: int) -> set[int]:
        seen: set[int] = set()
        stack = list(self.arrows[start])
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack.extend(self.arrows[node])
        return seen

    def is_used(self, node: int) -> bool:
        return any(node in used for other, used in self.arrows.items() if other != node)

    def merge_cycles(self) -> None:
        for node in list(self.members):
            if node in self.members:
                for other in [o for o in self.reach(node) if o != node]:
                    if other in self.members and node in self.members and node in self.reach(other):
                        self.merge(node, other)

    def merge_up(self, pinned: set[int]) -> None:
        """Everything that must stay, and all that uses it, is one group: the top."""
        staying = {node for node, members in self.members.items() if members & pinned}
        staying |= {node for node in self.members if self.reach(node) & staying}
        for node in sorted(staying):
            if self.top is None:
                self.top = node
            else:
                self.merge(self.top, node)

    def can_merge(self, one: int, two: int) -> bool:
        """Whether no third group stands between the two."""
        for start, end in ((one, two), (two, one)):
            for middle in self.arrows[start]:
                if middle not in (start, end) and end in self.reach(middle):
                    return False
        return True

    def merge_by_gain(self, is_small: Callable[[set[int], set[int]], bool]) -> None:
        banned: set[tuple[int, int]] = set()
        while True:
            found: list[tuple[float, int, int]] = []
            for one, near in self.weight.items():
                for two, strength in near.items():
                    if one < two and self.top not in (one, two) and (one, two) not in banned:
                        gain = strength / self.total - self.degree[one] * self.degree[two] / (
                            2 * self.total**2
                        )
                        if gain > 0:
                            found.append((gain, one, two))
            for _, one, two in sorted(found, reverse=True):
                if is_small(self.members[one], self.members[two]) and self.can_merge(one, two):
                    self.merge(one, two)
                    banned = {pair for pair in banned if one not in pair}
                    break
                banned.add((one, two))
            else:
                return

    def settle_small(self, is_large: Callable[[set[int]], bool]) -> None:
        """A small group that no other group uses stays; one that is used joins its strongest neighbour."""
        while True:
            small = [n for n in self.members if n != self.top and not is_large(self.members[n])]
            if not small:
                return
            loose = [
                n
                for n in small
                if not any(n in used for o, used in self.arrows.items() if o not in (n, self.top))
            ]
            if loose:
                if self.top is None:
                    self.top = loose[0]
                    continue
                self.merge(self.top, loose[0])
                continue
            node = small[0]
            others = [o for o in self.members if o not in (node, self.top) and self.can_merge(node, o)]
            # Some other group uses it, and of those the nearest has no third in between.
            near = [o for o in others if o in self.arrows[node] or node in self.arrows[o]] or others
            self.merge(max(near, key=lambda o: self.weight[node].get(o, 0.0)), node)
