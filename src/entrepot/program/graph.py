"""Questions on arrows alone: cycles, chains, what is reached.

Modules are numbers here, and a graph is a list of lists. At the size of programs (tens of
thousands of modules) plain lists answer sooner than loading a graph library takes.
Every walk keeps its own stack, so depth is no limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Adjacent = Sequence[Sequence[int]]


def invert(arrows: Adjacent) -> list[list[int]]:
    """Return the arrows turned round."""
    inverse: list[list[int]] = [[] for _ in arrows]
    for importer, targets in enumerate(arrows):
        for target in targets:
            inverse[target].append(importer)
    return inverse


def find_components(arrows: Adjacent) -> list[list[int]]:
    """Return the strongly connected components (Tarjan), each after those that it reaches."""
    count = len(arrows)
    index = [-1] * count
    low = [0] * count
    on_path = bytearray(count)
    path: list[int] = []
    components: list[list[int]] = []
    counter = 0
    for root in range(count):
        if index[root] >= 0:
            continue
        index[root] = low[root] = counter
        counter += 1
        path.append(root)
        on_path[root] = 1
        work = [(root, iter(arrows[root]))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if index[target] < 0:
                    index[target] = low[target] = counter
                    counter += 1
                    path.append(target)
                    on_path[target] = 1
                    work.append((target, iter(arrows[target])))
                    break
                if on_path[target] and index[target] < low[node]:
                    low[node] = index[target]
            else:
                work.pop()
                if work and low[node] < low[work[-1][0]]:
                    low[work[-1][0]] = low[node]
                if low[node] == index[node]:
                    at = _rindex(path, node)
                    component = path[at:]
                    del path[at:]
                    for member in component:
                        on_path[member] = 0
                    components.append(component)
    return components


def _rindex(path: list[int], node: int) -> int:
    at = len(path) - 1
    while path[at] != node:
        at -= 1
    return at


def find_cycles(arrows: Adjacent) -> list[list[int]]:
    """Return the components that hold a cycle, each sorted."""
    return [sorted(part) for part in find_components(arrows) if len(part) > 1 or part[0] in arrows[part[0]]]


def find_reached(arrows: Adjacent, starts: Iterable[int]) -> set[int]:
    """Return all that is reached from the starts, these included."""
    seen = set(starts)
    stack = list(seen)
    while stack:
        for target in arrows[stack.pop()]:
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen


def find_closure(arrows: Adjacent) -> list[int]:
    """Return for each module the set of those it reaches (itself included), as the bits of an int."""
    closure = [0] * len(arrows)
    for component in find_components(arrows):
        bits = 0
        for member in component:
            bits |= 1 << member
        inside = set(component)
        for member in component:
            for target in arrows[member]:
                if target not in inside:
                    bits |= closure[target]
        for member in component:
            closure[member] = bits
    return closure


def find_chains(arrows: Adjacent, start: int, end: int, limit: int | None = None) -> list[list[int]]:
    """Return all shortest chains from one module to another, in order of the numbers.

    At most `limit` of them; none where the end is not reached. From a module to itself: the
    shortest cycles through it.
    """
    distance = {start: 0}
    layer = [start]
    inverse: dict[int, list[int]] = {}
    steps = 0
    is_found = False
    while layer and not is_found:
        steps += 1
        following: list[int] = []
        for node in layer:
            for target in arrows[node]:
                if target == end:
                    is_found = True
                    inverse.setdefault(target, []).append(node)
                elif target not in distance:
                    distance[target] = steps
                    following.append(target)
                    inverse[target] = [node]
                elif distance[target] == steps:
                    inverse[target].append(node)
        layer = following
    if not is_found:
        return []
    chains: list[list[int]] = []
    stack = [[end]]
    while stack:
        chain = stack.pop()
        if len(chain) == steps + 1:
            chains.append(chain[::-1])
            if limit is not None and len(chains) >= limit:
                break
            continue
        stack += [[*chain, importer] for importer in sorted(set(inverse[chain[-1]]), reverse=True)]
    return sorted(chains)
