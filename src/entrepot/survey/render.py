"""Draw a view as text, Mermaid, Graphviz dot, or JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from entrepot.program.conditions import WHENS
from entrepot.program.model import Program

if TYPE_CHECKING:
    from entrepot.survey.view import View


def _shorten(whens: set[str]) -> str:
    """The times of an edge, eager left out: it is the usual one."""
    rest = [when for when in WHENS if when in whens and when != "eager"]
    return ", ".join((["eager"] if "eager" in whens and rest else []) + rest)


def render_text(view: View) -> Iterator[str]:
    """Give one line for each box, and one below it for each box that it imports."""
    targets: dict[str, list[str]] = {}
    for importer, imported in view.edges:
        targets.setdefault(importer, []).append(imported)
    for name, (kind, count) in view.nodes.items():
        if kind == "external":
            continue
        note = f"  ({count} modules)" if count > 1 else "" if kind in ("source", "package") else f"  ({kind})"
        yield name + note
        for imported in sorted(targets.get(name, ())):
            edge = view.edges[name, imported]
            when = _shorten(edge.whens)
            place = f"{os.path.basename(edge.path)}:{edge.line}" if edge.count == 1 else f"{edge.count} times"
            parent = ", as a parent" if edge.is_ancestor else ""
            yield f"  -> {imported}  ({place}{', ' + when if when else ''}{parent})"
    outside = sum(kind == "external" for kind, _ in view.nodes.values())
    tail = f", {outside} outside" if outside else ""
    modules, arrows = len(view.nodes) - outside, len(view.edges)
    yield f"{modules} module{'s' * (modules != 1)}{tail}, {arrows} arrow{'s' * (arrows != 1)}"


def render_mermaid(view: View) -> Iterator[str]:
    """Give a Mermaid flowchart; arrows that are not eager are dotted and say when."""
    yield "flowchart LR"
    ids = {name: f"n{number}" for number, name in enumerate(view.nodes)}
    for name, (kind, _) in view.nodes.items():
        label = name.replace('"', "#quot;")
        yield f'  {ids[name]}(["{label}"])' if kind == "external" else f'  {ids[name]}["{label}"]'
    for (importer, imported), edge in sorted(view.edges.items()):
        when = _shorten(edge.whens)
        arrow = f"-. {when} .->" if when and "eager" not in edge.whens else "-->"
        yield f"  {ids[importer]} {arrow} {ids[imported]}"


def render_dot(view: View) -> Iterator[str]:
    """Give a Graphviz digraph."""
    yield "digraph modules {"
    yield "  rankdir=LR; node [shape=box, fontname=sans-serif];"
    for name, (kind, _) in view.nodes.items():
        style = " [style=dashed]" if kind == "external" else ""
        yield f"  {_quote(name)}{style};"
    for (importer, imported), edge in sorted(view.edges.items()):
        when = _shorten(edge.whens)
        style = f' [style=dashed, label="{when}"]' if when and "eager" not in edge.whens else ""
        yield f"  {_quote(importer)} -> {_quote(imported)}{style};"
    yield "}"


def _quote(name: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def render_json(view: View) -> Iterator[str]:
    """Give one JSON object with `modules` and `arrows`, an item a line."""
    yield '{"modules": ['
    rows = [
        json.dumps({"name": name, "kind": kind, "modules": count})
        for name, (kind, count) in view.nodes.items()
    ]
    yield ",\n".join(rows)
    yield '], "arrows": ['
    rows = [
        json.dumps(
            {
                "importer": importer,
                "imported": imported,
                "count": edge.count,
                "when": [when for when in WHENS if when in edge.whens],
                "path": edge.path,
                "line": edge.line,
                "ancestor": edge.is_ancestor,
            }
        )
        for (importer, imported), edge in sorted(view.edges.items())
    ]
    yield ",\n".join(rows)
    yield "]}"


def render_arrows_json(program: Program, *, with_ancestors: bool = True) -> Iterator[str]:
    """Give every arrow of the program with its statement, an item a line; fast for large programs."""
    yield '{"modules": ['
    files = program.raw.files
    rows = []
    for name in program.names:
        file = files.get(name)
        kind, path = (file.kind, file.path) if file else ("namespace", "")
        rows.append(json.dumps({"name": name, "kind": kind, "path": path}))
    yield ",\n".join(rows)
    yield '], "arrows": ['
    yield ",\n".join(_list_rows(program, with_ancestors))
    problems = [problem._asdict() for problem in program.problems]
    unfollowed = [problem._asdict() for problem in program.unfollowed]
    yield f'], "problems": {json.dumps(problems)}, "unfollowed": {json.dumps(unfollowed)}}}'


def _list_rows(program: Program, with_ancestors: bool) -> Iterator[str]:
    """Write each arrow by hand: a hundred thousand calls of json.dumps take seconds."""
    quoted = [json.dumps(name) for name in program.names]
    tails: dict[tuple[str, tuple[str, ...]], str] = {}
    for number, arrows in enumerate(program.raw.arrows):
        seen = {number}
        importer = f'{{"importer": {quoted[number]}, "imported": '
        for target, when, line, column, form, names, _ in arrows:
            tail = tails.get((form, names))
            if tail is None:
                tail = tails[form, names] = f'"form": "{form}", "names": {json.dumps(names)}, "ancestor": '
            place = f', "when": "{when}", "line": {line}, "column": {column}, '
            yield f"{importer}{quoted[target]}{place}{tail}false}}"
            if with_ancestors:
                for parent in program.list_parents(target):
                    if parent not in seen:
                        seen.add(parent)
                        bare = f'"form": "{form}", "names": [], "ancestor": true}}'
                        yield f"{importer}{quoted[parent]}{place}{bare}"
