"""The search path that a program would have, compared with the one that its interpreter makes.

Each case is laid out on disk, asked of `find_search_path` and `Finder`, and then of a real
interpreter: `sys.path`, and `importlib.util.find_spec` for the names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from entrepot.program.finder import Finder, Location
from entrepot.program.model import Program
from entrepot.program.searchpath import SearchPath, find_roots, find_search_path

LIB = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(autouse=True)
def plain(tmp_path_factory, monkeypatch):
    """No variable of the tests' own environment counts."""
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)


@pytest.fixture
def venv(tmp_path):
    """A virtual environment in the project's folder, as `python -m venv --without-pip` makes it."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")]
    subprocess.run(command, check=True)
    return tmp_path / ".venv"


def site_of(venv: Path) -> Path:
    return venv / LIB / "site-packages"


def ask(venv: Path, code: str, *flags: str) -> object:
    """Run code in the environment's interpreter; return what it prints as JSON."""
    command = [str(venv / "bin" / "python"), *flags, "-c", textwrap.dedent(code)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def find_as_python(venv: Path, names: list[str]) -> dict[str, list[str] | None]:
    """Return for each name its file, or the folders of a namespace package, as the interpreter finds it."""
    code = f"""
        import importlib.util, json
        found = {{}}
        for name in {names!r}:
            try:
                spec = importlib.util.find_spec(name)
            except ModuleNotFoundError:
                spec = None
            if spec is None: found[name] = None
            elif spec.origin: found[name] = [spec.origin]
            else: found[name] = sorted(spec.submodule_search_locations)
        print(json.dumps(found))
    """
    answer = ask(venv, code, "-I")
    assert isinstance(answer, dict)
    return answer


def show(location: Location | None) -> list[str] | None:
    if location is None:
        return None
    return sorted(location.search) if location.kind == "namespace" else [location.path]


def test_a_venv_beside_the_project_is_found(venv, tmp_path):
    """Its site-packages and its base's standard library are searched, in sys.path's order."""
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    found = find_search_path([str(inner)], str(inner))
    (site_of(venv) / "dep.py").write_text("")
    path = ask(
        venv, "import json, sys; print(json.dumps([p for p in sys.path if not p.endswith('.zip')]))", "-I"
    )
    assert [*found.stdlib, *found.site] == path
    assert found.version == sys.version_info[:2]
    location = Finder(found).find("dep")
    assert location is not None
    assert (location.path, location.origin) == (str(site_of(venv) / "dep.py"), "site")


def test_no_venv_beyond_the_repository(venv, tmp_path):
    """The search for an environment ends at the folder with `.git`."""
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    found = find_search_path([], str(tmp_path / "repo"))
    assert str(site_of(venv)) not in found.site
    (tmp_path / ".git").mkdir()
    (tmp_path / "repo" / ".git").rmdir()
    assert str(site_of(venv)) in find_search_path([], str(tmp_path / "repo")).site


def test_the_interpreter_asked_for_comes_first(venv, tmp_path, monkeypatch):
    """An interpreter or a folder that was named wins over the project's and the active environment."""
    other = tmp_path / "other"
    (other / LIB / "site-packages").mkdir(parents=True)
    (other / "bin").mkdir()
    (other / "bin" / "python").write_text("")
    (other / "pyvenv.cfg").write_text(f"HOME = {os.path.dirname(os.path.realpath(sys.executable))}\n")
    for asked in (other, other / "bin" / "python"):
        assert find_search_path([], str(tmp_path), str(asked)).site == (str(site_of(other)),)
    monkeypatch.setenv("VIRTUAL_ENV", str(other))
    assert find_search_path([], str(tmp_path)).site == (str(site_of(venv)),)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".git").mkdir(parents=True)
    assert find_search_path([], str(elsewhere)).site == (str(site_of(other)),)


