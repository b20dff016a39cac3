"""Where modules and files lie that a bundle carries: archives, editable installs, folders shared with others, no owner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from site_folder import install

pytestmark = pytest.mark.slow

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def compile_module(path: Path, name: str) -> None:
    """Compile an extension module whose `answer` is 42."""
    source = path.with_name(f"{name}.c")
    source.write_text(
        "#include <Python.h>\n"
        f'static struct PyModuleDef d = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, 0}};\n'
        f"PyMODINIT_FUNC PyInit_{name}(void) {{ PyObject *m = PyModule_Create(&d);\n"
        '  PyModule_AddIntConstant(m, "answer", 42); return m; }\n'
    )
    command = ["gcc", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(source), "-o", str(path)]
    subprocess.run(command, check=True)
    source.unlink()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled module called `_swift`."""
    path = tmp_path_factory.mktemp("compiled") / f"_swift{SUFFIX}"
    compile_module(path, "_swift")
    return path


@pytest.fixture(scope="session")
def untidy(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Path:
    """A virtual environment with what no installer would leave: modules of nobody, metadata without a list, a mapping."""
    folder = tmp_path_factory.mktemp("untidy")
    venv.create(folder, symlinks=True)
    site = next((folder / "lib").glob("python3*/site-packages"))
    (site / "lonely.py").write_text("value = 'lonely'\n")
    (site / "orphan" / "inner").mkdir(parents=True)
    (site / "orphan" / "__init__.py").write_text("from orphan.inner import value\n")
    (site / "orphan" / "inner" / "__init__.py").write_text(
        "import os\nvalue = open(os.path.join(os.path.dirname(__file__), 'v.txt')).read()\n"
    )
    (site / "orphan" / "inner" / "v.txt").write_text("orphan")
    (site / "orphan" / "old.pyc").write_bytes(b"")
    shutil.copy(compiled, site)
    install(site, "listless", "1.0", {"listless.py": "value = 'listless'\n"})
    (site / "listless-1.0.dist-info" / "RECORD").unlink()
    install(site, "damaged", "1.0", {"damaged.py": "value = 'damaged'\n"})
    (site / "damaged-1.0.dist-info" / "RECORD").write_text("damaged.py,,,,,\n")
    install(site, "asks", "1.0", {"asks.py": "import listless\n"}, requires=["listless"])
    install(site, "grown", "1.0", {"grown/__init__.py": "", "grown/a,b.txt": ""})
    with open(site / "grown-1.0.dist-info" / "RECORD", "a") as record:
        record.write("../../../bin/grown,,\ngrown/__pycache__/later.cpython-311.pyc,,\ngrown/removed.py,,\n")
    for name in ("later", "last"):
        (site / "grown" / f"{name}.py").write_text(f"value = {name!r}\n")
    install(site, "shared-one", "1.0", {"shared/one.py": "value = 'one'\n", "shared/one.txt": "text"})
    install(site, "stable", "1.0", {"stable/__init__.py": "", "stable/_c.abi3.so": "no library"})
    (site / "nameless-1.0.dist-info").mkdir()
    (site / "nameless-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n")
    (site / "empty-1.0.dist-info").mkdir()
    work = folder / "work" / "mapped"
    work.mkdir(parents=True)
    (work / "__init__.py").write_text("from mapped.part import value\n")
    (work / "part.py").write_text("value = 'mapped'\n")
    (work / "data.txt").write_text("data")
    (site / "__editable___mapped_1_0_finder.py").write_text(f"MAPPING = {{'mapped': {str(work)!r}}}\n")
    (site / "__editable__.mapped-1.0.pth").write_text(
        "import __editable___mapped_1_0_finder; __editable___mapped_1_0_finder.install()\n"
    )
    return folder


def test_an_editable_installs_package_is_the_programs_own(make_bundle, untidy):
    """Nobody else has that folder: it is carried, with its data, without `--include all`."""
    files = {
        "main.py": "import mapped, pkgutil\nprint(mapped.value, pkgutil.get_data('mapped', 'data.txt'))\n"
    }
    bundle = make_bundle(files, "main.py", "--environment", str(untidy))

    assert bundle.report["modules"] == ["mapped", "mapped.part"]
    assert bundle.run().text == "mapped b'data'\n"


@pytest.mark.parametrize("include", ["own", "all"])
def test_modules_that_nobody_owns(make_bundle, untidy, include):
    """What was copied into the site folder by hand is carried whole if asked, and named if not."""
    files = {"main.py": "import lonely, orphan, _swift\nprint(lonely.value, orphan.value, _swift.answer)\n"}
    bundle = make_bundle(files, "main.py", "--environment", str(untidy), "--include", include)

    if include == "own":
        assert bundle.report["needed"] == ["_swift", "lonely", "orphan"]
        assert "No module named 'lonely'" in bundle.run().text
    else:
        assert bundle.report["needed"] == []
        assert bundle.run().text == "lonely orphan 42\n"
        assert not any(path.endswith(".pyc") for path in bundle.report["files"])


def test_a_distribution_without_a_list_of_files_is_told(make_bundle, untidy):
    """What the program imports of it is carried, as of nobody; where only another distribution needs it that is told."""
    options = ("main.py", "--environment", str(untidy), "--include", "all")
    program = {"main.py": "import damaged, listless\nprint(damaged.value, listless.value)\n"}
    assert make_bundle(program, *options).run().text == "damaged listless\n"

    other = make_bundle({"main.py": "import asks\n"}, *options, name="other.pyz")
    assert [(item["what"], item["reason"]) for item in other.report["left_out"]] == [
        ("listless==1.0", "it has no list of its files that could be carried")
    ]
    assert "No module named 'listless'" in other.run().text


def test_a_file_that_came_to_a_distribution_later_is_carried(make_bundle, untidy):
    """A module that was made beside those that were installed is on no list, and the program imports it. What is on a list
    and is not there, or lies elsewhere, is not carried, and not on the bundle's list."""
    files = {"main.py": "from grown import later\nimport grown.last\nprint(later.value, grown.last.value)\n"}
    bundle = make_bundle(files, "main.py", "--environment", str(untidy), "--include", "all")

    assert bundle.run().text == "later last\n"
    listed = (
        "import grown.later as later, grown.last as last\nfrom importlib import metadata\n"
        "print(sorted(map(str, metadata.files('grown'))))\n"
    )
    other = make_bundle(
        {"main.py": listed}, "main.py", "--environment", str(untidy), "--include", "all", name="o.pyz"
    )
    info = [f"grown-1.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")]
    assert other.run().text == f"{sorted([*info, 'grown/__init__.py', 'grown/a,b.txt'])}\n"


