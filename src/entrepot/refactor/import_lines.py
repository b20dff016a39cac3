"""The import lines by which one module of a cut takes another, and the file's own imports, repeated."""

from __future__ import annotations

import ast

from entrepot.refactor.cut import STAY, Cut, Target
from entrepot.refactor.decision import Decision, Imports
from entrepot.refactor.imports import alias_text, make_relative, render_from
from entrepot.refactor.statements import Statement, is_type_checking

NOQA = "  # noqa: F401"


def list_import_lines(decision: Decision, a: str, b: str, imports: Imports) -> list[str]:
    """Return the import lines by which module `a` takes module `b`."""
    spelling = decision.spelling(a, b)
    eol = decision.cut.file.eol.decode()
    lines = []
    if b in imports.modules or (a == STAY and b in decision.in_place and b not in imports.names):
        lines.append(spelling.statement)
    names = list(imports.names.get(b, []))
    extra = [n for n in decision.reexports.get(b, []) if n not in names] if a == STAY else []
    if names or extra:
        target = decision.cut.targets.get(b)
        order = {name: number for number, name in enumerate(target.names)} if target else {}
        everything = sorted([*names, *extra], key=lambda n: (order.get(n, len(order)), n))
        line = render_from(spelling.source, everything, eol=eol)
        if any(n not in decision.cut.exported for n in extra):
            head, sep, tail = line.partition(eol)
            line = head + NOQA + sep + tail
        lines.append(line)
    if (
        a == STAY
        and b in decision.in_place
        and not names
        and spelling.statement in lines
        and b not in imports.modules
    ):
        lines = [line + NOQA if line == spelling.statement else line for line in lines]
    return lines


def list_type_lines(decision: Decision, key: str, imports: Imports) -> list[str]:
    indent = decision.cut.file.indent
    covered = imports.names
    found = []
    for b, names in imports.types.items():
        left = [name for name in names if name not in covered.get(b, ())]
        if left:
            source = decision.spelling(key, b).source
            found.append(
                indent + render_from(source, left, indent=indent, eol=decision.cut.file.eol.decode())
            )
    return found


def list_other_keys(cut: Cut, key: str) -> list[str]:
    return [k for k in (STAY, *cut.targets) if k != key]


def needs_others_first(cut: Cut, key: str) -> bool:
    """Whether a block of imports that is repeated for a target reads a name of another module of the cut."""
    blocks = cut.copied.get(key, {})
    return any(c.a == key and c.occurrence.statement in blocks for c in cut.crossings)


def render_copied(decision: Decision, target: Target, have: set[str]) -> tuple[list[str], list[str]]:
    """Return the lines of repeated imports, and those that go under `if TYPE_CHECKING:`."""
    cut = decision.cut
    plain: list[str] = []
    typed: list[str] = []
    last: Statement | None = None
    eol = cut.file.eol.decode()
    for index, names in sorted(cut.copied.get(target.key, {}).items()):
        statement = cut.statements[index]
        node = statement.node
        wanted = names - have
        if not wanted:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines = _copy_import_lines(decision, target, node, wanted, "")
            text = cut.file.data
            gap = last is not None and b"\n\n" in text[last.end - 1 : statement.start].replace(b"\r\n", b"\n")
            plain += ["", *lines] if gap and plain else lines
            last = statement
        elif is_type_checking(node):
            indent = cut.file.indent
            for inner in node.body:  # type: ignore[attr-defined]
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    typed += [indent + x for x in _copy_import_lines(decision, target, inner, wanted, indent)]
        else:
            _check_relative(cut, target, node)
            text = cut.file.data[statement.start : statement.end]
            plain += text.decode().rstrip("\r\n").replace(eol, "\n").split("\n")
            last = statement
    return plain, typed


def _copy_import_lines(
    decision: Decision, target: Target, node: ast.Import | ast.ImportFrom, wanted: set[str], indent: str
) -> list[str]:
    cut = decision.cut
    aliases = [a for a in node.names if (a.asname or a.name.split(".")[0]) in wanted]
    eol = cut.file.eol.decode()
    if node.names[0].name == "*":
        aliases = [ast.alias(name) for name in sorted(wanted)]  # what is needed of a star, by name
    if not aliases:
        return []
    here, there = cut.project.package_of(cut.path), decision.package(target.key)
    is_whole = len(aliases) == len(node.names) and node.names[0].name != "*"
    if is_whole and not indent and (here == there or not getattr(node, "level", 0)):
        start, end = cut.file.lines.start_of(node), cut.file.lines.end_of(node)
        rest = cut.file.data[end : cut.file.line_end(end - 1)]
        if rest.strip().startswith(b"#"):
            end += len(rest.rstrip(b"\r\n"))
        return cut.file.data[start:end].decode().split(eol)
    if isinstance(node, ast.Import):
        return [f"import {', '.join(alias_text(a) for a in aliases)}"]
    source = "." * node.level + (node.module or "")
    if node.level and here != there:
        absolute = cut.project.resolve_from(node, cut.path)
        if absolute is None:
            raise cut.refuse("a relative import that leads nowhere", node)
        source = make_relative(there, absolute) if there else absolute
    return render_from(source, [alias_text(a) for a in aliases], indent=indent, eol=eol).split(eol)


def _check_relative(cut: Cut, target: Target, node: ast.AST) -> None:
    package = cut.project.package_of(target.path)
    if package != cut.project.package_of(cut.path):
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom) and inner.level:
                raise cut.refuse(
                    "a relative import in a block that would have to be repeated elsewhere", inner
                )
