"""A record as a tree of modules with their times, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from entrepot.trace.records import Module, Record

_BAR = "▏▎▍▌▋▊▉█"


def render_tree(
    record: Record,
    *,
    width: int = 100,
    by_time: bool = False,
    shows_cached: bool = False,
    at_least_s: float = 0.0,
) -> str:
    """Return the tree: each module below the one whose top level imported it.

    Args:
        width: columns of the terminal; names are cut to fit.
        by_time: slowest first, instead of in the order of their beginning.
        shows_cached: also the imports that the module cache answered.
        at_least_s: leave out modules that took less, with all that they imported, in seconds.
    """
    total_s = sum(module.wall_s for module in record.modules if not module.parent) or 1e-9
    cached: dict[str, int] = {}
    for statement in record.statements:
        if statement.is_cached and statement.is_import_time:
            cached[statement.importer] = cached.get(statement.importer, 0) + 1
    done: dict[str, set[str]] = {}
    for effect in record.effects:
        if effect.is_import_time and effect.kind not in ("environment", "listed"):
            done.setdefault(effect.module, set()).add(effect.kind)
    lines = [_head(record, total_s), " total ms   own ms"]
    left_out = 0
    for module, indent in _walk(record, by_time):
        if module.wall_s < at_least_s:
            left_out += 1
            continue
        notes = list(_notes(module))
        if module.name in done:
            notes.append(f"[{', '.join(sorted(done[module.name]))}]")
        if shows_cached and cached.get(module.name):
            notes.append(f"+{cached[module.name]} from the cache")
        bar = _bar(module.wall_s / total_s, 8)
        left = f"{module.wall_s * 1e3:9.1f} {module.own_wall_s * 1e3:8.1f} {bar} "
        text = "  " * indent + module.name + ("  " + " ".join(notes) if notes else "")
        lines.append(left + _cut(text, max(20, width - len(left))))
    if left_out:
        lines.append(f"({left_out} modules under {at_least_s * 1e3:g} ms left out)")
    if not shows_cached and cached:
        lines.append(f"({sum(cached.values())} imports were answered from the cache: --cached shows where)")
    return "\n".join(_cut(line, max(40, width)) for line in lines) + "\n"


def _head(record: Record, total_s: float) -> str:
    asked = " ".join(record.command)
    head = f"{asked}: {len(record.modules)} modules initialised in {total_s * 1e3:.1f} ms"
    if record.status:
        head += f", exit status {record.status}"
    return head


def _walk(record: Record, by_time: bool) -> Iterator[tuple[Module, int]]:
    children: dict[int, list[int]] = {}
    for index, parent in enumerate(record.find_parents()):
        children.setdefault(parent, []).append(index)
    if by_time:
        for group in children.values():
            group.sort(key=lambda index: -record.modules[index].wall_s)
    stack = [(index, 0) for index in reversed(children.get(-1, []))]
    while stack:
        index, indent = stack.pop()
        yield record.modules[index], indent
        stack += [(child, indent + 1) for child in reversed(children.get(index, []))]


def _notes(module: Module) -> Iterator[str]:
    if module.error:
        yield f"FAILED ({module.error})"
    if module.bytecode == "compiled":
        yield f"(compiled: bytecode {module.reason})"


def _bar(share: float, cells: int) -> str:
    eighths = round(min(1.0, share) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BAR[rest - 1] if rest else "")).ljust(cells)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
