"""What one file tells by itself: findings that need no other file, and facts for those that do.

`read_facts` parses a file once and gives plain tuples, which the store keeps, so that after an edit
only the files that changed are parsed again.
"""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from entrepot.program.bindings import Binding, Bindings, read_bindings
from entrepot.program.conditions import AT_IMPORT, EAGER, LAZY, NEVER, TYPING, Target
from entrepot.program.newer import parse_tree
from entrepot.program.nodes import list_children, read_chain
from entrepot.program.source import Source
from entrepot.program.work import find_work
from entrepot.survey.mentions import Mentions, read_mentions

LOCAL_VERSION = 5
_BUILTINS = frozenset(name for name in dir(builtins) if name[0] != "_")
_COMMENT = re.compile(
    r"#\s*(?:(?P<all>(?:ruff|flake8):\s*)?noqa(?P<codes>:\s*[A-Z0-9, ]+)?"
    r"|entrepot:\s*ignore(?:\[(?P<ours>[^\]]*)\])?(?P<reason>.*))",
    re.I,
)
# What ruff calls it -> what we call it: a line excused there is excused here.
_NOQA = {
    "F401": ("EP501",), "F811": ("EP203", "EP502"), "F403": ("EP201", "EP202"), "F405": ("EP202",),
    "A001": ("EP302",), "A004": ("EP302",), "A005": ("EP301",), "T201": ("EP601",), "F822": ("EP703",),
    "PLC2701": ("EP503",), "INP001": ("EP704",),
}  # fmt: skip


@dataclass
class Facts:
    """What a file tells; plain values only.

    findings: (code, line, column, message, edits). candidates: imports that the file itself does
    not use (name, line, column, edits, where). names: bound at top level. uses: (dotted, line, column)
    of attributes of imported modules. excused: see `_read_comments`.
    """

    findings: list[Any] = field(default_factory=list)
    candidates: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    is_dynamic: bool = False
    all_names: list[str] | None = None
    all_line: int = 0
    all_known: bool = True
    uses: list[Any] = field(default_factory=list)
    excused: dict[int, Any] = field(default_factory=dict)
    stars: list[Any] = field(default_factory=list)
    line_count: int = 0
    # Lines of imports whose failure is caught, at whatever time they run.
    guarded: list[int] = field(default_factory=list)
    # The bindings as plain tuples (see `unpack_bindings`), and attributes used at import time:
    # (root, [parts], line, is guarded).
    raw_names: dict[str, Any] = field(default_factory=dict)
    all_from: list[Any] = field(default_factory=list)
    early: list[Any] = field(default_factory=list)


def read_facts(source: Source, target: Target, is_init: bool) -> Facts:
    """Read one file. Raises SyntaxError."""
    tree = parse_tree(source.text).tree
    bindings = read_bindings(tree, target, has_globals="global " in source.text)
    facts = Facts(line_count=source.line_count)
    facts.excused = _read_comments(source)
    facts.names = sorted(name for name in bindings.names if bindings.binds(name) or bindings.names[name])
    facts.is_dynamic = bindings.is_dynamic
    facts.all_names, facts.all_line = bindings.all_names, bindings.all_line
    facts.all_known = bindings.is_all_known and not bindings.all_from
    facts.stars = [list(star) for star in bindings.stars]
    mentions = read_mentions(tree)
    imports, facts.guarded = _list_imports(tree)
    _find_unused(source, imports, mentions, bindings, facts, is_init)
    _find_twice(source, imports, mentions, bindings, facts)
    _find_builtins(bindings, facts)
    facts.findings += [
        ["EP601", work.line, work.column, work.message, None] for work in find_work(tree, bindings, target)
    ]
    _find_uses(mentions, bindings, facts)
    facts.raw_names = {
        name: [tuple(binding) for binding in several] for name, several in bindings.names.items()
    }
    facts.all_from = list(bindings.all_from)
    facts.early = list_early_uses(tree, bindings)
    return facts


