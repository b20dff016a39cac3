"""What the files say by themselves, and the import cycles between them (EP0, EP1, and what `local` found)."""

from __future__ import annotations

from collections.abc import Iterator

from entrepot.survey.cycles import find_import_cycles
from entrepot.survey.findings import Finding
from entrepot.survey.state import State


def check_files(state: State) -> Iterator[Finding]:
    """What could not be read, what cannot be followed, and what each file tells by itself."""
    for path, line, message in state.program.raw.problems:
        yield Finding(
            "EP002" if "imported" in message or "named" in message else "EP001", path, line, 1, message
        )
    for name, problems in state.program.raw.file_problems.items():
        if not any(row[0] == "EP001" for row in state.facts[name].findings):
            for line, column, message in problems:
                yield state.make("EP001", name, line, column, message)
    for name, places in state.program.raw.unfollowed.items():
        for line, column, message in places:
            yield state.make("EP003", name, line, column, f"cannot be followed: {message}")
    for name, facts in state.facts.items():
        for code, line, column, message, edits in facts.findings:
            if code == "EP601" and (
                state.paths[name].endswith("__main__.py") or name in ("__main__", "setup")
            ):
                continue
            yield state.make(code, name, line, column, message, (), edits)


def check_cycles(state: State) -> Iterator[Finding]:
    """Import cycles, told apart by whether they fail."""
    for cycle in find_import_cycles(state.program, lambda module: state.facts[module.name].early):
        chain = " -> ".join(cycle.path)
        related = [
            (state.paths[importer], line, f"{importer} imports {imported}")
            for importer, imported, line in zip(cycle.path, cycle.path[1:], cycle.lines, strict=False)
        ]
        more = (
            f" ({len(cycle.modules)} modules hang together)"
            if len(cycle.modules) > len(cycle.path) - 1
            else ""
        )
        sample = ", of those tried" if cycle.is_sampled else ""
        if cycle.kind == "harmless":
            where = f"import cycle, harmless{sample}: {chain}{more}"
            yield state.make("EP103", cycle.path[0], cycle.lines[0], 0, where, related)
            continue
        first = cycle.failures[0]
        related.append(
            (state.paths[first.module], first.line, f"takes {first.name} from {first.wanted} too early")
        )
        why = f"{first.module} takes {first.name} from {first.wanted} before it is bound"
        if cycle.kind == "fails":
            text = f"import cycle that fails: {chain}{more}; {why}"
            yield state.make("EP101", first.module, first.line, 0, text, related)
        else:
            names = [failure.first for failure in cycle.failures]
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            text = f"import cycle that fails when {shown} is imported first{sample}: {chain}{more}; {why}"
            yield state.make("EP102", first.module, first.line, 0, text, related)
