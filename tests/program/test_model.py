"""`Program.read`: modules and arrows as Python would have them."""

# ruff: noqa: E501 (programs drawn in a line)
from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

import entrepot
from entrepot.program import scan
from entrepot.program.conditions import AT_IMPORT, Target
from entrepot.program.graph import find_chains, find_closure, find_cycles, find_reached
from entrepot.program.model import NoProgramError, Program


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


def arrows(program: Program) -> set[tuple[str, str]]:
    return {(arrow.importer, arrow.imported) for arrow in program.list_arrows()}


def test_a_name_is_attribute_or_submodule_as_python_decides(draw):
    """`from p import n` leads to p where p binds n, through stars too, else to the submodule p.n."""
    root = draw(
        {
            "p/__init__.py": "from .n import n\nfrom .s import *\nfrom . import m\n",
            "p/n.py": "def n(): pass\n",
            "p/m.py": "",
            "p/s.py": "def k(): pass\n",
            "p/k.py": "",
            "p/q.py": "",
            "use.py": "from p import n, m, k, q\n",
        }
    )
    program = Program.read(root)
    assert {b for a, b in arrows(program) if a == "use"} == {"p", "p.m", "p.q"}
    done = subprocess.run(
        [sys.executable, "-c", "import use; print(type(use.n).__name__, type(use.k).__name__, type(use.q).__name__)"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["function", "function", "module"]


def test_an_entry_point_is_read_as_far_as_it_reaches(draw):
    """A script's own modules are followed, others are not."""
    root = draw({"main.py": "import a\nimport json\n", "a.py": "def f():\n    from pkg import b\n",
                 "pkg/__init__.py": "", "pkg/b.py": "", "other.py": ""})  # fmt: skip
    program = entrepot.Program.read(root / "main.py")
    assert program.names == ["__main__", "a", "pkg", "pkg.b"]
    assert [(a.importer, a.imported, a.when) for a in program.list_arrows()] == [
        ("__main__", "a", "eager"), ("a", "pkg.b", "lazy")]  # fmt: skip


def test_parents_are_a_second_layer(draw):
    """Importing a.b.c runs a and a.b as well."""
    root = draw({"a/__init__.py": "", "a/b/__init__.py": "", "a/b/c.py": "", "m.py": "import a.b.c\n"})
    program = Program.read(root)
    both = program.list_arrows(with_ancestors=True)
    assert {(a.imported, a.is_ancestor) for a in both} == {("a.b.c", False), ("a.b", True), ("a", True)}


def test_src_layout_namespace_and_extension(draw):
    """Names are those that an import would use."""
    root = draw({"pyproject.toml": "", "src/pkg/__init__.py": "from . import _c\n", "src/pkg/_c.cpython-313-x86_64-linux-gnu.so": b"",
                 "src/ns/deep/x.py": "", "tests/test_x.py": "import pkg, ns.deep.x\n"})  # fmt: skip
    program = Program.read(root)
    assert {"pkg", "pkg._c", "ns", "ns.deep", "ns.deep.x", "tests.test_x"} <= set(program.names)
    assert arrows(program) == {("pkg", "pkg._c"), ("tests.test_x", "pkg"), ("tests.test_x", "ns.deep.x")}
    assert program.modules["ns"].kind == "namespace"


def test_strange_trees_are_read_and_told(draw):
    """A folder named x.py, a symlink loop, two files for one module, an unreadable file: none stops it."""
    root = draw(
        {
            "x.py/inner.txt": "",
            "m.py": "import n\n",
            "m/__init__.py": "",
            "n.py": "x = (\n",
            "ok.py": "import n\n",
        }
    )
    os.symlink(root, root / "loop")
    os.symlink(root / "absent", root / "gone.py")
    program = Program.read(root, is_strict=True)
    text = "\n".join(problem.message for problem in program.problems)
    assert "is a folder" in text
    assert "is never imported" in text
    assert "syntax error" in text
    assert ("ok", "n") in arrows(program)


def test_what_is_kept_is_what_a_fresh_reading_gives(draw):
    """After edits, additions and removals the kept program equals one read anew."""
    root = draw({"p/__init__.py": "", "p/a.py": "from p import b\n", "p/b.py": "", "c.py": "import p.a\n"})
    edits = [
        lambda: None,
        lambda: (root / "c.py").write_text("import p.b\n"),
        lambda: (root / "p/__init__.py").write_text("b = 1\n"),
        lambda: (root / "p/d.py").write_text("from . import a, b\n"),
        lambda: (root / "p/a.py").unlink(),
    ]
    for edit in edits:
        edit()
        for _ in range(2):
            assert Program.read(root).list_arrows() == Program.read(root, is_kept=False).list_arrows()


def test_a_spoilt_store_is_ignored(draw, monkeypatch, tmp_path):
    """Garbage in the store costs time, never an answer."""
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path / "kept"))
    root = draw({"a.py": "import b\n", "b.py": ""}, "tree")
    Program.read(root)
    folder = tmp_path / "kept" / "program"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + b"?" * 40)
    assert arrows(Program.read(root)) == {("a", "b")}


def test_version_tests_are_judged_for_the_target(draw):
    """What an old Python imports is not what a new one imports."""
    root = draw({"a.py": "import sys\nif sys.version_info < (3, 8):\n    import b\n", "b.py": ""})
    assert Program.read(root, target=Target((3, 7))).list_arrows()[0].when == "eager"
    assert Program.read(root, target=Target((3, 13))).list_arrows()[0].when == "never"


