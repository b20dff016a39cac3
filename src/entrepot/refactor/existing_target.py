"""The text of a module that exists and takes what moves: unchanged but for imports and the new block.

Its own uses of what comes to it become plain names. A name that means something else there is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from entrepot.errors import Refused
from entrepot.program.symbols import AT_IMPORT, LOAD, Occurrence
from entrepot.refactor.arrows import is_source_loud
from entrepot.refactor.cut import STAY, Cut, Target
from entrepot.refactor.decision import Decision, Imports
from entrepot.refactor.import_lines import (
    list_import_lines,
    list_other_keys,
    list_type_lines,
    needs_others_first,
    render_copied,
)
from entrepot.refactor.imports import (
    find_import_place,
    insert_imports,
    mark_as_meant,
    remove_aliases,
)
from entrepot.refactor.new_target import has_annotations, join_blocks
from entrepot.refactor.statements import is_main_guard, list_statements
from entrepot.refactor.text import Rewriter, SourceFile
from entrepot.refactor.uses import Attribute, FileUses, is_shadowed


def write_into(
    decision: Decision, target: Target, file: SourceFile, imports: Imports, blocks: list[tuple[int, bytes]]
) -> bytes:
    """Add what moves to an existing module: its text unchanged but for imports and the new block."""
    cut = decision.cut
    rewriter = Rewriter(file)
    own = _take_back_uses(decision, target, rewriter)
    bound = file.names.module.bindings - own
    have = _check_clashes(decision, target, file, imports, bound)
    _check_future(cut, target, file)
    repeated, typed = render_copied(decision, target, have=have)
    siblings = [
        line
        for b in list_other_keys(cut, target.key)
        for line in list_import_lines(decision, target.key, b, imports)
    ]
    typed += list_type_lines(decision, target.key, imports)
    both = [*siblings, *repeated] if needs_others_first(cut, target.key) else [*repeated, *siblings]
    lines = [line for line in both if line]
    if typed:
        if "TYPE_CHECKING" not in bound and not any("TYPE_CHECKING" in line for line in lines):
            lines.append("from typing import TYPE_CHECKING")
        lines += ["if TYPE_CHECKING:", *typed]
    insert_imports(rewriter, lines, find_import_place(file))
    text = join_blocks(blocks, cut.file.eol)
    if cut.file.eol != file.eol:
        text = text.replace(cut.file.eol, file.eol)
    eol = file.eol
    statements = list_statements(file)
    first_use = _find_first_use(cut, file, set(target.names))
    guard = next((s.index for s in statements if is_main_guard(s.node)), None)
    place = min((i for i in (first_use, guard) if i is not None), default=None)
    if place is not None:
        rewriter.insert(statements[place].start, text + eol * 2)
    elif not file.data.strip():
        rewriter.insert(len(file.data), eol * (2 if lines else 0) + text)
    else:
        ending = b"" if file.data.endswith((b"\n", b"\r")) else eol
        existing = len(file.data) - len(file.data.rstrip(b"\r\n"))
        extra = max(0, 2 - max(0, file.data[len(file.data) - existing :].count(b"\n") - 1)) if existing else 2
        rewriter.insert(len(file.data), ending + eol * extra + text)
    bottom = [b for b in imports.bottom if b not in imports.modules]
    if bottom:
        tail = "".join(
            f"{decision.spelling(target.key, b).statement}  # noqa: E402  (at the end: the two modules need each other)\n"
            for b in bottom
        )
        rewriter.insert(len(file.data), eol * 2 + tail.encode().replace(b"\n", eol))
    return file.encode(rewriter.result())


def _find_first_use(cut: Cut, file: SourceFile, names: set[str]) -> int | None:
    """Return the statement of a target that first needs what comes to it, or runs code of the source."""
    module = file.names.module
    found = {
        o.statement
        for name in names
        for o in file.names.called(name)
        if o.home is module and o.kind == LOAD and o.when == AT_IMPORT
    }
    for uses in cut.uses:
        if uses.file is file:
            found |= {a.occurrence.statement for a in uses.attributes if a.occurrence.when == AT_IMPORT}
            for taken in uses.from_imports:
                bound = file.names.called(taken.occurrence.name)
                found |= {
                    o.statement for o in bound if o.home is module and o.kind == LOAD and o.when == AT_IMPORT
                }
    return min(found, default=None)


def _take_back_uses(decision: Decision, target: Target, rewriter: Rewriter) -> set[str]:
    """Remove the target's imports of what is now its own; return these names."""
    cut = decision.cut
    own: set[str] = set()
    for uses in cut.uses:
        if uses.file is not target.file:
            continue
        gone: dict[int, tuple[ast.ImportFrom, list[ast.alias], list[ast.stmt]]] = {}
        for taken in uses.from_imports:
            if cut.owner.get(taken.alias.name) != target.key:
                continue
            if taken.alias.asname not in (None, taken.alias.name):
                raise Refused(
                    f"{taken.alias.name} is imported here as {taken.alias.asname}",
                    cut.project.show(target.path), taken.node.lineno, "import it under its own name first",
                )  # fmt: skip
            gone.setdefault(id(taken.node), (taken.node, [], taken.body))[1].append(taken.alias)
            own.add(taken.alias.name)
        for node, aliases, body in gone.values():
            remove_aliases(rewriter, node, aliases, body=body)
        back = [a for a in uses.attributes if cut.owner.get(a.name) == target.key]
        for attribute in back:
            _check_own_use(decision, target, attribute)
            rewriter.replace(attribute.occurrence.start, attribute.end, attribute.name)
        _follow_own_strings(decision, target, rewriter, uses)
        drop_unused_modules(decision, target, rewriter, uses, [a.occurrence for a in back])
    return own


