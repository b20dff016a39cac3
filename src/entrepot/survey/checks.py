"""All findings of a program: those of single files, and those that need the whole.

`find_all` is the list behind `entrepot check`, before suppressions. Each kind has a function
`_check_...`; what each code means is in `docs/check.md`.
"""

from __future__ import annotations

import builtins
import filecmp
import os
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from entrepot.program.bindings import Bindings
from entrepot.program.conditions import AT_IMPORT, AT_RUN, LAZY, NEVER, TYPING
from entrepot.program.graph import find_reached
from entrepot.program.model import Import, Program
from entrepot.program.resolve import get_absolute
from entrepot.survey.affected import is_test
from entrepot.survey.cycles import find_import_cycles
from entrepot.survey.facts import read_all_facts
from entrepot.survey.findings import Finding, Fix
from entrepot.survey.local import Facts, unpack_bindings

_STDLIB = frozenset(sys.stdlib_module_names)
# Imported for what they do.
_EFFECTS = frozenset({"this", "antigravity", "readline", "rlcompleter", "site", "__future__"})
_GIVEN = frozenset(
    {
        "__name__",
        "__file__",
        "__doc__",
        "__package__",
        "__path__",
        "__spec__",
        "__loader__",
        "__dict__",
        "__builtins__",
    }
)
# Run by a name that no import has.
_ENTRY_NAMES = frozenset(
    {"__main__", "conftest", "setup", "manage", "wsgi", "asgi", "main", "noxfile", "tasks", "conf"}
)


