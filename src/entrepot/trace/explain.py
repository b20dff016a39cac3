"""What a person would say about an error that ended a program: circles, hidden modules, modules that are not there.

Works on the record of the run and on the sources beside it; runs nothing of the program. Silent (None) where it has
nothing to add to what Python says. Names that are missing are in `explain_names.py`.
"""

from __future__ import annotations

import difflib
import sys
import sysconfig
from collections.abc import Sequence
from os import listdir
from os.path import basename, dirname, isfile, join

from entrepot.trace.explain_names import explain_attribute, explain_name, explain_unbound
from entrepot.trace.records import Failure, Module, Record, Statement
from entrepot.trace.sources import find_definition, name_briefly
from entrepot.trace.story import is_own_file

# Packages whose modules are called differently from what one installs.
_INSTALLED_AS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow",
    "pptx": "python-pptx",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "usb": "pyusb",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}


def explain(record: Record) -> str | None:
    """Return an explanation in a few lines, or None."""
    failure = record.failure
    if failure is None or not failure.places:
        return None
    looks = (
        _explain_shadowing,
        _explain_circle,
        lambda _, failure: explain_unbound(failure),
        explain_name,
        explain_attribute,
        _explain_missing,
    )
    return next((text for look in looks if (text := look(record, failure))), None)


def _explain_shadowing(record: Record, failure: Failure) -> str | None:
    """A file of yours has the name of a standard module, and is found first."""
    if failure.kind not in ("AttributeError", "ImportError", "ModuleNotFoundError"):
        return None
    names = [failure.module, failure.module.partition(".")[0]]
    for name in names:
        module = _find_module(record, name)
        if name in sys.stdlib_module_names and module and is_own_file(module.origin):
            return (
                f"{module.origin} is named like the standard module {name!r} and hides it:\n"
                f"  `import {name}` finds your file, because the program's folder is searched first.\n"
                f"  Rename it (and remove its __pycache__), and {name}.{failure.wanted} is the standard one again."
            )
    return None


def _explain_circle(record: Record, failure: Failure) -> str | None:
    """Modules import each other in a circle, and one needs what another has not got yet."""
    if "partially initialized module" not in failure.text and "circular import" not in failure.text:
        return None
    file, line, _, needing = failure.places[-1]
    circle = _find_circle(record, failure.module, needing)
    if len(circle) == 2:
        lines = [f"{circle[0].importer} and {circle[1].importer} import each other:"]
    else:
        names = [statement.importer for statement in circle] or [failure.module, needing]
        lines = [f"{' -> '.join([*names, names[0]])}: these import each other in a circle:"]
    if circle:
        began = circle[0]
        lines.append(
            f"  {name_briefly(began.file)}:{began.line} begins to import {began.asked.lstrip('.') or needing} "
            f"while {failure.module} is half made"
        )
    half_made = _find_module(record, failure.module)
    is_later = half_made is None or find_definition(half_made.origin, failure.wanted)
    lines += [
        f"  {name_briefly(file)}:{line} already needs {failure.wanted!r} of {failure.module}, "
        f"which {'comes later there' if is_later else f'{failure.module} has not defined'}",
        f"  Import {failure.module} inside the function that needs it, or write `import {failure.module}` and use "
        f"{failure.module}.{failure.wanted} only when it runs, or move what both need into a third module.",
    ]
    return "\n".join(lines)


def _find_circle(record: Record, half_made: str, needing: str) -> list[Statement]:
    """Return the statements that lead from the half-made module to the one that needs it, and back."""
    by_name = {module.name: module for module in record.modules}
    by_number = {statement.number: statement for statement in record.statements}
    circle: list[Statement] = []
    name = needing
    while name and name != half_made:
        asked = by_number.get(by_name[name].statement) if name in by_name else None
        if asked is None or asked in circle:
            return []
        circle.insert(0, asked)
        name = asked.importer
    back = next(
        (
            s
            for s in record.statements
            if s.importer == needing
            and s.is_import_time
            and half_made.endswith(s.asked.lstrip(".").split(".")[-1] or half_made)
        ),
        None,
    )
    return [*circle, back] if back else circle


def _explain_missing(record: Record, failure: Failure) -> str | None:
    """A module that is not to be found."""
    if failure.kind == "ImportError" and "no known parent package" in failure.text:
        return _explain_script_of_package(failure)
    if failure.kind != "ModuleNotFoundError" or not failure.module:
        return None
    file, line, _, _ = failure.places[-1]
    missing = failure.module
    searched = list(
        dict.fromkeys(
            folder for module in record.modules if module.name == missing for folder in module.searched
        )
    )
    text = f"{name_briefly(file)}:{line} imports {missing!r}, and no folder of the path has it"
    if searched:
        text += f" ({len(searched)} searched, {searched[0]} first)"
    parent, _, last = missing.rpartition(".")
    if near := difflib.get_close_matches(last, _list_candidates(record, missing, searched), n=1, cutoff=0.75):
        return f"{text}; did you mean {parent + '.' + near[0] if parent else near[0]!r}?"
    if parent:
        return f"{text}: {parent} has no module of that name"
    project = _INSTALLED_AS.get(missing, missing)
    return f"{text}:\n  if it is a package, install it for this Python:  {sys.executable} -m pip install {project}"


def _explain_script_of_package(failure: Failure) -> str:
    file = failure.places[-1][0]
    folders: list[str] = []
    folder = dirname(file)
    while isfile(join(folder, "__init__.py")):
        folders.insert(0, basename(folder))
        folder = dirname(folder)
    package = ".".join(folders) or basename(dirname(file))
    module = basename(file).removesuffix(".py")
    target = package if module == "__main__" else f"{package}.{module}"
    return (
        f"{name_briefly(file)} is run as a script, so it is in no package and has no siblings to import with a dot:\n"
        f"  run it as a module from {folder if folders else 'the folder above'}:  python -m {target}"
    )


def _list_candidates(record: Record, missing: str, searched: Sequence[str]) -> list[str]:
    """Return the names that could have been meant: modules in the folders searched, or those in the parent."""
    parent = missing.rpartition(".")[0]
    if parent:
        module = _find_module(record, parent)
        known = [*record.preloaded, *(module.name for module in record.modules)]
        found = [
            name.removeprefix(parent + ".")
            for name in known
            if name.startswith(parent + ".") and name != missing
        ]
        folders = [dirname(module.origin)] if module and basename(module.origin) == "__init__.py" else []
    else:
        found = [name for name in sys.stdlib_module_names if not name.startswith("_")]
        folders = [folder for folder in searched if not folder.startswith(sysconfig.get_path("stdlib"))]
        folders += [folder for folder in searched if folder.endswith("-packages")]
    for folder in folders:
        try:
            names = sorted(listdir(folder))
        except OSError:
            continue
        found += [name.partition(".")[0] for name in names if not name.endswith((".dist-info", ".pth"))]
    return sorted(found)


def _find_module(record: Record, name: str) -> Module | None:
    found = [module for module in record.modules if module.name == name]
    return next((module for module in found if not module.error), found[0] if found else None)
