"""Which modules of its own an entry point reaches: by its text, and by what it did when it was run.

The text is followed from the entry point, and from modules named in addition, through every import that can happen in
some run (`program.conditions.AT_RUN`). A package that imports by a name computed at run time is taken whole: any of its
modules may be meant. A string that is the name of an own module counts as an import. A record of `entrepot trace`
adds what the text does not show.
"""

from __future__ import annotations

import ast
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from entrepot.program.conditions import AT_RUN, EAGER, Target
from entrepot.program.entry import read_entry
from entrepot.program.finder import Finder, Location
from entrepot.program.model import Program
from entrepot.program.newer import parse_tree
from entrepot.program.raw import read_module
from entrepot.program.searchpath import SearchPath, find_search_path
from entrepot.program.source import SourceError, parse_source
from entrepot.ship.contents import Entry, LeftOut, NoEntryError, NotCarriedError
from entrepot.trace.records import Record

_ADDS_A_FOLDER = ("sys.path.insert", "sys.path.append", "site.addsitedir")
# Frameworks that import modules of the packages that they are given, by names of their own choice.
_BY_CONVENTION = {"django", "celery"}
# A dotted name that is all of a string, or all before a colon.
_MENTION = re.compile(rb"""["']([^\W\d]\w*(?:\.\w+)*)(?::[\w.]+)?["']""")


@dataclass
class Reach:
    """What is reached.

    own: modules of the program by name. outside: modules of others by name, with where they lie.
    wholes: packages taken whole. searched: files whose strings were looked through. followed: modules asked for by name.
    """

    roots: tuple[str, ...]
    search_path: SearchPath
    finder: Finder
    own: dict[str, Location] = field(default_factory=dict)
    outside: dict[str, Location] = field(default_factory=dict)
    wholes: set[str] = field(default_factory=set)
    searched: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)

    def is_installed(self, path: str) -> bool:
        """Whether a file or folder is of the environment: a package of many owners is own in one folder only."""
        own, site = {*self.roots, *self.search_path.own}, set(self.search_path.site)
        # The longest: an environment often lies in the program's folder.
        around = [folder for folder in own | site if path.startswith(folder + os.sep)]
        return bool(around) and max(around, key=len) in site - own


def find_entry(
    script: str | None, module: str | None, folders: Sequence[str] = (), python: str | None = None
) -> Entry:
    """Return the entry point that `python SCRIPT` or `python -m MODULE` would run, here.

    Raises:
        NoEntryError: there is none. NotCarriedError: one of the folders is not there.
    """
    for folder in folders:
        if not os.path.exists(folder):
            raise NotCarriedError(given=folder, reason="there is no such folder to look for modules in")
    if script is not None:
        path = os.path.abspath(script)
        if os.path.isdir(path):
            path = os.path.join(path, "__main__.py")
            if not os.path.isfile(path):
                raise NoEntryError(entry=script, reason="there is no __main__.py in this folder")
            return Entry("folder", path, "__main__")
        if not os.path.isfile(path):
            raise NoEntryError(entry=script, reason="there is no such script")
        # As Python does: modules are looked for beside the file that a link leads to.
        return Entry("script", os.path.realpath(path), "__main__")
    assert module is not None
    search = _own_editable(find_search_path([os.getcwd(), *folders], os.getcwd(), python))
    finder = Finder(search)
    found = finder.find(module)
    name = module
    if found is not None and found.is_package:
        name = f"{module}.__main__"
        found = finder.find(name)
    if found is None or found.kind != "source":
        reason = "no such module" if name == module else "it has no __main__ that could be run"
        raise NoEntryError(entry=f"-m {module}", reason=reason)
    if found.origin != "own":
        site = next((folder for folder in search.site if found.path.startswith(folder + os.sep)), "")
        if not site:
            raise NoEntryError(
                entry=f"-m {module}", reason="it is of the standard library, which is there anyway"
            )
        return Entry("module", found.path, name, site)
    return Entry("module", found.path, name)