def test_pth_files_add_folders_as_site_does(venv, tmp_path):
    """Relative and absolute lines, comments, missing folders, a byte order mark, the order of names."""
    site = site_of(venv)
    for folder in ("one", "two", "three", "four"):
        (tmp_path / folder).mkdir()
    (site / "inside").mkdir()
    (site / "b.pth").write_text(f"# {tmp_path / 'four'}\n\n{tmp_path / 'one'}\ninside\nno/such/folder\n")
    (site / "a.pth").write_text(f"import sys; sys.flags\n{tmp_path / 'two'}\n{tmp_path / 'two'}\n")
    (site / ".hidden.pth").write_text(f"{tmp_path / 'four'}\n")
    (site / "c.pth").write_bytes(b"\xef\xbb\xbf" + f"{tmp_path / 'three'}\n".encode())
    (site / "d.pth.off").write_text(f"{tmp_path / 'four'}\n")
    found = find_search_path([], str(tmp_path))
    mine = [path for path in found.site if path.startswith(str(tmp_path))]
    assert mine == [
        str(path) for path in (site, tmp_path / "two", tmp_path / "one", site / "inside", tmp_path / "three")
    ]
    path = ask(venv, "import json, sys; print(json.dumps(sys.path))", "-I")
    # Before 3.13 (and its backports) a byte order mark was part of the first line.
    assert [p for p in path if p in mine and p != mine[-1]] == mine[:-1]


def test_an_editable_install_by_mapping(venv, tmp_path):
    """setuptools' finder of editable installs leads to the source: packages, modules, renamed folders."""
    source = tmp_path / "work" / "lib"
    (source / "pkg" / "sub").mkdir(parents=True)
    for file in ("pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/leaf.py", "single.py"):
        (source / file).write_text("")
    table = {"pkg": str(source / "pkg"), "single": str(source / "single.py")}
    (site_of(venv) / "__editable___x_1_0_finder.py").write_text(
        f"from __future__ import annotations\nMAPPING: dict[str, str] = {table!r}\nNAMESPACES = {{}}\n"
        "def install(): raise SystemExit('must not be run')\n"
    )
    (site_of(venv) / "__editable__.x-1.0.pth").write_text(
        "import __editable___x_1_0_finder; __editable___x_1_0_finder.install()\n"
    )
    finder = Finder(find_search_path([], str(tmp_path)))
    wanted = {
        "pkg": "pkg/__init__.py", "pkg.sub": "pkg/sub/__init__.py", "pkg.sub.leaf": "pkg/sub/leaf.py",
        "single": "single.py",
    }  # fmt: skip
    for name, path in wanted.items():
        location = finder.find(name)
        assert location is not None, name
        assert location.path == str(source / path)
    assert finder.find("pkg.none") is None
    assert finder.find("lib") is None


def test_a_table_that_is_no_literal_is_left_alone(venv, tmp_path):
    """A spoilt or strange finder file costs the mapping, nothing else."""
    for number, text in enumerate(
        ("MAPPING = make()\n", "MAPPING = {\n", "other = 1\n", "MAPPING = 3\n", "MAPPING = [1]\n")
    ):
        (site_of(venv) / f"__editable___x{number}_finder.py").write_text(text)
        (site_of(venv) / f"x{number}.pth").write_text(f"import __editable___x{number}_finder\n")
    found = find_search_path([], str(tmp_path))
    assert found.mappings == {}
    assert str(site_of(venv)) in found.site


def test_names_are_found_where_the_interpreter_finds_them(venv, tmp_path):
    """Package before module, extension before source, regular before portions, all portions, zip files."""
    site = site_of(venv)
    first, second, zipped = tmp_path / "first", tmp_path / "second", tmp_path / "packed.zip"
    suffix = ask(venv, "import json, _imp; print(json.dumps(_imp.extension_suffixes()[0]))", "-I")
    files = [
        first / "both.py", first / "both" / "__init__.py", first / f"fast{suffix}", first / "fast.py",
        first / "ns" / "a.py", second / "ns" / "b.py", second / "ns" / "deep" / "c.py", site / "ns" / "deep" / "d.py",
        first / "late" / "x.py", second / "late" / "__init__.py", second / "late" / "y.py",
        first / "json" / "__init__.py", first / "half" / "text.txt", first / "CASE.py",
    ]  # fmt: skip
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in (
            "inzip/__init__.py",
            "inzip/part.py",
            "zipmod.py",
            "ns/z.py",
            "ns/",
            "zipns/e.py",
            "told/",
            "told/f.py",
        ):
            archive.writestr(name, "")
    (site / "all.pth").write_text(f"{first}\n{second}\n{zipped}\n")
    finder = Finder(find_search_path([], str(tmp_path)))
    names = [
        "both", "fast", "ns", "ns.a", "ns.b", "ns.deep", "ns.deep.c", "ns.deep.d", "ns.none", "late", "late.y",
        "late.x", "json", "half", "case", "inzip", "inzip.part", "zipmod", "ns.z", "zipns", "zipns.e", "told",
        "told.f", "absent",
        "email.mime.text", "encodings.idna",
    ]  # fmt: skip
    python = find_as_python(venv, names)
    ours = {name: show(finder.find(name)) for name in names}
    assert ours == python
    for name in ("sys", "_imp", "marshal"):
        location = finder.find(name)
        assert location is not None
        assert location.kind == "builtin"


