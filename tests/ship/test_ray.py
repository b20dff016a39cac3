"""A program's modules on Ray workers, through its runtime environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from both_ways import make_environment
from entrepot.ship.ray import runtime_env

PROGRAM = {
    "main.py": "import calc\nfrom shop import cart\n",
    "calc.py": "RATE = 2\ndef times(x):\n    return x * RATE\n",
    "shop/__init__.py": "",
    "shop/cart.py": """
        from importlib import resources
        def read():
            return resources.files("shop").joinpath("table.txt").read_text()
    """,
    "shop/table.txt": "one",
    "unused.py": "1/0\n",
    "conf.toml": "a = 1",
}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of our own."""
    monkeypatch.setenv("ENTREPOT_RAY", str(tmp_path / "store"))
    return tmp_path / "store"


def list_files(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_the_entry_points_folder_is_the_working_directory(draw):
    """What the entry point reaches, with data of packages and data asked for, is one folder."""
    made = runtime_env(draw(PROGRAM) / "main.py", data=["conf.toml"], env_vars={"A": "1"})

    assert made["env_vars"] == {"A": "1"}
    assert list_files(made["working_dir"]) == [
        "calc.py", "conf.toml", "main.py", "shop/__init__.py", "shop/cart.py", "shop/table.txt",
    ]  # fmt: skip


def test_the_same_program_gives_the_same_folder(draw, store):
    """Nothing is written for what is there; an edit gives another folder; a damaged one is made again."""
    script = draw(PROGRAM) / "main.py"
    first = runtime_env(script)["working_dir"]
    inode = os.stat(first).st_ino
    assert runtime_env(script)["working_dir"] == first
    assert os.stat(first).st_ino == inode

    Path(first, "calc.py").write_text("damaged")
    assert runtime_env(script)["working_dir"] == first
    assert Path(first, "calc.py").read_text() == PROGRAM["calc.py"]

    (script.parent / "calc.py").write_text("RATE = 3\n")
    assert runtime_env(script)["working_dir"] != first
    assert store.stat().st_mode & 0o777 == 0o700


def test_everything_can_go_as_py_modules(draw):
    """With `working_dir=False` the packages and modules are listed, beside those that were given."""
    made = runtime_env(draw(PROGRAM) / "main.py", working_dir=False, py_modules=["s3://x/y.zip"])

    assert "working_dir" not in made
    assert [os.path.basename(path) for path in made["py_modules"]] == ["y.zip", "calc.py", "main.py", "shop"]


def test_a_folder_that_nobody_asks_for_is_forgotten(draw, store):
    """After two weeks; what is asked for again is kept."""
    script = draw(PROGRAM) / "main.py"
    asked, old = runtime_env(script)["working_dir"], store / "old"
    old.mkdir()
    for path in (Path(asked).parent, old):
        os.utime(path, (1e9, 1e9))

    assert runtime_env(script)["working_dir"] == asked
    assert os.listdir(store) == [Path(asked).parent.name]


def test_two_processes_may_lay_out_the_same(draw, store, monkeypatch):
    """Who comes second uses what the first has made; where nobody has made it, that is told."""
    script = draw(PROGRAM) / "main.py"
    plain = os.rename

    def be_second(source, target):
        shutil.copytree(source, target)
        return plain(source, target)

    monkeypatch.setattr(os, "rename", be_second)
    made = runtime_env(script)["working_dir"]
    assert list_files(made)[0] == "calc.py"
    assert len(os.listdir(store)) == 1

    shutil.rmtree(store)

    def refuse(_, target):
        raise PermissionError(1, "not allowed", target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        runtime_env(script)
    assert not list(store.glob("*.new"))


@pytest.mark.slow
def test_without_a_store_the_folder_goes_with_the_process(draw, tmp_path):
    """Where none can be had, or others could write it."""
    script = draw(PROGRAM) / "main.py"
    code = "import sys; from entrepot.ship.ray import runtime_env; print(runtime_env(sys.argv[1])['working_dir'])"
    env = make_environment({"ENTREPOT_RAY": "/dev/null/store", "TMPDIR": str(tmp_path / "tmp")})
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(script)], env=env, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.startswith(f"{tmp_path}/tmp/entrepot-ray-"), done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("working_dir", [True, False])
def test_a_local_ray_runs_the_modules(draw, tmp_path, working_dir):
    """Tasks on a real, local Ray import the program's modules and read their data."""
    pytest.importorskip("ray", reason="ray is not installed (245 MB): pip install 'entrepot[ray]'")
    draw(PROGRAM, "program")
    folder = draw({
        "client.py": f"""
            import json, os, sys
            import ray
            from entrepot.ship.ray import runtime_env
            environment = runtime_env("../program/main.py", working_dir={working_dir})
            ray.init(num_cpus=1, include_dashboard=False, runtime_env=environment)

            @ray.remote
            def work():
                import calc
                from shop import cart
                return [calc.times(2), cart.read(), os.path.realpath(calc.__file__)]

            found = ray.get(work.remote())
            print(json.dumps([*found[:2], "program" in found[2]]))
            ray.shutdown()
        """,
    }, "driver")  # fmt: skip
    env = make_environment({"ENTREPOT_RAY": str(tmp_path / "store"), "RAY_USAGE_STATS_ENABLED": "0"})
    done = subprocess.run(
        [sys.executable, "client.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=140
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [4, "one", False]
