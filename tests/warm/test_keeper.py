"""The keeper: small, asleep, alone, gone when it should be; and its images forgotten when their time has come."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import entrepot
from entrepot.warm.images import find_images, get_keeper
from native import NEEDS_NATIVE
from warm_place import CLIENT, PROGRAM, Place, as_python, wait_until

pytestmark = NEEDS_NATIVE


def read_status(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}


def count_switches(pid: int) -> int:
    """Return how often a process has been given the processor."""
    status = read_status(pid)
    return int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"])


def test_keeper_sleeps_and_is_small(place):
    """With nothing to do the keeper does nothing, and is hardly more than a bare interpreter."""
    place.warm_up()
    keeper = place.get_keeper()
    wait_until(lambda: not Path(f"/proc/{keeper}/task/{keeper}/children").read_text())
    wait_until(lambda: read_status(keeper)["State"].startswith("S"))

    def sleeps() -> bool:
        before = count_switches(keeper)
        time.sleep(0.5)
        return count_switches(keeper) == before

    wait_until(sleeps, 10)  # on a busy machine it is given the processor late for what it has done before
    assert int(read_status(keeper)["VmRSS"].split()[0]) < 16 * 1024


def test_ps_names_the_keeper(place):
    """`ps` shows what the process is, in both of its columns."""
    place.warm_up()
    folder = Path(f"/proc/{place.get_keeper()}")

    assert (folder / "comm").read_text() == "entrepot-keeper\n"
    assert b"warm/keeper.py\0" + os.fsencode(place.store) in (folder / "cmdline").read_bytes()


def test_a_store_has_one_keeper(place):
    """A second keeper of the same store ends at once."""
    place.warm_up()
    command = [sys.executable, "-I", "-m", "entrepot.warm.keeper", str(place.store)]

    assert subprocess.run(command, timeout=20, env=place.get_env()).returncode == 0
    assert get_keeper(str(place.store))


def test_unused_images_are_forgotten(place):
    """After ENTREPOT_IDLE_S without use an image goes, and with the last one the keeper."""
    place.warm_up(ENTREPOT_IDLE_S="0.7")
    keeper = place.get_keeper()

    wait_until(lambda: not Path(f"/proc/{keeper}").exists())

    assert not [name for name in os.listdir(place.store) if "." in name or name == "wake"]
    assert as_python(place.run())


def test_oldest_images_go_first_where_memory_is_short(place):
    """Of more than ENTREPOT_MEMORY_MIB the longest unused goes."""
    (place.path / "large.py").write_text("DATA = b'x' * (30 << 20)\n")
    for name in ("a.py", "b.py", "c.py"):
        (place.path / name).write_text(f"import large\n{PROGRAM}")
        place.warm_up(name, ENTREPOT_MEMORY_MIB="100")
    wait_until(lambda: len(list_programs(place)) == 2)

    assert list_programs(place) == ["b.py", "c.py"]


def list_programs(place: Place) -> list[str]:
    """Return the programs that have an image, the longest unused first."""
    images = find_images(str(place.store))
    return [image.program.split()[0] for image in images if image.kind == "file"]


def test_warm_run_without_a_keeper_starts_one(place):
    """After the keeper was killed somebody must forget the images one day."""
    place.warm_up()
    keeper = place.get_keeper()
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: get_keeper(str(place.store)) is None)

    assert place.run()[2] == "entrepot: warm\n"

    wait_until(lambda: get_keeper(str(place.store)) not in (None, keeper))


@pytest.mark.parametrize("after_ms", [0, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300])
@pytest.mark.parametrize("victim", ["keeper", "worker", "preparing"])
def test_killed_at_any_moment_nothing_is_left(place, victim, after_ms):
    """Keeper, worker or preparing interpreter killed while they work: runs are right, nothing is orphaned, images come."""
    assert as_python(place.run())
    time.sleep(after_ms / 1000)
    keeper = get_keeper(str(place.store))
    processes = place.find_processes()
    named = {pid: read_command(pid) for pid in processes}
    kinds = {
        "keeper": [pid for pid in processes if pid == keeper],
        "worker": [pid for pid, text in named.items() if "entrepot.warm.work" in text],
        "preparing": [pid for pid, text in named.items() if "main.py" in text],
    }
    for pid in kinds[victim]:
        kill(pid)

    assert as_python(place.run())
    place.warm_up()
    assert place.run()[2] == "entrepot: warm\n"
    wait_until(lambda: end_keeper(place))


def end_keeper(place: Place) -> bool:
    """Kill the keeper, also one that a warm run without a keeper has just started; whether all have ended."""
    keeper = get_keeper(str(place.store))
    if keeper:
        kill(keeper)
    return not place.find_processes()


def kill(pid: int) -> None:
    """Kill a process that may be gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def read_command(pid: int) -> str:
    """Return the arguments of a process, '' if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


class Installed(Place):
    """An installation of entrepot of its own, to be removed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", path / "venv"], check=True)
        self.package = path / "site" / "entrepot"
        source = Path(entrepot.__file__).parent
        shutil.copytree(source, self.package, ignore=shutil.ignore_patterns("__pycache__", "static"))
        (site,) = (path / "venv").glob("lib/python*/site-packages")
        (site / "entrepot.pth").write_text(f"{path / 'site'}\n")
        self.client = path / "venv" / "bin" / "entrepot"
        shutil.copy(CLIENT, self.client)

    def get_command(self, *arguments: str) -> list[str]:
        return [str(self.client), "run", *(arguments or ("main.py", "a"))]


