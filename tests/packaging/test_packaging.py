"""What is built and installed: wheels with and without the native parts, the source distribution.

Each test installs a wheel as somebody would, where it must work: an environment that has nothing else, a zip
file, a site-packages that cannot be written to, another user's account, without HOME, as process 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(3)\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("packaging")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source distribution, made from the tree, and the two wheels, made from that distribution."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    build(tree, "sdist", folder)
    sdist = next(folder.glob("entrepot-*.tar.gz"))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    unpacked = next((folder / "unpacked").iterdir())
    build(unpacked, "wheel", folder / "native")
    build(unpacked, "wheel", folder / "pure", ENTREPOT_NO_NATIVE="1")
    return {
        "sdist": sdist,
        "native": next((folder / "native").glob("*.whl")),
        "pure": next((folder / "pure").glob("*.whl")),
    }


def build(tree: Path, kind: str, out: Path, **env: str) -> None:
    for leftover in tree.glob("src/entrepot/*/_*"):
        if leftover.suffix == ".so" or leftover.name == "_client":
            leftover.unlink()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(out)],
        cwd=tree, check=True, capture_output=True, env={**os.environ, **env},
    )  # fmt: skip


@pytest.fixture
def install(built: dict[str, Path], tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Install one of the wheels into an environment that has nothing else; returns its `bin` folder."""
    made: list[Path] = []

    def into_environment(kind: str) -> Path:
        environment = tmp_path / f"venv-{kind}"
        venv.create(environment, with_pip=False)
        pip(environment, "install", "--no-index", "--no-deps", "--quiet", str(built[kind]))
        made.append(environment / "bin")
        return environment / "bin"

    yield into_environment
    for folder in made:
        if (folder / "entrepot").exists():
            call([str(folder / "entrepot"), "warm", "stop"], tmp_path)


def pip(environment: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), *arguments]
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    )


