"""Made-up configurations of tach, judged by tach itself and by us. Skipped where tach is not installed.

`ENTREPOT_TACH` names the command where it is not beside the interpreter; `ENTREPOT_TACH_CASES` raises the count.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys

import pytest

from entrepot.cli import main
from entrepot.program.model import Program
from entrepot.survey.contract_files import read_tach
from entrepot.survey.tach import find_circles, find_tach_breaks

TACH = os.environ.get("ENTREPOT_TACH") or shutil.which("tach", path=os.path.dirname(sys.executable)) or ""
MODULES = ["core", "core.db", "core.db.sql", "ui", "ui.page", "tools", "lone"]
MEMBERS = ["get", "secret", "Thing", "service", "service.run"]


def make_case(chance: random.Random) -> tuple[dict[str, str], str]:
    """Return the files of a project, and its configuration."""
    files = {f"{name.replace('.', '/')}/__init__.py": "get = secret = Thing = 1\n" for name in MODULES[:-1]}
    files |= {f"{name.replace('.', '/')}/service.py": "run = get = 1\n" for name in MODULES[:-1]}
    files |= {"lone.py": "get = secret = 1\n", "main.py": ""}
    for name in list(files):
        lines = []
        for _ in range(chance.randint(0, 3)):
            target = chance.choice(MODULES)
            form = chance.randrange(6)
            if form == 0:
                line = f"import {target}"
            elif form == 1 and target != "lone":
                line = f"import {target}.service"
            elif form == 2 and target != "lone":
                line = f"from {target}.service import run"
            elif form == 3 and target != "lone":
                line = f"from {target} import service, get"
            else:
                line = f"from {target} import {chance.choice(['get', 'secret', 'secret as x'])}"
            shape = chance.randrange(8)
            if shape == 0:
                lines += ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", f"    {line}"]
            elif shape == 1:
                lines += [f"def f{len(lines)}():", f"    {line}"]
            elif shape == 2:
                lines.append(f"{line}  # tach-ignore")
            else:
                lines.append(line)
        files[name] = "\n".join(lines) + "\n" + files[name]
    listed = chance.sample(MODULES, chance.randint(2, len(MODULES)))
    text = [f"root_module = {json.dumps(chance.choice(['ignore', 'ignore', 'allow']))}"]
    with_layers = chance.random() < 0.4
    if with_layers:
        text.append('layers = ["top", {name = "middle", closed = true}, "bottom"]' if chance.random() < 0.5
                    else 'layers = ["top", "middle", "bottom"]')  # fmt: skip
    if chance.random() < 0.2:
        text.append("ignore_type_checking_imports = false")
    for path in listed:
        text += ["[[modules]]", f"path = {json.dumps(path)}"]
        if chance.random() < 0.6:
            wanted = chance.sample([*listed, "core.**", "ui.*"], chance.randint(0, 3))
            text.append(f"depends_on = {json.dumps([one for one in wanted if one != path])}")
        if chance.random() < 0.15:
            text.append(f"cannot_depend_on = {json.dumps([chance.choice(listed)])}")
        if with_layers and chance.random() < 0.7:
            text.append(f"layer = {json.dumps(chance.choice(['top', 'middle', 'bottom']))}")
        if chance.random() < 0.15:
            text.append("utility = true")
        if chance.random() < 0.1:
            text.append("unchecked = true")
    for _ in range(chance.randint(0, 3)):
        expose = chance.sample(
            ["get", "secret", "service.*", ".*", "service", "get|secret"], chance.randint(1, 2)
        )
        text += ["[[interfaces]]", f"expose = {json.dumps(expose)}"]
        if chance.random() < 0.7:
            text.append(
                f"from = {json.dumps(chance.sample([*MODULES, 'core.*', 'ui.*'], chance.randint(1, 2)))}"
            )
        if chance.random() < 0.3:
            text.append(f"visibility = {json.dumps(chance.sample(listed, 1))}")
            if chance.random() < 0.5:
                text.append("exclusive = true")
    return files, "\n".join(text) + "\n"


def ask_tach(root: str) -> set[tuple[str, int, str]] | None:
    """Return (file, line, kind) of what tach tells; None where it refuses the configuration."""
    done = subprocess.run(
        [TACH, "check", "--output", "json"], cwd=root, capture_output=True, text=True, check=False
    )
    try:
        rows = json.loads(done.stdout[done.stdout.index("[") :])
    except ValueError:
        return None
    found = set()
    for row in rows:
        place = row.get("Located")
        if not place or place["severity"] != "Error":
            continue
        kind = next(iter(place["details"]["Code"]))
        found.add(
            (place["file_path"], place["line_number"], "EP802" if kind == "PrivateDependency" else "EP801")
        )
    return found


@pytest.mark.skipif(not TACH, reason="tach is not installed")
@pytest.mark.slow
def test_tach_and_we_tell_the_same_places(tmp_path):
    """The same files and lines, told apart by dependency and interface."""
    chance = random.Random(os.environ.get("ENTREPOT_TACH_SEED", "3"))
    judged = told = 0
    for number in range(int(os.environ.get("ENTREPOT_TACH_CASES", "40"))):
        root = tmp_path / str(number)
        files, text = make_case(chance)
        for name, content in {**files, "tach.toml": text}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        theirs = ask_tach(str(root))
        if theirs is None:
            continue
        tach = read_tach(str(root))
        program = Program.read(root, is_kept=False)
        ours = {
            (os.path.relpath(program.modules[one.module].path, root), one.line, one.code)
            for one in find_tach_breaks(program, tach)
        }
        assert ours == theirs, f"{root}\n{re.sub(chr(10) + '+', chr(10), text)}"
        judged += 1
        told += len(ours)
    assert judged > 10
    assert told > 10


@pytest.mark.skipif(not TACH, reason="tach is not installed")
@pytest.mark.slow
def test_tach_and_we_tell_the_same_circles(tmp_path):
    """`forbid_circular_dependencies`: the listed modules whose depends_on lead back to them, whatever is imported."""
    chance = random.Random(os.environ.get("ENTREPOT_TACH_SEED", "3"))
    names = ["a", "b", "c", "d", "d.x"]
    told = 0
    for number in range(20):
        root = tmp_path / str(number)
        (root / "d").mkdir(parents=True)
        for name in ("a", "b", "c", "d/__init__", "d/x"):
            (root / f"{name}.py").write_text("")
        text = ['source_roots = ["."]', "forbid_circular_dependencies = true"]
        for name in names:
            text += ["[[modules]]", f"path = {json.dumps(name)}"]
            if chance.random() < 0.8:
                text.append(
                    f"depends_on = {json.dumps(chance.choice([['*'], *[chance.sample(names, 2)] * 3]))}"
                )
        (root / "tach.toml").write_text("\n".join(text))
        done = subprocess.run(
            [TACH, "check"], cwd=root, capture_output=True, text=True, check=False, timeout=60
        )
        theirs = re.findall(r"Circular dependency detected for module '([^']+)'", done.stdout + done.stderr)
        tach = read_tach(str(root))
        assert tach is not None
        ours = [name for name, _ in find_circles(tach)]
        assert sorted(ours) == sorted(theirs), (root / "tach.toml").read_text()
        told += bool(ours)
    assert 5 <= told < 20


def test_circles_of_the_configuration_and_settings_not_judged_are_told(draw, capsys, monkeypatch):
    """With the way back; and what only tach itself judges is said."""
    root = draw({
        "a.py": "", "b.py": "",
        "tach.toml": "forbid_circular_dependencies = true\nexact = true\n[[modules]]\npath = 'a'\ndepends_on = ['b']\n"
                     "[[modules]]\npath = 'b'\ndepends_on = ['a']\n",
    })  # fmt: skip
    monkeypatch.setenv("ENTREPOT_CACHE", str(root))
    assert main(["check", str(root), "--select", "EP801"]) == 1
    said = capsys.readouterr()
    assert "a.py:1:1: EP801 depends_on leads back to a: a -> b -> a" in said.out
    assert said.err == "tach: exact not judged here, only by tach itself\n"
