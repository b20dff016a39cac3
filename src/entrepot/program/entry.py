"""Read a program from its entry point: the script, and its own modules that it reaches."""

from __future__ import annotations

import os

from entrepot.program.conditions import NEVER, TYPING, Target
from entrepot.program.finder import Finder
from entrepot.program.kept import take_share
from entrepot.program.raw import Raw, read_module
from entrepot.program.resolve import get_absolute
from entrepot.program.shares import resolve_scans
from entrepot.program.source import SourceError
from entrepot.program.statements import Scan, Statement
from entrepot.program.tree import File, Tree


def find_script(path: str) -> tuple[str, str]:
    """Return the script that Python would run for a path, and the folder or zip file that is first on its search path."""
    try:
        if os.path.isfile(path) and os.path.splitext(path)[1] not in (".py", ".pyw"):
            import zipfile  # rarely needed, and slow to load

            if zipfile.is_zipfile(path):
                return os.path.join(path, "__main__.py"), path
    except OSError:
        pass  # whoever reads it says why
    # Python's `sys.path[0]` is where a link leads, and the script's own path stays as it is given.
    return path, os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path)


def read_entry(path: str, finder: Finder, target: Target, *, is_strict: bool) -> Raw:
    """Read a program from its entry point: the script, and its own modules that it reaches."""
    from entrepot.program.scan import scan_bytes  # see `shares.scan_files`

    files: dict[str, File] = {"__main__": File("__main__", path, "source", False, *_find_state(path))}
    namespaces: dict[str, tuple[str, ...]] = {}
    scans: dict[str, Scan] = {}
    # Two passes: names are followed by their spelling first, then resolved in the whole.
    stack = ["__main__"]

    def visit(name: str) -> bool:
        """Take in an own module and its parents; say whether it is one."""
        if name in files or name in namespaces:
            return True
        found = finder.find(name)
        if found is None or found.origin != "own":
            return False
        parent = name.rpartition(".")[0]
        if parent:
            visit(parent)
        if found.kind == "namespace":
            namespaces[name] = found.search
        else:
            files[name] = File(name, found.path, found.kind, found.is_package, *_find_state(found.path))
            if found.kind == "source":
                stack.append(name)
        return True

    while stack:
        name = stack.pop()
        file = files[name]
        # Who names a script that does not compile is told so: of the rest only those who ask.
        is_parsed = is_strict or name == "__main__"
        try:
            scan = scan_bytes(read_module(file.path), file.path, target, is_strict=is_parsed)
        except SourceError as error:
            scan = Scan((), ((error.line, 0, error.reason),))
        scans[name] = scan
        for statement in scan.statements:
            if statement[6] not in (TYPING, NEVER):
                for wanted in _list_spelled(name, file.is_package, statement):
                    visit(wanted)
    raw = Raw(Tree(files, namespaces, []), target)
    take_share(raw, resolve_scans(raw, scans))
    raw.fetch_scans = lambda: scans
    raw.drop_texts()
    return raw


def _find_state(path: str) -> tuple[int, int]:
    """Return a file's size and time in ns; those of the zip file that it is in, if it is."""
    while True:
        try:
            status = os.stat(path)
            return status.st_size, status.st_mtime_ns
        except NotADirectoryError:
            path = os.path.dirname(path)
        except OSError:
            return 0, 0


def _list_spelled(importer: str, is_package: bool, statement: Statement) -> list[str]:
    """Return the modules that a statement may lead to by its spelling."""
    _, _, form, level, module, names, _ = statement
    if form == "import":
        return [name for name, _ in names]
    base = get_absolute(importer, is_package, level, module)
    if not base:
        return []
    return [base, *(f"{base}.{name}" for name, _ in names if name != "*")]
