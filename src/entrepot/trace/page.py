"""A record as one page of HTML: waterfall, icicle, graph, and all that is known of a module.

Self-contained: style, script and data are in the file, and nothing is fetched. The script draws on
a canvas only what can be seen, so that thousands of modules stay quick.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from entrepot.trace.records import Record

_STATIC = Path(__file__).resolve().parent / "static"
# One script: the first has what the others use, the last begins.
_SCRIPTS = (
    "page.js",
    "page_times.js",
    "page_graph.js",
    "page_table.js",
    "page_module.js",
    "page_controls.js",
)


def render_page(record: Record) -> str:
    """Return the page."""
    title = f"{' '.join(record.command)}: {len(record.modules)} modules"
    style = (_STATIC / "page.css").read_text(encoding="utf-8")
    script = "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    body = (_STATIC / "page.html").read_text(encoding="utf-8")
    # "<" cannot end the script element or begin a comment in it.
    data = json.dumps(make_data(record), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        body.replace("{{title}}", escape(title))
        .replace("{{style}}", style)
        .replace("{{script}}", script)
        .replace("{{data}}", data)
    )


def make_data(record: Record) -> dict[str, object]:
    """Return what the page's script works on: modules as lists in the order of `fields`, and arrows."""
    index = {module.name: number for number, module in enumerate(record.modules)}
    arrows: dict[tuple[int, int], int] = {}
    for statement in record.statements:
        if statement.importer not in index and statement.importer != "__main__":
            continue  # a module that was there before the program
        importer = index.get(statement.importer, -1)
        for name in statement.modules or (statement.absolute,):
            imported = index.get(name)
            if imported is not None and imported != importer:
                arrows.setdefault((importer, imported), statement.line)
    effects: dict[int, list[list[object]]] = {}
    for effect in record.effects:
        if effect.module not in index or not effect.is_import_time:
            continue
        entry: list[object] = [effect.kind, effect.what[:200], effect.file, effect.line]
        group = effects.setdefault(index[effect.module], [])
        if len(group) < 60 and entry not in group:
            group.append(entry)
    statements = {statement.number: statement for statement in record.statements}
    modules = []
    parents = record.find_parents()
    for number, module in enumerate(record.modules):
        asked = statements.get(module.statement)
        modules.append(
            {
                "name": module.name,
                "parent": parents[number],
                "depth": module.depth,
                "at": round(module.at_s * 1e3, 3),
                "wall": round(module.wall_s * 1e3, 3),
                "own": round(module.own_wall_s * 1e3, 3),
                "cpu": round(module.own_cpu_s * 1e3, 3),
                "memory": module.memory_bytes,
                "origin": module.origin,
                "loader": module.loader,
                "bytecode": module.bytecode + (f" ({module.reason})" if module.reason else ""),
                "searched": list(dict.fromkeys(module.searched))[:20],
                "functions": module.functions[:200],
                "classes": module.classes[:200],
                "variables": module.variables[:200],
                "imported": module.imported[:200],
                "error": module.error,
                "by": [asked.importer, asked.file, asked.line, asked.function] if asked else None,
                "effects": effects.get(number, []),
            }
        )
    return {
        "command": " ".join(record.command),
        "python": record.python,
        "status": record.status,
        "preloaded": len(record.preloaded),
        "modules": modules,
        "arrows": [[importer, imported, line] for (importer, imported), line in arrows.items()],
    }