class Checker:
    """One check of one program."""

    def __init__(self, program: Program, *, is_kept: bool = True, processes: int = 2) -> None:
        self.program = program
        self.facts = read_all_facts(program, is_kept=is_kept, processes=processes)
        program.raw.find_known_bindings = self._find_bindings
        self.paths = {name: module.path for name, module in program.modules.items()}
        self.imports = {
            name: module.imports() for name, module in program.modules.items() if module.kind == "source"
        }
        self._names: dict[str, tuple[frozenset[str], bool]] = {}

    def _find_bindings(self, name: str) -> Bindings | None:
        facts = self.facts.get(name)
        return unpack_bindings(facts) if facts is not None else None

    def find_all(self) -> list[Finding]:
        """Return every finding, in order of place."""
        found = [
            *self._check_files(),
            *self._check_cycles(),
            *self._check_stars(),
            *self._check_shadows(),
            *self._check_resolution(),
            *self._check_names(),
            *self._check_uses(),
            *self._check_unused(),
            *self._check_private(),
            *self._check_init(),
            *self._check_reach(),
            *self._check_all(),
        ]
        return sorted(set(found), key=lambda finding: finding.sort_key)

    def make(
        self,
        code: str,
        module: str,
        line: int,
        column: int,
        message: str,
        related: Iterable[tuple[str, int, str]] = (),
        edits: object = None,
        group: str = "",
    ) -> Finding:
        """Return a finding in a module; columns come from 0."""
        fix = Fix(tuple((int(a), int(b), str(c)) for a, b, c in edits)) if isinstance(edits, list) else None
        return Finding(
            code, self.paths.get(module, ""), line, column + 1, message, module, tuple(related), fix, group
        )

    def _check_files(self) -> Iterator[Finding]:
        for path, line, message in self.program.raw.problems:
            yield Finding(
                "EP002" if "imported" in message or "named" in message else "EP001", path, line, 1, message
            )
        for name, problems in self.program.raw.file_problems.items():
            if not any(row[0] == "EP001" for row in self.facts[name].findings):
                for line, column, message in problems:
                    yield self.make("EP001", name, line, column, message)
        for name, places in self.program.raw.unfollowed.items():
            for line, column, message in places:
                yield self.make("EP003", name, line, column, f"cannot be followed: {message}")
        for name, facts in self.facts.items():
            for code, line, column, message, edits in facts.findings:
                if code == "EP601" and (
                    self.paths[name].endswith("__main__.py") or name in ("__main__", "setup")
                ):
                    continue
                yield self.make(code, name, line, column, message, (), edits)

    def _check_cycles(self) -> Iterator[Finding]:
        for cycle in find_import_cycles(self.program, lambda module: self.facts[module.name].early):
            chain = " -> ".join(cycle.path)
            related = [
                (self.paths[importer], line, f"{importer} imports {imported}")
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
                yield self.make("EP103", cycle.path[0], cycle.lines[0], 0, where, related)
                continue
            first = cycle.failures[0]
            related.append(
                (self.paths[first.module], first.line, f"takes {first.name} from {first.wanted} too early")
            )
            why = f"{first.module} takes {first.name} from {first.wanted} before it is bound"
            if cycle.kind == "fails":
                text = f"import cycle that fails: {chain}{more}; {why}"
                yield self.make("EP101", first.module, first.line, 0, text, related)
            else:
                names = [failure.first for failure in cycle.failures]
                shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
                text = f"import cycle that fails when {shown} is imported first{sample}: {chain}{more}; {why}"
                yield self.make("EP102", first.module, first.line, 0, text, related)

    def get_names(self, module: str) -> tuple[frozenset[str], bool]:
        """Return the names that a module has after its import, and whether they are all known."""
        if module in self._names:
            return self._names[module]
        self._names[module] = (frozenset(), False)  # while it is worked out: stars may go in circles
        facts = self.facts.get(module)
        if facts is None:
            return self._names[module]
        names = set(facts.names) | _GIVEN
        known = not facts.is_dynamic
        for level, source, _, _, _ in facts.stars:
            brought = self.list_star(self._absolute(module, level, source))
            names |= brought[0]
            known = known and brought[1]
        self._names[module] = (frozenset(names), known)
        return self._names[module]

    def _absolute(self, module: str, level: int, source: str) -> str:
        return get_absolute(module, self.program.raw.is_package(module), level, source) or ""

    def list_star(self, module: str) -> tuple[frozenset[str], bool]:
        """Return what a star import of a module brings, and whether that is all."""
        facts = self.facts.get(module)
        if facts is None:
            return frozenset(), False
        brought = self.program.list_star_names(module)
        if facts.all_names is not None:
            return brought or frozenset(facts.all_names), facts.all_known
        names, known = self.get_names(module)
        return frozenset(name for name in names if name[0] != "_"), known

    def _check_stars(self) -> Iterator[Finding]:
        for name, facts in self.facts.items():
            before: dict[str, tuple[str, int]] = {}
            for level, source, line, column, when in facts.stars:
                if when in (TYPING, NEVER):
                    continue
                target = self._absolute(name, level, source)
                brought, known = self.list_star(target)
                if not brought:
                    yield self.make(
                        "EP201", name, line, column, f"star import of {target}: what it brings is not known"
                    )
                    continue
                shown = sorted(brought)
                sample = ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
                tail = "" if known else ", perhaps more"
                count = f"{len(shown)} name{'s' if len(shown) != 1 else ''}"
                yield self.make(
                    "EP201", name, line, column, f"star import of {target} brings {count}: {sample}{tail}"
                )
                bindings = self.program.modules[name].bindings()
                for one in shown:
                    earlier = [
                        b for b in bindings.names.get(one, ()) if b.line < line and b.when in AT_IMPORT
                    ]
                    if earlier:
                        text = f"star import of {target} hides {one}, bound in line {earlier[-1].line}"
                        yield self.make("EP202", name, line, column, text)
                    if (
                        one in before
                        and before[one][0] != target
                        and not self._is_same(before[one][0], target, one)
                    ):
                        other, place = before[one]
                        text = f"star imports of {other} (line {place}) and {target} both bring {one}"
                        yield self.make("EP202", name, line, column, text)
                    elif one in _BUILTIN_NAMES and not earlier:
                        yield self.make(
                            "EP202", name, line, column, f"star import of {target} hides the builtin {one}"
                        )
                    before[one] = (target, line)

    def _is_same(self, first: str, second: str, name: str) -> bool:
        return self._find_origin(first, name) == self._find_origin(second, name)

    def _find_origin(self, module: str, name: str) -> tuple[str, str]:
        """Follow a name through re-exports to the module that defines it."""
        for _ in range(20):
            target = self.program.modules.get(module)
            bindings = target.bindings().names.get(name, []) if target and target.kind == "source" else []
            if not bindings and target and target.kind == "source":
                for level, source, *_ in target.bindings().stars:
                    inner = self._absolute(module, level, source)
                    if name in self.list_star(inner)[0]:
                        module = inner
                        break
                else:
                    return module, name
                continue
            if not bindings or bindings[-1].kind != "import" or not bindings[-1].fetched:
                return module, name
            last = bindings[-1]
            source = self._absolute(module, last.level, last.module)
            if f"{source}.{last.fetched}" in self.program.raw.ids and source == module:
                return f"{source}.{last.fetched}", ""
            module, name = source, last.fetched
        return module, name

    def _check_shadows(self) -> Iterator[Finding]:
        stdlib = self.program.search_path.stdlib
        for name, module in self.program.modules.items():
            if module.kind == "namespace" or name == "__main__" or _is_in(module.path, stdlib):
                continue
            path = module.path
            parent, _, leaf = name.rpartition(".")
            if parent:
                # Below a package it hides nothing; beside a script it does when that is run.
                if leaf not in _STDLIB or parent in self.program.raw.files:
                    continue
                beside = [n for n in self.imports if n.rpartition(".")[0] == parent and n != name]
                scripts = [n for n in beside if any(row.module == name for row in self.imports[n])]
                if scripts:
                    text = f"{os.path.basename(path)} hides the standard library's {leaf} from {scripts[0]}"
                    yield self.make("EP301", name, 1, 0, text)
                continue
            if name in _STDLIB:
                others = [
                    n
                    for n, rows in self.imports.items()
                    if any(r.module.partition(".")[0] == name for r in rows)
                ]
                who = f"; imported by {others[0]}" if others else ""
                yield self.make(
                    "EP301", name, 1, 0, f"{os.path.basename(path)} hides the standard library's {name}{who}"
                )
            else:
                places = [
                    place
                    for place in self.program.search_path.site
                    if place not in self.program.search_path.own
                ]
                other = self._find_in(places, name)
                if other and not _is_same_project(path, other):
                    yield self.make(
                        "EP303", name, 1, 0, f"{os.path.basename(path)} hides the installed {name} ({other})"
                    )

    def _find_in(self, folders: list[str], name: str) -> str:
        for folder in folders:
            for candidate in (os.path.join(folder, name, "__init__.py"), os.path.join(folder, f"{name}.py")):
                if os.path.isfile(candidate):
                    return candidate
        return ""

    def _check_resolution(self) -> Iterator[Finding]:
        absent: dict[str, bool] = {}
        for name, rows in self.imports.items():
            guarded = self.facts[name].guarded
            for row in rows:
                if row.when == NEVER or row.line in guarded:
                    continue
                if row.kind == "beyond":
                    text = f"{row.module or '.' * row.level} leads beyond the top level package of {name}"
                    yield self.make("EP402", name, row.line, row.column, text)
                elif row.kind == "missing":
                    yield self.make("EP401", name, row.line, row.column, self._describe_missing(row))
                elif row.kind == "outside" and row.when in AT_RUN:
                    top = row.module.partition(".")[0]
                    if top not in absent:
                        absent[top] = top not in _STDLIB and self.program.find_outside(top) is None
                    if absent[top]:
                        text = f"{top} is not on the search path: not installed, or misspelt"
                        yield self.make("EP401", name, row.line, row.column, text, group=top)

    def _describe_missing(self, row: Import) -> str:
        have = row.module
        while have and have not in self.program.raw.ids:
            have = have.rpartition(".")[0]
        part = row.module[len(have) + 1 :].partition(".")[0]
        return f"{row.module} does not exist; {have} does, without {part}"

    def _check_names(self) -> Iterator[Finding]:
        for name, rows in self.imports.items():
            guarded = self.facts[name].guarded
            for row in rows:
                if (
                    row.kind != "own"
                    or row.form != "from"
                    or row.when in (NEVER, TYPING)
                    or row.line in guarded
                ):
                    continue
                target = self.program.modules[row.module]
                if target.kind != "source" or row.is_unsure or target.name == name:
                    continue
                names, known = self.get_names(row.module)
                for one in row.names:
                    if not known or one in names or f"{row.module}.{one}" in self.program.raw.ids:
                        continue
                    if row.module.rpartition(".")[2] == one:
                        continue  # the target is the submodule itself
                    yield self.make("EP404", name, row.line, row.column, f"{row.module} has no name {one}")

    def _check_uses(self) -> Iterator[Finding]:
        """`import a` and then `a.b`, where nothing that runs before has imported a.b."""
        ids = self.program.raw.ids
        graph = self.program.get_graph(AT_IMPORT | {LAZY}, with_ancestors=True)
        for name, facts in self.facts.items():
            rows = [row for row in self.imports[name] if row.form == "import" and row.kind == "own"]
            roots = {row.module.partition(".")[0] for row in rows}
            if not roots:
                continue
            reached: set[int] | None = None
            for dotted, line, column in facts.uses:
                parts = dotted.split(".")
                if parts[0] not in roots:
                    continue
                for end in range(2, len(parts) + 1):
                    submodule = ".".join(parts[:end])
                    if submodule not in ids:
                        break
                    parent_names = self.get_names(".".join(parts[: end - 1]))
                    if parts[end - 1] in parent_names[0] or not parent_names[1]:
                        continue
                    if reached is None:
                        reached = find_reached(graph, [ids[name]])
                    if ids[submodule] not in reached:
                        text = f"{submodule} is used, but nothing that runs before imports it"
                        yield self.make("EP403", name, line, column, text)
                        break

    def _check_unused(self) -> Iterator[Finding]:
        taken: dict[str, set[str]] = {}
        for rows in self.imports.values():
            for row in rows:
                taken.setdefault(row.module, set()).update(row.names)
        for facts in self.facts.values():
            for dotted, _, _ in facts.uses:
                module, _, leaf = dotted.rpartition(".")
                taken.setdefault(module, set()).add(leaf)
        by_leaf: dict[str, set[str]] = {}
        nothing: set[str] = set()
        for module, names in taken.items():
            by_leaf.setdefault(module.rpartition(".")[2], set()).update(names)
        for name, facts in self.facts.items():
            if not facts.candidates:
                continue
            here = taken.get(name, nothing)
            alike = by_leaf.get(name.rpartition(".")[2], nothing)
            for bound, line, column, edits, where, level, module, fetched, is_partial in facts.candidates:
                if not where and (bound in here or bound in alike or "*" in here):
                    continue
                what = f"{module}.{fetched}".strip(".") if fetched else module
                top = module.partition(".")[0]
                # Where the import itself may do something, leaving it out would change the run.
                is_safe = level == 0 and top in _STDLIB - _EFFECTS and top not in self.program.raw.ids
                if fetched and is_partial:
                    source = self._absolute(name, level, module)
                    is_submodule = f"{source}.{fetched}" in self.program.raw.ids
                    known = self.facts.get(source)
                    is_safe |= not is_submodule and known is not None and fetched in known.names
                text = f"{bound} is imported and not used" + (f" ({what})" if what != bound else "")
                yield self.make("EP501", name, line, column, text, (), edits if is_safe else None)

    def _check_private(self) -> Iterator[Finding]:
        for name, rows in self.imports.items():
            for row in rows:
                if row.kind != "own" or row.form not in ("from", "import"):
                    continue
                top = name.partition(".")[0]
                base = row.module.split(".")
                private = [part for part in base if part[0] == "_" and not part.startswith("__")]
                private += [one for one in row.names if one[0] == "_" and not one.startswith("__")]
                if private and not is_test(self.paths[name]):
                    home = ".".join(base[: base.index(private[0])]) if private[0] in base else row.module
                    home = home if self.program.raw.is_package(home) else home.rpartition(".")[0]
                    if not (name == home or name.startswith(home + ".")) and (top or home):
                        text = f"{private[0]} is private to {home or row.module}"
                        yield self.make("EP503", name, row.line, row.column, text)

    def _check_init(self) -> Iterator[Finding]:
        graph = self.program.get_graph(AT_IMPORT)
        for name, module in self.program.modules.items():
            if not module.is_package or module.kind != "source":
                continue
            # Names are sorted; "/" follows "." there.
            names = self.program.names
            inside = names[bisect_left(names, name + ".") : bisect_left(names, name + "/")]
            if len(inside) < 5:
                continue
            numbers = {self.program.raw.ids[n] for n in inside}
            own = self.program.raw.ids[name]
            if not numbers.intersection(graph[own]):
                continue
            reached = len(numbers & find_reached(graph, [own]))
            if reached * 2 > len(inside):
                text = f"importing {name} imports {reached} of the {len(inside)} modules in it"
                yield self.make("EP602", name, 1, 0, text)

    def _check_reach(self) -> Iterator[Finding]:
        imported = {target for arrows in self.program.get_graph(with_ancestors=True) for target in arrows}
        for number, name in enumerate(self.program.names):
            module = self.program.modules[name]
            leaf = name.rpartition(".")[2]
            if module.kind == "namespace":
                yield from self._check_namespace(name)
            elif (
                number not in imported
                and leaf not in _ENTRY_NAMES
                and not is_test(module.path)
                and module.path
            ):
                facts = self.facts.get(name)
                if facts and any(row[3].startswith("runs as") for row in facts.findings):
                    continue
                if not _has_main(module.path) and not (module.is_package and "." not in name):
                    yield self.make("EP701", name, 1, 0, f"nothing in the program imports {name}")

    def _check_namespace(self, name: str) -> Iterator[Finding]:
        parent = name.rpartition(".")[0]
        file = self.program.raw.files.get(parent)
        if file is None or not file.is_package:
            return
        inside = [
            n for n in self.program.names if n.rpartition(".")[0] == name and n in self.program.raw.files
        ]
        if inside:
            folder = self.program.raw.namespaces[name][0]
            text = f"{name} has modules and no __init__.py, inside the regular package {parent}"
            yield Finding("EP704", os.path.join(folder, ""), 1, 1, text, name)

    def _check_all(self) -> Iterator[Finding]:
        starred: dict[str, tuple[str, int]] = {}
        for name, rows in self.imports.items():
            for row in rows:
                if row.form == "star" and row.kind == "own" and row.names == ("*",):
                    starred.setdefault(row.module, (name, row.line))
        for name, facts in self.facts.items():
            if facts.all_names is None:
                if name in starred:
                    by, line = starred[name]
                    text = f"{name} has no __all__, and {by} (line {line}) imports all of it"
                    yield self.make("EP702", name, 1, 0, text)
                continue
            names, known = self.get_names(name)
            doubles = {one for one in facts.all_names if facts.all_names.count(one) > 1}
            for one in sorted(doubles):
                yield self.make("EP703", name, facts.all_line, 0, f"__all__ names {one} twice")
            for one in dict.fromkeys(facts.all_names):
                if known and one not in names and f"{name}.{one}" not in self.program.raw.ids:
                    yield self.make(
                        "EP703", name, facts.all_line, 0, f"__all__ names {one}, which {name} does not have"
                    )


_BUILTIN_NAMES = frozenset(name for name in dir(builtins) if name[0] != "_")


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(folder + os.sep) for folder in folders) and "site-packages" not in path


def _is_same_project(path: str, other: str) -> bool:
    """Is an installed module the one at `path`, or a copy of it that was installed from there?"""
    if os.path.realpath(other) == os.path.realpath(path):
        return True
    if os.path.basename(path) != "__init__.py" or os.path.basename(other) != "__init__.py":
        return os.path.basename(path) == os.path.basename(other) and filecmp.cmp(path, other, shallow=False)
    here, there = (set(os.listdir(os.path.dirname(one))) - {"__pycache__"} for one in (path, other))
    return 2 * len(here & there) > max(len(here), len(there))


def _has_main(path: str) -> bool:
    """Is a file also a script?"""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return False
    return data.startswith(b"#!") or b"__main__" in data


def find_all(
    program: Program, *, is_kept: bool = True, processes: int = 2
) -> tuple[list[Finding], dict[str, Facts]]:
    """Return every finding of a program, and the facts of its files (for suppressions)."""
    checker = Checker(program, is_kept=is_kept, processes=processes)
    return checker.find_all(), checker.facts