def call(command: list[str], folder: Path, **env: str | None) -> tuple[int, str, str]:
    """Run a command with a store of its own; return status, output and errors."""
    merged = {**os.environ, "ENTREPOT_DIR": str(folder / "store"), **env}
    merged = {
        key: value for key, value in merged.items() if value is not None and key not in ("CI", "PYTHONPATH")
    }
    done = subprocess.run(command, cwd=folder, env=merged, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def write_program(folder: Path) -> None:
    (folder / "main.py").write_text(PROGRAM)


def test_the_wheels_say_for_what_they_are(built: dict[str, Path]):
    """One wheel for every Python on a platform, and one for everywhere; nothing but the package in either."""
    assert built["native"].name.endswith("-py3-none-linux_x86_64.whl")
    assert built["pure"].name.endswith("-py3-none-any.whl")
    for kind in ("native", "pure"):
        with zipfile.ZipFile(built[kind]) as wheel:
            tops = {name.split("/")[0].rpartition("-")[0] or name.split("/")[0] for name in wheel.namelist()}
            assert not wheel.testzip()
            assert "entrepot/py.typed" in wheel.namelist()
        assert {top.split("-")[0] for top in tops} == {"entrepot"}


def test_the_source_distribution_has_what_a_build_and_a_reader_need(built: dict[str, Path]):
    """Sources with the C files, the licence, the README; nothing compiled."""
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "README.md", "pyproject.toml", "hatch_build.py"} <= names
    assert {"src/entrepot/warm/client.c", "src/entrepot/warm/client.h"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc", "_client"))]


@pytest.mark.parametrize("kind", ["native", "pure"])
def test_it_installs_in_ten_seconds_where_nothing_else_is_and_runs(
    kind: str, install: Callable[[str], Path], tmp_path: Path
):
    """The command runs a program as Python would, twice."""
    write_program(tmp_path)
    started_s = time.monotonic()
    folder = install(kind)
    took_s = time.monotonic() - started_s

    assert took_s < 10
    assert call([str(folder / "entrepot"), "--version"], tmp_path)[1] == "entrepot 0.1.0\n"
    for _ in range(2):
        assert call([str(folder / "entrepot"), "run", "main.py", "a"], tmp_path) == (3, '["a"]\n', "")
    status, output, errors = call([str(folder / "entrepot"), "graph", "main.py"], tmp_path)
    assert (status, errors) == (0, "")
    assert "json" in output or "main" in output


@pytest.mark.parametrize("kind", ["native", "pure"])
def test_uninstalling_leaves_nothing(kind: str, install: Callable[[str], Path], tmp_path: Path):
    """The environment has the files it had before, after programs have run."""
    write_program(tmp_path)
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    folder = install(kind)
    call([str(folder / "entrepot"), "run", "main.py"], tmp_path)
    call([str(folder / "entrepot"), "trace", "main.py"], tmp_path)
    call([str(folder / "entrepot"), "warm", "stop"], tmp_path)
    pip(folder.parent, "uninstall", "--yes", "--quiet", "entrepot")

    assert list_files(folder.parent) == list_files(bare)


def list_files(environment: Path) -> set[str]:
    return {str(path.relative_to(environment)) for path in environment.rglob("*")}


def test_it_works_from_a_zip_file(built: dict[str, Path], tmp_path: Path):
    """`python -m entrepot` with the wheel itself on the path: runs are cold, and right."""
    write_program(tmp_path)
    command = [sys.executable, "-m", "entrepot"]
    for kind in ("pure", "native"):
        done = subprocess.run(
            [*command, "run", "main.py", "a"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(built[kind]), "ENTREPOT_DIR": str(tmp_path / "store")},
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (3, '["a"]\n', "")
        code = "import entrepot; s = entrepot.System(path=['.']); print(s.find_spec('main').name)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(built[kind])},
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "main\n", "")


def test_it_works_from_a_read_only_site_packages(install: Callable[[str], Path], tmp_path: Path, need):
    """As somebody who can neither write where it is installed nor in HOME."""
    need(os.geteuid() == 0 and shutil.which("setpriv"), "root and setpriv")
    write_program(tmp_path)
    folder = install("native")
    for path in [folder.parent, *folder.parent.rglob("*")]:
        if not path.is_symlink():
            path.chmod(
                0o555 if path.is_dir() or (os.access(path, os.X_OK) and path.suffix != ".py") else 0o444
            )
    open_for_all(tmp_path)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    plain = subprocess.run([*nobody, str(folder / "python"), "-c", ""], capture_output=True, check=False)
    need(plain.returncode == 0, "an interpreter that others may use")
    for _ in range(2):
        outcome = call(
            [*nobody, str(folder / "entrepot"), "run", "main.py", "a"], tmp_path, HOME="/nonexistent"
        )
        assert outcome == (3, '["a"]\n', "")
    call([*nobody, str(folder / "entrepot"), "warm", "stop"], tmp_path, HOME="/nonexistent")


def open_for_all(folder: Path) -> None:
    """Let everybody reach a folder, and write into it."""
    folder.chmod(0o777)
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


@pytest.mark.parametrize("kind", ["native", "pure"])
def test_it_works_without_home_and_with_hardly_any_environment(
    kind: str, install: Callable[[str], Path], tmp_path: Path
):
    """As a service or a cron job would run it."""
    write_program(tmp_path)
    folder = install(kind)
    for _ in range(2):
        done = subprocess.run(
            [str(folder / "entrepot"), "run", "main.py", "a"],
            cwd=tmp_path, env={"ENTREPOT_DIR": str(tmp_path / "store")}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (3, '["a"]\n', "")


def test_it_works_as_process_1_of_a_container(install: Callable[[str], Path], tmp_path: Path, need):
    """In a process namespace of its own, whose end is the end of everything in it."""
    can_unshare = (
        shutil.which("unshare")
        and not subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True
        ).returncode
    )
    need(can_unshare, "unshare --pid")
    write_program(tmp_path)
    folder = install("native")
    contained = ["unshare", "--pid", "--fork", "--mount-proc"]
    for _ in range(2):
        outcome = call([*contained, str(folder / "entrepot"), "run", "main.py", "a"], tmp_path)
        assert outcome == (3, '["a"]\n', "")


def test_pipx_can_run_it(built: dict[str, Path], tmp_path: Path, need):
    """`pipx run` installs it for one run, and the command is there."""
    folders = ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "PIPX_COMPLETION_DIR")
    env = {**os.environ, **{name: str(tmp_path / name) for name in folders}}
    pipx = [sys.executable, "-m", "pipx"]
    need(not subprocess.run([*pipx, "--version"], capture_output=True, env=env).returncode, "pipx")
    done = subprocess.run(
        [*pipx, "run", "--spec", str(built["native"]), "entrepot", "--version"],
        capture_output=True, text=True, timeout=120, cwd=tmp_path, env=env,
    )  # fmt: skip

    assert done.stdout == "entrepot 0.1.0\n", done.stderr