def find_roots(entry: Entry, folders: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the folders that the program's own modules are imported from, the entry point's first."""
    if entry.site:
        return tuple(dict.fromkeys(os.path.abspath(folder) for folder in folders))
    root = os.path.dirname(entry.path)
    if entry.kind == "module":
        for _ in range(entry.name.count(".")):
            root = os.path.dirname(root)
    return tuple(dict.fromkeys([root, *(os.path.abspath(folder) for folder in folders)]))


def list_added_folders(entry: Entry) -> list[str]:
    """Return the folders that an entry point puts on `sys.path` itself, as far as their names stand in its text.

    What else such a call works out (`os.path.dirname(__file__)`) is taken to be the entry point's folder.
    """
    try:
        tree = parse_tree(parse_source(read_module(entry.path), entry.path).text).tree
    except (SourceError, SyntaxError):
        return []
    base = os.path.dirname(entry.path)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _ADDS_A_FOLDER:
            constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            parts = [value for value in constants if isinstance(value, str)]
            folder = os.path.normpath(os.path.join(base, *parts))
            if parts and os.path.isdir(folder) and folder != base:
                found.append(folder)
    return found


def find_reach(
    entry: Entry,
    *,
    folders: Sequence[str] = (),
    added: Iterable[str] = (),
    records: Iterable[Record] = (),
    python: str | None = None,
) -> Reach:
    """Follow an entry point.

    folders: further places of own modules. added: modules to take in though no text names them. records: what runs of
    the program imported. python: the interpreter or environment whose installed modules it sees.
    """
    roots = find_roots(entry, [*folders, *list_added_folders(entry)])
    search_path = find_search_path(list(roots), roots[0] if roots else os.getcwd(), python)
    search_path = _own_editable(search_path)
    reach = Reach(roots, search_path, Finder(search_path))
    starts = [*added]
    for name in starts:
        if reach.finder.find(name) is None:
            raise NotCarriedError(given=name, reason="there is no such module")
    reach.wholes.update(name for name in starts if (found := reach.finder.find(name)) and found.is_package)
    if entry.kind == "module":
        starts.append(entry.name)
    else:
        _follow(reach, entry.path)
    for record in records:
        starts += _list_recorded(record, reach)
    _follow_names(reach, starts)
    while starts := [*_list_of_wholes(reach), *_list_mentioned(reach, entry)]:
        _follow_names(reach, starts)
    return reach


def _own_editable(path: SearchPath) -> SearchPath:
    """Count folders that an editable install added as the program's own: nobody else will have them."""
    added = [entry for entry in path.site if not _is_site(entry) and entry not in path.own]
    return SearchPath(
        (*path.own, *added),
        path.stdlib,
        tuple(entry for entry in path.site if entry not in added),
        path.mappings,
        path.version,
    )


def _is_site(folder: str) -> bool:
    return any(part in folder.split(os.sep) for part in ("site-packages", "dist-packages"))


def _follow_names(reach: Reach, names: Sequence[str]) -> None:
    """Follow modules by name: a text that imports them is an entry point like any other."""
    known = [name for name in dict.fromkeys(names) if _is_to_follow(reach, name)]
    # The standard library's are everywhere: they come to be neither own nor outside, and are not asked for again.
    reach.followed.update(known)
    if not known:
        return
    with tempfile.TemporaryDirectory(prefix="entrepot-") as folder:
        path = os.path.join(folder, "entry.py")
        with open(path, "w", encoding="utf-8") as file:
            # By calls: `import shop.migrations.0001_initial` would be no Python.
            file.write("import importlib\n")
            file.writelines(f"importlib.import_module({name!r})\n" for name in known)
        _follow(reach, path)


def _is_to_follow(reach: Reach, name: str) -> bool:
    is_known = name in reach.own or name in reach.outside or name in reach.followed
    return not is_known and reach.finder.find(name) is not None


def _follow(reach: Reach, path: str) -> None:
    """Take in all that a text reaches."""
    target = Target(reach.search_path.version)
    raw = read_entry(path, reach.finder, target, is_strict=False)
    program = Program(os.path.dirname(path), "__main__", raw, reach.search_path, target)
    program.finder = reach.finder
    for name, module in program.modules.items():
        found = reach.finder.find(name) if name != "__main__" else None
        if found is not None:
            modules = reach.outside if reach.is_installed(found.path) else reach.own
            modules.setdefault(name, found)
        for imported in module.imports():
            if imported.kind == "outside" and imported.when in AT_RUN:
                _note_outside(reach, imported.module, module.path, imported.line, imported.when)
                for taken in imported.names:  # perhaps modules in it
                    inner = reach.finder.find(f"{imported.module}.{taken}")
                    if inner is not None and inner.origin == "site":
                        reach.outside.setdefault(inner.name, inner)
            elif imported.kind == "missing" and imported.when == EAGER and not imported.is_unsure:
                what = f"{imported.module}"
                reach.left_out.append(LeftOut(what, "there is no such module", module.path, imported.line))
    for problem in program.problems:
        reach.left_out.append(
            LeftOut(os.path.basename(problem.path), problem.message, problem.path, problem.line)
        )
    _note_unfollowed(reach, program)


def _note_outside(reach: Reach, name: str, path: str, line: int, when: str) -> None:
    """Note a module of others, or that there is none of that name."""
    found = reach.finder.find(name)
    while found is None and "." in name:
        name = name.rpartition(".")[0]
        found = reach.finder.find(name)
    if found is not None:
        if found.origin == "site":
            reach.outside.setdefault(name, found)
    elif when == EAGER:
        reach.left_out.append(LeftOut(name, "there is no such module here", path, line))


def _note_unfollowed(reach: Reach, program: Program) -> None:
    """Say which imports only running can tell, and take their packages whole."""
    names = {module.path: name for name, module in program.modules.items()}
    for problem in program.unfollowed:
        top = names[problem.path].partition(".")[0]
        if "." in names[problem.path] or (top in reach.own and reach.own[top].is_package):
            reach.wholes.add(top)
            reason = f"what it names is known only when it runs; the whole of {top} is carried"
        else:
            reason = "what it names is known only when it runs; add it with --add MODULE, or --trace"
        reach.left_out.append(LeftOut(problem.message, reason, problem.path, problem.line))


def _list_of_wholes(reach: Reach) -> list[str]:
    """Return the modules of packages taken whole that have not been followed yet."""
    found = []
    for top in sorted(reach.wholes):
        location = reach.finder.find(top)
        waiting = [(top, location)] if location else []
        while waiting:
            name, location = waiting.pop()
            for folder in location.search if location else ():
                for leaf in reach.finder.list_folder(folder):
                    stem = leaf.removesuffix(".py")
                    inner = reach.finder.find(f"{name}.{stem}") if stem and "." not in stem else None
                    if inner is None or stem in ("__init__", "__pycache__"):
                        continue
                    if _is_to_follow(reach, inner.name) and inner.kind != "namespace":
                        found.append(inner.name)
                    if inner.is_package:
                        waiting.append((inner.name, inner))
    return sorted(set(found))


def _list_mentioned(reach: Reach, entry: Entry) -> list[str]:
    """Return own modules that own code names in strings (`INSTALLED_APPS = ["shop"]`, "shop.views:index").

    Where a framework is used that imports by convention, a package that is named so is taken whole.
    """
    is_by_convention = not _BY_CONVENTION.isdisjoint(name.partition(".")[0] for name in reach.outside)
    paths = {found.path for found in reach.own.values() if found.kind == "source"}
    paths |= {entry.path} if not entry.site else set()
    found: set[str] = set()
    for path in paths - reach.searched:
        for word in set(_MENTION.findall(read_module(path))):
            name = word.decode()
            while name:
                location = reach.finder.find(name)
                # One word names many things; with a dot, or as a package, it means a module.
                if location is not None and location.origin == "own" and location.kind == "source":
                    if "." in name or location.is_package:
                        found.add(name)
                    package = name if location.is_package else name.removesuffix(".apps")
                    if is_by_convention and (location.is_package or package != name):
                        reach.wholes.add(package)
                    break
                name = name.rpartition(".")[0]
    reach.searched |= paths
    return sorted(name for name in found if _is_to_follow(reach, name))


def _list_recorded(record: Record, reach: Reach) -> list[str]:
    """Return the modules that a run initialised and that are not of the standard library."""
    found = []
    for module in record.modules:
        location = reach.finder.find(module.name) if not module.error and module.origin else None
        if location is not None and location.origin == "own":
            found.append(module.name)
        elif location is not None and location.origin == "site":
            reach.outside.setdefault(module.name, location)
        elif location is None and module.origin.startswith(os.sep) and module.name != "__main__":
            text = f"a run imported it from {module.origin}, which is in no folder known here; name that with --path"
            reach.left_out.append(LeftOut(module.name, text))
    return found
