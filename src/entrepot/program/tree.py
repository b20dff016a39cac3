"""Walk a tree of source files: which file is which module.

Hidden folders, `__pycache__`, `node_modules`, virtual environments and (below the root)
`site-packages` are left out. A folder that a symbolic link leads to is walked once. What cannot
be a module, or cannot be read, is a problem with its place; the walk goes on.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from entrepot.program.finder import find_files

_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "lost+found"})
_SUFFIXES = (".py", ".so", ".pyd", ".pyc")
# Above this, the tree is not a person's.
DEEPEST = 60


class File(NamedTuple):
    """A module's file: kind "source", "extension" or "bytecode"; times in ns."""

    name: str
    path: str
    kind: str
    is_package: bool
    size_bytes: int
    mtime_ns: int


class Tree(NamedTuple):
    """The modules of a tree by name, its namespace packages (name -> folders), and the problems met."""

    files: dict[str, File]
    namespaces: dict[str, tuple[str, ...]]
    # (path, line, sentence)
    problems: list[tuple[str, int, str]]


def walk_tree(folder: str, roots: list[str]) -> Tree:
    """Collect the modules under a folder, named from the roots."""
    folder = os.path.abspath(folder)
    files: dict[str, File] = {}
    namespaces: dict[str, list[str]] = {}
    problems: list[tuple[str, int, str]] = []
    seen: set[str] = set()
    outer = next((root for root in roots if folder == root or folder.startswith(root + os.sep)), folder)
    prefix = "" if outer == folder else os.path.relpath(folder, outer).replace(os.sep, ".") + "."
    stack: list[tuple[str, str, int]] = [(folder, prefix, 0)]
    while stack:
        here, prefix, depth = stack.pop()
        if here in roots:
            prefix = ""
        try:
            with os.scandir(here) as entries:
                listing = list(entries)
        except OSError as error:
            problems.append((here, 1, f"folder cannot be read: {error.strerror}"))
            continue
        plain: list[os.DirEntry[str]] = []
        found_any = False
        waiting = len(stack)
        for entry in listing:
            name = entry.name
            if "." in name:
                if name.endswith(_SUFFIXES):
                    plain.append(entry)
                elif name == "pyvenv.cfg" and here != folder:  # a virtual environment
                    del stack[waiting:]
                    plain.clear()
                    break
            elif name not in _LEFT_OUT:
                try:
                    is_folder = entry.is_dir()
                    is_link = is_folder and entry.is_symlink()
                except OSError:
                    continue
                if is_folder:
                    if is_link:
                        real = os.path.realpath(entry.path)
                        if (
                            real in seen
                            or (folder + os.sep).startswith(real + os.sep)
                            or real.startswith(folder + os.sep)
                        ):
                            continue
                        seen.add(real)
                    if depth >= DEEPEST:
                        problems.append((entry.path, 1, f"folders nested deeper than {DEEPEST} are not read"))
                        continue
                    stack.append((entry.path, f"{prefix}{name}.", depth + 1))
        for entry in plain:
            found_any = _add_file(entry, prefix, files, problems) or found_any
        if prefix and found_any and prefix[:-1] not in files:
            parts = prefix[:-1].split(".")
            where = here
            for end in range(len(parts), 0, -1):
                name = ".".join(parts[:end])
                namespaces.setdefault(name, [])
                if where not in namespaces[name]:
                    namespaces[name].append(where)
                where = os.path.dirname(where)
    return Tree(files, {n: tuple(p) for n, p in namespaces.items() if n not in files}, problems)


def _add_file(
    entry: os.DirEntry[str], prefix: str, files: dict[str, File], problems: list[tuple[str, int, str]]
) -> bool:
    """Take in one file of a folder; return whether it is a module."""
    name = entry.name
    stem = name.partition(".")[0]
    if name.endswith(".py"):
        stem, kind = name[:-3], "source"
    elif name.endswith(".pyc"):
        stem, kind = name[:-4], "bytecode"
    else:
        kind = "extension"
        if not find_files({name: False}, stem):
            return False
    try:
        status = entry.stat()
    except OSError as error:
        problems.append((entry.path, 1, f"cannot be read: {error.strerror}"))
        return False
    if status.st_mode & 0o170000 != 0o100000:
        what = "a folder" if status.st_mode & 0o170000 == 0o040000 else "not a regular file"
        problems.append((entry.path, 1, f"is named like a module, but is {what}"))
        return False
    is_package = stem == "__init__"
    if is_package and not prefix:
        return False
    module = prefix[:-1] if is_package else prefix + stem
    file = File(module, entry.path, kind, is_package, status.st_size, status.st_mtime_ns)
    other = files.get(module)
    if other is not None:
        # Python takes the package before the module, and extension, source, bytecode in this order.
        order = ("extension", "source", "bytecode")
        first, second = sorted((other, file), key=lambda f: (not f.is_package, order.index(f.kind)))
        # An extension beside its source was compiled from it.
        if second.kind != "bytecode" and first.kind != "extension":
            problems.append((second.path, 1, f"is never imported: {module} is {first.path}"))
        file = first
    files[module] = file
    return True