def unpack_bindings(facts: Facts) -> Bindings:
    """Make the bindings again that `read_facts` packed."""
    bindings = Bindings()
    bindings.names = {name: [Binding(*row) for row in rows] for name, rows in facts.raw_names.items()}
    bindings.stars = [(star[0], star[1], star[2], star[3], star[4]) for star in facts.stars]
    bindings.all_names = facts.all_names
    bindings.all_line = facts.all_line
    bindings.all_from = [(level, module) for level, module in facts.all_from]
    bindings.is_all_known = facts.all_known or bool(facts.all_from)
    bindings.is_dynamic = facts.is_dynamic
    return bindings


def list_early_uses(tree: ast.Module, bindings: Bindings) -> list[Any]:
    """Return the attributes of imported things that are used while the module is imported."""
    roots = {
        name
        for name, several in bindings.names.items()
        if several[-1].kind == "import" and several[-1].when in AT_IMPORT
    }
    found: list[Any] = []
    if not roots:
        return found
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in reversed(tree.body)]
    while stack:
        node, is_guarded = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            later: list[ast.AST] = [*node.decorator_list, *node.args.defaults]
            later += [default for default in node.args.kw_defaults if default is not None]
            stack += [(part, is_guarded) for part in later]
            continue
        if isinstance(node, (ast.Lambda, ast.AnnAssign)):
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                stack.append((node.value, is_guarded))
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            stack += [(part, is_guarded) for part in node.orelse]
            continue
        if isinstance(node, ast.Try) and node.handlers:
            stack += [(part, True) for part in node.body]
            stack += [(part, is_guarded) for part in (*node.handlers, *node.orelse, *node.finalbody)]
            continue
        if isinstance(node, ast.Attribute):
            value, parts = read_chain(node)
            if isinstance(value, ast.Name) and value.id in roots:
                found.append((value.id, parts, node.lineno, is_guarded))
                continue
        stack += [(child, is_guarded) for child in list_children(node)]
    return found


def _read_comments(source: Source) -> dict[int, Any]:
    """Return the suppressions: line (0: the whole file) -> (codes, reason, is ours), no codes for all."""
    found: dict[int, Any] = {}
    for match in _COMMENT.finditer(source.text):
        # After the name of a tool it holds for the file, which is line 0.
        line = 0 if match["all"] else source.position(match.start())[0]
        if match["ours"] is not None:
            codes = [code.strip() for code in match["ours"].split(",") if code.strip()]
            found[line] = (codes, (match["reason"] or "").strip(" -:"), True)
        elif match["codes"]:
            wanted = re.findall(r"[A-Z]+\d+", match["codes"].upper())
            codes = [
                ours for code in wanted for ours in _NOQA.get(code, (code,) if code.startswith("EP") else ())
            ]
            if codes and line == 0 and line in found:
                codes += found[line][0]
            if codes and (line == 0 or line not in found):
                found[line] = (codes, "", False)
        else:
            ours = "entrepot" in match[0].lower()
            found.setdefault(line, ([], (match["reason"] or "").strip(" -:") if ours else "", ours))
    return found


_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
# An import statement, when it runs (roughly), and the block that it stands in.
_Import = tuple[ast.Import | ast.ImportFrom, str, list[ast.stmt]]