def _check_own_use(decision: Decision, target: Target, attribute: Attribute) -> None:
    """Raise Refused where `source.name` cannot become `name` in the module that it moves to."""
    cut, file = decision.cut, target.file
    assert file is not None
    occurrence = attribute.occurrence
    if attribute.is_rebinding and occurrence.scope is not file.names.module:
        raise Refused(
            f"{attribute.name} is bound here through its module, and would become a local",
            cut.project.show(target.path), file.line_of(occurrence.start),
            f"let {cut.name} bind it in a function of its own first",
        )  # fmt: skip
    if is_shadowed(occurrence, attribute.name, file.names.module):
        raise Refused(
            f"{attribute.name} is a variable here", cut.project.show(target.path),
            file.line_of(occurrence.start), "rename the variable first",
        )  # fmt: skip


def _follow_own_strings(decision: Decision, target: Target, rewriter: Rewriter, uses: FileUses) -> None:
    """Rewrite dotted strings in the target that name what comes to it; refuse others."""
    cut = decision.cut
    for string in uses.strings:
        if cut.owner.get(string.name) != target.key:
            continue
        if string.module is None:
            rewriter.replace(string.start, string.end, target.key)
        elif not cut.reexport:
            raise Refused(
                f"{string.name} is asked for by a string in the module that it moves to",
                cut.project.show(target.path), string.line, "write the name itself first, or use --reexport",
            )  # fmt: skip


def drop_unused_modules(
    decision: Decision, target: Target, rewriter: Rewriter, uses: FileUses, gone: Sequence[Occurrence]
) -> None:
    """Remove the target's plain imports of the source when all their uses are gone."""
    cut, file = decision.cut, uses.file
    own = decision.of(target.key)
    stays = any(cut.owner.get(f.alias.name) != target.key for f in uses.from_imports)
    is_needed = (is_source_loud(cut) or target.key in decision.ordered) and not (
        stays or STAY in own.names or STAY in own.modules
    )
    for imported in uses.module_imports:
        name, home = imported.occurrence.name, imported.occurrence.home
        others = [o for o in file.names.called(name) if o.home is home and o is not imported.occurrence]
        if not others or not all(o in gone for o in others):
            continue
        if is_needed:
            mark_as_meant(rewriter, imported.node)
        else:
            remove_aliases(rewriter, imported.node, [imported.alias], body=imported.body)


def _check_clashes(
    decision: Decision, target: Target, file: SourceFile, imports: Imports, bound: set[str]
) -> set[str]:
    """Raise Refused where a name means something else in the target; return what it has already."""
    cut = decision.cut
    for statement in cut.statements:
        if cut.place[statement.index] != target.key:
            continue
        for name in sorted(statement.binds & bound):
            line = file.line_of(file.names.of_module(name)[0].start)
            raise Refused(
                f"{target.key} has a {name} already",
                cut.project.show(target.path),
                line,
                "rename one of them first",
            )
    have: set[str] = set()
    for index, names in cut.copied.get(target.key, {}).items():
        for name in sorted(names & bound):
            if _imports_the_same(decision, target, cut.statements[index].node, name, file):
                have.add(name)
            else:
                line = file.line_of(file.names.of_module(name)[0].start)
                raise Refused(
                    f"{name} means something else in {target.key} than where it comes from",
                    cut.project.show(target.path), line, "rename one of them first",
                )  # fmt: skip
    for b, needed in list(imports.names.items()):
        for name in sorted(set(needed) & bound):
            if any(f.alias.name == name for u in cut.uses if u.file is file for f in u.from_imports):
                imports.names[b] = [n for n in imports.names[b] if n != name]
                continue
            line = file.line_of(file.names.of_module(name)[0].start)
            raise Refused(
                f"{name} means something else in {target.key} than where it comes from",
                cut.project.show(target.path), line, "rename one of them first",
            )  # fmt: skip
    return have


def _imports_the_same(
    decision: Decision, target: Target, node: ast.stmt, name: str, file: SourceFile
) -> bool:
    project = decision.cut.project

    def meaning(path: str, node: ast.AST) -> set[str]:
        found = set()
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                found |= {
                    f"{a.name} as {a.asname}"
                    for a in inner.names
                    if (a.asname or a.name.split(".")[0]) == name
                }
            elif isinstance(inner, ast.ImportFrom):
                source = project.resolve_from(inner, path)
                found |= {f"{source}:{a.name}" for a in inner.names if (a.asname or a.name) == name}
        return found

    here = meaning(decision.cut.path, node)
    there: set[str] = set()
    for statement in list_statements(file):
        if name in statement.binds:
            found = meaning(target.path, statement.node)
            if not found:
                return False
            there |= found
    return here <= there


def _check_future(cut: Cut, target: Target, file: SourceFile) -> None:
    """Annotations are evaluated or not by the module they are in; both must agree where it can be seen."""
    if cut.file.names.has_future_annotations == file.names.has_future_annotations:
        return
    for statement in cut.statements:
        if cut.place[statement.index] == target.key and has_annotations(statement.node):
            if cut.file.names.has_future_annotations:
                raise cut.refuse(
                    f"its annotations are not evaluated here, and would be in {target.key}",
                    statement.node,
                    f"add `from __future__ import annotations` to {target.key} first",
                )