def test_an_entry_point_reads_its_modules_out_of_a_zip(tmp_path, monkeypatch):
    """What a script imports from a zip file of its own path is read like any module."""
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.writestr("inzip/__init__.py", "from . import part\n")
        archive.writestr("inzip/part.py", "import zipmod\n")
        archive.writestr("zipmod.py", "")
    (tmp_path / "main.py").write_text("import inzip\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib.zip"))
    program = Program.read(str(tmp_path / "main.py"))
    assert {(a.importer, a.imported) for a in program.list_arrows()} == {
        ("__main__", "inzip"), ("inzip", "inzip.part"), ("inzip.part", "zipmod"),
    }  # fmt: skip


def test_a_script_that_is_a_link_has_the_modules_where_it_leads(tmp_path):
    """As when Python runs it: through links to links, and not those that lie beside the link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "tool.py").write_text("import helper, absent\n")
    (tmp_path / "real" / "helper.py").write_text("X = 1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "absent.py").write_text("")
    (tmp_path / "bin" / "tool").symlink_to("../real/tool.py")
    (tmp_path / "again.py").symlink_to("bin/tool")

    for link in ("bin/tool", "again.py"):
        program = Program.read(tmp_path / link)

        assert set(program.names) == {"__main__", "helper"}
        assert program.modules["__main__"].path == str(tmp_path / link)
        assert [(a.importer, a.imported) for a in program.list_arrows()] == [("__main__", "helper")]


def test_a_spoilt_zip_and_a_vanished_folder_hold_nothing(tmp_path):
    """An entry that is no archive, or is not there, is passed over."""
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 not really")
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "m.py").write_text("")
    entries = tuple(str(tmp_path / name) for name in ("bad.zip", "gone", "gone.zip/inner", "good"))
    location = Finder(SearchPath(entries)).find("m")
    assert location is not None
    assert location.path == str(tmp_path / "good" / "m.py")


@pytest.mark.parametrize(
    ("text", "folders", "roots"),
    [
        ("", ["src"], ["src", "."]),
        ('[tool.setuptools]\npackage-dir = {"" = "lib"}\n', ["lib"], ["lib", "."]),
        (
            '[tool.setuptools.packages.find]\nwhere = ["python", "more"]\n',
            ["python", "more"],
            ["python", "more", "."],
        ),
        ('[tool.hatch.build.targets.wheel]\npackages = ["code/pkg"]\n', ["code/pkg"], ["code", "."]),
        ('[tool.poetry]\npackages = [{include = "pkg", from = "code"}]\n', ["code/pkg"], ["code", "."]),
        ("[tool.setuptools\n", ["src"], ["src", "."]),
        ("[tool]\nsetuptools = 3\n", ["src"], ["src", "."]),
    ],
)
def test_roots_are_where_the_project_says(tmp_path, text, folders, roots):
    """The source folders of setuptools, hatch and poetry, and `src`; a spoilt file is passed over."""
    (tmp_path / "pyproject.toml").write_text(text)
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    assert find_roots(str(tmp_path)) == [os.path.normpath(tmp_path / root) for root in roots]


def test_the_root_of_a_package_is_above_it(tmp_path):
    """A folder with `__init__.py` is imported from above the outermost one."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "__init__.py").write_text("")
    (tmp_path / "a" / "b" / "__init__.py").write_text("")
    assert find_roots(str(tmp_path / "a" / "b")) == [str(tmp_path)]
