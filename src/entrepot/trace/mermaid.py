"""A record as Mermaid diagrams: the picture that tutorials draw, and the graph of imports."""

from __future__ import annotations

import re

from entrepot.trace.records import Module, Namespace, Record
from entrepot.trace.story import is_own_file


def draw_namespaces(record: Record, *, own_only: bool = True, at_most: int = 8) -> str:
    """Return the picture of interpreter, module cache, modules, and what is in them.

    `at_most` names of each kind are shown for a module; "own" leaves out installed modules' contents.
    """
    lines = [
        "flowchart LR",
        "  interpreter([Python interpreter]) --> cache",
        "  subgraph cache [module cache: sys.modules]",
    ]
    shown: list[tuple[str, Module | Namespace]] = [("__main__", record.main)] if record.main else []
    shown += [(module.name, module) for module in record.modules if not module.error]
    lines += [f"    {_id(name)}[{_label(name)}]" for name, _ in shown]
    lines.append("  end")
    for name, module in shown:
        if own_only and isinstance(module, Module) and not is_own_file(module.origin):
            continue
        for kind, names in (
            ("function", module.functions),
            ("class", module.classes),
            ("variable", module.variables),
            ("from elsewhere", module.imported),
        ):
            if names:
                text = "<br/>".join(names[:at_most]) + ("<br/>…" if len(names) > at_most else "")
                node = f"{_id(name)}__{kind.replace(' ', '_')}"
                lines.append(f"  {_id(name)} -- {_plural(kind, len(names))} --> {node}[{_label(text)}]")
    return "\n".join(lines) + "\n"


def draw_graph(record: Record) -> str:
    """Return the graph of imports: an arrow from each importer to what it named."""
    initialised: dict[str, Module] = {module.name: module for module in record.modules}
    arrows: dict[tuple[str, str], bool] = {}
    for statement in record.statements:
        for name in statement.modules or (statement.absolute,):
            if name in initialised and statement.importer != name:
                arrows.setdefault((statement.importer, name), statement.is_cached)
    lines = ["flowchart TD"]
    ends = dict.fromkeys(end for arrow in arrows for end in arrow)
    lines += [f"  {_id(name)}[{_label(name)}]" for name in ends]
    for (importer, imported), is_cached in arrows.items():
        lines.append(f"  {_id(importer)} {'-.->' if is_cached else '-->'} {_id(imported)}")
    return "\n".join(lines) + "\n"


def _id(name: str) -> str:
    return "m_" + re.sub(r"\W", "_", name)


def _label(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'


def _plural(kind: str, number: int) -> str:
    if number == 1 or kind == "from elsewhere":
        return kind
    return kind + ("es" if kind.endswith("s") else "s")