def _list_imports(tree: ast.Module) -> tuple[list[_Import], list[int]]:
    """Return every import statement, in order of place, and the lines of those whose failure is caught."""
    found: list[_Import] = []
    guarded: list[int] = []
    stack: list[tuple[list[ast.stmt], str, bool]] = [(tree.body, EAGER, False)]
    while stack:
        body, when, is_guarded = stack.pop()
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                found.append((node, when, body))
                if is_guarded:
                    guarded.append(node.lineno)
                continue
            if is_guarded and not hasattr(node, "body"):
                # Perhaps a call that imports.
                guarded += range(node.lineno, (node.end_lineno or node.lineno) + 1)
            inner = when
            is_caught = is_guarded or _catches(node)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = LAZY
            elif isinstance(node, (ast.Try, ast.TryStar)):
                inner = "guarded" if when == EAGER else when
            elif isinstance(node, ast.ClassDef):
                inner = "class"
            for name in ("body", "orelse", "finalbody"):
                part = getattr(node, name, None)
                if part and isinstance(part, list) and not isinstance(node, ast.Lambda):
                    stack.append((part, inner, is_caught if name != "finalbody" else is_guarded))
            # What is imported in place of something, or beside it, is there as little as that may be.
            instead = is_guarded or _catches_import(node)
            stack += [(handler.body, inner, instead) for handler in getattr(node, "handlers", ())]
            stack += [(case.body, inner, is_guarded) for case in getattr(node, "cases", ())]
    return sorted(found, key=lambda item: (item[0].lineno, item[0].col_offset)), sorted(guarded)


def _catches(node: ast.stmt) -> bool:
    """Does a statement catch what fails in its body: `try` with handlers, `suppress`, a test's `raises`?"""
    if isinstance(node, (ast.Try, ast.TryStar)):
        return bool(node.handlers)
    if not isinstance(node, (ast.With, ast.AsyncWith)):
        return False
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    names = [
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for call in calls
    ]
    return any(name in ("suppress", "raises", "assertRaises", "assertRaisesRegex") for name in names)


def _catches_import(node: ast.stmt) -> bool:
    """Is a statement a `try` that catches an import's failure?"""
    if not isinstance(node, (ast.Try, ast.TryStar)):
        return False
    caught = [handler.type for handler in node.handlers]
    names = {getattr(part, "id", "") for one in caught if one is not None for part in ast.walk(one)}
    return None in caught or not _IMPORT_ERRORS.isdisjoint(names)


def _find_unused(
    source: Source,
    imports: list[_Import],
    mentions: Mentions,
    bindings: Bindings,
    facts: Facts,
    is_init: bool,
) -> None:
    used = mentions.words | mentions.declared | mentions.lines.keys() | set(bindings.all_names or ())
    caught = set(facts.guarded)
    # `import a as b`: then `import a.c` is there for `b.c`.
    renamed = {
        alias.name.partition(".")[0]
        for node, _, _ in imports
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname
    }
    for node, when, body in imports:
        if when in ("guarded", "class") or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            continue
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            if alias.name == "*" or bound in used or bound == "_" or alias.asname == alias.name:
                continue
            if node.lineno in caught or (
                isinstance(node, ast.Import) and "." in alias.name and bound in renamed
            ):
                continue  # a question whether it is there; an import for what it does to `a`
            if is_init and when != LAZY:
                continue  # what an __init__ imports is its interface
            module = node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
            level = node.level if isinstance(node, ast.ImportFrom) else 0
            # Taking one of several names away leaves the module imported.
            is_partial = isinstance(node, ast.ImportFrom) and any(
                (o.asname or o.name) in used for o in node.names
            )
            edits = _remove_alias(source, node, alias, body)
            taken = alias.name if isinstance(node, ast.ImportFrom) else ""
            where = "" if when != LAZY else "function"
            facts.candidates.append(
                [bound, alias.lineno, alias.col_offset, edits, where, level, module, taken, is_partial]
            )


def _remove_alias(
    source: Source, node: ast.Import | ast.ImportFrom, alias: ast.alias, body: list[ast.stmt]
) -> list[list[Any]] | None:
    """Return the edits that take one name out of a statement; None where it is not simple."""
    if len(node.names) == 1:
        return _remove_statement(source, node, body)
    index = node.names.index(alias)
    start = source.offset_of_utf8(alias.lineno, alias.col_offset)
    end = source.offset_of_utf8(alias.end_lineno or alias.lineno, alias.end_col_offset or 0)
    if index + 1 < len(node.names):
        following = node.names[index + 1]
        end = source.offset_of_utf8(following.lineno, following.col_offset)
    else:
        before = node.names[index - 1]
        start = source.offset_of_utf8(before.end_lineno or before.lineno, before.end_col_offset or 0)
    if "#" in source.text[start:end]:
        return None
    return [[start, end, ""]]


