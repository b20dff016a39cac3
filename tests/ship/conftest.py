"""Bundles made of programs drawn as text, and run where nothing else of the program is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from both_ways import Outcome, make_environment, run
from dask_cluster import HEAD, PROGRAM, Cluster, make_bare_environment, read_told
from entrepot import cli
from site_folder import install

Draw = Callable[..., Path]


@dataclass
class Bundled:
    """A bundle, what its making said, and where it is run."""

    path: Path
    report: dict[str, object]
    folder: Path

    def run(
        self, *arguments: str, python: str = sys.executable, env: dict[str, str | None] | None = None
    ) -> Outcome:
        """Run it with a store of its own, in a folder that has nothing of the program."""
        settings = {"ENTREPOT_BUNDLES": str(self.folder / "store"), **(env or {})}
        return run([python, str(self.path), *arguments], cwd=self.folder, env=settings)


@pytest.fixture
def make_bundle(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Bundled]:
    """`make_bundle(files, "main.py", ...options)` draws a program, bundles it, and forgets the program."""

    def make(
        files: dict[str, str | bytes], *arguments: str, name: str = "app.pyz", keep: bool = False
    ) -> Bundled:
        program = draw(files, "program")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        monkeypatch.chdir(program)
        path = elsewhere / name
        capsys.readouterr()
        status = cli.main(["bundle", *arguments, "-o", str(path), "--format", "json"])
        shown = capsys.readouterr()
        assert status == 0, shown.err
        monkeypatch.chdir(elsewhere)
        if not keep:
            os.rename(program, tmp_path / f"program-{name}")
        return Bundled(path, json.loads(shown.out), elsewhere)

    return make


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with distributions made here: pure, with data, with entry points, compiled."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = next((folder / "lib").glob("python3*/site-packages"))
    install(site, "rates", "1.2", {
        "rates/__init__.py": "from importlib import resources\n"
            "def get(): return float(resources.files(__name__).joinpath('table.txt').read_text())\n",
        "rates/table.txt": "1.5",
        "rates/tests/__init__.py": "",
        "rates/tests/test_rates.py": "1/0\n",
    }, requires=["moduli>=1", "absent; extra == 'more'"], entry_points="[greeters]\nhello = rates:get\n")  # fmt: skip
    install(site, "moduli", "2.0", {
        "moduli.py": "def rest(a, b): return a % b\n",
    })  # fmt: skip
    install(site, "beside", "0.1", {
        "beside/__init__.py": "import os\ntext = open(os.path.join(os.path.dirname(__file__), 'text.txt')).read()\n",
        "beside/text.txt": "by path",
    })  # fmt: skip
    with open(site / "beside" / "__init__.py", "a") as file:
        file.write("def read_of(m): return open(os.path.dirname(m.__file__) + '/templates/x.txt').read()\n")
    install(site, "django", "9.0", {
        "django/__init__.py": "", "django/checks.py": "from django.tests.util import value\n",
        "django/test/__init__.py": "", "django/test/client.py": "",
        "django/tests/__init__.py": "", "django/tests/util.py": "value = 3\n",
    })  # fmt: skip
    install(site, "greet", "0.4", {
        "greet/__init__.py": "",
        "greet/__main__.py": "import sys, rates\nfrom importlib import metadata\n"
            "print(metadata.version('greet'), rates.get(), __package__)\n",
    }, requires=["rates"])  # fmt: skip
    build_compiled(site, folder)
    return folder


def build_compiled(site: Path, folder: Path) -> None:
    """Compile an extension module that needs a shared library beside it, as wheels arrange it."""
    import sysconfig

    (folder / "deep.c").write_text("int deep(void) { return 42; }\n")
    (folder / "quick.c").write_text(
        "#include <Python.h>\nint deep(void);\n"
        "static PyObject *answer(PyObject *s, PyObject *a) { return PyLong_FromLong(deep()); }\n"
        'static PyMethodDef m[] = {{"answer", answer, METH_NOARGS, 0}, {0}};\n'
        'static struct PyModuleDef d = {PyModuleDef_HEAD_INIT, "_quick", 0, -1, m};\n'
        "PyMODINIT_FUNC PyInit__quick(void) { return PyModule_Create(&d); }\n"
    )
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    include = sysconfig.get_path("include")
    (site / "quick").mkdir()
    (site / "quick.libs").mkdir()
    library = site / "quick.libs" / "libdeep-1.so"
    subprocess.run(["gcc", "-shared", "-fPIC", str(folder / "deep.c"), "-o", str(library)], check=True)
    module = site / "quick" / f"_quick{suffix}"
    command = ["gcc", "-shared", "-fPIC", f"-I{include}", str(folder / "quick.c"), "-o", str(module)]
    command += [f"-L{library.parent}", "-l:libdeep-1.so", "-Wl,-rpath,$ORIGIN/../quick.libs"]
    subprocess.run(command, check=True)
    install(site, "quick", "3.1", {"quick/__init__.py": "from quick._quick import answer\n"})
    info = site / "quick-3.1.dist-info" / "RECORD"
    with open(info, "a") as file:
        file.write(f"quick/{module.name},,\nquick.libs/libdeep-1.so,,\n")


@pytest.fixture
def draw_client(draw: Callable[..., Path]) -> Callable[..., Path]:
    """`draw_client(script, files)` writes a client's script, after HEAD, beside its program; returns the script."""

    def write(script: str, files: dict[str, str] = PROGRAM, folder: str = "client") -> Path:
        return draw({**files, "client.py": HEAD + script}, folder) / "client.py"

    return write


@pytest.fixture
def run_local(draw_client: Callable[..., Path], tmp_path: Path) -> Callable[..., list[object]]:
    """Run a client's script with a cluster of its own; returns what it told."""

    def run(files: dict[str, str], script: str, timeout_s: float = 90) -> list[object]:
        folder = draw_client(script, files).parent
        env = make_environment({"ENTREPOT_MODULES": str(tmp_path / "store"), "TMPDIR": str(tmp_path)})
        done = subprocess.run(
            [sys.executable, "client.py"], cwd=folder, env=env, capture_output=True, timeout=timeout_s
        )
        return read_told(Outcome(done.returncode, done.stdout, done.stderr))

    return run


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with distributed and without entrepot."""
    return make_bare_environment(tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture
def cluster(tmp_path: Path, bare_python: str) -> Iterator[Cluster]:
    """Commands in folders of their own, on this host, where entrepot is not installed."""
    made = Cluster(tmp_path, bare_python)
    yield made
    made.close()