def test_a_zip_file_is_the_program_that_python_would_run(tmp_path):
    """Its `__main__`, and what that reaches inside."""
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", "import helper, outside\n")
        archive.writestr("helper.py", "import part.x\n")
        archive.writestr("part/__init__.py", "")
        archive.writestr("part/x.py", "")
        archive.writestr("unused.py", "")
    (tmp_path / "outside.py").write_text("")
    program = Program.read(tmp_path / "app.pyz", is_kept=False)
    assert program.names == ["__main__", "helper", "part", "part.x"]
    assert [(a.importer, a.imported) for a in program.list_arrows()] == [
        ("__main__", "helper"),
        ("helper", "part.x"),
    ]
    assert program.modules["helper"].source().text == "import part.x\n"


def test_nothing_there_is_an_error_that_says_so(tmp_path):
    """A path that does not exist is named."""
    with pytest.raises(NoProgramError, match="no such file"):
        Program.read(tmp_path / "absent")


def test_questions_on_arrows():
    """Cycles, all shortest chains, reach and closure on a drawn graph."""
    graph = [[1, 2], [3], [3], [0, 4], []]
    assert find_cycles(graph) == [[0, 1, 2, 3]]
    assert find_chains(graph, 0, 4) == [[0, 1, 3, 4], [0, 2, 3, 4]]
    assert find_chains(graph, 4, 0) == []
    assert find_chains(graph, 3, 3, 1) == [[3, 0, 1, 3]]
    assert find_reached(graph, [4]) == {4}
    assert find_closure(graph) == [31, 31, 31, 31, 16]


@pytest.mark.slow
@pytest.mark.parametrize(
    "package", ["json", "email", "asyncio", "unittest", "concurrent", "xml", "logging", "importlib"]
)
def test_eager_arrows_cover_what_a_run_shows(package):
    """Each import that running a package's modules makes among them is an arrow."""
    code = f"""
import builtins, sys, importlib, pkgutil
seen = set(); real = builtins.__import__
def spy(name, globals=None, locals=None, fromlist=(), level=0):
    result = real(name, globals, locals, fromlist, level)
    who = (globals or {{}}).get('__name__', '')
    full = importlib.util.resolve_name('.' * level + name, globals['__package__']) if level else name
    if who.partition('.')[0] == {package!r} and full.partition('.')[0] == {package!r}: seen.add((who, full))
    return result
import importlib.util
for name in [n for n in sys.modules if n.partition('.')[0] == {package!r} and {package!r} != 'importlib']: del sys.modules[name]
builtins.__import__ = spy
root = importlib.import_module({package!r})
for info in pkgutil.walk_packages(root.__path__, {package!r} + '.'):
    if '__main__' in info.name or 'windows' in info.name: continue
    try: importlib.import_module(info.name)
    except ImportError: pass
print(sorted(seen))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    seen = set(eval(done.stdout))
    import importlib.util

    spec = importlib.util.find_spec(package)
    assert spec is not None
    program = Program.read(next(iter(spec.submodule_search_locations or [])))
    graph = program.get_graph(AT_IMPORT | {"lazy"}, with_ancestors=True)
    ids = program.raw.ids
    missing = {
        (a, b) for a, b in seen
        if a != b and a in ids and b in ids and ids[b] not in graph[ids[a]]
        # `from package import submodule` leads to the submodule, whose parent is the second layer.
        and not any(program.names[t].startswith(b + ".") for t in graph[ids[a]])
    }  # fmt: skip
    assert not missing


def test_edits_are_kept_beside_what_was_read(tmp_path, monkeypatch):
    """A few edits write a small part of their own, later runs see them, and so does whoever asks for statements."""
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path / "kept"))
    tree = tmp_path / "tree"
    (tree / "p").mkdir(parents=True)
    (tree / "p" / "__init__.py").write_text("")
    for name in "abc":
        (tree / "p" / f"{name}.py").write_text("import json\n")
    for path in tree.rglob("*.py"):  # too old to be in doubt
        os.utime(path, (1_000_000_000, 1_000_000_000))
    Program.read(tree)
    graphs = list((tmp_path / "kept" / "program").glob("*.graph"))
    before = graphs[0].read_bytes()

    for text, expected in [("from . import b\n", ["p.b"]), ("from . import c\nimport p.b\n", ["p.c", "p.b"])]:
        (tree / "p" / "a.py").write_text(text)
        for _ in range(2):  # as it is edited, and as it is kept
            program = Program.read(tree)
            assert [arrow.imported for arrow in program.list_arrows()] == expected
            assert [row.module for row in program.modules["p.b"].imports()] == ["json"]
            assert program.raw.was_kept
    assert graphs[0].read_bytes() == before

    (tree / "p" / "d.py").write_text("import p.a\n")
    assert {arrow.importer for arrow in Program.read(tree).list_arrows()} == {"p.a", "p.d"}


def test_a_scanning_process_that_dies_costs_only_time(tmp_path, monkeypatch):
    """Its files are scanned again by the one that waits for it."""
    for number in range(300):
        (tmp_path / f"m{number:03}.py").write_text(f"import m{(number + 1) % 300:03}\n")
    parent = os.getpid()
    scan_file = scan.scan_bytes

    def die_in_a_child(*args, **kwargs):
        if os.getpid() != parent:
            os._exit(1)
        return scan_file(*args, **kwargs)

    monkeypatch.setattr(scan, "scan_bytes", die_in_a_child)
    program = Program.read(tmp_path, is_kept=False, processes=3)
    assert len(program.list_arrows()) == 300