def _remove_statement(source: Source, node: ast.stmt, body: list[ast.stmt]) -> list[list[Any]] | None:
    start = source.offset_of_utf8(node.lineno, node.col_offset)
    end = source.offset_of_utf8(node.end_lineno or node.lineno, node.end_col_offset or 0)
    if len(body) == 1:
        return [[start, end, "pass"]]
    begin = source.line_starts[node.lineno - 1]
    last = node.end_lineno or node.lineno
    stop = source.line_starts[last] if last < source.line_count else len(source.text)
    if source.text[begin:start].strip() or source.text[end:stop].strip():
        return None  # something else on the line, or a comment that may matter
    return [[begin, stop, ""]]


def _find_twice(
    source: Source, statements: list[_Import], mentions: Mentions, bindings: Bindings, facts: Facts
) -> None:
    """The same import twice in one block; and one name bound by two imports."""
    seen: dict[tuple[int, str, str, str], int] = {}
    for node, _, body in statements:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                key = (id(body), f"{'.' * node.level}{node.module or ''}", alias.name, alias.asname or "")
            else:
                key = (id(body), alias.name, "", alias.asname or "")
            if alias.name != "*" and key in seen and body is not None:
                bound = alias.asname or alias.name.partition(".")[0]
                # Bound anew in between: the second import restores the name.
                if not _is_rebound(bindings, bound, seen[key], node.lineno):
                    edits = _remove_alias(source, node, alias, body)
                    what = f"{key[1]}.{key[2]}" if key[2] else key[1]
                    message = f"{what} is imported again (first in line {seen[key]})"
                    facts.findings.append(["EP502", alias.lineno, alias.col_offset, message, edits])
            seen.setdefault(key, node.lineno)
    used = mentions.lines
    for name, several in bindings.names.items():
        imports = [b for b in several if b.kind == "import" and b.when == EAGER]
        for first, second in pairwise(imports):
            same = (first.level, first.module, first.fetched) == (second.level, second.module, second.fetched)
            # `import a.b` and `import a.c` both bind a, and agree.
            packages = not (first.fetched or second.fetched or first.is_as or second.is_as)
            if same or packages or any(first.line < line < second.line for line in used.get(name, ())):
                continue
            if any(first.line < b.line < second.line for b in several):
                continue
            message = f"{name} was imported in line {first.line} already, from elsewhere; that one is lost"
            facts.findings.append(["EP203", second.line, second.column, message, None])


def _is_rebound(bindings: Bindings, name: str, first: int, second: int) -> bool:
    return any(first < binding.line < second for binding in bindings.names.get(name, ()))


def _find_builtins(bindings: Bindings, facts: Facts) -> None:
    for name in _BUILTINS.intersection(bindings.names):
        first = bindings.names[name][0]
        if first.when not in (TYPING, NEVER) and not name.endswith(("Error", "Warning", "Exception")):
            message = f"{name} is Python's own; here it is another thing from line {first.line} on"
            facts.findings.append(["EP302", first.line, first.column, message, None])


def _find_uses(mentions: Mentions, bindings: Bindings, facts: Facts) -> None:
    """Note `package.sub` where `import package` bound the root, for submodules nobody imported."""
    roots = {
        name
        for name, several in bindings.names.items()
        if all(b.kind == "import" for b in several)
        and any(b.when in AT_IMPORT or b.when == LAZY for b in several)
    }
    seen: set[str] = set()
    for node in mentions.attributes if roots else ():
        value, parts = read_chain(node)
        if isinstance(value, ast.Name) and value.id in roots:
            dotted = ".".join([value.id, *parts])
            if dotted not in seen:
                seen.add(dotted)
                facts.uses.append([dotted, node.lineno, node.col_offset])
