"""Split a file into modules, or move definitions from one module to another.

    edit = plan_split(Project(root), "main.py", {"arcade": ["get_score", "add_points"]})
    print(edit.diff()); edit.apply()

The steps: cut (who goes where), decide (how each crossing reference is written), write (texts),
follow (the other files), check (the result compiles, nothing is newly undefined or unused).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from entrepot.errors import Refused
from entrepot.refactor.changes import Edit, FileChange, Note
from entrepot.refactor.checks import check_moved, check_result
from entrepot.refactor.cross import decide
from entrepot.refactor.crossings import make_cut
from entrepot.refactor.cut import STAY, Cut
from entrepot.refactor.decision import Decision
from entrepot.refactor.project import Project
from entrepot.refactor.rename import rename_entries, rename_in_packaging
from entrepot.refactor.splitting import write_texts
from entrepot.refactor.users import rewrite_users


def plan_split(
    project: Project,
    path: str,
    request: Mapping[str, Sequence[str]],
    *,
    style: str = "names",
    reexport: bool = False,
    force: bool = False,
) -> Edit:
    """Return the edit that moves names of one file to other modules.

    `request` gives for each module (a sibling's name, a dotted name or a path) the names that
    go there. `style` is "names" (`from arcade import get_score`) or "module" (`import arcade`).
    With `reexport` the old names stay importable from the file. Raises Refused where the
    program could not be shown to stay as it is; `force` goes on past code that is only known
    at run time.
    """
    path = project.get_module(path)
    cut = make_cut(project, path, request, style=style, reexport=reexport, force=force)
    decision = decide(cut)
    source, texts = write_texts(decision)
    changes = [FileChange(path, cut.file.raw, cut.file.encode(source.result()))]
    for key, text in texts.items():
        target = cut.targets[key]
        changes.append(FileChange(target.path, target.file.raw if target.file else None, text))
    for other, rewriter in rewrite_users(decision).items():
        file = rewriter.file
        changes.append(FileChange(other, file.raw, file.encode(rewriter.result())))
    if not reexport:
        changed = {change.path for change in changes}
        changes += [change for change in _follow_packaging(cut) if change.path not in changed]
    _note_runtime_names(decision)
    title = "split " + project.show(path) + " " + " ".join(f"{k}={','.join(v)}" for k, v in request.items())
    edit = Edit(project.root, title, tuple(changes), (), tuple(dict.fromkeys(decision.notes)))
    check_result(project, edit, path, known=cut.unbound)
    check_moved(cut, edit)
    return edit


def _follow_packaging(cut: Cut) -> list[FileChange]:
    """Return the project's packaging files with the entry points (`shop.cli:main`) of what moves."""
    moved = {
        f"{cut.name}:{name}": f"{key}:{name}" for key, target in cut.targets.items() for name in target.names
    }
    found = rename_in_packaging(cut.project, moved)
    path = os.path.join(cut.project.root, "setup.py")
    if path in cut.project:
        before = cut.project.raw(path)
        after = rename_entries(before, moved)
        if after != before:
            found.append(FileChange(path, before, after))
    return found


def plan_move(
    project: Project,
    module: str,
    names: Sequence[str],
    destination: str,
    *,
    style: str = "names",
    reexport: bool = False,
    force: bool = False,
) -> Edit:
    """Return the edit that moves names of a module to another, new or existing."""
    path = project.get_module(module)
    if "." not in destination and "/" not in destination and not destination.endswith(".py"):
        found = project.find_module(destination, path)
        package = project.package_of(path)
        if found is not None:
            destination = os.path.join(".", os.path.relpath(found, project.root))
        elif package:
            # A bare name is a module of its own, not one of the package.
            root = project.import_root(path)
            destination = os.path.join(
                ".", os.path.relpath(os.path.join(root, destination + ".py"), project.root)
            )
    return plan_split(project, path, {destination: list(names)}, style=style, reexport=reexport, force=force)


def _note_runtime_names(decision: Decision) -> None:
    """Say what the program could see of the move at run time."""
    cut = decision.cut
    import ast

    moved = [
        s.node.name for s in cut.statements if isinstance(s.node, ast.ClassDef) and cut.place[s.index] != STAY
    ]
    if not moved:
        return
    for path in cut.project.mentioning("pickle", "shelve", "copyreg", "dill", "joblib"):
        decision.notes.append(
            Note(
                f"pickles made before name {', '.join(moved)} in {cut.name}: keep them readable with --reexport",
                cut.project.show(path),
            )
        )
        break
    for path in cut.project.mentioning("__module__", "__qualname__"):
        decision.notes.append(
            Note(
                f"this file asks for __module__, which changes for {', '.join(moved)}", cut.project.show(path)
            )
        )


def parse_request(items: Sequence[str]) -> dict[str, list[str]]:
    """Read `arcade=get_score,add_points` items. Raises Refused for an item that is not so."""
    request: dict[str, list[str]] = {}
    for item in items:
        module, sign, names = item.partition("=")
        found = [name.strip() for name in names.split(",") if name.strip()]
        if not sign or not module.strip() or not found:
            raise Refused(f"--to {item}: write --to MODULE=NAME,NAME")
        for name in found:
            if not name.isidentifier():
                raise Refused(f"--to {item}: {name!r} is not a name")
        if len(set(found)) != len(found):
            raise Refused(f"--to {item}: a name stands there twice")
        for other, names_there in request.items():
            for name in found:
                if name in names_there:
                    raise Refused(f"{name} is to go to both {other} and {module.strip()}")
        request.setdefault(module.strip(), []).extend(found)
    return request