@pytest.fixture
def installed(tmp_path):
    """A program run by an installation of its own."""
    place = Installed(tmp_path)
    yield place
    place.stop()


def test_uninstalling_leaves_nothing(installed):
    """When entrepot's files are deleted the keeper ends by itself, and its images are gone."""
    installed.warm_up()
    keeper = installed.get_keeper()

    shutil.rmtree(installed.package)

    wait_until(lambda: not Path(f"/proc/{keeper}").exists())
    assert not installed.find_processes()
    assert not [path for path in installed.store.rglob("*") if not path.is_dir()]
    assert as_python(installed.run())


def test_upgrading_retires_what_the_old_version_made(installed):
    """Files replaced: the old keeper ends, the run is right, and the next image is the new version's."""
    installed.warm_up()
    keeper = installed.get_keeper()
    new = installed.package.with_name("new")
    shutil.copytree(installed.package, new)
    shutil.rmtree(installed.package)
    new.rename(installed.package)
    wait_until(lambda: not Path(f"/proc/{keeper}").exists())

    assert as_python(installed.run())

    installed.warm_up()
    assert installed.run()[2] == "entrepot: warm\n"
    assert installed.get_keeper() != keeper


def test_another_version_of_the_client_uses_no_old_image(place, tmp_path):
    """An image says which version made it; a client of another one does not touch it."""
    place.warm_up()
    other = tmp_path / "client"
    data = CLIENT.read_bytes()
    mark = f"entrepot checks 1 {entrepot.__version__}".encode()
    assert mark in data
    other.write_bytes(data.replace(mark, mark[:-1] + b"x"))
    other.chmod(0o755)

    outcome = place.call([str(other), *place.get_command()[1:]])

    assert as_python(outcome)
    assert "another version" in outcome[2]


def test_another_python_in_its_place_uses_no_old_image(installed, tmp_path):
    """An interpreter replaced by another file is another interpreter."""
    python = installed.path / "venv" / "bin" / "python"
    real = python.resolve()
    python.unlink()
    shutil.copy(real, python)
    installed.warm_up()
    assert installed.run()[2] == "entrepot: warm\n"
    shutil.copy(real, tmp_path / "upgraded")
    (tmp_path / "upgraded").rename(python)

    outcome = installed.run()

    assert as_python(outcome)
    assert outcome[2].startswith("entrepot: cold: ")
