"""The picture of docs/architecture.md is true.

The arrows between folders are a contract in .importlinter. It does not follow a parent's `__init__.py`, and
not what comes from outside; so what is loaded into other people's programs is counted in a bare interpreter.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import entrepot

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "entrepot"

# The public names of `entrepot`. A change here is a change for users: say so in changes/.
PUBLIC = {"Program", "System", "__version__"}


def bring_in(*modules: str) -> set[str]:
    """Return what importing these brings into a bare interpreter (no site, no environment)."""
    code = (
        "import sys\n"
        f"sys.path.append({str(SOURCE.parent)!r})\n"
        "before = set(sys.modules)\n"
        f"for name in {modules!r}: __import__(name)\n"
        "new = sorted(set(sys.modules) - before)\n"
        "import json\n"
        "print(json.dumps(new))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    return set(json.loads(done.stdout))


def find_modules(folder: str, *, pattern: str = "*.py") -> list[str]:
    """Return the names of a folder's modules."""
    names = []
    for path in sorted((SOURCE / folder).rglob(pattern)):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def without_compiled_in(names: set[str]) -> set[str]:
    """Return the modules that are not compiled into the interpreter: those that have a file."""
    return names - set(sys.builtin_module_names)


def test_core_brings_nothing_else_into_a_program():
    """All of core needs what a bare interpreter has, and nothing more."""
    foreign = {name for name in bring_in(*find_modules("core")) if name.partition(".")[0] != "entrepot"}

    assert without_compiled_in(foreign) == set()


def test_importing_entrepot_itself_brings_nothing():
    """`import entrepot` runs one short file; the public names are fetched when asked for."""
    assert bring_in("entrepot") == {"entrepot"}


def test_each_resident_file_brings_only_core_and_its_own_folder():
    """A resident.py enters other people's programs: it brings core, trace, its own folder, nothing else."""
    residents = find_modules(".", pattern="resident.py")
    for name in residents:
        folder = name.split(".")[1]
        allowed = re.compile(rf"entrepot(\.(core|trace|{folder})(\..+)?)?$")
        unexpected = {new for new in without_compiled_in(bring_in(name)) if not allowed.match(new)}
        assert unexpected == set(), f"{name} brings {sorted(unexpected)}"


def test_reading_a_program_waits_for_no_modules_that_it_does_not_need():
    """Whoever asks for a small program's graph pays for every import: dataclasses brings inspect and forty more."""
    assert not bring_in("entrepot.program.model", "entrepot.program.scan") & {
        "dataclasses",
        "inspect",
        "tokenize",
    }


def test_public_names_are_these():
    """What `entrepot` offers is a list that somebody decided on."""
    assert set(entrepot.__all__) == PUBLIC
    assert all(getattr(entrepot, name) is not None for name in PUBLIC)
    assert set(dir(entrepot)) >= PUBLIC
    with pytest.raises(AttributeError, match="module 'entrepot' has no attribute 'nonsense'"):
        _ = entrepot.nonsense  # type: ignore[attr-defined]


def test_every_folder_has_its_place_in_the_picture():
    """The contract is exhaustive: a folder that is not in .importlinter has no place yet."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:layers"]
    placed = set(re.findall(r"\w+", layers["layers"]))
    there = {
        path.stem for path in SOURCE.iterdir() if not path.name.startswith("__") or path.stem == "__main__"
    }
    there = {name for name in there if (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").exists()}

    assert layers["exhaustive"] == "True"
    assert there - placed == set()


@pytest.mark.slow
def test_arrows_point_down(need, tmp_path):
    """import-linter finds no arrow that points up."""
    command = Path(sys.executable).with_name("lint-imports")
    need(command.exists(), "lint-imports")

    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50,
        env={"PYTHONPATH": str(SOURCE.parent), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_an_arrow_that_points_up_is_noticed(need, tmp_path):
    """The contract bites: core importing the command line breaks it."""
    command = Path(sys.executable).with_name("lint-imports")
    need(command.exists(), "lint-imports")
    shutil.copytree(SOURCE, tmp_path / "entrepot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    with open(tmp_path / "entrepot" / "core" / "names.py", "a") as file:
        file.write("\nimport entrepot.cli\n")

    done = subprocess.run(
        [command, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, timeout=50,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip

    assert done.returncode == 1
    assert "entrepot.core is not allowed to import entrepot.cli" in done.stdout


def test_folders_say_which_question_they_answer():
    """A folder's __init__.py holds that sentence as its docstring and nothing else.

    `entrepot.live`, `entrepot.trace` and `entrepot.warm` are names that users import: they offer their public names,
    fetched when asked for.
    """
    for path in SOURCE.glob("*/__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
        assert len(tree.body) == 1 or path.parent.name in ("live", "trace", "warm"), (
            f"{path} holds more than its docstring"
        )


def test_no_file_outgrows_a_sitting():
    """Files hold one idea: none of core's is above 500 lines."""
    for path in (SOURCE / "core").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path


def test_every_file_has_its_place_on_the_map():
    """docs/architecture.md says what each file is for, and names none that is gone."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+), file by file$(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    for folder, text in sections.items():
        named = set(re.findall(r"`([\w*]+(?:\.py|\.c|\.h|/))`", text))
        there = {path.name for pattern in ("*.py", "*.c", "*.h") for path in (SOURCE / folder).glob(pattern)}
        there |= {f"{path.parent.name}/" for path in (SOURCE / folder).glob("*/*.py")}
        for pattern in [name for name in named if "*" in name]:
            named |= {path.name for path in (SOURCE / folder).glob(pattern)}
            named.remove(pattern)
        assert {name for name in named - there if not (SOURCE / folder / name).is_dir()} == set(), folder
        assert {
            name for name in there - named if name != "__init__.py" and not name.endswith(".h")
        } == set(), folder
    assert set(sections) >= {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()} - {
        "commands"
    }