@pytest.mark.parametrize("is_inside", [False, True])
def test_a_folder_shared_with_others(make_bundle, untidy, tmp_path, is_inside):
    """A package without `__init__`, part of it own and part installed, is one package there too."""
    files = {
        "main.py": "from shared import one, two\nprint(one.value, two.value)\n",
        "shared/two.py": "value = 'two'\n",
    }
    options = ["--environment", str(untidy)]
    if is_inside:
        shutil.copytree(untidy, tmp_path / "program" / ".venv", symlinks=True)
        options = []
    bundle = make_bundle(files, "main.py", *options, "--include", "all")
    assert bundle.run().text == "one two\n"
    assert [path for path in bundle.report["files"] if path.startswith("app/")] == [
        "app/main.py",
        "app/shared/two.py",
    ]
    os.rename(tmp_path / "program-app.pyz", tmp_path / "program")

    own = make_bundle(files, "main.py", *options, name="own.pyz")
    assert own.report["needed"] == ["shared-one==1.0"]
    assert own.report["modules"] == ["shared.two"]
    assert own.report["left_out"] == []


def test_what_is_compiled_for_any_python_3_is_told_so(make_bundle, untidy):
    """The report says where it runs."""
    files = {"main.py": "try:\n    import stable._c\nexcept ImportError:\n    print('here')\n"}
    bundle = make_bundle(files, "main.py", "--environment", str(untidy), "--include", "all")

    assert [item["reason"] for item in bundle.report["left_out"]] == [
        "it is compiled for this platform only (_c.abi3.so), for any Python 3"
    ]


def test_a_compiled_module_of_the_programs_own(make_bundle, compiled):
    """It is laid out, and told; one that nothing reaches is not carried."""
    files = {
        "main.py": "from quick import _swift\nprint(_swift.answer)\n",
        "quick/__init__.py": "",
        f"quick/{compiled.name}": compiled.read_bytes(),
        f"quick/_unused{SUFFIX}": b"no library",
    }
    bundle = make_bundle(files, "main.py")

    assert bundle.run().text == "42\n"
    assert bundle.report["real"] == [f"app/quick/{compiled.name}"]
    [told] = bundle.report["left_out"]
    assert told["what"] == "quick._swift"
    assert "compiled for this platform and Python only" in told["reason"]


def test_a_script_that_is_a_link(make_bundle, tmp_path):
    """Its modules are beside the file that it leads to, as for Python."""
    files = {"real/app.py": "import helper\nprint(helper.value)\n", "real/helper.py": "value = 'helped'\n"}
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "start.py").symlink_to("real/app.py")

    bundle = make_bundle(files, "start.py")

    assert bundle.run().text == "helped\n"
    assert bundle.report["files"] == ["app/app.py", "app/helper.py"]


def test_modules_in_an_archive_are_told(make_bundle, tmp_path):
    """A zip file on the path is not taken apart: the report says that its modules are not carried."""
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.writestr("packed.py", "value = 1\n")
    bundle = make_bundle({"main.py": "import packed\n"}, "main.py", "--path", str(tmp_path / "lib.zip"))

    [told] = bundle.report["left_out"]
    assert (told["what"], "which cannot be carried" in told["reason"]) == ("packed", True)
    assert "No module named 'packed'" in bundle.run().text
